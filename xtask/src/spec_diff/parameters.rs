//! Changes of parameters, those of the path's own included.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    change::{Breaks, Direction, narrowed, replaced, widened},
    document::{Document, Operation},
    operations::{Comparison, Pair},
    rename::Renames,
};

pub(super) fn compare(comparison: &mut Comparison<'_>, pair: Pair<'_>) {
    let (old, new) = (comparison.old, comparison.new);
    let (olds, news) = (of(old, pair.old), of(new, pair.new));
    let places = ["path", "query", "header", "cookie"];
    for place in places {
        compare_in(
            comparison,
            pair,
            place,
            &within(&olds, place),
            &within(&news, place),
        );
    }
}

/// Keyed by where they are and what they are called.
type Parameters<'a> = BTreeMap<(&'a str, &'a str), &'a Value>;

/// An operation's own parameters stand in for the path's of the same name.
fn of<'a>(document: &'a Document, operation: &Operation<'a>) -> Parameters<'a> {
    let listed = [operation.item, operation.operation].map(|holder| holder.get("parameters"));
    let listed = listed.into_iter().flatten().filter_map(Value::as_array).flatten();
    listed
        .filter_map(|parameter| {
            let parameter = document.resolve(parameter);
            let text = |key| parameter.get(key).and_then(Value::as_str);
            Some(((text("in")?, text("name")?), parameter))
        })
        .collect()
}

fn within<'a>(parameters: &Parameters<'a>, place: &str) -> Vec<(&'a str, &'a Value)> {
    let found = parameters.iter().filter(|((at, _), _)| *at == place);
    found.map(|((_, name), parameter)| (*name, *parameter)).collect()
}

fn compare_in(
    comparison: &mut Comparison<'_>,
    pair: Pair<'_>,
    place: &str,
    olds: &[(&str, &Value)],
    news: &[(&str, &Value)],
) {
    let is_path = place == "path";
    // A path's parameters are known by their places: what they are called is not sent.
    let alike = |old: &&Value, new: &&Value| is_path || old.get("schema") == new.get("schema");
    let renames = Renames::find(olds, news, alike);
    for (name, old) in olds {
        let at = format!("{} {place} parameter {name}", pair.at);
        let new_name = renames.new_name(name);
        let found = news
            .iter()
            .find(|(other, _)| other == name || Some(*other) == new_name);
        if let Some(new_name) = new_name {
            let verdict = if is_path {
                (Breaks::Nobody, "the name of a path parameter is not sent")
            } else {
                (Breaks::Both, "the one does not know the other's name")
            };
            comparison.changes.add(
                &at,
                "parameter-renamed",
                format!("it is named {new_name} now"),
                verdict,
            );
        }
        match found {
            Some((_, new)) => parameter(comparison, &at, old, new),
            None => comparison.changes.add(
                &at,
                "parameter-removed",
                "it is removed",
                narrowed(Direction::Request),
            ),
        }
    }
    for (name, new) in news {
        if olds.iter().any(|(old, _)| old == name) || renames.is_new_name(name) {
            continue;
        }
        let at = format!("{} {place} parameter {name}", pair.at);
        let (what, verdict) = if is_required(new) {
            (
                "it is added and required",
                (Breaks::Clients, "they do not send it"),
            )
        } else {
            ("it is added", (Breaks::Nobody, "it may be left out"))
        };
        comparison.changes.add(&at, "parameter-added", what, verdict);
    }
}

fn is_required(parameter: &Value) -> bool {
    parameter.get("required") == Some(&Value::Bool(true))
}

fn parameter(comparison: &mut Comparison<'_>, at: &str, old: &Value, new: &Value) {
    let changes = &mut comparison.changes;
    match (is_required(old), is_required(new)) {
        (false, true) => changes.add(
            at,
            "parameter-required",
            "it is required now",
            narrowed(Direction::Request),
        ),
        (true, false) => changes.add(
            at,
            "parameter-required",
            "it may be left out now",
            widened(Direction::Request),
        ),
        _ => {}
    }
    for keyword in ["style", "explode", "allowReserved", "content"] {
        if old.get(keyword) != new.get(keyword) {
            changes.add(
                at,
                "parameter-style",
                format!("{keyword} has changed"),
                replaced(Direction::Request),
            );
        }
    }
    let (old, new) = (old.get("schema"), new.get("schema"));
    comparison
        .schemas
        .compare(at, Direction::Request, old, new, &mut comparison.changes);
}
