use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Map, Value};

use crate::api::Api;
use crate::arguments::Create;
use crate::output;

pub(crate) async fn run(create: &Create, api: &Api) -> anyhow::Result<ExitCode> {
    let mut request = api.client.create_session().ttl(Duration::from_secs(create.ttl));
    if let Some(image) = &create.image {
        request = request.image(image);
    }
    if !create.metadata.is_empty() {
        let pairs = create.metadata.iter().cloned();
        let metadata: Map<_, _> = pairs.map(|(key, value)| (key, Value::String(value))).collect();
        request = request.metadata(metadata);
    }
    if let Some(path) = &create.ssh_public_key {
        let key = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        request = request.ssh_public_key(key.trim());
    }
    let session = request.await?;
    if create.json {
        output::json(&session)?;
    } else {
        output::line(&session.id().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}
