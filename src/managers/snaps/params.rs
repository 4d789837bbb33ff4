//! What the tasks of this manager are given by their plans.

use crate::domain::{FileIdentity, Revision, SnapInfo, SnapName, SnapRecord};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How a snap is installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Flags {
    pub devmode: bool,
    pub jailmode: bool,
    pub classic: bool,
}

impl Flags {
    pub(super) fn of(record: &SnapRecord) -> Self {
        Self {
            devmode: record.devmode,
            jailmode: record.jailmode,
            classic: record.classic,
        }
    }

    pub(super) fn put(self, record: &mut SnapRecord) {
        record.devmode = self.devmode;
        record.jailmode = self.jailmode;
        record.classic = self.classic;
    }
}

/// What was before, for the way back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Before {
    pub current: Revision,
    pub flags: Flags,
}

/// The parameters of every task of this manager. A task leaves out what it does not need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Setup {
    pub snap: SnapName,
    pub revision: Revision,
    /// The file as it was uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<PathBuf>,
    /// What the file was when it was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileIdentity>,
    /// The file is a folder, tried for the first time.
    #[serde(default, skip_serializing_if = "is_false")]
    pub tries: bool,
    #[serde(default)]
    pub flags: Flags,
    /// The installed snap that this revision takes over from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Setup {
    /// The revision comes with the change: undone, it goes again.
    pub(super) fn brings(&self) -> bool {
        self.tries || self.upload.is_some()
    }

    /// The current revision, for tasks that bring nothing new.
    pub(super) fn of_current(record: &SnapRecord) -> Self {
        Self {
            snap: record.name.clone(),
            revision: record.current,
            upload: None,
            file: None,
            tries: false,
            flags: Flags::of(record),
            before: None,
        }
    }
}

/// What the `switch-snap` task is given: what the snap follows afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Switch {
    pub snap: SnapName,
    /// In full; empty for none.
    pub channel: String,
    /// Empty for none.
    pub cohort_key: String,
}

/// What the `prerequisites` task is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Prerequisites {
    pub snap: SnapName,
    /// The base, if one is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    #[serde(default)]
    pub assumes: Vec<String>,
}

impl Prerequisites {
    /// What a revision needs.
    pub(super) fn of(info: &SnapInfo) -> Self {
        Self {
            snap: info.name.clone(),
            base: info.needed_base().map(str::to_owned),
            assumes: info.assumes.clone(),
        }
    }
}
