//! The passes over a whole snap: what connects by itself once it is linked, and what ends before it is removed
//! (contract: interfaces-and-hardware, section 2).

use super::{SnapParams, put_back};
use crate::domain::{ConnRef, ConnectionRecord, PlannedTask, SnapName, kinds, sort};
use crate::engine::{Outcome, Probe, TaskContext, TaskError, TaskKind};
use crate::managers::interfaces::plan::By;
use crate::managers::interfaces::repository::{End, Repository};
use crate::managers::interfaces::{Interfaces, plan, policy};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What `auto-disconnect` remembers: the entries that were only remembered.
const FORGOTTEN: &str = "forgotten";

/// `auto-connect`: the snap is linked now; its remembered connections come into force, its launch description is
/// written, and what connects by itself gets its tasks.
pub(super) struct AutoConnect(pub Arc<Interfaces>);

impl TaskKind for AutoConnect {
    fn kind(&self) -> &'static str {
        kinds::AUTO_CONNECT
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let params: SnapParams = task.params()?;
        let world = task.world();
        let touched = self.0.settle_hardware(&world, &params.snap, task)?;
        self.0.write_launches(&world, &touched)?;
        let view = self.0.view(&world);
        let found = candidates(&view, &params.snap);
        for text in &found.told {
            task.info(text);
        }
        let tasks = injected(&view, &params, &found.pairs);
        task.inject(tasks);
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        true
    }

    /// The launch description goes; that of the revision before comes back with the undo of `setup-profiles`.
    fn undo(&self, task: &TaskContext) -> Result<(), TaskError> {
        let params: SnapParams = task.params()?;
        Ok(self.0.services.remove_launch(&params.snap)?)
    }

    /// What it settles follows from the store, and every start settles it, too.
    fn probe(&self, _: &TaskContext) -> Probe {
        Probe::NoEffect
    }
}

/// What connects by itself.
#[derive(Default)]
struct Found<'w> {
    pairs: Vec<(End<'w>, End<'w>, By)>,
    /// Why something that could connect does not.
    told: Vec<String>,
}

/// Each plug of the snap, then each plug of others that a slot of the snap is for. A plug with several candidates is
/// left alone; a connection that is remembered in any way is not made again.
fn candidates<'w>(view: &Repository<'w>, snap: &SnapName) -> Found<'w> {
    let slots = view.slots();
    let mut found = Found::default();
    let mut seen: BTreeSet<ConnRef> = BTreeSet::new();
    wanted_by_gadget(view, snap, &mut found, &mut seen);
    let own = view.plugs_of(snap);
    let offered = sort::set(
        slots
            .iter()
            .filter(|slot| slot.snap == *snap)
            .map(|slot| slot.interface.name),
    );
    let others = view
        .plugs()
        .filter(|plug| plug.snap != *snap && offered.contains(plug.interface.name));
    for plug in own.into_iter().chain(others) {
        let fits: Vec<&End> = slots
            .iter()
            .filter(|slot| policy::connects_itself(view, &plug, slot))
            .collect();
        let concerned = plug.snap == *snap || fits.iter().any(|slot| slot.snap == *snap);
        match fits.as_slice() {
            [] => {}
            _ if !concerned => {}
            [slot] => {
                let key = view.key(&plug, slot);
                if view.record(&key).is_none() && seen.insert(key) {
                    found.pairs.push((plug, (*slot).clone(), By::Itself));
                }
            }
            several => {
                let names: Vec<String> = several
                    .iter()
                    .map(|slot| format!("{}:{}", slot.snap, slot.name))
                    .collect();
                found.told.push(format!(
                    "cannot auto-connect plug {}:{}, candidates found: {}",
                    plug.snap,
                    plug.name,
                    names.join(", ")
                ));
            }
        }
    }
    found
}

/// The connections that the gadget asks for and that this snap makes possible: as a plug's or slot's snap, or as the
/// gadget. They obey the rules of connections made by hand (contract: interfaces-and-hardware, section 2).
fn wanted_by_gadget<'w>(
    view: &Repository<'w>,
    snap: &SnapName,
    found: &mut Found<'w>,
    seen: &mut BTreeSet<ConnRef>,
) {
    let Some((gadget, asked)) = view.gadget() else {
        return;
    };
    for one in &asked.connections {
        let ends = (view.meant(&one.plug_snap), view.meant(&one.slot_snap));
        let (Some(plug_snap), Some(slot_snap)) = ends else {
            continue;
        };
        if ![gadget, &plug_snap, &slot_snap].contains(&snap) {
            continue;
        }
        // One end may come with another snap.
        let ends = (view.plug(&plug_snap, &one.plug), view.slot(&slot_snap, &one.slot));
        let (Some(plug), Some(slot)) = ends else {
            continue;
        };
        let key = view.key(&plug, &slot);
        if view.record(&key).is_some() {
            continue;
        }
        let refused = match plug.interface.name == slot.interface.name {
            true => policy::check_connection(view, &plug, &slot, &policy::Dynamic::default()).err(),
            false => Some(String::from("they are of different interfaces")),
        };
        if let Some(reason) = refused {
            found.told.push(format!(
                "the gadget asks for {}:{} to be connected to {}:{}, which cannot be: {reason}",
                plug.snap, plug.name, slot.snap, slot.name
            ));
        } else if seen.insert(key) {
            found.pairs.push((plug, slot, By::Gadget));
        }
    }
}

/// The connects, and the profiles once more after them.
fn injected(view: &Repository, params: &SnapParams, pairs: &[(End, End, By)]) -> Vec<PlannedTask> {
    let mut tasks: Vec<PlannedTask> = Vec::new();
    let mut last = Vec::new();
    for (plug, slot, by) in pairs {
        plan::append(&mut tasks, plan::connect_tasks(view, plug, slot, *by), None);
        last.push(tasks.len() - 1);
    }
    if pairs.is_empty() {
        return tasks;
    }
    let revision = params
        .revision
        .map_or("unset".to_owned(), |revision| revision.to_string());
    let mut profiles = PlannedTask::new(
        kinds::SETUP_PROFILES,
        format!(
            "Setup snap \"{}\" ({revision}) security profiles for auto-connections",
            params.snap
        ),
        json!({"snap": params.snap, "revision": params.revision, "again": true}),
    );
    profiles.waits = last;
    tasks.push(profiles);
    tasks
}

/// `auto-disconnect`: everything that the snap is connected to gets a task that ends it for good; what is only
/// remembered of it goes at once.
pub(super) struct AutoDisconnect(pub Arc<Interfaces>);

impl TaskKind for AutoDisconnect {
    fn kind(&self) -> &'static str {
        kinds::AUTO_DISCONNECT
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let params: SnapParams = task.params()?;
        let world = task.world();
        let view = self.0.view(&world);
        let mut tasks = Vec::new();
        let mut forgotten: Vec<ConnectionRecord> = Vec::new();
        for (key, record) in of_snap(&view, &params.snap) {
            if record.is_established() {
                plan::append(&mut tasks, plan::disconnect_tasks(&view, key, true), None);
            } else {
                forgotten.push(record.clone());
            }
        }
        if !forgotten.is_empty() {
            task.remember(FORGOTTEN, &forgotten)?;
            task.with_commit(move |tx| {
                forgotten
                    .iter()
                    .try_for_each(|record| put_back(tx, &record.connection, None))
            });
        }
        task.inject(tasks);
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn undo(&self, task: &TaskContext) -> Result<(), TaskError> {
        let forgotten: Vec<ConnectionRecord> = task.memory(FORGOTTEN).unwrap_or_default();
        task.with_commit(move |tx| {
            forgotten
                .into_iter()
                .try_for_each(|record| tx.put_connection(record))
        });
        Ok(())
    }

    /// Its effect is in the store alone, committed with its status.
    fn probe(&self, _: &TaskContext) -> Probe {
        Probe::NoEffect
    }
}

/// Everything remembered with the snap at either end.
fn of_snap<'w>(view: &Repository<'w>, snap: &SnapName) -> Vec<(&'w ConnRef, &'w ConnectionRecord)> {
    // By its own name: what was connected to the system stays so when the snap that was it goes.
    view.records()
        .filter(|(key, _)| key.plug.snap == *snap || key.slot.snap == *snap)
        .collect()
}
