//! Changes of what a caller has to show.

use serde_json::{Map, Value, json};

use super::{
    change::Breaks,
    document::{Document, Operation},
    operations::{Comparison, Pair},
};

/// Each alternative is a set of schemes that are all needed; an empty one lets everybody in.
pub(super) fn compare(comparison: &mut Comparison<'_>, pair: Pair<'_>) {
    let old = alternatives(comparison.old, pair.old);
    let new = alternatives(comparison.new, pair.new);
    for alternative in old.iter().filter(|alternative| !new.contains(alternative)) {
        let (what, why) = if is_open(alternative) {
            ("it needs authentication now".to_owned(), "they may show nothing")
        } else if new.iter().any(is_open) {
            continue;
        } else {
            (
                format!("{} is not accepted any more", shown(alternative)),
                "they may show nothing else",
            )
        };
        comparison
            .changes
            .add(pair.at, "security", what, (Breaks::Clients, why));
    }
    for alternative in new.iter().filter(|alternative| !old.contains(alternative)) {
        let what = if is_open(alternative) {
            "it needs no authentication any more".to_owned()
        } else {
            format!("{} is accepted", shown(alternative))
        };
        if !old.iter().any(is_open) {
            let verdict = (Breaks::Nobody, "what was accepted still is");
            comparison.changes.add(pair.at, "security", what, verdict);
        }
    }
}

/// With each scheme as it is defined, so that another definition is another scheme.
fn alternatives(document: &Document, operation: &Operation<'_>) -> Vec<Map<String, Value>> {
    let listed = operation
        .operation
        .get("security")
        .or_else(|| document.get("/security"));
    let listed = listed.and_then(Value::as_array).cloned().unwrap_or_default();
    if listed.is_empty() {
        return vec![Map::new()];
    }
    let alternatives = listed.iter().filter_map(Value::as_object);
    alternatives
        .map(|schemes| {
            let schemes = schemes
                .iter()
                .map(|(name, scopes)| (name.clone(), defined(document, name, scopes)));
            schemes.collect()
        })
        .collect()
}

fn defined(document: &Document, name: &str, scopes: &Value) -> Value {
    let scheme = document.get(&format!("/components/securitySchemes/{name}"));
    let mut scheme = scheme
        .map(|scheme| document.resolve(scheme))
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    scheme.remove("description");
    json!({ "scheme": scheme, "scopes": scopes })
}

fn is_open(alternative: &Map<String, Value>) -> bool {
    alternative.is_empty()
}

fn shown(alternative: &Map<String, Value>) -> String {
    alternative
        .keys()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" with ")
}
