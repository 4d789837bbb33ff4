//! What `/v2/snaps` does: files are installed, snaps are removed, reverted, switched … (contract: v2, section 3,
//! "Snaps" and "Sideload").

use super::{Call, Reply, upload};
use crate::domain::requester::Role;
use crate::domain::{ErrorKind, Fault, Plan, Revision, channel};
use crate::managers::snaps::{
    RemoveOptions, RevertOptions, Sideload, SideloadFlags, SnapView, SwitchOptions,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// POST /v2/snaps: files to install, or an action on several snaps.
pub async fn post(mut call: Call) -> Result<Reply, Fault> {
    if call
        .media_type()
        .is_some_and(|(media, _)| media.starts_with("multipart/"))
    {
        return sideload(call).await;
    }
    call.require_json()?;
    let body: Many = call.json().await?;
    let plan = many(&call, &body)?;
    submit(call, plan).await
}

async fn submit(call: Call, mut plan: Plan) -> Result<Reply, Fault> {
    plan.requester = call.who.identity;
    Ok(Reply::change(call.managers.changes.submit(plan).await?))
}

async fn sideload(mut call: Call) -> Result<Reply, Fault> {
    let snaps = Arc::clone(&call.managers.snaps);
    let form = upload::receive(&mut call, snaps.uploads(), "snap").await?;
    let tries = match form.text("action") {
        None | Some("" | "install") => false,
        Some("try") => true,
        Some(other) => {
            return Err(Fault::bad(format!("unknown action {other}: use install or try")));
        }
    };
    let flags = SideloadFlags {
        dangerous: form.flag("dangerous"),
        devmode: form.flag("devmode"),
        jailmode: form.flag("jailmode"),
        classic: form.flag("classic"),
        ignore_running: form.flag("ignore-running"),
        unaliased: form.flag("unaliased"),
        all_or_none: all_or_none(form.text("transaction"))?,
    };
    may_weaken(&call, tries || flags.dangerous || flags.devmode || flags.classic)?;
    if tries {
        let folder = form.text("snap-path").unwrap_or_default().to_owned();
        let plan = upload::blocking(move || snaps.plan_try(&folder, flags)).await?;
        return submit(call, plan).await;
    }
    if form.files.is_empty() {
        return Err(Fault::bad(
            "cannot find \"snap\" file field in provided multipart/form-data payload",
        ));
    }
    let path = form.text("snap-path").filter(|path| !path.is_empty());
    let single = path.filter(|_| form.files.len() == 1).map(str::to_owned);
    let wanted = form
        .text("name")
        .filter(|name| !name.is_empty() && single.is_some())
        .map(str::to_owned);
    let files = form.files;
    let (plan, files) = upload::blocking(move || {
        let sideloads: Vec<Sideload> = files
            .iter()
            .map(|upload| Sideload {
                upload,
                original: single.clone().unwrap_or_else(|| upload.name.clone()),
            })
            .collect();
        let plan = snaps.plan_sideload(&sideloads, flags)?;
        Ok((plan, files))
    })
    .await?;
    if let Some(wanted) = wanted
        && !plan.snaps.iter().any(|snap| snap.as_str() == wanted)
    {
        return Err(Fault::bad(format!(
            "cannot install the file as {wanted:?}: its snap has another name, and parallel instances are not supported"
        )));
    }
    let reply = submit(call, plan).await?;
    for upload in files {
        upload.keep();
    }
    Ok(reply)
}

/// Decision 3: operators over TLS may not weaken confinement or leave out signatures.
fn may_weaken(call: &Call, weakens: bool) -> Result<(), Fault> {
    if weakens && call.who.role < Role::Admin {
        return Err(Fault::new(ErrorKind::Forbidden, "access denied"));
    }
    Ok(())
}

fn all_or_none(transaction: Option<&str>) -> Result<bool, Fault> {
    match transaction {
        None | Some("" | "per-snap") => Ok(false),
        Some("all-snaps") => Ok(true),
        Some(other) => Err(Fault::bad(format!(
            "invalid value for transaction type: {other}; use per-snap or all-snaps"
        ))),
    }
}

/// The body of an action on several snaps.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "SnapsAction"))]
#[serde(default, rename_all = "kebab-case")]
struct Many {
    action: String,
    snaps: Vec<String>,
    channel: String,
    revision: Value,
    devmode: bool,
    jailmode: bool,
    cohort_key: String,
    leave_cohort: bool,
    purge: bool,
    transaction: String,
}

fn many(call: &Call, body: &Many) -> Result<Plan, Fault> {
    let unsupported = !body.channel.is_empty()
        || revision(&body.revision)?.is_some()
        || body.devmode
        || body.jailmode
        || !body.cohort_key.is_empty()
        || body.leave_cohort
        || body.purge;
    if unsupported {
        return Err(Fault::bad("unsupported option provided for multi-snap operation"));
    }
    if !body.transaction.is_empty() && body.action == "remove" {
        return Err(Fault::bad(
            "transaction type is unsupported for this action: leave it out",
        ));
    }
    let snaps = &call.managers.snaps;
    match body.action.as_str() {
        "remove" if body.snaps.is_empty() => Err(Fault::bad("cannot remove zero snaps")),
        "remove" => snaps.plan_remove_many(&body.snaps),
        "refresh" => {
            all_or_none(Some(&body.transaction))?;
            for name in &body.snaps {
                installed(call, name)?;
            }
            Ok(nothing("refresh-snap", refresh_summary(&body.snaps)))
        }
        "install" if body.snaps.is_empty() => Err(Fault::bad("cannot install zero snaps")),
        "install" => {
            all_or_none(Some(&body.transaction))?;
            match body.snaps.iter().find(|name| snaps.one(name).is_err()) {
                Some(missing) => Err(no_store(missing)),
                None => Ok(nothing("install-snap", String::from("Install zero snaps"))),
            }
        }
        other => Err(Fault::bad(format!(
            "unsupported multi-snap operation {other:?}: use install, refresh or remove"
        ))),
    }
}

fn refresh_summary(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    match names.len() {
        0 => String::from("Refresh all snaps: no updates"),
        1 => format!("Refresh snap {}: no updates", quoted[0]),
        _ => format!("Refresh snaps {}: no updates", quoted.join(", ")),
    }
}

/// A change that has nothing to do.
fn nothing(kind: &'static str, summary: String) -> Plan {
    let mut plan = Plan::new(kind, summary);
    plan.data.insert(String::from("snap-names"), json!([]));
    plan
}

/// Observed: 400 without a kind (contract: v2-observed, section 4, `snap install hello`).
fn no_store(name: &str) -> Fault {
    Fault::bad(format!(
        "cannot install {name:?}: there is no store here; install it from its file"
    ))
}

/// The snap is there, or the contract's refusal.
fn installed(call: &Call, name: &str) -> Result<SnapView, Fault> {
    call.managers.snaps.one(name).map_err(|_| {
        Fault::new(
            ErrorKind::SnapNotInstalled,
            format!("snap {name:?} is not installed"),
        )
        .with(name)
    })
}

/// The body of an action on one snap.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "SnapAction"))]
#[serde(default, rename_all = "kebab-case")]
struct One {
    action: String,
    amend: bool,
    channel: String,
    revision: Value,
    cohort_key: String,
    leave_cohort: bool,
    devmode: bool,
    jailmode: bool,
    classic: bool,
    unaliased: bool,
    prefer: bool,
    quota_group: String,
    transaction: String,
}

/// POST /v2/snaps/{name}: an action on one snap.
pub async fn act(mut call: Call) -> Result<Reply, Fault> {
    let body: One = call.json().await?;
    let name = call.param("name").to_owned();
    let plan = single(&call, &name, &body)?;
    submit(call, plan).await
}

/// A revision as a text or, as the contract allows, a number; nothing when it is left out.
fn revision(given: &Value) -> Result<Option<Revision>, Fault> {
    let text = match given {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.is_empty() || text == "unset" {
        return Ok(None);
    }
    let parsed = text.parse().map_err(|_| {
        let start: String = text.chars().take(40).collect();
        Fault::bad(format!(
            "invalid snap revision: {start:?}; write x1, x2, … or the number of a store"
        ))
    })?;
    Ok(Some(parsed))
}

/// Options that do not go together (contract: v2, "Validation 400s").
fn check(name: &str, body: &One, revision: Option<Revision>) -> Result<(), Fault> {
    let action = body.action.as_str();
    let cohort = !body.cohort_key.is_empty();
    let install = action == "install";
    let wrong = [
        (
            cohort && !matches!(action, "install" | "refresh" | "switch"),
            "cohort-key can only be specified for install, refresh, or switch",
        ),
        (
            body.leave_cohort && !matches!(action, "refresh" | "switch"),
            "leave-cohort can only be specified for refresh or switch",
        ),
        (
            cohort && body.leave_cohort,
            "cannot specify both cohort-key and leave-cohort",
        ),
        (
            cohort && revision.is_some(),
            "cannot specify both cohort-key and revision",
        ),
        (
            install && name == "ubuntu-core",
            "cannot install \"ubuntu-core\", please use \"core\" instead",
        ),
        (
            !body.transaction.is_empty() && !matches!(action, "install" | "refresh"),
            "transaction type is unsupported for this action: leave it out",
        ),
        (
            body.devmode && body.jailmode,
            "cannot use devmode and jailmode flags together",
        ),
        (
            body.devmode && body.classic,
            "cannot use classic and devmode flags together",
        ),
        (
            body.unaliased && body.prefer,
            "cannot use unaliased and prefer flags together",
        ),
        (
            !body.quota_group.is_empty() && !install,
            "quota-group can only be specified on install",
        ),
    ];
    if let Some((_, text)) = wrong.into_iter().find(|(is_so, _)| *is_so) {
        return Err(Fault::bad(text));
    }
    all_or_none(Some(&body.transaction))?;
    if !body.channel.is_empty() {
        channel::in_full(&body.channel, "").map_err(|error| Fault::bad(error.to_string()))?;
    }
    if matches!(action, "enable" | "disable" | "switch") && revision.is_some() {
        return Err(Fault::bad(format!("{action} takes no revision")));
    }
    Ok(())
}

fn given(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn single(call: &Call, name: &str, body: &One) -> Result<Plan, Fault> {
    let known = [
        "install", "refresh", "remove", "revert", "enable", "disable", "switch",
    ];
    if !known.contains(&body.action.as_str()) {
        return Err(Fault::bad(format!("unknown action {}", body.action)));
    }
    let revision = revision(&body.revision)?;
    check(name, body, revision)?;
    let snaps = &call.managers.snaps;
    match body.action.as_str() {
        "install" => match snaps.one(name) {
            Ok(_) => Err(Fault::new(
                ErrorKind::SnapAlreadyInstalled,
                format!("snap {name:?} is already installed"),
            )
            .with(json!({ "snaps": [name] }))),
            Err(_) => Err(no_store(name)),
        },
        "refresh" => {
            installed(call, name)?;
            // Who would go on anyway (`--amend`) comes to the store that is not there, as in the contract's table.
            if body.amend {
                return Err(Fault::bad(format!(
                    "cannot refresh {name:?}: there is no store here; install a newer file over it"
                )));
            }
            Err(Fault::new(
                ErrorKind::SnapLocal,
                format!("local snap {name:?} is unknown to the store: install a newer file over it"),
            )
            .with(Value::String(String::new())))
        }
        "remove" => snaps.plan_remove(name, RemoveOptions { revision }),
        "revert" => {
            may_weaken(call, body.devmode || body.classic)?;
            snaps.plan_revert(
                name,
                RevertOptions {
                    revision,
                    devmode: body.devmode,
                    jailmode: body.jailmode,
                    classic: body.classic,
                },
            )
        }
        "enable" => snaps.plan_enable(name),
        "disable" => snaps.plan_disable(name),
        _ => snaps.plan_switch(
            name,
            SwitchOptions {
                channel: given(&body.channel),
                cohort_key: given(&body.cohort_key),
                leave_cohort: body.leave_cohort,
            },
        ),
    }
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::post;
    use ErrorKind as E;
    #[derive(schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct SnapFile(#[schemars(extend("format" = "binary"))] String);
    /// Parts with a file name are files; all else is text, and what cannot be read as a switch is off.
    #[derive(schemars::JsonSchema)]
    #[serde(default, rename_all = "kebab-case")]
    #[derive(Default)]
    struct Sideload {
        snap: Vec<SnapFile>,
        action: Option<String>,
        name: Option<String>,
        snap_path: Option<String>,
        dangerous: bool,
        devmode: bool,
        jailmode: bool,
        classic: bool,
        ignore_running: bool,
        unaliased: bool,
        transaction: Option<String>,
    }
    vec![
        post("/v2/snaps", "Install files, or act on several snaps")
            .body_as::<Sideload>("multipart/form-data")
            .body::<Many>()
            .change()
            .fails(&[
                E::SnapNotFound,
                E::SnapNotInstalled,
                E::SnapChangeConflict,
                E::SnapNeedsDevmode,
                E::SnapNeedsClassic,
                E::SnapNeedsClassicSystem,
                E::SnapNotClassic,
                E::SnapNotASnap,
            ]),
        post("/v2/snaps/{name}", "Act on one snap")
            .named("the name of a snap")
            .body::<One>()
            .change()
            .fails(&[
                E::SnapNotFound,
                E::SnapNotInstalled,
                E::SnapAlreadyInstalled,
                E::SnapLocal,
                E::SnapChangeConflict,
            ]),
    ]
}
