//! `/v2/debug`: what the agent knows of itself (contract: v2, section 3; v2-newer, section 3 for `features`).

use super::{Call, ROUTES, Reply, find};
use crate::domain::{ErrorKind, Fault, kinds};
use axum::http::Method;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Features"))]
struct FeaturesBody<'a> {
    tasks: Vec<TaskBody>,
    interfaces: Vec<&'static str>,
    endpoints: Vec<EndpointBody<'a>>,
    changes: &'static [&'static str],
    /// What is done again and again without being asked: nothing.
    ensures: [&'static str; 0],
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "TaskKind"))]
#[serde(rename_all = "kebab-case")]
struct TaskBody {
    kind: &'static str,
    has_undo: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Endpoint"))]
struct EndpointBody<'a> {
    method: &'a str,
    path: &'static str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Seeding"))]
struct SeedingBody {
    seeded: bool,
}

/// GET /v2/debug?aspect=…
pub async fn show(call: Call) -> Result<Reply, Fault> {
    let verbs = [Method::GET, Method::POST, Method::PUT];
    match call.query.text("aspect") {
        "features" => {
            let tasks = call.managers.changes.task_kinds();
            Reply::of(&FeaturesBody {
                tasks: tasks
                    .into_iter()
                    .map(|(kind, has_undo)| TaskBody { kind, has_undo })
                    .collect(),
                interfaces: call.managers.interfaces.names(),
                endpoints: endpoints(&verbs),
                changes: kinds::CHANGES,
                ensures: [],
            })
        }
        "seeding" => Reply::of(&SeedingBody {
            seeded: call.managers.changes.is_seeded(),
        }),
        "change-timings" => timings(call).await,
        "connectivity" => Err(Fault::new(
            ErrorKind::StoreUnreachable,
            "there is no store here: the agent connects to nothing outside",
        )),
        "model" => find::model(call).await,
        "base-declaration" => Err(Fault::new(
            ErrorKind::AssertionNotFound,
            "there is no base declaration here: the interfaces' own rules decide",
        )
        .with("base-declaration")),
        other => Err(Fault::bad(format!(
            "unknown debug aspect {other:?}: use one of {}",
            ASPECTS.join(", ")
        ))),
    }
}

/// What can be asked for.
const ASPECTS: [&str; 6] = [
    "features",
    "seeding",
    "change-timings",
    "connectivity",
    "model",
    "base-declaration",
];

/// How long each step of a change took is not recorded; a change that is not there is told first.
async fn timings(call: Call) -> Result<Reply, Fault> {
    let id = call.query.text("change-id");
    if !id.is_empty() && call.managers.changes.one(id).await.is_err() {
        return Err(Fault::bad(format!("cannot find change: {id:?}")));
    }
    Err(Fault::bad(
        "timings of changes are not recorded: the spawn and ready times of the tasks tell how long they took",
    ))
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "DebugAction"))]
struct Action {
    action: String,
    /// Of `add-warning`.
    message: String,
}

/// POST /v2/debug.
pub async fn act(mut call: Call) -> Result<Reply, Fault> {
    let body: Action = call.json().await?;
    let changes = &call.managers.changes;
    match body.action.as_str() {
        "add-warning" if body.message.trim().is_empty() => {
            return Err(Fault::bad("a warning needs a text: send it as \"message\""));
        }
        "add-warning" => changes.add_warning(body.message).await?,
        "unshow-warnings" => changes.unshow_warnings().await?,
        "prune" => changes.prune().await?,
        // Nothing here waits for its turn: each commit starts what it frees.
        "ensure-state-soon" => {}
        // Somebody else manages refreshes only where a snap was declared to, which takes assertions.
        "can-manage-refreshes" => return Reply::of(&false),
        "stacktraces" => return Reply::of(&call.managers.system.threads()),
        other => {
            return Err(Fault::bad(format!(
                "unknown debug action: {other:?}; use add-warning, unshow-warnings, prune, ensure-state-soon, can-manage-refreshes or stacktraces"
            )));
        }
    }
    Reply::of(&true)
}

fn endpoints(verbs: &[Method]) -> Vec<EndpointBody<'_>> {
    ROUTES
        .iter()
        .flat_map(|route| {
            verbs
                .iter()
                .filter(|verb| route.verb(verb).is_some())
                .map(move |verb| (route, verb))
        })
        .map(|(route, verb)| EndpointBody {
            method: verb.as_str(),
            path: route.path,
        })
        .collect()
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::{get, post};
    #[derive(schemars::JsonSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Done {
        Flag(bool),
        Stacktraces(String),
    }
    #[derive(schemars::JsonSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Debug<'a> {
        Features(FeaturesBody<'a>),
        Seeding(SeedingBody),
    }
    vec![
        get("/v2/debug", "What the agent knows of itself")
            .words("aspect", &ASPECTS, "What is asked for")
            .text("change-id", "Which change, for change-timings")
            .result::<Debug<'_>>()
            .fails(&[
                ErrorKind::BadRequest,
                ErrorKind::AssertionNotFound,
                ErrorKind::StoreUnreachable,
            ]),
        post("/v2/debug", "Try things out; for root")
            .body::<Action>()
            .result::<Done>(),
    ]
}
