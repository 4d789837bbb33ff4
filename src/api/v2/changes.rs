//! `/v2/changes` (contract: v2, section 3, and v2-newer, section 5).

use super::{Call, Reply};
use crate::domain::{Change, Fault, Task};
use crate::managers::changes::Select;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Change"))]
#[serde(rename_all = "kebab-case")]
struct ChangeBody<'a> {
    id: String,
    kind: &'a str,
    summary: &'a str,
    #[cfg_attr(test, schemars(with = "crate::domain::TaskStatus"))]
    status: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tasks: Vec<TaskBody<'a>>,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    err: Option<String>,
    spawn_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_time: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    data: &'a Map<String, Value>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Task"))]
#[serde(rename_all = "kebab-case")]
struct TaskBody<'a> {
    id: String,
    kind: &'a str,
    summary: &'a str,
    #[cfg_attr(test, schemars(with = "crate::domain::TaskStatus"))]
    status: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    log: &'a [String],
    progress: ProgressBody,
    spawn_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_time: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Progress"))]
struct ProgressBody {
    label: String,
    done: u64,
    total: u64,
}

impl<'a> From<&'a Change> for ChangeBody<'a> {
    fn from(change: &'a Change) -> Self {
        Self {
            id: change.id.to_string(),
            kind: &change.kind,
            summary: &change.summary,
            status: change.shown_status().to_string(),
            tasks: change.tasks.iter().map(TaskBody::from).collect(),
            ready: change.is_ready(),
            err: change.error_text(),
            spawn_time: change.spawn.rfc3339(),
            ready_time: change.ready.map(|moment| moment.rfc3339()),
            data: &change.data,
        }
    }
}

impl<'a> From<&'a Task> for TaskBody<'a> {
    fn from(task: &'a Task) -> Self {
        let progress = task.shown_progress();
        Self {
            id: task.id.to_string(),
            kind: &task.kind,
            summary: &task.summary,
            status: task.status.to_string(),
            log: &task.log,
            progress: ProgressBody {
                label: progress.label,
                done: progress.done,
                total: progress.total,
            },
            spawn_time: task.spawn.rfc3339(),
            ready_time: task.ready.map(|moment| moment.rfc3339()),
        }
    }
}

/// How many changes of the history one request may ask for.
const MOST_HISTORY: usize = 10_000;

/// GET /v2/changes. Ours: `history=N` adds up to N ready changes that are older than the newest 500.
pub async fn list(call: Call) -> Result<Reply, Fault> {
    let select = match call.query.text("select") {
        "" | "in-progress" => Select::InProgress,
        "ready" => Select::Ready,
        "all" => Select::All,
        _ => {
            return Err(Fault::bad("select should be one of: all,in-progress,ready"));
        }
    };
    let about = call.query.get("for").filter(|snap| !snap.is_empty());
    let mut changes = call.managers.changes.list(select, about);
    if let Some(text) = call.query.get("history")
        && select != Select::InProgress
    {
        let limit: usize = text.parse().map_err(|_| {
            Fault::bad(format!(
                "invalid \"history\": {text:?} is not a number of changes"
            ))
        })?;
        let older = call.managers.changes.history(limit.min(MOST_HISTORY)).await?;
        changes.extend(
            older
                .into_iter()
                .filter(|change| about.is_none_or(|about| change.snaps.iter().any(|snap| snap == about))),
        );
    }
    let bodies: Vec<ChangeBody<'_>> = changes.iter().map(|change| (&**change).into()).collect();
    Reply::of(&bodies)
}

/// GET /v2/changes/{id}.
pub async fn one(call: Call) -> Result<Reply, Fault> {
    let change = call.managers.changes.one(call.param("id")).await?;
    Reply::of(&ChangeBody::from(&*change))
}

#[derive(Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChangeAction"))]
struct Action {
    #[serde(default)]
    action: String,
}

/// POST /v2/changes/{id}: abort.
pub async fn act(mut call: Call) -> Result<Reply, Fault> {
    // The change is looked up first: a change that is not there is 404 whatever is asked of it.
    call.managers.changes.one(call.param("id")).await?;
    let asked: Action = call.json().await?;
    if asked.action != "abort" {
        return Err(Fault::bad(format!(
            "change action {:?} is unsupported: use \"abort\"",
            asked.action
        )));
    }
    let change = call.managers.changes.abort(call.param("id")).await?;
    Reply::of(&ChangeBody::from(&*change))
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::{get, post};
    use crate::domain::ErrorKind as E;
    vec![
        get("/v2/changes", "List changes")
            .words(
                "select",
                &["in-progress", "ready", "all"],
                "Which ones; those in progress when nothing is said",
            )
            .text("for", "Only those about this snap")
            .number(
                "history",
                0,
                "Ours: so many older ones too, unless in-progress is asked for",
            )
            .result::<Vec<ChangeBody<'_>>>()
            .fails(&[E::BadRequest]),
        get("/v2/changes/{id}", "One change with its tasks")
            .named("the id of a change")
            .result::<ChangeBody<'_>>()
            .fails(&[E::NotFound]),
        post("/v2/changes/{id}", "Abort a change")
            .named("the id of a change")
            .body::<Action>()
            .result::<ChangeBody<'_>>()
            .fails(&[E::NotFound]),
    ]
}
