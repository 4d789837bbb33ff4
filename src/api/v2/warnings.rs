//! `/v2/warnings` (contract: v2, Warnings).

use super::{Call, Reply};
use crate::domain::duration;
use crate::domain::record::Warning;
use crate::domain::{Fault, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Warning"))]
#[serde(rename_all = "kebab-case")]
struct WarningBody<'a> {
    message: &'a str,
    first_added: String,
    last_added: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_shown: Option<String>,
    expire_after: String,
    repeat_after: String,
}

impl<'a> From<&'a Warning> for WarningBody<'a> {
    fn from(warning: &'a Warning) -> Self {
        Self {
            message: &warning.message,
            first_added: warning.first_added.rfc3339(),
            last_added: warning.last_added.rfc3339(),
            last_shown: warning.last_shown.map(Timestamp::rfc3339),
            expire_after: duration::text(warning.expire_after),
            repeat_after: duration::text(warning.repeat_after),
        }
    }
}

/// GET /v2/warnings.
pub async fn list(call: Call) -> Result<Reply, Fault> {
    let all = match call.query.text("select") {
        "all" => true,
        "" | "pending" => false,
        other => {
            return Err(Fault::bad(format!(
                "invalid select parameter: {other:?}; use \"all\" or \"pending\""
            )));
        }
    };
    let warnings = call.managers.changes.warnings(all);
    let bodies: Vec<WarningBody<'_>> = warnings.iter().map(|warning| (&**warning).into()).collect();
    Reply::of(&bodies)
}

#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WarningAction"))]
#[serde(default)]
struct Action {
    action: String,
    timestamp: String,
}

/// POST /v2/warnings: `okay` marks what was pending at a moment, and answers how many those were.
pub async fn act(mut call: Call) -> Result<Reply, Fault> {
    let Action { action, timestamp } = call.json().await?;
    if action != "okay" {
        return Err(Fault::bad(format!(
            "unknown warning action {action:?}; use \"okay\""
        )));
    }
    let moment = Timestamp::parse(&timestamp).ok_or_else(|| {
        Fault::bad(format!(
            "invalid timestamp {timestamp:?}; send the warning-timestamp of the answer that showed the warnings"
        ))
    })?;
    let count = call.managers.changes.okay_warnings(moment).await?;
    Ok(Reply::Sync(json!(count)))
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::{get, post};
    vec![
        get("/v2/warnings", "List warnings")
            .words("select", &["all", "pending"], "Also those that were acknowledged")
            .result::<Vec<WarningBody<'_>>>()
            .fails(&[crate::domain::ErrorKind::BadRequest]),
        post(
            "/v2/warnings",
            "Acknowledge the warnings up to a moment; answers how many",
        )
        .body::<Action>()
        .result::<u64>(),
    ]
}
