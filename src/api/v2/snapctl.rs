//! `/v2/snapctl`: on the socket for snaps only (contract: confinement, section 7).

use super::{Call, Reply};
use crate::domain::{ErrorKind, Fault};
use serde::Deserialize;
use serde_json::json;

#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "SnapctlCall"))]
#[serde(default, rename_all = "kebab-case")]
struct Body {
    context_id: String,
    args: Vec<String>,
}

/// POST: one command of a snap's process. An exit status other than 0 is an error with status 200.
pub async fn run(mut call: Call) -> Result<Reply, Fault> {
    let body: Body = call.json().await?;
    let who = call.who_with(&body.context_id);
    let output = call
        .managers
        .settings
        .snapctl(&who, &body.context_id, &body.args)
        .await?;
    if output.code == 0 {
        return Ok(Reply::Sync(
            json!({"stdout": output.stdout, "stderr": output.stderr}),
        ));
    }
    let value = json!({
        "stdout": output.stdout,
        "stderr": output.stderr,
        "exit-code": output.code,
    });
    let text = format!("snapctl ended with exit code {}", output.code);
    Err(Fault::new(ErrorKind::Unsuccessful, text).with(value))
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::post;
    #[derive(schemars::JsonSchema)]
    #[allow(dead_code)]
    struct SnapctlOutput {
        stdout: String,
        stderr: String,
    }
    vec![
        post("/v2/snapctl", "Run snapctl for a process of a snap")
            .body::<Body>()
            .result::<SnapctlOutput>()
            .fails(&[ErrorKind::Unsuccessful]),
    ]
}
