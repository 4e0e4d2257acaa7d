use serde::Serialize;

use crate::Session;

/// One page of a list of sessions.
///
/// ```no_run
/// # async fn example(client: sandbox_sessions::SessionsClient) -> Result<(), sandbox_sessions::Error> {
/// let page = client.list_sessions().limit(20).offset(40).await?;
/// println!("{} of {} sessions", page.sessions().len(), page.total());
/// let next = page.offset() + page.limit();
///
/// for session in page {
///     session.delete().await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct SessionPage<S = Session> {
    pub(crate) sessions: Vec<S>,
    pub(crate) total: u64,
    pub(crate) limit: u32,
    pub(crate) offset: u32,
}

impl<S> SessionPage<S> {
    #[cfg(feature = "blocking")]
    pub(crate) fn map<T>(self, convert: impl Fn(S) -> T) -> SessionPage<T> {
        SessionPage {
            sessions: self.sessions.into_iter().map(convert).collect(),
            total: self.total,
            limit: self.limit,
            offset: self.offset,
        }
    }

    /// The sessions of this page; empty past the end of the list.
    #[must_use]
    pub fn sessions(&self) -> &[S] {
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

impl<S> IntoIterator for SessionPage<S> {
    type Item = S;
    type IntoIter = std::vec::IntoIter<S>;

    fn into_iter(self) -> Self::IntoIter {
        self.sessions.into_iter()
    }
}

impl<'a, S> IntoIterator for &'a SessionPage<S> {
    type Item = &'a S;
    type IntoIter = std::slice::Iter<'a, S>;

    fn into_iter(self) -> Self::IntoIter {
        self.sessions.iter()
    }
}
