//! What a snap is made of: an image, or a folder that somebody works on (`try`).

use crate::drivers::fs::{FileError, Named};
use crate::drivers::squashfs::{EntryKind, Image, ImageError};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The content of a snap.
pub(super) enum Content {
    Image(Box<Image>),
    Folder(PathBuf),
}

/// One thing in it.
pub(super) struct Thing {
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u32,
}

impl Content {
    /// The content of what stands at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, ImageError> {
        if path.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        Ok(Self::Image(Box::new(Image::open(path)?)))
    }

    /// What stands at a path, without following a link at its end.
    pub(super) fn find(&self, path: &str) -> Result<Option<Thing>, ImageError> {
        match self {
            Self::Image(image) => Ok(image.find(path)?.map(|entry| Thing {
                mode: u32::from(entry.mode),
                kind: entry.kind,
            })),
            Self::Folder(folder) => thing(&folder.join(path)),
        }
    }

    /// The whole content of a file of at most `limit` bytes.
    pub(super) fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, ImageError> {
        match self {
            Self::Image(image) => image.read(path, limit),
            Self::Folder(folder) => {
                let file = folder.join(path);
                if !matches!(
                    self.find(path)?,
                    Some(Thing {
                        kind: EntryKind::File(_),
                        ..
                    })
                ) {
                    return Err(ImageError::NotFound(format!("regular file {path}")));
                }
                let mut content = Vec::new();
                File::open(&file)
                    .and_then(|open| open.take(limit + 1).read_to_end(&mut content))
                    .named("read", &file)?;
                if content.len() as u64 > limit {
                    return Err(ImageError::TooMuch("a file that should be small is not"));
                }
                Ok(content)
            }
        }
    }

    /// The names of the files and links in a folder; none when it is no folder.
    pub(super) fn files_in(&self, folder: &str) -> Result<Vec<String>, ImageError> {
        let is_folder = self
            .find(folder)?
            .is_some_and(|thing| thing.kind == EntryKind::Folder);
        if !is_folder {
            return Ok(Vec::new());
        }
        let is_file = |kind: &EntryKind| matches!(kind, EntryKind::File(_) | EntryKind::Link(_));
        let mut names = Vec::new();
        match self {
            Self::Image(image) => {
                if let Some(entry) = image.find(folder)? {
                    for (name, entry) in image.list(&entry)? {
                        if is_file(&entry.kind) {
                            names.extend(String::from_utf8(name));
                        }
                    }
                }
            }
            Self::Folder(top) => {
                let dir = top.join(folder);
                for entry in std::fs::read_dir(&dir).named("list", &dir)? {
                    let entry = entry.named("list", &dir)?;
                    if thing(&entry.path())?.is_some_and(|thing| is_file(&thing.kind)) {
                        names.extend(entry.file_name().into_string());
                    }
                }
            }
        }
        Ok(names)
    }
}

fn thing(path: &Path) -> Result<Option<Thing>, ImageError> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error).named("look at", path).map_err(ImageError::from),
    };
    let kind = if metadata.is_dir() {
        EntryKind::Folder
    } else if metadata.is_file() {
        EntryKind::File(metadata.len())
    } else if metadata.is_symlink() {
        let target: Result<PathBuf, FileError> = std::fs::read_link(path).named("read the link", path);
        EntryKind::Link(target?.into_os_string().into_vec())
    } else {
        EntryKind::Special
    };
    Ok(Some(Thing {
        kind,
        mode: metadata.permissions().mode(),
    }))
}

fn is_absence(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
    )
}
