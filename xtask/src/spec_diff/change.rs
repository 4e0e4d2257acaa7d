//! What a change is, and whom it breaks.

use std::fmt;

use serde_json::{Value, json};

/// Which way a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    Request,
    Response,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "request",
            Self::Response => "answer",
        })
    }
}

/// Whom a change breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breaks {
    Nobody,
    /// Clients made for the old document, with a server made for the new one.
    Clients,
    /// Servers made for the old document, with a client made for the new one.
    Servers,
    Both,
}

impl Breaks {
    fn sides(self) -> &'static [&'static str] {
        match self {
            Self::Nobody => &[],
            Self::Clients => &["clients"],
            Self::Servers => &["servers"],
            Self::Both => &["clients", "servers"],
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Change {
    /// The operation or the named schema, and the place in it.
    pub(super) at: String,
    /// The sort of change, for programs.
    pub(super) kind: &'static str,
    /// What has changed, for people.
    pub(super) what: String,
    pub(super) breaks: Breaks,
    /// Why it breaks them, or why it breaks nobody.
    pub(super) why: &'static str,
}

impl Change {
    pub(super) fn is_breaking(&self) -> bool {
        self.breaks != Breaks::Nobody
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "at": self.at,
            "kind": self.kind,
            "what": self.what,
            "breaks": self.breaks.sides(),
            "why": self.why,
        })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.breaks.sides() {
            [] => f.write_str("compatible")?,
            sides => write!(f, "BREAKS {}", sides.join(" and "))?,
        }
        write!(f, "  {}: {} ({})", self.at, self.what, self.why)
    }
}

/// The changes found so far.
#[derive(Default)]
pub(super) struct Changes(pub(super) Vec<Change>);

impl Changes {
    pub(super) fn add(
        &mut self,
        at: &str,
        kind: &'static str,
        what: impl Into<String>,
        (breaks, why): (Breaks, &'static str),
    ) {
        self.0.push(Change {
            at: at.to_owned(),
            kind,
            what: what.into(),
            breaks,
            why,
        });
    }
}

/// Fewer values are allowed than before.
pub(super) fn narrowed(direction: Direction) -> (Breaks, &'static str) {
    match direction {
        Direction::Request => (Breaks::Clients, "what they send may be refused now"),
        Direction::Response => (
            Breaks::Servers,
            "what they answer may be refused by newer clients",
        ),
    }
}

/// More values are allowed than before.
pub(super) fn widened(direction: Direction) -> (Breaks, &'static str) {
    match direction {
        Direction::Request => (Breaks::Nobody, "what was accepted still is"),
        Direction::Response => (Breaks::Clients, "they may get what they were not made for"),
    }
}

/// Other values are allowed than before.
pub(super) fn replaced(direction: Direction) -> (Breaks, &'static str) {
    match direction {
        Direction::Request => (Breaks::Both, "the one sends what the other does not accept"),
        Direction::Response => (Breaks::Both, "the one answers what the other does not expect"),
    }
}
