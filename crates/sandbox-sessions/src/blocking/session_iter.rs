use super::Session;
use super::wait::wait_for;
use crate::{Error, SessionStream};

/// All live sessions of the caller, the oldest first, made by [`Request::iter`](super::Request::iter); see
/// [`SessionStream`] for what it promises.
///
/// ```no_run
/// # fn example(client: sandbox_sessions::blocking::SessionsClient) -> Result<(), sandbox_sessions::Error> {
/// let paused = client
///     .list_sessions()
///     .iter()
///     .filter(|session| session.as_ref().is_ok_and(|session| session.image() == Some("python:3.11")))
///     .count();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "an iterator asks for nothing until it is advanced"]
pub struct SessionIter {
    /// `None` after the end.
    stream: Option<SessionStream>,
}

impl SessionIter {
    pub(super) fn new(stream: SessionStream) -> Self {
        Self { stream: Some(stream) }
    }
}

impl Iterator for SessionIter {
    type Item = Result<Session, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut stream = self.stream.take()?;
        let advanced = wait_for(async move {
            let session = stream.next().await.transpose()?;
            Ok((session, stream))
        });
        match advanced {
            Ok((session, stream)) => {
                self.stream = session.is_some().then_some(stream);
                session.map(|session| Ok(Session::new(session)))
            }
            Err(error) => Some(Err(error)),
        }
    }
}
