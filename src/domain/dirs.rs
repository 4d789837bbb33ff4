//! Every path that the agent uses, from one root (invariant 5).

use super::{Revision, SnapName};
use std::path::{Path, PathBuf};

/// Where things are below a root directory (`/` on a board).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    root: PathBuf,
}

impl Dirs {
    /// All paths below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// True when the agent manages the machine it runs on.
    pub fn is_host(&self) -> bool {
        self.root == Path::new("/")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The agent's own state: the database and its backups.
    pub fn state(&self) -> PathBuf {
        self.at("var/lib/pinion")
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.at("var/lib/pinion/state.db")
    }

    /// snapd's state folder, whose layout snaps and clients know.
    pub fn snapd(&self) -> PathBuf {
        self.at("var/lib/snapd")
    }

    /// What `snap` reads while no daemon answers.
    pub fn maintenance(&self) -> PathBuf {
        self.at("var/lib/snapd/maintenance.json")
    }

    /// Snap files, and uploads on their way to become some.
    pub fn snap_files(&self) -> PathBuf {
        self.at("var/lib/snapd/snaps")
    }

    /// The file of one revision.
    pub fn snap_file(&self, snap: &SnapName, revision: Revision) -> PathBuf {
        self.snap_files().join(format!("{snap}_{revision}.snap"))
    }

    /// What desktops know of the apps of snaps.
    pub fn desktop_files(&self) -> PathBuf {
        self.at("var/lib/snapd/desktop/applications")
    }

    /// A desktop file of a snap.
    pub fn desktop_file(&self, snap: &SnapName, name: &str) -> PathBuf {
        self.desktop_files().join(format!("{snap}_{name}"))
    }

    /// The cookies by which snaps are known on the snap socket.
    pub fn cookies(&self) -> PathBuf {
        self.at("var/lib/snapd/cookie")
    }

    /// Where snaps are mounted.
    pub fn snap_mounts(&self) -> PathBuf {
        self.at("snap")
    }

    /// All revisions of one snap.
    pub fn snap_mount_dir(&self, snap: &SnapName) -> PathBuf {
        self.snap_mounts().join(snap.as_str())
    }

    /// The mount point of one revision.
    pub fn snap_mount(&self, snap: &SnapName, revision: Revision) -> PathBuf {
        self.snap_mount_dir(snap).join(revision.to_string())
    }

    /// The wrappers of apps.
    pub fn snap_bin(&self) -> PathBuf {
        self.at("snap/bin")
    }

    /// The data of all snaps.
    pub fn snap_data_all(&self) -> PathBuf {
        self.at("var/snap")
    }

    /// All data of one snap.
    pub fn snap_data_dir(&self, snap: &SnapName) -> PathBuf {
        self.snap_data_all().join(snap.as_str())
    }

    /// The data of one revision.
    pub fn snap_data(&self, snap: &SnapName, revision: Revision) -> PathBuf {
        self.snap_data_dir(snap).join(revision.to_string())
    }

    /// The data that all revisions share.
    pub fn snap_common(&self, snap: &SnapName) -> PathBuf {
        self.snap_data_dir(snap).join("common")
    }

    /// Volatile files of the agent: service logs, launch descriptions.
    pub fn run(&self) -> PathBuf {
        self.at("run/pinion")
    }

    /// What the launcher knows of each active snap.
    pub fn launches(&self) -> PathBuf {
        self.at("run/pinion/launch")
    }

    /// The same of one snap.
    pub fn launch(&self, snap: &SnapName) -> PathBuf {
        self.launches().join(format!("{snap}.json"))
    }

    /// The folder with `snapctl`, first on the path of apps.
    pub fn tools(&self) -> PathBuf {
        self.at("run/pinion/bin")
    }

    /// What services printed.
    pub fn logs(&self) -> PathBuf {
        self.at("run/pinion/logs")
    }

    /// A user's volatile files of a snap.
    pub fn user_run(&self, user: u32, snap: &SnapName) -> PathBuf {
        self.at(&format!("run/user/{user}/snap.{snap}"))
    }

    /// What the confined apps of a snap have for `/tmp`, in a folder that only root may enter.
    pub fn private_tmp(&self, snap: &SnapName) -> PathBuf {
        self.at(&format!("tmp/snap-private-tmp/snap.{snap}"))
    }

    /// What they have for `/dev/shm`.
    pub fn shared_memory(&self, snap: &SnapName) -> PathBuf {
        self.at(&format!("dev/shm/snap.{snap}"))
    }

    /// The message bus of the system.
    pub fn bus(&self) -> PathBuf {
        self.at("run/dbus/system_bus_socket")
    }

    /// What the bus starts for names of snaps.
    pub fn bus_services(&self) -> PathBuf {
        self.at("var/lib/snapd/dbus-1/system-services")
    }

    /// Who may own names on the bus.
    pub fn bus_policies(&self) -> PathBuf {
        self.at("etc/dbus-1/system.d")
    }

    /// The main socket.
    pub fn main_socket(&self) -> PathBuf {
        self.at("run/snapd.socket")
    }

    /// The socket for snaps.
    pub fn snap_socket(&self) -> PathBuf {
        self.at("run/snapd-snap.socket")
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.at("etc/pinion/config.toml")
    }

    /// systemd's units, when it manages services.
    pub fn units(&self) -> PathBuf {
        self.at("etc/systemd/system")
    }

    /// Device nodes made for snaps.
    pub fn snap_devices(&self) -> PathBuf {
        self.at("dev/snap")
    }
}
