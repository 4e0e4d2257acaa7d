//! Keywords that judge a value by itself.

use std::ops::ControlFlow;

use serde_json::Value;

use super::{Place, Schema, change_of, is_true, presence};
use crate::spec_diff::change::{Breaks, Changes, Direction, narrowed, replaced, widened};

/// Every keyword that is compared, here or beside this file.
pub(super) const KNOWN: [&str; 26] = [
    "type",
    "format",
    "enum",
    "nullable",
    "default",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "oneOf",
    "anyOf",
    "allOf",
    "$ref",
];

const LOWER_BOUNDS: [&str; 4] = ["minimum", "minLength", "minItems", "minProperties"];
const UPPER_BOUNDS: [&str; 4] = ["maximum", "maxLength", "maxItems", "maxProperties"];
/// Keywords that forbid values where they are true.
const FLAGS: [&str; 3] = ["exclusiveMinimum", "exclusiveMaximum", "uniqueItems"];
/// Keywords that forbid values where they are given, and of whose values neither allows more than another.
const RULES: [&str; 2] = ["pattern", "multipleOf"];

/// Compares types and formats. After a change of type nothing else can be compared.
pub(super) fn kind_of_value(
    place: Place<'_>,
    old: &Schema,
    new: &Schema,
    changes: &mut Changes,
) -> ControlFlow<()> {
    let (old_type, new_type) = (old.get("type"), new.get("type"));
    if old_type != new_type {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let has_alternatives = |schema: &Schema| schema.contains_key("oneOf") || schema.contains_key("anyOf");
        let verdict = match (text(old_type).as_str(), text(new_type).as_str()) {
            // Whether the alternatives allow what the type did is more than is compared here.
            _ if has_alternatives(old) || has_alternatives(new) => replaced(place.direction),
            ("integer", "number") | (_, "") => widened(place.direction),
            ("number", "integer") | ("", _) => narrowed(place.direction),
            _ => replaced(place.direction),
        };
        changes.add(place.at, "type", change_of("type", old_type, new_type), verdict);
        return ControlFlow::Break(());
    }
    format(place, old.get("format"), new.get("format"), changes);
    ControlFlow::Continue(())
}

fn format(place: Place<'_>, old: Option<&Value>, new: Option<&Value>, changes: &mut Changes) {
    if old == new {
        return;
    }
    let verdict = match (range(old), range(new)) {
        (Some((low, high)), Some((new_low, new_high))) if new_low <= low && high <= new_high => {
            widened(place.direction)
        }
        (Some((low, high)), Some((new_low, new_high))) if low <= new_low && new_high <= high => {
            narrowed(place.direction)
        }
        _ => presence(place, old.is_some(), new.is_some()),
    };
    changes.add(place.at, "format", change_of("format", old, new), verdict);
}

/// The numbers that an integer's format allows.
fn range(format: Option<&Value>) -> Option<(i128, i128)> {
    match format?.as_str()? {
        "int32" => Some((i32::MIN.into(), i32::MAX.into())),
        "uint32" => Some((u32::MIN.into(), u32::MAX.into())),
        "int64" => Some((i64::MIN.into(), i64::MAX.into())),
        "uint64" => Some((u64::MIN.into(), u64::MAX.into())),
        _ => None,
    }
}

/// Whether a bound is not given, or is only what the format says anyway.
fn is_free(schema: &Schema, keyword: &str) -> bool {
    let (Some(bound), range) = (schema.get(keyword), range(schema.get("format"))) else {
        return true;
    };
    let bound = bound.as_i64().map(i128::from).or(bound.as_u64().map(i128::from));
    match keyword {
        "minimum" => bound.is_some() && bound == range.map(|(low, _)| low),
        "maximum" => bound.is_some() && bound == range.map(|(_, high)| high),
        _ => false,
    }
}

pub(super) fn compare(place: Place<'_>, old: &Schema, new: &Schema, changes: &mut Changes) {
    nullable(place, old, new, changes);
    default(place, old.get("default"), new.get("default"), changes);
    enumeration(place, old, new, changes);
    for keyword in LOWER_BOUNDS {
        if is_free(old, keyword) && is_free(new, keyword) {
            continue;
        }
        bound(
            place,
            keyword,
            old.get(keyword),
            new.get(keyword),
            |old, new| old < new,
            changes,
        );
    }
    for keyword in UPPER_BOUNDS {
        if is_free(old, keyword) && is_free(new, keyword) {
            continue;
        }
        bound(
            place,
            keyword,
            old.get(keyword),
            new.get(keyword),
            |old, new| old > new,
            changes,
        );
    }
    for keyword in FLAGS {
        let (was, is) = (is_true(old, keyword), is_true(new, keyword));
        if was != is {
            changes.add(
                place.at,
                "bound",
                change_of(keyword, old.get(keyword), new.get(keyword)),
                presence(place, was, is),
            );
        }
    }
    for keyword in RULES {
        let (old, new) = (old.get(keyword), new.get(keyword));
        if old != new {
            let verdict = presence(place, old.is_some(), new.is_some());
            changes.add(place.at, "rule", change_of(keyword, old, new), verdict);
        }
    }
}

fn nullable(place: Place<'_>, old: &Schema, new: &Schema, changes: &mut Changes) {
    match (is_true(old, "nullable"), is_true(new, "nullable")) {
        (false, true) => changes.add(
            place.at,
            "nullable",
            "it may be null now",
            widened(place.direction),
        ),
        (true, false) => changes.add(
            place.at,
            "nullable",
            "it cannot be null any more",
            narrowed(place.direction),
        ),
        _ => {}
    }
}

fn default(place: Place<'_>, old: Option<&Value>, new: Option<&Value>, changes: &mut Changes) {
    if old == new {
        return;
    }
    let verdict = match (old, place.direction) {
        (None, _) => (
            Breaks::Nobody,
            "what was meant by leaving it out was not said before",
        ),
        (Some(_), Direction::Request) => (Breaks::Clients, "leaving it out means something else now"),
        (Some(_), Direction::Response) => (
            Breaks::Servers,
            "newer clients read their leaving it out differently",
        ),
    };
    changes.add(place.at, "default", change_of("default", old, new), verdict);
}

/// A bound, of which `narrower` says whether the second allows fewer values than the first.
fn bound(
    place: Place<'_>,
    keyword: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    narrower: impl Fn(f64, f64) -> bool,
    changes: &mut Changes,
) {
    if old == new {
        return;
    }
    let verdict = match (old.and_then(Value::as_f64), new.and_then(Value::as_f64)) {
        (Some(old), Some(new)) if narrower(old, new) => narrowed(place.direction),
        (Some(_), Some(_)) => widened(place.direction),
        (old, new) => presence(place, old.is_some(), new.is_some()),
    };
    changes.add(place.at, "bound", change_of(keyword, old, new), verdict);
}

/// Enumerated texts in answers are open: the contract has clients keep the ones they do not know.
fn enumeration(place: Place<'_>, old: &Schema, new: &Schema, changes: &mut Changes) {
    let (before, after) = (old.get("enum"), new.get("enum"));
    let open = place.direction == Direction::Response && old.get("type") == Some(&Value::from("string"));
    let judged = |verdict| {
        if open {
            (Breaks::Nobody, "clients keep values they do not know")
        } else {
            verdict
        }
    };
    let (Some(before), Some(after)) = (before.and_then(Value::as_array), after.and_then(Value::as_array))
    else {
        if before != after {
            let verdict = judged(presence(place, before.is_some(), after.is_some()));
            changes.add(place.at, "enum", change_of("enum", before, after), verdict);
        }
        return;
    };
    for value in before.iter().filter(|value| !after.contains(value)) {
        let what = format!("the value {value} is removed");
        changes.add(
            place.at,
            "enum-value-removed",
            what,
            judged(narrowed(place.direction)),
        );
    }
    for value in after.iter().filter(|value| !before.contains(value)) {
        let what = format!("the value {value} is added");
        changes.add(
            place.at,
            "enum-value-added",
            what,
            judged(widened(place.direction)),
        );
    }
}
