//! Parser: src/drivers/squashfs/image.rs src/drivers/squashfs/inode.rs
#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = properties::squashfs(data);
});
