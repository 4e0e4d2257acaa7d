//! Changes of answers.

use serde_json::Value;

use super::{
    change::{Breaks, Direction},
    document::entries,
    operations::{Comparison, Pair, content},
    rename::Renames,
};

pub(super) fn compare(comparison: &mut Comparison<'_>, pair: Pair<'_>) {
    let (old, new) = (comparison.old, comparison.new);
    let olds: Vec<_> = entries(pair.old.operation.get("responses"))
        .map(|(status, response)| (status, old.resolve(response)))
        .collect();
    let news: Vec<_> = entries(pair.new.operation.get("responses"))
        .map(|(status, response)| (status, new.resolve(response)))
        .collect();
    // An error's status cannot be renamed: clients take every error for one.
    let alike = |old: &&Value, new: &&Value| old.get("content") == new.get("content");
    let renames = Renames::find(&successes(&olds), &successes(&news), alike);
    for (status, old) in &olds {
        let at = format!("{} {status}", pair.at);
        let new_status = renames.new_name(status);
        if let Some(new_status) = new_status {
            let verdict = (Breaks::Both, "the one does not know the other's status");
            comparison
                .changes
                .add(&at, "status-changed", format!("it is {new_status} now"), verdict);
        }
        match news
            .iter()
            .find(|(other, _)| other == status || Some(*other) == new_status)
        {
            Some((_, new)) => response(comparison, &at, old, new),
            None if is_error(status) => {
                let verdict = (Breaks::Nobody, "clients take every error for one");
                comparison
                    .changes
                    .add(&at, "status-removed", "this error is removed", verdict);
            }
            None => {
                let verdict = (Breaks::Clients, "they expect it");
                comparison
                    .changes
                    .add(&at, "status-removed", "this success is removed", verdict);
            }
        }
    }
    for (status, _) in &news {
        if olds.iter().any(|(old, _)| old == status) || renames.is_new_name(status) {
            continue;
        }
        let at = format!("{} {status}", pair.at);
        let (what, verdict) = if is_error(status) {
            (
                "this error is added",
                (Breaks::Nobody, "clients take every error for one"),
            )
        } else {
            (
                "this success is added",
                (Breaks::Clients, "they do not expect it"),
            )
        };
        comparison.changes.add(&at, "status-added", what, verdict);
    }
}

fn successes<'a>(responses: &[(&'a str, &'a Value)]) -> Vec<(&'a str, &'a Value)> {
    responses
        .iter()
        .filter(|(status, _)| !is_error(status))
        .copied()
        .collect()
}

/// What stands for every other status may be an error.
fn is_error(status: &str) -> bool {
    status.starts_with(['4', '5']) || status == "default"
}

fn response(comparison: &mut Comparison<'_>, at: &str, old: &Value, new: &Value) {
    headers(comparison, at, old.get("headers"), new.get("headers"));
    content(comparison, at, Direction::Response, old, new);
}

fn headers(comparison: &mut Comparison<'_>, at: &str, olds: Option<&Value>, news: Option<&Value>) {
    let (old_document, new_document) = (comparison.old, comparison.new);
    let is_required = |header: &Value| header.get("required") == Some(&Value::Bool(true));
    for (name, old) in entries(olds) {
        let old = old_document.resolve(old);
        let at = format!("{at} header {name}");
        let changes = &mut comparison.changes;
        let Some(new) = news.and_then(|news| news.get(name)) else {
            let verdict = if is_required(old) {
                (Breaks::Clients, "they rely on getting it")
            } else {
                (Breaks::Nobody, "clients had to do without it before")
            };
            changes.add(&at, "header-removed", "it is removed", verdict);
            continue;
        };
        let new = new_document.resolve(new);
        match (is_required(old), is_required(new)) {
            (false, true) => {
                let verdict = (
                    Breaks::Servers,
                    "they may leave it out, and newer clients rely on it",
                );
                changes.add(&at, "header-required", "it is required now", verdict);
            }
            (true, false) => {
                let verdict = (Breaks::Clients, "they rely on getting it");
                changes.add(&at, "header-required", "it may be left out now", verdict);
            }
            _ => {}
        }
        let (old, new) = (old.get("schema"), new.get("schema"));
        comparison
            .schemas
            .compare(&at, Direction::Response, old, new, &mut comparison.changes);
    }
    for (name, new) in entries(news) {
        if olds.and_then(|olds| olds.get(name)).is_none() {
            let at = format!("{at} header {name}");
            let (what, verdict) = if is_required(new_document.resolve(new)) {
                let why = "they do not answer it, and newer clients rely on it";
                ("it is added and required", (Breaks::Servers, why))
            } else {
                (
                    "it is added",
                    (Breaks::Nobody, "clients ignore what they do not know"),
                )
            };
            comparison.changes.add(&at, "header-added", what, verdict);
        }
    }
}
