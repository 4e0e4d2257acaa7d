//! Holding messages against the document.

mod request;
mod response;

use http::Method;

use crate::exchange::Request;
use crate::violation::{Place, Side, Violation};

/// Collects what is wrong with one message.
struct Findings<'a> {
    request: &'a Request,
    side: Side,
    status: Option<u16>,
    found: Vec<Violation>,
}

impl<'a> Findings<'a> {
    fn of_request(request: &'a Request) -> Self {
        Self {
            request,
            side: Side::Request,
            status: None,
            found: Vec::new(),
        }
    }

    fn of_response(request: &'a Request, status: u16) -> Self {
        Self {
            request,
            side: Side::Response,
            status: Some(status),
            found: Vec::new(),
        }
    }

    fn add(&mut self, place: Place, what: impl Into<String>) {
        self.found.push(Violation {
            method: self.request.method.clone(),
            path: self.request.path.clone().unwrap_or_default(),
            status: self.status,
            side: self.side,
            place,
            what: what.into(),
        });
    }
}

/// Whether a request asks for a tunnel, which the document describes in words only.
fn connects(request: &Request) -> bool {
    request.method == Method::CONNECT
}
