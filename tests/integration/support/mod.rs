//! The real daemon under a temporary root, and a small blocking client for it.

#![allow(dead_code)] // each area uses its part

pub mod daemon;
pub mod described;
pub mod http;
pub mod recorder;
pub mod snap;
pub mod snaps;
pub mod somebody;

pub use daemon::TestDaemon;
pub use http::Request;
use std::time::{Duration, Instant};

/// Waits until something is so, for half a minute.
pub fn eventually(what: &str, so: impl Fn() -> bool) {
    within(30, what, so);
}

/// Waits until something is so, for some seconds.
pub fn within(seconds: u64, what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while !so() {
        assert!(Instant::now() < end, "not so in {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Copies a program to where others may run it. Another process writes the copy: were it this one, a program that another
/// test starts at that moment would inherit the open file, and the copy could not be run ("text file busy").
pub fn copy_program(from: &std::path::Path, to: &std::path::Path) {
    let copied = std::process::Command::new("cp")
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(copied.success(), "cp of {} ended with {copied}", from.display());
    std::fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}
