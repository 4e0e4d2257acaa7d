//! The responses that are known not to be seen.

use std::collections::BTreeMap;

use super::{Coverage, Pair};
use crate::document::DocumentError;

/// What somebody has looked at: a file with a line for each response that the tests do not see, or not everywhere.
///
/// A line has an operation, a status, `never` or `sometimes`, and a reason; `#` begins a comment.
#[derive(Debug)]
pub struct Reviewed(BTreeMap<Pair, Seen>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Never,
    Sometimes,
}

impl Reviewed {
    /// Reads such a file.
    ///
    /// # Errors
    ///
    /// For a line that is none of these.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let lines = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default());
        let lines = lines.map(str::trim).filter(|line| !line.is_empty());
        lines
            .map(|line| entry(line).ok_or_else(|| DocumentError::Form(format!("{line:?} is no entry"))))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// What has changed since somebody looked: one sentence for each.
    pub fn differences(&self, coverage: &Coverage) -> Vec<String> {
        let mut differences = Vec::new();
        for ((operation, status), seen) in &coverage.0 {
            let known = self.0.get(&(operation.clone(), status.clone()));
            let what = match (known, seen) {
                (None, 0) => "was not seen, and is not listed",
                (Some(Seen::Never), 1..) => "was seen, although it is listed as never seen",
                _ => continue,
            };
            differences.push(format!("{operation} {status} {what}"));
        }
        let exists = |pair: &&Pair| coverage.0.iter().any(|(known, _)| known == *pair);
        let unknown = self.0.keys().filter(|pair| !exists(pair));
        let unknown = unknown
            .map(|(operation, status)| format!("{operation} {status} is listed, but not in the document"));
        differences.extend(unknown);
        differences
    }
}

fn entry(line: &str) -> Option<(Pair, Seen)> {
    let mut words = line.split_whitespace();
    let pair = (words.next()?.to_owned(), words.next()?.to_owned());
    let seen = match words.next()? {
        "never" => Seen::Never,
        "sometimes" => Seen::Sometimes,
        _ => return None,
    };
    // There is no entry without a reason.
    words.next().map(|_| (pair, seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Contract;

    fn coverage(seen: &[&str]) -> Coverage {
        let contract = Contract::sandbox_api().unwrap();
        Coverage::counted(contract, |operation, status| {
            u64::from(operation != "healthCheck" || seen.contains(&status))
        })
    }

    const LIST: &str = "# Whatever the reason is.\n\
        healthCheck 503 never nobody asks while it stops\n\
        healthCheck 4XX sometimes it depends\n";

    #[test]
    fn what_was_reviewed_is_passed_over() {
        let reviewed = Reviewed::parse(LIST).unwrap();
        assert_eq!(reviewed.differences(&coverage(&["200"])), Vec::<String>::new());
        assert_eq!(
            reviewed.differences(&coverage(&["200", "4XX"])),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_is_not_seen_any_more_is_told() {
        let reviewed = Reviewed::parse(LIST).unwrap();
        assert_eq!(
            reviewed.differences(&coverage(&["4XX"])),
            ["healthCheck 200 was not seen, and is not listed"]
        );
    }

    #[test]
    fn what_is_seen_now_is_told() {
        let reviewed = Reviewed::parse(LIST).unwrap();
        assert_eq!(
            reviewed.differences(&coverage(&["200", "503"])),
            ["healthCheck 503 was seen, although it is listed as never seen"]
        );
    }

    #[test]
    fn what_the_document_does_not_have_is_told() {
        let reviewed = Reviewed::parse(&format!("{LIST}healthCheck 500 never it never fails")).unwrap();
        assert_eq!(
            reviewed.differences(&coverage(&["200"])),
            ["healthCheck 500 is listed, but not in the document"]
        );
    }

    #[test]
    fn an_entry_has_a_reason() {
        for line in [
            "healthCheck 503 never",
            "healthCheck 503",
            "healthCheck 503 perhaps because",
        ] {
            assert!(Reviewed::parse(line).is_err(), "{line}");
        }
    }
}
