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
    /// Pairs of schemas, as they are written, that are compared already, for each direction.
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
        if self.is_compared(direction, old, new) {
            return;
        }
        // A change in a named schema is told once, and not for each operation that uses it.
        let named = name(old).filter(|shared| Some(*shared) == name(new));
        let named = named.map(|name| format!("{direction} {name}"));
        let at = named.as_deref().unwrap_or(at);
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

    /// Whether this pair was met before. Pairs without a name are told wherever they are: no circle is made of them.
    fn is_compared(&mut self, direction: Direction, old: Option<&Value>, new: Option<&Value>) -> bool {
        let text = |schema: Option<&Value>| schema.map(Value::to_string).unwrap_or_default();
        let named = name(old).is_some() || name(new).is_some();
        named && !self.seen.insert((text(old), text(new), direction))
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
