//! Installed snaps: their files, what they say of themselves, and the plans and tasks that install, refresh and
//! remove them.

mod aliases;
mod container;
mod content;
mod copy;
mod desktop;
mod file;
mod identity;
mod inspect;
mod links;
mod look;
pub mod pack;
mod params;
mod plan;
mod removal;
mod revisions;
mod tasks;
#[cfg(test)]
mod tests;
mod uploads;
mod view;
pub mod yaml;

pub use aliases::{AliasStatus, AliasView};
pub use file::SnapFileError;
pub use inspect::{Discrepancy, Repair};
pub use plan::{Sideload, SideloadFlags};
pub use removal::RemoveOptions;
pub use revisions::{RevertOptions, SwitchOptions};
pub use uploads::{Upload, UploadWriter, Uploads};
pub use view::{SnapView, Which};

use crate::domain::{Dirs, ErrorKind, Fault};
use crate::drivers::fs::FileError;
use crate::drivers::mount::Mounts;
use crate::store::Store;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// What this manager must know of the device and of its neighbours.
pub struct Device {
    /// Debian's name of the architecture.
    pub architecture: &'static str,
    /// Any system that is not Ubuntu Core (decision 13).
    pub on_classic: bool,
    /// The agent's own executable, which wrappers start.
    pub executable: PathBuf,
}

/// The manager of snaps.
pub struct Snaps {
    dirs: Dirs,
    store: Arc<Store>,
    mounts: Mounts,
    device: Device,
    uploads: Uploads,
    looks: look::Looks,
}

impl Snaps {
    /// The manager over a store and the folders of a root.
    pub fn new(dirs: Dirs, store: Arc<Store>, mounts: Mounts, device: Device) -> Arc<Self> {
        Arc::new(Self {
            uploads: Uploads::new(&dirs),
            looks: look::Looks::new(),
            dirs,
            store,
            mounts,
            device,
        })
    }

    /// Where uploads are written.
    pub fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// Removes uploads that no live change knows; called once, before the servers start.
    pub fn sweep_uploads(&self) -> Result<(), FileError> {
        let world = self.store.world();
        let wanted: BTreeSet<PathBuf> = world
            .changes
            .values()
            .filter(|change| !change.is_ready())
            .flat_map(|change| change.tasks.iter())
            .filter_map(|task| task.params.get("upload")?.as_str().map(PathBuf::from))
            .collect();
        self.uploads.clean(&wanted)
    }

    /// Removes what a kill left of mount points, also of snaps whose change goes on: a change that gave up may never
    /// come back to it. Called once, before the engine resumes.
    pub fn sweep_mounts(&self) {
        for folder in inspect::folders(&self.dirs.snap_mounts()) {
            if let Err(error) = Mounts::sweep(&folder) {
                log::warn!("{error}");
            }
        }
    }

    /// Ends with the agent: below another root than `/` nothing stays mounted; on the host the mounts stay for what
    /// runs from them, as the contract's daemon leaves them.
    pub fn leave(&self) {
        if self.dirs.is_host() {
            return;
        }
        match self.mounts.below(&self.dirs.snap_mounts()) {
            Ok(points) => {
                for point in points.iter().rev() {
                    if let Err(error) = self.mounts.detach(&point.target) {
                        log::warn!("a snap stays mounted: {error}");
                    }
                }
            }
            Err(error) => log::warn!("cannot tell what is mounted: {error}"),
        }
    }
}

fn not_installed(name: &str) -> Fault {
    Fault::new(
        ErrorKind::SnapNotInstalled,
        format!("snap {name:?} is not installed"),
    )
    .with(name)
}
