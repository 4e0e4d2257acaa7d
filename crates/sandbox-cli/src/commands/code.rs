use std::process::ExitCode;

use super::execution::{read_code, report};
use crate::api::Api;
use crate::arguments::Code;

pub(crate) async fn run(code: &Code, api: &Api) -> anyhow::Result<ExitCode> {
    let text = read_code(&code.code).await?;
    let id = code.session.resolve(&api.client).await?;
    let request = api.client.run_code(&id, text).language(code.code.language());
    let result = request.timeout(code.execution.timeout()).await?;
    report(&code.execution, id, &result)
}
