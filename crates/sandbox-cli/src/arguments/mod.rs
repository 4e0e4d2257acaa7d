//! The command line's grammar.

mod connection;
mod copy;
mod execution;
mod image;
mod serve;
mod sessions;
mod ssh;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use connection::Connection;
pub(crate) use copy::{Copy, Place};
pub(crate) use execution::{Code, CodeSource, Exec, Execution, Run};
pub(crate) use image::{Image, ImportImage, ListImages, PruneImages, RemoveImages, Store};
pub(crate) use serve::Serve;
pub(crate) use sessions::{Create, Health, List, OneSession, Remove};
pub(crate) use ssh::{Forward, Proxy, Ssh, SshConfig};

use crate::exit;

/// Run code in sandboxes, and host the server that makes them.
///
/// An ID is a session's whole id or its first digits, at least four, where only one session has them.
///
/// With --json, an error is a line of JSON on standard error: the API's code as `error`, `message`, `causes`, `hint`,
/// `exitCode`, `status`, `requestId`, as far as they are known; and so is a `message` that is none. A command line that
/// makes no sense is told in words.
#[derive(Debug, Parser)]
#[command(name = "sandbox", version, max_term_width = 100, after_long_help = exit::help())]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) color: colorchoice_clap::Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run code in a fresh session and delete it afterwards
    ///
    /// The session is made by the API that an argument, a variable or the configuration file names, and by a server
    /// of this command's own otherwise, which ends with it. A server that `sandbox serve` has started is not used
    /// unless it is named.
    Run(Run),
    /// Create a session and print its id
    Create(Create),
    /// List the sessions
    #[command(visible_alias = "list")]
    Ls(List),
    /// Show a session
    Get(OneSession),
    /// Run a command in a session
    ///
    /// Exits with the command's exit code. The command gets no standard input, and may run as long as --timeout says.
    /// Interrupting this ends it.
    ///
    /// With --interactive or --tty it goes over SSH, as `sandbox ssh` does: input and output are streamed, it may run
    /// as long as the session lives, and what is typed and shown is that of this command's terminal.
    Exec(Exec),
    /// Run code in a session
    ///
    /// Exits with the code's exit code. Interrupting this ends the code.
    Code(Code),
    /// Copy files and folders into a session and out of it
    ///
    /// One of the two is ID:PATH, a path in a session; one that is not absolute starts at /workspace. A local path with a
    /// colon is written ./NAME. What is there already is replaced if it is a file, and left alone if it is a folder:
    /// the copy then goes into it. What did not arrive completely is not there at all. Links in a folder that lead out
    /// of it are left out of what comes out of a session.
    Cp(Copy),
    /// Open a shell in a session over SSH, or run a command
    ///
    /// With a terminal, what is typed, its size and what is shown are those of this command's terminal. Input and output
    /// are streamed. Exits with the exit code of the shell or the command, and with 128 and the number of a signal that
    /// has ended it.
    Ssh(Ssh),
    /// Carry bytes to a session's SSH server, for a ProxyCommand of OpenSSH
    Proxy(Proxy),
    /// Print what OpenSSH has to know of sessions, for ~/.ssh/config
    ///
    /// Then ssh, scp, sftp, rsync and editors reach a session by the name sandbox-DIGITS, the first eight of its id, or by
    /// the id itself. Its host key is pinned.
    SshConfig(SshConfig),
    /// Make ports of a session reachable on this machine
    ///
    /// Prints a line for each, and goes on until it is interrupted. Whoever reaches the local port reaches the session.
    Forward(Forward),
    /// Suspend everything that runs in a session; its time to live runs on
    Pause(OneSession),
    /// Let a paused session go on where it was
    Resume(OneSession),
    /// Delete sessions
    #[command(visible_alias = "delete")]
    Rm(Remove),
    /// Host the API on this machine
    ///
    /// Prints the variables that name the server, for a shell. While it runs, the other commands of the same user find
    /// it without them, unless another server of that user runs already. Sessions outlive it, and the next server finds
    /// them again.
    Serve(Serve),
    /// Look after the images of this machine, which sessions are made from
    ///
    /// A server on this machine makes sessions of them, and needs not be told. An image stays for as long as a session of
    /// it lives.
    #[command(subcommand)]
    Image(Image),
    /// Ask whether the API is able to serve
    Health(Health),
    /// Print a script that completes this command's arguments in a shell
    Completions(Completions),
    /// Print the manual page, or write the pages of all commands into a directory
    Man(Manual),
}

impl Command {
    /// Whether a program reads what it prints.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Run(run) => run.execution.json,
            Self::Create(create) => create.json,
            Self::Ls(list) => list.json,
            Self::Get(one) | Self::Pause(one) | Self::Resume(one) => one.json,
            Self::Exec(exec) => exec.execution.json,
            Self::Code(code) => code.execution.json,
            Self::Cp(copy) => copy.json,
            Self::Rm(remove) => remove.json,
            Self::Health(health) => health.json,
            Self::Image(image) => image.json(),
            Self::Ssh(_)
            | Self::Proxy(_)
            | Self::SshConfig(_)
            | Self::Forward(_)
            | Self::Serve(_)
            | Self::Completions(_)
            | Self::Man(_) => false,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Manual {
    /// Where to write sandbox.1 and its like; made if it is not there
    #[arg(value_name = "DIRECTORY")]
    pub(crate) directory: Option<PathBuf>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected a name, `=` and a value".to_owned()),
    }
}

fn image_alias(text: &str) -> Result<(String, String), String> {
    match key_value(text) {
        Ok((name, image)) if !image.is_empty() => Ok((name, image)),
        _ => Err("expected NAME=IMAGE, such as python:3.11=host".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::CommandFactory;
    use sandbox_sessions::Language;

    use super::*;

    fn run(arguments: &[&str]) -> Run {
        let arguments = ["sandbox", "run"].iter().chain(arguments);
        match Arguments::try_parse_from(arguments).unwrap().command {
            Command::Run(run) => run,
            other => panic!("parsed as {other:?}"),
        }
    }

    #[test]
    fn grammar_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn language_follows_flag_then_extension_then_python() {
        for (arguments, language) in [
            (&["-c", "1"][..], Language::Python),
            (&["a.mjs"], Language::JavaScript),
            (&["a.sh"], Language::Bash),
            (&["a.txt"], Language::Python),
            (&["-l", "bash", "a.py"], Language::Bash),
            (&["-l", "python", "a.js"], Language::Python),
            (&["-"], Language::Python),
        ] {
            assert_eq!(run(arguments).code.language(), language, "{arguments:?}");
        }
    }

    #[test]
    fn session_outlives_its_code() {
        assert_eq!(
            run(&["-c", "1", "--timeout", "300"]).ttl(),
            Duration::from_secs(360)
        );
        assert_eq!(run(&["-c", "1", "--ttl", "90"]).ttl(), Duration::from_secs(90));
    }

    #[test]
    fn refuses_arguments_that_contradict_each_other() {
        for arguments in [
            "run",
            "run -c 1 a.py",
            "rm",
            "rm --all 550e8400",
            "ls --watch --limit 5",
            "ls --interval 5",
            "exec 550e8400",
            "exec -i --timeout 5 550e8400 true",
            "exec -t --json 550e8400 true",
            "exec --identity key 550e8400 true",
        ] {
            let words = ["sandbox"].into_iter().chain(arguments.split(' '));
            assert!(Arguments::try_parse_from(words).is_err(), "{arguments}");
        }
    }

    #[test]
    fn options_after_a_command_are_its_own() {
        let words = "sandbox exec 550e8400 --timeout 5 -- ls --json -l".split(' ');
        let Command::Exec(exec) = Arguments::try_parse_from(words).unwrap().command else {
            panic!("another command");
        };
        assert_eq!(exec.command, ["ls", "--json", "-l"]);
        assert_eq!((exec.execution.timeout, exec.execution.json), (5, false));
    }

    #[test]
    fn both_of_a_terminals_flags_go_together() {
        let words = "sandbox exec -it --identity key 550e8400 top".split(' ');
        let Command::Exec(exec) = Arguments::try_parse_from(words).unwrap().command else {
            panic!("another command");
        };
        assert!(exec.interactive && exec.tty);
    }

    #[test]
    fn pairs_need_both_halves() {
        assert_eq!(key_value("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert!(key_value("a").is_err() && key_value("=b").is_err());
        assert!(image_alias("python:3.11=").is_err());
    }
}
