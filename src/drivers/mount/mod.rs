//! Mounts of snaps: by the kernel where the agent may, else by unpacking read-only to the mount point. A user of the
//! mount point sees the same files either way. Where systemd manages services, it keeps the mounts, too.

mod kept;
mod loops;
mod table;
#[cfg(test)]
mod tests;

pub use table::{MountPoint, TableWatch, is_image};

use crate::drivers::fs::{FileError, Named, link_atomic};
use crate::drivers::squashfs::{self, Image, ImageError};
use crate::drivers::units;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags};
use std::fs;
use std::path::{Path, PathBuf};

/// How a snap got to its mount point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The kernel mounted the squashfs.
    Kernel,
    /// The files were unpacked, or their folder is linked.
    Unpacked,
}

/// What stands at a mount point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing, or an empty folder.
    Absent,
    /// A mount.
    Mounted(MountPoint),
    /// A folder with unpacked files, or a link to the folder that is tried.
    Unpacked,
}

/// What can go wrong with mounts.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// A file or folder.
    #[error("{}", .0.in_full())]
    File(#[from] FileError),
    /// The image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// No loop device could be had.
    #[error("cannot get a loop device for {} by /dev/loop-control: {source}", .file.display())]
    Loop {
        /// The snap file.
        file: PathBuf,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
}

/// The mount driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mounts {
    way: Way,
    /// By units of systemd.
    by_units: bool,
}

impl Mounts {
    /// The kernel's mounts as root, unpacking for everybody else (decision 15), of the agent of that root directory.
    pub fn for_this_user(root: &Path) -> Self {
        Self {
            way: if nix::unistd::geteuid().is_root() {
                Way::Kernel
            } else {
                Way::Unpacked
            },
            by_units: units::is_here(root),
        }
    }

    /// Unpacking and linking, whoever asks.
    pub fn unpacking() -> Self {
        Self {
            way: Way::Unpacked,
            by_units: false,
        }
    }

    /// Puts the content of a snap file to `target`, read-only. What is there already is left alone. A folder in place
    /// of the file is bound, or where the agent may not, linked. When it fails, no empty folder is left.
    pub fn mount(self, file: &Path, target: &Path) -> Result<Way, MountError> {
        let put = self.put(file, target);
        if put.is_err() {
            let gone = match fs::remove_dir(target) {
                Err(error) => error.kind() == std::io::ErrorKind::NotFound,
                Ok(()) => true,
            };
            if gone {
                // The snap's folder, unless another revision is there.
                let _ = target.parent().map(fs::remove_dir);
            }
        }
        put
    }

    fn put(self, file: &Path, target: &Path) -> Result<Way, MountError> {
        match self.state(target)? {
            State::Mounted(_) if self.is_kept(file, target) => return Ok(Way::Kernel),
            State::Unpacked => return Ok(Way::Unpacked),
            // A mount without its unit gets one.
            found if self.by_units => {
                if target.is_symlink() {
                    fs::remove_file(target).named("remove", target)?;
                }
                fs::create_dir_all(target).named("create", target)?;
                match kept::mount(file, target) {
                    Ok(()) => return Ok(Way::Kernel),
                    Err(why) => log::warn!(
                        "systemd does not mount {} ({why}): mounting it without",
                        file.display()
                    ),
                }
                kept::unmount(target)?;
                if found != State::Absent {
                    return Ok(Way::Kernel);
                }
            }
            _ => {}
        }
        if file.is_dir() {
            return self.show_folder(file, target);
        }
        fs::create_dir_all(target).named("create", target)?;
        if self.way == Way::Kernel {
            match kernel_mount(file, target) {
                Ok(()) => return Ok(Way::Kernel),
                Err(error) if error.is_refusal() => {
                    log::warn!(
                        "the kernel does not mount {} ({error}): unpacking it instead",
                        file.display()
                    );
                }
                Err(error) => return Err(error),
            }
        }
        unpack_to(file, target)?;
        Ok(Way::Unpacked)
    }

    /// Puts a folder that somebody works on to `target`.
    fn show_folder(self, folder: &Path, target: &Path) -> Result<Way, MountError> {
        let folder = folder.canonicalize().named("look at", folder)?;
        if target.is_symlink() {
            fs::remove_file(target).named("remove", target)?;
        }
        fs::create_dir_all(target).named("create", target)?;
        if self.way == Way::Kernel {
            match bind_mount(&folder, target) {
                Ok(()) => return Ok(Way::Kernel),
                Err(error) if error.is_refusal() => {
                    log::warn!(
                        "the kernel does not bind {} ({error}): linking it instead",
                        folder.display()
                    );
                }
                Err(error) => return Err(error),
            }
        }
        fs::remove_dir(target).named("remove", target)?;
        link_atomic(&folder, target)?;
        Ok(Way::Unpacked)
    }

    /// Takes away what stands at `target`, and the folder itself; nothing there is fine. A mount in use goes away
    /// when its last user does.
    pub fn unmount(self, target: &Path) -> Result<(), MountError> {
        if self.by_units {
            kept::unmount(target)?;
        }
        for _ in 0..16 {
            let State::Mounted(_) = self.state(target)? else {
                break;
            };
            nix::mount::umount2(target, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)
                .named("unmount", target)?;
        }
        let aside = beside(target, REMOVED);
        match fs::rename(target, &aside) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            done => done.named("rename", target)?,
        }
        squashfs::discard(&aside)?;
        squashfs::discard(&beside(target, UNPACK))?;
        Ok(())
    }

    /// Takes away what a kill left in a folder of mount points: what was on its way out, and what was unpacked in part.
    /// Nobody needs either again.
    pub fn sweep(dir: &Path) -> Result<(), MountError> {
        for entry in fs::read_dir(dir).named("list", dir)? {
            let path = entry.named("list", dir)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') && [REMOVED, UNPACK].iter().any(|what| name.ends_with(what)) {
                squashfs::discard(&path)?;
            }
        }
        Ok(())
    }

    /// Takes away what is mounted at `target` and leaves the folder.
    pub fn detach(self, target: &Path) -> Result<(), MountError> {
        // one over the other: only a person does that, and not often
        for _ in 0..16 {
            let State::Mounted(_) = self.state(target)? else {
                break;
            };
            nix::mount::umount2(target, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)
                .named("unmount", target)?;
        }
        Ok(())
    }

    /// What stands at `target`.
    pub fn state(self, target: &Path) -> Result<State, MountError> {
        if target.is_symlink() {
            let leads = fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some());
            return Ok(if leads { State::Unpacked } else { State::Absent });
        }
        let Ok(real) = target.canonicalize() else {
            return Ok(State::Absent);
        };
        // the last of several is the one that shows
        if let Some(point) = table::read(|at| at == real)?.pop() {
            return Ok(State::Mounted(point));
        }
        let filled = fs::read_dir(&real).named("list", &real)?.next().is_some();
        Ok(if filled { State::Unpacked } else { State::Absent })
    }

    /// The mount of `file` at `target` comes back when the machine starts, or the agent sees to it.
    pub fn is_kept(self, file: &Path, target: &Path) -> bool {
        !self.by_units || kept::is_kept(file, target)
    }

    /// Something of a mount at `target` would come back when the machine starts.
    pub fn leaves_a_trace(self, target: &Path) -> bool {
        self.by_units && kept::leaves_a_trace(target)
    }

    /// The mount points that come back when the machine starts.
    pub fn kept(self) -> Vec<PathBuf> {
        if self.by_units { kept::all() } else { Vec::new() }
    }

    /// How many mounts stand one over the other at `target`.
    pub fn depth(self, target: &Path) -> Result<usize, MountError> {
        let Ok(real) = target.canonicalize() else {
            return Ok(0);
        };
        Ok(table::read(|at| at == real)?.len())
    }

    /// Takes away all but the first of the mounts at `target`.
    pub fn thin_out(self, target: &Path) -> Result<(), MountError> {
        for _ in 1..self.depth(target)? {
            nix::mount::umount2(target, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)
                .named("unmount", target)?;
        }
        Ok(())
    }

    /// Every mount below a folder.
    pub fn below(self, dir: &Path) -> Result<Vec<MountPoint>, MountError> {
        let Ok(real) = dir.canonicalize() else {
            return Ok(Vec::new());
        };
        Ok(table::read(|at| at.starts_with(&real) && at != real)?)
    }
}

impl MountError {
    /// The machine does not let us mount at all, and trying again would not help.
    fn is_refusal(&self) -> bool {
        let source = match self {
            Self::Loop { source, .. } => source,
            Self::File(error) if error.action == "mount" => &error.source,
            Self::File(_) | Self::Image(_) => return false,
        };
        matches!(
            source.raw_os_error().map(Errno::from_raw),
            Some(
                Errno::EPERM
                    | Errno::EACCES
                    | Errno::ENOENT
                    | Errno::ENODEV
                    | Errno::ENXIO
                    | Errno::ENOSYS
                    | Errno::EBUSY
            )
        )
    }
}

fn kernel_mount(file: &Path, target: &Path) -> Result<(), MountError> {
    let device = loops::attach(file).map_err(|source| MountError::Loop {
        file: file.to_owned(),
        source,
    })?;
    // The mount keeps the device; when it goes, the kernel lets the device go.
    nix::mount::mount(
        Some(device.path()),
        target,
        Some("squashfs"),
        MsFlags::MS_RDONLY | MsFlags::MS_NODEV,
        None::<&str>,
    )
    .named("mount", target)?;
    Ok(())
}

/// Read-only, so that the snap does not write to what somebody works on.
fn bind_mount(folder: &Path, target: &Path) -> Result<(), MountError> {
    let bind = |source: Option<&Path>, flags: MsFlags| {
        nix::mount::mount(
            source,
            target,
            None::<&str>,
            MsFlags::MS_BIND | flags,
            None::<&str>,
        )
        .named("mount", target)
    };
    bind(Some(folder), MsFlags::empty())?;
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_NODEV;
    if let Err(error) = bind(None, flags) {
        // The error is told; what was bound must not stay writable.
        let _ = nix::mount::umount2(target, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW);
        return Err(error.into());
    }
    Ok(())
}

/// Ends the hidden name of what is on its way out.
const REMOVED: &str = ".removed";

/// Ends the hidden name of what is not unpacked to its end.
const UNPACK: &str = ".unpack";

/// A hidden name beside a mount point, on the same file system.
fn beside(target: &Path, what: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}{what}"))
}

/// Unpacks beside the mount point and renames: whoever sees files there sees all of them.
fn unpack_to(file: &Path, target: &Path) -> Result<(), MountError> {
    let temporary = beside(target, UNPACK);
    squashfs::discard(&temporary)?;
    let image = Image::open(file)?;
    let unpacked = squashfs::unpack(&image, &temporary).map_err(MountError::from);
    let placed = unpacked.and_then(|()| Ok(fs::rename(&temporary, target).named("rename to", target)?));
    if placed.is_err() {
        // The first error is the one that tells.
        let _ = squashfs::discard(&temporary);
    }
    placed
}
