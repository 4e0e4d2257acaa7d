//! Enumerations in answers are open.
//!
//! A generated enumeration fails the whole answer when a newer server uses a value this build does not know. Those
//! that occur in answers are therefore replaced by hand-written types of the same name that keep such a value.
//! Enumerations in requests stay closed: what is not in the contract must not be sent.

use std::collections::{BTreeMap, BTreeSet};

use openapiv3::{OpenAPI, ReferenceOr, Schema, SchemaKind, Type};

use crate::{
    Error,
    visit::{self, Place, Target},
};

/// The enumerations that occur in answers, by name, with their known values in the document's order.
pub(crate) fn find(document: &OpenAPI) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let sent = reachable(document, visit::of_requests(document));
    let received = reachable(document, visit::of_responses(document));
    let mut found = BTreeMap::new();
    for name in received {
        let Some(values) = component(document, name).and_then(string_values) else {
            continue;
        };
        if sent.contains(name) {
            return Err(Error::unsupported(
                name,
                "an enumeration both in requests and in answers",
            ));
        }
        found.insert(name.to_owned(), values);
    }
    Ok(found)
}

/// The names of all named schemas that are used by the given ones, directly or not.
fn reachable<'a>(document: &'a OpenAPI, from: Vec<Place<'a>>) -> BTreeSet<&'a str> {
    let mut open = from;
    let mut names = BTreeSet::new();
    while let Some(Place { at, schema }) = open.pop() {
        match schema {
            Target::Inline(schema) => open.extend(visit::within(&at, schema)),
            Target::Named(name) => {
                if names.insert(name)
                    && let Some(schema) = component(document, name)
                {
                    open.push(Place {
                        at: name.to_owned(),
                        schema: Target::Inline(schema),
                    });
                }
            }
        }
    }
    names
}

fn component<'a>(document: &'a OpenAPI, name: &str) -> Option<&'a Schema> {
    document
        .components
        .as_ref()?
        .schemas
        .get(name)
        .and_then(ReferenceOr::as_item)
}

fn string_values(schema: &Schema) -> Option<Vec<String>> {
    match &schema.schema_kind {
        SchemaKind::Type(Type::String(string)) if !string.enumeration.is_empty() => {
            Some(string.enumeration.iter().flatten().cloned().collect())
        }
        _ => None,
    }
}
