//! Copies of a snap's data for a new revision.

use crate::drivers::copy::copy_tree;
use crate::drivers::fs::{self, FileError, Named};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Copies a folder as it is to `to`, which appears whole or not at all.
pub(super) fn copy_data(from: &Path, to: &Path) -> Result<(), FileError> {
    let temporary = unfinished(to);
    fs::remove_tree(&temporary)?;
    copy_tree(from, &temporary)?;
    // One sync for all of it, before its name says that it is whole.
    let dir = to.parent().unwrap_or(Path::new("/"));
    let file = File::open(dir).named("open", dir)?;
    nix::unistd::syncfs(&file).named("sync", dir)?;
    std::fs::rename(&temporary, to).named("rename to", to)?;
    fs::sync_dir(dir)
}

/// Where a copy stands until it is whole.
pub(super) fn unfinished(to: &Path) -> PathBuf {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    to.with_file_name(format!(".{name}.copy"))
}
