//! The reader.

use super::inode::{self, Body, Inode};
use super::{ImageError, MAX_DEPTH, MAX_ENTRIES, MAX_INODES};
use crate::drivers::fs::Named;
use backhand::compression::{CompressionAction, Compressor, DefaultCompressor};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

const SUPERBLOCK: usize = 96;
/// The largest metadata block, unpacked.
const METADATA: usize = 8192;
/// A table that is not there.
const ABSENT: u64 = u64::MAX;
/// The size of a block that is stored as it is has this bit.
const STORED: u32 = 1 << 24;
/// How many unpacked metadata blocks are kept.
const CACHED: usize = 8;

/// What an entry of a folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A file and its size in bytes.
    File(u64),
    /// A symbolic link and its target.
    Link(Vec<u8>),
    /// A device, pipe or socket.
    Special,
}

/// One thing in an image.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u16,
    /// Its owner.
    pub uid: u32,
    /// Seconds since 1970.
    pub modified: u32,
    pub(super) inode: Inode,
}

/// An opened image. Reading takes `&self`, but it stays on one thread.
pub struct Image {
    file: File,
    path: PathBuf,
    compressor: Compressor,
    block_size: u32,
    block_log: u16,
    inode_count: u32,
    fragment_count: u32,
    id_count: u16,
    root: u64,
    used: u64,
    id_table: u64,
    inode_table: u64,
    directory_table: u64,
    fragment_table: u64,
    metadata: RefCell<VecDeque<(u64, Rc<Block>)>>,
    fragment: RefCell<Option<(u64, Rc<Vec<u8>>)>>,
}

/// An unpacked metadata block, where it starts and where the next one does.
struct Block {
    bytes: Vec<u8>,
    start: u64,
    next: u64,
}

/// A place inside a run of metadata blocks.
pub(super) struct Cursor<'a> {
    image: &'a Image,
    block: Rc<Block>,
    at: usize,
    end: u64,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

impl Image {
    /// Opens an image and checks its head.
    pub fn open(path: &Path) -> Result<Self, ImageError> {
        let file = File::open(path).named("open", path)?;
        let size = file.metadata().named("look at", path)?.len();
        let mut head = [0u8; SUPERBLOCK];
        if size < SUPERBLOCK as u64 || file.read_exact_at(&mut head, 0).is_err() || &head[..4] != b"hsqs" {
            return Err(ImageError::NotSquashfs);
        }
        if u16_at(&head, 28) != 4 || u16_at(&head, 30) != 0 {
            return Err(ImageError::Damaged("its version is not 4.0"));
        }
        let block_size = u32_at(&head, 12);
        let block_log = u16_at(&head, 22);
        if !(12..=20).contains(&block_log) || block_size != 1 << block_log {
            return Err(ImageError::Damaged("its block size"));
        }
        let image = Self {
            compressor: compressor(u16_at(&head, 20))?,
            block_size,
            block_log,
            inode_count: u32_at(&head, 4),
            fragment_count: u32_at(&head, 16),
            id_count: u16_at(&head, 26),
            root: u64_at(&head, 32),
            used: u64_at(&head, 40),
            id_table: u64_at(&head, 48),
            inode_table: u64_at(&head, 64),
            directory_table: u64_at(&head, 72),
            fragment_table: u64_at(&head, 80),
            file,
            path: path.to_owned(),
            metadata: RefCell::default(),
            fragment: RefCell::default(),
        };
        image.check_head(size)?;
        Ok(image)
    }

    fn check_head(&self, size: u64) -> Result<(), ImageError> {
        if self.used > size {
            return Err(ImageError::Truncated {
                has: size,
                says: self.used,
            });
        }
        let inside = |at: u64| at >= SUPERBLOCK as u64 && at < self.used;
        let in_order = self.inode_table < self.directory_table
            && inside(self.inode_table)
            && inside(self.directory_table)
            && inside(self.id_table)
            && self.directory_table < self.id_table
            && (self.fragment_table == ABSENT || inside(self.fragment_table));
        if !in_order {
            return Err(ImageError::Damaged("its tables are not in it"));
        }
        if self.inode_count > MAX_INODES {
            return Err(ImageError::TooMuch("too many files"));
        }
        Ok(())
    }

    /// The file it was opened from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many files and folders it says that it holds.
    pub fn inode_count(&self) -> u32 {
        self.inode_count
    }

    /// The folder at the top.
    pub fn root(&self) -> Result<Entry, ImageError> {
        self.entry(self.root)
    }

    /// What stands at a path, without following a link at its end or on the way.
    pub fn find(&self, path: &str) -> Result<Option<Entry>, ImageError> {
        let mut entry = self.root()?;
        for (depth, part) in path
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .enumerate()
        {
            if depth >= MAX_DEPTH || part == ".." {
                return Ok(None);
            }
            if entry.kind != EntryKind::Folder {
                return Ok(None);
            }
            let mut found = None;
            self.each(&entry, |name, reference| {
                if name == part.as_bytes() {
                    found = Some(reference);
                }
                // names are sorted, but a damaged image need not be
                Ok(found.is_none())
            })?;
            match found {
                Some(reference) => entry = self.entry(reference)?,
                None => return Ok(None),
            }
        }
        Ok(Some(entry))
    }

    /// What a folder holds, by name.
    pub fn list(&self, folder: &Entry) -> Result<Vec<(Vec<u8>, Entry)>, ImageError> {
        let mut references = Vec::new();
        self.each(folder, |name, reference| {
            references.push((name.to_vec(), reference));
            Ok(true)
        })?;
        references
            .into_iter()
            .map(|(name, reference)| Ok((name, self.entry(reference)?)))
            .collect()
    }

    /// The whole content of a file of at most `limit` bytes.
    pub fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, ImageError> {
        let entry = self
            .find(path)?
            .ok_or_else(|| ImageError::NotFound(path.to_owned()))?;
        let EntryKind::File(size) = entry.kind else {
            return Err(ImageError::NotFound(format!("regular file {path}")));
        };
        if size > limit {
            return Err(ImageError::TooMuch("a file that should be small is not"));
        }
        let mut content = Vec::new();
        self.copy(&entry, &mut |bytes| {
            content.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(content)
    }

    /// Hands the content of a file to `sink`, block by block.
    pub fn copy(
        &self,
        entry: &Entry,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), ImageError>,
    ) -> Result<(), ImageError> {
        let Body::File {
            start,
            size,
            fragment,
            blocks,
        } = entry.inode.body
        else {
            return Err(ImageError::Damaged("a file is none"));
        };
        let count = match fragment {
            Some(_) => size >> self.block_log,
            None => size.div_ceil(u64::from(self.block_size)),
        };
        let mut blocks = self.cursor(blocks.0, blocks.1, self.directory_table)?;
        let mut at = start;
        let mut left = size;
        let zeros = vec![0u8; self.block_size as usize];
        for _ in 0..count {
            let block = blocks.u32()?;
            let wanted = left.min(u64::from(self.block_size));
            let length = block & !STORED;
            if length == 0 {
                sink(&zeros[..wanted as usize])?;
            } else {
                let bytes = self.data(at, block)?;
                if bytes.len() as u64 != wanted {
                    return Err(ImageError::Damaged("a block has the wrong size"));
                }
                sink(&bytes)?;
            }
            at = at
                .checked_add(u64::from(length))
                .ok_or(ImageError::Damaged("a block is not in it"))?;
            left -= wanted;
        }
        if left > 0 {
            let (index, offset) = fragment.ok_or(ImageError::Damaged("the end of a file is missing"))?;
            let bytes = self.fragment(index)?;
            let tail = (offset as usize)
                .checked_add(left as usize)
                .and_then(|end| bytes.get(offset as usize..end))
                .ok_or(ImageError::Damaged("the end of a file is not in its block"))?;
            sink(tail)?;
        }
        Ok(())
    }

    /// One data block: `size` with its flag, at most a block when unpacked.
    fn data(&self, at: u64, size: u32) -> Result<Vec<u8>, ImageError> {
        let length = size & !STORED;
        if length > self.block_size
            || at
                .checked_add(u64::from(length))
                .is_none_or(|end| end > self.used)
        {
            return Err(ImageError::Damaged("a block is not in it"));
        }
        let mut packed = vec![0u8; length as usize];
        self.file
            .read_exact_at(&mut packed, at)
            .named("read", &self.path)?;
        if size & STORED != 0 {
            return Ok(packed);
        }
        self.unpacked(&packed, self.block_size as usize)
    }

    fn unpacked(&self, packed: &[u8], limit: usize) -> Result<Vec<u8>, ImageError> {
        let mut out = Vec::with_capacity(limit);
        let damaged = ImageError::Damaged("a block cannot be unpacked");
        if self.compressor == Compressor::Zstd {
            zstd_safe::decompress(&mut out, packed).map_err(|_| damaged)?;
        } else {
            DefaultCompressor
                .decompress(packed, &mut out, self.compressor)
                .map_err(|_| damaged)?;
        }
        if out.len() > limit {
            return Err(ImageError::Damaged("a block is larger than a block"));
        }
        Ok(out)
    }

    /// The block that holds the ends of several files.
    fn fragment(&self, index: u32) -> Result<Rc<Vec<u8>>, ImageError> {
        if index >= self.fragment_count || self.fragment_table == ABSENT {
            return Err(ImageError::Damaged("a fragment is not in it"));
        }
        // 512 entries of 16 bytes a metadata block
        let mut entry = [0u8; 16];
        let block = self.pointer(self.fragment_table, u64::from(index / 512))?;
        self.cursor(block, (index % 512) as usize * 16, self.used)?
            .fill(&mut entry)?;
        let start = u64_at(&entry, 0);
        if let Some((cached, bytes)) = self.fragment.borrow().as_ref()
            && *cached == start
        {
            return Ok(Rc::clone(bytes));
        }
        let bytes = Rc::new(self.data(start, u32_at(&entry, 8))?);
        *self.fragment.borrow_mut() = Some((start, Rc::clone(&bytes)));
        Ok(bytes)
    }

    /// The `index`-th number of a table of places.
    fn pointer(&self, table: u64, index: u64) -> Result<u64, ImageError> {
        let at = table
            .checked_add(index * 8)
            .filter(|at| at.checked_add(8).is_some_and(|end| end <= self.used))
            .ok_or(ImageError::Damaged("a table is not in it"))?;
        let mut bytes = [0u8; 8];
        self.file
            .read_exact_at(&mut bytes, at)
            .named("read", &self.path)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn owner(&self, index: u16) -> Result<u32, ImageError> {
        if index >= self.id_count {
            return Err(ImageError::Damaged("an owner is not in it"));
        }
        // 2048 entries of 4 bytes a metadata block
        let mut entry = [0u8; 4];
        let block = self.pointer(self.id_table, u64::from(index / 2048))?;
        self.cursor(block, usize::from(index % 2048) * 4, self.used)?
            .fill(&mut entry)?;
        Ok(u32::from_le_bytes(entry))
    }

    /// The entry that a reference (block of the inode table, offset in it) leads to.
    fn entry(&self, reference: u64) -> Result<Entry, ImageError> {
        let block = self
            .inode_table
            .checked_add(reference >> 16)
            .ok_or(ImageError::Damaged("a file is not in it"))?;
        let mut cursor = self.cursor(block, (reference & 0xffff) as usize, self.directory_table)?;
        let inode = inode::read(&mut cursor)?;
        let kind = match &inode.body {
            Body::Folder { .. } => EntryKind::Folder,
            Body::File { size, .. } => EntryKind::File(*size),
            Body::Link(target) => EntryKind::Link(target.clone()),
            Body::Special => EntryKind::Special,
        };
        Ok(Entry {
            kind,
            mode: inode.mode,
            uid: self.owner(inode.owner)?,
            modified: inode.modified,
            inode,
        })
    }

    /// Calls `visit` with name and inode reference of each entry of a folder until it answers false.
    fn each(
        &self,
        folder: &Entry,
        mut visit: impl FnMut(&[u8], u64) -> Result<bool, ImageError>,
    ) -> Result<(), ImageError> {
        let Body::Folder { block, offset, size } = folder.inode.body else {
            return Err(ImageError::Damaged("a folder is none"));
        };
        // the size counts three bytes that are not there; an empty folder has no block
        let Some(mut left) = u64::from(size).checked_sub(3).filter(|left| *left > 0) else {
            return Ok(());
        };
        let start = self
            .directory_table
            .checked_add(u64::from(block))
            .ok_or(ImageError::Damaged("a folder is not in it"))?;
        let mut cursor = self.cursor(start, usize::from(offset), self.used)?;
        let mut take = |cursor: &mut Cursor<'_>, bytes: &mut [u8]| {
            left = left
                .checked_sub(bytes.len() as u64)
                .ok_or(ImageError::Damaged("a folder ends too early"))?;
            cursor.fill(bytes)?;
            Ok::<u64, ImageError>(left)
        };
        let mut seen = 0usize;
        loop {
            let mut head = [0u8; 12];
            take(&mut cursor, &mut head)?;
            let count = u32_at(&head, 0);
            let inode_block = u64::from(u32_at(&head, 4));
            if count > 255 {
                return Err(ImageError::Damaged("a folder has a part that is too long"));
            }
            let mut rest = 0;
            for _ in 0..=count {
                let mut fixed = [0u8; 8];
                take(&mut cursor, &mut fixed)?;
                let mut name = vec![0u8; usize::from(u16_at(&fixed, 6)) + 1];
                if name.len() > 256 {
                    return Err(ImageError::Damaged("a name is too long"));
                }
                rest = take(&mut cursor, &mut name)?;
                let fits = name != b"." && name != b".." && !name.iter().any(|b| *b == b'/' || *b == 0);
                if !fits {
                    return Err(ImageError::Damaged("a name that leads out of its folder"));
                }
                seen += 1;
                if seen > MAX_ENTRIES {
                    return Err(ImageError::TooMuch("too many files in one folder"));
                }
                if !visit(&name, inode_block << 16 | u64::from(u16_at(&fixed, 0)))? {
                    return Ok(());
                }
            }
            if rest == 0 {
                return Ok(());
            }
        }
    }

    fn cursor(&self, block: u64, at: usize, end: u64) -> Result<Cursor<'_>, ImageError> {
        let block = self.metadata_block(block, end)?;
        if at > block.bytes.len() {
            return Err(ImageError::Damaged("a place is not in its block"));
        }
        Ok(Cursor {
            image: self,
            block,
            at,
            end,
        })
    }

    /// The metadata block at a place of the file.
    fn metadata_block(&self, at: u64, end: u64) -> Result<Rc<Block>, ImageError> {
        if let Some((_, block)) = self.metadata.borrow().iter().find(|(place, _)| *place == at) {
            return Ok(Rc::clone(block));
        }
        let outside = || ImageError::Damaged("a table is not in it");
        if at < SUPERBLOCK as u64 || at.checked_add(2).is_none_or(|start| start > end) {
            return Err(outside());
        }
        let mut head = [0u8; 2];
        self.file.read_exact_at(&mut head, at).named("read", &self.path)?;
        let head = u16::from_le_bytes(head);
        let length = usize::from(head & 0x7fff);
        let next = at + 2 + length as u64;
        if length == 0 || length > METADATA || next > self.used {
            return Err(outside());
        }
        let mut bytes = vec![0u8; length];
        self.file
            .read_exact_at(&mut bytes, at + 2)
            .named("read", &self.path)?;
        if head & 0x8000 == 0 {
            bytes = self.unpacked(&bytes, METADATA)?;
        }
        let block = Rc::new(Block {
            bytes,
            start: at,
            next,
        });
        let mut cache = self.metadata.borrow_mut();
        if cache.len() == CACHED {
            cache.pop_front();
        }
        cache.push_back((at, Rc::clone(&block)));
        Ok(block)
    }
}

impl Cursor<'_> {
    /// Where it stands: the start of a block and the offset in it.
    pub(super) fn place(&self) -> (u64, usize) {
        (self.block.start, self.at)
    }

    /// Fills `out` from here on, over the borders of blocks.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> Result<(), ImageError> {
        let mut done = 0;
        while done < out.len() {
            if self.at == self.block.bytes.len() {
                self.block = self.image.metadata_block(self.block.next, self.end)?;
                self.at = 0;
                if self.block.bytes.is_empty() {
                    return Err(ImageError::Damaged("a block is empty"));
                }
            }
            let piece = (out.len() - done).min(self.block.bytes.len() - self.at);
            out[done..done + piece].copy_from_slice(&self.block.bytes[self.at..self.at + piece]);
            self.at += piece;
            done += piece;
        }
        Ok(())
    }

    pub(super) fn u16(&mut self) -> Result<u16, ImageError> {
        let mut bytes = [0; 2];
        self.fill(&mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    pub(super) fn u32(&mut self) -> Result<u32, ImageError> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    pub(super) fn u64(&mut self) -> Result<u64, ImageError> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

fn compressor(id: u16) -> Result<Compressor, ImageError> {
    match id {
        1 => Ok(Compressor::Gzip),
        4 => Ok(Compressor::Xz),
        6 => Ok(Compressor::Zstd),
        2 => Err(ImageError::Compression(String::from("lzma"))),
        3 => Err(ImageError::Compression(String::from("lzo"))),
        5 => Err(ImageError::Compression(String::from("lz4"))),
        other => Err(ImageError::Compression(format!("method {other}"))),
    }
}
