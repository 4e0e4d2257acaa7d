use serde::Serialize;
use serde_json::{Map, Value};

use crate::Error;

const MAX_BYTES: usize = 16 * 1024;
const MAX_LEVELS: usize = 32;

/// Turns the caller's metadata into the JSON object the API stores, within the API's bounds.
pub(crate) fn to_metadata(metadata: &impl Serialize) -> Result<Map<String, Value>, Error> {
    let refuse = |reason: String| Err(Error::invalid_argument("metadata", reason));
    let value = match serde_json::to_value(metadata) {
        Ok(value) => value,
        Err(error) => {
            return Err(Error::invalid_argument("metadata", "cannot be written as JSON").with_source(error));
        }
    };
    let Value::Object(object) = value else {
        return refuse(format!("is {}; it must be an object", describe(&value)));
    };
    let levels = levels(&object);
    if levels > MAX_LEVELS {
        return refuse(format!(
            "is nested {levels} levels deep; at most {MAX_LEVELS} are allowed"
        ));
    }
    let bytes = serde_json::to_vec(&object).map_or(usize::MAX, |text| text.len());
    if bytes > MAX_BYTES {
        return refuse(format!(
            "takes {bytes} bytes as JSON; at most {MAX_BYTES} are allowed"
        ));
    }
    Ok(object)
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// How deep objects and arrays are nested; the outermost object is the first level.
///
/// Walks level by level with a list instead of recursion, so that depth costs no stack.
fn levels(object: &Map<String, Value>) -> usize {
    let mut current: Vec<&Value> = object.values().collect();
    let mut levels = 1;
    loop {
        let mut next = Vec::new();
        let mut nested = false;
        for value in current {
            match value {
                Value::Array(items) => {
                    nested = true;
                    next.extend(items);
                }
                Value::Object(entries) => {
                    nested = true;
                    next.extend(entries.values());
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        if !nested {
            return levels;
        }
        levels += 1;
        current = next;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nested(levels: usize) -> Value {
        (1..levels).fold(json!({}), |inner, _| json!({ "inner": inner }))
    }

    #[test]
    fn accepts_objects_within_the_bounds() {
        for metadata in [
            json!({}),
            json!({"user": "alice", "tags": [1, null, true]}),
            nested(MAX_LEVELS),
        ] {
            assert_eq!(Value::Object(to_metadata(&metadata).unwrap()), metadata);
        }
    }

    #[test]
    fn refuses_what_is_not_an_object() {
        for (metadata, what) in [
            (json!(null), "null"),
            (json!([1]), "an array"),
            (json!("text"), "a string"),
            (json!(1), "a number"),
        ] {
            let message = to_metadata(&metadata).unwrap_err().message().to_owned();
            assert_eq!(message, format!("metadata is {what}; it must be an object"));
        }
    }

    #[test]
    fn refuses_deep_and_large_objects() {
        let message = to_metadata(&nested(100)).unwrap_err().message().to_owned();
        assert_eq!(
            message,
            "metadata is nested 100 levels deep; at most 32 are allowed"
        );

        // `{"k":""}` takes eight bytes.
        let sized = |bytes: usize| json!({ "k": "x".repeat(bytes - 8) });
        to_metadata(&sized(MAX_BYTES)).unwrap();
        let message = to_metadata(&sized(MAX_BYTES + 1))
            .unwrap_err()
            .message()
            .to_owned();
        assert_eq!(
            message,
            "metadata takes 16385 bytes as JSON; at most 16384 are allowed"
        );
    }
}
