use std::process::ExitCode;

use serde_json::json;

use crate::api::Api;
use crate::arguments::Health;
use crate::output;

pub(crate) async fn run(health: &Health, api: &Api) -> anyhow::Result<ExitCode> {
    let status = api.client.check_health().await?.to_string();
    if health.json {
        output::json(&json!({ "status": status, "apiUrl": api.client.api_url() }))?;
    } else {
        output::line(&status)?;
    }
    Ok(ExitCode::SUCCESS)
}
