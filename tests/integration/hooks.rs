//! Hooks that behave badly, run by a real agent: each has its end, its sentence and its bounds, and leaves nothing behind
//! (contract: snaps-and-assertions, section 3; confinement, section 1.6).

use crate::support::TestDaemon;
use crate::support::snaps::{BASE, pack};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const YAML: &str = "name: moody\nversion: '1'\nbase: test-base\n";

/// How many seconds a hook may run here.
const LIMIT: u64 = 2;

/// An agent whose hooks may not run for long.
fn impatient() -> TestDaemon {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("[hooks]\ntimeout = {LIMIT}\n")).unwrap();
    let daemon = TestDaemon::with_args(&["--board", "sim", "--config", file.path().to_str().unwrap()]);
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    daemon
}

fn patient() -> TestDaemon {
    let daemon = TestDaemon::start();
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    daemon
}

/// Installs the snap with these hooks; the change at its end.
fn install(daemon: &TestDaemon, hooks: &[(&str, &str)]) -> Value {
    let hooks: Vec<(String, String)> = hooks
        .iter()
        .map(|(name, script)| (format!("meta/hooks/{name}"), format!("#!/bin/sh\n{script}\n")))
        .collect();
    let files: Vec<(&str, &str)> = hooks.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let file = pack(YAML, &files);
    let form = daemon.post_form(
        "/v2/snaps",
        &[("dangerous", "true")],
        &[("snap", "moody.snap", &file)],
    );
    assert_eq!(form.status, 202, "{form:?}");
    daemon.wait(form.body["change"].as_str().unwrap())
}

/// The processes that were given this number of seconds to sleep.
fn sleepers(seconds: u32) -> Vec<String> {
    let wanted = format!("sleep\0{seconds}\0");
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            line.ends_with(wanted.as_bytes())
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// A number of seconds that no other process sleeps for.
fn unique(count: u32) -> u32 {
    100_000 + std::process::id() % 50_000 * 10 + count
}

fn nobody_sleeps(seconds: u32) {
    assert_eq!(sleepers(seconds), Vec::<String>::new(), "they go on");
}

/// Nothing of the snap is there, and the agent agrees with itself.
fn nothing_stays(daemon: &TestDaemon) {
    assert_eq!(daemon.get("/v2/snaps/moody").status, 404);
    assert_eq!(*daemon.get("/v2/snaps/moody/conf").result(), json!({}));
    let root = daemon.root();
    let end = Instant::now() + Duration::from_secs(20);
    let left = || {
        let mut left: Vec<String> = ["snap/moody", "var/snap/moody", "var/lib/snapd/cookie/snap.moody"]
            .iter()
            .filter(|path| root.join(path).symlink_metadata().is_ok())
            .map(|path| (*path).to_owned())
            .collect();
        for entry in std::fs::read_dir(root.join("var/lib/snapd/snaps"))
            .unwrap()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with("test-base_") {
                left.push(name);
            }
        }
        left
    };
    while !left().is_empty() {
        assert!(Instant::now() < end, "left behind: {:?}", left());
        std::thread::sleep(Duration::from_millis(20));
    }
    let check = std::process::Command::new(crate::support::daemon::binary())
        .args(["check", "--deep", "--root"])
        .arg(&root)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&check.stdout), "ok\n");
}

fn log_of<'a>(change: &'a Value, hook: &str) -> &'a Value {
    let tasks = change["tasks"].as_array().unwrap();
    let task = tasks.iter().find(|task| {
        let summary = task["summary"].as_str().unwrap();
        summary.contains(&format!("Run {hook} hook"))
    });
    &task.unwrap()["log"]
}

#[test]
fn one_that_hangs_is_ended_and_the_install_taken_back() {
    let daemon = impatient();
    let seconds = unique(1);
    // One child in its own session, one that its parent has left, and the hook itself.
    let hangs = format!(
        "echo begun\nsetsid sleep {seconds} &\n(sleep {seconds} &)\nsleep {seconds}; echo never said"
    );
    let begun = Instant::now();
    let change = install(&daemon, &[("install", &hangs)]);
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(change["status"], "Error", "{change:#}");
    assert_eq!(
        change["err"],
        format!(
            "cannot perform the following tasks:\n- Run install hook of \"moody\" snap if present (run hook \
             \"install\": \n-----\nbegun\n<exceeded maximum runtime of {LIMIT}s>\n-----)"
        )
    );
    nobody_sleeps(seconds);
    nothing_stays(&daemon);

    // The same for a configure hook: the value is not kept.
    let hangs = format!("[ \"$(snapctl get hang)\" ] || exit 0\nsnapctl set more=1; exec sleep {seconds}");
    assert_eq!(install(&daemon, &[("configure", &hangs)])["status"], "Done");
    let set = daemon.put("/v2/snaps/moody/conf", &json!({"hang": 1}));
    let change = daemon.wait(set.body["change"].as_str().unwrap());
    let wanted = format!("(run hook \"configure\": <exceeded maximum runtime of {LIMIT}s>)");
    assert!(change["err"].as_str().unwrap().ends_with(&wanted), "{change:#}");
    assert_eq!(*daemon.get("/v2/snaps/moody/conf").result(), json!({}));
    nobody_sleeps(seconds);
    // The snap is not stuck with it.
    daemon.done(&daemon.post("/v2/snaps/moody", &json!({"action": "remove"})));
    nothing_stays(&daemon);
}

#[test]
fn one_that_floods_is_told_in_part() {
    let daemon = patient();
    // 20 MB on each stream, which would fill pipes, memory and the log.
    let flood = "head -c 20000000 /dev/zero | tr '\\0' x\nhead -c 20000000 /dev/zero | tr '\\0' y >&2\n";
    let change = install(&daemon, &[("install", &format!("{flood}exit 1"))]);
    assert_eq!(change["status"], "Error");
    let error = change["err"].as_str().unwrap();
    assert!(error.len() < 80_000, "{} bytes", error.len());
    assert!(
        error.contains("bytes more were printed>"),
        "{}",
        &error[error.len() - 200..]
    );
    let log = log_of(&change, "install").to_string();
    assert!(log.len() < 80_000, "{} bytes", log.len());
    nothing_stays(&daemon);
    // Noise is no failure.
    assert_eq!(install(&daemon, &[("install", flood)])["status"], "Done");
}

#[test]
fn one_that_fails_is_told_and_taken_back() {
    let daemon = patient();
    let change = install(
        &daemon,
        &[("install", "snapctl set a=1; echo no, not here; exit 1")],
    );
    assert_eq!(
        change["err"],
        "cannot perform the following tasks:\n- Run install hook of \"moody\" snap if present (run hook \"install\": \
         no, not here)"
    );
    nothing_stays(&daemon);
    let change = install(&daemon, &[("configure", "exit 7")]);
    assert_eq!(
        change["err"],
        "cannot perform the following tasks:\n- Run configure hook of \"moody\" snap if present (run hook \
         \"configure\": exit status 7)"
    );
    nothing_stays(&daemon);
    let change = install(&daemon, &[("install", "kill -9 $$")]);
    assert!(
        change["err"]
            .as_str()
            .unwrap()
            .ends_with("(run hook \"install\": signal SIGKILL)"),
        "{change:#}"
    );
    nothing_stays(&daemon);
    // What a remove hook says is told, and the snap goes (contract: "remove and disconnect hooks ignore errors").
    assert_eq!(
        install(&daemon, &[("remove", "echo stay; exit 1")])["status"],
        "Done"
    );
    let change = daemon.done(&daemon.post("/v2/snaps/moody", &json!({"action": "remove"})));
    let log = log_of(&change, "remove").to_string();
    assert!(log.contains("stay"), "{log}");
    nothing_stays(&daemon);
}

#[test]
fn children_end_with_their_hook() {
    let daemon = patient();
    let seconds = unique(2);
    // They have let go of its output, its session and its parent.
    let leaves = format!(
        "setsid sleep {seconds} < /dev/null > /dev/null 2>&1 &\n(sleep {seconds} > /dev/null 2>&1 &)\n\
         sleep {seconds} &\nexit 0"
    );
    let begun = Instant::now();
    let change = install(&daemon, &[("install", &leaves), ("configure", &leaves)]);
    assert_eq!(change["status"], "Done", "{change:#}");
    assert!(begun.elapsed() < Duration::from_secs(60), "nobody waits for them");
    nobody_sleeps(seconds);
}
