//! Snap files on their way in: written once beside the snaps they may become, hashed while they come (decision 20).

use crate::domain::{Dirs, ErrorKind, Fault};
use crate::drivers::fs::{self, FileError, Named};
use sha3::{Digest, Sha3_384};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How the files begin (contract: v2, Sideload).
const PREFIX: &str = ".local-install-";

/// Bytes that an upload leaves free, for the store and for what an install writes besides.
const RESERVE: u64 = 16 << 20;

/// Bytes between two looks at the free space.
const LOOK_EVERY: u64 = 16 << 20;

/// Tells apart the uploads of one agent.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Where uploads are written.
#[derive(Clone, Debug)]
pub struct Uploads {
    dir: PathBuf,
}

impl Uploads {
    /// Uploads below a root.
    pub fn new(dirs: &Dirs) -> Self {
        Self {
            dir: dirs.snap_files(),
        }
    }

    /// Refuses an upload of `size` bytes that would not leave enough space. Blocks.
    pub fn check_space(&self, size: u64) -> Result<(), Fault> {
        fs::make_dir(&self.dir, 0o755).map_err(|error| cannot_keep(&error))?;
        let space = nix::sys::statvfs::statvfs(&self.dir)
            .named("look at the free space of", &self.dir)
            .map_err(|error| cannot_keep(&error))?;
        // The widths of these differ between architectures.
        #[allow(clippy::useless_conversion)]
        let free = u64::from(space.blocks_available()).saturating_mul(u64::from(space.fragment_size()));
        if free < size.saturating_add(RESERVE) {
            return Err(no_space(&format!(
                "{free} bytes are free in {} and the upload needs {size} and {RESERVE} to spare",
                self.dir.display()
            )));
        }
        Ok(())
    }

    /// Begins a file that only root (in developer mode: the agent's user) may read. Blocks.
    pub fn begin(&self) -> Result<UploadWriter, Fault> {
        self.check_space(0)?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("{PREFIX}{}-{number}", std::process::id()));
        // What an agent of the same number left behind before a reboot is in nobody's use.
        fs::remove_file(&path).map_err(|error| cannot_keep(&error))?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .named("create", &path)
            .map_err(|error| cannot_keep(&error))?;
        Ok(UploadWriter {
            uploads: self.clone(),
            file,
            left: Leftover(Some(path)),
            hash: Sha3_384::new(),
            size: 0,
            look_at: LOOK_EVERY,
        })
    }

    /// Removes the uploads of former runs but those in `wanted`, which changes that go on still need. Blocks.
    pub fn clean(&self, wanted: &BTreeSet<PathBuf>) -> Result<(), FileError> {
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).named("list", &self.dir),
        };
        for entry in entries {
            let path = entry.named("list", &self.dir)?.path();
            let is_upload = path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with(PREFIX));
            if is_upload && !wanted.contains(&path) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

/// A file that goes away unless it is kept.
#[derive(Debug)]
struct Leftover(Option<PathBuf>);

impl Drop for Leftover {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = fs::remove_file(path)
        {
            log::warn!("{}", error.in_full());
        }
    }
}

/// A file that is being written. Dropping it removes the file.
pub struct UploadWriter {
    uploads: Uploads,
    file: File,
    left: Leftover,
    hash: Sha3_384,
    size: u64,
    /// The size at which the free space is looked at again.
    look_at: u64,
}

impl UploadWriter {
    /// Appends. Blocks.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.file
            .write_all(bytes)
            .map_err(|error| match error.raw_os_error() {
                Some(nix::libc::ENOSPC | nix::libc::EDQUOT) => no_space(&error.to_string()),
                _ => self.failed("write", error),
            })?;
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        if self.size >= self.look_at {
            self.look_at = self.size + LOOK_EVERY;
            self.uploads.check_space(0)?;
        }
        Ok(())
    }

    /// Makes the file durable. Blocks.
    pub fn finish(self) -> Result<Upload, Fault> {
        self.file.sync_all().map_err(|error| self.failed("sync", error))?;
        fs::sync_dir(&self.uploads.dir).map_err(|error| cannot_keep(&error))?;
        let sha3_384 = self
            .hash
            .finalize()
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        Ok(Upload {
            left: self.left,
            size: self.size,
            sha3_384,
            name: String::new(),
        })
    }

    fn failed(&self, action: &'static str, source: io::Error) -> Fault {
        let path = self.left.0.clone().unwrap_or_default();
        cannot_keep(&FileError { action, path, source })
    }
}

/// A file that came in full. Dropping it removes the file, unless it was kept.
#[derive(Debug)]
pub struct Upload {
    left: Leftover,
    /// Bytes.
    pub size: u64,
    /// SHA3-384 of the whole file, in hexadecimal.
    pub sha3_384: String,
    /// What the client calls the file; may be empty.
    pub name: String,
}

impl Upload {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.left.0.as_deref().unwrap_or(Path::new(""))
    }

    /// Leaves the file where it is: a change that exists now takes care of it.
    pub fn keep(mut self) -> PathBuf {
        self.left.0.take().unwrap_or_default()
    }
}

fn cannot_keep(error: &FileError) -> Fault {
    match error.source.raw_os_error() {
        // There may be space for bytes, and none for another file.
        Some(nix::libc::ENOSPC | nix::libc::EDQUOT) => no_space(&error.in_full()),
        _ => Fault::internal(format!("cannot keep the uploaded file: {}", error.in_full())),
    }
}

fn no_space(why: &str) -> Fault {
    Fault::new(
        ErrorKind::InsufficientDiskSpace,
        format!("not enough space for the uploaded file: {why}; remove snaps or free space, then try again"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn files(dir: &Path) -> usize {
        std::fs::read_dir(dir).expect("list").count()
    }

    #[test]
    fn an_upload_is_hashed_private_and_goes_unless_it_is_kept() {
        let dir = tempfile::tempdir().expect("a folder");
        let dirs = Dirs::new(dir.path());
        let uploads = Uploads::new(&dirs);
        let mut writer = uploads.begin().expect("begun");
        writer.write(b"ab").expect("written");
        writer.write(b"c").expect("written");
        let upload = writer.finish().expect("finished");
        // NIST's example of SHA3-384 for "abc"
        assert_eq!(
            upload.sha3_384,
            "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b\
             298d88cea927ac7f539f1edf228376d25"
        );
        assert_eq!(upload.size, 3);
        let mode = std::fs::metadata(upload.path()).expect("stat").permissions();
        assert_eq!(mode.mode() & 0o7777, 0o600);
        drop(upload);
        drop(uploads.begin().expect("begun"));
        assert_eq!(files(&dirs.snap_files()), 0);
        let kept = uploads.begin().expect("begun").finish().expect("finished").keep();
        let other = uploads.begin().expect("begun").finish().expect("finished").keep();
        std::fs::write(dirs.snap_files().join("a_1.snap"), b"").expect("a snap");
        uploads.clean(&BTreeSet::from([kept.clone()])).expect("cleaned");
        assert!(kept.exists() && !other.exists());
        assert_eq!(files(&dirs.snap_files()), 2);
    }

    #[test]
    fn an_upload_that_cannot_fit_is_refused_before_it_comes() {
        let dir = tempfile::tempdir().expect("a folder");
        let uploads = Uploads::new(&Dirs::new(dir.path()));
        let fault = uploads.check_space(u64::MAX / 2).expect_err("no such disk");
        assert_eq!(fault.kind, ErrorKind::InsufficientDiskSpace);
    }
}
