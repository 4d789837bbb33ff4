//! Inodes: what the inode table says of one file, folder or link.

use super::ImageError;
use super::image::Cursor;

/// A file without a fragment.
const NO_FRAGMENT: u32 = u32::MAX;
/// The longest target of a link, as in the kernel.
const MAX_LINK: u32 = 4095;

/// One inode.
#[derive(Clone, Debug)]
pub(super) struct Inode {
    pub mode: u16,
    /// Index into the table of ids.
    pub owner: u16,
    /// Seconds since 1970.
    pub modified: u32,
    pub body: Body,
}

/// What depends on its type.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Folder {
        /// Block in the directory table, relative to its start.
        block: u32,
        /// Offset in the unpacked block.
        offset: u16,
        /// Bytes of its list, and three.
        size: u32,
    },
    File {
        /// Where its first block starts.
        start: u64,
        /// Bytes.
        size: u64,
        /// Fragment and offset in it.
        fragment: Option<(u32, u32)>,
        /// Where the packed sizes of its blocks stand: a metadata block and an offset in it. They are read when the
        /// file is: every name of a folder may lead to the same file, and its list may be large.
        blocks: (u64, usize),
    },
    Link(Vec<u8>),
    Special,
}

/// Reads the inode at the cursor.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Inode, ImageError> {
    let kind = cursor.u16()?;
    let mode = cursor.u16()? & 0o7777;
    let owner = cursor.u16()?;
    cursor.u16()?;
    let modified = cursor.u32()?;
    cursor.u32()?;
    let body = match kind {
        1 => {
            let block = cursor.u32()?;
            cursor.u32()?;
            let size = u32::from(cursor.u16()?);
            let offset = cursor.u16()?;
            Body::Folder { block, offset, size }
        }
        8 => {
            cursor.u32()?;
            let size = cursor.u32()?;
            let block = cursor.u32()?;
            cursor.u32()?;
            cursor.u16()?;
            let offset = cursor.u16()?;
            Body::Folder { block, offset, size }
        }
        2 => {
            let start = u64::from(cursor.u32()?);
            let fragment = (cursor.u32()?, cursor.u32()?);
            let size = u64::from(cursor.u32()?);
            file(cursor, start, size, fragment)?
        }
        9 => {
            let start = cursor.u64()?;
            let size = cursor.u64()?;
            cursor.u64()?;
            cursor.u32()?;
            let fragment = (cursor.u32()?, cursor.u32()?);
            cursor.u32()?;
            file(cursor, start, size, fragment)?
        }
        3 | 10 => {
            cursor.u32()?;
            let length = cursor.u32()?;
            if length == 0 || length > MAX_LINK {
                return Err(ImageError::Damaged("a link is too long"));
            }
            let mut target = vec![0u8; length as usize];
            cursor.fill(&mut target)?;
            Body::Link(target)
        }
        4..=7 | 11..=14 => Body::Special,
        _ => return Err(ImageError::Damaged("a file of an unknown type")),
    };
    Ok(Inode {
        mode,
        owner,
        modified,
        body,
    })
}

fn file(cursor: &Cursor<'_>, start: u64, size: u64, fragment: (u32, u32)) -> Result<Body, ImageError> {
    if size > super::MAX_UNPACKED {
        return Err(ImageError::TooMuch("a file is too large"));
    }
    Ok(Body::File {
        start,
        size,
        fragment: (fragment.0 != NO_FRAGMENT).then_some(fragment),
        blocks: cursor.place(),
    })
}
