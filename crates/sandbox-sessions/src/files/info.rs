use chrono::{DateTime, Utc};
use sandbox_api::types as wire;
use serde::{Serialize, Serializer};

/// A file of a session, as it is once an upload is complete.
///
/// ```no_run
/// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
/// let file = session.upload_file("data/in.csv", "a,b\n1,2\n").await?;
/// assert_eq!((file.path(), file.size()), ("/workspace/data/in.csv", 8));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FileInfo(wire::FileInfo);

impl FileInfo {
    pub(crate) fn new(info: wire::FileInfo) -> Self {
        Self(info)
    }

    /// Where the file is: an absolute path inside the session.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// How large the file is, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// When the file was last changed, by the session's clock.
    ///
    /// ```no_run
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
    /// let file = session.upload_file("notes.txt", "hello\n").await?;
    /// println!("{}", file.modified_at());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn modified_at(&self) -> DateTime<Utc> {
        self.0.modified_at
    }
}

/// As the API writes it, with the API's names.
impl Serialize for FileInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
