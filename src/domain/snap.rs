//! What a snap says of itself: the parsed and validated `meta/snap.yaml`.

use super::{Attrs, SnapName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The name of this machine's architecture as Debian and snaps spell it.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "armhf",
        "x86" => "i386",
        "powerpc64" => "ppc64el",
        other => other,
    }
}

/// What a snap is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SnapType {
    #[default]
    App,
    Gadget,
    Kernel,
    Base,
    Os,
    Snapd,
}

impl fmt::Display for SnapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::App => "app",
            Self::Gadget => "gadget",
            Self::Kernel => "kernel",
            Self::Base => "base",
            Self::Os => "os",
            Self::Snapd => "snapd",
        })
    }
}

/// How a snap asks to be confined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Confinement {
    #[default]
    Strict,
    Devmode,
    Classic,
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strict => "strict",
            Self::Devmode => "devmode",
            Self::Classic => "classic",
        })
    }
}

/// Which data formats a revision reads and writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    pub read: Vec<u32>,
    pub write: Vec<u32>,
}

impl Default for Epoch {
    fn default() -> Self {
        Self {
            read: vec![0],
            write: vec![0],
        }
    }
}

/// How a service is started and known to be up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Daemon {
    Simple,
    Forking,
    Oneshot,
    Dbus,
    Notify,
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Simple => "simple",
            Self::Forking => "forking",
            Self::Oneshot => "oneshot",
            Self::Dbus => "dbus",
            Self::Notify => "notify",
        })
    }
}

/// When a service that ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartCondition {
    Never,
    OnSuccess,
    #[default]
    OnFailure,
    OnAbnormal,
    OnAbort,
    OnWatchdog,
    Always,
}

/// A socket that starts a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketInfo {
    pub listen_stream: String,
    pub mode: Option<u32>,
}

/// One command or service of a snap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AppInfo {
    pub name: String,
    pub command: String,
    pub command_chain: Vec<String>,
    pub daemon: Option<Daemon>,
    /// `user` daemons are known but not run.
    pub daemon_scope_user: bool,
    pub stop_command: Option<String>,
    pub reload_command: Option<String>,
    pub post_stop_command: Option<String>,
    /// Milliseconds.
    pub start_timeout: Option<u64>,
    /// Milliseconds; 30 s when not given.
    pub stop_timeout: Option<u64>,
    /// Milliseconds.
    pub watchdog_timeout: Option<u64>,
    pub restart_condition: RestartCondition,
    /// Milliseconds.
    pub restart_delay: Option<u64>,
    pub refresh_mode: String,
    pub stop_mode: String,
    /// False for `install-mode: disable`.
    pub install_disabled: bool,
    /// Names of the plugs it is bound to (unscoped ones included).
    pub plugs: Vec<String>,
    /// Names of the slots it is bound to (unscoped ones included).
    pub slots: Vec<String>,
    pub bus_name: Option<String>,
    pub activates_on: Vec<String>,
    pub common_id: Option<String>,
    /// In the order of the file.
    pub environment: Vec<(String, String)>,
    pub sockets: BTreeMap<String, SocketInfo>,
    pub after: Vec<String>,
    pub before: Vec<String>,
    pub timer: Option<String>,
    pub autostart: Option<String>,
    pub completer: Option<String>,
}

impl AppInfo {
    /// It is a service of the system.
    pub fn is_service(&self) -> bool {
        self.daemon.is_some()
    }
}

/// One hook of a snap: declared, or an executable file in `meta/hooks`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HookInfo {
    pub name: String,
    pub plugs: Vec<String>,
    pub slots: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub command_chain: Vec<String>,
}

/// A plug or a slot as its snap declares it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndInfo {
    pub name: String,
    pub interface: String,
    pub label: String,
    pub attrs: Attrs,
    /// The apps bound to it, sorted.
    pub apps: Vec<String>,
    /// The hooks bound to it, sorted.
    pub hooks: Vec<String>,
}

/// One layout entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LayoutInfo {
    pub path: String,
    pub bind: Option<String>,
    pub bind_file: Option<String>,
    pub tmpfs: bool,
    pub symlink: Option<String>,
    pub user: String,
    pub group: String,
    pub mode: u32,
}

/// Everything a snap says of itself, and what was dropped because it was wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapInfo {
    pub name: SnapName,
    pub version: String,
    pub kind: SnapType,
    pub architectures: Vec<String>,
    pub assumes: Vec<String>,
    pub title: String,
    pub summary: String,
    pub description: String,
    pub license: String,
    pub epoch: Epoch,
    /// `None` when not given (then `core` for apps).
    pub base: Option<String>,
    pub confinement: Confinement,
    /// `stable` or `devel`.
    pub grade: String,
    pub environment: Vec<(String, String)>,
    pub plugs: BTreeMap<String, EndInfo>,
    pub slots: BTreeMap<String, EndInfo>,
    pub apps: BTreeMap<String, AppInfo>,
    pub hooks: BTreeMap<String, HookInfo>,
    pub layout: Vec<LayoutInfo>,
    pub links: BTreeMap<String, Vec<String>>,
    /// Plugs and slots that were left out, each with its reason (contract: the snap still installs).
    pub dropped: Vec<String>,
    /// The names of its desktop files that can be used.
    #[serde(default)]
    pub desktop_files: Vec<String>,
    /// What a gadget asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gadget: Option<GadgetInfo>,
}

/// What a gadget asks for beside its slots. A snap is named by its id, `system`, or for a snap from a file its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GadgetInfo {
    /// What snaps are configured with when they are installed.
    pub defaults: BTreeMap<String, Attrs>,
    pub connections: Vec<GadgetConnection>,
}

/// A connection that a gadget asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GadgetConnection {
    pub plug_snap: String,
    pub plug: String,
    pub slot_snap: String,
    pub slot: String,
}

impl SnapInfo {
    /// A snap that says nothing but its name: what a parser starts from.
    pub fn named(name: SnapName) -> Self {
        Self {
            name,
            version: String::new(),
            kind: SnapType::default(),
            architectures: Vec::new(),
            assumes: Vec::new(),
            title: String::new(),
            summary: String::new(),
            description: String::new(),
            license: String::new(),
            epoch: Epoch::default(),
            base: None,
            confinement: Confinement::default(),
            grade: String::new(),
            environment: Vec::new(),
            plugs: BTreeMap::new(),
            slots: BTreeMap::new(),
            apps: BTreeMap::new(),
            hooks: BTreeMap::new(),
            layout: Vec::new(),
            links: BTreeMap::new(),
            dropped: Vec::new(),
            gadget: None,
            desktop_files: Vec::new(),
        }
    }

    /// The base whose presence an install asks for; `None` when none is needed.
    pub fn needed_base(&self) -> Option<&str> {
        match (self.kind, self.base.as_deref()) {
            (_, Some("none")) => None,
            (SnapType::App | SnapType::Gadget, Some(base)) => Some(base),
            (SnapType::App, None) => Some("core"),
            _ => None,
        }
    }

    /// Its services, sorted by name.
    pub fn services(&self) -> impl Iterator<Item = &AppInfo> {
        self.apps.values().filter(|app| app.is_service())
    }
}
