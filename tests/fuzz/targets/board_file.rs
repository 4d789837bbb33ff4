//! Parser: src/config/board.rs src/config/board/check.rs src/config/board/text.rs
//! Parser: src/config/table.rs
#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = properties::board_file(data);
});
