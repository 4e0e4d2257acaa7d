use serde::Serialize;

use crate::Session;

/// One page of a list of sessions.
#[derive(Clone, Debug, Serialize)]
pub struct SessionPage {
    pub(crate) sessions: Vec<Session>,
    pub(crate) total: u64,
    pub(crate) limit: u32,
    pub(crate) offset: u32,
}

impl SessionPage {
    /// The sessions of this page; empty past the end of the list.
    #[must_use]
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// How many sessions there are on all pages together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many sessions the page could have held.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// How many sessions were left out before the first one of the page.
    #[must_use]
    pub fn offset(&self) -> u32 {
        self.offset
    }
}

impl IntoIterator for SessionPage {
    type Item = Session;
    type IntoIter = std::vec::IntoIter<Session>;

    fn into_iter(self) -> Self::IntoIter {
        self.sessions.into_iter()
    }
}

impl<'a> IntoIterator for &'a SessionPage {
    type Item = &'a Session;
    type IntoIter = std::slice::Iter<'a, Session>;

    fn into_iter(self) -> Self::IntoIter {
        self.sessions.iter()
    }
}
