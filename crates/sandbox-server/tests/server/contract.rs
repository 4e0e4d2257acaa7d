//! The document, held against what the server says.

use std::sync::LazyLock;

use reqwest::Method;
use serde_json::Value;

use crate::client::Answer;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../../sandbox-api-spec.yaml");
    serde_yaml_ng::from_str(text).expect("the document is YAML")
});

/// Checks that an answer is one that the document knows of, if the request was one of its operations.
#[track_caller]
pub(crate) fn check(method: &Method, path: &str, answer: &Answer) {
    let Some(operation) = operation(method, path) else {
        return;
    };
    let context = || format!("{method} {path}: {} {}", answer.status, answer.text());
    let responses = &operation["responses"];
    let status = answer.status.as_u16();
    let listed = [status.to_string(), format!("{}XX", status / 100)];
    let response = listed.iter().find_map(|status| responses.get(status));
    let response = resolved(response.unwrap_or_else(|| panic!("an unlisted status: {}", context())));
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let header = resolved(header);
        match answer.headers.get(name) {
            Some(value) if header["schema"]["type"] == "integer" => {
                let digits = value.as_bytes().iter().all(u8::is_ascii_digit);
                assert!(digits && !value.is_empty(), "{name}: {value:?} of {}", context());
            }
            Some(_) => {}
            None => assert!(header["required"] != true, "{name} is missing: {}", context()),
        }
    }
    let told = answer.headers.contains_key("x-ratelimit-limit");
    assert!(
        told == response["headers"].get("X-RateLimit-Limit").is_some(),
        "{}",
        context()
    );
    let media_type = answer.header("content-type");
    assert!(response["content"].get(media_type).is_some(), "{}", context());
    if media_type == "application/json" {
        check_members(&response["content"][media_type]["schema"], answer);
    }
}

/// Every member that must be there is.
#[track_caller]
fn check_members(schema: &'static Value, answer: &Answer) {
    let body = answer.json();
    for name in resolved(schema)["required"].as_array().into_iter().flatten() {
        let name = name.as_str().expect("a name");
        assert!(body.get(name).is_some(), "no {name} in {}", answer.text());
    }
}

fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let path = path.split('?').next()?;
    let template = match path.split('/').collect::<Vec<_>>()[..] {
        ["", "sessions", id] if !id.is_empty() => "/sessions/{sessionId}".to_owned(),
        ["", "sessions", _, last] => format!("/sessions/{{sessionId}}/{last}"),
        _ => path.to_owned(),
    };
    DOCUMENT["paths"]
        .get(template)?
        .get(method.as_str().to_ascii_lowercase())
}

fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => DOCUMENT
            .pointer(reference.trim_start_matches('#'))
            .unwrap_or_else(|| panic!("{reference} is not in the document")),
        None => value,
    }
}
