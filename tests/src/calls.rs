//! Every operation, as users of the SDK call it.

use std::time::Duration;

use chrono::DateTime;
use sandbox_sessions::{Error, RetryPolicy, SessionId, SessionsClient};
use serde::Serialize;
use serde_json::{Value, json};

const ID: &str = "550e8400-e29b-41d4-a716-446655440000";

/// The names that the document has for them.
pub const OPERATIONS: [&str; 11] = [
    "createSession",
    "listSessions",
    "getSession",
    "deleteSession",
    "pauseSession",
    "resumeSession",
    "executeCommand",
    "executeCode",
    "uploadFile",
    "downloadFile",
    "healthCheck",
];

/// How often a request is sent at most.
pub const ATTEMPTS: u32 = 2;

/// A client that sends a request up to [`ATTEMPTS`] times.
pub fn client(url: &str) -> SessionsClient {
    let retries = RetryPolicy::default()
        .max_attempts(ATTEMPTS)
        .initial_backoff(Duration::from_millis(1))
        // Nobody is to wait here for what the document has as an example.
        .rate_limit_wait(Duration::from_secs(1));
    client_that(retries, url)
}

/// A client that repeats requests so.
pub fn client_that(retries: RetryPolicy, url: &str) -> SessionsClient {
    SessionsClient::builder()
        .url(url)
        .token("consumer-0123456789abcdef")
        .timeout(Duration::from_secs(60))
        .retries(retries)
        .build()
        .unwrap()
}

/// What a caller gets, in the words of the wire. Deleting gives nothing.
///
/// # Errors
/// The SDK's.
pub async fn call(client: &SessionsClient, operation: &str) -> Result<Value, Error> {
    let id: SessionId = ID.parse().unwrap();
    match operation {
        "createSession" => client.create_session().await.map(wire),
        "listSessions" => client.list_sessions().await.map(wire),
        "getSession" => client.get_session(&id).await.map(wire),
        "deleteSession" => client.delete_session(&id).await.map(wire),
        "pauseSession" => client.pause_session(&id).await.map(wire),
        "resumeSession" => client.resume_session(&id).await.map(wire),
        "executeCommand" => client.run_command(&id, "true").await.map(wire),
        "executeCode" => client.run_code(&id, "pass").await.map(wire),
        "uploadFile" => client.upload_file(&id, "data/input.csv", "1").await.map(wire),
        "downloadFile" => {
            let download = client.download_file(&id, "data/output.csv").await?;
            let name = download.file_name().map(str::to_owned);
            let bytes = download.bytes(1 << 20).await?;
            Ok(json!({ "name": name, "bytes": bytes.to_vec() }))
        }
        "healthCheck" => client
            .check_health()
            .await
            .map(|status| json!({ "status": status.to_string() })),
        other => panic!("this test does not know how the SDK calls {other}"),
    }
}

/// Whether a request that was carried out may be sent again.
pub fn may_be_done_twice(operation: &str) -> bool {
    ["listSessions", "getSession", "deleteSession", "downloadFile"].contains(&operation)
}

/// Whether a request is sent again at all. A body that is a stream is used up; of health, the answer is what is asked.
pub fn may_be_repeated(operation: &str) -> bool {
    operation != "healthCheck"
}

fn wire(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

/// Checks that all of `told` has arrived. There may be more, such as defaults.
pub fn assert_arrived(told: &Value, arrived: &Value, at: &str) {
    match (told, arrived) {
        (Value::Object(told), Value::Object(arrived)) => {
            for (name, told) in told.iter().filter(|(_, told)| !told.is_null()) {
                let at = format!("{at}/{name}");
                assert_arrived(told, arrived.get(name).unwrap_or(&Value::Null), &at);
            }
        }
        (Value::Array(told), Value::Array(arrived)) => {
            assert_eq!(told.len(), arrived.len(), "{at}");
            for (told, arrived) in told.iter().zip(arrived) {
                assert_arrived(told, arrived, at);
            }
        }
        (Value::String(told), Value::String(arrived)) => {
            // The same moment may be written in several ways.
            match (
                DateTime::parse_from_rfc3339(told),
                DateTime::parse_from_rfc3339(arrived),
            ) {
                (Ok(told), Ok(arrived)) => assert_eq!(told, arrived, "{at}"),
                _ => assert_eq!(told, arrived, "{at}"),
            }
        }
        _ => assert_eq!(told, arrived, "{at}"),
    }
}
