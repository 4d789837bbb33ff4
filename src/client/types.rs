//! The wire as a client reads it (contract: v2, section 3). Fields that a server may leave out have defaults;
//! fields that we do not show are not listed.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What every answer is wrapped in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Envelope {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub result: Value,
    pub change: Option<String>,
    #[serde(default)]
    pub warning_count: u64,
}

/// `GET /v2/system-info`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct SystemInfo {
    pub series: String,
    pub version: String,
    pub os_release: OsRelease,
    pub on_classic: bool,
    pub kernel_version: String,
    pub architecture: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct OsRelease {
    pub id: String,
    pub version_id: String,
}

/// How far a task has come.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Progress {
    pub label: String,
    pub done: u64,
    pub total: u64,
}

/// One step of a change.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Task {
    pub id: String,
    pub kind: String,
    pub summary: String,
    pub status: String,
    pub log: Vec<String>,
    pub progress: Progress,
    pub spawn_time: String,
    pub ready_time: Option<String>,
}

/// A request that takes steps.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Change {
    pub id: String,
    pub kind: String,
    pub summary: String,
    pub status: String,
    pub tasks: Vec<Task>,
    pub ready: bool,
    pub err: String,
    pub spawn_time: String,
    pub ready_time: Option<String>,
    pub data: Map<String, Value>,
}

impl Change {
    /// The snaps that it is about, as far as its data names them.
    pub fn snap_names(&self) -> Vec<String> {
        match (self.data.get("snap-name"), self.data.get("snap-names")) {
            (Some(Value::String(name)), _) => vec![name.clone()],
            (_, Some(Value::Array(names))) => names
                .iter()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
            _ => Vec::new(),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Publisher {
    pub username: String,
    pub display_name: String,
}

/// An installed snap.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Snap {
    pub name: String,
    pub title: String,
    pub summary: String,
    pub description: String,
    pub version: String,
    pub revision: String,
    pub status: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub base: String,
    pub tracking_channel: String,
    pub publisher: Option<Publisher>,
    pub developer: String,
    pub confinement: String,
    pub devmode: bool,
    pub jailmode: bool,
    pub trymode: bool,
    pub broken: String,
    pub license: String,
    pub installed_size: u64,
    pub install_date: Option<String>,
    pub mounted_from: String,
    pub apps: Vec<App>,
    /// What the snap said last: `status`, `message`, `code`, `timestamp`, `revision`.
    pub health: Map<String, Value>,
}

impl Snap {
    /// A word of its health; empty when it said nothing.
    pub fn health_word(&self, name: &str) -> &str {
        self.health.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Activator {
    pub name: String,
    #[serde(rename = "Type")]
    pub kind: String,
    pub active: bool,
    pub enabled: bool,
}

/// A command or service of a snap.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct App {
    pub snap: String,
    pub name: String,
    pub daemon: String,
    pub enabled: bool,
    pub active: bool,
    pub activators: Vec<Activator>,
}

/// One end of a connection.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlugEnd {
    #[serde(default)]
    pub snap: String,
    #[serde(default)]
    pub plug: String,
}

/// The other end.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlotEnd {
    #[serde(default)]
    pub snap: String,
    #[serde(default)]
    pub slot: String,
}

/// `GET /v2/connections`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Connections {
    pub established: Vec<Connection>,
    pub undesired: Vec<Connection>,
    pub plugs: Vec<Plug>,
    pub slots: Vec<Slot>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Connection {
    pub slot: SlotEnd,
    pub plug: PlugEnd,
    pub interface: String,
    pub manual: bool,
    pub gadget: bool,
    pub slot_attrs: Map<String, Value>,
    pub plug_attrs: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Plug {
    pub snap: String,
    pub plug: String,
    pub interface: String,
    pub attrs: Map<String, Value>,
    pub connections: Vec<SlotEnd>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Slot {
    pub snap: String,
    pub slot: String,
    pub interface: String,
    pub attrs: Map<String, Value>,
    pub connections: Vec<PlugEnd>,
}

/// One row of `GET /v2/interfaces?select=…`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Interface {
    pub name: String,
    pub summary: String,
    pub doc_url: String,
    pub plugs: Vec<Plug>,
    pub slots: Vec<Slot>,
}

/// One warning.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Warning {
    pub message: String,
    pub first_added: String,
    pub last_added: String,
    pub last_shown: Option<String>,
    pub expire_after: String,
    pub repeat_after: String,
}

/// `GET /v2/hardware`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Hardware {
    /// The board: a name, or an object with one.
    pub board: Value,
    pub chips: Vec<Chip>,
    pub lines: Vec<Line>,
    pub leds: Vec<Led>,
}

impl Hardware {
    /// The board's name for people.
    pub fn board_name(&self) -> &str {
        let named = |key: &str| self.board.get(key).and_then(Value::as_str);
        self.board
            .as_str()
            .or_else(|| named("title"))
            .or_else(|| named("name"))
            .unwrap_or("no board")
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Chip {
    pub name: String,
    pub label: String,
    /// How many lines it has.
    pub lines: u64,
    pub capabilities: Value,
    pub on_release: String,
}

/// One line of a chip.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Line {
    pub name: String,
    pub chip: String,
    pub offset: u32,
    pub header_pin: Option<u32>,
    /// The header of that pin, where the board has several.
    pub header: Option<String>,
    pub direction: Option<String>,
    pub value: Option<u8>,
    pub active_low: bool,
    pub consumer: Option<String>,
    pub plug: Option<End>,
    pub slot: Option<End>,
    pub safe_value: Option<u8>,
}

impl Line {
    /// Who holds it, for people: the plug, else the consumer that the kernel names.
    pub fn holder(&self) -> String {
        match (&self.plug, &self.consumer) {
            (Some(plug), _) => plug.to_string(),
            (None, Some(consumer)) => consumer.clone(),
            (None, None) => String::new(),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Led {
    pub name: String,
    pub brightness: Option<u32>,
    pub max_brightness: Option<u32>,
    pub trigger: Option<String>,
    pub triggers: Vec<String>,
    pub line: Option<String>,
    pub plug: Option<End>,
    pub slot: Option<End>,
    pub colour: Option<String>,
}

/// A plug or slot on the hardware's side: `SNAP:NAME`, or an object with the two.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum End {
    Text(String),
    Object(BTreeMap<String, Value>),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Object(object) => {
                let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
                let name = if object.contains_key("plug") {
                    text("plug")
                } else {
                    text("slot")
                };
                write!(f, "{}:{name}", text("snap"))
            }
        }
    }
}
