//! What can be wrong with a value that a schema describes.

use serde_json::{Value, json};

use crate::sample::resolved;

/// A value that is wrong in one place.
pub(crate) struct Wrong {
    pub(crate) kind: &'static str,
    /// Where, as a JSON pointer.
    pub(crate) pointer: String,
    pub(crate) value: Value,
}

/// All that a schema gives an opportunity for. The value is right, and has all members.
pub(crate) fn wrong(document: &Value, schema: &Value, value: &Value) -> Vec<Wrong> {
    let mut found = Vec::new();
    Walk { document, value }.at(schema, "", &mut found);
    found
}

/// Values for one keyword after another that a schema refuses in place of a right one.
pub(crate) fn refused(schema: &Value) -> Vec<(&'static str, Value)> {
    let mut refused = Vec::new();
    let mut add = |kind, value| refused.push((kind, value));
    add(
        "another type",
        match schema["type"].as_str() {
            Some("string") => json!(7),
            _ => json!("text"),
        },
    );
    if schema["nullable"] != true {
        add("null", Value::Null);
    }
    let format = schema["format"].as_str().unwrap_or_default();
    if let Some(least) = schema["minimum"]
        .as_i64()
        .or_else(|| format.starts_with("uint").then_some(0))
    {
        add("less than the minimum", json!(least - 1));
    }
    let most = match format {
        "uint32" => Some(i64::from(u32::MAX)),
        "int32" => Some(i64::from(i32::MAX)),
        _ => None,
    };
    if let Some(most) = schema["maximum"].as_i64().or(most) {
        add("more than the maximum", json!(most + 1));
    }
    if schema["type"] == "integer" {
        add("a fraction", json!(60.5));
    }
    if schema["minLength"].as_u64() > Some(0) {
        add("too short", json!(""));
    }
    if let Some(most) = schema["maxLength"].as_u64() {
        add("too long", json!("x".repeat(most as usize + 1)));
    }
    if schema.get("pattern").is_some() {
        add("not of the pattern", json!("a\0b"));
    }
    if schema.get("enum").is_some() {
        add("not in the list", json!("something-else"));
    }
    if matches!(format, "uuid" | "date-time") {
        add("not of the format", json!("2026-13-01"));
    }
    refused
}

struct Walk<'a> {
    document: &'a Value,
    value: &'a Value,
}

impl Walk<'_> {
    fn at(&self, schema: &Value, pointer: &str, found: &mut Vec<Wrong>) {
        let schema = resolved(self.document, schema);
        for (kind, value) in refused(schema) {
            found.push(self.replaced(kind, pointer, value));
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            self.at(property, &format!("{pointer}/{name}"), found);
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            let kind = "a required member is missing";
            found.push(self.changed(kind, pointer, |value| {
                value
                    .as_object_mut()
                    .unwrap()
                    .remove(name.as_str().unwrap())
                    .unwrap();
            }));
        }
        match &schema["additionalProperties"] {
            Value::Bool(false) => {
                let kind = "an unknown member";
                found.push(self.changed(kind, pointer, |value| value["unknown"] = json!(1)));
            }
            members @ Value::Object(_) => {
                for (kind, member) in refused(members) {
                    found.push(self.changed(kind, pointer, |value| value["member"] = member));
                }
            }
            _ => {}
        }
        if schema["type"] == "array" {
            self.at(&schema["items"], &format!("{pointer}/0"), found);
        }
    }

    fn replaced(&self, kind: &'static str, pointer: &str, with: Value) -> Wrong {
        self.changed(kind, pointer, |value| *value = with)
    }

    fn changed(&self, kind: &'static str, pointer: &str, change: impl FnOnce(&mut Value)) -> Wrong {
        let mut value = self.value.clone();
        change(
            value
                .pointer_mut(pointer)
                .unwrap_or_else(|| panic!("nothing at {pointer}")),
        );
        Wrong {
            kind,
            // A member that is wrong is told of, or the object that has it.
            pointer: format!("{pointer}/member"),
            value,
        }
    }
}
