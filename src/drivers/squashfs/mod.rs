//! Squashfs images: a small bounded reader that looks up single files without loading the image's tables, unpacking
//! where the kernel may not mount, and a writer that gives the same bytes for the same folder.
//!
//! An image comes from outside: every number in it is checked before it is used, nothing recurses deeper than
//! [`MAX_DEPTH`], and nothing is allocated beyond what a block may hold.

mod image;
mod inode;
mod pack;
#[cfg(test)]
mod tests;
mod unpack;

pub use image::{Entry, EntryKind, Image};
pub use pack::{Packed, pack};
pub use unpack::{discard, unpack};

use crate::drivers::fs::FileError;

/// How deep folders may be nested.
pub const MAX_DEPTH: usize = 64;
/// How many files and folders an image may hold.
pub const MAX_INODES: u32 = 500_000;
/// How many entries one folder may hold.
pub const MAX_ENTRIES: usize = 100_000;
/// How many bytes all files of an image may have when unpacked.
pub const MAX_UNPACKED: u64 = 16 << 30;

/// What is wrong with an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It does not start like one.
    #[error("the file is not a squashfs image: build it with pinion pack or snap pack")]
    NotSquashfs,
    /// It says that it is longer than it is.
    #[error("the squashfs image is cut short ({has} of {says} bytes): copy it again")]
    Truncated {
        /// Bytes in the file.
        has: u64,
        /// Bytes that it should have.
        says: u64,
    },
    /// Its compression is not known here.
    #[error(
        "the squashfs image is compressed with {0}, which is not supported: pack it with xz, gzip or zstd"
    )]
    Compression(String),
    /// A number in it makes no sense.
    #[error("the squashfs image is damaged ({0}): build or copy it again")]
    Damaged(&'static str),
    /// It is larger than any snap needs to be.
    #[error("the squashfs image has too much in it ({0}): make it smaller")]
    TooMuch(&'static str),
    /// There is no such file in it.
    #[error("the squashfs image has no {0}: add the file and pack it again")]
    NotFound(String),
    /// A file outside the image.
    #[error("{}", .0.in_full())]
    File(#[from] FileError),
    /// The writer failed.
    #[error("cannot write the squashfs image: {0}")]
    Write(String),
}
