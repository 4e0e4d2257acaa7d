//! What a client asks and what a server answers.

use http::{HeaderMap, Method, StatusCode, header};

/// A request, from a client to a server of the API.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// The path below the API's base path, without the query; `None` for a path that is not below it.
    pub path: Option<String>,
    /// The query, as it was sent.
    pub query: Option<String>,
    /// As they were sent.
    pub headers: HeaderMap,
    /// What has been sent of it.
    pub body: Body,
}

/// The answer to a request.
#[derive(Debug, Clone)]
pub struct Response {
    /// The final one.
    pub status: StatusCode,
    /// As they were sent.
    pub headers: HeaderMap,
    /// What has been sent of it.
    pub body: Body,
}

/// What is known of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// All of it. Also an empty one, and one that is not there.
    Whole(Vec<u8>),
    /// It is whole and has this many bytes, which nobody has kept.
    Counted(u64),
    /// It ended early, or goes on.
    Broken,
}

impl Body {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Counted(0)) || matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }
}

/// The media type of a message, without parameters and in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}
