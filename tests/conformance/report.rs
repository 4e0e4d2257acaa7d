//! What was found out, for people.

use std::fmt;
use std::panic;
use std::sync::{Mutex, PoisonError};

/// How a trial ended.
pub(crate) enum Outcome {
    Passed,
    /// What the document lets a server refuse, and this one does.
    Unsupported(String),
    Failed(String),
}

/// The trials in the order of their ends, each with what it is about.
#[derive(Default)]
pub(crate) struct Report(Vec<(&'static str, &'static str, Outcome)>);

impl Report {
    pub(crate) fn add(&mut self, about: &'static str, trial: &'static str, outcome: Outcome) {
        self.0.push((about, trial, outcome));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rooms: Vec<&str> = Vec::new();
        for (about, ..) in &self.0 {
            if !rooms.contains(about) {
                rooms.push(about);
            }
        }
        for room in rooms {
            let of_room = || self.0.iter().filter(|(about, ..)| *about == room);
            let count = |is: fn(&Outcome) -> bool| of_room().filter(|(.., outcome)| is(outcome)).count();
            let passed = count(|outcome| matches!(outcome, Outcome::Passed));
            let unsupported = count(|outcome| matches!(outcome, Outcome::Unsupported(_)));
            let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
            writeln!(
                f,
                "{room:<16} {passed:>3} passed {failed:>3} failed {unsupported:>3} unsupported"
            )?;
            for (_, trial, outcome) in of_room() {
                match outcome {
                    Outcome::Passed => {}
                    Outcome::Unsupported(why) => writeln!(f, "    unsupported: {trial}: {why}")?,
                    Outcome::Failed(why) => {
                        writeln!(f, "    FAILED: {trial}")?;
                        for line in why.lines() {
                            writeln!(f, "        {line}")?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// The last panic, with its place.
static LAST: Mutex<Option<String>> = Mutex::new(None);

/// Has panics kept for the report instead of printed.
pub(crate) fn keep_panics() {
    panic::set_hook(Box::new(|panic| {
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic.to_string());
    }));
}

pub(crate) fn last_panic() -> String {
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
    last.unwrap_or_default()
}
