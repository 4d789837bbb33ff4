//! The fuzz targets' corpora, replayed: what starts with `valid-` must be accepted, what starts with `bad-` refused,
//! and the properties hold for all of it.

#[path = "../fuzz/properties.rs"]
mod properties;

use std::path::Path;

fn replay(target: &str, property: fn(&[u8]) -> Result<(), String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/fuzz/corpus").join(target);
    let mut valid = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let result = property(&std::fs::read(&path).unwrap());
        if name.starts_with("valid-") {
            assert_eq!(result, Ok(()), "{} is refused", path.display());
            valid += 1;
        } else if name.starts_with("bad-") {
            assert!(result.is_err(), "{} is accepted", path.display());
        }
    }
    assert!(valid >= 5, "{target} has only {valid} valid seeds");
}

#[test]
fn snap_yaml() {
    replay("snap_yaml", properties::snap_yaml);
}

#[test]
fn board_file() {
    replay("board_file", properties::board_file);
    // the boards that are in the binary are seeds of the fuzz target, too
    for board in pinion::config::board::built_in_names() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("board-configs")
            .join(format!("{board}.toml"));
        assert_eq!(
            properties::board_file(&std::fs::read(path).unwrap()),
            Ok(()),
            "{board}"
        );
    }
}

#[test]
fn multipart() {
    replay("multipart", properties::multipart);
}

#[test]
fn schedule() {
    replay("schedule", properties::schedule);
}

#[test]
fn layout() {
    replay("layout", properties::layout);
}

#[test]
fn config_patch() {
    replay("config_patch", properties::config_patch);
}

#[test]
fn gadget_yaml() {
    replay("gadget_yaml", properties::gadget_yaml);
}

#[test]
fn bus() {
    replay("bus", properties::bus);
}

#[test]
fn squashfs() {
    replay("squashfs", properties::squashfs);
}
