//! What a device without assertions, snapshots and quota groups has none of: honest empty lists (contract: v2,
//! section 3; v2-observed, section 4). What would change that answers as unknown until it exists.

use super::{Call, Reply};
use crate::domain::Fault;
use serde::Deserialize;
use serde_json::{Value, json};

/// GET of a list.
pub async fn list(_call: Call) -> Result<Reply, Fault> {
    Ok(Reply::Sync(json!([])))
}

/// GET /v2/systems: without recovery systems not even the list is there.
pub async fn systems(_call: Call) -> Result<Reply, Fault> {
    Ok(Reply::Sync(Value::Object(serde_json::Map::new())))
}

#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "SystemAction"))]
#[serde(default)]
struct SystemAction {
    action: String,
    mode: String,
}

/// POST /v2/systems: there is no recovery system to restart into (contract: v2-observed, `snap reboot --recover`).
pub async fn restart_into_system(mut call: Call) -> Result<Reply, Fault> {
    let SystemAction { action, mode } = call.json().await?;
    match action.as_str() {
        "reboot" => Err(Fault::internal(format!(
            "cannot restart into mode {mode:?}: this device has no recovery systems"
        ))),
        "do" => Err(Fault::bad(
            "system action requires the system label to be provided",
        )),
        other => Err(Fault::bad(format!(
            "unsupported action {other:?}; use \"reboot\""
        ))),
    }
}

/// POST /v2/internal/console-conf-start: the console asks what it has to wait for before it begins; nothing is ever
/// refreshed by itself here.
pub async fn console(_call: Call) -> Result<Reply, Fault> {
    Ok(Reply::Sync(Value::Object(serde_json::Map::new())))
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::{get, post};
    use crate::domain::ErrorKind;
    type Nothing = Vec<serde_json::Map<String, Value>>;
    vec![
        get("/v2/snapshots", "List snapshots: there are none").result::<Nothing>(),
        get("/v2/quotas", "List quota groups: there are none").result::<Nothing>(),
        get("/v2/validation-sets", "List validation sets: there are none").result::<Nothing>(),
        get("/v2/systems", "List recovery systems: there are none")
            .result::<serde_json::Map<String, Value>>(),
        post("/v2/systems", "Restart into a recovery system: there are none")
            .body::<SystemAction>()
            .fails(&[ErrorKind::BadRequest, ErrorKind::Internal]),
        post(
            "/v2/internal/console-conf-start",
            "What a console has to wait for: nothing",
        )
        .result::<serde_json::Map<String, Value>>(),
    ]
}
