//! A damaged or missing database (R14), with the real daemon.

use crate::support::TestDaemon;
use crate::support::snaps::{BASE, pack};
use std::fs;
use std::time::{Duration, Instant};

fn names(daemon: &TestDaemon) -> Vec<String> {
    let answer = daemon.get("/v2/snaps");
    let snaps = answer.result().as_array().expect("a list");
    snaps
        .iter()
        .filter_map(|snap| snap["name"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn a_damaged_database_is_replaced_by_its_backup_and_a_warning() {
    let mut daemon = TestDaemon::start();
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    daemon.stop();
    let path = daemon.root().join("var/lib/pinion/state.db");
    for damage in [&b"this is not a database at all, not even nearly"[..], &[0; 8192]] {
        fs::write(&path, damage).expect("a write");
        let begin = Instant::now();
        daemon.launch();
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "the agent took {:?}",
            begin.elapsed()
        );
        assert_eq!(names(&daemon), ["test-base"]);
        let answer = daemon.get("/v2/warnings");
        let warnings = answer.result().to_string();
        assert!(warnings.contains("the last backup was restored"), "{warnings}");
        daemon.stop();
    }
}

#[test]
fn without_a_backup_the_agent_starts_empty_and_keeps_the_damaged_file() {
    let mut daemon = TestDaemon::start();
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    daemon.stop();
    let folder = daemon.root().join("var/lib/pinion");
    fs::remove_file(folder.join("state.backup")).expect("the backup");
    fs::write(folder.join("state.db"), b"garbage, garbage, garbage, garbage").expect("a write");
    daemon.launch();
    assert!(names(&daemon).is_empty());
    let answer = daemon.get("/v2/warnings");
    assert!(answer.result().to_string().contains("no usable backup"));
    // What the empty state does not know is kept on the disk.
    assert!(
        daemon
            .root()
            .join("var/lib/snapd/snaps/test-base_x1.snap")
            .exists()
    );
    let kept = fs::read_dir(&folder).expect("a folder").flatten();
    assert_eq!(
        kept.filter(|entry| entry.file_name().to_string_lossy().contains("damaged"))
            .count(),
        1
    );
}

#[test]
fn a_missing_database_starts_empty() {
    let mut daemon = TestDaemon::start();
    daemon.stop();
    fs::remove_dir_all(daemon.root().join("var/lib/pinion")).expect("the state");
    daemon.launch();
    assert!(names(&daemon).is_empty());
}
