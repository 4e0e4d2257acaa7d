use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use crate::{Error, ErrorKind, Session, SessionId, SessionPage, SessionsClient};

/// Two neighbouring pages have to share a session, and each has to hold another one.
const SMALLEST_PAGE: u32 = 2;

/// All live sessions of the caller, the oldest first, made by
/// [`ListSessions::stream`](crate::ListSessions::stream). Pages are asked for as they are needed.
///
/// A session that lives from the first request to the end of the stream is yielded exactly once, even if
/// others end in the meantime and shift the pages: each page is asked for so that it begins with the last
/// session of the one before, and if it does not, the stream goes back until the two meet. No session is
/// yielded twice. One that is created or ends in the meantime may be yielded or not.
///
/// After an error the stream has ended. Dropping it, or the future of [`next`](Self::next), loses nothing but
/// the page that was on its way.
///
/// ```no_run
/// # async fn example(client: sandbox_sessions::SessionsClient) -> Result<(), sandbox_sessions::Error> {
/// let mut sessions = client.list_sessions().limit(100).stream();
/// while let Some(session) = sessions.next().await {
///     let session = session?;
///     println!("{}: {}", session.id(), session.status());
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream asks for nothing until it is polled"]
pub struct SessionStream(Pin<Box<dyn Stream<Item = Result<Session, Error>> + Send>>);

impl SessionStream {
    pub(crate) fn new(client: SessionsClient, page_size: Option<u32>, skip: u32) -> Self {
        let pages = Pages {
            client,
            page_size: page_size.map(|size| if size == 1 { SMALLEST_PAGE } else { size }),
            offset: Some(0),
            seen: HashSet::new(),
        };
        let sessions = stream::try_unfold((pages, VecDeque::new()), |(mut pages, mut ready)| async move {
            loop {
                if let Some(session) = ready.pop_front() {
                    return Ok(Some((session, (pages, ready))));
                }
                match pages.next().await? {
                    Some(sessions) => ready.extend(sessions),
                    None => return Ok(None),
                }
            }
        });
        // Offsets move while sessions end, so what is to be left out is counted and not asked for.
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let mut skipped = 0;
        let sessions = sessions.try_filter(move |_| {
            let skips = skipped < skip;
            skipped += usize::from(skips);
            std::future::ready(!skips)
        });
        Self(Box::pin(sessions))
    }

    /// The next session; `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`ListSessions`](crate::ListSessions).
    pub async fn next(&mut self) -> Option<Result<Session, Error>> {
        self.0.next().await
    }
}

impl Stream for SessionStream {
    type Item = Result<Session, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl fmt::Debug for SessionStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionStream").finish_non_exhaustive()
    }
}

/// The order of sessions never changes, and new ones come at its end. So whatever lives before a session that was
/// seen was seen too, and a page that begins with such a session, or at the very beginning, has no gap before it.
struct Pages {
    client: SessionsClient,
    page_size: Option<u32>,
    /// Where the next page begins; `None` at the end.
    offset: Option<u32>,
    seen: HashSet<SessionId>,
}

impl Pages {
    /// The sessions of the next page that were not seen before.
    async fn next(&mut self) -> Result<Option<Vec<Session>>, Error> {
        while let Some(offset) = self.offset {
            let mut request = self.client.list_sessions().offset(offset);
            if let Some(size) = self.page_size {
                request = request.limit(size);
            }
            let page = request.await?;
            let first = page.sessions().first();
            if offset > 0 && !first.is_some_and(|session| self.seen.contains(&session.id())) {
                self.offset = Some(offset.saturating_sub(page.limit().max(SMALLEST_PAGE) - 1));
                continue;
            }
            self.offset = following(offset, &page)?;
            let new = page.into_iter().filter(|session| self.seen.insert(session.id()));
            return Ok(Some(new.collect()));
        }
        Ok(None)
    }
}

/// Where the page after one without a gap before it begins, if there is one.
fn following(offset: u32, page: &SessionPage) -> Result<Option<u32>, Error> {
    let length = page.sessions().len() as u64;
    let end = u64::from(offset) + length;
    if length == 0 || end >= page.total() {
        return Ok(None);
    }
    if length < u64::from(SMALLEST_PAGE) {
        let message = format!("the page at {offset} of {} sessions holds only one", page.total());
        return Err(Error::new(ErrorKind::Decode, message).during("list sessions"));
    }
    // The offsets of a list that is longer than they reach end where they do.
    Ok(u32::try_from(end - 1).ok())
}
