//! What interface hooks may read and set of the two ends of their connection (contract: interfaces-and-hardware,
//! section 1: hooks add attributes, only names that the snap has not given; snaps-and-assertions, section 2).

use super::Interfaces;
use super::plan::ConnectParams;
use super::repository::End;
use crate::domain::attrs::merged;
use crate::domain::{Attrs, Change, ConnectionRecord, SnapName, json, kinds};
use serde_json::Value;

/// The name under which the task of a prepare hook keeps the attributes that the hook has set.
pub const SET_BY_HOOK: &str = "attributes";

/// The ends of a connection as one of its hooks sees them.
#[derive(Clone, Debug, PartialEq)]
pub struct HookAttributes {
    /// The hook's own end is the plug.
    pub is_plug: bool,
    /// The name of the hook's own end.
    pub end: String,
    /// What the snap itself has given its end; a hook cannot change these.
    pub fixed: Attrs,
    /// All attributes of the hook's own end.
    pub own: Attrs,
    /// All attributes of the other end.
    pub other: Attrs,
    /// The hook may set attributes: it prepares.
    pub settable: bool,
}

impl Interfaces {
    /// The ends that a hook of a change is about; `None` for a hook that is about no connection.
    pub fn hook_attributes(&self, change: &Change, snap: &SnapName, hook: &str) -> Option<HookAttributes> {
        let (when, rest) = hook.split_once('-')?;
        let (side, name) = rest.split_once('-')?;
        let known = ["prepare", "unprepare", "connect", "disconnect"].contains(&when);
        if !known || !["plug", "slot"].contains(&side) {
            return None;
        }
        let is_plug = side == "plug";
        let world = self.store.world();
        let view = self.view(&world);
        let about = |task: &crate::domain::Task| {
            let key = json::record::<ConnectParams>(task.params.clone())
                .ok()?
                .connection;
            let (end_snap, end_name) = if is_plug {
                (&key.plug.snap, &key.plug.name)
            } else {
                (&key.slot.snap, &key.slot.name)
            };
            (view.shown(end_snap) == *snap && end_name == name).then_some(key)
        };
        let key = change
            .tasks
            .iter()
            .filter(|task| task.kind == kinds::CONNECT || task.kind == kinds::DISCONNECT)
            .find_map(about)?;
        let plug = view.plug(&view.shown(&key.plug.snap), &key.plug.name)?;
        let slot = view.slot(&view.shown(&key.slot.snap), &key.slot.name)?;
        let record = view.record(&key);
        let of = |end: &End, side: &str, kept: fn(&ConnectionRecord) -> &Attrs| {
            let mut dynamic = record.map(kept).cloned().unwrap_or_default();
            dynamic.extend(set_by_hooks(change, end, side));
            merged(end.attrs(), &dynamic)
        };
        let plug_attrs = of(&plug, "plug", |record| &record.plug_dynamic);
        let slot_attrs = of(&slot, "slot", |record| &record.slot_dynamic);
        let (fixed, own, other) = if is_plug {
            (plug.attrs(), plug_attrs, slot_attrs)
        } else {
            (slot.attrs(), slot_attrs, plug_attrs)
        };
        Some(HookAttributes {
            is_plug,
            end: name.to_owned(),
            fixed: fixed.clone(),
            own,
            other,
            settable: when == "prepare",
        })
    }
}

/// What the prepare hook of one end has set in this change, less what the snap itself gives.
pub(super) fn set_by_hooks(change: &Change, end: &End, side: &str) -> Attrs {
    let hook = format!("prepare-{side}-{}", end.name);
    let says = |task: &crate::domain::Task, name: &str, value: &str| {
        task.params.get(name).and_then(Value::as_str) == Some(value)
    };
    let set = change
        .tasks
        .iter()
        .filter(|task| task.kind == kinds::RUN_HOOK)
        .filter(|task| says(task, "hook", &hook) && says(task, "snap", end.snap.as_str()))
        .filter_map(|task| task.memory.get(SET_BY_HOOK)?.as_object())
        .next_back();
    let set = set.into_iter().flatten();
    set.filter(|(name, _)| !end.attrs().contains_key(*name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
