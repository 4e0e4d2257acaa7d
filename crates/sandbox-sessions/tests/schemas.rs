//! The schemas of parameters are those of the API's document.
#![cfg(test)]

use sandbox_sessions::parameters::{CreateSessionParameters, RunCodeParameters, RunCommandParameters};
use schemars::schema_for;
use serde_json::{Map, Value, json};

/// What a schema of a value says that can be checked: not how it is described.
const KEYWORDS: [&str; 9] = [
    "type",
    "enum",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "additionalProperties",
];

fn components() -> Value {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../sandbox-api-spec.yaml"
    ))
    .unwrap();
    let document: Value = serde_yaml_ng::from_str(&text).unwrap();
    document["components"]["schemas"].clone()
}

/// The keywords of a schema, with those of what it refers to.
fn facts(components: &Value, schema: &Value) -> Map<String, Value> {
    let mut facts = Map::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        let name = part["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        facts.extend(self::facts(components, &components[name]));
    }
    for keyword in KEYWORDS {
        if let Some(value) = schema.get(keyword) {
            facts.insert(keyword.to_owned(), value.clone());
        }
    }
    facts
}

fn compare(schema: impl Into<Value>, component: &str) {
    let (schema, components) = (schema.into(), components());
    let contract = &components[component];
    assert_eq!(
        facts(&components, &schema),
        facts(&components, contract),
        "{component}"
    );
    assert_eq!(schema.get("required"), contract.get("required"), "{component}");
    let (ours, theirs) = (
        schema["properties"].as_object().unwrap(),
        contract["properties"].as_object().unwrap(),
    );
    let names = |properties: &Map<String, Value>| -> Vec<String> {
        let mut names: Vec<String> = properties.keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(names(ours), names(theirs), "{component}");
    for (name, schema) in ours {
        assert_eq!(
            facts(&components, schema),
            facts(&components, &theirs[name]),
            "{component}.{name}"
        );
        assert!(
            schema["description"].is_string(),
            "{component}.{name} is not described"
        );
    }
}

#[test]
fn schemas_have_the_bounds_of_the_document() {
    compare(schema_for!(RunCodeParameters), "ExecuteCodeRequest");
    compare(schema_for!(RunCommandParameters), "ExecuteCommandRequest");
    compare(schema_for!(CreateSessionParameters), "CreateSessionRequest");
}

#[test]
fn what_the_schema_forbids_is_refused_by_parsing() {
    for arguments in [
        json!({}),
        json!({ "code": "" }),
        json!({ "code": "a\0b" }),
        json!({ "code": "x", "timeout": 0 }),
        json!({ "code": "x", "timeout": 301 }),
        json!({ "code": "x", "timeout": 1.5 }),
        json!({ "code": "x", "language": "cobol" }),
        json!({ "code": "x", "shell": true }),
    ] {
        let parsed = serde_json::from_value::<RunCodeParameters>(arguments.clone());
        assert!(parsed.is_err(), "{arguments}");
    }
    for arguments in [
        json!({ "ttl": 59 }),
        json!({ "ttl": 28801 }),
        json!({ "image": "" }),
        json!({ "metadata": [] }),
        json!({ "owner": "x" }),
    ] {
        let parsed = serde_json::from_value::<CreateSessionParameters>(arguments.clone());
        assert!(parsed.is_err(), "{arguments}");
    }
    let parsed = serde_json::from_value::<RunCommandParameters>(json!({ "command": "x", "env": { "A": 1 } }));
    assert!(parsed.is_err());
}

#[tokio::test]
async fn parameters_become_the_requests_that_they_describe() {
    let session = json!({
        "sessionId": "550e8400-e29b-41d4-a716-446655440000",
        "status": "running",
        "createdAt": "2026-01-01T12:00:00Z",
        "expiresAt": "2026-01-01T13:00:00Z",
    });
    let server = sandbox_api_contract::MockServer::start_async().await;
    let creation = json!({ "ttl": 600, "image": "python:3.11", "metadata": { "a": 1 } });
    let code = json!({ "code": "echo", "language": "bash", "timeout": 7 });
    let command = json!({ "command": "ls", "timeout": 8, "env": { "A": "b" } });
    for (path, body) in [
        ("/v1/sessions", &creation),
        ("/code", &code),
        ("/commands", &command),
    ] {
        let answer = if path == "/v1/sessions" {
            session.clone()
        } else {
            json!({ "status": "completed", "exitCode": 0, "stdout": "", "stderr": "" })
        };
        server
            .mock_async(|when, then| {
                when.method("POST").path_includes(path).json_body(body.clone());
                then.status(200).json_body(answer);
            })
            .await;
    }
    let client = sandbox_sessions::SessionsClient::new(server.url("/v1"), "a-token").unwrap();
    let parameters: CreateSessionParameters = serde_json::from_value(creation).unwrap();
    let session = parameters.with(&client).await.unwrap();
    let parameters: RunCodeParameters = serde_json::from_value(code).unwrap();
    assert!(parameters.on(&session).await.unwrap().success());
    let parameters: RunCommandParameters = serde_json::from_value(command).unwrap();
    assert!(parameters.on(&session).await.unwrap().success());
}
