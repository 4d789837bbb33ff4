//! Which revision of a snap is the current one.

use crate::confine::layout;
use crate::domain::{Revision, RevisionRecord, SnapName, SnapRecord, kinds};
use crate::drivers::fs;
use crate::engine::{Outcome, Probe, TaskContext, TaskError, TaskKind};
use crate::managers::snaps::Snaps;
use crate::managers::snaps::params::{Before, Flags, Setup};
use crate::store::{StoreError, Tx};
use std::sync::Arc;

/// Changes a snap's record, if there is one.
pub(super) fn edit(
    tx: &mut Tx<'_>,
    snap: &SnapName,
    change: impl FnOnce(&mut SnapRecord),
) -> Result<(), StoreError> {
    let Some(record) = tx.world().snap(snap.as_str()) else {
        return Ok(());
    };
    let mut record = SnapRecord::clone(record);
    change(&mut record);
    tx.put_snap(record)
}

/// `link-snap`: a revision becomes the current one, on disk and in the store.
pub(super) struct LinkSnap(pub Arc<Snaps>);

impl TaskKind for LinkSnap {
    fn kind(&self) -> &'static str {
        kinds::LINK_SNAP
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let setup: Setup = task.params()?;
        let info = self.0.info_of(task, &setup.snap, setup.revision)?;
        if let Err(error) = self.0.link(&info, setup.revision) {
            // What fails is not undone: the links that were made lead to what goes now.
            if let Err(another) = self.0.unlink(&info, setup.revision) {
                log::warn!("{}", another.in_full());
            }
            return Err(error.into());
        }
        let unseen = !info.layout.is_empty() && !layout::is_possible();
        let unseen = unseen.then(|| {
            let places: Vec<&str> = info.layout.iter().map(|entry| entry.path.as_str()).collect();
            format!(
                "the layouts of snap {:?} are not applied, because the agent does not run as root: {}",
                setup.snap.as_str(),
                places.join(", ")
            )
        });
        if let Some(text) = &unseen {
            task.info(text);
        }
        let bad = info.dropped.join("; ");
        if !bad.is_empty() {
            task.info(format!("left out: {bad}"));
        }
        task.with_commit(move |tx| {
            if let Some(text) = unseen {
                tx.add_warning(&text)?;
            }
            if !bad.is_empty() {
                tx.add_warning(&format!(
                    "snap {:?} has bad plugs or slots: {bad}",
                    setup.snap.as_str()
                ))?;
            }
            let mut record = match tx.world().snap(setup.snap.as_str()) {
                Some(record) => SnapRecord::clone(record),
                None => fresh(&setup.snap, setup.revision),
            };
            if record.revision(setup.revision).is_none() {
                record.sequence.push(RevisionRecord {
                    revision: setup.revision,
                    installed: tx.now(),
                    file: setup.file.clone().unwrap_or_default(),
                    info,
                });
            }
            if let Some(before) = &setup.before {
                tx.keep_config(&setup.snap, before.current)?;
                if !setup.brings() {
                    tx.restore_config(&setup.snap, setup.revision)?;
                }
            }
            record.current = setup.revision;
            record.active = true;
            setup.flags.put(&mut record);
            tx.put_snap(record)
        });
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn undo(&self, task: &TaskContext) -> Result<(), TaskError> {
        let setup: Setup = task.params()?;
        if let Ok(info) = self.0.info_of(task, &setup.snap, setup.revision) {
            self.0.unlink(&info, setup.revision)?;
        }
        // a revision that was there before this change stays
        let brought = setup.brings();
        task.with_commit(move |tx| {
            let Some(record) = tx.world().snap(setup.snap.as_str()) else {
                return Ok(());
            };
            let mut record = SnapRecord::clone(record);
            record.active = false;
            if brought {
                record.sequence.retain(|known| known.revision != setup.revision);
            }
            if record.sequence.is_empty() {
                return tx.delete_snap(&setup.snap);
            }
            if let Some(Before { current, flags }) = setup.before {
                match brought {
                    true => tx.forget_revision(&setup.snap, setup.revision)?,
                    false => tx.keep_config(&setup.snap, setup.revision)?,
                }
                tx.restore_config(&setup.snap, current)?;
                record.current = current;
                flags.put(&mut record);
            }
            tx.put_snap(record)
        });
        Ok(())
    }

    fn probe(&self, task: &TaskContext) -> Probe {
        let Ok(setup) = task.params::<Setup>() else {
            return Probe::Absent;
        };
        match self.0.how_linked(task, &setup.snap, setup.revision) {
            Linked::Whole => Probe::Present,
            Linked::Part => Probe::Partial,
            Linked::Not => Probe::Absent,
        }
    }
}

/// How much of a revision's links and wrappers is on disk. What the store says is not asked: it follows with the
/// commit.
enum Linked {
    Whole,
    Part,
    Not,
}

impl Snaps {
    fn how_linked(&self, task: &TaskContext, snap: &SnapName, revision: Revision) -> Linked {
        let Ok(info) = self.info_of(task, snap, revision) else {
            return Linked::Not;
        };
        match self.linked(&info, revision) {
            (0, _) => Linked::Not,
            (there, all) if there == all => Linked::Whole,
            _ => Linked::Part,
        }
    }
}

fn fresh(snap: &SnapName, revision: Revision) -> SnapRecord {
    let mut record = SnapRecord {
        name: snap.clone(),
        active: false,
        current: revision,
        sequence: Vec::new(),
        devmode: false,
        jailmode: false,
        classic: false,
        tracking_channel: String::new(),
        cohort_key: String::new(),
        disabled_services: Vec::new(),
        aliases: Default::default(),
    };
    Flags::default().put(&mut record);
    record
}

/// `unlink-snap` and `unlink-current-snap`: nothing of the snap is to be run.
pub(super) struct UnlinkSnap {
    snaps: Arc<Snaps>,
    kind: &'static str,
}

impl UnlinkSnap {
    /// When the snap is removed or disabled.
    pub(super) fn of_removal(snaps: Arc<Snaps>) -> Self {
        Self {
            snaps,
            kind: kinds::UNLINK_SNAP,
        }
    }

    /// When another revision takes over.
    pub(super) fn of_refresh(snaps: Arc<Snaps>) -> Self {
        Self {
            snaps,
            kind: kinds::UNLINK_CURRENT_SNAP,
        }
    }

    /// The revision that is, or was, linked.
    fn revision(setup: &Setup) -> Revision {
        setup
            .before
            .as_ref()
            .map_or(setup.revision, |before| before.current)
    }
}

impl TaskKind for UnlinkSnap {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let setup: Setup = task.params()?;
        let revision = Self::revision(&setup);
        let info = self.snaps.info_of(task, &setup.snap, revision)?;
        self.snaps.unlink(&info, revision)?;
        task.with_commit(move |tx| edit(tx, &setup.snap, |record| record.active = false));
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn undo(&self, task: &TaskContext) -> Result<(), TaskError> {
        let setup: Setup = task.params()?;
        let revision = Self::revision(&setup);
        let info = self.snaps.info_of(task, &setup.snap, revision)?;
        // A removal may have cleared the data before it failed, and clearing cannot be undone: a snap that can be run
        // has its folder all the same.
        fs::make_dir(&self.snaps.dirs.snap_data(&setup.snap, revision), 0o755)?;
        self.snaps.link(&info, revision)?;
        task.with_commit(move |tx| {
            edit(tx, &setup.snap, |record| {
                record.current = revision;
                record.active = true;
            })
        });
        Ok(())
    }

    fn probe(&self, task: &TaskContext) -> Probe {
        let Ok(setup) = task.params::<Setup>() else {
            return Probe::Absent;
        };
        let revision = Self::revision(&setup);
        match self.snaps.how_linked(task, &setup.snap, revision) {
            Linked::Not => Probe::Present,
            Linked::Part => Probe::Partial,
            Linked::Whole => Probe::Absent,
        }
    }
}
