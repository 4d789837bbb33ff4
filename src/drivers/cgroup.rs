//! Control groups (version 2): one per service and hook, so that all of its processes can be found and ended, and so
//! that a process can be told to be a snap's (`access`). Without rights on the tree there are none, and the process
//! runner falls back to process groups.

use crate::domain::SnapName;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{AccessFlags, Pid, access};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;

/// Where the version 2 tree may be mounted: alone, or beside version 1.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// How long killed processes may take to be gone (they may hang in the kernel).
const GONE: Duration = Duration::from_secs(2);

/// The snap that a process is of; `None` for one of no snap, and for one that is gone.
pub fn snap_of_process(pid: i32) -> Option<SnapName> {
    SnapName::of_cgroups(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)
}

/// The agent's part of the control group tree.
#[derive(Clone, Debug)]
pub struct Tree {
    base: PathBuf,
}

impl Tree {
    /// The part that belongs to the agent of that root directory, made with its first group; `None` without a tree or
    /// rights.
    pub fn open(root: &Path) -> Option<Self> {
        let mount = MOUNTS
            .iter()
            .map(Path::new)
            .find(|mount| mount.join("cgroup.controllers").exists())?;
        let base = mount.join(base_name(root));
        // A folder that is there may be another user's.
        let place = if base.exists() {
            base.join("cgroup.procs")
        } else {
            mount.to_owned()
        };
        access(&place, AccessFlags::W_OK).ok()?;
        Some(Self { base })
    }

    /// The part of the agent of that root directory, if there is one; nothing is made.
    pub fn find(root: &Path) -> Option<Self> {
        let mounts = MOUNTS.iter().map(Path::new);
        mounts
            .map(|mount| mount.join(base_name(root)))
            .find(|base| base.join("cgroup.procs").exists())
            .map(|base| Self { base })
    }

    /// The group of that name, made if need be.
    pub fn group(&self, name: &str) -> io::Result<Group> {
        let path = self.base.join(name);
        // The last group takes the agent's part with it, perhaps between the two steps.
        let mut made = fs::create_dir_all(&path);
        if made.is_err() {
            made = fs::create_dir_all(&path);
        }
        made.map(|()| Group { path })
    }

    /// The names of the groups that there are.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.base).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }

    /// Lets go of the agent's part if nothing lives in it.
    pub fn remove(&self) {
        for name in self.names() {
            let _ = fs::remove_dir(self.base.join(name));
        }
        let _ = fs::remove_dir(&self.base);
    }
}

/// The folder's name: `pinion` for the host, another one for each other root, so that several agents keep apart.
fn base_name(root: &Path) -> String {
    if root == Path::new("/") {
        return String::from("pinion");
    }
    // FNV-1a: short, and the same in every run.
    let hash = root
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("pinion-{hash:016x}")
}

/// One group.
#[derive(Clone, Debug)]
pub struct Group {
    path: PathBuf,
}

impl Group {
    /// The file into which a process writes `0` to move itself here.
    pub fn entry(&self) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .open(self.path.join("cgroup.procs"))
    }

    /// The processes in it.
    pub fn pids(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Something lives in it.
    pub fn is_populated(&self) -> bool {
        fs::read_to_string(self.path.join("cgroup.events")).is_ok_and(|text| text.contains("populated 1"))
    }

    /// The file that becomes ready (priority data) when [`Self::is_populated`] changes.
    pub fn events(&self) -> io::Result<File> {
        File::open(self.path.join("cgroup.events"))
    }

    /// Sends a signal to every process in it.
    pub fn signal(&self, signal: Signal) {
        for pid in self.pids() {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Ends everything in it and waits until it is gone; false when something is still there after two seconds.
    pub fn kill_all(&self) -> bool {
        if !self.is_populated() {
            return true;
        }
        let until = Instant::now() + GONE;
        let killed = OpenOptions::new()
            .write(true)
            .open(self.path.join("cgroup.kill"))
            .and_then(|mut file| file.write_all(b"1"))
            .is_ok();
        while !killed && self.is_populated() && Instant::now() < until {
            // Kernels before 5.14: what forks while we read the list is in the next list.
            self.signal(Signal::SIGKILL);
            std::thread::sleep(Duration::from_millis(2));
        }
        self.wait_empty(until)
    }

    /// Waits for the end of the last process; false when the moment comes first.
    fn wait_empty(&self, until: Instant) -> bool {
        let Ok(mut events) = self.events() else {
            return true;
        };
        let mut text = String::new();
        loop {
            text.clear();
            if events.rewind().is_err() || events.read_to_string(&mut text).is_err() {
                return true;
            }
            if text.contains("populated 0") {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            let Ok(timeout) = PollTimeout::try_from(left) else {
                return false;
            };
            if left.is_zero() {
                return false;
            }
            let mut fds = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
            let _ = nix::poll::poll(&mut fds, timeout);
        }
    }

    /// Lets go of the group if nothing lives in it, and of the agent's part with its last group.
    pub fn remove(&self) {
        if fs::remove_dir(&self.path).is_ok()
            && let Some(base) = self.path.parent()
        {
            let _ = fs::remove_dir(base);
        }
    }
}

/// A group of a folder was made, went, or has or has lost its last process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    pub name: String,
    pub populated: bool,
}

/// Tells what the groups of a folder do, of those whose names fit. The kernel says when something moves; nothing is
/// looked at in between.
pub struct Watcher {
    inotify: Inotify,
    ready: AsyncFd<Arc<OwnedFd>>,
    folder: PathBuf,
    fits: fn(&str) -> bool,
    whole: WatchDescriptor,
    groups: HashMap<WatchDescriptor, String>,
    first: Vec<Moved>,
}

impl Watcher {
    /// Watches a folder of the version 2 tree; what is there already comes first.
    pub fn open(folder: &str, fits: fn(&str) -> bool) -> io::Result<Self> {
        let mounts = MOUNTS.iter().map(Path::new);
        let mount = mounts
            .into_iter()
            .find(|mount| mount.join("cgroup.controllers").exists());
        let mount = mount.ok_or_else(|| io::Error::other("there are no control groups of version 2"))?;
        Self::at(mount.join(folder), fits)
    }

    fn at(folder: PathBuf, fits: fn(&str) -> bool) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let whole = inotify.add_watch(
            &folder,
            AddWatchFlags::IN_CREATE | AddWatchFlags::IN_DELETE | AddWatchFlags::IN_ONLYDIR,
        )?;
        let ready = super::watch::readable(Arc::new(inotify.as_fd().try_clone_to_owned()?))?;
        let mut watcher = Self {
            inotify,
            ready,
            folder,
            fits,
            whole,
            groups: HashMap::new(),
            first: Vec::new(),
        };
        for entry in fs::read_dir(&watcher.folder)?.flatten() {
            if let Ok(name) = entry.file_name().into_string() {
                let moved = watcher.take_up(name);
                watcher.first.extend(moved);
            }
        }
        Ok(watcher)
    }

    /// Watches one group, if it fits.
    fn take_up(&mut self, name: String) -> Option<Moved> {
        if !(self.fits)(&name) {
            return None;
        }
        let group = Group {
            path: self.folder.join(&name),
        };
        let events = group.path.join("cgroup.events");
        let watch = self.inotify.add_watch(&events, AddWatchFlags::IN_MODIFY).ok()?;
        self.groups.insert(watch, name.clone());
        // Looked at after it is watched, so that nothing is missed in between.
        let populated = group.is_populated();
        Some(Moved { name, populated })
    }

    /// What has moved. May be dropped and called again.
    pub async fn next(&mut self) -> io::Result<Vec<Moved>> {
        loop {
            if !self.first.is_empty() {
                return Ok(std::mem::take(&mut self.first));
            }
            let mut guard = self.ready.readable().await?;
            match self.inotify.read_events() {
                Ok(events) => {
                    drop(guard);
                    for event in events {
                        let moved = self.moved(&event);
                        self.first.extend(moved);
                    }
                }
                Err(Errno::EAGAIN) => guard.clear_ready(),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn moved(&mut self, event: &InotifyEvent) -> Option<Moved> {
        if event.wd == self.whole {
            let name = event.name.as_ref()?.to_str()?.to_owned();
            if event.mask.contains(AddWatchFlags::IN_CREATE) {
                return self.take_up(name);
            }
            let ours = (self.fits)(&name);
            return ours.then_some(Moved {
                name,
                populated: false,
            });
        }
        if event.mask.contains(AddWatchFlags::IN_IGNORED) {
            self.groups.remove(&event.wd);
            return None;
        }
        let name = self.groups.get(&event.wd)?.clone();
        let path = self.folder.join(&name);
        let populated = Group { path }.is_populated();
        Some(Moved { name, populated })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn groups_tell_when_they_come_fill_empty_and_go() {
        let root = tempfile::tempdir().expect("a folder");
        let Some(tree) = Tree::open(root.path()) else {
            println!("skipped: drivers::cgroup::watcher: no rights on a control group tree");
            return;
        };
        let there = tree.group("snap.there").expect("a group");
        let mut watcher =
            Watcher::at(tree.base.clone(), |name| name.starts_with("snap.")).expect("a watcher");
        let moved = |name: &str, populated| {
            vec![Moved {
                name: name.to_owned(),
                populated,
            }]
        };
        assert_eq!(
            watcher.next().await.expect("the first"),
            moved("snap.there", false)
        );
        let _other = tree.group("other").expect("a group");
        let group = tree.group("snap.new").expect("a group");
        assert_eq!(watcher.next().await.expect("made"), moved("snap.new", false));
        let mut child = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .expect("a process");
        fs::write(group.path.join("cgroup.procs"), child.id().to_string()).expect("moved");
        assert_eq!(watcher.next().await.expect("filled"), moved("snap.new", true));
        child.kill().expect("killed");
        child.wait().expect("gone");
        assert_eq!(watcher.next().await.expect("emptied"), moved("snap.new", false));
        group.remove();
        assert_eq!(watcher.next().await.expect("gone"), moved("snap.new", false));
        there.remove();
        tree.remove();
    }

    #[test]
    fn roots_keep_apart() {
        assert_eq!(base_name(Path::new("/")), "pinion");
        assert_ne!(base_name(Path::new("/tmp/a")), base_name(Path::new("/tmp/b")));
    }
}
