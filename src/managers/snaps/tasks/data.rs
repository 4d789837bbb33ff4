//! The data of a snap: one folder for each revision, one that all share.

use crate::domain::kinds;
use crate::drivers::fs;
use crate::engine::{Outcome, Probe, TaskContext, TaskError, TaskKind};
use crate::managers::snaps::params::Setup;
use crate::managers::snaps::{Snaps, copy};
use std::sync::Arc;

/// `copy-snap-data`: the revision has its data, a copy of the former one's.
pub(super) struct CopySnapData(pub Arc<Snaps>);

impl TaskKind for CopySnapData {
    fn kind(&self) -> &'static str {
        kinds::COPY_SNAP_DATA
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let setup: Setup = task.params()?;
        let (dirs, snap) = (&self.0.dirs, &setup.snap);
        let made = self.0.make_data(&setup);
        if made.is_err() {
            // What fails is not undone: folders that are still empty were made for nothing.
            let own = dirs.snap_data(snap, setup.revision);
            for dir in [own, dirs.snap_common(snap), dirs.snap_data_dir(snap)] {
                fs::remove_empty_dir(&dir);
            }
        }
        Ok(made.map(|()| Outcome::Done)?)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn undo(&self, task: &TaskContext) -> Result<(), TaskError> {
        let setup: Setup = task.params()?;
        self.0.clear(&setup, setup.before.is_none())
    }

    fn probe(&self, task: &TaskContext) -> Probe {
        let Ok(setup) = task.params::<Setup>() else {
            return Probe::Absent;
        };
        match self.0.dirs.snap_data(&setup.snap, setup.revision).is_dir() {
            true => Probe::Present,
            false => Probe::Absent,
        }
    }
}

impl Snaps {
    /// Makes the folders of a revision, the copy of the former one's last: it appears whole or not at all, so that one
    /// that is there was made before a kill.
    fn make_data(&self, setup: &Setup) -> Result<(), fs::FileError> {
        let dirs = &self.dirs;
        fs::make_dir(&dirs.snap_data_dir(&setup.snap), 0o755)?;
        fs::make_dir(&dirs.snap_common(&setup.snap), 0o755)?;
        let own = dirs.snap_data(&setup.snap, setup.revision);
        if own.is_dir() {
            return Ok(());
        }
        let former = setup
            .before
            .as_ref()
            .map(|before| dirs.snap_data(&setup.snap, before.current))
            .filter(|former| former.is_dir());
        match former {
            Some(former) => copy::copy_data(&former, &own),
            None => fs::make_dir(&own, 0o755),
        }
    }

    /// Removes the data of a revision; of the last one, everything that the snap kept.
    fn clear(&self, setup: &Setup, last: bool) -> Result<(), TaskError> {
        let own = self.dirs.snap_data(&setup.snap, setup.revision);
        fs::remove_tree(&copy::unfinished(&own))?;
        fs::remove_tree(&own)?;
        if last {
            fs::remove_tree(&self.dirs.snap_data_dir(&setup.snap))?;
        }
        Ok(())
    }
}

/// `clear-snap`: the data of a revision goes for good.
pub(super) struct ClearSnap(pub Arc<Snaps>);

impl TaskKind for ClearSnap {
    fn kind(&self) -> &'static str {
        kinds::CLEAR_SNAP
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let setup: Setup = task.params()?;
        let last = task.world().snap(setup.snap.as_str()).is_none_or(|record| {
            record
                .sequence
                .iter()
                .all(|known| known.revision == setup.revision)
        });
        self.0.clear(&setup, last)?;
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        false
    }

    fn probe(&self, task: &TaskContext) -> Probe {
        let Ok(setup) = task.params::<Setup>() else {
            return Probe::Absent;
        };
        match self.0.dirs.snap_data(&setup.snap, setup.revision).exists() {
            true => Probe::Absent,
            false => Probe::Present,
        }
    }
}
