//! `/v2/debug`: what the agent knows of itself (contract: v2, section 3; v2-newer, section 3 for `features`).

use super::{Call, ROUTES, Reply};
use crate::domain::Fault;
use axum::http::Method;
use serde::Serialize;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Features"))]
struct FeaturesBody<'a> {
    tasks: Vec<TaskBody>,
    endpoints: Vec<EndpointBody<'a>>,
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

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::get;
    #[derive(schemars::JsonSchema)]
    #[serde(untagged)]
    #[allow(dead_code)]
    enum Debug<'a> {
        Features(FeaturesBody<'a>),
        Seeding(SeedingBody),
    }
    vec![
        get("/v2/debug", "What the agent knows of itself")
            .words("aspect", &["features", "seeding"], "What is asked for")
            .result::<Debug<'_>>()
            .fails(&[crate::domain::ErrorKind::BadRequest]),
    ]
}
