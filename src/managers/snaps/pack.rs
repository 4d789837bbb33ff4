//! `pinion pack`: a folder to a snap file, checked before and after.

use super::file::{self, SnapFileError};
use super::yaml;
use crate::domain::SnapInfo;
use crate::drivers::fs::{FileError, Named};
use crate::drivers::squashfs::{self, ImageError};
use std::path::{Path, PathBuf};

/// A snap file that was made.
#[derive(Debug, PartialEq, Eq)]
pub struct PackedSnap {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// What is not kept of the folder.
    pub warnings: Vec<String>,
}

/// Why a folder cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// What it holds makes no snap.
    #[error("cannot pack {}: {source}", .dir.display())]
    Content {
        /// The folder.
        dir: PathBuf,
        /// Why.
        #[source]
        source: SnapFileError,
    },
    /// A file outside.
    #[error("{}", .0.in_full())]
    File(#[from] FileError),
}

/// Packs `dir` to `out`: a folder (then the file is called NAME_VERSION_ARCH.snap), a file, or the present folder.
pub fn pack(dir: &Path, out: Option<&Path>) -> Result<PackedSnap, PackError> {
    let content = |source: SnapFileError| PackError::Content {
        dir: dir.to_owned(),
        source,
    };
    let described = dir.join("meta/snap.yaml");
    if !described.is_file() {
        return Err(content(
            ImageError::NotFound(String::from("meta/snap.yaml")).into(),
        ));
    }
    let bytes = std::fs::read(&described).named("read", &described)?;
    let info = yaml::parse_snap_yaml(&bytes).map_err(|error| content(error.into()))?;
    let path = match out {
        None => PathBuf::from(file_name(&info)),
        Some(out) if out.is_dir() => out.join(file_name(&info)),
        Some(out) => out.to_owned(),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.packing"));
    let made = squashfs::pack(dir, &temporary)
        .map_err(|error| content(error.into()))
        .and_then(|mut packed| {
            let info = file::read_checked(&temporary).map_err(content)?;
            let dropped = info.dropped.iter();
            packed
                .warnings
                .extend(dropped.map(|reason| format!("a plug or slot will be left out: {reason}")));
            std::fs::rename(&temporary, &path).named("rename to", &path)?;
            Ok(packed)
        });
    if made.is_err() {
        // The first error is the one that tells.
        let _ = std::fs::remove_file(&temporary);
    }
    let packed = made?;
    Ok(PackedSnap {
        path,
        size: packed.size,
        warnings: packed.warnings,
    })
}

/// `NAME_VERSION_ARCH.snap`
fn file_name(info: &SnapInfo) -> String {
    let architecture = match info.architectures.as_slice() {
        [] => "all",
        [one] => one,
        _ => "multi",
    };
    format!("{}_{}_{architecture}.snap", info.name, info.version)
}
