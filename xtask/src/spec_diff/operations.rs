//! Changes of operations: where they are, and what goes in and out of them.

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
    let mut comparison = Comparison {
        old,
        new,
        schemas: Schemas::new(old, new),
        changes: Changes::default(),
    };
    servers(&mut comparison);
    let (olds, news) = (old.operations(), new.operations());
    let matched = Matched::find(&olds, &news);
    let changes = &mut comparison.changes;
    for (old, new) in &matched.moved {
        let verdict = (Breaks::Both, "the one asks where the other does not answer");
        let what = format!("it is {} now", new.name());
        changes.add(&old.name(), "operation-moved", what, verdict);
    }
    for operation in matched.removed {
        let verdict = (Breaks::Clients, "they call it");
        changes.add(&operation.name(), "operation-removed", "it is removed", verdict);
    }
    for operation in matched.added {
        let verdict = (Breaks::Nobody, "nobody calls it yet");
        changes.add(&operation.name(), "operation-added", "it is added", verdict);
    }
    for (old, new) in matched.kept.into_iter().chain(matched.moved) {
        let at = old.name();
        operation(&mut comparison, Pair { at: &at, old, new });
    }
    comparison.changes
}

/// Which operations of two documents are the same.
struct Matched<'a> {
    /// Those with the same method and path.
    kept: Vec<(&'a Operation<'a>, &'a Operation<'a>)>,
    /// Others with the same id.
    moved: Vec<(&'a Operation<'a>, &'a Operation<'a>)>,
    removed: Vec<&'a Operation<'a>>,
    added: Vec<&'a Operation<'a>>,
}

impl<'a> Matched<'a> {
    fn find(olds: &'a [Operation<'a>], news: &'a [Operation<'a>]) -> Self {
        // What kept its place is found first, so that it cannot be taken for something that moved.
        let (kept, olds, news) = pairs(olds.iter().collect(), news.iter().collect(), |old, new| {
            old.key() == new.key()
        });
        let (moved, removed, added) =
            pairs(olds, news, |old, new| old.id().is_some() && old.id() == new.id());
        Self {
            kept,
            moved,
            removed,
            added,
        }
    }
}

type Paired<T> = (Vec<(T, T)>, Vec<T>, Vec<T>);

/// Pairs what is the same, and gives back what is left of both.
fn pairs<T>(olds: Vec<T>, mut news: Vec<T>, same: impl Fn(&T, &T) -> bool) -> Paired<T> {
    let (mut pairs, mut left) = (Vec::new(), Vec::new());
    for old in olds {
        match news.iter().position(|new| same(&old, new)) {
            Some(position) => pairs.push((old, news.remove(position))),
            None => left.push(old),
        }
    }
    (pairs, left, news)
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
