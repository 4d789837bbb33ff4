//! Parser: src/drivers/bus/wire.rs
#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = properties::bus(data);
});
