//! `/v2/debug`: what the agent knows of itself (contract: v2, section 3; v2-newer, section 3 for `features`).

use super::{Call, ROUTES, Reply};
use crate::domain::Fault;
use axum::http::Method;
use serde::Serialize;

#[derive(Serialize)]
struct FeaturesBody<'a> {
    tasks: Vec<TaskBody>,
    endpoints: Vec<EndpointBody<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct TaskBody {
    kind: &'static str,
    has_undo: bool,
}

#[derive(Serialize)]
struct EndpointBody<'a> {
    method: &'a str,
    path: &'static str,
}

#[derive(Serialize)]
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
                endpoints: endpoints(&verbs),
            })
        }
        "seeding" => Reply::of(&SeedingBody {
            seeded: call.managers.changes.is_seeded(),
        }),
        other => Err(Fault::bad(format!(
            "unknown debug aspect {other:?}: use \"features\" or \"seeding\""
        ))),
    }
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
