//! What `/v2/snaps` shows (contract: v2, section 3, "Snaps", and v2-observed). What it does is in `snap_actions`.

use super::apps::AppBody;
use super::{Call, Reply, download, find};
use crate::domain::record::Health;
use crate::domain::{ErrorKind, Fault, Revision, SnapRecord};
use crate::managers::services::{AppView, Services};
use crate::managers::snaps::{SnapView, Which};
use axum::http::header;
use serde::Serialize;
use std::collections::BTreeMap;

/// A snap as the contract shows it, in its order of names.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Snap"))]
#[serde(rename_all = "kebab-case")]
struct SnapBody<'a> {
    id: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    title: &'a str,
    summary: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    installed_size: u64,
    install_date: String,
    name: &'a str,
    developer: &'static str,
    #[cfg_attr(test, schemars(extend("enum" = ["active", "installed"])))]
    status: &'static str,
    #[serde(rename = "type")]
    #[cfg_attr(test, schemars(with = "crate::domain::snap::SnapType"))]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<&'a str>,
    version: &'a str,
    channel: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    tracking_channel: &'a str,
    ignore_validation: bool,
    revision: String,
    #[cfg_attr(test, schemars(with = "crate::domain::snap::Confinement"))]
    confinement: String,
    private: bool,
    devmode: bool,
    jailmode: bool,
    #[serde(skip_serializing_if = "is_false")]
    trymode: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    apps: Vec<AppBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<&'a str>,
    contact: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    license: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    common_ids: Vec<&'a str>,
    mounted_from: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    website: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<HealthBody<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    links: &'a BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    cohort_key: &'a str,
    /// Not in the contract: how far its packer says that it has come.
    grade: &'a str,
}

/// What a snap said last of its health.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Health"))]
struct HealthBody<'a> {
    revision: String,
    timestamp: String,
    status: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    code: &'a str,
}

impl<'a> HealthBody<'a> {
    fn new(health: &'a Health, revision: Revision) -> Self {
        Self {
            // Only a hook belongs to a revision (contract: v2-observed, "Surprises in shapes").
            revision: if health.by_hook {
                revision.to_string()
            } else {
                String::from("unset")
            },
            timestamp: health.time.rfc3339(),
            status: health.status.word(),
            message: &health.message,
            code: &health.code,
        }
    }
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_zero(number: &u64) -> bool {
    *number == 0
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
            trymode: view.is_tried(),
            apps: apps(view, services).into_iter().map(AppBody::from).collect(),
            broken: view.broken.as_deref(),
            contact: first_link("contact"),
            license: &info.license,
            common_ids: info
                .apps
                .values()
                .filter_map(|app| app.common_id.as_deref())
                .collect(),
            mounted_from: view.file.to_string_lossy().into_owned(),
            website: first_link("website"),
            health: view
                .health
                .as_ref()
                .map(|health| HealthBody::new(health, view.revision.revision)),
            links: &info.links,
            cohort_key: &record.cohort_key,
            grade: &info.grade,
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
    if view.is_tried() {
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

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::get;
    use ErrorKind as E;
    vec![
        get("/v2/snaps", "List installed snaps")
            .words(
                "select",
                &["enabled", "all"],
                "All: every revision, not only the current ones",
            )
            .list("snaps", "Only these")
            .list("sources", "With \"store\" it is like /v2/find")
            .text("q", "It is like /v2/find then")
            .result::<Vec<SnapBody<'_>>>()
            .fails(&[E::BadRequest, E::StoreUnreachable]),
        get("/v2/snaps/{name}", "One installed snap")
            .named("the name of a snap")
            .result::<SnapBody<'_>>()
            .fails(&[E::SnapNotFound]),
        get("/v2/snaps/{name}/file", "The file of a snap, or a range of it")
            .named("the name of a snap")
            .bytes(200, "application/octet-stream")
            .bytes(206, "application/octet-stream")
            .bytes(416, "application/octet-stream")
            .fails(&[E::BadRequest, E::NotFound, E::SnapNotFound]),
        get("/v2/icons/{name}/icon", "The picture of a snap")
            .named("the name of a snap")
            .bytes(200, "image/png")
            .bytes(200, "image/svg+xml")
            .fails(&[E::NotFound, E::SnapNotFound]),
    ]
}
