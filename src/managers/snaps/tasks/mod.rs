//! The task kinds of snaps.

mod data;
mod files;
mod links;
mod needs;
mod switch;

use super::content::Content;
use super::file::{SnapFileError, read_info};
use super::params::Setup;
use super::{Snaps, aliases};
use crate::domain::{Revision, SnapInfo, SnapName};
use crate::drivers::mount::MountError;
use crate::engine::{Registry, TaskContext, TaskError};
use std::path::PathBuf;
use std::sync::Arc;

impl Snaps {
    /// Adds the task kinds of snaps.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        registry.add(needs::Prerequisites);
        registry.add(files::PrepareSnap(self.clone()));
        registry.add(files::MountSnap(self.clone()));
        registry.add(files::DiscardSnap(self.clone()));
        registry.add(data::CopySnapData(self.clone()));
        registry.add(data::ClearSnap(self.clone()));
        registry.add(links::LinkSnap(self.clone()));
        registry.add(links::UnlinkSnap::of_removal(self.clone()));
        registry.add(links::UnlinkSnap::of_refresh(self.clone()));
        registry.add(switch::SwitchSnap);
        aliases::tasks::register(self, registry);
        for kind in needs::NO_EFFECT {
            registry.add(needs::NoEffect(kind));
        }
    }

    /// What a revision says of itself: from the store, or read from its file.
    fn info_of(
        &self,
        task: &TaskContext,
        snap: &SnapName,
        revision: Revision,
    ) -> Result<Arc<SnapInfo>, TaskError> {
        let world = task.world();
        if let Some(known) = world
            .snap(snap.as_str())
            .and_then(|record| record.revision(revision))
        {
            return Ok(Arc::clone(&known.info));
        }
        let file = self.dirs.snap_file(snap, revision);
        let content = Content::open(&file).map_err(SnapFileError::from)?;
        Ok(Arc::new(read_info(&content)?))
    }

    /// A revision is installed: the store knows it.
    fn is_recorded(task: &TaskContext, snap: &SnapName, revision: Revision) -> bool {
        task.world()
            .snap(snap.as_str())
            .is_some_and(|record| record.revision(revision).is_some())
    }

    pub(super) fn file_of(&self, setup: &Setup) -> PathBuf {
        self.dirs.snap_file(&setup.snap, setup.revision)
    }
}

impl From<SnapFileError> for TaskError {
    fn from(error: SnapFileError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<MountError> for TaskError {
    fn from(error: MountError) -> Self {
        Self::new(error.to_string())
    }
}
