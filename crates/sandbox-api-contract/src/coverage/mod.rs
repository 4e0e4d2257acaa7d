//! Which responses of the document the tests have really seen.

#[cfg(feature = "tap")]
mod notes;
mod reviewed;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

use crate::document::Contract;

#[cfg(feature = "tap")]
pub(crate) use notes::note;
pub use reviewed::Reviewed;

/// Names the directory in which all test processes note what they see.
pub const VARIABLE: &str = "SANDBOX_CONTRACT_COVERAGE";

/// The file in that directory: a line for each response, which is an operation and a status of the document.
const FILE: &str = "responses.txt";

/// Forgets what a directory has noted, which is made if it is not there.
///
/// # Errors
///
/// When it cannot be written to.
pub fn forget(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    File::create(directory.join(FILE)).map(drop)
}

/// An operation and one of its documented statuses.
pub type Pair = (String, String);

/// How often each documented response was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(Vec<(Pair, u64)>);

impl Coverage {
    /// Reads what all processes have noted in a directory.
    ///
    /// # Errors
    ///
    /// When there is nothing to read.
    pub fn read(contract: &Contract, directory: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(directory.join(FILE))?;
        let mut counts = BTreeMap::new();
        for line in text.lines() {
            *counts.entry(line).or_default() += 1;
        }
        Ok(Self::counted(contract, |operation, status| {
            let line = format!("{operation} {status}");
            counts.get(line.as_str()).copied().unwrap_or_default()
        }))
    }

    /// The responses of the document in its order, with these counts.
    pub fn counted(contract: &Contract, count: impl Fn(&str, &str) -> u64) -> Self {
        let rows = contract.operations().iter().flat_map(|operation| {
            let statuses = operation.responses().keys();
            statuses.map(|status| (operation.id().to_owned(), status.clone()))
        });
        Self(
            rows.map(|(operation, status)| {
                let seen = count(&operation, &status);
                ((operation, status), seen)
            })
            .collect(),
        )
    }

    /// The responses that nobody has seen.
    pub fn uncovered(&self) -> impl Iterator<Item = &Pair> {
        self.0.iter().filter(|(_, seen)| *seen == 0).map(|(pair, _)| pair)
    }
}

impl fmt::Display for Coverage {
    /// A table of operations and statuses; a dot stands where the document has no such response.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut statuses: Vec<&str> = self.0.iter().map(|((_, status), _)| status.as_str()).collect();
        statuses.sort_unstable();
        statuses.dedup();
        write!(f, "{:<16}", "")?;
        for status in &statuses {
            write!(f, "{status:>8}")?;
        }
        let mut current = "";
        for ((operation, _), _) in &self.0 {
            if operation == current {
                continue;
            }
            current = operation;
            write!(f, "\n{operation:<16}")?;
            for status in &statuses {
                let row = self.0.iter().find(|((o, s), _)| o == operation && s == status);
                match row {
                    Some((_, seen)) => write!(f, "{seen:>8}")?,
                    None => write!(f, "{:>8}", ".")?,
                }
            }
        }
        let covered = self.0.iter().filter(|(_, seen)| *seen > 0).count();
        write!(
            f,
            "\n{covered} of {} documented responses were seen",
            self.0.len()
        )
    }
}
