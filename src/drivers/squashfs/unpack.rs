//! Unpacking an image into a folder that nobody writes to.

use super::image::{Entry, EntryKind, Image};
use super::{ImageError, MAX_DEPTH, MAX_INODES, MAX_UNPACKED};
use crate::drivers::fs::Named;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

/// How much larger than the image its files may be, once they are larger than [`SMALL`]; real snaps stay below 20.
const MAX_RATIO: u64 = 200;
/// Bytes that are unpacked whatever the size of the image.
const SMALL: u64 = 64 << 20;

/// What is left of the bounds.
struct Budget {
    entries: u32,
    bytes: u64,
}

/// Unpacks the whole image into `dest`, which must not exist. Files and folders are made read-only; set-user-id bits,
/// owners, devices, pipes and sockets are left out.
pub fn unpack(image: &Image, dest: &Path) -> Result<(), ImageError> {
    let packed = fs::metadata(image.path()).named("look at", image.path())?.len();
    let mut budget = Budget {
        entries: MAX_INODES,
        bytes: MAX_UNPACKED.min(packed.saturating_mul(MAX_RATIO).saturating_add(SMALL)),
    };
    folder(image, &image.root()?, dest, 0, &mut budget)
}

fn folder(
    image: &Image,
    entry: &Entry,
    dest: &Path,
    depth: usize,
    budget: &mut Budget,
) -> Result<(), ImageError> {
    if depth > MAX_DEPTH {
        return Err(ImageError::TooMuch("its folders are nested too deep"));
    }
    fs::create_dir(dest).named("create", dest)?;
    for (name, child) in image.list(entry)? {
        budget.entries = budget
            .entries
            .checked_sub(1)
            .ok_or(ImageError::TooMuch("too many files"))?;
        let path = dest.join(OsStr::from_bytes(&name));
        match &child.kind {
            EntryKind::Folder => folder(image, &child, &path, depth + 1, budget)?,
            EntryKind::File(size) => {
                budget.bytes = budget
                    .bytes
                    .checked_sub(*size)
                    .ok_or(ImageError::TooMuch("its files are too large"))?;
                file(image, &child, &path)?;
            }
            EntryKind::Link(target) => {
                symlink(OsStr::from_bytes(target), &path).named("link", &path)?;
            }
            EntryKind::Special => {}
        }
    }
    let mode = u32::from(entry.mode) & 0o555 | 0o500;
    fs::set_permissions(dest, Permissions::from_mode(mode)).named("set the mode of", dest)?;
    Ok(())
}

fn file(image: &Image, entry: &Entry, path: &Path) -> Result<(), ImageError> {
    let mode = u32::from(entry.mode) & 0o555 | 0o400;
    // a name that is there twice fails here: nothing is ever written through a link
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .named("create", path)?;
    image.copy(entry, &mut |bytes| {
        out.write_all(bytes).named("write", path)?;
        Ok(())
    })?;
    out.set_permissions(Permissions::from_mode(mode))
        .named("set the mode of", path)?;
    Ok(())
}

/// Removes an unpacked folder, which nobody may write to; one that is not there is fine. Links are not followed.
pub fn discard(dir: &Path) -> Result<(), ImageError> {
    let Ok(metadata) = fs::symlink_metadata(dir) else {
        return Ok(());
    };
    if !metadata.is_dir() {
        fs::remove_file(dir).named("remove", dir)?;
        return Ok(());
    }
    fs::set_permissions(dir, Permissions::from_mode(0o700)).named("set the mode of", dir)?;
    for entry in fs::read_dir(dir).named("list", dir)? {
        discard(&entry.named("list", dir)?.path())?;
    }
    fs::remove_dir(dir).named("remove", dir)?;
    Ok(())
}
