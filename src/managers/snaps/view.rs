//! Snaps as people look at them.

use super::Snaps;
use crate::domain::record::Health;
use crate::domain::{ErrorKind, Fault, RevisionRecord, SnapRecord};
use crate::store::World;
use std::path::PathBuf;
use std::sync::Arc;

/// Which snaps are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The current revision of each.
    #[default]
    Current,
    /// Every installed revision.
    All,
}

/// One installed revision.
#[derive(Clone, Debug)]
pub struct SnapView {
    pub record: Arc<SnapRecord>,
    pub revision: RevisionRecord,
    /// It is linked and may run.
    pub active: bool,
    /// The snap file, or the folder that is tried.
    pub file: PathBuf,
    /// Why it cannot be used; nothing when it can.
    pub broken: Option<String>,
    /// Its picture, when it brings one.
    pub icon: Option<PathBuf>,
    /// What it said last of its health.
    pub health: Option<Health>,
}

impl SnapView {
    /// Its files are those of a folder that somebody works on.
    pub fn is_tried(&self) -> bool {
        self.revision.file.folder.is_some()
    }
}

impl Snaps {
    /// Installed snaps by name; `names` keeps those, unknown ones are passed over.
    pub fn list(&self, which: Which, names: &[&str]) -> Vec<SnapView> {
        self.looks.refresh();
        let world = self.store.world();
        let mut views = Vec::new();
        for record in world.snaps.values() {
            if !names.is_empty() && !names.contains(&record.name.as_str()) {
                continue;
            }
            for revision in &record.sequence {
                let current = revision.revision == record.current;
                let wanted = match which {
                    Which::Current => current,
                    Which::All => true,
                };
                if wanted {
                    views.push(self.view(&world, record, revision));
                }
            }
        }
        views
    }

    /// The current revision of one snap.
    pub fn one(&self, name: &str) -> Result<SnapView, Fault> {
        self.looks.refresh();
        let world = self.store.world();
        world
            .snap(name)
            .and_then(|record| Some(self.view(&world, record, record.current_revision()?)))
            .ok_or_else(|| Fault::new(ErrorKind::SnapNotFound, "snap not installed").with(name))
    }

    fn view(&self, world: &World, record: &Arc<SnapRecord>, revision: &RevisionRecord) -> SnapView {
        let active = record.active && record.current == revision.revision;
        let tried = revision.file.folder.as_ref();
        let look = self.look(&record.name, revision.revision);
        let broken = (!look.usable).then(|| match tried {
            Some(folder) => format!(
                "the folder {} that it is tried from is gone: put it back or remove the snap",
                folder.display()
            ),
            None => {
                let mount = self.dirs.snap_mount(&record.name, revision.revision);
                format!("nothing is mounted at {}", mount.display())
            }
        });
        SnapView {
            record: Arc::clone(record),
            revision: revision.clone(),
            active,
            file: match tried {
                Some(folder) => folder.clone(),
                None => self.dirs.snap_file(&record.name, revision.revision),
            },
            broken,
            icon: look.icon.filter(|_| active),
            health: world.health_of(&record.name, revision.revision).cloned(),
        }
    }
}
