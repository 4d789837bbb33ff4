//! The snap file and its mount.

use crate::domain::{FileIdentity, SnapRecord, kinds};
use crate::drivers::fs::{self, Named};
use crate::drivers::mount::State;
use crate::engine::{Outcome, Probe, TaskContext, TaskError, TaskKind};
use crate::managers::snaps::Snaps;
use crate::managers::snaps::identity::is_same;
use crate::managers::snaps::params::Setup;
use std::path::Path;
use std::sync::Arc;

fn changed(path: &Path, recorded: &FileIdentity) -> TaskError {
    TaskError::new(match &recorded.folder {
        Some(folder) => format!(
            "the folder {} that the snap is tried from is not there: put it back or try another one",
            folder.display()
        ),
        None => format!(
            "{} is not the file that was checked: install the snap again",
            path.display()
        ),
    })
}

fn recorded(setup: &Setup) -> Result<&FileIdentity, TaskError> {
    setup
        .file
        .as_ref()
        .ok_or_else(|| TaskError::new("the task does not say which file it is about"))
}

/// `prepare-snap`: the upload is checked and gets its name.
pub(super) struct PrepareSnap(pub Arc<Snaps>);

impl TaskKind for PrepareSnap {
    fn kind(&self) -> &'static str {
        kinds::PREPARE_SNAP
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let setup: Setup = task.params()?;
        let identity = recorded(&setup)?;
        let dest = self.0.file_of(&setup);
        if is_same(&dest, identity) {
            return Ok(Outcome::Done);
        }
        if setup.brings() && Snaps::is_recorded(task, &setup.snap, setup.revision) {
            return Err(TaskError::new(format!(
                "snap {:?} has got revision {} by another change: send the file again",
                setup.snap.as_str(),
                setup.revision
            )));
        }
        if let Some(folder) = identity.folder.as_deref().filter(|folder| folder.is_dir()) {
            fs::make_dir(&self.0.dirs.snap_files(), 0o755)?;
            fs::link_atomic(folder, &dest)?;
            fs::sync_dir(&self.0.dirs.snap_files())?;
            return Ok(Outcome::Done);
        }
        let upload = setup.upload.as_deref().ok_or_else(|| changed(&dest, identity))?;
        if !is_same(upload, identity) {
            return Err(changed(upload, identity));
        }
        std::fs::rename(upload, &dest).named("rename to", &dest)?;
        fs::sync_dir(&self.0.dirs.snap_files())?;
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn undo(&self, task: &TaskContext) -> Result<(), TaskError> {
        let setup: Setup = task.params()?;
        if let Some(upload) = &setup.upload {
            fs::remove_file(upload)?;
        }
        if !Snaps::is_recorded(task, &setup.snap, setup.revision) {
            fs::remove_file(&self.0.file_of(&setup))?;
        }
        Ok(())
    }

    fn probe(&self, task: &TaskContext) -> Probe {
        let Ok(setup) = task.params::<Setup>() else {
            return Probe::Absent;
        };
        match &setup.file {
            // a file that is installed already is only looked at
            Some(_) if !setup.brings() => Probe::NoEffect,
            Some(identity) if is_same(&self.0.file_of(&setup), identity) => Probe::Present,
            _ => Probe::Absent,
        }
    }
}

/// `mount-snap`: the revision's files are to be seen.
pub(super) struct MountSnap(pub Arc<Snaps>);

impl TaskKind for MountSnap {
    fn kind(&self) -> &'static str {
        kinds::MOUNT_SNAP
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let setup: Setup = task.params()?;
        let path = self.0.file_of(&setup);
        let identity = recorded(&setup)?;
        if !is_same(&path, identity) {
            return Err(changed(&path, identity));
        }
        let target = self.0.dirs.snap_mount(&setup.snap, setup.revision);
        self.0.mounts.mount(&path, &target)?;
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn undo(&self, task: &TaskContext) -> Result<(), TaskError> {
        let setup: Setup = task.params()?;
        if !Snaps::is_recorded(task, &setup.snap, setup.revision) {
            self.0.take_away(&setup)?;
        }
        Ok(())
    }

    fn probe(&self, task: &TaskContext) -> Probe {
        let Ok(setup) = task.params::<Setup>() else {
            return Probe::Absent;
        };
        let target = self.0.dirs.snap_mount(&setup.snap, setup.revision);
        let file = self.0.file_of(&setup);
        match self.0.mounts.state(&target) {
            Ok(State::Mounted(_)) if !self.0.mounts.is_kept(&file, &target) => Probe::Partial,
            Ok(State::Mounted(_) | State::Unpacked) => Probe::Present,
            Ok(State::Absent) | Err(_) if self.0.mounts.leaves_a_trace(&target) => Probe::Partial,
            Ok(State::Absent) | Err(_) => Probe::Absent,
        }
    }
}

impl Snaps {
    /// Unmounts a revision and removes its file, and the snap's folder if that was the last one in it.
    fn take_away(&self, setup: &Setup) -> Result<(), TaskError> {
        self.mounts
            .unmount(&self.dirs.snap_mount(&setup.snap, setup.revision))?;
        fs::remove_file(&self.file_of(setup))?;
        let dir = self.dirs.snap_mount_dir(&setup.snap);
        if !fs::remove_empty_dir(&dir) {
            // links that a kill left half made hold the folder
            fs::remove_unfinished(&dir)?;
            fs::remove_empty_dir(&dir);
        }
        Ok(())
    }
}

/// `discard-snap`: a revision goes for good; with the last one the snap is forgotten.
pub(super) struct DiscardSnap(pub Arc<Snaps>);

impl TaskKind for DiscardSnap {
    fn kind(&self) -> &'static str {
        kinds::DISCARD_SNAP
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let setup: Setup = task.params()?;
        let record = task.world().snap(setup.snap.as_str()).cloned();
        if record
            .as_ref()
            .is_some_and(|record| record.active && record.current == setup.revision)
        {
            return Err(TaskError::new(format!(
                "revision {} of snap {:?} is in use: make it unavailable first",
                setup.revision,
                setup.snap.as_str()
            )));
        }
        let last = record.as_ref().is_none_or(|record| {
            record
                .sequence
                .iter()
                .all(|known| known.revision == setup.revision)
        });
        if last && let Some(info) = record.as_ref().and_then(|record| record.info()) {
            // a kill between unlink and its commit may have left some
            self.0.unlink(info, setup.revision)?;
        }
        self.0.take_away(&setup)?;
        task.with_commit(move |tx| {
            let Some(record) = tx.world().snap(setup.snap.as_str()) else {
                return Ok(());
            };
            let mut record = SnapRecord::clone(record);
            record.sequence.retain(|known| known.revision != setup.revision);
            tx.forget_revision(&setup.snap, setup.revision)?;
            match record.sequence.last() {
                None => tx.delete_snap(&setup.snap),
                Some(newest) => {
                    if record.current == setup.revision {
                        record.current = newest.revision;
                    }
                    tx.put_snap(record)
                }
            }
        });
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        false
    }

    fn probe(&self, task: &TaskContext) -> Probe {
        let Ok(setup) = task.params::<Setup>() else {
            return Probe::Absent;
        };
        // links of a revision that was tried count where they lead nowhere, too
        let is_there = |path: &Path| path.symlink_metadata().is_ok();
        let file = is_there(&self.0.file_of(&setup));
        let target = self.0.dirs.snap_mount(&setup.snap, setup.revision);
        let mounted = is_there(&target) || self.0.mounts.leaves_a_trace(&target);
        match (file, mounted) {
            (false, false) => Probe::Present,
            (true, true) => Probe::Absent,
            _ => Probe::Partial,
        }
    }
}
