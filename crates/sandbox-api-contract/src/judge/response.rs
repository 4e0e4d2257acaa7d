//! What the document says of responses.

use http::{HeaderMap, Method, StatusCode, header};

use super::{Findings, connects};
use crate::document::{Contract, Documented, JSON, Parameter, Schema};
use crate::exchange::{Body, Request, Response, media_type};
use crate::violation::{Place, Violation};

impl Contract {
    /// What is wrong with the answer to a request.
    pub fn check_response(&self, request: &Request, response: &Response) -> Vec<Violation> {
        let mut findings = Findings::of_response(request, response.status.as_u16());
        if is_bare_refusal(response) {
            return findings.found;
        }
        match self.located(request) {
            Some(located) => match located.operation.response(response.status.as_u16()) {
                Some((_, documented)) => {
                    check_documented(&mut findings, documented, response);
                    if response.status.is_success() {
                        for forbidden in self.forbidden(request, &located) {
                            let what =
                                format!("it was done, although {}: {}", forbidden.place, forbidden.what);
                            findings.add(Place::Status, what);
                        }
                    }
                }
                None => findings.add(Place::Status, "the operation does not list it"),
            },
            None if connects(request) => self.check_tunnel(&mut findings, response),
            None if request.path.is_some() => self.check_undocumented(&mut findings, response),
            None => {}
        }
        findings.found
    }

    /// A tunnel is opened without a body, and refused with an error.
    fn check_tunnel(&self, findings: &mut Findings<'_>, response: &Response) {
        if !response.status.is_success() {
            return self.check_undocumented(findings, response);
        }
        for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
            if response.headers.contains_key(&name) {
                findings.add(
                    Place::Header(name.to_string()),
                    "what follows is a tunnel and no body",
                );
            }
        }
    }

    /// Of what the document does not describe it says one thing: every error has an `Error` body.
    fn check_undocumented(&self, findings: &mut Findings<'_>, response: &Response) {
        let status = response.status;
        if !(status.is_client_error() || status.is_server_error()) {
            return;
        }
        if status == StatusCode::METHOD_NOT_ALLOWED && findings.request.method != Method::CONNECT {
            // RFC 9110, 15.5.6.
            if !response.headers.contains_key(header::ALLOW) {
                findings.add(Place::Header("Allow".to_owned()), "it is required");
            }
        }
        if findings.request.method == Method::HEAD {
            return;
        }
        match media_type(&response.headers).as_deref() {
            Some(JSON) => check_json(findings, self.error(), response),
            _ => findings.add(Place::ContentType, "an error is application/json"),
        }
    }
}

/// What has a head beyond the server's bounds is answered by a bare status.
fn is_bare_refusal(response: &Response) -> bool {
    let of_head = matches!(
        response.status,
        StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
    of_head && response.body.is_empty()
}

fn check_documented(findings: &mut Findings<'_>, documented: &Documented, response: &Response) {
    for expected in &documented.headers {
        check_header(findings, expected, &response.headers);
    }
    let media_type = media_type(&response.headers);
    match media_type.as_deref().map(|found| documented.of_type(found)) {
        Some(Some(Some(schema))) => check_json(findings, schema, response),
        Some(Some(None)) => {}
        Some(None) => findings.add(Place::ContentType, "the response does not list this media type"),
        None if documented.has_body() => findings.add(Place::ContentType, "it is required"),
        None => {}
    }
}

fn check_header(findings: &mut Findings<'_>, expected: &Parameter, headers: &HeaderMap) {
    let place = Place::Header(expected.name.clone());
    let mut values = headers.get_all(expected.name.as_str()).iter();
    match (values.next(), values.next()) {
        (None, _) if expected.required => findings.add(place, "it is required"),
        (None, _) => {}
        (Some(_), Some(_)) => findings.add(place, "it is there more than once"),
        (Some(value), None) => match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => {
                for mismatch in expected.schema.mismatches_of_text(text) {
                    findings.add(place.clone(), mismatch.what);
                }
            }
            Err(_) => findings.add(place, "it is no text"),
        },
    }
}

fn check_json(findings: &mut Findings<'_>, schema: &Schema, response: &Response) {
    let Body::Whole(bytes) = &response.body else {
        return;
    };
    match serde_json::from_slice(bytes) {
        Ok(value) => {
            for mismatch in schema.mismatches(&value) {
                findings.add(Place::Body(mismatch.pointer), mismatch.what);
            }
        }
        Err(_) => findings.add(Place::Body(String::new()), "it is no JSON"),
    }
}
