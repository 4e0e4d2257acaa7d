//! The manual, made from the grammar and the table of exit codes.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::arguments::{Arguments, Manual};
use crate::{exit, output};

const ENVIRONMENT: [(&str, &str); 7] = [
    (
        "SANDBOX_API_URL",
        "Base address of the API, unless --api-url is given.",
    ),
    ("SANDBOX_API_TOKEN", "The token, unless --token-file is given."),
    (
        "SANDBOX_CONFIG",
        "The configuration file, unless --config is given.",
    ),
    (
        "SSL_CERT_FILE",
        "A file with certificates in PEM form that are trusted instead of those of the system; --ca-file adds to them.",
    ),
    (
        "NO_COLOR",
        "If set and not empty, nothing is coloured. --color goes before it.",
    ),
    (
        "CLICOLOR_FORCE",
        "If set and not 0, colours are not only for terminals.",
    ),
    ("RUST_LOG", "What is logged to standard error, such as debug."),
];

const FILES: [(&str, &str); 2] = [
    (
        "$XDG_CONFIG_HOME/sandbox/config.toml, or ~/.config/sandbox/config.toml",
        "The configuration file, with the keys api-url, token or token-file, and ca-file. Token and certificates are \
         for that address only. A file that holds a token must be its owner's alone. A key that is not known is an error.",
    ),
    (
        "$XDG_RUNTIME_DIR/sandbox/server.json",
        "Where the server that sandbox serve runs listens, its token, and the certificate it has made. Used when nothing else names an API, but \
         not by sandbox run.",
    ),
];

pub(crate) fn run(manual: &Manual) -> anyhow::Result<ExitCode> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    match &manual.directory {
        None => output::line(page(command)?.trim_end())?,
        Some(directory) => write_pages(command, directory)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn write_pages(command: Command, directory: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let mut commands = vec![command.clone()];
    commands.extend(command.get_subcommands().cloned());
    for command in commands {
        let path = directory.join(Man::new(command.clone()).get_filename());
        fs::write(&path, page(command)?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn page(command: Command) -> anyhow::Result<String> {
    // It has sections of its own for what the help says at its end.
    let is_main = command.has_subcommands();
    let man = Man::new(command.after_long_help(None::<&str>)).manual("Sandbox Sessions");
    let mut page = Vec::new();
    man.render(&mut page)?;
    if is_main {
        let mut roff = Roff::new();
        section(&mut roff, "EXIT STATUS", &exit::TABLE);
        section(&mut roff, "ENVIRONMENT", &ENVIRONMENT);
        section(&mut roff, "FILES", &FILES);
        roff.to_writer(&mut page)?;
    }
    Ok(String::from_utf8(page)?)
}

fn section(roff: &mut Roff, name: &str, entries: &[(&str, &str)]) {
    roff.control("SH", [name]);
    for (term, meaning) in entries {
        roff.control("TP", []);
        roff.text([bold(*term)]).text([roman(*meaning)]);
    }
}
