//! The kernel's table of mounts.

use crate::drivers::fs::{FileError, Named};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::statfs::{FsType, statfs};
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

const TABLE: &str = "/proc/self/mountinfo";
/// How the kernel calls the file system of an image.
const SQUASHFS: FsType = FsType(0x7371_7368);

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountPoint {
    /// Where.
    pub target: PathBuf,
    /// The kind of file system (`squashfs`).
    pub kind: String,
    /// The device or other source.
    pub source: PathBuf,
    /// The file behind a loop device; deleted ones keep their path.
    pub backing: Option<PathBuf>,
}

/// Tells whether the kernel's table of mounts has changed.
pub struct TableWatch(File);

impl TableWatch {
    /// Watches from now on.
    pub fn open() -> std::io::Result<Self> {
        let watch = Self(File::open(TABLE)?);
        // What was before the first question does not count.
        watch.has_changed();
        Ok(watch)
    }

    /// Whether it has changed since this was asked last.
    pub fn has_changed(&self) -> bool {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLPRI)];
        // The file is always readable; a change is an error to it (proc(5)). A question that fails is asked again.
        nix::poll::poll(&mut fds, PollTimeout::ZERO).map_or(true, |ready| ready > 0)
    }
}

/// A mounted image is what shows at `target`.
pub fn is_image(target: &Path) -> bool {
    statfs(target).is_ok_and(|found| found.filesystem_type() == SQUASHFS)
}

/// All mounts that fit, in their order. What stands behind a loop device is looked up for these only.
pub(super) fn read(fits: impl Fn(&Path) -> bool) -> Result<Vec<MountPoint>, FileError> {
    let path = Path::new(TABLE);
    let bytes = std::fs::read(path).named("read", path)?;
    Ok(bytes
        .split(|byte| *byte == b'\n')
        .filter_map(parse)
        .filter(|(point, _)| fits(&point.target))
        .map(|(point, device)| MountPoint {
            backing: backing(device),
            ..point
        })
        .collect())
}

/// One line (`36 35 98:0 /root /target options [fields] - kind source options`) and its device numbers.
pub(super) fn parse(line: &[u8]) -> Option<(MountPoint, &[u8])> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let dash = fields.iter().position(|field| *field == b"-")?;
    let point = MountPoint {
        target: unescape(fields.get(4)?),
        kind: String::from_utf8_lossy(fields.get(dash + 1)?).into_owned(),
        source: unescape(fields.get(dash + 2)?),
        backing: None,
    };
    Some((point, fields[2]))
}

/// Spaces and the like are written as `\040`.
fn unescape(field: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(field.len());
    let mut at = 0;
    while at < field.len() {
        let code = field
            .get(at + 1..at + 4)
            .filter(|_| field[at] == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(field[at]);
                at += 1;
            }
        }
    }
    PathBuf::from(OsString::from_vec(out))
}

/// The file behind a loop device with these numbers (`7:3`).
fn backing(device: &[u8]) -> Option<PathBuf> {
    let number = std::str::from_utf8(device.strip_prefix(b"7:")?).ok()?;
    let bytes = std::fs::read(format!("/sys/block/loop{number}/loop/backing_file")).ok()?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b" (deleted)").unwrap_or(line);
    Some(PathBuf::from(OsString::from_vec(line.to_vec())))
}
