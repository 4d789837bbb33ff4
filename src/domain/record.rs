//! What the store keeps of snaps, connections and hardware.

use super::hardware::Direction;
use super::{Attrs, ConnRef, Revision, SnapInfo, SnapName, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What a snap file was when it was checked; held against the file before each mount (decision 20).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileIdentity {
    pub device: u64,
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified: i64,
    /// SHA3-384 of the whole file, in hexadecimal.
    pub sha3_384: String,
    /// The folder that is tried in place of a file; then nothing of the above is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
}

/// One installed revision of a snap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RevisionRecord {
    pub revision: Revision,
    pub installed: Timestamp,
    pub file: FileIdentity,
    pub info: Arc<SnapInfo>,
}

/// What one alias of a snap leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AliasTarget {
    /// The app that an operator has given the alias.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manual: Option<String>,
    /// The app that the snap's declaration gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto: Option<String>,
}

/// The aliases of a snap (contract: snaps-and-assertions, section 4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Aliases {
    pub targets: BTreeMap<String, AliasTarget>,
    /// The automatic ones are not in force.
    pub auto_disabled: bool,
}

impl Aliases {
    /// The app that an alias leads to at present: the manual one, else the automatic one unless those are disabled.
    pub fn effective<'a>(&self, target: &'a AliasTarget) -> Option<&'a str> {
        let auto = target.auto.as_deref().filter(|_| !self.auto_disabled);
        target.manual.as_deref().or(auto)
    }

    /// Every alias that is in force, with its app.
    pub fn in_force(&self) -> impl Iterator<Item = (&str, &str)> {
        self.targets
            .iter()
            .filter_map(|(alias, target)| Some((alias.as_str(), self.effective(target)?)))
    }

    /// Nothing is kept of aliases.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One installed snap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapRecord {
    pub name: SnapName,
    /// It is linked and may run.
    pub active: bool,
    /// The revision that is linked, or was before it was disabled.
    pub current: Revision,
    /// Installed revisions in the order of their installation.
    pub sequence: Vec<RevisionRecord>,
    #[serde(default)]
    pub devmode: bool,
    #[serde(default)]
    pub jailmode: bool,
    #[serde(default)]
    pub classic: bool,
    /// The channel that it follows, in full; empty for none.
    #[serde(default)]
    pub tracking_channel: String,
    /// The cohort that it follows; empty for none.
    #[serde(default)]
    pub cohort_key: String,
    /// Services that the operator disabled.
    #[serde(default)]
    pub disabled_services: Vec<String>,
    #[serde(default, skip_serializing_if = "Aliases::is_default")]
    pub aliases: Aliases,
}

impl SnapRecord {
    /// The record of the current revision.
    pub fn current_revision(&self) -> Option<&RevisionRecord> {
        self.revision(self.current)
    }

    /// The record of a revision.
    pub fn revision(&self, revision: Revision) -> Option<&RevisionRecord> {
        self.sequence.iter().find(|record| record.revision == revision)
    }

    /// What the current revision says of itself.
    pub fn info(&self) -> Option<&Arc<SnapInfo>> {
        self.current_revision().map(|record| &record.info)
    }
}

/// One remembered connection (contract: interfaces-and-hardware, section 1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectionRecord {
    pub connection: ConnRef,
    pub interface: String,
    /// Made by the auto-connect pass.
    #[serde(default)]
    pub auto: bool,
    /// Asked for by the gadget.
    #[serde(default)]
    pub by_gadget: bool,
    /// Was automatic and has been disconnected: remembered so that it is not made again.
    #[serde(default)]
    pub undesired: bool,
    /// The device of its slot went away; it comes back with it.
    #[serde(default)]
    pub gone: bool,
    /// What that device is known by, when its slot comes and goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hotplug_key: Option<String>,
    #[serde(default)]
    pub plug_static: Attrs,
    #[serde(default)]
    pub plug_dynamic: Attrs,
    #[serde(default)]
    pub slot_static: Attrs,
    #[serde(default)]
    pub slot_dynamic: Attrs,
}

impl ConnectionRecord {
    /// It is in force (and not only remembered).
    pub fn is_established(&self) -> bool {
        !self.undesired && !self.gone
    }
}

/// What was configured for a line and is kept over restarts (decision 12).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineSetting {
    /// The line's name on its board.
    pub line: String,
    pub direction: Option<Direction>,
    /// Logical level, 0 or 1.
    pub safe_value: Option<u8>,
    pub active_low: Option<bool>,
}

/// What was configured for an LED and is kept over restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedSetting {
    /// The LED's name on its board.
    pub led: String,
    pub brightness: Option<u32>,
    pub trigger: Option<String>,
}

/// How a snap is, by its own word (contract: confinement, section 7, `set-health`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthStatus {
    /// Its check-health hook failed or said nothing.
    Unknown,
    Okay,
    Waiting,
    Blocked,
    Error,
}

impl HealthStatus {
    /// Every status with the word for it.
    pub const WORDS: [(Self, &'static str); 5] = [
        (Self::Unknown, "unknown"),
        (Self::Okay, "okay"),
        (Self::Waiting, "waiting"),
        (Self::Blocked, "blocked"),
        (Self::Error, "error"),
    ];

    /// The status of that word.
    pub fn parse(word: &str) -> Option<Self> {
        let known = Self::WORDS.into_iter().find(|(_, known)| *known == word);
        known.map(|(status, _)| status)
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        let known = Self::WORDS.iter().find(|(known, _)| *known == self);
        known.map_or("unknown", |(_, word)| word)
    }
}

/// What a revision of a snap said last of its health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub status: HealthStatus,
    /// Empty when all is well.
    pub message: String,
    /// For programs; mostly empty.
    pub code: String,
    pub time: Timestamp,
    /// A hook of this revision said it, and not a service or an app of the snap.
    #[serde(default)]
    pub by_hook: bool,
}

/// A warning for the operator (contract: v2, Warnings). Durations in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    pub message: String,
    pub first_added: Timestamp,
    pub last_added: Timestamp,
    pub last_shown: Option<Timestamp>,
    pub expire_after: i64,
    pub repeat_after: i64,
}

impl Warning {
    /// It has something to say at `now`.
    pub fn is_pending(&self, now: Timestamp) -> bool {
        self.last_shown
            .is_none_or(|shown| shown.plus_seconds(self.repeat_after) < now)
    }
}

/// A persisted, coalesced note that something moved (contract: v2-newer, section 1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub id: u64,
    /// `None` is public.
    pub user: Option<u32>,
    pub kind: String,
    pub key: String,
    pub first_occurred: Timestamp,
    pub last_occurred: Timestamp,
    pub last_repeated: Timestamp,
    pub occurrences: u64,
    pub last_data: std::collections::BTreeMap<String, String>,
}

/// One line of the audit table: who did what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    pub time: Timestamp,
    pub requester: String,
    pub action: String,
}
