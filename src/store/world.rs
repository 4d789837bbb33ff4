//! One moment of everything that the store keeps, in memory.

use crate::domain::hardware::PluggedSlot;
use crate::domain::record::{Health, LedSetting, LineSetting, Notice, Warning};
use crate::domain::snap::GadgetInfo;
use crate::domain::{Change, ChangeId, ConnRef, ConnectionRecord, Revision, SnapName, SnapRecord, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many ready changes are kept in memory; older ones are read from the store (decision 22).
pub const READY_IN_MEMORY: usize = 500;

/// Counters that only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The last change's id.
    pub change: u64,
    /// The last task's id.
    pub task: u64,
    /// The last lane's number.
    pub lane: u64,
    /// The last notice's id.
    pub notice: u64,
}

/// An immutable moment of the state. Cloning copies pointers only.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Installed snaps.
    pub snaps: Arc<BTreeMap<SnapName, Arc<SnapRecord>>>,
    /// Remembered connections.
    pub connections: Arc<BTreeMap<ConnRef, Arc<ConnectionRecord>>>,
    /// Live changes and the newest [`READY_IN_MEMORY`] ready ones.
    pub changes: Arc<BTreeMap<ChangeId, Arc<Change>>>,
    /// Configuration by snap; the system's is `core`'s.
    pub config: Arc<BTreeMap<SnapName, Arc<Value>>>,
    /// What the revisions of snaps said last of their health.
    pub health: Arc<BTreeMap<SnapName, BTreeMap<Revision, Health>>>,
    /// Which snap a cookie belongs to.
    pub cookies: Arc<BTreeMap<String, SnapName>>,
    /// Warnings by message.
    pub warnings: Arc<BTreeMap<String, Arc<Warning>>>,
    /// Notices by id.
    pub notices: Arc<BTreeMap<u64, Arc<Notice>>>,
    /// What was configured for lines, by board name.
    pub lines: Arc<BTreeMap<String, Arc<LineSetting>>>,
    /// What was configured for LEDs, by board name.
    pub leds: Arc<BTreeMap<String, Arc<LedSetting>>>,
    /// The slots of devices that came beside the board's own, by name. They are not kept: the devices tell.
    pub plugged: Arc<BTreeMap<String, PluggedSlot>>,
    /// The counters.
    pub counters: Counters,
    /// The newest time stamp given to a notice; the next is later.
    pub last_notice: Option<Timestamp>,
    /// Ready changes older than those in memory exist in the store.
    pub has_history: bool,
}

impl World {
    /// The record of a snap.
    pub fn snap(&self, name: &str) -> Option<&Arc<SnapRecord>> {
        self.snaps.get(name)
    }

    /// What a revision of a snap said last of its health; `None` while it has said nothing.
    pub fn health_of(&self, snap: &SnapName, revision: Revision) -> Option<&Health> {
        self.health.get(snap)?.get(&revision)
    }

    /// The gadget of the device, if it has an active one, with what it asks for.
    pub fn gadget(&self) -> Option<(&SnapName, &GadgetInfo)> {
        self.snaps
            .values()
            .filter(|record| record.active)
            .find_map(|record| {
                let gadget = record.info()?.gadget.as_ref()?;
                Some((&record.name, gadget))
            })
    }

    /// The change of that id, when it is in memory.
    pub fn change(&self, id: ChangeId) -> Option<&Arc<Change>> {
        self.changes.get(&id)
    }

    /// The unready change that is about any of these snaps.
    pub fn change_in_progress(&self, snaps: &[SnapName]) -> Option<(&Arc<Change>, SnapName)> {
        self.change_in_the_way(snaps, None)
    }

    /// The same, of all but one change.
    pub fn change_in_the_way(
        &self,
        snaps: &[SnapName],
        but: Option<ChangeId>,
    ) -> Option<(&Arc<Change>, SnapName)> {
        self.changes
            .values()
            .filter(|change| !change.is_ready() && Some(change.id) != but)
            .find_map(|change| {
                snaps
                    .iter()
                    .find(|snap| change.snaps.contains(snap))
                    .map(|snap| (change, snap.clone()))
            })
    }
}
