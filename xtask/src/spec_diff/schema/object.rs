//! Properties of objects.

use serde_json::Value;

use super::{Place, Schema, Schemas, narrowed, presence};
use crate::spec_diff::{
    change::{Breaks, Changes, Direction},
    document::entries,
    rename::Renames,
};

impl Schemas<'_> {
    pub(super) fn properties(&mut self, place: Place<'_>, old: &Schema, new: &Schema, changes: &mut Changes) {
        let (olds, news) = (properties(old), properties(new));
        let renames = Renames::find(&olds, &news, |old, new| old == new);
        for (name, property) in &olds {
            let at = format!("{}.{name}", place.at);
            if let Some((_, new_property)) = news.iter().find(|(new_name, _)| new_name == name) {
                requirement(
                    Place { at: &at, ..place },
                    is_required(old, name),
                    is_required(new, name),
                    changes,
                );
                self.compare(&at, place.direction, Some(property), Some(new_property), changes);
            } else if let Some(new_name) = renames.new_name(name) {
                let verdict = (Breaks::Both, "the one does not know the other's name");
                changes.add(
                    &at,
                    "property-renamed",
                    format!("it is named {new_name} now"),
                    verdict,
                );
            } else {
                let verdict = removed(place.direction, is_required(old, name));
                changes.add(&at, "property-removed", "it is removed", verdict);
            }
        }
        for (name, _) in news {
            if !olds.iter().any(|(old_name, _)| *old_name == name) && !renames.is_new_name(name) {
                let at = format!("{}.{name}", place.at);
                let required = is_required(new, name);
                let what = if required {
                    "it is added and required"
                } else {
                    "it is added"
                };
                changes.add(&at, "property-added", what, added(place.direction, required));
            }
        }
    }

    /// Whether and which properties there may be besides the listed ones. Unless it says otherwise, any.
    pub(super) fn additional_properties(
        &mut self,
        place: Place<'_>,
        old: &Schema,
        new: &Schema,
        changes: &mut Changes,
    ) {
        const KEYWORD: &str = "additionalProperties";
        let (before, after) = (old.get(KEYWORD), new.get(KEYWORD));
        let closed = |value: Option<&Value>| value == Some(&Value::Bool(false));
        let schema = |value: Option<&'_ Value>| value.is_some_and(Value::is_object);
        if closed(before) != closed(after) {
            let opened = closed(before);
            let what = if opened {
                "it may have other properties now"
            } else {
                "it has no other properties any more"
            };
            let verdict = match (opened, place.direction) {
                (true, Direction::Response) => (Breaks::Nobody, "clients ignore properties they do not know"),
                _ => presence(place, closed(before), closed(after)),
            };
            changes.add(place.at, "additional-properties", what, verdict);
        } else if schema(before) || schema(after) {
            let only_schemas = |value: Option<&'_ Value>| value.filter(|value| value.is_object()).cloned();
            let (before, after) = (only_schemas(before), only_schemas(after));
            let at = format!("{}.*", place.at);
            self.compare(&at, place.direction, before.as_ref(), after.as_ref(), changes);
        }
    }
}

fn properties(schema: &Schema) -> Vec<(&str, &Value)> {
    entries(schema.get("properties")).collect()
}

fn is_required(schema: &Schema, name: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|required| required.iter().any(|value| value == name))
}

fn requirement(place: Place<'_>, old: bool, new: bool, changes: &mut Changes) {
    let what = match (old, new) {
        (false, true) => "it is required now",
        (true, false) => "it may be left out now",
        _ => return,
    };
    changes.add(place.at, "property-required", what, presence(place, old, new));
}

fn removed(direction: Direction, required: bool) -> (Breaks, &'static str) {
    match (direction, required) {
        (Direction::Request, _) => narrowed(direction),
        (Direction::Response, true) => (Breaks::Clients, "they rely on getting it"),
        (Direction::Response, false) => (Breaks::Nobody, "clients had to do without it before"),
    }
}

fn added(direction: Direction, required: bool) -> (Breaks, &'static str) {
    match (direction, required) {
        (Direction::Request, true) => (Breaks::Clients, "they do not send it"),
        (Direction::Request, false) => (Breaks::Nobody, "it may be left out"),
        (Direction::Response, true) => (
            Breaks::Servers,
            "they do not answer it, and newer clients rely on it",
        ),
        (Direction::Response, false) => (Breaks::Nobody, "clients ignore what they do not know"),
    }
}
