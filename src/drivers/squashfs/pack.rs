//! The writer: a folder to an image.

#![allow(unsafe_code)]

use super::{ImageError, MAX_DEPTH, MAX_INODES};
use crate::domain::sort;
use crate::drivers::fs::Named;
use backhand::compression::Compressor;
use backhand::{FilesystemCompressor, FilesystemWriter, NodeHeader};
use std::fs::{self, Metadata, OpenOptions};
use std::io::BufWriter;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The time stamp of everything in an image (1980-01-01, the oldest that zip knows): the same folder gives the same
/// bytes whenever it was checked out.
const MODIFIED: u32 = 315_532_800;
/// The kernel reads images in pages: the file ends at the last used byte, rounded up to this.
const PAGE: u64 = 4096;

/// An image that was written.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// Bytes of the file.
    pub size: u64,
    /// What the image does not keep of the folder.
    pub warnings: Vec<String>,
}

/// Writes `dir` as an image to `out`, compressed with xz. Everything in it belongs to root, nothing is writable for
/// others than its owner. Hard links become copies and extended attributes are left out, with a warning each.
pub fn pack(dir: &Path, out: &Path) -> Result<Packed, ImageError> {
    let mut found = Vec::new();
    let mut packed = Packed::default();
    walk(dir, &mut PathBuf::new(), &mut found, &mut packed.warnings)?;
    let failed = |error: backhand::BackhandError| ImageError::Write(error.to_string());

    let mut writer = FilesystemWriter::default();
    writer.set_compressor(FilesystemCompressor::new(Compressor::Xz, None).map_err(failed)?);
    writer.set_only_root_id();
    writer.set_time(MODIFIED);
    writer.set_no_padding();
    let root = fs::metadata(dir).named("look at", dir)?;
    writer.set_root_mode(mode(&root));
    for (path, metadata) in &found {
        let header = NodeHeader::new(mode(metadata), 0, 0, MODIFIED);
        let source = dir.join(path);
        if metadata.is_dir() {
            writer.push_dir(path, header).map_err(failed)?;
        } else if metadata.is_symlink() {
            let target = fs::read_link(&source).named("read the link", &source)?;
            writer.push_symlink(target, path, header).map_err(failed)?;
        } else {
            fs::File::open(&source).named("open", &source)?;
            writer.push_file_from_path(source, path, header).map_err(failed)?;
        }
    }

    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(out)
        .named("create", out)?;
    let mut buffered = BufWriter::new(&file);
    let (superblock, _) = writer.write(&mut buffered).map_err(failed)?;
    drop(buffered);
    // what the writer took back after it found a copy stands behind the end
    packed.size = superblock.bytes_used.next_multiple_of(PAGE);
    file.set_len(superblock.bytes_used)
        .and_then(|()| file.set_len(packed.size))
        .and_then(|()| file.sync_all())
        .named("write", out)?;
    Ok(packed)
}

/// Permissions without the right of others to write.
fn mode(metadata: &Metadata) -> u16 {
    // masked to 12 bits
    #[allow(clippy::cast_possible_truncation)]
    let bits = (metadata.mode() & 0o7755) as u16;
    bits
}

fn walk(
    dir: &Path,
    below: &mut PathBuf,
    found: &mut Vec<(PathBuf, Metadata)>,
    warnings: &mut Vec<String>,
) -> Result<(), ImageError> {
    let here = dir.join(&below);
    if below.components().count() > MAX_DEPTH {
        return Err(ImageError::TooMuch("its folders are nested too deep"));
    }
    note_attributes(&here, below, warnings);
    let mut names = fs::read_dir(&here)
        .named("list", &here)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<Vec<_>, _>>()
        .named("list", &here)?;
    sort::by(&mut names, Ord::cmp);
    for name in names {
        let path = here.join(&name);
        let metadata = fs::symlink_metadata(&path).named("look at", &path)?;
        below.push(&name);
        let kind = metadata.file_type();
        if kind.is_fifo() || kind.is_socket() || kind.is_block_device() || kind.is_char_device() {
            warnings.push(format!(
                "{} is a device, pipe or socket and was left out",
                below.display()
            ));
            below.pop();
            continue;
        }
        if metadata.is_file() {
            if metadata.nlink() > 1 {
                warnings.push(format!("{} is a hard link and becomes a copy", below.display()));
            }
            note_attributes(&path, below, warnings);
        }
        found.push((below.clone(), metadata));
        if found.len() > MAX_INODES as usize {
            return Err(ImageError::TooMuch("too many files"));
        }
        if kind.is_dir() {
            walk(dir, below, found, warnings)?;
        }
        below.pop();
    }
    Ok(())
}

/// Warns of extended attributes; labels that the system itself puts on every file are not worth a word.
fn note_attributes(path: &Path, below: &Path, warnings: &mut Vec<String>) {
    let mut names: Vec<String> = attributes(path)
        .into_iter()
        .filter(|name| name != "security.selinux")
        .collect();
    if names.is_empty() {
        return;
    }
    sort::by(&mut names, Ord::cmp);
    let shown = if below.as_os_str().is_empty() {
        Path::new(".")
    } else {
        below
    };
    warnings.push(format!(
        "{} loses its extended attributes {}",
        shown.display(),
        names.join(", ")
    ));
}

/// The names of the extended attributes of a file; none where they cannot be read.
fn attributes(path: &Path) -> Vec<String> {
    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else {
        return Vec::new();
    };
    let mut names = vec![0u8; 4096];
    // SAFETY: the path ends with NUL and lives through the call; the kernel writes at most `names.len()` bytes.
    let length = unsafe { nix::libc::llistxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    let Ok(length) = usize::try_from(length) else {
        return Vec::new();
    };
    names[..length.min(4096)]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}
