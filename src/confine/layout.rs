//! Layouts: places in an app's view of the file system that are its snap's (contract: confinement, section 2.3).
//!
//! They are mounted in a namespace of the process that becomes the app, so nothing outside sees them. A place that is
//! not there is made in a copy of its folder in memory, into which everything else of the folder is bound again.

use super::Launch;
use crate::domain::Dirs;
use crate::domain::snap::{Confinement, LayoutInfo};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, mkdirat};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Component, Path, PathBuf};

/// More entries than a folder has in which a place is made.
const MAX_ENTRIES: usize = 10_000;

/// A place that is the snap's: a folder that is trusted, and a path below it on which no link is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inner {
    /// `/snap` or `/var/snap`.
    pub top: PathBuf,
    /// Below it.
    pub below: PathBuf,
    /// The snap may write there.
    pub writable: bool,
}

impl Inner {
    fn path(&self) -> PathBuf {
        self.top.join(&self.below)
    }
}

/// Where something is to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Host(PathBuf),
    Snap(Inner),
}

/// What is to be seen there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Folder(Inner),
    File(Inner),
    Link(PathBuf),
    /// Kept in memory: mode, user, group.
    Memory(u32, String, String),
}

/// Why a layout cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the layout {path:?} ({what}): {source}")]
pub struct LayoutError {
    /// As snap.yaml has it.
    pub path: String,
    pub what: &'static str,
    #[source]
    pub source: io::Error,
}

/// Whether an app that is started by this user gets its layouts.
pub fn is_possible() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The place that a path with `$SNAP`, `$SNAP_DATA` or `$SNAP_COMMON` in front means; nothing for any other path.
fn inner(dirs: &Dirs, launch: &Launch, path: &str) -> Option<Inner> {
    let snap = Path::new(launch.info.name.as_str());
    let revision = launch.revision.to_string();
    let starts = [
        ("$SNAP", dirs.snap_mounts(), snap.join(&revision), false),
        ("$SNAP_DATA", dirs.snap_data_all(), snap.join(&revision), true),
        ("$SNAP_COMMON", dirs.snap_data_all(), snap.join("common"), true),
    ];
    starts.into_iter().find_map(|(start, top, below, writable)| {
        let rest = path.strip_prefix(start)?;
        let rest = match rest.strip_prefix('/') {
            Some(rest) => rest,
            None if rest.is_empty() => rest,
            None => return None,
        };
        let clean = Path::new(rest)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        clean.then(|| Inner {
            top,
            below: below.join(rest),
            writable,
        })
    })
}

/// What one layout comes to below a root: a pure function; nothing for what no rule allows.
pub fn step(dirs: &Dirs, launch: &Launch, layout: &LayoutInfo) -> Option<(Place, What)> {
    let place = match inner(dirs, launch, &layout.path) {
        Some(inner) => Place::Snap(inner),
        None if layout.path.starts_with('/') => Place::Host(PathBuf::from(&layout.path)),
        None => return None,
    };
    let source = |path: &Option<String>| inner(dirs, launch, path.as_deref()?);
    let what = if let Some(folder) = source(&layout.bind) {
        What::Folder(folder)
    } else if let Some(file) = source(&layout.bind_file) {
        What::File(file)
    } else if let Some(target) = source(&layout.symlink) {
        What::Link(target.path())
    } else if layout.tmpfs {
        What::Memory(layout.mode, layout.user.clone(), layout.group.clone())
    } else {
        return None;
    };
    Some((place, what))
}

/// Gives this process a view of its own with the layouts of its snap. Only root can; others see the host's places.
pub(super) fn apply(dirs: &Dirs, launch: &Launch) -> Result<(), LayoutError> {
    let layouts = &launch.info.layout;
    if layouts.is_empty() || launch.confinement == Confinement::Classic || !is_possible() {
        return Ok(());
    }
    let failed = |path: &str, what| {
        let path = path.to_owned();
        move |source: io::Error| LayoutError { path, what, source }
    };
    let first = layouts[0].path.as_str();
    unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| change(Path::new("/"), MsFlags::MS_REC | MsFlags::MS_SLAVE))
        .map_err(|errno| failed(first, "its mount namespace")(errno.into()))?;
    let mut view = View::begin(dirs).map_err(failed(first, "its scratch folder"))?;
    for layout in layouts {
        let (place, what) = step(dirs, launch, layout)
            .ok_or_else(|| failed(&layout.path, "its entry")(Errno::EINVAL.into()))?;
        view.show(&place, &what)
            .map_err(failed(&layout.path, "its place or source"))?;
    }
    view.end().map_err(failed(first, "its namespace"))
}

fn change(path: &Path, flags: MsFlags) -> nix::Result<()> {
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
}

fn bind(from: &Path, to: &Path) -> nix::Result<()> {
    mount(
        Some(from),
        to,
        None::<&str>,
        MsFlags::MS_BIND | MsFlags::MS_REC,
        None::<&str>,
    )
}

/// Where a descriptor can be named.
fn by_descriptor(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

/// What is made where nothing is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Refused,
    Folder,
    File,
}

/// Opens a place of the snap without following a link on the way or at its end. Folders on the way are made as well
/// when the last part may be.
fn open(inner: &Inner, missing: Missing) -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut here = openat(
        nix::fcntl::AT_FDCWD,
        &inner.top,
        flags | OFlag::O_DIRECTORY,
        Mode::empty(),
    )?;
    let mut parts = inner.below.components().peekable();
    while let Some(part) = parts.next() {
        let part = part.as_os_str();
        let last = parts.peek().is_none();
        let kind = if last { OFlag::empty() } else { OFlag::O_DIRECTORY };
        let next = openat(&here, part, flags | kind, Mode::empty());
        here = match next {
            Err(Errno::ENOENT) if missing != Missing::Refused && inner.writable => {
                let mode = Mode::from_bits_truncate(0o755);
                if last && missing == Missing::File {
                    let make = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
                    openat(&here, part, make, Mode::from_bits_truncate(0o644))?;
                } else {
                    mkdirat(&here, part, mode)?;
                }
                openat(&here, part, flags | kind, Mode::empty())?
            }
            other => other?,
        };
    }
    let found = nix::sys::stat::fstat(&here)?;
    let kind = nix::sys::stat::SFlag::from_bits_truncate(found.st_mode & nix::libc::S_IFMT);
    if kind == nix::sys::stat::SFlag::S_IFLNK {
        return Err(Errno::ELOOP.into());
    }
    Ok(here)
}

/// The view while it is made.
struct View {
    /// A folder in memory for what is moved aside.
    scratch: PathBuf,
    /// Folders that are copies in memory, and those made in them.
    ours: BTreeSet<PathBuf>,
    /// The copies among them.
    copies: Vec<PathBuf>,
}

impl View {
    fn begin(dirs: &Dirs) -> io::Result<Self> {
        let scratch = dirs.run().join("layout");
        fs::create_dir_all(&scratch)?;
        memory(&scratch, 0o700, 0, 0)?;
        Ok(Self {
            scratch,
            ours: BTreeSet::new(),
            copies: Vec::new(),
        })
    }

    fn show(&mut self, place: &Place, what: &What) -> io::Result<()> {
        match what {
            What::Folder(source) => {
                let source = open(source, Missing::Folder)?;
                bind(
                    &by_descriptor(&source),
                    &by_descriptor(&self.ready(place, Missing::Folder)?),
                )?;
            }
            What::File(source) => {
                let source = open(source, Missing::File)?;
                bind(
                    &by_descriptor(&source),
                    &by_descriptor(&self.ready(place, Missing::File)?),
                )?;
            }
            What::Memory(mode, user, group) => {
                let (user, group) = (id_of_user(user)?, id_of_group(group)?);
                let target = self.ready(place, Missing::Folder)?;
                memory(&by_descriptor(&target), *mode, user, group)?;
            }
            What::Link(target) => {
                let path = match place {
                    Place::Host(path) => path.clone(),
                    Place::Snap(inner) => inner.path(),
                };
                if fs::read_link(&path).is_ok_and(|present| present == *target) {
                    return Ok(());
                }
                let parent = path.parent().unwrap_or(Path::new("/"));
                match place {
                    Place::Snap(inner) if inner.writable => {
                        let above = Inner {
                            below: inner.below.parent().unwrap_or(Path::new("")).to_owned(),
                            ..inner.clone()
                        };
                        let above = open(&above, Missing::Folder)?;
                        let name = path.file_name().unwrap_or_default();
                        nix::unistd::symlinkat(target, &above, name)?;
                    }
                    _ => {
                        self.make_folder(parent)?;
                        self.make_own(parent)?;
                        symlink(target, &path)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Opens a place to mount on, made if it is missing.
    fn ready(&mut self, place: &Place, missing: Missing) -> io::Result<OwnedFd> {
        let path = match place {
            Place::Snap(inner) if inner.writable => return open(inner, missing),
            Place::Snap(inner) => inner.path(),
            Place::Host(path) => path.clone(),
        };
        match fs::symlink_metadata(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = path.parent().unwrap_or(Path::new("/"));
                self.make_folder(parent)?;
                self.make_own(parent)?;
                if missing == Missing::File {
                    fs::write(&path, b"")?;
                } else {
                    fs::create_dir(&path)?;
                    self.ours.insert(path.clone());
                }
            }
            Err(error) => return Err(error),
        }
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(openat(nix::fcntl::AT_FDCWD, &path, flags, Mode::empty())?)
    }

    /// Makes a folder, and those above it, in copies.
    fn make_folder(&mut self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        let parent = path.parent().unwrap_or(Path::new("/"));
        self.make_folder(parent)?;
        self.make_own(parent)?;
        fs::create_dir(path)?;
        self.ours.insert(path.to_owned());
        Ok(())
    }

    /// Puts a copy in memory over a folder, unless it is one.
    fn make_own(&mut self, folder: &Path) -> io::Result<()> {
        if self.ours.contains(folder) {
            return Ok(());
        }
        // what is mounted over the top does not show to who stands on it
        if folder == Path::new("/") {
            return Err(Errno::ENOENT.into());
        }
        let was = fs::metadata(folder)?;
        let aside = self.scratch.join(format!("{}", self.copies.len()));
        fs::create_dir(&aside)?;
        bind(folder, &aside)?;
        memory(folder, was.mode() & 0o7777, was.uid(), was.gid())?;
        self.ours.insert(folder.to_owned());
        self.copies.push(folder.to_owned());
        for (count, entry) in fs::read_dir(&aside)?.enumerate() {
            let entry = entry?;
            if count > MAX_ENTRIES {
                return Err(Errno::E2BIG.into());
            }
            let (from, to) = (entry.path(), folder.join(entry.file_name()));
            let kind = entry.file_type()?;
            if kind.is_symlink() {
                symlink(fs::read_link(&from)?, &to)?;
            } else if kind.is_dir() {
                fs::create_dir(&to)?;
                bind(&from, &to)?;
            } else if kind.is_file() {
                fs::write(&to, b"")?;
                bind(&from, &to)?;
            }
        }
        umount2(&aside, MntFlags::MNT_DETACH)?;
        Ok(())
    }

    /// The copies are not to be written to, and what was needed to make them goes.
    fn end(self) -> io::Result<()> {
        for copy in &self.copies {
            change(
                copy,
                MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_NODEV,
            )?;
        }
        umount2(&self.scratch, MntFlags::MNT_DETACH)?;
        Ok(())
    }
}

/// Mounts a file system in memory.
fn memory(at: &Path, mode: u32, user: u32, group: u32) -> io::Result<()> {
    let options = format!("mode={mode:o},uid={user},gid={group}");
    mount(
        Some("tmpfs"),
        at,
        Some("tmpfs"),
        MsFlags::MS_NODEV | MsFlags::MS_NOSUID,
        Some(options.as_str()),
    )?;
    Ok(())
}

fn id_of_user(name: &str) -> io::Result<u32> {
    if name == "root" {
        return Ok(0);
    }
    let user = nix::unistd::User::from_name(name)?;
    user.map(|user| user.uid.as_raw())
        .ok_or_else(|| Errno::ENOENT.into())
}

fn id_of_group(name: &str) -> io::Result<u32> {
    if name == "root" {
        return Ok(0);
    }
    let group = nix::unistd::Group::from_name(name)?;
    group
        .map(|group| group.gid.as_raw())
        .ok_or_else(|| Errno::ENOENT.into())
}
