//! What the launcher may start, and with which hardware: the part of a snap that its revision and its connections
//! decide together. A revision that is not in the snap's record yet gets its profile when it is linked, from
//! `auto-connect`.

use super::{SnapParams, with_linked};
use crate::domain::kinds;
use crate::engine::{Outcome, Probe, TaskContext, TaskError, TaskKind};
use crate::managers::interfaces::Interfaces;
use std::sync::Arc;

/// `setup-profiles`: remembered connections come into force and the launch description is written.
pub(super) struct SetupProfiles(pub Arc<Interfaces>);

impl TaskKind for SetupProfiles {
    fn kind(&self) -> &'static str {
        kinds::SETUP_PROFILES
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let params: SnapParams = task.params()?;
        if let Some(linked) = with_linked(&task.world(), &params.snap, params.revision) {
            let touched = self.0.settle_hardware(&linked, &params.snap, task)?;
            self.0.write_launches(&linked, &touched)?;
        }
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        true
    }

    /// Back to the revision that the record still has, or to nothing.
    fn undo(&self, task: &TaskContext) -> Result<(), TaskError> {
        let params: SnapParams = task.params()?;
        if params.again {
            return Ok(());
        }
        let world = task.world();
        let before = world
            .snaps
            .get(&params.snap)
            .filter(|record| Some(record.current) != params.revision)
            .map(|record| record.current);
        match before.and_then(|revision| with_linked(&world, &params.snap, Some(revision))) {
            Some(linked) => {
                let touched = self.0.settle_hardware(&linked, &params.snap, task)?;
                self.0.write_launches(&linked, &touched)
            }
            None => self.0.withdraw(task, &params),
        }
    }

    /// What is written follows from the store, and every start writes it, too.
    fn probe(&self, _: &TaskContext) -> Probe {
        Probe::NoEffect
    }
}

/// `remove-profiles`: nothing of the snap can be started, and it holds no hardware. Its connections stay remembered.
pub(super) struct RemoveProfiles(pub Arc<Interfaces>);

impl TaskKind for RemoveProfiles {
    fn kind(&self) -> &'static str {
        kinds::REMOVE_PROFILES
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let params: SnapParams = task.params()?;
        self.0.withdraw(task, &params)?;
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn undo(&self, task: &TaskContext) -> Result<(), TaskError> {
        let params: SnapParams = task.params()?;
        let Some(linked) = with_linked(&task.world(), &params.snap, params.revision) else {
            return Ok(());
        };
        let touched = self.0.settle_hardware(&linked, &params.snap, task)?;
        self.0.write_launches(&linked, &touched)
    }

    /// What is taken away follows from the store, and every start takes it away, too.
    fn probe(&self, _: &TaskContext) -> Probe {
        Probe::NoEffect
    }
}

impl Interfaces {
    /// Takes the launch description and the hardware of a snap away.
    fn withdraw(&self, task: &TaskContext, params: &SnapParams) -> Result<(), TaskError> {
        let world = task.world();
        let view = self.view(&world);
        let stored = view.stored(&params.snap);
        let mut others = Vec::new();
        for (key, _) in view.records() {
            if key.plug.snap != stored && key.slot.snap != stored {
                continue;
            }
            self.hardware.detach(key)?;
            if key.plug.snap != params.snap && !others.contains(&key.plug.snap) {
                others.push(key.plug.snap.clone());
            }
        }
        self.write_launches(&world, &others)?;
        Ok(self.services.remove_launch(&params.snap)?)
    }
}
