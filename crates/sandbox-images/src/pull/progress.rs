//! How far a pull is.

use std::sync::Arc;

use tokio::sync::watch;

use crate::Result;
use crate::images::Leased;

/// How far a pull is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes of layers that are here, what was here before included. Less than before when one had to start anew.
    pub bytes: u64,
    /// Bytes of all layers, once the registry has said it.
    pub total: Option<u64>,
    /// Whether all are here and being unpacked.
    pub unpacking: bool,
}

/// What all who wait for a pull see.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) progress: Progress,
    pub(super) outcome: Option<Result<Arc<Leased>>>,
}

/// Tells those who wait.
#[derive(Debug)]
pub(super) struct Report(watch::Sender<State>);

/// What is here of one layer.
#[derive(Debug)]
pub(super) struct Part<'a> {
    report: &'a Report,
    here: u64,
}

impl Report {
    pub(super) fn new(sender: watch::Sender<State>) -> Self {
        Self(sender)
    }

    pub(super) fn total(&self, total: u64) {
        self.0.send_modify(|state| state.progress.total = Some(total));
    }

    pub(super) fn unpacking(&self) {
        self.0.send_modify(|state| state.progress.unpacking = true);
    }

    pub(super) fn part(&self) -> Part<'_> {
        Part {
            report: self,
            here: 0,
        }
    }

    pub(super) fn end(&self, outcome: Result<Arc<Leased>>) {
        self.0.send_modify(|state| state.outcome = Some(outcome));
    }

    pub(super) fn has_ended(&self) -> bool {
        self.0.borrow().outcome.is_some()
    }
}

impl Part<'_> {
    pub(super) fn here(&mut self, here: u64) {
        let before = std::mem::replace(&mut self.here, here);
        self.report.0.send_modify(|state| {
            let others = state.progress.bytes.saturating_sub(before);
            state.progress.bytes = others.saturating_add(here);
        });
    }
}
