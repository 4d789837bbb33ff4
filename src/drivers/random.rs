//! Random numbers of the kernel.

use std::fs::File;
use std::io::{self, Read};

/// So many random bytes.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A number from 0 up to `limit`, without it; 0 where there is no chance. The last bits are not equally likely, which
/// does not matter for spreading work.
pub fn below(limit: u32) -> u32 {
    let number = bytes().map(u32::from_ne_bytes).unwrap_or_default();
    number.checked_rem(limit).unwrap_or_default()
}
