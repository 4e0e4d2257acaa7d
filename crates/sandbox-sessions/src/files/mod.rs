//! What goes into a session and out of it as files: never held in memory as a whole.

mod content;
mod disposition;
mod download;
mod info;
mod progress;
mod upload_body;

pub use content::FileContent;
pub use download::Download;
pub(crate) use download::OPERATION as DOWNLOAD;
pub use info::FileInfo;
pub(crate) use progress::Progress;
pub(crate) use upload_body::UploadBody;
