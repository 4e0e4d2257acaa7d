//! What the judge finds.

use std::fmt;

use http::Method;

/// Something that the document does not allow. It holds nothing of what was sent but the path and names: no token,
/// and no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Of the request.
    pub method: Method,
    /// Of the request, without its query.
    pub path: String,
    /// Of the response, where there is one.
    pub status: Option<u16>,
    /// Who said it.
    pub side: Side,
    /// Where in the message it is.
    pub place: Place,
    /// What is wrong with it.
    pub what: String,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Request,
    /// The server.
    Response,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The method and the path together.
    Operation,
    /// A parameter in the path, by its name.
    Path(String),
    /// A parameter in the query, by its name.
    Query(String),
    /// A header, by its name.
    Header(String),
    /// The status of a response.
    Status,
    /// The media type of the body.
    ContentType,
    /// A value in a JSON body, by the JSON pointer to it; the body itself where that is empty.
    Body(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation => f.write_str("operation"),
            Self::Path(name) => write!(f, "path parameter {name}"),
            Self::Query(name) => write!(f, "query parameter {name}"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Status => f.write_str("status"),
            Self::ContentType => f.write_str("content type"),
            Self::Body(pointer) if pointer.is_empty() => f.write_str("body"),
            Self::Body(pointer) => write!(f, "body at {pointer}"),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        if let Some(status) = self.status {
            write!(f, " -> {status}")?;
        }
        let side = match self.side {
            Side::Request => "request",
            Side::Response => "response",
        };
        write!(f, ": {side}, {}: {}", self.place, self.what)
    }
}
