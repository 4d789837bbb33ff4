//! Copies of a snap's data for a new revision.

use crate::drivers::fs::{self, FileError, Named};
use std::fs::{File, Metadata, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

/// Copies a folder with owners, modes, time stamps and links to `to`, which appears whole or not at all. Sockets are
/// left out.
pub(super) fn copy_data(from: &Path, to: &Path) -> Result<(), FileError> {
    let temporary = unfinished(to);
    fs::remove_tree(&temporary)?;
    tree(from, &temporary)?;
    std::fs::rename(&temporary, to).named("rename to", to)?;
    // one sync for all of it
    let dir = to.parent().unwrap_or(Path::new("/"));
    let file = File::open(dir).named("open", dir)?;
    nix::unistd::syncfs(&file).named("sync", dir)
}

/// Where a copy stands until it is whole.
pub(super) fn unfinished(to: &Path) -> PathBuf {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    to.with_file_name(format!(".{name}.copy"))
}

fn tree(from: &Path, to: &Path) -> Result<(), FileError> {
    let metadata = std::fs::symlink_metadata(from).named("look at", from)?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        std::fs::create_dir(to).named("create", to)?;
        for entry in std::fs::read_dir(from).named("list", from)? {
            let entry = entry.named("list", from)?;
            tree(&entry.path(), &to.join(entry.file_name()))?;
        }
        finish(&metadata, to)
    } else if kind.is_symlink() {
        let target = std::fs::read_link(from).named("read the link", from)?;
        symlink(target, to).named("link", to)?;
        own(&metadata, to)
    } else if kind.is_file() {
        std::fs::copy(from, to).named("copy", from)?;
        finish(&metadata, to)
    } else if kind.is_fifo() {
        nix::unistd::mkfifo(to, nix::sys::stat::Mode::from_bits_truncate(0o600)).named("create", to)?;
        finish(&metadata, to)
    } else {
        Ok(())
    }
}

/// Owner, then mode (a change of owner clears bits of it), then time stamp.
fn finish(metadata: &Metadata, to: &Path) -> Result<(), FileError> {
    own(metadata, to)?;
    std::fs::set_permissions(to, Permissions::from_mode(metadata.mode() & 0o7777))
        .named("set the mode of", to)?;
    let time = |seconds: i64, nanoseconds: i64| nix::sys::time::TimeSpec::new(seconds, nanoseconds);
    #[allow(clippy::useless_conversion)] // the width differs by target
    nix::sys::stat::utimensat(
        nix::fcntl::AT_FDCWD,
        to,
        &time(metadata.atime().into(), metadata.atime_nsec().into()),
        &time(metadata.mtime().into(), metadata.mtime_nsec().into()),
        nix::sys::stat::UtimensatFlags::NoFollowSymlink,
    )
    .named("set the time of", to)
}

fn own(metadata: &Metadata, to: &Path) -> Result<(), FileError> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    lchown(to, Some(metadata.uid()), Some(metadata.gid())).named("set the owner of", to)
}
