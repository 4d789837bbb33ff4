//! A tar archive (POSIX ustar) of small files in memory.

use crate::domain::Timestamp;

/// Everything in a tar is a multiple of this.
const BLOCK: usize = 512;

/// An archive whose files are all in one folder.
pub struct Archive {
    folder: &'static str,
    seconds: i64,
    bytes: Vec<u8>,
}

impl Archive {
    pub fn new(folder: &'static str, time: Timestamp) -> Self {
        Self {
            folder,
            seconds: time.0 / 1_000_000_000,
            bytes: Vec::new(),
        }
    }

    /// Adds a file; the end of a name that is too long for the format is cut off.
    pub fn add(&mut self, name: &str, content: &[u8]) {
        let mut name = format!("{}/{name}", self.folder);
        name.truncate(99);
        let mut head = [0u8; BLOCK];
        let mut put = |at: usize, text: &str| head[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, &name);
        put(100, "0000600\0");
        put(108, "0000000\0");
        put(116, "0000000\0");
        put(124, &format!("{:011o}\0", content.len()));
        put(136, &format!("{:011o}\0", self.seconds));
        put(148, "        ");
        put(156, "0");
        put(257, "ustar\x0000");
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.bytes.extend_from_slice(&head);
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }
}
