//! What of the host an app sees beside its base: which steps lead from the base's files to its view (contract:
//! confinement, sections 2.1, 4.1, 4.3 and 8). A strict app gets an allow-list: what is not in it is not there, whoever
//! asks and whatever the host makes later. A devmode app gets all that the contract lists.

use super::view::{Lent, Step};
use super::{Launch, Which};
use crate::domain::snap::Confinement;
use crate::domain::{Dirs, SnapName};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The devices that every app has.
const DEVICES: &str = "null zero full random urandom tty";

/// Files of the host's `/etc` that every app may read.
const ETC: &str = "passwd group hostname localtime timezone machine-id os-release lsb-release mailname mime.types profile \
    environment bash.bashrc inputrc locale.alias locale.conf locale.gen default/locale libnl-3 udev/udev.conf";

/// What of `/etc` is the base's.
const ETC_OF_BASE: &str = "alternatives nsswitch.conf ssl ld.so.cache ld.so.conf ld.so.conf.d";

/// What of `/run` every app may use; what snaps share with the system by name is in it.
const RUN: &str = "snapd-snap.socket systemd/notify systemd/journal/dev-log systemd/journal/socket \
    systemd/journal/stdout systemd/userdb uuidd/request";

/// What needs the system's names and certificates.
const NETWORK: &str = "/etc/hosts /etc/resolv.conf /etc/services /etc/protocols /etc/networks /etc/host.conf \
    /etc/gai.conf /etc/ssl /run/systemd/resolve /run/NetworkManager/resolv.conf /run/resolvconf/resolv.conf";

/// The system's message bus. Its policies know root only, so that is much for a service of root's.
const BUS: &str = "+/run/dbus";

/// What connected interfaces add, `+` where it may write; a star stands for the rest of a device's name.
const BY_INTERFACE: &[(&str, &str)] = &[
    ("alsa audio-playback audio-record", "/dev/snd"),
    (
        "block-devices",
        "/dev/sd* /dev/vd* /dev/mmcblk* /dev/nvme* /dev/loop*",
    ),
    ("bluetooth-control", "/dev/rfkill"),
    ("camera", "/dev/video* /dev/media* /dev/vchiq"),
    ("firewall-control", "+/proc/sys/net"),
    ("framebuffer", "/dev/fb*"),
    ("fuse-support", "/dev/fuse"),
    (
        "avahi-control avahi-observe bluez dbus fwupd hostname-control locale-control location-control location-observe \
         login-session-control login-session-observe modem-manager network-manager network-manager-observe polkit shutdown \
         time-control timedate-control timeserver-control timezone-control udisks2 upower-observe",
        BUS,
    ),
    ("gpio-control", "/dev/gpiochip* +/sys/class/gpio +/sys/devices"),
    ("gpio-memory-control", "/dev/gpiomem*"),
    ("hardware-observe", "/run/udev /etc/modprobe.d"),
    ("hardware-random-control hardware-random-observe", "/dev/hwrng"),
    ("home", "+/home"),
    ("joystick raw-input", "/dev/input"),
    ("kvm", "/dev/kvm"),
    ("log-observe", "/var/log /run/log/journal /dev/kmsg"),
    ("mount-observe", "/etc/fstab /etc/mtab /run/mount"),
    (
        "network network-bind network-control network-manager network-setup-control firewall-control",
        NETWORK,
    ),
    (
        "network-control",
        "+/proc/sys/net +/run/netns +/run/wpa_supplicant +/var/lib/dhcp /dev/net/tun /dev/rfkill /etc/iproute2",
    ),
    ("opengl", "/dev/dri /dev/vchiq"),
    ("ppp", "/dev/ppp"),
    ("raw-usb", "/dev/bus/usb /dev/ttyUSB* /dev/ttyACM* /run/udev"),
    ("removable-media", "+/media +/mnt +/run/media"),
    ("snapd-control", "+/run/snapd.socket"),
    ("system-observe", "/boot"),
    ("uhid", "/dev/uhid"),
    ("uinput", "/dev/uinput"),
];

/// The contract's list for those of whom nothing is kept back.
const ALL: &str = "/dev /etc /home /root /run /snap /sys /var/snap /var/lib/snapd /var/tmp /var/log /usr/src \
    /lib/modules /lib/firmware /media /mnt /proc";

/// What all apps of a snap share, on the host: `/tmp`, `/dev/shm` and two folders in `/run`; with their modes.
fn shared(dirs: &Dirs, snap: &SnapName) -> [(PathBuf, PathBuf, u32); 4] {
    let at = |path: &str| PathBuf::from(path);
    let own = format!("snap.{snap}");
    let (run, lock) = (format!("run/{own}"), format!("run/lock/{own}"));
    [
        (dirs.private_tmp(snap).join("tmp"), at("/tmp"), 0o1777),
        (dirs.shared_memory(snap), at("/dev/shm"), 0o1777),
        (dirs.root().join(&run), Path::new("/").join(run), 0o755),
        (dirs.root().join(&lock), Path::new("/").join(lock), 0o755),
    ]
}

/// Takes away what the apps of a snap shared; for the end of its life.
pub fn forget(dirs: &Dirs, snap: &SnapName) -> io::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let folders = shared(dirs, snap).into_iter().map(|(folder, ..)| folder);
    for folder in folders.chain([dirs.private_tmp(snap)]) {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Makes a folder of root's. What somebody else has put there is refused: `/tmp` and `/dev/shm` are open to all.
fn make(folder: &Path, mode: u32) -> io::Result<()> {
    let made = fs::DirBuilder::new().mode(0o700).create(folder);
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != 0 {
        let text = format!("{} is not a folder of root's: remove it", folder.display());
        return Err(io::Error::other(text));
    }
    if found.mode() & 0o7777 != mode {
        fs::set_permissions(folder, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// A path below this root as the app sees it.
pub fn inside(dirs: &Dirs, path: &Path) -> PathBuf {
    match path.strip_prefix(dirs.root()) {
        Ok(rest) => Path::new("/").join(rest),
        Err(_) => path.to_owned(),
    }
}

struct Plan<'a> {
    dirs: &'a Dirs,
    base: &'a Path,
    steps: Vec<Step>,
}

/// The steps of an app, or the hook; `user` is the folder that the user has for the snap. Makes what must be there.
pub fn steps(dirs: &Dirs, launch: &Launch, which: &Which, base: &Path, user: &Path) -> io::Result<Vec<Step>> {
    let snap = &launch.info.name;
    let mut plan = Plan {
        dirs,
        base,
        steps: Vec::new(),
    };
    let tmp = dirs.private_tmp(snap);
    let above = tmp.parent().unwrap_or(&tmp);
    fs::create_dir_all(above.parent().unwrap_or(above))?;
    make(above, 0o700)?;
    make(&tmp, 0o700)?;
    let strict = launch.confinement == Confinement::Strict;
    if strict {
        plan.strict(launch, which, user);
    } else {
        for path in ALL.split_whitespace() {
            plan.lend(path, path, Lent::Write);
        }
    }
    plan.tools();
    for (folder, to, mode) in shared(dirs, snap) {
        if !strict && to != Path::new("/tmp") {
            continue;
        }
        fs::create_dir_all(folder.parent().unwrap_or(&folder))?;
        make(&folder, mode)?;
        plan.push(folder, to, Lent::Write);
    }
    if strict {
        plan.connected(launch, which);
    }
    Ok(plan.steps)
}

impl Plan<'_> {
    fn push(&mut self, from: PathBuf, to: impl Into<PathBuf>, how: Lent) {
        let to = to.into();
        self.steps.push(Step::Lend { from, to, how });
    }

    /// Lends what is there of the host; links in `/etc` stay links.
    fn lend(&mut self, from: &str, to: impl Into<PathBuf>, how: Lent) {
        let to = to.into();
        let of_root = self.dirs.root().join(from.trim_start_matches('/'));
        let kernel = ["/dev", "/proc", "/sys"].iter().any(|top| from.starts_with(top));
        let from = if kernel || !of_root.exists() {
            PathBuf::from(from)
        } else {
            of_root
        };
        if to.starts_with("/etc")
            && let Ok(target) = fs::read_link(&from)
        {
            self.steps.push(Step::Link { at: to, target });
        } else if let Ok(from) = fs::canonicalize(&from) {
            self.push(from, to, how);
        }
    }

    fn memory(&mut self, path: &str) {
        self.steps.push(Step::Memory(PathBuf::from(path), 0o755));
    }

    fn link(&mut self, at: &str, target: &str) {
        let (at, target) = (PathBuf::from(at), PathBuf::from(target));
        self.steps.push(Step::Link { at, target });
    }

    /// `snapctl`, where the path of apps begins: a base has no such program.
    fn tools(&mut self) {
        let tools = self.dirs.tools();
        let seen = inside(self.dirs, &tools);
        self.steps.push(Step::Memory(seen.clone(), 0o755));
        if let Ok(program) = fs::canonicalize(tools.join("snapctl")) {
            self.push(program, seen.join("snapctl"), Lent::Read);
        }
    }

    fn strict(&mut self, launch: &Launch, which: &Which, user: &Path) {
        let (dirs, snap) = (self.dirs, &launch.info.name);
        self.steps.push(Step::CloseProc);
        self.lend("/sys", "/sys", Lent::Bare);
        self.lend("/sys/fs/cgroup", "/sys/fs/cgroup", Lent::Read);

        self.memory("/dev");
        for name in DEVICES.split(' ') {
            let node = format!("/dev/{name}");
            self.lend(&node, node.as_str(), Lent::Write);
        }
        self.steps.push(Step::Terminals);
        self.link("/dev/ptmx", "pts/ptmx");
        self.link("/dev/fd", "/proc/self/fd");
        for (number, name) in ["stdin", "stdout", "stderr"].iter().enumerate() {
            self.link(&format!("/dev/{name}"), &format!("/proc/self/fd/{number}"));
        }
        self.link("/dev/log", "/run/systemd/journal/dev-log");

        self.memory("/etc");
        for name in ETC.split_whitespace() {
            let path = format!("/etc/{name}");
            self.lend(&path, path.as_str(), Lent::Read);
        }
        for name in ETC_OF_BASE.split(' ') {
            if let Ok(from) = fs::canonicalize(self.base.join("etc").join(name)) {
                self.push(from, Path::new("/etc").join(name), Lent::Read);
            }
        }

        self.memory("/run");
        for name in RUN.split_whitespace() {
            let path = format!("/run/{name}");
            self.lend(&path, path.as_str(), Lent::Write);
        }
        let uid = nix::unistd::geteuid().as_raw();
        let own = dirs.user_run(uid, snap);
        if own.is_dir() {
            let to = inside(dirs, &own);
            self.push(own, to, Lent::Write);
        }

        self.push(
            dirs.snap_mount_dir(snap),
            Path::new("/snap").join(snap.as_str()),
            Lent::Read,
        );
        self.push(
            dirs.snap_data_dir(snap),
            Path::new("/var/snap").join(snap.as_str()),
            Lent::Write,
        );
        if user.is_dir() {
            self.push(user.to_owned(), inside(dirs, user), Lent::Write);
        }
        if let Which::App { app, .. } = which {
            let mut slots = app.slots.iter().filter_map(|slot| launch.info.slots.get(slot));
            if slots.any(|slot| slot.interface == "dbus") {
                self.by_words(BUS);
            }
        }
    }

    /// What the connected plugs add.
    fn connected(&mut self, launch: &Launch, which: &Which) {
        let mut words: Vec<&str> = Vec::new();
        for plug in which.plugs().iter().filter_map(|plug| launch.plugs.get(plug)) {
            let fits = |names: &str| names.split_whitespace().any(|name| name == plug.interface);
            let rows = BY_INTERFACE.iter().filter(|row| fits(row.0));
            for (_, more) in rows {
                if !words.contains(more) {
                    words.push(more);
                }
            }
            for device in &plug.devices {
                self.by_word(device);
            }
            if let Some(path) = plug.grants.get("PATH").map(Path::new) {
                self.granted(path);
            }
        }
        for more in words {
            self.by_words(more);
        }
    }

    /// What a plug got of the hardware: a device's node under the path that the app knows, or a folder of the kernel's.
    fn granted(&mut self, path: &Path) {
        let Ok(real) = fs::canonicalize(path) else { return };
        let seen = inside(self.dirs, path);
        if real.starts_with("/sys") {
            let folder = if real.is_dir() {
                Some(real.as_path())
            } else {
                real.parent()
            };
            let folder = folder.unwrap_or(&real).to_owned();
            self.push(folder.clone(), folder, Lent::Write);
        } else if seen.starts_with("/dev") {
            self.push(real, seen, Lent::Write);
        }
    }

    fn by_words(&mut self, words: &str) {
        for word in words.split_whitespace() {
            self.by_word(word);
        }
    }

    fn by_word(&mut self, word: &str) {
        let path = word.trim_start_matches('+');
        let how = if path.len() < word.len() || path.starts_with("/dev/") {
            Lent::Write
        } else {
            Lent::Read
        };
        let Some((start, _)) = path.split_once('*') else {
            // The base's certificates are there already.
            if path != "/etc/ssl" || !self.base.join("etc/ssl").exists() {
                self.lend(path, path, how);
            }
            return;
        };
        let folder = Path::new(start).parent().unwrap_or(Path::new("/"));
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let found = entry.path();
            if found.as_os_str().as_encoded_bytes().starts_with(start.as_bytes()) {
                self.granted(&found);
            }
        }
    }
}
