//! What the gadget configures snaps with when they are installed (contract: snaps-and-assertions, section 4). Snaps
//! from files have no id: they are meant by their names.

use super::system;
use crate::domain::{PlannedTask, SnapName, kinds};
use crate::store::World;
use serde_json::{Map, Value, json};

/// The keys under which a gadget has the system's options: the word, and the id of the system's snap.
const SYSTEM: [&str; 2] = [SnapName::SYSTEM, "99T7MUlRhtI3U0QFgl5mXXESAiSwt776"];

/// What a new snap starts with; and for the gadget itself the task that gives the system its options.
pub(super) fn of(world: &World, snap: &SnapName) -> (Map<String, Value>, Option<PlannedTask>) {
    let Some((gadget, asked)) = world.gadget() else {
        return (Map::new(), None);
    };
    let own = asked.defaults.get(snap.as_str()).cloned().unwrap_or_default();
    let system: Map<String, Value> = SYSTEM
        .iter()
        .filter_map(|key| asked.defaults.get(*key))
        .flat_map(|values| values.clone())
        .collect();
    if gadget != snap || system.is_empty() {
        return (own, None);
    }
    let name = &*system::STORED;
    let task = PlannedTask::new(
        kinds::RUN_HOOK,
        format!("Run configure hook of {:?} snap", name.as_str()),
        json!({"snap": name, "hook": "configure", "patch": system}),
    );
    (own, Some(task))
}
