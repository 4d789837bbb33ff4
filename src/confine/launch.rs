//! The launch description: what the launcher must know of a snap, kept by the agent in a file that anyone may read.
//! It holds no secrets.

use crate::domain::snap::{AppInfo, Confinement};
use crate::domain::{Dirs, Revision, SnapInfo, SnapName, json};
use crate::drivers::fs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One plug that is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchPlug {
    /// Its interface.
    pub interface: String,
    /// What it got, by the last part of the variable's name: `LINE`, `CHIP`, `LED`, `PATH`, `LINES`.
    pub grants: BTreeMap<String, String>,
    /// The devices that its slot names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
}

/// A snap that may be started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    pub info: Arc<SnapInfo>,
    pub revision: Revision,
    /// As installed: `--devmode` and `--jailmode` are in it.
    pub confinement: Confinement,
    /// Connected plugs by name.
    pub plugs: BTreeMap<String, LaunchPlug>,
}

impl Launch {
    /// Reads the description of an active snap.
    pub fn read(dirs: &Dirs, snap: &SnapName) -> Result<Self, String> {
        let path = dirs.launch(snap);
        let text = std::fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => String::from("the agent has not prepared it; is pinion running?"),
            _ => format!("cannot read {}: {error}", path.display()),
        })?;
        json::decode(&text).map_err(|error| format!("cannot use {}: {error}", path.display()))
    }

    /// Writes it where the launcher looks; says whether that changed anything.
    pub fn write(&self, dirs: &Dirs) -> Result<bool, fs::FileError> {
        let path = dirs.launch(&self.info.name);
        // A SnapInfo has only text keys: it can always be written as JSON.
        let text = serde_json::to_vec(self).unwrap_or_default();
        if std::fs::read(&path).is_ok_and(|present| present == text) {
            return Ok(false);
        }
        fs::make_dir(&dirs.launches(), 0o755)?;
        fs::write_volatile(&path, &text, 0o644)?;
        Ok(true)
    }
}

/// The last word of the control group of a service's command that a person starts.
pub const BY_PERSON: &str = "run";

/// The security tag of an app: `snap.NAME.APP`.
pub fn tag_of_app(snap: &SnapName, app: &str) -> String {
    format!("snap.{snap}.{app}")
}

/// The name of the control group of an app that a person starts. That of a service is the agent's: whoever is in it ends
/// with the service, and keeps it from being over.
pub fn group_of_person(snap: &SnapName, app: &AppInfo) -> String {
    let tag = tag_of_app(snap, &app.name);
    if app.is_service() {
        format!("{tag}.{BY_PERSON}")
    } else {
        tag
    }
}

/// The security tag of a hook: `snap.NAME.hook.HOOK`.
pub fn tag_of_hook(snap: &SnapName, hook: &str) -> String {
    format!("snap.{snap}.hook.{hook}")
}
