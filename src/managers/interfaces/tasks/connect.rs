//! `connect`: the policy is asked, the hardware taken, the connection remembered (contract: interfaces-and-hardware,
//! section 2, connect steps).

use super::BEFORE;
use crate::domain::status::TaskStatus;
use crate::domain::{ConnRef, ConnectionRecord, kinds};
use crate::engine::{Outcome, Probe, TaskContext, TaskError, TaskKind};
use crate::managers::interfaces::Interfaces;
use crate::managers::interfaces::attributes::set_by_hooks;
use crate::managers::interfaces::plan::ConnectParams;
use crate::managers::interfaces::policy::{self, Dynamic};
use crate::managers::interfaces::repository::{End, Repository};
use serde_json::Value;
use std::sync::Arc;

pub(super) struct Connect(pub Arc<Interfaces>);

impl TaskKind for Connect {
    fn kind(&self) -> &'static str {
        kinds::CONNECT
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let params: ConnectParams = task.params()?;
        let key = params.connection.clone();
        let world = task.world();
        let view = self.0.view(&world);
        let (plug, slot) = match self.ends(&view, &params) {
            Ok(ends) => ends,
            // What connects by itself may have lost an end meanwhile; nobody asked for it.
            Err(error) if params.auto => {
                task.info(error.to_string());
                return Ok(Outcome::Done);
            }
            Err(error) => return Err(error),
        };
        let dynamic = task.change().map_or_else(Dynamic::default, |change| Dynamic {
            plug: set_by_hooks(&change, &plug, "plug"),
            slot: set_by_hooks(&change, &slot, "slot"),
        });
        let allowed = policy::check_connection(&view, &plug, &slot, &dynamic);
        allowed.map_err(TaskError::new)?;
        if let Some(before) = view.record(&key)
            && task.memory::<ConnectionRecord>(BEFORE).is_none()
        {
            task.remember(BEFORE, before)?;
        }
        let mut record = ConnectionRecord {
            connection: key.clone(),
            interface: plug.interface.name.to_owned(),
            auto: params.auto,
            by_gadget: params.by_gadget,
            undesired: false,
            gone: false,
            hotplug_key: view.hotplug_key(&slot).map(str::to_owned),
            plug_static: plug.attrs().clone(),
            plug_dynamic: dynamic.plug,
            slot_static: slot.attrs().clone(),
            slot_dynamic: dynamic.slot,
        };
        if self.0.attach(&view, &record)? {
            // Decision 7: without an aggregator the lines are reached over the socket only.
            record
                .slot_dynamic
                .insert("access".into(), Value::String("api".into()));
        }
        self.0.commit_connection(task, key, Some(record));
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn undo(&self, task: &TaskContext) -> Result<(), TaskError> {
        let params: ConnectParams = task.params()?;
        let key = params.connection;
        let before: Option<ConnectionRecord> = task.memory(BEFORE);
        if !before.as_ref().is_some_and(ConnectionRecord::is_established) {
            self.0.hardware.detach(&key)?;
        }
        self.0.commit_connection(task, key, before);
        Ok(())
    }

    fn probe(&self, task: &TaskContext) -> Probe {
        let params = task.params::<ConnectParams>().ok();
        match params.and_then(|params| self.0.has_hardware(task, &params.connection)) {
            Some(true) => Probe::Present,
            Some(false) => Probe::Absent,
            None => Probe::NoEffect,
        }
    }

    fn cleanup(&self, task: &TaskContext) {
        if let Ok(params) = task.params::<ConnectParams>() {
            self.0.conclude(task, &params.connection);
        }
    }
}

impl Connect {
    /// Both ends, if they are there and of one interface.
    fn ends<'w>(
        &self,
        view: &Repository<'w>,
        params: &ConnectParams,
    ) -> Result<(End<'w>, End<'w>), TaskError> {
        let key = &params.connection;
        let missing = |side: &str, snap, name: &str| {
            TaskError::new(format!(
                "snap \"{}\" has no {side} named {name:?}",
                view.shown(snap)
            ))
        };
        let plug = view
            .plug(&view.shown(&key.plug.snap), &key.plug.name)
            .ok_or_else(|| missing("plug", &key.plug.snap, &key.plug.name))?;
        let slot = view
            .slot(&view.shown(&key.slot.snap), &key.slot.name)
            .ok_or_else(|| missing("slot", &key.slot.snap, &key.slot.name))?;
        if plug.interface.name == slot.interface.name {
            return Ok((plug, slot));
        }
        Err(TaskError::new(format!(
            "cannot connect {}:{} ({:?} interface) to {}:{} ({:?} interface)",
            plug.snap, plug.name, plug.interface.name, slot.snap, slot.name, slot.interface.name
        )))
    }
}

impl Interfaces {
    /// Whether a connection has its hardware. `None` when it asks for none: then all that it gives follows from the
    /// store, and the launch description with it.
    pub(super) fn has_hardware(&self, task: &TaskContext, key: &ConnRef) -> Option<bool> {
        let world = task.world();
        let view = self.view(&world);
        let slot = view.slot(&view.shown(&key.slot.snap), &key.slot.name)?;
        match slot.interface.target(slot.attrs()) {
            Ok(Some(_)) => Some(self.hardware.is_attached(key)),
            Ok(None) | Err(_) => None,
        }
    }

    /// Tells what a change did to a connection, once it is over.
    pub(super) fn conclude(&self, task: &TaskContext, key: &ConnRef) {
        if task.task().status == TaskStatus::Done {
            self.tell(&task.world(), key);
        }
    }
}
