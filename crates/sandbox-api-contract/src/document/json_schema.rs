//! From the schemas of OpenAPI 3.0 to JSON Schema, draft 4, of which they are a dialect.

use serde_json::{Map, Value, json};

/// A schema that says the same in JSON Schema.
pub(super) fn converted(schema: &Value) -> Value {
    let Some(schema) = schema.as_object() else {
        return schema.clone();
    };
    if let Some(reference) = schema.get("$ref") {
        return json!({ "$ref": reference });
    }
    let mut converted: Map<String, Value> = schema
        .iter()
        .filter(|(keyword, _)| !matches!(keyword.as_str(), "nullable" | "example"))
        .map(|(keyword, value)| (keyword.clone(), of_keyword(keyword, value)))
        .collect();
    bound_by_format(&mut converted);
    let converted = Value::Object(converted);
    if schema.get("nullable") == Some(&Value::Bool(true)) {
        return json!({ "anyOf": [converted, { "type": "null" }] });
    }
    converted
}

fn of_keyword(keyword: &str, value: &Value) -> Value {
    match (keyword, value) {
        ("properties", Value::Object(properties)) => properties
            .iter()
            .map(|(name, schema)| (name.clone(), converted(schema)))
            .collect(),
        ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => schemas.iter().map(converted).collect(),
        ("items" | "not" | "additionalProperties", schema) => converted(schema),
        _ => value.clone(),
    }
}

/// OpenAPI names the sizes of integers; JSON Schema has bounds only.
fn bound_by_format(schema: &mut Map<String, Value>) {
    let (least, most) = match schema.get("format").and_then(Value::as_str) {
        Some("int32") => (json!(i32::MIN), json!(i32::MAX)),
        Some("int64") => (json!(i64::MIN), json!(i64::MAX)),
        Some("uint32") => (json!(0), json!(u32::MAX)),
        Some("uint64") => (json!(0), json!(u64::MAX)),
        _ => return,
    };
    schema.entry("minimum").or_insert(least);
    schema.entry("maximum").or_insert(most);
}
