//! What would ask a store: there is none here, and nothing is fetched from anywhere (contract: v2, Others, and what
//! v2-observed saw of a daemon without a network).

use super::{Call, Reply};
use crate::domain::{ErrorKind, Fault};
use serde_json::json;

/// A search answers 400 with a kind of its own; what asks for one snap or for the sections answers a plain 500
/// (contract: v2-observed, "Surprises in shapes" and section 4).
fn no_store() -> Fault {
    Fault::new(
        ErrorKind::StoreUnreachable,
        "there is no store here: install a snap from its file",
    )
}

/// GET /v2/find.
pub async fn find(call: Call) -> Result<Reply, Fault> {
    if call.query.text("select") == "refresh" {
        // Without a store nothing can be refreshed, which is an answer.
        return Ok(Reply::Sync(json!([])));
    }
    match call.query.text("name") {
        "" => Err(no_store()),
        _ => Err(Fault::internal(no_store().message)),
    }
}

/// GET /v2/sections.
pub async fn sections(_call: Call) -> Result<Reply, Fault> {
    Err(Fault::internal(no_store().message))
}

/// GET /v2/model.
pub async fn model(_call: Call) -> Result<Reply, Fault> {
    Err(Fault::new(ErrorKind::AssertionNotFound, "no model assertion yet").with("model"))
}

/// GET /v2/model/serial.
pub async fn serial(_call: Call) -> Result<Reply, Fault> {
    Err(Fault::new(ErrorKind::AssertionNotFound, "no serial assertion yet").with("serial"))
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::get;
    use ErrorKind as E;
    #[derive(schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Nothing(#[schemars(extend("maxItems" = 0))] Vec<serde_json::Value>);
    vec![
        get("/v2/find", "Find snaps in the store, which is not there")
            .text("q", "What to look for")
            .text("name", "The name to look for")
            .words("select", &["refresh"], "What can be refreshed: nothing")
            .result::<Nothing>()
            .fails(&[E::StoreUnreachable]),
        get("/v2/sections", "The sections of the store, which is not there"),
        get("/v2/model", "The model assertion, which is not there").fails(&[E::AssertionNotFound]),
        get("/v2/model/serial", "The serial assertion, which is not there").fails(&[E::AssertionNotFound]),
    ]
}
