//! `/v2/aliases` (contract: v2, Aliases).

use super::{Call, Reply};
use crate::domain::Fault;
use crate::managers::snaps::{AliasStatus, AliasView};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Alias"))]
struct AliasBody {
    command: String,
    /// `manual`, `auto` or `disabled`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    manual: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto: Option<String>,
}

impl From<AliasView> for AliasBody {
    fn from(view: AliasView) -> Self {
        Self {
            command: view.command,
            status: match view.status {
                AliasStatus::Manual => "manual",
                AliasStatus::Auto => "auto",
                AliasStatus::Disabled => "disabled",
            },
            manual: view.target.manual,
            auto: view.target.auto,
        }
    }
}

type BySnap = BTreeMap<String, BTreeMap<String, AliasBody>>;

/// GET /v2/aliases: by snap, then by alias. Snaps without aliases are left out.
pub async fn list(call: Call) -> Result<Reply, Fault> {
    let mut all = BySnap::new();
    for view in call.managers.snaps.aliases() {
        let of_snap = all.entry(view.snap.to_string()).or_default();
        of_snap.insert(view.alias.clone(), view.into());
    }
    Reply::of(&all)
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "AliasAction"))]
struct Action {
    action: String,
    snap: String,
    app: String,
    alias: String,
    /// The form of older clients, whose snaps declared aliases themselves.
    aliases: Vec<String>,
}

/// POST /v2/aliases: alias, unalias, prefer.
pub async fn act(mut call: Call) -> Result<Reply, Fault> {
    let body: Action = call.json().await?;
    if !body.aliases.is_empty() {
        return Err(Fault::bad(
            "cannot interpret request, snaps can no longer be expected to declare their aliases; send one \"alias\"",
        ));
    }
    let snaps = &call.managers.snaps;
    let mut plan = match body.action.as_str() {
        "alias" => snaps.plan_alias(&body.snap, &body.app, &body.alias)?,
        "unalias" => snaps.plan_unalias(&body.snap, &body.alias)?,
        "prefer" => snaps.plan_prefer(&body.snap)?,
        other => {
            return Err(Fault::bad(format!(
                "unsupported alias action: {other:?}; use alias, unalias or prefer"
            )));
        }
    };
    plan.requester = call.who.identity;
    Ok(Reply::change(call.managers.changes.submit(plan).await?))
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::{get, post};
    use crate::domain::ErrorKind as E;
    vec![
        get("/v2/aliases", "List aliases by snap and name").result::<BySnap>(),
        post(
            "/v2/aliases",
            "Give an app an alias, take aliases away, or prefer those of a snap",
        )
        .body::<Action>()
        .change()
        .fails(&[E::SnapNotInstalled, E::SnapChangeConflict]),
    ]
}
