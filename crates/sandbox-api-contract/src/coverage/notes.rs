//! What this process has seen, for whoever counts.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::LazyLock;

use super::{FILE, VARIABLE};

/// Where it is noted, if anywhere. Lines that are appended at once do not mix with those of other processes.
static NOTES: LazyLock<Option<io::Result<File>>> = LazyLock::new(|| {
    let directory = PathBuf::from(std::env::var_os(VARIABLE)?);
    Some(
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(directory.join(FILE)),
    )
});

/// Notes a response that a server gave.
///
/// # Errors
///
/// When the directory that the environment names cannot be written to.
pub(crate) fn note(operation: &str, status: &str) -> Result<(), &'static io::Error> {
    match &*NOTES {
        Some(Ok(file)) => {
            let mut file = file;
            // A full disk shows as a response that was not seen.
            let _ = file.write_all(format!("{operation} {status}\n").as_bytes());
            Ok(())
        }
        Some(Err(error)) => Err(error),
        None => Ok(()),
    }
}
