//! Every type of the wire reads all that the document allows, and writes what it has read.
//!
//! The values are made from the document's schemas, so that a new type, property or bound is tried without a change here.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may fail as tests do"
)]

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use sandbox_api::types;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Number, Value, json};

const DOCUMENT: &str = include_str!("../sandbox-api-spec.yaml");

/// How many values of each type are tried.
const CASES: u32 = 256;

/// What the type of that name writes after it has read this.
fn round_trip(name: &str, value: &Value) -> Result<Value, String> {
    fn through<T: DeserializeOwned + Serialize>(value: &Value) -> Result<Value, String> {
        let read: T = serde_json::from_str(&value.to_string()).map_err(|error| error.to_string())?;
        serde_json::to_value(read).map_err(|error| error.to_string())
    }
    match name {
        "CommandResult" => through::<types::CommandResult>(value),
        "CommandStatus" => through::<sandbox_api::open::CommandStatus>(value),
        "CreateSessionRequest" => through::<types::CreateSessionRequest>(value),
        "Error" => through::<types::Error>(value),
        "ExecuteCodeRequest" => through::<types::ExecuteCodeRequest>(value),
        "ExecuteCommandRequest" => through::<types::ExecuteCommandRequest>(value),
        "FileInfo" => through::<types::FileInfo>(value),
        "Health" => through::<types::Health>(value),
        "HealthStatus" => through::<sandbox_api::open::HealthStatus>(value),
        "Language" => through::<types::Language>(value),
        "Message" => through::<types::Message>(value),
        "Session" => through::<types::Session>(value),
        "SessionList" => through::<types::SessionList>(value),
        "SessionStatus" => through::<sandbox_api::open::SessionStatus>(value),
        name => panic!("this test does not know the schema {name}"),
    }
}

fn schemas() -> BTreeMap<String, Value> {
    let document: Value = serde_yaml_ng::from_str(DOCUMENT).unwrap();
    serde_json::from_value(document["components"]["schemas"].clone()).unwrap()
}

/// The same values in every run.
fn runner() -> TestRunner {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// Values of a schema.
fn values(schemas: &BTreeMap<String, Value>, schema: &Value) -> BoxedStrategy<Value> {
    let schema = resolved(schemas, schema);
    if let Some(known) = schema["enum"].as_array() {
        return prop::sample::select(known.clone()).boxed();
    }
    let values = match schema["type"].as_str() {
        Some("boolean") => any::<bool>().prop_map(Value::from).boxed(),
        Some("integer") => integers(schema),
        Some("string") => strings(schema),
        Some("array") => vec(values(schemas, &schema["items"]), 0..3)
            .prop_map(Value::from)
            .boxed(),
        Some("object") => objects(schemas, schema),
        other => panic!("this test makes no values of {other:?}"),
    };
    if schema["nullable"] == true {
        prop_oneof![1 => Just(Value::Null), 4 => values].boxed()
    } else {
        values
    }
}

fn resolved<'a>(schemas: &'a BTreeMap<String, Value>, schema: &'a Value) -> &'a Value {
    let reference = schema.get("$ref").or_else(|| schema["allOf"][0].get("$ref"));
    match reference.and_then(Value::as_str) {
        Some(reference) => &schemas[reference.rsplit('/').next().unwrap()],
        None => schema,
    }
}

fn integers(schema: &Value) -> BoxedStrategy<Value> {
    let (least, most): (i128, i128) = match schema["format"].as_str() {
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        Some("uint32") => (0, u32::MAX.into()),
        Some("uint64") => (0, u64::MAX.into()),
        other => panic!("this test makes no integers of {other:?}"),
    };
    let bound = |name: &str, otherwise: i128| schema[name].as_i64().map_or(otherwise, i128::from);
    let (least, most) = (bound("minimum", least), bound("maximum", most));
    let number = |value| Value::Number(Number::from_i128(value).unwrap());
    prop_oneof![Just(least), Just(most), least..=most]
        .prop_map(number)
        .boxed()
}

fn strings(schema: &Value) -> BoxedStrategy<Value> {
    match schema["format"].as_str() {
        Some("date-time") => return moments(),
        Some("uuid") => {
            return any::<u128>()
                .prop_map(|id| uuid::Uuid::from_u128(id).to_string().into())
                .boxed();
        }
        Some(other) => panic!("this test makes no strings of {other}"),
        None => {}
    }
    let length = |name: &str| {
        schema[name]
            .as_u64()
            .map(|length| usize::try_from(length).unwrap())
    };
    let (least, most) = (
        length("minLength").unwrap_or(0),
        length("maxLength").unwrap_or(64).min(64),
    );
    let characters = match schema["pattern"].as_str() {
        None => any::<char>().boxed(),
        Some(r"^[^\x00]*$") => any::<char>().prop_filter("no NUL", |c| *c != '\0').boxed(),
        Some("^[!-~]+$") => proptest::char::range('!', '~').boxed(),
        Some(other) => panic!("this test makes no strings of {other}"),
    };
    let text = vec(characters, least..=most).prop_map(|text| text.into_iter().collect::<String>().into());
    text.boxed()
}

/// Of the years that four digits write, with as many digits of a second as are needed.
fn moments() -> BoxedStrategy<Value> {
    (-62_135_596_800_i64..253_402_300_800, 0..1_000_000_000_u32)
        .prop_map(|(seconds, nanoseconds)| {
            let moment = DateTime::from_timestamp(seconds, nanoseconds).unwrap();
            moment.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
        })
        .boxed()
}

/// Objects with what is required, with some of what is not, and where the schema allows it with what it does not know.
fn objects(schemas: &BTreeMap<String, Value>, schema: &Value) -> BoxedStrategy<Value> {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let parts: Vec<_> = properties
        .iter()
        .map(|(name, schema)| {
            let values = values(schemas, schema);
            let values = if required.contains(&name.as_str().into()) {
                values.prop_map(Some).boxed()
            } else {
                prop::option::of(values).boxed()
            };
            let name = name.clone();
            values.prop_map(move |value| value.map(|value| (name.clone(), value)))
        })
        .collect();
    let others = match schema.get("additionalProperties") {
        Some(Value::Bool(false)) => Just(BTreeMap::new()).boxed(),
        Some(schema @ Value::Object(_)) => btree_map("[A-Z_]{1,8}", values(schemas, schema), 0..3).boxed(),
        // No name that the schema has.
        Some(_) | None => btree_map("x-[a-z]{1,8}", anything(), 0..3).boxed(),
    };
    (parts, others)
        .prop_map(|(parts, others)| {
            parts
                .into_iter()
                .flatten()
                .chain(others)
                .collect::<Map<_, _>>()
                .into()
        })
        .boxed()
}

/// Any JSON.
fn anything() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1.0e9..1.0e9).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..4)
                .prop_map(|object| object.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
    .boxed()
}

/// What a reader makes of a value: what may be missing is its default, and what is null is missing. Where a schema has
/// no place for more, more is passed over.
fn meaning(schemas: &BTreeMap<String, Value>, schema: &Value, value: &Value) -> Value {
    let schema = resolved(schemas, schema);
    match value {
        Value::Array(items) => items
            .iter()
            .map(|item| meaning(schemas, &schema["items"], item))
            .collect(),
        Value::Object(members) if schema.get("properties").is_some() => {
            let properties = schema["properties"].as_object().unwrap();
            let keeps_more = schema["additionalProperties"] == true;
            let mut kept: Map<_, _> = members
                .iter()
                .filter(|(name, _)| keeps_more && !properties.contains_key(*name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            for (name, schema) in properties {
                let told = members.get(name).filter(|value| !value.is_null());
                let value = told.map(|value| meaning(schemas, schema, value));
                let value = value.or_else(|| schema.get("default").cloned());
                let null = || required.contains(&name.as_str().into()).then_some(Value::Null);
                kept.extend(value.or_else(null).map(|value| (name.clone(), value)));
            }
            kept.into()
        }
        other => other.clone(),
    }
}

/// Whether the types keep what the schemas promise.
fn keeps(schemas: &BTreeMap<String, Value>) -> Result<(), String> {
    for (name, schema) in schemas {
        let tried = runner().run(&values(schemas, schema), |value| {
            let written = round_trip(name, &value).map_err(TestCaseError::fail)?;
            prop_assert_eq!(
                meaning(schemas, schema, &written),
                meaning(schemas, schema, &value)
            );
            // And what was written once is written so again.
            prop_assert_eq!(round_trip(name, &written), Ok(written));
            Ok(())
        });
        tried.map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

#[test]
fn every_type_reads_what_the_document_allows_and_writes_what_it_has_read() {
    let schemas = schemas();
    assert!(schemas.len() >= 14, "{schemas:?}");
    keeps(&schemas).unwrap();
}

/// Were a type not what the document says, it would be seen.
#[test]
fn what_is_lost_or_refused_is_seen() {
    for (schema, property, promised) in [
        ("Message", "lost", json!({ "type": "string" })),
        ("CreateSessionRequest", "unknown", json!({ "type": "boolean" })),
        (
            "ExecuteCodeRequest",
            "timeout",
            json!({ "type": "integer", "format": "uint32", "default": 60 }),
        ),
        (
            "FileInfo",
            "size",
            json!({ "type": "integer", "format": "int32" }),
        ),
    ] {
        let mut schemas = schemas();
        schemas.get_mut(schema).unwrap()["properties"][property] = promised;
        let seen = keeps(&schemas).unwrap_err();
        assert!(seen.starts_with(schema), "{property}: {seen}");
    }
}

/// No JSON at all makes a reader panic, whatever the type.
#[test]
fn any_json_is_read_or_refused() {
    let schemas = schemas();
    let tried = runner().run(&anything(), |value| {
        for name in schemas.keys() {
            let _ = round_trip(name, &value);
        }
        Ok(())
    });
    tried.unwrap();
}
