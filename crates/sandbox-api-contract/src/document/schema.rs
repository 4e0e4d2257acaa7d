//! One schema of the document, compiled.

use jsonschema::{Draft, Validator};
use serde_json::{Number, Value};

use super::{DocumentError, json_schema};

#[derive(Debug)]
pub(crate) struct Schema(Validator);

/// Where in a value something is wrong, and what.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// A JSON pointer.
    pub(crate) pointer: String,
    pub(crate) what: String,
}

impl Schema {
    /// Compiles a schema that may refer to the components, which are converted already.
    pub(super) fn compile(schema: &Value, components: &Value) -> Result<Self, DocumentError> {
        let schema = serde_json::json!({
            "allOf": [json_schema::converted(schema)],
            "components": components,
        });
        jsonschema::options()
            // What OpenAPI 3.0 is made of: a `$ref` stands alone, and 60.0 is no integer.
            .with_draft(Draft::Draft4)
            .should_validate_formats(true)
            .with_format("uuid", is_uuid)
            .build(&schema)
            .map(Self)
            .map_err(|error| DocumentError::Form(format!("a schema cannot be used: {error}")))
    }

    /// What is wrong with a value. No part of the value is told, since what people put into it is theirs.
    pub(crate) fn mismatches(&self, value: &Value) -> Vec<Mismatch> {
        let errors = self.0.iter_errors(value);
        errors
            .map(|error| Mismatch {
                pointer: error.instance_path().to_string(),
                what: error.masked().to_string(),
            })
            .collect()
    }

    /// What is wrong with a value that travels as text, in a path, a query or a header.
    pub(crate) fn mismatches_of_text(&self, text: &str) -> Vec<Mismatch> {
        let as_text = self.mismatches(&Value::String(text.to_owned()));
        match from_text(text) {
            Some(value) if !as_text.is_empty() => {
                let as_value = self.mismatches(&value);
                if as_value.is_empty() { as_value } else { as_text }
            }
            _ => as_text,
        }
    }
}

/// A number or a boolean that is written out. An integer too large for any counter is none.
fn from_text(text: &str) -> Option<Value> {
    match text {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => {
            let number = text.parse::<Number>().ok()?;
            let is_exact = number.is_u64() || number.is_i64() || text.contains('.');
            is_exact.then_some(Value::Number(number))
        }
    }
}

/// The form with hyphens, as RFC 9562 has it.
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn accepts(schema: &Value, value: Value) -> bool {
        let schema = Schema::compile(schema, &json!({})).unwrap();
        schema.mismatches(&value).is_empty()
    }

    #[test]
    fn null_is_accepted_where_it_is_allowed() {
        assert!(accepts(&json!({"type": "string", "nullable": true}), json!(null)));
        assert!(!accepts(&json!({"type": "string"}), json!(null)));
        let one_of = json!({"type": "string", "enum": ["a"], "nullable": true});
        assert!(
            accepts(&one_of, json!(null)) && accepts(&one_of, json!("a")) && !accepts(&one_of, json!("b"))
        );
    }

    #[test]
    fn formats_are_bounds() {
        let number = |format| json!({"type": "integer", "format": format});
        assert!(accepts(&number("uint32"), json!(u32::MAX)));
        assert!(!accepts(&number("uint32"), json!(u64::from(u32::MAX) + 1)));
        assert!(!accepts(&number("uint64"), json!(-1)));
        assert!(!accepts(&number("int32"), json!(1_u64 << 31)));
        assert!(!accepts(&number("uint32"), json!(1.0)));
        let text = |format| json!({"type": "string", "format": format});
        assert!(accepts(
            &text("uuid"),
            json!("550e8400-e29b-41d4-a716-446655440000")
        ));
        assert!(!accepts(&text("uuid"), json!("550e8400e29b41d4a716446655440000")));
        assert!(accepts(&text("date-time"), json!("2026-01-01T12:00:00.000Z")));
        assert!(!accepts(&text("date-time"), json!("2026-01-01 12:00")));
    }

    #[test]
    fn a_property_that_is_called_as_a_keyword_is_a_property() {
        let schema =
            json!({"type": "object", "properties": {"nullable": {"type": "string", "nullable": true}}});
        assert!(accepts(&schema, json!({"nullable": null})));
        assert!(!accepts(&schema, json!({"nullable": 3})));
    }

    #[test]
    fn text_is_read_as_what_is_asked_for() {
        let of = |schema| Schema::compile(&schema, &json!({})).unwrap();
        let number = of(json!({"type": "integer", "minimum": 1}));
        assert!(number.mismatches_of_text("12").is_empty());
        for text in ["0", "", "a", "1.0", "+1", "01", "1e2", "99999999999999999999999"] {
            assert!(!number.mismatches_of_text(text).is_empty(), "{text}");
        }
        assert!(of(json!({"type": "string"})).mismatches_of_text("12").is_empty());
        let boolean = of(json!({"type": "boolean"}));
        assert!(boolean.mismatches_of_text("true").is_empty());
        assert!(!boolean.mismatches_of_text("yes").is_empty());
    }

    #[test]
    fn a_value_is_not_told() {
        let schema = Schema::compile(&json!({"type": "integer"}), &json!({})).unwrap();
        let told = schema.mismatches(&json!("secret"));
        assert!(!told.is_empty() && !told[0].what.contains("secret"), "{told:?}");
    }
}
