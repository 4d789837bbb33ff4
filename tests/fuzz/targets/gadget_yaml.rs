//! Parser: src/managers/snaps/yaml/gadget.rs
#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = properties::gadget_yaml(data);
});
