//! How an app's view of the file system is made: mounts in a namespace of the process that becomes the app, so nothing
//! outside sees them, and the kernel takes them away with its last process, however that ends.
//!
//! A place that is not there is made in a copy of its folder in memory, into which everything else of the folder is
//! bound again. The root of a base's view is such a copy from the beginning: a base may lack any place, and an empty one
//! is good enough for programs that bring all they need.

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, mkdirat};
use nix::sys::statvfs::{FsFlags, statvfs};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

/// More entries than a folder has in which a place is made.
const MAX_ENTRIES: usize = 10_000;

/// Where the host's root stands while a base's view is made.
const HOST: &str = "/.host";

/// What is moved aside meanwhile.
const ASIDE: &str = "/.aside";

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
    /// The whole path.
    pub fn path(&self) -> PathBuf {
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

/// What an app may do with a part of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lent {
    Read,
    Write,
    /// Read it without what is mounted below it.
    Bare,
}

/// A step on the way from a base's files to a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something of the host, by its path there.
    Lend {
        from: PathBuf,
        to: PathBuf,
        how: Lent,
    },
    /// A folder in memory with that mode, which the app cannot change.
    Memory(PathBuf, u32),
    Link {
        at: PathBuf,
        target: PathBuf,
    },
    /// Terminals of its own.
    Terminals,
    /// What `/proc` has beside processes is not to be written to.
    CloseProc,
}

fn change(path: &Path, flags: MsFlags) -> nix::Result<()> {
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
}

fn bind(from: &Path, to: &Path, more: MsFlags) -> nix::Result<()> {
    mount(
        Some(from),
        to,
        None::<&str>,
        MsFlags::MS_BIND | more,
        None::<&str>,
    )
}

/// Takes more from a mount; what was taken from it before stays so.
fn restrict(path: &Path, more: MsFlags) -> nix::Result<()> {
    const KNOWN: [(FsFlags, MsFlags); 7] = [
        (FsFlags::ST_RDONLY, MsFlags::MS_RDONLY),
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    let has = statvfs(path)?.flags();
    let kept = KNOWN.into_iter().filter(|(is, _)| has.contains(*is));
    let flags = kept.fold(more, |flags, (_, flag)| flags | flag);
    change(path, flags | MsFlags::MS_BIND | MsFlags::MS_REMOUNT)
}

/// Where a descriptor can be named.
fn by_descriptor(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

/// A namespace of its own for this process, in which the host's mounts appear and from which none gets out.
pub fn part() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    change(Path::new("/"), MsFlags::MS_REC | MsFlags::MS_SLAVE)?;
    Ok(())
}

/// The file system that a kernel starts with, which nothing can take the place of.
const RAMFS: u32 = 0x8584_58f6;

/// Puts a mount over a root that cannot be changed for another one: that of a machine which lives in its initramfs.
fn over_initramfs(at: &Path) -> io::Result<()> {
    let root = Path::new("/");
    let kind = nix::sys::statfs::statfs(root)?.filesystem_type();
    // Its sign depends on the machine.
    let kind = kind.0 as u32;
    if kind != RAMFS && kind != nix::libc::TMPFS_MAGIC as u32 {
        return Ok(());
    }
    bind(root, at, MsFlags::MS_REC)?;
    nix::unistd::chdir(at)?;
    let none = None::<&str>;
    mount(Some("."), root, none, MsFlags::MS_MOVE, none)?;
    nix::unistd::chroot(".")?;
    nix::unistd::chdir(root)?;
    Ok(())
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
pub struct View {
    /// A folder in memory for what is moved aside.
    scratch: PathBuf,
    /// Folders that are copies in memory, and those made in them.
    ours: BTreeSet<PathBuf>,
    /// The copies among them.
    copies: Vec<PathBuf>,
    /// Its root is a base's.
    has_base: bool,
}

impl View {
    /// One of the host's files, in which a snap's own are to be seen; `scratch` may be made.
    pub fn of_host(scratch: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&scratch)?;
        memory(&scratch, 0o700, 0, 0)?;
        Ok(Self {
            scratch,
            ours: BTreeSet::new(),
            copies: Vec::new(),
            has_base: false,
        })
    }

    /// One of a base's files, with `/proc`, and the host's at a place from which [`View::take`] lends; `at` may be made.
    pub fn of_base(base: &Path, at: &Path) -> io::Result<Self> {
        fs::create_dir_all(at)?;
        over_initramfs(at)?;
        memory(at, 0o755, 0, 0)?;
        for place in fill(base, at)? {
            restrict(&place, MsFlags::MS_RDONLY | MsFlags::MS_NODEV)?;
        }
        let inside = |path: &str| at.join(path.trim_start_matches('/'));
        for folder in [HOST, ASIDE, "/proc"].map(inside) {
            match fs::create_dir(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        bind(Path::new("/proc"), &inside("/proc"), MsFlags::empty())?;
        nix::unistd::pivot_root(at, &inside(HOST))?;
        nix::unistd::chdir("/")?;
        Ok(Self {
            scratch: PathBuf::from(ASIDE),
            ours: BTreeSet::from([PathBuf::from("/")]),
            copies: vec![PathBuf::from("/")],
            has_base: true,
        })
    }

    /// Takes one step from a base's files to the whole view.
    pub fn take(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::Lend { from, to, how } => {
                let from = Path::new(HOST).join(from.strip_prefix("/").unwrap_or(from));
                let missing = if fs::metadata(&from)?.is_dir() {
                    Missing::Folder
                } else {
                    Missing::File
                };
                let target = self.ready(&Place::Host(to.clone()), missing)?;
                let deep = match how {
                    Lent::Read | Lent::Write => MsFlags::MS_REC,
                    Lent::Bare => MsFlags::empty(),
                };
                bind(&from, &by_descriptor(&target), deep)?;
                if *how != Lent::Write {
                    restrict(to, MsFlags::MS_RDONLY)?;
                }
            }
            Step::Memory(path, mode) => {
                let target = self.ready(&Place::Host(path.clone()), Missing::Folder)?;
                memory(&by_descriptor(&target), *mode, 0, 0)?;
                self.ours.insert(path.clone());
                self.copies.push(path.clone());
            }
            Step::Link { at, target } => {
                let parent = at.parent().unwrap_or(Path::new("/"));
                self.make_folder(parent)?;
                self.make_own(parent)?;
                match symlink(target, at) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    _ => {}
                }
            }
            Step::Terminals => {
                let target = self.ready(&Place::Host(PathBuf::from("/dev/pts")), Missing::Folder)?;
                mount(
                    Some("devpts"),
                    &by_descriptor(&target),
                    Some("devpts"),
                    MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
                    Some("newinstance,ptmxmode=0666,mode=0620,gid=5"),
                )?;
            }
            Step::CloseProc => {
                for entry in fs::read_dir("/proc")? {
                    let entry = entry?;
                    let name = entry.file_name();
                    let is_process = name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
                    let kind = entry.file_type()?;
                    let path = entry.path();
                    let is_open = kind.is_dir() || (kind.is_file() && entry.metadata()?.mode() & 0o222 != 0);
                    if !is_process && is_open {
                        bind(&path, &path, MsFlags::empty())?;
                        restrict(&path, MsFlags::MS_RDONLY)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Puts something of the snap's to a place.
    pub fn show(&mut self, place: &Place, what: &What) -> io::Result<()> {
        match what {
            What::Folder(source) => {
                let source = open(source, Missing::Folder)?;
                let target = self.ready(place, Missing::Folder)?;
                bind(&by_descriptor(&source), &by_descriptor(&target), MsFlags::MS_REC)?;
            }
            What::File(source) => {
                let source = open(source, Missing::File)?;
                let target = self.ready(place, Missing::File)?;
                bind(&by_descriptor(&source), &by_descriptor(&target), MsFlags::MS_REC)?;
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
    pub fn make_folder(&mut self, path: &Path) -> io::Result<()> {
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
        bind(folder, &aside, MsFlags::MS_REC)?;
        memory(folder, was.mode() & 0o7777, was.uid(), was.gid())?;
        self.ours.insert(folder.to_owned());
        self.copies.push(folder.to_owned());
        fill(&aside, folder)?;
        umount2(&aside, MntFlags::MNT_DETACH)?;
        Ok(())
    }

    /// The copies are not to be written to, and what was needed to make them goes, the host's root with it.
    pub fn end(self) -> io::Result<()> {
        if self.has_base {
            umount2(HOST, MntFlags::MNT_DETACH)?;
            fs::remove_dir(HOST)?;
            // One by one: what were still mounted there would stay as it is.
            for entry in fs::read_dir(&self.scratch)? {
                fs::remove_dir(entry?.path())?;
            }
            fs::remove_dir(&self.scratch)?;
        }
        for copy in &self.copies {
            restrict(copy, MsFlags::MS_RDONLY | MsFlags::MS_NODEV)?;
        }
        if !self.has_base {
            umount2(&self.scratch, MntFlags::MNT_DETACH)?;
        }
        Ok(())
    }
}

/// Binds all that a folder has to another one, in memory; answers the places that are mounts now.
fn fill(from: &Path, to: &Path) -> io::Result<Vec<PathBuf>> {
    let mut bound = Vec::new();
    for (count, entry) in fs::read_dir(from)?.enumerate() {
        let entry = entry?;
        if count > MAX_ENTRIES {
            return Err(Errno::E2BIG.into());
        }
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
            continue;
        } else if kind.is_dir() {
            fs::create_dir(&to)?;
        } else if kind.is_file() {
            fs::write(&to, b"")?;
        } else {
            continue;
        }
        bind(&from, &to, MsFlags::MS_REC)?;
        bound.push(to);
    }
    Ok(bound)
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
