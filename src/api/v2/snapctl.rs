//! `/v2/snapctl`: on the socket for snaps only (contract: confinement, section 7).

use super::{Call, Reply};
use crate::domain::{ErrorKind, Fault, Plan, TaskStatus};
use crate::managers::changes::Changes;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// How long a command waits for its change: half of what a configure hook has (contract: confinement, section 7).
const PATIENCE: Duration = Duration::from_secs(150);

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
    let mut output = call
        .managers
        .settings
        .snapctl(&who, &body.context_id, &body.args)
        .await?;
    if let Some(mut plan) = output.change.take() {
        plan.requester.clone_from(&who.identity);
        let word = body.args.first().map_or("the", String::as_str);
        finish(&call.managers.changes, plan, word).await?;
    }
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

/// Makes a change and waits for its end.
async fn finish(changes: &Changes, plan: Plan, word: &str) -> Result<(), Fault> {
    let id = changes.submit(plan).await.map_err(|fault| match fault.kind {
        // Here a refusal has no kind.
        ErrorKind::SnapChangeConflict => Fault::bad(fault.message),
        _ => fault,
    })?;
    let change = tokio::time::timeout(PATIENCE, changes.wait(id))
        .await
        .map_err(|_| Fault::bad(format!("{word} command is taking too long")))??;
    match change.shown_status() {
        TaskStatus::Done => Ok(()),
        status => Err(Fault::bad(
            change
                .error_text()
                .unwrap_or_else(|| format!("change {id} ended as {status}")),
        )),
    }
}

#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
struct JoinBody {
    /// SNAP.APP
    app: String,
}

/// POST: the process that asks is about to become an app of a snap, and wants to be known as the snap's (ours; the
/// launcher asks it for users other than root).
pub async fn join(mut call: Call) -> Result<Reply, Fault> {
    let body: JoinBody = call.json().await?;
    let gone = || Fault::bad("the process that asks is gone, or cannot be told");
    let process = call.peer.process.clone().ok_or_else(gone)?;
    let settings = &call.managers.settings;
    let cookie = settings.admit(process.pid(), process.snap(), &body.app).await?;
    // Asked again, so that it was this process that moved and not one that got its number.
    process.snap().ok_or_else(gone)?;
    Ok(Reply::Sync(json!({"cookie": cookie})))
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::post;
    #[derive(schemars::JsonSchema)]
    #[expect(dead_code, reason = "it only describes")]
    struct SnapctlOutput {
        stdout: String,
        stderr: String,
    }
    #[derive(schemars::JsonSchema)]
    #[expect(dead_code, reason = "it only describes")]
    struct Admission {
        cookie: String,
    }
    vec![
        post(
            "/v2/internal/join",
            "Become known as a process of the snap whose app is about to be run",
        )
        .body::<JoinBody>()
        .result::<Admission>()
        .fails(&[ErrorKind::AppNotFound, ErrorKind::Forbidden]),
        post("/v2/snapctl", "Run snapctl for a process of a snap")
            .body::<Body>()
            .result::<SnapctlOutput>()
            .fails(&[ErrorKind::Unsuccessful, ErrorKind::InsufficientDiskSpace]),
    ]
}
