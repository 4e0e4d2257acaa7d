//! Which processor does what.

use std::fmt;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A processor for the clients and another one for the server.
pub(crate) struct Processors(Option<(usize, usize)>);

/// Where a thread is to run, if that matters.
#[derive(Clone, Copy)]
pub(crate) struct Place(Option<usize>);

impl Processors {
    /// The first two that this process may use.
    pub(crate) fn of_this_process() -> Self {
        let allowed = sched_getaffinity(None).expect("an affinity");
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|&processor| allowed.is_set(processor));
        Self(allowed.next().zip(allowed.next()))
    }

    pub(crate) fn client(&self) -> Place {
        Place(self.0.map(|(client, _)| client))
    }

    pub(crate) fn server(&self) -> Place {
        Place(self.0.map(|(_, server)| server))
    }
}

impl Place {
    /// What this thread starts is pinned with it.
    pub(crate) fn pin_this_thread(self) {
        if let Some(processor) = self.0 {
            let mut only = CpuSet::new();
            only.set(processor);
            sched_setaffinity(None, &only).expect("the processor is allowed");
        }
    }
}

impl fmt::Display for Processors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((client, server)) => write!(f, "clients on processor {client}, the server on {server}"),
            None => f.write_str("one processor for clients and server: ratios are too good"),
        }
    }
}
