//! From a piece of code, or a long command, to a command line.

use bytes::Bytes;

/// A language code can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Python,
    JavaScript,
    Bash,
}

/// A command line and what it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandLine {
    pub(crate) text: String,
    pub(crate) stdin: Bytes,
}

/// The longest code that travels as an argument. The kernel takes 128 KiB for one argument, and the shell that reads
/// the command line is given all of it as one.
const INLINE_LIMIT: usize = 96 << 10;

/// What is looked for where an interpreter is missing. The shell that looks is there.
const KNOWN: &str = "python3 node bash sh ruby perl php lua deno bun";

impl Language {
    fn interpreter(self) -> &'static str {
        match self {
            Self::Python => "python3",
            Self::JavaScript => "node",
            Self::Bash => "bash",
        }
    }

    /// How the interpreter is told to run the text that follows.
    fn inline(self) -> &'static str {
        match self {
            // Unbuffered: what was printed before a timeout is not lost in the killed interpreter.
            Self::Python => "python3 -u -c",
            Self::JavaScript => "node -e",
            Self::Bash => "bash -c",
        }
    }

    /// Reads the code from descriptor 3, closes that, and runs the code as if it had been inline. Standard input is
    /// `/dev/null` for the code in either case.
    fn piped(self) -> &'static str {
        match self {
            Self::Python => {
                r#"python3 -u -c 'exec(compile(open(3, encoding="utf-8").read(), "<string>", "exec"))'"#
            }
            Self::JavaScript => "node - <&3 3<&-",
            Self::Bash => r#"bash -c 'eval "exec 3<&-; $(cat <&3)"'"#,
        }
    }

    /// The command line that runs `code`, which holds no NUL.
    pub(crate) fn command_line(self, code: &str) -> CommandLine {
        let interpreter = self.interpreter();
        let check = format!(
            "command -v {interpreter} >/dev/null || {{ has=; for i in {KNOWN}; do \
            command -v $i >/dev/null && has=\"$has${{has:+, }}$i\"; done; \
            echo \"{interpreter} is not installed in this image, which has $has\" >&2; exit 127; }}\n"
        );
        let quoted = quote(code);
        if quoted.len() <= INLINE_LIMIT {
            let text = format!("{check}exec {} {quoted} </dev/null", self.inline());
            CommandLine {
                text,
                stdin: Bytes::new(),
            }
        } else {
            let text = format!("{check}exec 3<&0 </dev/null\nexec {}", self.piped());
            CommandLine {
                text,
                stdin: Bytes::copy_from_slice(code.as_bytes()),
            }
        }
    }
}

/// The command line that stands for one that a caller has written, of any length.
pub(super) fn shell_command(command: String) -> CommandLine {
    if command.len() <= INLINE_LIMIT {
        return CommandLine {
            text: command,
            stdin: Bytes::new(),
        };
    }
    let text = "exec 3<&0 </dev/null; eval \"exec 3<&-; $(cat <&3)\"".to_owned();
    CommandLine {
        text,
        stdin: Bytes::from(command),
    }
}

/// One word of a POSIX shell that stands for `text` exactly.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Output, Stdio};

    use super::*;

    fn run(language: Language, code: &str) -> Option<Output> {
        let present = Command::new(language.interpreter())
            .arg("--version")
            .output()
            .is_ok();
        if !present {
            println!("skipped: {} is not installed", language.interpreter());
            return None;
        }
        Some(run_line(&language.command_line(code)))
    }

    fn run_line(line: &CommandLine) -> Output {
        let stdin = line.stdin.clone();
        let mut child = Command::new("bash")
            .args(["-c", &line.text])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let feeder = std::thread::spawn(move || pipe.write_all(&stdin));
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap().unwrap();
        output
    }

    /// The same code, short and padded past the inline limit by a comment.
    fn both(code: &str, comment: &str) -> [String; 2] {
        [
            code.to_owned(),
            format!("{code}\n{comment} {}\n", "'x\"$`\\".repeat(INLINE_LIMIT / 4)),
        ]
    }

    fn check(language: Language, code: &str, comment: &str, stdout: &str, exit: i32) {
        for code in both(code, comment) {
            let Some(output) = run(language, &code) else {
                return;
            };
            let shown = (
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
            );
            assert_eq!(shown.0, stdout, "stderr: {}", shown.1);
            assert_eq!(output.status.code(), Some(exit), "stderr: {}", shown.1);
        }
    }

    #[test]
    fn python_runs_the_same_inline_and_from_a_descriptor() {
        let code =
            "import sys\nprint(__name__, repr(sys.path[0]), sys.stdin.read() == '', 'ünï\\'\"')\nsys.exit(3)";
        check(Language::Python, code, "#", "__main__ '' True ünï'\"\n", 3);
    }

    #[test]
    fn javascript_runs_the_same_inline_and_from_a_descriptor() {
        let code = "console.log(typeof require, require('fs').readFileSync(0).length, 'ünï\\'\"');process.exitCode = 3";
        check(Language::JavaScript, code, "//", "function 0 ünï'\"\n", 3);
    }

    #[test]
    fn bash_runs_the_same_inline_and_from_a_descriptor() {
        let code = "# first\ncat\necho \"ünï'$LINENO\"\n[ -e /proc/$$/fd/3 ] && echo leaked\nexit 3";
        check(Language::Bash, code, "#", "ünï'3\n", 3);
    }

    #[test]
    fn a_megabyte_of_quotes_arrives() {
        let code = format!("x = len('''{}''')\nprint(x)", "\"".repeat(1 << 20));
        if let Some(output) = run(Language::Python, &code) {
            assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}\n", 1 << 20));
        }
    }

    #[test]
    fn a_long_command_is_a_command_like_any_other() {
        let padded = format!(
            "X=1; # {}\necho $X $LINENO; cat; exit 4",
            "x'\"$`".repeat(INLINE_LIMIT / 4)
        );
        let output = run_line(&shell_command(padded));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "1 2\n");
        assert_eq!(output.status.code(), Some(4));
    }

    #[test]
    fn a_missing_interpreter_is_named_with_what_there_is() {
        let dir = tempfile::tempdir().unwrap();
        for program in ["bash", "sh"] {
            std::os::unix::fs::symlink("/bin/sh", dir.path().join(program)).unwrap();
        }
        let line = Language::JavaScript.command_line("1");
        let output = Command::new("/bin/sh")
            .args(["-c", &line.text])
            .env("PATH", dir.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(127));
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "node is not installed in this image, which has bash, sh\n"
        );
    }
}
