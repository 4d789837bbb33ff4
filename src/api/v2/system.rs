//! `/` and `/v2/system-info` (contract: v2, section 3; v2-newer, section 3).

use super::{Call, Reply};
use crate::domain::Fault;
use serde::Serialize;
use serde_json::json;
use std::path::Path;

/// What the contract's daemon says at `/`.
pub async fn root(_call: Call) -> Result<Reply, Fault> {
    Ok(Reply::Sync(json!(["TBD"])))
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct SystemInfo<'a> {
    series: &'static str,
    version: &'a str,
    build_id: &'static str,
    os_release: OsRelease<'a>,
    on_classic: bool,
    managed: bool,
    kernel_version: &'a str,
    locations: Locations<'a>,
    refresh: Refresh,
    architecture: &'a str,
    system_mode: &'static str,
    snapd_bin_from: &'static str,
    confinement: &'static str,
    sandbox_features: SandboxFeatures,
    /// Ours: the agent's own user has root's rights (decision 1).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    developer_mode: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct OsRelease<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version_id: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct Locations<'a> {
    snap_mount_dir: &'a Path,
    snap_bin_dir: &'a Path,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Refresh {
    timer: &'static str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct SandboxFeatures {
    confinement_options: [&'static str; 2],
    /// Ours: what the launcher enforces.
    launcher: Vec<&'static str>,
}

/// GET /v2/system-info.
pub async fn info(call: Call) -> Result<Reply, Fault> {
    let facts = call.managers.system.facts();
    Reply::of(&SystemInfo {
        series: "16",
        version: &facts.version,
        build_id: concat!("pinion-", env!("CARGO_PKG_VERSION")),
        os_release: OsRelease {
            id: &facts.os_release.id,
            version_id: &facts.os_release.version_id,
        },
        on_classic: facts.on_classic,
        managed: false,
        kernel_version: &facts.kernel_version,
        locations: Locations {
            snap_mount_dir: &facts.snap_mount_dir,
            snap_bin_dir: &facts.snap_bin_dir,
        },
        refresh: Refresh {
            timer: "00:00~24:00/4",
        },
        architecture: facts.architecture,
        system_mode: "run",
        snapd_bin_from: "native-package",
        confinement: "partial",
        sandbox_features: SandboxFeatures {
            confinement_options: ["classic", "devmode"],
            launcher: facts.enforced.clone(),
        },
        developer_mode: facts.developer_mode,
    })
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::get;
    vec![
        get("/", "What the contract's daemon says at its root").result::<[String; 1]>(),
        get("/v2/system-info", "Versions of the agent and of its system").result::<SystemInfo<'_>>(),
    ]
}
