//! `/v2/apps` and `/v2/logs` (contract: v2, Apps and logs).

use super::stream::{json_seq, record};
use super::{Call, Reply};
use crate::domain::snap::Daemon;
use crate::domain::{ErrorKind, Fault, Timestamp};
use crate::managers::services::{Action, Activator, AppView, ControlRequest, LogItem, LogLine};
use axum::body::Bytes;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// An app on the wire; also part of a snap's object.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "App"))]
#[serde(rename_all = "kebab-case")]
pub struct AppBody {
    snap: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    desktop_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    daemon: Option<Daemon>,
    #[serde(skip_serializing_if = "Option::is_none")]
    daemon_scope: Option<&'static str>,
    #[serde(skip_serializing_if = "is_false")]
    enabled: bool,
    #[serde(skip_serializing_if = "is_false")]
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    common_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    activators: Vec<ActivatorBody>,
}

/// Its names are written with capitals.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Activator"))]
#[serde(rename_all = "PascalCase")]
struct ActivatorBody {
    name: String,
    #[serde(rename = "Type")]
    kind: &'static str,
    active: bool,
    enabled: bool,
}

fn is_false(value: &bool) -> bool {
    !*value
}

impl From<Activator> for ActivatorBody {
    fn from(activator: Activator) -> Self {
        Self {
            name: activator.name,
            kind: activator.kind,
            active: activator.active,
            enabled: activator.enabled,
        }
    }
}

impl From<AppView> for AppBody {
    fn from(view: AppView) -> Self {
        let status = view.status.unwrap_or_default();
        let scope = if view.of_user { "user" } else { "system" };
        Self {
            snap: view.snap.to_string(),
            name: view.name,
            desktop_file: view.desktop_file,
            daemon_scope: view.daemon.map(|_| scope),
            daemon: view.daemon,
            enabled: status.enabled,
            active: status.active,
            common_id: view.common_id,
            activators: view.activators.into_iter().map(ActivatorBody::from).collect(),
        }
    }
}

/// GET /v2/apps: all apps, or those of `names`; with `select=service` only services.
pub async fn list(call: Call) -> Result<Reply, Fault> {
    let services_only = match call.query.text("select") {
        "" => false,
        "service" => true,
        other => {
            return Err(Fault::bad(format!(
                "invalid select parameter: {other:?}; say \"service\" or nothing"
            )));
        }
    };
    let views = call
        .managers
        .services
        .list(&call.query.list("names"), services_only)?;
    let bodies: Vec<AppBody> = views.into_iter().map(AppBody::from).collect();
    Reply::of(&bodies)
}

#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "AppsAction"))]
#[serde(default)]
struct ControlBody {
    action: String,
    names: Vec<String>,
    enable: bool,
    disable: bool,
    reload: bool,
}

/// POST /v2/apps: starts, stops or restarts services.
pub async fn control(mut call: Call) -> Result<Reply, Fault> {
    let body: ControlBody = call.json().await?;
    if body.names.is_empty() {
        return Err(Fault::bad(
            "cannot perform operation on services without a list of services to operate on",
        ));
    }
    let action = Action::parse(&body.action).ok_or_else(|| {
        Fault::bad(format!(
            "unknown action {:?}; say start, stop or restart",
            body.action
        ))
    })?;
    let plan = call.managers.services.plan_control(&ControlRequest {
        action,
        names: body.names,
        enable: body.enable,
        disable: body.disable,
        reload: body.reload,
    })?;
    let change = call.managers.changes.submit(plan).await.map_err(|mut fault| {
        // Of all conflicts this one has no kind.
        if fault.kind == ErrorKind::SnapChangeConflict {
            fault.kind = ErrorKind::Conflict;
            fault.value = None;
        }
        fault
    })?;
    Ok(Reply::change(change))
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "LogLine"))]
struct LogBody<'a> {
    timestamp: String,
    message: &'a str,
    sid: &'a str,
    pid: &'a str,
}

fn log_record(line: &LogLine) -> Option<Bytes> {
    let message = if line.message.is_empty() {
        "-"
    } else {
        &line.message
    };
    record(&LogBody {
        timestamp: line.time.rfc3339(),
        message,
        sid: &line.sid,
        pid: &line.pid,
    })
    .ok()
}

/// GET /v2/logs: what services printed; with `follow` also what they will print.
pub async fn logs(call: Call) -> Result<Reply, Fault> {
    let count = match call.query.text("n") {
        "" => Some(10),
        text => match text.parse::<i64>() {
            Ok(-1) => None,
            Ok(count) if count >= 0 => Some(usize::try_from(count).unwrap_or(usize::MAX)),
            _ => {
                return Err(Fault::bad(format!(
                    "invalid value for n: {text:?}; say how many lines, or -1 for all"
                )));
            }
        },
    };
    let follow = call.query.flag("follow");
    let manager = &call.managers.services;
    let services = manager.logged(&call.query.list("names"))?;
    let lines = manager.read_logs(services, count, follow).await?;
    let clock = std::sync::Arc::clone(&call.managers.events);
    let records = lines.filter_map(move |item| {
        let record = match &item {
            LogItem::Line(line) => log_record(line),
            LogItem::Lost(count) => lost_record(clock.now(), *count),
        };
        std::future::ready(record)
    });
    Ok(json_seq(records.take_until(call.stopping())))
}

/// What a reader gets in place of lines for which it was too slow.
fn lost_record(now: Timestamp, count: u64) -> Option<Bytes> {
    record(&LogBody {
        timestamp: now.rfc3339(),
        message: &format!("[{count} lines of services were lost, because they were not read in time]"),
        sid: "pinion",
        pid: "-",
    })
    .ok()
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::{get, post};
    use ErrorKind as E;
    vec![
        get("/v2/apps", "List apps")
            .words("select", &["service"], "Only services")
            .list("names", "Only these: snaps, or single apps as snap.app")
            .result::<Vec<AppBody>>()
            .fails(&[E::BadRequest, E::AppNotFound, E::SnapNotFound]),
        post("/v2/apps", "Start, stop or restart services")
            .body::<ControlBody>()
            .change()
            .fails(&[E::AppNotFound, E::SnapNotFound, E::Conflict]),
        get("/v2/logs", "What services printed")
            .list("names", "Only these: snaps, or single services as snap.app")
            .number("n", -1, "So many lines, -1 for all; 10 when nothing is said")
            .flag(
                "follow",
                "Also what they will print; the answer does not end then",
            )
            .records::<LogBody<'_>>()
            .fails(&[E::BadRequest, E::AppNotFound, E::SnapNotFound]),
    ]
}
