use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};

/// The content of a file to upload: bytes, a stream of bytes, or a file of this machine.
///
/// Bytes and text convert into it, so that most calls need not name it. Streams and files are read while they
/// are sent, a piece at a time, and may be larger than the memory.
///
/// ```no_run
/// use sandbox_sessions::FileContent;
///
/// # async fn example(session: sandbox_sessions::Session) -> Result<(), Box<dyn std::error::Error>> {
/// session.upload_file("hello.txt", "hello\n").await?;
/// session.upload_file("bytes.bin", vec![0, 159, 146, 150]).await?;
///
/// let model = tokio::fs::File::open("model.safetensors").await?;
/// session.upload_file("model.safetensors", FileContent::file(model)).await?;
/// # Ok(())
/// # }
/// ```
pub struct FileContent(pub(super) Source);

pub(super) enum Source {
    Bytes(Bytes),
    Stream { pieces: Pieces, length: Option<u64> },
    File(tokio::fs::File),
}

/// The content's pieces. The mutex is never locked: it makes the stream `Sync`, as HTTP bodies have to be.
pub(super) type Pieces = Mutex<Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>>;

pub(super) type BoxError = Box<dyn StdError + Send + Sync>;

impl FileContent {
    /// What a stream yields until it ends. Its first error ends the upload, which then leaves nothing behind,
    /// and is the [`source`](StdError::source) of the upload's error.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use futures_util::stream;
    /// use sandbox_sessions::FileContent;
    ///
    /// let lines = stream::iter((0..1_000_000).map(|i| Ok::<_, std::io::Error>(Bytes::from(format!("{i}\n")))));
    /// let content = FileContent::stream(lines);
    /// ```
    pub fn stream<S, E>(pieces: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        Self::from_stream(pieces, None)
    }

    /// The same for a stream that yields exactly `length` bytes, so that the API can refuse what is too large
    /// before it is sent. A stream that yields less or more fails the upload.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use futures_util::stream;
    /// use sandbox_sessions::FileContent;
    ///
    /// let zeros = stream::iter((0..1024).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 1024]))));
    /// let content = FileContent::sized_stream(1024 * 1024, zeros);
    /// ```
    pub fn sized_stream<S, E>(length: u64, pieces: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        Self::from_stream(pieces, Some(length))
    }

    /// What is in a file of this machine, from its present position on. A regular file is sent as long as it
    /// is when the request is awaited: what is appended meanwhile is left out, and a file that becomes shorter
    /// fails the upload.
    ///
    /// ```no_run
    /// use sandbox_sessions::FileContent;
    ///
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), Box<dyn std::error::Error>> {
    /// let log = tokio::fs::File::open("build.log").await?;
    /// session.upload_file("build.log", FileContent::file(log)).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn file(file: tokio::fs::File) -> Self {
        Self(Source::File(file))
    }

    fn from_stream<S, E>(pieces: S, length: Option<u64>) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        let pieces = Mutex::new(Box::pin(pieces.map_err(Into::into)) as Pin<Box<_>>);
        Self(Source::Stream { pieces, length })
    }
}

impl From<Bytes> for FileContent {
    fn from(bytes: Bytes) -> Self {
        Self(Source::Bytes(bytes))
    }
}

impl From<Vec<u8>> for FileContent {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for FileContent {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static [u8]> for FileContent {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl<const N: usize> From<&'static [u8; N]> for FileContent {
    fn from(bytes: &'static [u8; N]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl From<&'static str> for FileContent {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<tokio::fs::File> for FileContent {
    fn from(file: tokio::fs::File) -> Self {
        Self::file(file)
    }
}

/// See [`FileContent::file`].
impl From<std::fs::File> for FileContent {
    fn from(file: std::fs::File) -> Self {
        Self::file(file.into())
    }
}

/// Leaves the content out: it may be large, and it is the user's.
impl fmt::Debug for FileContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match &self.0 {
            Source::Bytes(_) => "Bytes",
            Source::Stream { .. } => "Stream",
            Source::File(_) => "File",
        };
        write!(f, "FileContent::{form}")
    }
}
