//! What a command printed, compared with what it should print: one file for each call in `snapshots/`.
//!
//! `SNAPSHOTS=overwrite cargo test -p sandbox-cli --test command snapshots` writes them anew.

use std::path::{Path, PathBuf};
use std::process::Output;

use regex::Regex;
use snapbox::data::DataFormat;
use snapbox::{Assert, Data, Redactions};

use crate::support::{Place, stderr, stdout};

/// What differs from run to run.
const VARIABLE: [(&str, &str); 7] = [
    (
        "[ID]",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    ),
    ("[ADDRESS]", r"127\.0\.0\.1:[0-9]{5}"),
    ("[TIME]", r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|\+00:00)"),
    ("[TIME]", "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}Z"),
    ("[KEY]", "ssh-ed25519 [0-9A-Za-z+/=]+"),
    ("[SECONDS]", " in (?<redacted>[0-9]+) s"),
    ("[PID]", "process (?<redacted>[0-9]+)"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command/snapshots")
}

/// Another user than the one who built this may not get to the sources.
pub(crate) fn cannot_be_read() -> Option<String> {
    let error = std::fs::read_dir(folder()).err()?;
    Some(format!("{}: {error}", folder().display()))
}

/// Compares the command line, its exit code, and what it wrote where.
#[track_caller]
pub(crate) fn check(place: &Place, name: &str, arguments: &[&str], output: &Output) {
    let code = output.status.code().expect("it was not killed");
    check_text(place, name, arguments, code, &stdout(output), &stderr(output));
}

#[track_caller]
pub(crate) fn check_text(
    place: &Place,
    name: &str,
    arguments: &[&str],
    code: i32,
    stdout: &str,
    stderr: &str,
) {
    let line = shlex::try_join(["sandbox"].iter().chain(arguments).copied()).unwrap();
    let text = format!(
        "$ {line}\n=== exit code\n{code}\n=== standard output\n{stdout}\n=== standard error\n{stderr}"
    );
    // Escapes are shown, so that the files are text.
    let text = text.replace('\x1b', "^[");
    let mut redactions = Redactions::new();
    let directory = place.directory.path().to_str().unwrap().to_owned();
    redactions.insert("[PLACE]", directory).unwrap();
    for (placeholder, pattern) in VARIABLE {
        redactions
            .insert(placeholder, Regex::new(pattern).unwrap())
            .unwrap();
    }
    let path = folder().join(format!("{name}.txt"));
    Assert::new()
        .action_env("SNAPSHOTS")
        .normalize_paths(false)
        .redact_with(redactions)
        .eq(text, Data::read_from(&path, Some(DataFormat::Text)));
}
