//! Which program runs what a channel asks for.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};
use sandbox_isolation::Program;

use crate::{SFTP_ARGUMENT, exec::What, place::Place};

/// What makes a command line more than a program and its arguments, where it is not within single quotes.
const SYNTAX: &[char] = &[
    '|', '&', ';', '<', '>', '(', ')', '$', '`', '\n', '*', '?', '[', ']', '{', '}', '~', '#',
];

/// A program and what it is given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// `None` for our own.
    path: Option<PathBuf>,
    pub(crate) arg0: OsString,
    pub(crate) args: Vec<OsString>,
}

impl Chosen {
    /// The program for this, with this environment; or else why there is none, for the user.
    pub(crate) fn new(
        place: &Place,
        what: What<'_>,
        environment: &[(OsString, OsString)],
    ) -> Result<Self, String> {
        let shell = place.shell();
        let name = shell.map(|shell| shell.file_name().unwrap_or(shell.as_os_str()));
        match (what, shell, name) {
            (What::Sftp, ..) => Ok(Self {
                path: None,
                arg0: "sandbox-sftp".into(),
                args: vec![SFTP_ARGUMENT.into()],
            }),
            (What::Shell, Some(shell), Some(name)) => {
                // The dash is how a shell knows that it is a login shell.
                let mut login = OsString::from("-");
                login.push(name);
                Ok(Self {
                    path: Some(shell.to_owned()),
                    arg0: login,
                    args: vec![],
                })
            }
            (What::Command(line), Some(shell), Some(name)) => Ok(Self {
                path: Some(shell.to_owned()),
                arg0: name.to_owned(),
                args: vec!["-c".into(), OsStr::from_bytes(line).to_owned()],
            }),
            (What::Shell, ..) => Err("there is no shell in this image".to_owned()),
            (What::Command(line), ..) => without_shell(place, line, environment),
        }
    }

    pub(crate) fn program(&self) -> Program<'_> {
        self.path.as_deref().map_or(Program::Own, Program::Path)
    }
}

/// A program and plain arguments need no shell.
fn without_shell(place: &Place, line: &[u8], environment: &[(OsString, OsString)]) -> Result<Chosen, String> {
    let refused = || {
        "there is no shell in this image: only a program with plain arguments can be run, without any syntax of a shell"
            .to_owned()
    };
    let line = std::str::from_utf8(line).map_err(|_| refused())?;
    let mut words = plain_words(line).ok_or_else(refused)?.into_iter();
    let name = words.next().ok_or_else(refused)?;
    let path = find(Path::new(&name), place, environment).ok_or_else(|| format!("{name}: not found"))?;
    Ok(Chosen {
        path: Some(path),
        arg0: name.into(),
        args: words.map(Into::into).collect(),
    })
}

fn plain_words(line: &str) -> Option<Vec<String>> {
    let quoted_twice = line.contains(['"', '\\']);
    let plain = |text: &str| !text.contains(SYNTAX);
    // Every other part lies within single quotes.
    let is_plain = if quoted_twice {
        plain(line)
    } else {
        line.split('\'').step_by(2).all(plain)
    };
    is_plain.then(|| shlex::split(line)).flatten()
}

/// Looks for a program as a shell does.
fn find(name: &Path, place: &Place, environment: &[(OsString, OsString)]) -> Option<PathBuf> {
    let runs = |path: &PathBuf| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    if name.as_os_str().as_bytes().contains(&b'/') {
        return Some(place.start().join(name)).filter(runs);
    }
    let (_, path) = environment.iter().find(|(variable, _)| variable == "PATH")?;
    std::env::split_paths(path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(name))
        .find(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_shell_plain_words_are_left() {
        let words = |line| plain_words(line).map(|words| words.join("|"));
        for (line, expected) in [
            ("true", "true"),
            ("/bin/app --name 'a $b; c'  d", "/bin/app|--name|a $b; c|d"),
            ("app \"two words\" a\\ b", "app|two words|a b"),
        ] {
            assert_eq!(words(line).as_deref(), Some(expected), "{line}");
        }
        for line in [
            "a; b",
            "a | b",
            "echo $A",
            "a\nb",
            "\"$A\"",
            "\"'\" $A \"'\"",
            "'a",
            "a > b",
            "a*",
        ] {
            assert_eq!(words(line), None, "{line}");
        }
    }

    #[test]
    fn without_a_shell_programs_are_found_on_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place {
            workspace: "/".into(),
            ..Place::sandbox()
        };
        let path = format!("relative:{}:/bin", dir.path().display());
        let environment = [("PATH".into(), path.into())];
        let found = |name: &str| without_shell(&place, name.as_bytes(), &environment);
        assert_eq!(
            found("true now").unwrap().path.as_deref(),
            Some(Path::new("/bin/true"))
        );
        assert_eq!(
            found("./bin/true").unwrap().path.as_deref(),
            Some(Path::new("/./bin/true"))
        );
        assert_eq!(
            found("no-such-program").unwrap_err(),
            "no-such-program: not found"
        );
        // Not a file, and not to be executed.
        assert_eq!(found("/etc").unwrap_err(), "/etc: not found");
        assert_eq!(found("/etc/passwd").unwrap_err(), "/etc/passwd: not found");
        assert!(found("").is_err() && found("a | b").is_err());
    }
}
