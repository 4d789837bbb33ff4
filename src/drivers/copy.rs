//! Copies of folders as they are: owners, modes, time stamps, extended attributes, hard links and holes. Symbolic links
//! stay links and are never followed: everything is opened by its name in its folder, so that who writes there
//! meanwhile cannot lead the copy elsewhere.

#![allow(unsafe_code)]

use super::fs::{FileError, Named};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::libc;
use nix::sys::stat::{
    FileStat, Mode, SFlag, UtimensatFlags, fchmod, fstat, fstatat, futimens, mkdirat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{
    Gid, Uid, UnlinkatFlags, Whence, fchown, fchownat, linkat, lseek, mkfifoat, symlinkat, unlinkat,
};
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How deep folders may be nested: two descriptors are open for each level.
const MAX_DEPTH: usize = 200;
/// Bytes of the names, and of each value, of a file's extended attributes.
const MAX_ATTRIBUTE: usize = 64 << 10;

/// Copies the folder `from` to `to`, which must not exist; its parent must. Sockets and devices are left out. What an
/// ordinary user may not set (owners, some attributes) stays the user's.
pub fn copy_tree(from: &Path, to: &Path) -> Result<(), FileError> {
    let source = open_dir(nix::fcntl::AT_FDCWD, from).named("open", from)?;
    std::fs::create_dir(to).named("create", to)?;
    let target = open_dir(nix::fcntl::AT_FDCWD, to).named("open", to)?;
    let mut copy = Copy {
        as_root: nix::unistd::geteuid().is_root(),
        top: target.try_clone().named("open", to)?,
        linked: HashMap::new(),
    };
    copy.folder(&source, &target, from, Path::new(""), 0)
}

/// A file that was copied and has other names to come.
struct Linked {
    /// Below the top of the copy.
    below: PathBuf,
    /// The copy's device and inode.
    identity: (u64, u64),
}

struct Copy {
    as_root: bool,
    top: OwnedFd,
    /// By device and inode of the original.
    linked: HashMap<(u64, u64), Linked>,
}

fn open_dir<Fd: AsFd>(dir: Fd, name: &(impl nix::NixPath + ?Sized)) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

#[allow(clippy::unnecessary_cast, clippy::useless_conversion)] // the widths differ by target
fn identity(stat: &FileStat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

fn names(dir: &OwnedFd, shown: &Path) -> Result<Vec<CString>, FileError> {
    // a descriptor of its own: reading moves its position
    let own = open_dir(dir, c".").named("list", shown)?;
    let mut listing = Dir::from_fd(own).named("list", shown)?;
    let mut names = Vec::new();
    for entry in listing.iter() {
        let entry = entry.named("list", shown)?;
        if ![c".", c".."].contains(&entry.file_name()) {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

impl Copy {
    /// Copies what is in `source` to `target`, and then what `source` itself is.
    fn folder(
        &mut self,
        source: &OwnedFd,
        target: &OwnedFd,
        shown: &Path,
        below: &Path,
        depth: usize,
    ) -> Result<(), FileError> {
        if depth > MAX_DEPTH {
            return Err(Errno::ENAMETOOLONG).named("copy", shown);
        }
        for name in names(source, shown)? {
            let child = OsStr::from_bytes(name.to_bytes());
            let (shown, below) = (shown.join(child), below.join(child));
            let stat =
                fstatat(source, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW).named("look at", &shown)?;
            match kind(&stat) {
                SFlag::S_IFDIR => {
                    let from = open_dir(source, name.as_c_str()).named("open", &shown)?;
                    mkdirat(target, name.as_c_str(), Mode::S_IRWXU).named("copy", &shown)?;
                    let to = open_dir(target, name.as_c_str()).named("copy", &shown)?;
                    self.folder(&from, &to, &shown, &below, depth + 1)?;
                }
                SFlag::S_IFLNK => self.link(source, target, &name, &stat).named("copy", &shown)?,
                SFlag::S_IFREG => self.file(source, target, &name, &below).named("copy", &shown)?,
                SFlag::S_IFIFO => {
                    let mode = Mode::from_bits_truncate(stat.st_mode);
                    mkfifoat(target, name.as_c_str(), Mode::S_IRUSR | Mode::S_IWUSR).named("copy", &shown)?;
                    self.own_name(target, &name, &stat).named("copy", &shown)?;
                    nix::sys::stat::fchmodat(
                        target,
                        name.as_c_str(),
                        mode,
                        nix::sys::stat::FchmodatFlags::FollowSymlink,
                    )
                    .named("copy", &shown)?;
                }
                _ => {}
            }
        }
        let stat = fstat(source).named("look at", shown)?;
        self.finish(source.as_fd(), target.as_fd(), &stat)
            .named("copy", shown)
    }

    fn link(&self, source: &OwnedFd, target: &OwnedFd, name: &CStr, stat: &FileStat) -> io::Result<()> {
        let leads = readlinkat(source, name)?;
        symlinkat(leads.as_os_str(), target, name)?;
        self.own_name(target, name, stat)
    }

    /// Owner and time stamps of what cannot be opened.
    fn own_name(&self, target: &OwnedFd, name: &CStr, stat: &FileStat) -> io::Result<()> {
        if self.as_root {
            let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
            fchownat(target, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        }
        let (read, written) = times(stat);
        utimensat(target, name, &read, &written, UtimensatFlags::NoFollowSymlink)?;
        Ok(())
    }

    fn file(&mut self, source: &OwnedFd, target: &OwnedFd, name: &CStr, below: &Path) -> io::Result<()> {
        // Not blocking: a pipe may have taken the name meanwhile.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let from = File::from(openat(source, name, flags, Mode::empty())?);
        let stat = fstat(&from)?;
        if kind(&stat) != SFlag::S_IFREG {
            return Err(io::Error::other("it changed meanwhile"));
        }
        if let Some(other) = self.linked.get(&identity(&stat)) {
            linkat(&self.top, other.below.as_path(), target, name, AtFlags::empty())?;
            let made = fstatat(target, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
            if identity(&made) == other.identity {
                return Ok(());
            }
            unlinkat(target, name, UnlinkatFlags::NoRemoveDir)?;
            return Err(io::Error::other("its other name was replaced meanwhile"));
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let to = File::from(openat(target, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        #[allow(clippy::useless_conversion)] // the width differs by target
        let size = u64::try_from(i64::from(stat.st_size)).unwrap_or_default();
        content(&from, &to, size)?;
        self.finish(from.as_fd(), to.as_fd(), &stat)?;
        if stat.st_nlink > 1 {
            let copied = Linked {
                below: below.to_owned(),
                identity: identity(&fstat(&to)?),
            };
            self.linked.insert(identity(&stat), copied);
        }
        Ok(())
    }

    /// Owner, then attributes and mode (a change of owner clears some of them), then time stamps.
    fn finish(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, stat: &FileStat) -> io::Result<()> {
        if self.as_root {
            fchown(
                to,
                Some(Uid::from_raw(stat.st_uid)),
                Some(Gid::from_raw(stat.st_gid)),
            )?;
        }
        attributes(from, to)?;
        fchmod(to, Mode::from_bits_truncate(stat.st_mode))?;
        let (read, written) = times(stat);
        futimens(to, &read, &written)?;
        Ok(())
    }
}

#[allow(clippy::useless_conversion)] // the widths differ by target
fn times(stat: &FileStat) -> (TimeSpec, TimeSpec) {
    (
        TimeSpec::new(stat.st_atime.into(), stat.st_atime_nsec.into()),
        TimeSpec::new(stat.st_mtime.into(), stat.st_mtime_nsec.into()),
    )
}

/// The bytes of a file; its holes stay holes where the file system can tell.
fn content(from: &File, to: &File, size: u64) -> io::Result<()> {
    let mut at = 0;
    while at < size {
        let (start, end) = match next(from, at, Whence::SeekData) {
            Ok(Some(start)) => (start, next(from, start, Whence::SeekHole)?.unwrap_or(size)),
            Ok(None) => break,
            // a file system that cannot tell
            Err(_) => (at, size),
        };
        let (mut reader, mut writer) = (from, to);
        reader.seek(SeekFrom::Start(start))?;
        writer.seek(SeekFrom::Start(start))?;
        io::copy(&mut reader.take(end - start), &mut writer)?;
        at = end;
    }
    to.set_len(size)
}

/// Where data or a hole begins at or behind `at`; nothing at the end.
fn next(file: &File, at: u64, whence: Whence) -> io::Result<Option<u64>> {
    let at = at.try_into().map_err(io::Error::other)?;
    match lseek(file, at, whence) {
        Ok(found) => Ok(u64::try_from(found).ok()),
        Err(Errno::ENXIO) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// The extended attributes, where they may be read and set.
fn attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    let mut list = vec![0u8; MAX_ATTRIBUTE];
    // SAFETY: the descriptor is open and the kernel writes at most `list.len()` bytes.
    let length = unsafe { libc::flistxattr(from.as_raw_fd(), list.as_mut_ptr().cast(), list.len()) };
    let Ok(length) = usize::try_from(length) else {
        return Ok(());
    };
    let mut value = Vec::new();
    for name in list[..length].split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else {
            continue;
        };
        value.resize(MAX_ATTRIBUTE, 0u8);
        // SAFETY: the descriptor is open, the name ends with NUL, the kernel writes at most `value.len()` bytes.
        let length = unsafe {
            libc::fgetxattr(
                from.as_raw_fd(),
                name.as_ptr(),
                value.as_mut_ptr().cast(),
                value.len(),
            )
        };
        let Ok(length) = usize::try_from(length) else {
            continue;
        };
        // SAFETY: the descriptor is open, the name ends with NUL, and `length` bytes of the value are there.
        let set = unsafe { libc::fsetxattr(to.as_raw_fd(), name.as_ptr(), value.as_ptr().cast(), length, 0) };
        if set != 0 && !matches!(Errno::last(), Errno::EPERM | Errno::EACCES | Errno::EOPNOTSUPP) {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
