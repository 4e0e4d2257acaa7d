use std::io::{self, Read, Write};

use bytes::Bytes;

use super::wait::wait_for;
use crate::{Error, ErrorKind};

/// A file on its way out of a session, to be read like any other file or piece by piece; see
/// [`Download`](crate::Download) for what it promises.
///
/// As a [`Read`], it ends only when the file is complete; any other end is an [`io::Error`] that holds the
/// [`Error`].
///
/// ```no_run
/// use std::io::{BufRead, BufReader};
///
/// # fn example(session: sandbox_sessions::blocking::Session) -> Result<(), Box<dyn std::error::Error>> {
/// let log = session.download_file("log.txt").send()?;
/// for line in BufReader::new(log).lines() {
///     println!("{}", line?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is read from a download by itself"]
pub struct Download {
    /// `None` after the end, whichever way it ended.
    content: Option<crate::Download>,
    /// What has arrived and was not read yet.
    rest: Bytes,
    length: Option<u64>,
    file_name: Option<String>,
}

impl Download {
    pub(super) fn new(download: crate::Download) -> Self {
        Self {
            rest: Bytes::new(),
            length: download.length(),
            file_name: download.file_name().map(str::to_owned),
            content: Some(download),
        }
    }

    /// How many bytes the file has, if the API says.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The name under which the API suggests to save the file; see
    /// [`Download::file_name`](crate::Download::file_name).
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.file_name.as_deref()
    }

    /// The next piece of the file, which may have any size; `None` at the end.
    ///
    /// ```no_run
    /// # fn example(session: sandbox_sessions::blocking::Session) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut download = session.download_file("log.txt").send()?;
    /// println!("{:?} has {:?} bytes", download.file_name(), download.length());
    /// let first = download.chunk()?;
    ///
    /// let mut rest = std::fs::File::create("rest.txt")?;
    /// download.write_to(&mut rest)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Download::chunk`](crate::Download::chunk).
    pub fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        if !self.rest.is_empty() {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        let Some(mut content) = self.content.take() else {
            return Ok(None);
        };
        let (piece, content) = wait_for(async move {
            let piece = content.chunk().await?;
            Ok((piece, content))
        })?;
        self.content = piece.is_some().then_some(content);
        Ok(piece)
    }

    /// The whole rest of the file, which may have `limit` bytes at most.
    ///
    /// ```no_run
    /// # fn example(session: sandbox_sessions::blocking::Session) -> Result<(), sandbox_sessions::Error> {
    /// let answer = session.download_file("answer.json").send()?.bytes(1024 * 1024)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Download::bytes`](crate::Download::bytes).
    pub fn bytes(mut self, limit: usize) -> Result<Bytes, Error> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.chunk()? {
            if piece.len() > limit.saturating_sub(bytes.len()) {
                return Err(crate::Download::too_large(limit));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.into())
    }

    /// Writes the rest of the file to `writer`, flushes that, and returns how many bytes it was.
    ///
    /// # Errors
    ///
    /// As [`Download::write_to`](crate::Download::write_to).
    pub fn write_to<W: Write + ?Sized>(mut self, writer: &mut W) -> Result<u64, Error> {
        let mut written = 0;
        while let Some(piece) = self.chunk()? {
            writer.write_all(&piece).map_err(crate::Download::unwritable)?;
            written += piece.len() as u64;
        }
        writer.flush().map_err(crate::Download::unwritable)?;
        Ok(written)
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() && !buffer.is_empty() {
            self.rest = self.chunk().map_err(to_io)?.unwrap_or_default();
        }
        let count = self.rest.len().min(buffer.len());
        let piece = self.rest.split_to(count);
        for (to, from) in buffer.iter_mut().zip(&piece) {
            *to = *from;
        }
        Ok(count)
    }
}

fn to_io(error: Error) -> io::Error {
    let kind = match error.kind() {
        ErrorKind::Timeout => io::ErrorKind::TimedOut,
        ErrorKind::Connection => io::ErrorKind::ConnectionAborted,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
