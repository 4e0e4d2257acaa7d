//! Answers to plain requests.

use std::fmt;

use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.expect("a whole body").to_vec(),
        }
    }

    /// The body; null where it is no JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Fails unless this is the status.
    #[track_caller]
    pub(crate) fn assert_status(&self, status: u16, what: impl fmt::Display) {
        assert_eq!(self.status, status, "{what}: {self}");
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = String::from_utf8_lossy(&self.body).chars().take(300).collect();
        write!(f, "{} {text}", self.status)
    }
}

/// A body in short, for a message.
pub(crate) fn short(body: &Value) -> String {
    body.to_string().chars().take(80).collect()
}
