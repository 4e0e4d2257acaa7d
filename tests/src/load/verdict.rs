//! Whether a server is, after a time of work, what it was before.

use std::fmt;

use super::usage::Figures;

/// What a server may keep for each creation with a key, up to so many of each owner: it remembers the key for a day.
const KEY: u64 = 256;
const KEYS: u64 = 10_000;

/// What allocators and threads keep of their own, and give out again. It does not grow with the time.
const SERVER_SLACK: u64 = 3 << 20;
const AGENT_SLACK: u64 = 256 << 10;

/// A figure that must not have grown by more than was allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comparison {
    what: &'static str,
    before: u64,
    after: u64,
    allowed: u64,
}

impl Comparison {
    fn new(what: &'static str, before: u64, after: u64, allowed: u64) -> Self {
        Self {
            what,
            before,
            after,
            allowed,
        }
    }

    /// Whether it is as it was.
    pub(super) fn holds(&self) -> bool {
        self.after <= self.before.saturating_add(self.allowed)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.holds() {
            "as before"
        } else {
            "MORE THAN BEFORE"
        };
        let Self {
            what,
            before,
            after,
            allowed,
        } = self;
        write!(
            f,
            "{what:26} {before:>10} -> {after:>10}   (at most {allowed} more)   {verdict}"
        )
    }
}

/// Compares the figures of two moments at which the same sessions were idle, with so many creations between them.
pub(super) fn compare(before: &Figures, after: &Figures, creations: u64) -> Vec<Comparison> {
    let server = SERVER_SLACK + KEY * creations.min(KEYS);
    vec![
        Comparison::new(
            "bytes of the server",
            before.server.memory,
            after.server.memory,
            server,
        ),
        Comparison::new(
            "descriptors of the server",
            before.server.descriptors,
            after.server.descriptors,
            0,
        ),
        Comparison::new(
            "threads of the server",
            before.server.threads,
            after.server.threads,
            0,
        ),
        Comparison::new(
            "bytes of the agents",
            before.agents.memory,
            after.agents.memory,
            AGENT_SLACK * before.sessions,
        ),
        Comparison::new(
            "descriptors of the agents",
            before.agents.descriptors,
            after.agents.descriptors,
            0,
        ),
        Comparison::new("sessions", before.sessions, after.sessions, 0),
    ]
}

/// Compares the figures of a server without any session, before and after there were many.
pub(super) fn compare_ended(before: &Figures, after: &Figures) -> Vec<Comparison> {
    let (then, now) = (before.server.descriptors, after.server.descriptors);
    vec![
        Comparison::new("descriptors at the end", then, now, 0),
        Comparison::new("sessions at the end", before.sessions, after.sessions, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::usage::Usage;
    use super::*;

    fn figures() -> Figures {
        let usage = Usage {
            memory: 10 << 20,
            descriptors: 100,
            threads: 10,
        };
        Figures {
            server: usage,
            agents: usage,
            sessions: 4,
            server_pss: 0,
        }
    }

    #[test]
    fn what_is_the_same_is_as_before() {
        assert!(compare(&figures(), &figures(), 0).iter().all(Comparison::holds));
    }

    #[test]
    fn everything_that_grows_is_found() {
        type Growth = fn(&mut Figures);
        let growths: [Growth; 6] = [
            |figures| figures.server.memory += SERVER_SLACK + KEYS * KEY + 1,
            |figures| figures.server.descriptors += 1,
            |figures| figures.server.threads += 1,
            |figures| figures.agents.memory += 4 * AGENT_SLACK + 1,
            |figures| figures.agents.descriptors += 1,
            |figures| figures.sessions += 1,
        ];
        for (nth, growth) in growths.into_iter().enumerate() {
            let mut after = figures();
            growth(&mut after);
            let compared = compare(&figures(), &after, u64::MAX);
            let found: Vec<_> = compared.iter().map(Comparison::holds).collect();
            assert!(
                !found[nth] && found.iter().filter(|holds| !**holds).count() == 1,
                "{compared:?}"
            );
        }
    }
}
