//! What a snap follows.

use super::links::edit;
use crate::domain::kinds;
use crate::engine::{Outcome, Probe, TaskContext, TaskError, TaskKind};
use crate::managers::snaps::params::Switch;

/// `switch-snap`: the snap follows a channel and a cohort. There is no way back (contract: v2, section 6).
pub(super) struct SwitchSnap;

impl TaskKind for SwitchSnap {
    fn kind(&self) -> &'static str {
        kinds::SWITCH_SNAP
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let to: Switch = task.params()?;
        task.with_commit(move |tx| {
            edit(tx, &to.snap, |record| {
                record.tracking_channel = to.channel;
                record.cohort_key = to.cohort_key;
            })
        });
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        false
    }

    fn probe(&self, task: &TaskContext) -> Probe {
        let Ok(to) = task.params::<Switch>() else {
            return Probe::Absent;
        };
        let world = task.world();
        let follows = world.snap(to.snap.as_str()).is_some_and(|record| {
            record.tracking_channel == to.channel && record.cohort_key == to.cohort_key
        });
        if follows { Probe::Present } else { Probe::Absent }
    }
}
