//! `/v2/snaps` (contract: v2, section 3, "Snaps", and v2-observed).

use super::apps::AppBody;
use super::{Call, Reply, download, find, upload};
use crate::domain::requester::Role;
use crate::domain::{ErrorKind, Fault, Plan, Revision, SnapRecord};
use crate::managers::services::{AppView, Services};
use crate::managers::snaps::{RemoveOptions, Sideload, SideloadFlags, SnapView, Which};
use axum::http::header;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A snap as the contract shows it, in its order of names.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct SnapBody<'a> {
    id: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    title: &'a str,
    summary: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<String>,
    installed_size: u64,
    install_date: String,
    name: &'a str,
    developer: &'static str,
    status: &'static str,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<&'a str>,
    version: &'a str,
    channel: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    tracking_channel: &'a str,
    ignore_validation: bool,
    revision: String,
    confinement: String,
    private: bool,
    devmode: bool,
    jailmode: bool,
    #[serde(skip_serializing_if = "is_false")]
    trymode: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    apps: Vec<AppBody>,
    contact: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    license: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    common_ids: Vec<&'a str>,
    mounted_from: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    website: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    links: &'a BTreeMap<String, Vec<String>>,
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The apps of the revision that is shown.
fn apps(view: &SnapView, services: &Services) -> Vec<AppView> {
    let shown = view.revision.revision;
    if view.record.current == shown {
        return services.apps_of(&view.record);
    }
    services.apps_of(&SnapRecord {
        current: shown,
        active: false,
        ..SnapRecord::clone(&view.record)
    })
}

impl<'a> SnapBody<'a> {
    fn new(view: &'a SnapView, services: &Services) -> Self {
        let (record, info) = (&view.record, &view.revision.info);
        let first_link = |name: &str| {
            let links = info.links.get(name);
            links.and_then(|links| links.first()).map_or("", String::as_str)
        };
        Self {
            id: "",
            title: &info.title,
            summary: &info.summary,
            description: &info.description,
            icon: view
                .icon
                .as_ref()
                .map(|_| format!("/v2/icons/{}/icon", info.name)),
            installed_size: view.revision.file.size,
            install_date: view.revision.installed.rfc3339(),
            name: info.name.as_str(),
            developer: "",
            status: if view.active { "active" } else { "installed" },
            kind: info.kind.to_string(),
            base: info.base.as_deref(),
            version: &info.version,
            channel: "",
            tracking_channel: &record.tracking_channel,
            ignore_validation: false,
            revision: view.revision.revision.to_string(),
            confinement: info.confinement.to_string(),
            private: false,
            devmode: record.devmode,
            jailmode: record.jailmode,
            trymode: record.try_mode,
            apps: apps(view, services).into_iter().map(AppBody::from).collect(),
            contact: first_link("contact"),
            license: &info.license,
            common_ids: info
                .apps
                .values()
                .filter_map(|app| app.common_id.as_deref())
                .collect(),
            mounted_from: view.file.to_string_lossy().into_owned(),
            website: first_link("website"),
            links: &info.links,
        }
    }
}

/// GET /v2/snaps.
pub async fn list(call: Call) -> Result<Reply, Fault> {
    // What older clients meant for the store (contract: v2, "GET /v2/snaps").
    let for_store = call.query.get("q").is_some()
        || call
            .query
            .all("sources")
            .any(|sources| sources.is_empty() || sources.contains("store"));
    if for_store {
        return find::find(call).await;
    }
    let which = match call.query.text("select") {
        "" | "enabled" => Which::Current,
        "all" => Which::All,
        other => {
            return Err(Fault::bad(format!(
                "invalid value for select: {other:?}; use enabled or all"
            )));
        }
    };
    let names = call.query.list("snaps");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let views = call.managers.snaps.list(which, &names);
    let bodies: Vec<SnapBody> = views
        .iter()
        .map(|view| SnapBody::new(view, &call.managers.services))
        .collect();
    Reply::from_sources(&bodies, &["local"])
}

/// GET /v2/snaps/{name}.
pub async fn one(call: Call) -> Result<Reply, Fault> {
    let view = call.managers.snaps.one(call.param("name"))?;
    Reply::of(&SnapBody::new(&view, &call.managers.services))
}

/// GET /v2/icons/{name}/icon: the picture as it is.
pub async fn icon(call: Call) -> Result<Reply, Fault> {
    let view = call.managers.snaps.one(call.param("name"))?;
    let path = view
        .icon
        .ok_or_else(|| Fault::new(ErrorKind::NotFound, "local snap has no icon"))?;
    let kind = match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => "image/svg+xml",
        _ => "image/png",
    };
    download::file(path, kind, None).await
}

/// GET /v2/snaps/{name}/file: the snap file, whole or a range of it.
pub async fn file(call: Call) -> Result<Reply, Fault> {
    let name = call.param("name");
    let view = call.managers.snaps.one(name)?;
    if !view.active {
        return Err(Fault::bad(format!(
            "cannot download file of inactive snap {name:?}: enable it first"
        )));
    }
    if view.record.try_mode {
        return Err(Fault::bad(format!(
            "cannot download file for try-mode snap {name:?}"
        )));
    }
    let range = call
        .headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok());
    download::file(view.file, "application/octet-stream", range).await
}

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
    match form.text("action") {
        None | Some("" | "install") => {}
        Some("try") => {
            return Err(Fault::bad(
                "trying a folder is not supported: pack it with pinion pack and install the file",
            ));
        }
        Some(other) => {
            return Err(Fault::bad(format!("unknown action {other}: use install")));
        }
    }
    if form.files.is_empty() {
        return Err(Fault::bad(
            "cannot find \"snap\" file field in provided multipart/form-data payload",
        ));
    }
    let flags = SideloadFlags {
        dangerous: form.flag("dangerous"),
        devmode: form.flag("devmode"),
        jailmode: form.flag("jailmode"),
        classic: form.flag("classic"),
        all_or_none: all_or_none(form.text("transaction"))?,
    };
    // decision 3: operators over TLS may not weaken confinement or leave out signatures
    if (flags.dangerous || flags.devmode || flags.classic) && call.who.role < Role::Admin {
        return Err(Fault::new(ErrorKind::Forbidden, "access denied"));
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
#[serde(default, rename_all = "kebab-case")]
struct Many {
    action: String,
    snaps: Vec<String>,
    channel: String,
    revision: String,
    devmode: bool,
    jailmode: bool,
    cohort_key: String,
    leave_cohort: bool,
    purge: bool,
    transaction: String,
}

fn many(call: &Call, body: &Many) -> Result<Plan, Fault> {
    let unsupported = !body.channel.is_empty()
        || !body.revision.is_empty()
        || body.devmode
        || body.jailmode
        || !body.cohort_key.is_empty()
        || body.leave_cohort
        || body.purge;
    if unsupported {
        return Err(Fault::bad("unsupported option provided for multi-snap operation"));
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

fn no_store(name: &str) -> Fault {
    Fault::new(
        ErrorKind::SnapNotFound,
        format!("cannot install {name:?}: there is no store here; install it from its file"),
    )
    .with(name)
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
#[serde(default, rename_all = "kebab-case")]
struct One {
    action: String,
    channel: String,
    revision: String,
    cohort_key: String,
    leave_cohort: bool,
    devmode: bool,
    jailmode: bool,
    classic: bool,
    transaction: String,
}

/// POST /v2/snaps/{name}: an action on one snap.
pub async fn act(mut call: Call) -> Result<Reply, Fault> {
    let body: One = call.json().await?;
    let name = call.param("name").to_owned();
    let plan = single(&call, &name, &body)?;
    submit(call, plan).await
}

/// Options that do not go together (contract: v2, "Validation 400s").
fn check(body: &One) -> Result<(), Fault> {
    let action = body.action.as_str();
    let cohort = !body.cohort_key.is_empty();
    if cohort && !matches!(action, "install" | "refresh" | "switch") {
        return Err(Fault::bad(
            "cohort-key can only be specified for install, refresh, or switch",
        ));
    }
    if body.leave_cohort && !matches!(action, "refresh" | "switch") {
        return Err(Fault::bad(
            "leave-cohort can only be specified for refresh or switch",
        ));
    }
    if cohort && body.leave_cohort {
        return Err(Fault::bad("cannot specify both cohort-key and leave-cohort"));
    }
    if cohort && !body.revision.is_empty() {
        return Err(Fault::bad("cannot specify both cohort-key and revision"));
    }
    if !body.transaction.is_empty() {
        if !matches!(action, "install" | "refresh") {
            return Err(Fault::bad(
                "transaction type is unsupported for this action: leave it out",
            ));
        }
        all_or_none(Some(&body.transaction))?;
    }
    if body.devmode && body.jailmode {
        return Err(Fault::bad("cannot use devmode and jailmode flags together"));
    }
    if body.devmode && body.classic {
        return Err(Fault::bad("cannot use classic and devmode flags together"));
    }
    if matches!(action, "enable" | "disable" | "switch") && !body.revision.is_empty() {
        return Err(Fault::bad(format!("{action} takes no revision")));
    }
    Ok(())
}

fn single(call: &Call, name: &str, body: &One) -> Result<Plan, Fault> {
    let known = [
        "install", "refresh", "remove", "revert", "enable", "disable", "switch",
    ];
    if !known.contains(&body.action.as_str()) {
        return Err(Fault::bad(format!("unknown action {}", body.action)));
    }
    check(body)?;
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
            Err(Fault::new(
                ErrorKind::SnapLocal,
                format!("local snap {name:?} is unknown to the store: install a newer file over it"),
            )
            .with(Value::String(String::new())))
        }
        "remove" => {
            let revision = match body.revision.as_str() {
                "" => None,
                text => Some(
                    text.parse::<Revision>()
                        .map_err(|error| Fault::bad(error.to_string()))?,
                ),
            };
            snaps.plan_remove(name, RemoveOptions { revision })
        }
        "enable" => snaps.plan_enable(name),
        "disable" => snaps.plan_disable(name),
        other => {
            installed(call, name)?;
            Err(Fault::bad(format!(
                "this agent cannot {other} snaps yet: install the wanted file instead"
            )))
        }
    }
}
