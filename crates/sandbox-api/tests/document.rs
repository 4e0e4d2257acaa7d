//! The code says what the document says.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may fail as tests do"
)]

use std::collections::BTreeMap;

use sandbox_api::{
    open::{CommandStatus, HealthStatus, SessionStatus},
    types,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const DOCUMENT: &str = include_str!("../sandbox-api-spec.yaml");
const COMMITTED: &str = include_str!("../src/generated.rs");

fn document() -> Value {
    serde_yaml_ng::from_str(DOCUMENT).unwrap()
}

/// Whether the type of that name takes this JSON, and what it says if not.
fn read(name: &str, value: &Value) -> Result<(), String> {
    fn read_as<T: DeserializeOwned>(value: &Value) -> Result<(), String> {
        serde_json::from_str::<T>(&value.to_string())
            .map(drop)
            .map_err(|error| error.to_string())
    }
    match name {
        "CommandResult" => read_as::<types::CommandResult>(value),
        "CreateSessionRequest" => read_as::<types::CreateSessionRequest>(value),
        "Error" => read_as::<types::Error>(value),
        "ExecuteCodeRequest" => read_as::<types::ExecuteCodeRequest>(value),
        "ExecuteCommandRequest" => read_as::<types::ExecuteCommandRequest>(value),
        "FileInfo" => read_as::<types::FileInfo>(value),
        "Health" => read_as::<types::Health>(value),
        "Message" => read_as::<types::Message>(value),
        "Session" => read_as::<types::Session>(value),
        "SessionList" => read_as::<types::SessionList>(value),
        name => panic!("this test does not know the schema {name}"),
    }
}

/// The schemas of objects, by name.
fn objects() -> BTreeMap<String, Value> {
    let schemas: BTreeMap<String, Value> =
        serde_json::from_value(document()["components"]["schemas"].clone()).unwrap();
    schemas
        .into_iter()
        .filter(|(_, schema)| schema["type"] == "object")
        .collect()
}

/// A value of the schema, made from the examples of its properties.
fn example(schema: &Value) -> Value {
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    let named = schema.get("$ref").or_else(|| schema["allOf"][0].get("$ref"));
    if let Some(reference) = named.and_then(Value::as_str) {
        return example(document().pointer(reference.trim_start_matches('#')).unwrap());
    }
    match schema["type"].as_str() {
        Some("array") => json!([example(&schema["items"])]),
        Some("boolean") => json!(true),
        Some("object") => {
            let properties = schema["properties"].as_object().unwrap();
            properties
                .iter()
                .map(|(name, schema)| (name.clone(), example(schema)))
                .collect()
        }
        kind => panic!("no example for {kind:?}"),
    }
}

fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut object = object.clone();
    object[name] = value;
    object
}

#[test]
fn committed_code_is_what_the_document_gives() {
    let code = sandbox_api_codegen::generate(DOCUMENT).unwrap();
    assert!(
        code == COMMITTED,
        "src/generated.rs is stale; run `cargo xtask codegen`"
    );
}

#[cfg(feature = "build-time-codegen")]
#[test]
fn build_script_writes_the_committed_code() {
    assert!(include_str!(concat!(env!("OUT_DIR"), "/generated.rs")) == COMMITTED);
}

#[test]
fn open_enumerations_know_exactly_the_documented_values() {
    let known = [
        ("CommandStatus", CommandStatus::KNOWN),
        ("HealthStatus", HealthStatus::KNOWN),
        ("SessionStatus", SessionStatus::KNOWN),
    ];
    let known: BTreeMap<String, Vec<String>> = known
        .into_iter()
        .map(|(name, values)| {
            (
                name.to_owned(),
                values.iter().copied().map(str::to_owned).collect(),
            )
        })
        .collect();
    assert_eq!(sandbox_api_codegen::open_enums(DOCUMENT).unwrap(), known);
}

#[test]
fn types_take_the_documented_examples() {
    for (name, schema) in objects() {
        read(&name, &example(&schema)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn integers_are_bounded_as_documented() {
    let mut bounded = Vec::new();
    for (name, schema) in objects() {
        for (property, schema_of_property) in schema["properties"].as_object().unwrap() {
            let bound = |keyword: &str| schema_of_property[keyword].as_i64();
            let (Some(min), Some(max)) = (bound("minimum"), bound("maximum")) else {
                // A minimum alone says what an unsigned type says.
                continue;
            };
            if (min, max) == (0, u32::MAX.into()) {
                // That is a type without our help.
                continue;
            }
            let read = |value: i64| read(&name, &with(&example(&schema), property, value.into()));
            for value in [min, max] {
                assert_eq!(read(value), Ok(()), "{name}.{property} = {value}");
            }
            for value in [min - 1, max + 1, i64::MIN, i64::MAX] {
                let error = read(value).unwrap_err();
                assert!(
                    error.starts_with(&format!("{value} is outside {min}..={max}")),
                    "{error}"
                );
            }
            bounded.push(format!("{name}.{property}"));
        }
    }
    assert_eq!(
        bounded,
        [
            "CreateSessionRequest.ttl",
            "ExecuteCodeRequest.timeout",
            "ExecuteCommandRequest.timeout"
        ]
    );
}

#[test]
fn strings_are_bounded_as_documented() {
    let mut bounded = Vec::new();
    for (name, schema) in objects() {
        for (property, schema_of_property) in schema["properties"].as_object().unwrap() {
            let Some(max) = schema_of_property["maxLength"].as_u64() else {
                continue;
            };
            let max = usize::try_from(max).unwrap();
            let read = |text: String| read(&name, &with(&example(&schema), property, text.into()));
            assert_eq!(read("ü".repeat(max)), Ok(()), "{name}.{property}");
            for text in [String::new(), "a".repeat(max + 1)] {
                let error = read(text.clone()).unwrap_err();
                let expected = format!("a length of {} characters is outside 1..={max}", text.len());
                assert!(error.starts_with(&expected), "{name}.{property}: {error}");
            }
            assert!(
                read("nul\0".to_owned())
                    .unwrap_err()
                    .starts_with("a NUL character"),
                "{name}.{property}"
            );
            bounded.push(property.clone());
        }
    }
    bounded.sort();
    assert_eq!(bounded, ["code", "command", "image", "sshPublicKey"]);
}

#[test]
fn environment_values_are_bounded() {
    let read = |value: &str| {
        read(
            "ExecuteCommandRequest",
            &json!({ "command": "env", "env": { "NAME": value } }),
        )
    };
    assert_eq!(read(""), Ok(()));
    assert_eq!(read(&"a".repeat(16384)), Ok(()));
    assert!(
        read(&"a".repeat(16385))
            .unwrap_err()
            .starts_with("a length of 16385 characters")
    );
    assert!(read("nul\0").unwrap_err().starts_with("a NUL character"));
}

#[test]
fn requests_refuse_unknown_properties_and_answers_tolerate_them() {
    for (name, schema) in objects() {
        let closed = schema["additionalProperties"] == false;
        assert_eq!(closed, name.ends_with("Request"), "{name}");
        let read = read(&name, &with(&example(&schema), "surplus", json!({ "a": [1] })));
        match read {
            Err(error) if closed => assert!(error.contains("unknown field `surplus`"), "{name}: {error}"),
            read => assert_eq!((read, closed), (Ok(()), false), "{name}"),
        }
    }
}

#[test]
fn what_is_not_required_may_be_missing() {
    for (name, schema) in objects() {
        let required: Vec<String> =
            serde_json::from_value(schema.get("required").cloned().unwrap_or(json!([]))).unwrap();
        let complete = example(&schema);
        let complete = complete.as_object().unwrap();
        let minimal: Value = complete
            .iter()
            .filter(|(key, _)| required.contains(key))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        assert_eq!(read(&name, &minimal), Ok(()), "{name} from {minimal}");
        for property in &required {
            let mut incomplete = minimal.clone();
            incomplete.as_object_mut().unwrap().remove(property);
            assert!(read(&name, &incomplete).is_err(), "{name} without {property}");
        }
        for (property, schema) in schema["properties"].as_object().unwrap() {
            if schema["nullable"] == true {
                assert_eq!(
                    read(&name, &with(&minimal, property, Value::Null)),
                    Ok(()),
                    "{name}.{property} = null"
                );
            }
        }
    }
}

#[test]
fn defaults_are_the_documented_ones() {
    let default_of = |schema: &str, property: &str| {
        document()["components"]["schemas"][schema]["properties"][property]["default"].clone()
    };
    let session = serde_json::to_value(types::CreateSessionRequest::default()).unwrap();
    assert_eq!(
        session,
        json!({ "ttl": default_of("CreateSessionRequest", "ttl") })
    );
    let code: types::ExecuteCodeRequest = serde_json::from_value(json!({ "code": "1" })).unwrap();
    assert_eq!(
        serde_json::to_value(code).unwrap(),
        json!({
            "code": "1",
            "language": default_of("ExecuteCodeRequest", "language"),
            "timeout": default_of("ExecuteCodeRequest", "timeout"),
        })
    );
    let command: types::ExecuteCommandRequest = serde_json::from_value(json!({ "command": "true" })).unwrap();
    assert_eq!(
        serde_json::to_value(command).unwrap(),
        json!({ "command": "true", "timeout": default_of("ExecuteCommandRequest", "timeout") })
    );
}

#[test]
fn answers_with_newer_values_survive_a_round_trip() {
    let session = json!({
        "sessionId": "550e8400-e29b-41d4-a716-446655440000",
        "status": "hibernating",
        "createdAt": "2026-01-01T12:00:00Z",
        "expiresAt": "2026-01-01T13:00:00.123Z",
        "lastActivityAt": "2026-01-01T12:05:00.123456Z",
    });
    let read: types::Session = serde_json::from_value(session.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), session);
}
