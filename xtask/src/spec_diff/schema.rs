//! Changes of schemas, as far as values that fit the one may not fit the other.

mod keywords;
mod object;

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};

use super::{
    change::{Breaks, Changes, Direction, narrowed, replaced, widened},
    document::Document,
};

/// Keywords that allow and forbid nothing.
const WORDS: [&str; 7] = [
    "title",
    "description",
    "example",
    "examples",
    "externalDocs",
    "deprecated",
    "xml",
];

type Schema = Map<String, Value>;

pub(super) struct Schemas<'a> {
    pub(super) old: &'a Document,
    pub(super) new: &'a Document,
    /// Pairs of named schemas that are compared already, for each direction.
    seen: HashSet<(String, String, Direction)>,
}

/// Where a comparison stands, and which way its values go.
#[derive(Clone, Copy)]
struct Place<'a> {
    at: &'a str,
    direction: Direction,
}

impl<'a> Schemas<'a> {
    pub(super) fn new(old: &'a Document, new: &'a Document) -> Self {
        Self {
            old,
            new,
            seen: HashSet::new(),
        }
    }

    /// Compares two schemas, one of which may be missing: then every value is allowed.
    pub(super) fn compare(
        &mut self,
        at: &str,
        direction: Direction,
        old: Option<&Value>,
        new: Option<&Value>,
        changes: &mut Changes,
    ) {
        let (old_name, new_name) = (name(old), name(new));
        let named = old_name.is_some() || new_name.is_some();
        let pair = (
            old_name.unwrap_or_default(),
            new_name.unwrap_or_default(),
            direction,
        );
        if named
            && !self
                .seen
                .insert((pair.0.to_owned(), pair.1.to_owned(), direction))
        {
            return;
        }
        // A change in a named schema is told once, and not for each operation that uses it.
        let named_place = format!("{direction} {}", pair.0);
        let at = if named && pair.0 == pair.1 {
            &named_place
        } else {
            at
        };
        let place = Place { at, direction };
        let old = old.map(|schema| self.old.flattened(schema)).unwrap_or_default();
        let new = new.map(|schema| self.new.flattened(schema)).unwrap_or_default();
        if keywords::kind_of_value(place, &old, &new, changes).is_break() {
            return;
        }
        keywords::compare(place, &old, &new, changes);
        self.properties(place, &old, &new, changes);
        self.additional_properties(place, &old, &new, changes);
        if old.contains_key("items") || new.contains_key("items") {
            self.compare(
                &format!("{at}[]"),
                direction,
                old.get("items"),
                new.get("items"),
                changes,
            );
        }
        self.alternatives(place, &old, &new, changes);
        others(place, &old, &new, changes);
    }

    fn alternatives(&mut self, place: Place<'_>, old: &Schema, new: &Schema, changes: &mut Changes) {
        for keyword in ["oneOf", "anyOf"] {
            let listed = |schema: &Schema| {
                schema
                    .get(keyword)
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default()
            };
            let (old, new) = (listed(old), listed(new));
            for (number, (old, new)) in old.iter().zip(&new).enumerate() {
                let at = format!("{} {keyword} {number}", place.at);
                self.compare(&at, place.direction, Some(old), Some(new), changes);
            }
            let what = format!("{} alternatives of {keyword} are {} now", old.len(), new.len());
            let verdict = match old.len().cmp(&new.len()) {
                std::cmp::Ordering::Equal => continue,
                _ if old.is_empty() => narrowed(place.direction),
                _ if new.is_empty() => widened(place.direction),
                std::cmp::Ordering::Less => widened(place.direction),
                std::cmp::Ordering::Greater => narrowed(place.direction),
            };
            changes.add(place.at, "alternatives", what, verdict);
        }
    }
}

/// The name of a schema that stands elsewhere.
fn name(schema: Option<&Value>) -> Option<&str> {
    let reference = schema?.get("$ref")?.as_str()?;
    reference.rsplit('/').next()
}

/// Keywords this program knows nothing about: what they mean, nobody has thought of here.
fn others(place: Place<'_>, old: &Schema, new: &Schema, changes: &mut Changes) {
    let keywords: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for keyword in keywords {
        let known = WORDS.contains(&keyword.as_str())
            || keyword.starts_with("x-")
            || keywords::KNOWN.contains(&keyword.as_str());
        if !known && old.get(keyword) != new.get(keyword) {
            let verdict = (Breaks::Both, "this program does not know what it means");
            changes.add(
                place.at,
                "unknown-keyword",
                format!("{keyword} has changed"),
                verdict,
            );
        }
    }
}

/// How a value is shown in a change.
fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "not given".to_owned(), Value::to_string)
}

fn change_of(keyword: &str, old: Option<&Value>, new: Option<&Value>) -> String {
    format!("{keyword} was {} and is {}", shown(old), shown(new))
}

fn is_true(schema: &Schema, keyword: &str) -> bool {
    schema.get(keyword) == Some(&Value::Bool(true))
}

/// The verdict on a keyword that allows fewer values when it is there.
fn presence(place: Place<'_>, old: bool, new: bool) -> (Breaks, &'static str) {
    match (old, new) {
        (false, true) => narrowed(place.direction),
        (true, false) => widened(place.direction),
        _ => replaced(place.direction),
    }
}
