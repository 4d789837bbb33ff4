//! Parser: src/managers/snaps/yaml/mod.rs src/managers/snaps/yaml/raw.rs src/managers/snaps/yaml/apps.rs
//! Parser: src/managers/snaps/yaml/ends.rs src/managers/snaps/yaml/words.rs src/managers/snaps/yaml/node.rs
#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = properties::snap_yaml(data);
});
