//! `/v2/snaps/{name}/conf` (contract: v2, section 7).

use super::call::JSON_LIMIT;
use super::{Call, Reply};
use crate::domain::Fault;
use serde_json::Value;

/// GET: the whole document, or the values of `keys` by their keys.
pub async fn show(call: Call) -> Result<Reply, Fault> {
    let keys = call.query.list("keys");
    let values = call.managers.settings.configuration(call.param("name"), &keys)?;
    Reply::of(&values)
}

/// PUT: sets values by dotted keys; null takes one away.
pub async fn set(mut call: Call) -> Result<Reply, Fault> {
    // Keys are the snap's own: their case matters.
    let undecodable = |why: &str| {
        Fault::bad(format!(
            "cannot decode request body into patch values: {why}; send a JSON object"
        ))
    };
    let bytes = call.bytes(JSON_LIMIT).await?;
    // Unlike elsewhere nothing may follow the value (contract: v2-observed, "Body-decode leniency").
    let patch = match serde_json::from_slice(&bytes) {
        Ok(Value::Object(map)) => map,
        Ok(Value::Null) => serde_json::Map::new(),
        Ok(_) => return Err(undecodable("it is no object")),
        Err(error) => return Err(undecodable(&error.to_string())),
    };
    let plan = call.managers.settings.plan_configure(call.param("name"), patch)?;
    let change = call.managers.changes.submit(plan).await?;
    Ok(Reply::change(change))
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::{get, put};
    use crate::domain::ErrorKind as E;
    type Values = serde_json::Map<String, Value>;
    vec![
        get("/v2/snaps/{name}/conf", "The configuration of a snap")
            .named("the name of a snap, or system")
            .list("keys", "Only these, with dots for what is inside others")
            .result::<Values>()
            .fails(&[E::BadRequest, E::OptionNotFound]),
        put(
            "/v2/snaps/{name}/conf",
            "Change the configuration of a snap; null takes a key away",
        )
        .named("the name of a snap, or system")
        .body::<Values>()
        .change()
        .fails(&[E::BadRequest, E::SnapNotFound, E::SnapChangeConflict]),
    ]
}
