//! Changes of operations: where they are, and what goes in and out of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    change::{Breaks, Changes, Direction, narrowed},
    document::{Document, Operation, entries},
    parameters, responses,
    schema::Schemas,
    security,
};

/// Two documents that are compared, and what is known so far.
pub(super) struct Comparison<'a> {
    pub(super) old: &'a Document,
    pub(super) new: &'a Document,
    pub(super) schemas: Schemas<'a>,
    pub(super) changes: Changes,
}

/// An operation before and after.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) at: &'a str,
    pub(super) old: &'a Operation<'a>,
    pub(super) new: &'a Operation<'a>,
}

pub(super) fn compare(old: &Document, new: &Document) -> Changes {
    let schemas = Schemas::new(old, new);
    let mut comparison = Comparison {
        old,
        new,
        schemas,
        changes: Changes::default(),
    };
    servers(&mut comparison);
    let (old_operations, new_operations) = (old.operations(), new.operations());
    let mut arrived: BTreeMap<_, _> = new_operations
        .iter()
        .map(|operation| (operation.key(), operation))
        .collect();
    // What kept its place is found first, so that an operation cannot be taken for one that moved.
    let mut pairs = Vec::new();
    let mut gone = Vec::new();
    for operation in &old_operations {
        match arrived.remove(&operation.key()) {
            Some(new) => pairs.push((operation, new)),
            None => gone.push(operation),
        }
    }
    for operation in gone {
        let same_id = |(key, new): (&(String, String), &&Operation<'_>)| {
            (new.id().is_some() && new.id() == operation.id()).then(|| key.clone())
        };
        let moved = arrived
            .iter()
            .find_map(same_id)
            .and_then(|key| arrived.remove(&key));
        match moved {
            Some(new) => {
                let verdict = (Breaks::Both, "the one asks where the other does not answer");
                let what = format!("it is {} now", new.name());
                comparison
                    .changes
                    .add(&operation.name(), "operation-moved", what, verdict);
                pairs.push((operation, new));
            }
            None => {
                let verdict = (Breaks::Clients, "they call it");
                comparison
                    .changes
                    .add(&operation.name(), "operation-removed", "it is removed", verdict);
            }
        }
    }
    for (old, new) in pairs {
        let at = old.name();
        operation(&mut comparison, Pair { at: &at, old, new });
    }
    for operation in arrived.into_values() {
        let verdict = (Breaks::Nobody, "nobody calls it yet");
        comparison
            .changes
            .add(&operation.name(), "operation-added", "it is added", verdict);
    }
    comparison.changes
}

fn operation(comparison: &mut Comparison<'_>, pair: Pair<'_>) {
    if pair.old.id() != pair.new.id() {
        let id = |operation: &Operation<'_>| operation.id().unwrap_or("nothing").to_owned();
        let what = format!("operationId was {} and is {}", id(pair.old), id(pair.new));
        let verdict = (Breaks::Clients, "generated ones call it by this name");
        comparison.changes.add(pair.at, "operation-id", what, verdict);
    }
    security::compare(comparison, pair);
    parameters::compare(comparison, pair);
    request_body(comparison, pair);
    responses::compare(comparison, pair);
}

fn request_body(comparison: &mut Comparison<'_>, pair: Pair<'_>) {
    let body = |document: &'_ Document, operation: &Operation<'_>| {
        operation
            .operation
            .get("requestBody")
            .map(|body| document.resolve(body).clone())
    };
    let (old, new) = (body(comparison.old, pair.old), body(comparison.new, pair.new));
    let required = |body: &Value| body.get("required") == Some(&Value::Bool(true));
    let changes = &mut comparison.changes;
    match (&old, &new) {
        (Some(old), Some(new)) => {
            match (required(old), required(new)) {
                (false, true) => {
                    changes.add(
                        pair.at,
                        "body-required",
                        "the body is required now",
                        (Breaks::Clients, "they may leave it out"),
                    );
                }
                (true, false) => {
                    let verdict = (Breaks::Nobody, "what was accepted still is");
                    changes.add(pair.at, "body-required", "the body may be left out now", verdict);
                }
                _ => {}
            }
            content(
                comparison,
                &format!("{} body", pair.at),
                Direction::Request,
                old,
                new,
            );
        }
        (Some(_), None) => {
            changes.add(
                pair.at,
                "body-removed",
                "it takes no body any more",
                narrowed(Direction::Request),
            );
        }
        (None, Some(new)) if required(new) => {
            changes.add(
                pair.at,
                "body-added",
                "it needs a body now",
                (Breaks::Clients, "they do not send it"),
            );
        }
        (None, Some(_)) => {
            changes.add(
                pair.at,
                "body-added",
                "it takes a body now",
                (Breaks::Nobody, "it may be left out"),
            );
        }
        (None, None) => {}
    }
}

/// Compares the media types of a request body or a response.
pub(super) fn content(
    comparison: &mut Comparison<'_>,
    at: &str,
    direction: Direction,
    old: &Value,
    new: &Value,
) {
    let (old, new) = (old.get("content"), new.get("content"));
    for (media, old) in entries(old) {
        match new.and_then(|new| new.get(media)) {
            Some(new) => {
                let (old, new) = (old.get("schema"), new.get("schema"));
                comparison
                    .schemas
                    .compare(at, direction, old, new, &mut comparison.changes);
            }
            None => {
                let why = match direction {
                    Direction::Request => "they may send it",
                    Direction::Response => "they may ask for nothing else",
                };
                let what = format!("the media type {media} is removed");
                comparison
                    .changes
                    .add(at, "media-type-removed", what, (Breaks::Clients, why));
            }
        }
    }
    for (media, _) in entries(new) {
        if old.and_then(|old| old.get(media)).is_none() {
            let verdict = (Breaks::Nobody, "nobody has to use it");
            let what = format!("the media type {media} is added");
            comparison.changes.add(at, "media-type-added", what, verdict);
        }
    }
}

/// Compares the base URLs: paths are relative to them.
fn servers(comparison: &mut Comparison<'_>) {
    let urls = |document: &Document| {
        let servers = document
            .get("/servers")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let urls = servers
            .iter()
            .filter_map(|server| Some(server.get("url")?.as_str()?.to_owned()));
        urls.collect::<Vec<_>>()
    };
    let (old, new) = (urls(comparison.old), urls(comparison.new));
    for url in old.iter().filter(|url| !new.contains(url)) {
        let verdict = (Breaks::Clients, "they may use it");
        comparison
            .changes
            .add("servers", "server-removed", format!("{url} is removed"), verdict);
    }
    for url in new.iter().filter(|url| !old.contains(url)) {
        let verdict = (Breaks::Nobody, "nobody uses it yet");
        comparison
            .changes
            .add("servers", "server-added", format!("{url} is added"), verdict);
    }
}
