//! Folders as tar archives.

mod pack;
#[cfg(test)]
mod tests;
mod unpack;

use std::io;
use std::path::{Path, PathBuf};

pub(super) use pack::pack;
pub(super) use unpack::unpack;

/// How many names of what was left out are told.
const TOLD: usize = 5;

/// What an archive could not or must not hold.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    names: Vec<PathBuf>,
    more: usize,
}

impl Skipped {
    fn add(&mut self, name: &Path) {
        if self.names.len() < TOLD {
            self.names.push(name.to_owned());
        } else {
            self.more += 1;
        }
    }

    /// A sentence, if there is anything to say.
    pub(super) fn describe(&self) -> Option<String> {
        if self.names.is_empty() {
            return None;
        }
        // With escapes: names can hold anything.
        let mut names: Vec<_> = self.names.iter().map(|name| format!("{name:?}")).collect();
        if self.more > 0 {
            names.push(format!("{} more", self.more));
        }
        Some(format!(
            "left out, being neither files, folders nor links inside the folder: {}",
            names.join(", ")
        ))
    }
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{path:?}: {error}"))
}
