use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, HeaderMap};
use sandbox_api::ByteStream;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::{Sleep, sleep};

use super::disposition::file_name;
use crate::error::broken_download;
use crate::{Error, ErrorKind};

/// What is being done, for errors.
pub(crate) const OPERATION: &str = "download file";

/// A file on its way out of a session, as a stream of its bytes.
///
/// What was not read yet is not in memory: whoever reads slowly holds back the API. Reading has no time limit
/// as a whole, but whenever nothing arrives for the client's [`timeout`], it fails with
/// [`ErrorKind::Timeout`]. The time that the reader takes between two pieces does not count.
///
/// Only a file that is complete ends without an error. If the connection is lost, or closed too early, the
/// last piece is an error of the kind [`ErrorKind::Connection`]; nothing follows it.
///
/// Dropping it before its end closes the connection.
///
/// ```no_run
/// # async fn example(session: sandbox_sessions::Session) -> Result<(), Box<dyn std::error::Error>> {
/// let mut file = tokio::fs::File::create("out.csv").await?;
/// let download = session.download_file("data/out.csv").await?;
/// println!("{:?} bytes", download.length());
/// download.write_to(&mut file).await?;
/// # Ok(())
/// # }
/// ```
///
/// [`timeout`]: crate::SessionsClientBuilder::timeout
#[must_use = "nothing is read from a download by itself"]
pub struct Download {
    /// `None` after the end, whichever way it ended.
    content: Option<ByteStream>,
    /// Runs while a piece is waited for.
    silence: Option<Pin<Box<Sleep>>>,
    patience: Duration,
    length: Option<u64>,
    file_name: Option<String>,
}

impl Download {
    pub(crate) fn new(patience: Duration, headers: &HeaderMap, content: ByteStream) -> Self {
        let length = headers.get(CONTENT_LENGTH);
        Self {
            content: Some(content),
            silence: None,
            patience,
            length: length.and_then(|length| length.to_str().ok()?.parse().ok()),
            file_name: headers.get(CONTENT_DISPOSITION).and_then(file_name),
        }
    }

    /// How many bytes the file has, if the API says.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The name under which the API suggests to save the file: a name without folders, and none that is
    /// special to the file system (such as `..`). `None` if it suggests none.
    ///
    /// ```no_run
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
    /// let download = session.download_file("data/out.csv").await?;
    /// assert_eq!(download.file_name(), Some("out.csv"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.file_name.as_deref()
    }

    /// The next piece of the file, which may have any size; `None` at the end. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] if nothing arrived for the client's timeout, and [`ErrorKind::Connection`] if
    /// the connection was lost before the file was complete.
    ///
    /// ```no_run
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
    /// let mut download = session.download_file("log.txt").await?;
    /// let mut lines = 0;
    /// while let Some(piece) = download.chunk().await? {
    ///     lines += piece.iter().filter(|&&byte| byte == b'\n').count();
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context))
            .await
            .transpose()
    }

    /// The whole rest of the file, which may have `limit` bytes at most.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`] if it has more, and as for [`chunk`](Self::chunk).
    ///
    /// ```no_run
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
    /// let answer = session.download_file("answer.json").await?.bytes(1024 * 1024).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes, Error> {
        let mut bytes = BytesMut::new();
        while let Some(piece) = self.chunk().await? {
            if piece.len() > limit.saturating_sub(bytes.len()) {
                return Err(Self::too_large(limit));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }

    /// Writes the rest of the file to `writer`, flushes that, and returns how many bytes it was. What was
    /// written before an error stays written: write to a temporary name and rename it if that matters.
    ///
    /// # Errors
    ///
    /// As for [`chunk`](Self::chunk); and if writing fails, an error of the kind
    /// [`ErrorKind::InvalidArgument`] whose [`source`](std::error::Error::source) is the writer's error.
    pub async fn write_to<W>(mut self, writer: &mut W) -> Result<u64, Error>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        let mut written = 0;
        while let Some(piece) = self.chunk().await? {
            writer.write_all(&piece).await.map_err(Self::unwritable)?;
            written += piece.len() as u64;
        }
        writer.flush().await.map_err(Self::unwritable)?;
        Ok(written)
    }

    pub(crate) fn too_large(limit: usize) -> Error {
        Error::invalid_argument("limit", format!("is {limit} bytes; the file is larger")).during(OPERATION)
    }

    pub(crate) fn unwritable(error: std::io::Error) -> Error {
        Error::new(ErrorKind::InvalidArgument, "writer cannot take the content")
            .with_source(error)
            .during(OPERATION)
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let Some(content) = &mut self.content else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(piece) = content.as_mut().poll_next(context) {
            self.silence = None;
            return Poll::Ready(piece.map(|piece| piece.map_err(broken_download)));
        }
        let patience = self.patience;
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(silence.as_mut().poll(context));
        let message = format!("nothing more of the file arrived within {patience:?}");
        Poll::Ready(Some(Err(Error::new(ErrorKind::Timeout, message))))
    }
}

impl Stream for Download {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = ready!(self.poll_piece(context));
        if !matches!(piece, Some(Ok(_))) {
            self.content = None;
        }
        Poll::Ready(piece.map(|piece| piece.map_err(|error| error.during(OPERATION))))
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("length", &self.length)
            .field("file_name", &self.file_name)
            .finish_non_exhaustive()
    }
}
