use std::future::IntoFuture;

use super::RequestFuture;
use crate::arguments::integer;
use crate::retry::Repeat;
use crate::send::Operation;
use crate::{Error, Session, SessionPage, SessionStream, SessionsClient};

/// A request for one page of the caller's live sessions, made by [`SessionsClient::list_sessions`]; awaiting
/// it sends it.
///
/// ```no_run
/// # async fn example(client: sandbox_sessions::SessionsClient) -> Result<(), sandbox_sessions::Error> {
/// let page = client.list_sessions().limit(10).await?;
/// println!("{} of {} sessions:", page.sessions().len(), page.total());
/// for session in &page {
///     println!("  {}: {}", session.id(), session.status());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), before anything is sent, for a limit
/// outside 1 to 100; otherwise any kind but [`SessionNotFound`](crate::ErrorKind::SessionNotFound).
#[derive(Debug)]
#[must_use = "a request is sent only when it is awaited"]
pub struct ListSessions {
    client: SessionsClient,
    limit: Option<u32>,
    offset: Option<u32>,
}

impl ListSessions {
    pub(crate) fn new(client: SessionsClient) -> Self {
        Self {
            client,
            limit: None,
            offset: None,
        }
    }

    /// How many sessions the page holds at most, from 1 to 100. The API's default is 50.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// How many sessions to leave out before the first one of the page. The default is 0.
    ///
    /// ```no_run
    /// # async fn example(client: sandbox_sessions::SessionsClient) -> Result<(), sandbox_sessions::Error> {
    /// let third_page = client.list_sessions().limit(20).offset(40).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn offset(mut self, offset: u32) -> Self {
        self.offset = Some(offset);
        self
    }

    /// All sessions instead of one page, asked for page by page as they are needed. The limit is then the size
    /// of the pages, and the offset says how many of the oldest sessions are left out.
    ///
    /// ```no_run
    /// # async fn example(client: sandbox_sessions::SessionsClient) -> Result<(), sandbox_sessions::Error> {
    /// let mut sessions = client.list_sessions().stream();
    /// while let Some(session) = sessions.next().await {
    ///     println!("{}", session?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> SessionStream {
        SessionStream::new(self.client, self.limit, self.offset.unwrap_or(0))
    }
}

impl IntoFuture for ListSessions {
    type Output = Result<SessionPage, Error>;
    type IntoFuture = RequestFuture<SessionPage>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self {
                client,
                limit,
                offset,
            } = self;
            let limit = limit.map(|limit| integer("limit", limit)).transpose()?;
            let operation = Operation::new("list sessions").repeat(Repeat::Always);
            let call = || client.api().list_sessions(limit.as_ref(), offset);
            let page = client.send(operation, client.timeout(), call).await?;
            let sessions = page
                .sessions
                .into_iter()
                .map(|state| Session::new(client.clone(), state))
                .collect();
            Ok(SessionPage {
                sessions,
                total: page.total,
                limit: page.limit,
                offset: page.offset,
            })
        })
    }
}
