//! `disconnect`: the hardware is given back, and the connection forgotten, or remembered as not wanted (contract:
//! interfaces-and-hardware, section 2).

use super::{BEFORE, with_record};
use crate::domain::{ConnRef, ConnectionRecord, kinds};
use crate::engine::{Outcome, Probe, TaskContext, TaskError, TaskKind};
use crate::managers::hardware::Freed;
use crate::managers::interfaces::Interfaces;
use crate::managers::interfaces::plan::DisconnectParams;
use std::sync::Arc;

pub(super) struct Disconnect(pub Arc<Interfaces>);

impl TaskKind for Disconnect {
    fn kind(&self) -> &'static str {
        kinds::DISCONNECT
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let params: DisconnectParams = task.params()?;
        let key = params.connection;
        let world = task.world();
        let Some(before) = world
            .connections
            .get(&key)
            .map(|record| ConnectionRecord::clone(record))
        else {
            self.0.hardware.detach(&key)?;
            return Ok(Outcome::Done);
        };
        if task.memory::<ConnectionRecord>(BEFORE).is_none() {
            task.remember(BEFORE, &before)?;
        }
        let freed = self.0.hardware.detach(&key)?;
        let after = remembered(before, params.forget);
        self.0.end_handles(task, &key, after.clone(), freed)?;
        self.0.commit_connection(task, key, after);
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn undo(&self, task: &TaskContext) -> Result<(), TaskError> {
        let params: DisconnectParams = task.params()?;
        let Some(before) = task.memory::<ConnectionRecord>(BEFORE) else {
            return Ok(());
        };
        let key = params.connection;
        let future = with_record(&task.world(), &key, Some(before.clone()));
        if before.is_established() {
            self.0.attach(&self.0.view(&future), &before)?;
        }
        self.0.commit_connection(task, key, Some(before));
        Ok(())
    }

    fn probe(&self, task: &TaskContext) -> Probe {
        let params = task.params::<DisconnectParams>().ok();
        match params.and_then(|params| self.0.has_hardware(task, &params.connection)) {
            Some(true) => Probe::Absent,
            Some(false) => Probe::Present,
            None => Probe::NoEffect,
        }
    }

    fn cleanup(&self, task: &TaskContext) {
        if let Ok(params) = task.params::<DisconnectParams>() {
            self.0.conclude(task, &params.connection);
        }
    }
}

impl Interfaces {
    /// Ends what the apps of a connection's snap have open of it, and says how.
    fn end_handles(
        &self,
        task: &TaskContext,
        key: &ConnRef,
        after: Option<ConnectionRecord>,
        freed: Freed,
    ) -> Result<(), TaskError> {
        match freed {
            Freed::Closed => {}
            Freed::Deleted(chip) => task.info(format!(
                "the chip of {} was deleted ({chip}): whoever has it open is told that it is gone",
                key.slot
            )),
            Freed::StillOpen => {
                let snap = &key.plug.snap;
                let running = self.services.running(snap);
                let stays = format!("the chip of {} stays, since others are connected to it", key.slot);
                if running.is_empty() {
                    task.info(stays);
                    return Ok(());
                }
                task.info(format!(
                    "{stays}; services of {snap} are restarted to let go of it: {}",
                    running.join(", ")
                ));
                // They start without it.
                self.services
                    .write_launch(&with_record(&task.world(), key, after), snap)?;
                self.services.wait_for(self.services.restart(snap, &running))?;
            }
        }
        Ok(())
    }
}

/// What is kept of a connection that ends: an automatic one is remembered as not wanted, so that it is not made again,
/// unless it is to be forgotten.
fn remembered(before: ConnectionRecord, forget: bool) -> Option<ConnectionRecord> {
    if forget || !before.auto {
        return None;
    }
    Some(ConnectionRecord {
        undesired: true,
        plug_dynamic: Default::default(),
        slot_dynamic: Default::default(),
        ..before
    })
}
