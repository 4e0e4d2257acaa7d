//! What the document says of requests.

use http::header;
use percent_encoding::percent_decode_str;

use super::{Findings, connects};
use crate::document::{Contract, JSON, Located, Operation, Parameter, ParameterPlace};
use crate::exchange::{Body, Request, media_type};
use crate::violation::{Place, Violation};

impl Contract {
    /// What is wrong with a request that claims to be one of this API: a server may ignore some of it, but whoever
    /// sends it has not read the document.
    pub fn check_request(&self, request: &Request) -> Vec<Violation> {
        let mut findings = Findings::of_request(request);
        if connects(request) {
            return findings.found;
        }
        let Some(located) = self.located(request) else {
            findings.add(Place::Operation, "the document has no such operation");
            return findings.found;
        };
        for (name, _) in query(request) {
            let known = |parameter: &&Parameter| {
                parameter.place == ParameterPlace::Query && name.as_deref() == Some(&parameter.name)
            };
            if !located
                .operation
                .parameters
                .iter()
                .any(|parameter| known(&parameter))
            {
                let name = name.unwrap_or_default();
                findings.add(Place::Query(name), "the document has no such parameter");
            }
        }
        findings.found.extend(self.forbidden(request, &located));
        findings.found
    }

    /// What is so wrong with a request that no server may do what it asks for.
    pub(super) fn forbidden(&self, request: &Request, located: &Located<'_>) -> Vec<Violation> {
        let mut findings = Findings::of_request(request);
        if located.operation.secured && !has_bearer_token(request) {
            findings.add(
                Place::Header("Authorization".to_owned()),
                "a bearer token is required",
            );
        }
        for parameter in &located.operation.parameters {
            check_parameter(&mut findings, located, parameter);
        }
        check_body(&mut findings, located.operation);
        findings.found
    }

    pub(super) fn located(&self, request: &Request) -> Option<Located<'_>> {
        self.locate(&request.method, request.path.as_deref()?)
    }
}

fn has_bearer_token(request: &Request) -> bool {
    let credentials = request.headers.get(header::AUTHORIZATION);
    let text = credentials.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    text.as_deref()
        .and_then(|text| text.split_once(' '))
        .is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty())
}

fn check_parameter(findings: &mut Findings<'_>, located: &Located<'_>, parameter: &Parameter) {
    let request = findings.request;
    let name = &parameter.name;
    let (place, values): (Place, Vec<Option<String>>) = match parameter.place {
        ParameterPlace::Path => {
            let named = located.path_parameters.iter().filter(|(found, _)| found == name);
            (
                Place::Path(name.clone()),
                named.map(|(_, value)| value.clone()).collect(),
            )
        }
        ParameterPlace::Query => {
            let named = query(request).filter(|(found, _)| found.as_ref() == Some(name));
            (
                Place::Query(name.clone()),
                named.map(|(_, value)| value).collect(),
            )
        }
        ParameterPlace::Header => {
            let named = request.headers.get_all(name.as_str()).into_iter();
            let text = |value: &http::HeaderValue| value.to_str().ok().map(str::to_owned);
            (Place::Header(name.clone()), named.map(text).collect())
        }
    };
    match values.as_slice() {
        [] if parameter.required => findings.add(place, "it is required"),
        [] => {}
        [None] => findings.add(place, "it is no text"),
        [Some(value)] => {
            for mismatch in parameter.schema.mismatches_of_text(value) {
                findings.add(place.clone(), mismatch.what);
            }
        }
        _ => findings.add(place, "it is there more than once"),
    }
}

fn check_body(findings: &mut Findings<'_>, operation: &Operation) {
    let request = findings.request;
    let Some(expected) = operation.body() else {
        return;
    };
    let Some(media_type) = media_type(&request.headers) else {
        if expected.required || !request.body.is_empty() {
            findings.add(Place::ContentType, "it is required");
        }
        return;
    };
    let Some(schema) = expected.of_type(&media_type) else {
        if expected.required || !request.body.is_empty() {
            findings.add(Place::ContentType, "the operation does not read this media type");
        }
        return;
    };
    let (Some(schema), Body::Whole(bytes)) = (schema, &request.body) else {
        return;
    };
    if bytes.is_empty() {
        if expected.required && media_type == JSON {
            findings.add(Place::Body(String::new()), "it is required");
        }
        return;
    }
    match serde_json::from_slice(bytes) {
        Ok(value) => {
            for mismatch in schema.mismatches(&value) {
                findings.add(Place::Body(mismatch.pointer), mismatch.what);
            }
        }
        Err(_) => findings.add(Place::Body(String::new()), "it is no JSON"),
    }
}

/// Names and values of the query; `None` for what is not text.
fn query(request: &Request) -> impl Iterator<Item = (Option<String>, Option<String>)> {
    let pairs = request.query.as_deref().unwrap_or_default().split('&');
    pairs.filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.ok().map(Into::into)
}
