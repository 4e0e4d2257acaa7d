use std::process::ExitCode;

use super::execution::report;
use super::ssh::{self, Attached};
use crate::api::Api;
use crate::arguments::Exec;
use crate::exit;
use crate::failure::Failure;

pub(crate) async fn run(exec: &Exec, api: &Api) -> anyhow::Result<ExitCode> {
    let command = command_line(&exec.command)?;
    let id = exec.session.resolve(&api.client).await?;
    if exec.interactive || exec.tty {
        let login = ssh::login(&api.client, id, exec.identity.as_deref());
        let attached = Attached {
            env: &exec.env,
            input: exec.interactive,
            terminal: exec.tty,
        };
        return ssh::attend(login.await?.exec(command), &attached).await;
    }
    let mut request = api.client.run_command(&id, command);
    for (name, value) in &exec.env {
        request = request.env(name, value);
    }
    let result = request.timeout(exec.execution.timeout()).await?;
    report(&exec.execution, id, &result)
}

/// One argument is a command line already; several are quoted, so that a shell makes the same arguments of them.
pub(crate) fn command_line(arguments: &[String]) -> Result<String, Failure> {
    match arguments {
        [line] => Ok(line.clone()),
        words => shlex::try_join(words.iter().map(String::as_str))
            .map_err(|_| Failure::new(exit::BAD_VALUE, "an argument of the command contains a NUL")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> String {
        command_line(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn one_argument_is_the_shells_and_several_are_the_programs() {
        assert_eq!(line(&["echo $HOME | wc"]), "echo $HOME | wc");
        assert_eq!(line(&["ls", "-l"]), "ls -l");
        let words = [
            "printf", "%s\n", "$HOME", "a b", "", "it's", "*", "\u{fc}", "-n", "a\nb", "~", "x=1",
        ];
        assert_eq!(shlex::split(&line(&words)).unwrap(), words);
    }
}
