//! What every listing asks of a snap's files. An image does not change, so each is looked at once, and that is known
//! until the kernel's table of mounts changes; folders are looked at each time.

use super::Snaps;
use crate::domain::{Revision, SnapName};
use crate::drivers::mount::{self, TableWatch};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What there is at a mount point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// A snap.
    pub usable: bool,
    /// Its picture, when it brings one.
    pub icon: Option<PathBuf>,
}

/// What is known of images.
pub(super) struct Looks {
    watch: Option<TableWatch>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// How often the table has changed.
    age: u64,
    /// Sorted by name and revision.
    images: Vec<(SnapName, Revision, Look)>,
}

impl Looks {
    pub fn new() -> Self {
        Self {
            // Without a table nothing is kept.
            watch: TableWatch::open().ok(),
            known: Mutex::default(),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything if the table has changed since the last time. Costs one call of the kernel, however many
    /// snaps there are.
    pub fn refresh(&self) {
        // Under the lock: who asks after another was told must not read what is known from before.
        let mut known = self.known();
        if self.watch.as_ref().is_some_and(TableWatch::has_changed) {
            known.age += 1;
            known.images.clear();
        }
    }
}

impl Known {
    fn place(&self, snap: &SnapName, revision: Revision) -> Result<usize, usize> {
        self.images
            .binary_search_by(|(name, number, _)| (name, number).cmp(&(snap, &revision)))
    }
}

impl Snaps {
    /// What there is of a revision, after [`Looks::refresh`].
    pub(super) fn look(&self, snap: &SnapName, revision: Revision) -> Look {
        let age = {
            let known = self.looks.known();
            if let Ok(at) = known.place(snap, revision) {
                return known.images[at].2.clone();
            }
            known.age
        };
        let mount = self.dirs.snap_mount(snap, revision);
        let look = look_at(&mount);
        if look.usable && self.looks.watch.is_some() && mount::is_image(&mount) {
            let mut known = self.looks.known();
            if let (true, Err(at)) = (known.age == age, known.place(snap, revision)) {
                known.images.insert(at, (snap.clone(), revision, look.clone()));
            }
        }
        look
    }
}

fn look_at(mount: &Path) -> Look {
    let usable = mount.join("meta/snap.yaml").is_file();
    let pictures = mount.join("meta/gui");
    let icon = ["icon.png", "icon.svg"]
        .iter()
        .map(|name| pictures.join(name))
        .find(|path| usable && is_inside(path, mount));
    Look { usable, icon }
}

/// A file that is there, and that no link leads out of the snap: the agent would show what its reader may not see.
fn is_inside(path: &Path, mount: &Path) -> bool {
    path.is_file()
        && match (path.canonicalize(), mount.canonicalize()) {
            (Ok(path), Ok(mount)) => path.starts_with(mount),
            _ => false,
        }
}
