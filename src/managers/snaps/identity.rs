//! What a snap file is: looked at when it comes, held against it before each mount (decision 20).

use crate::domain::FileIdentity;
use crate::drivers::fs::{FileError, Named};
use sha3::{Digest, Sha3_384};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What identifies an open file whose hash is known.
fn identity(file: &File, sha3_384: String) -> std::io::Result<FileIdentity> {
    let metadata = file.metadata()?;
    Ok(FileIdentity {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: metadata
            .mtime()
            .saturating_mul(1_000_000_000)
            .saturating_add(metadata.mtime_nsec()),
        sha3_384,
        folder: None,
    })
}

/// The identity of a file by a look at it, with the hash that was recorded for it.
pub(super) fn present(path: &Path, sha3_384: &str) -> Result<FileIdentity, FileError> {
    File::open(path)
        .and_then(|file| identity(&file, sha3_384.to_owned()))
        .named("look at", path)
}

/// The file at `path` is the one that was recorded (decision 20). Where its place differs (a disk that got another
/// number, a restored backup) its content decides.
/// In place of a folder that is tried stands a link to it.
pub(super) fn is_same(path: &Path, recorded: &FileIdentity) -> bool {
    if let Some(folder) = &recorded.folder {
        return std::fs::read_link(path).is_ok_and(|target| target == *folder) && folder.is_dir();
    }
    let Ok(found) = present(path, &recorded.sha3_384) else {
        return false;
    };
    found == *recorded
        || (found.size == recorded.size && hash_file(path).is_ok_and(|hash| hash == recorded.sha3_384))
}

/// The SHA3-384 of a file, in hexadecimal.
pub(super) fn hash_file(path: &Path) -> Result<String, FileError> {
    let mut file = File::open(path).named("open", path)?;
    let mut hash = Sha3_384::new();
    let mut buffer = vec![0u8; 128 * 1024];
    loop {
        let length = file.read(&mut buffer).named("read", path)?;
        if length == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&buffer[..length]);
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
