//! What a request to connect or disconnect comes to: pure functions from a look at the world to a plan or an error
//! (contract: v2, Interfaces / connections and section 6).

use super::policy;
use super::repository::{End, Repository};
use crate::domain::{
    ConnRef, ErrorKind, Fault, Plan, PlannedTask, PlugRef, Requester, SlotRef, SnapName, kinds,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// One end as a request names it; either part may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    pub snap: String,
    pub name: String,
}

impl Named {
    /// Nothing of it was said.
    pub fn is_empty(&self) -> bool {
        self.snap.is_empty() && self.name.is_empty()
    }
}

/// Who wants a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A person.
    Hand,
    /// The ends' own rules.
    Itself,
    /// The gadget.
    Gadget,
}

/// What a `connect` task is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectParams {
    /// The plug's snap.
    pub snap: SnapName,
    /// The key in the store.
    pub connection: ConnRef,
    /// Made by the auto-connect pass.
    #[serde(default)]
    pub auto: bool,
    /// Asked for by the gadget.
    #[serde(default)]
    pub by_gadget: bool,
}

/// What a `disconnect` task is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DisconnectParams {
    /// The plug's snap.
    pub snap: SnapName,
    /// The key in the store.
    pub connection: ConnRef,
    /// Nothing is remembered of it afterwards.
    #[serde(default)]
    pub forget: bool,
}

/// The one `kind` of request that is not refused when it comes to several ends.
fn exactly_one<'a>(plugs: &'a [Named], slots: &'a [Named]) -> Result<(&'a Named, &'a Named), Fault> {
    match (plugs, slots) {
        ([plug], [slot]) => Ok((plug, slot)),
        ([], _) | (_, []) => Err(Fault::bad("at least one plug and slot is required")),
        _ => Err(Fault::new(
            ErrorKind::NotImplemented,
            "many-to-many operations are not implemented",
        )),
    }
}

/// The snaps of both ends are there: looked for before anything else of the ends (as snapd 2.57 does). An empty name is
/// for what resolves the ends.
fn check_installed(view: &Repository, ends: [&Named; 2]) -> Result<(), Fault> {
    let missing = |named: &&&Named| {
        !named.snap.is_empty()
            && !view
                .meant(&named.snap)
                .is_some_and(|snap| view.is_installed(&snap) || view.system() == Some(&snap))
    };
    match ends.iter().find(missing) {
        Some(named) => Err(Fault::bad(format!("snap {:?} is not installed", named.snap))),
        None => Ok(()),
    }
}

/// Connects one plug to one slot. What is connected already comes to a plan without tasks.
pub fn connect(view: &Repository, plugs: &[Named], slots: &[Named], who: &Requester) -> Result<Plan, Fault> {
    let (plug, slot) = exactly_one(plugs, slots)?;
    check_installed(view, [plug, slot])?;
    let (plug, slot) = resolve(view, plug, slot)?;
    policy::check_requester(who, &plug)?;
    let key = view.key(&plug, &slot);
    let summary = connect_summary(&plug, &slot);
    let mut plan = Plan::new("connect-snap", summary);
    plan.snaps = about(view, &plug, &slot);
    plan.requester = who.identity.clone();
    if view.record(&key).is_some_and(|record| record.is_established()) {
        return Ok(plan);
    }
    for task in connect_tasks(view, &plug, &slot, By::Hand) {
        plan.then(task);
    }
    Ok(plan)
}

fn connect_summary(plug: &End, slot: &End) -> String {
    format!(
        "Connect {}:{} to {}:{}",
        plug.snap, plug.name, slot.snap, slot.name
    )
}

/// The snaps that a connection is about; pinion itself is none.
fn about(view: &Repository, plug: &End, slot: &End) -> Vec<SnapName> {
    let mut snaps = vec![plug.snap.clone()];
    if slot.snap != plug.snap && view.is_installed(&slot.snap) {
        snaps.push(slot.snap.clone());
    }
    snaps
}

/// Finds the two ends that a request names.
fn resolve<'w>(view: &Repository<'w>, plug: &Named, slot: &Named) -> Result<(End<'w>, End<'w>), Fault> {
    if plug.snap.is_empty() || plug.name.is_empty() {
        let what = if plug.snap.is_empty() { "plug snap" } else { "plug" };
        return Err(Fault::bad(format!(
            "cannot resolve connection, {what} name is empty"
        )));
    }
    let plug_end = view
        .meant(&plug.snap)
        .and_then(|snap| view.plug(&snap, &plug.name))
        .ok_or_else(|| no_end(view, "plug", plug))?;
    let slot_snap = if slot.snap.is_empty() {
        view.system().cloned()
    } else {
        view.meant(&slot.snap)
    };
    let Some(slot_snap) = slot_snap else {
        let reason = if slot.snap.is_empty() {
            "cannot resolve connection, slot snap name is empty".to_owned()
        } else {
            format!("snap {:?} has no slot named {:?}", slot.snap, slot.name)
        };
        return Err(Fault::bad(reason));
    };
    let slot_end = if slot.name.is_empty() {
        only_slot(view, &slot_snap, &plug_end)?
    } else {
        let named = Named {
            snap: slot_snap.to_string(),
            name: slot.name.clone(),
        };
        view.slot(&slot_snap, &slot.name)
            .ok_or_else(|| no_end(view, "slot", &named))?
    };
    if plug_end.interface.name != slot_end.interface.name {
        return Err(Fault::bad(format!(
            "cannot connect {}:{} ({:?} interface) to {}:{} ({:?} interface)",
            plug_end.snap,
            plug_end.name,
            plug_end.interface.name,
            slot_end.snap,
            slot_end.name,
            slot_end.interface.name
        )));
    }
    Ok((plug_end, slot_end))
}

fn no_end(view: &Repository, side: &str, named: &Named) -> Fault {
    let snap = view
        .meant(&named.snap)
        .map_or_else(|| named.snap.clone(), |snap| snap.to_string());
    Fault::bad(format!("snap {snap:?} has no {side} named {:?}", named.name))
}

/// The only slot of the plug's interface on a snap.
fn only_slot<'w>(view: &Repository<'w>, snap: &SnapName, plug: &End) -> Result<End<'w>, Fault> {
    let interface = plug.interface.name;
    let mut candidates: Vec<End> = view
        .slots_of(snap)
        .into_iter()
        .filter(|slot| slot.interface.name == interface)
        .collect();
    match candidates.len() {
        0 => Err(Fault::bad(format!(
            "snap \"{snap}\" has no {interface:?} interface slots"
        ))),
        1 => Ok(candidates.remove(0)),
        _ => {
            let names: Vec<&str> = candidates.iter().map(|slot| slot.name).collect();
            Err(Fault::bad(format!(
                "snap \"{snap}\" has multiple {interface:?} interface slots: {}",
                names.join(", ")
            )))
        }
    }
}

/// A hook of one end, when its snap has it.
fn hook(view: &Repository, end: &End, name: String, undo: String) -> Option<PlannedTask> {
    if !view.has_hook(&end.snap, &name) {
        return None;
    }
    Some(PlannedTask::new(
        kinds::RUN_HOOK,
        format!("Run hook {name} of snap \"{}\"", end.snap),
        json!({"snap": end.snap, "hook": name, "undo-hook": undo, "optional": true}),
    ))
}

/// The tasks of one connection, one after the other; none waits for anything yet.
pub fn connect_tasks(view: &Repository, plug: &End, slot: &End, by: By) -> Vec<PlannedTask> {
    let params = ConnectParams {
        snap: plug.snap.clone(),
        connection: view.key(plug, slot),
        auto: by != By::Hand,
        by_gadget: by == By::Gadget,
    };
    let hook_of = |end: &End, side: &str, when: &str, undo: &str| {
        let named = |when: &str| format!("{when}-{side}-{}", end.name);
        hook(view, end, named(when), named(undo))
    };
    let connect = PlannedTask::new(kinds::CONNECT, connect_summary(plug, slot), json!(params));
    [
        hook_of(plug, "plug", "prepare", "unprepare"),
        hook_of(slot, "slot", "prepare", "unprepare"),
        Some(connect),
        hook_of(slot, "slot", "connect", "disconnect"),
        hook_of(plug, "plug", "connect", "disconnect"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Disconnects two ends, or everything that the one named end is connected to.
pub fn disconnect(
    view: &Repository,
    plugs: &[Named],
    slots: &[Named],
    forget: bool,
    who: &Requester,
) -> Result<Plan, Fault> {
    let (plug, slot) = exactly_one(plugs, slots)?;
    // What is remembered of a snap that went can still be forgotten.
    if !forget {
        check_installed(view, [plug, slot])?;
    }
    let keys = to_disconnect(view, plug, slot, forget)?;
    if keys.is_empty() {
        return Err(Fault::new(ErrorKind::InterfacesUnchanged, "nothing to do"));
    }
    let shown = |named: &Named| match view.meant(&named.snap) {
        Some(snap) => format!("{snap}:{}", named.name),
        None => format!("{}:{}", named.snap, named.name),
    };
    let summary = match keys.as_slice() {
        [key] => disconnect_summary(view, key),
        _ if plug.is_empty() => format!("Disconnect {}", shown(slot)),
        _ => format!("Disconnect {}", shown(plug)),
    };
    let mut plan = Plan::new("disconnect-snap", summary);
    plan.requester = who.identity.clone();
    for (lane, key) in keys.iter().enumerate() {
        for snap in [&key.plug.snap, &key.slot.snap].map(|snap| view.shown(snap)) {
            if view.is_installed(&snap) && !plan.snaps.contains(&snap) {
                plan.snaps.push(snap);
            }
        }
        append(
            &mut plan.tasks,
            disconnect_tasks(view, key, forget),
            Some(lane + 1),
        );
    }
    Ok(plan)
}

/// Adds the tasks of one connection as a chain, in a lane of its own where one is given.
pub fn append(tasks: &mut Vec<PlannedTask>, chain: Vec<PlannedTask>, lane: Option<usize>) {
    let first = tasks.len();
    for (step, mut task) in chain.into_iter().enumerate() {
        if step > 0 {
            task.waits.push(first + step - 1);
        }
        task.lanes.extend(lane);
        tasks.push(task);
    }
}

fn disconnect_summary(view: &Repository, key: &ConnRef) -> String {
    format!(
        "Disconnect {}:{} from {}:{}",
        view.shown(&key.plug.snap),
        key.plug.name,
        view.shown(&key.slot.snap),
        key.slot.name
    )
}

/// The tasks of one end of a connection, one after the other.
pub fn disconnect_tasks(view: &Repository, key: &ConnRef, forget: bool) -> Vec<PlannedTask> {
    let params = DisconnectParams {
        snap: view.shown(&key.plug.snap),
        connection: key.clone(),
        forget,
    };
    let established = view.record(key).is_some_and(|record| record.is_established());
    let hook_of = |end: Option<End>, side: &str| {
        let end = end.filter(|_| established)?;
        let named = |when: &str| format!("{when}-{side}-{}", end.name);
        hook(view, &end, named("disconnect"), named("connect"))
    };
    let plug = view.plug(&view.shown(&key.plug.snap), &key.plug.name);
    let slot = view.slot(&view.shown(&key.slot.snap), &key.slot.name);
    let disconnect = PlannedTask::new(kinds::DISCONNECT, disconnect_summary(view, key), json!(params));
    [hook_of(slot, "slot"), hook_of(plug, "plug"), Some(disconnect)]
        .into_iter()
        .flatten()
        .collect()
}

/// Which connections a request to disconnect means.
fn to_disconnect(view: &Repository, plug: &Named, slot: &Named, forget: bool) -> Result<Vec<ConnRef>, Fault> {
    let wanted = |established: bool| established || forget;
    let one_side = |named: &Named| match view.meant(&named.snap) {
        Some(snap) if !named.name.is_empty() => connected_to(view, &snap, &named.name, wanted),
        _ => Err(forms()),
    };
    match (plug.is_empty(), slot.is_empty()) {
        (true, true) => Err(forms()),
        (true, false) => one_side(slot),
        (false, true) => one_side(plug),
        (false, false) if plug.name.is_empty() || slot.name.is_empty() || plug.snap.is_empty() => {
            Err(forms())
        }
        (false, false) => {
            let key = both(view, plug, slot)?;
            let known = view
                .record(&key)
                .is_some_and(|record| wanted(record.is_established()));
            if known {
                return Ok(vec![key]);
            }
            Err(Fault::bad(format!(
                "cannot disconnect {}:{} from {}:{}, it is not connected",
                view.shown(&key.plug.snap),
                key.plug.name,
                view.shown(&key.slot.snap),
                key.slot.name
            )))
        }
    }
}

fn forms() -> Fault {
    Fault::bad("allowed forms are <snap>:<plug> <snap>:<slot> or <snap>:<plug or slot>")
}

/// The key of a connection whose two ends are named. To forget it, neither has to be there any more.
fn both(view: &Repository, plug: &Named, slot: &Named) -> Result<ConnRef, Fault> {
    let plug_snap = view.meant(&plug.snap).ok_or_else(|| no_end(view, "plug", plug))?;
    let slot_snap = if slot.snap.is_empty() {
        view.system().cloned()
    } else {
        view.meant(&slot.snap)
    };
    let slot_snap = slot_snap.ok_or_else(|| no_end(view, "slot", slot))?;
    let key = ConnRef {
        plug: PlugRef::new(view.stored(&plug_snap), &plug.name),
        slot: SlotRef::new(view.stored(&slot_snap), &slot.name),
    };
    if view.record(&key).is_none() {
        if view.plug(&plug_snap, &plug.name).is_none() {
            return Err(no_end(view, "plug", plug));
        }
        if view.slot(&slot_snap, &slot.name).is_none() {
            return Err(Fault::bad(format!(
                "snap \"{slot_snap}\" has no slot named {:?}",
                slot.name
            )));
        }
    }
    Ok(key)
}

/// Everything that a plug or a slot is connected to.
fn connected_to(
    view: &Repository,
    snap: &SnapName,
    name: &str,
    wanted: impl Fn(bool) -> bool,
) -> Result<Vec<ConnRef>, Fault> {
    let stored = view.stored(snap);
    let keys: Vec<ConnRef> = view
        .records()
        .filter(|(key, record)| {
            let plug = key.plug.snap == stored && key.plug.name == name;
            let slot = key.slot.snap == stored && key.slot.name == name;
            (plug || slot) && wanted(record.is_established())
        })
        .map(|(key, _)| key.clone())
        .collect();
    if keys.is_empty() && view.plug(snap, name).is_none() && view.slot(snap, name).is_none() {
        return Err(Fault::bad(format!(
            "snap \"{snap}\" has no plug or slot named {name:?}"
        )));
    }
    Ok(keys)
}
