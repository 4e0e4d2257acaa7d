//! What is said on one connection.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};

use super::body::{Incoming, Progress};
use super::head::{self, Parsed, RequestHead, ResponseHead};
use super::ledger::Ledger;
use crate::exchange::{Body, Request, Response};

/// As many requests as may wait for an answer.
const PIPELINED: usize = 1024;

/// Both directions of a connection, as far as they are understood.
pub(super) struct Conversation {
    ledger: Arc<Ledger>,
    /// What the server is to be told of its name, where that is not what the client calls it.
    host: Option<HeaderValue>,
    requests: Direction,
    responses: Direction,
    /// What has not been answered, the oldest first.
    asked: VecDeque<Asked>,
    /// The response whose body is under way.
    answer: Option<ResponseHead>,
}

enum Direction {
    Head(Vec<u8>),
    Body(Incoming),
    /// Not HTTP, or not any more.
    Opaque,
}

/// What a client has said.
enum Part<'a> {
    /// The head of a request.
    Head(&'a [u8]),
    /// What is none.
    Other(&'a [u8]),
}

struct Asked {
    request: Request,
    /// The request's body is [`Body::Broken`] until then.
    complete: bool,
}

impl Conversation {
    pub(super) fn new(ledger: Arc<Ledger>, host: Option<HeaderValue>) -> Self {
        Self {
            ledger,
            host,
            requests: Direction::Head(Vec::new()),
            responses: Direction::Head(Vec::new()),
            asked: VecDeque::new(),
            answer: None,
        }
    }

    /// Hears what the client says, of which the end is nothing, and tells what the server is to hear of it.
    pub(super) fn request<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        match self.host.clone() {
            None => {
                self.hear_requests(bytes, |_| {});
                Cow::Borrowed(bytes)
            }
            Some(host) => {
                let mut told = Vec::new();
                if let (Direction::Head(begun), []) = (&mut self.requests, bytes) {
                    told.append(begun);
                }
                self.hear_requests(bytes, |part| match part {
                    Part::Head(head) => told.extend(head::renamed(head, &host)),
                    Part::Other(bytes) => told.extend_from_slice(bytes),
                });
                Cow::Owned(told)
            }
        }
    }

    fn hear_requests(&mut self, mut bytes: &[u8], mut pass: impl FnMut(Part<'_>)) {
        loop {
            let before = bytes;
            match &mut self.requests {
                Direction::Opaque => return pass(Part::Other(bytes)),
                Direction::Head(_) if bytes.is_empty() => return,
                Direction::Head(buffer) => match complete(buffer, &mut bytes, head::request) {
                    (Parsed::Partial, _) => return,
                    (Parsed::Complete(head, _), raw) => {
                        pass(Part::Head(&raw));
                        self.asks(head);
                    }
                    (Parsed::Malformed, raw) => {
                        pass(Part::Other(&raw));
                        self.requests = Direction::Opaque;
                    }
                },
                Direction::Body(incoming) => {
                    let progress = incoming.take(&mut bytes);
                    let taken = before.len() - bytes.len();
                    pass(Part::Other(before.get(..taken).unwrap_or_default()));
                    match progress {
                        Ok(Progress::Open) => return,
                        Ok(Progress::Whole) => self.has_asked(),
                        Err(_) => self.requests = Direction::Opaque,
                    }
                }
            }
        }
    }

    fn asks(&mut self, head: RequestHead) {
        let connects = head.method == Method::CONNECT;
        let Ok(body) = Incoming::of_request(&head.headers) else {
            self.requests = Direction::Opaque;
            return;
        };
        let request = Request {
            path: self.ledger.path(head.uri.path()),
            query: head.uri.query().map(str::to_owned),
            method: head.method,
            headers: head.headers,
            body: Body::Broken,
        };
        self.asked.push_back(Asked {
            request,
            complete: false,
        });
        self.requests = if connects || self.asked.len() > PIPELINED {
            Direction::Opaque
        } else {
            Direction::Body(body)
        };
    }

    fn has_asked(&mut self) {
        let was = std::mem::replace(&mut self.requests, Direction::Head(Vec::new()));
        let Direction::Body(incoming) = was else {
            return;
        };
        // One that was answered before it was complete has left already.
        if let Some(asked) = self.asked.back_mut().filter(|asked| !asked.complete) {
            asked.complete = true;
            asked.request.body = incoming.whole();
            self.ledger.hear_request(&asked.request);
        }
    }

    /// Hears what the server says.
    pub(super) fn response(&mut self, mut bytes: &[u8]) {
        loop {
            match &mut self.responses {
                Direction::Opaque => return,
                Direction::Head(_) if bytes.is_empty() => return,
                Direction::Head(buffer) => match complete(buffer, &mut bytes, head::response) {
                    (Parsed::Partial, _) => return,
                    (Parsed::Complete(head, _), _) => self.answers(head),
                    (Parsed::Malformed, _) => self.responses = Direction::Opaque,
                },
                Direction::Body(incoming) => match incoming.take(&mut bytes) {
                    Ok(Progress::Open) => return,
                    Ok(Progress::Whole) => self.has_answered(Incoming::whole),
                    Err(_) => self.responses = Direction::Opaque,
                },
            }
        }
    }

    fn answers(&mut self, head: ResponseHead) {
        let informs = head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS;
        let Some(asked) = self.asked.front() else {
            // An answer to what was no request.
            self.responses = Direction::Opaque;
            return;
        };
        if informs {
            self.responses = Direction::Head(Vec::new());
            return;
        }
        let method = &asked.request.method;
        let tunnels = *method == Method::CONNECT && head.status.is_success();
        let bodiless = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let body = if tunnels || bodiless || *method == Method::HEAD {
            Ok(Incoming::none(&head.headers))
        } else {
            Incoming::of_response(&head.headers)
        };
        let stays = !tunnels && head.status != StatusCode::SWITCHING_PROTOCOLS;
        self.answer = Some(head);
        match body {
            Ok(body) => self.responses = Direction::Body(body),
            Err(_) => self.responses = Direction::Opaque,
        }
        if !stays {
            self.has_answered(Incoming::whole);
            self.responses = Direction::Opaque;
            self.requests = Direction::Opaque;
        }
    }

    fn has_answered(&mut self, body: impl FnOnce(Incoming) -> Body) {
        let was = std::mem::replace(&mut self.responses, Direction::Head(Vec::new()));
        let (Direction::Body(incoming), Some(head)) = (was, self.answer.take()) else {
            return;
        };
        if let Some(asked) = self.asked.pop_front() {
            if !asked.complete {
                self.ledger.hear_request(&asked.request);
            }
            let response = Response {
                status: head.status,
                headers: head.headers,
                body: body(incoming),
            };
            self.ledger.hear_response(&asked.request, &response);
        }
    }

    /// The server says nothing more, which is the end of a response that has no other.
    pub(super) fn end_of_responses(&mut self) {
        self.has_answered(Incoming::ended);
    }

    /// Nobody says anything any more.
    pub(super) fn end(&mut self) {
        self.has_answered(|_| Body::Broken);
        for asked in self.asked.drain(..).filter(|asked| !asked.complete) {
            self.ledger.hear_request(&asked.request);
        }
    }
}

/// Adds to a head what has come, and leaves in `bytes` what follows once it is complete. What is known to be a head, or
/// none, is handed over.
fn complete<T>(
    buffer: &mut Vec<u8>,
    bytes: &mut &[u8],
    parse: impl Fn(&[u8]) -> Parsed<T>,
) -> (Parsed<T>, Vec<u8>) {
    let before = buffer.len();
    buffer.extend_from_slice(bytes);
    let parsed = parse(buffer);
    let length = match &parsed {
        Parsed::Partial => {
            *bytes = &[];
            return (parsed, Vec::new());
        }
        Parsed::Complete(_, length) => *length,
        Parsed::Malformed => buffer.len(),
    };
    *bytes = bytes.get(length.saturating_sub(before)..).unwrap_or_default();
    let mut raw = std::mem::take(buffer);
    raw.truncate(length);
    (parsed, raw)
}

/// Whether a request comes from the SDK of this workspace.
pub(super) fn is_of_the_sdk(request: &Request) -> bool {
    let agent = request.headers.get(header::USER_AGENT);
    agent.is_some_and(|agent| agent.as_bytes().starts_with(b"sandbox-sessions/"))
}
