//! What went wrong, in the words of SFTP.

use std::io;

use russh_sftp::{
    protocol::{Packet, Status, StatusCode},
    server::StatusReply,
};
use rustix::io::Errno;

/// A request failed. Version 3 of the protocol has few codes, so the message says the rest.
#[derive(Debug)]
pub(super) struct Failed {
    code: StatusCode,
    message: String,
}

impl Failed {
    pub(super) fn new(code: StatusCode, message: &str) -> Self {
        Self {
            code,
            message: message.to_owned(),
        }
    }

    /// The end of a file or directory, which the protocol reports as a failure.
    pub(super) fn end() -> Self {
        Self::new(StatusCode::Eof, "end of file")
    }

    /// What the protocol library makes of it where it answers.
    pub(super) fn answer(self, id: u32) -> Packet {
        Packet::from(Status {
            id,
            status_code: self.code,
            error_message: self.message,
            language_tag: "en-US".to_owned(),
        })
    }
}

impl From<Errno> for Failed {
    fn from(errno: Errno) -> Self {
        let code = match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP => StatusCode::NoSuchFile,
            Errno::ACCESS | Errno::PERM | Errno::ROFS => StatusCode::PermissionDenied,
            Errno::NOSYS | Errno::OPNOTSUPP => StatusCode::OpUnsupported,
            _ => StatusCode::Failure,
        };
        Self {
            code,
            message: io::Error::from(errno).to_string(),
        }
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(errno) => errno.into(),
            None => Self {
                code: StatusCode::Failure,
                message: error.to_string(),
            },
        }
    }
}

impl From<Failed> for StatusReply {
    fn from(failed: Failed) -> Self {
        failed.code.with_message(failed.message)
    }
}

/// The answer to a request that has nothing to tell.
pub(super) fn done(id: u32) -> Status {
    Status {
        id,
        status_code: StatusCode::Ok,
        error_message: "ok".to_owned(),
        language_tag: "en".to_owned(),
    }
}
