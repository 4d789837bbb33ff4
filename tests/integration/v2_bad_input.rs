//! Bad input through the sockets: each has its code, its kind and its sentence, and nothing stays behind.

use crate::support::http::Answer;
use crate::support::snaps::{BASE, pack, pack_anyhow};
use crate::support::somebody::is_root;
use crate::support::{Request, TestDaemon};
use serde_json::{Value, json};
use std::path::Path;

fn send(daemon: &TestDaemon, path: &str, body: &str) -> Answer {
    Request::new("POST", path)
        .header("Content-Type", "application/json")
        .body(body.as_bytes())
        .send(&daemon.socket())
        .unwrap()
}

fn count_of_changes(daemon: &TestDaemon) -> usize {
    let all = daemon.get("/v2/changes?select=all");
    all.result().as_array().unwrap().len()
}

/// contract: v2-observed, "Body-decode leniency"; v2, section 1, "JSON decoding"
#[test]
fn bodies_are_read_leniently_or_refused_with_a_sentence() {
    let daemon = TestDaemon::start();
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    let before = count_of_changes(&daemon);
    // The words that the contract has; the others are ours.
    let table = [
        ("/v2/snaps", "unsupported multi-snap operation \"\""),
        ("/v2/snaps/test-base", "unknown action "),
        ("/v2/apps", ""),
        ("/v2/aliases", ""),
        ("/v2/interfaces", ""),
        ("/v2/changes/1", ""),
        ("/v2/warnings", ""),
        ("/v2/debug", ""),
    ];
    let mut wrong = Vec::new();
    for (path, text) in table {
        let empty = send(&daemon, path, "{}");
        let said = empty.message();
        if empty.status != 400 || said.is_empty() || !said.starts_with(text) || !empty.kind().is_empty() {
            wrong.push(format!("{path} with an empty object: {empty:?}"));
        }
        // `null` is an empty object; what follows, names that nobody knows and the case of names do not matter.
        for body in [
            "null",
            "{} trailing",
            "{}{\"action\":\"remove\"}",
            "{\"nosuch\":[1]}",
            "{\"ACTION\":\"\"}",
        ] {
            let answer = send(&daemon, path, body);
            if (answer.status, answer.message()) != (empty.status, empty.message()) {
                wrong.push(format!("{path} with {body}: {answer:?}"));
            }
        }
        for body in [
            "",
            "[]",
            "7",
            "\"x\"",
            "{",
            "{\"action\":",
            "{\"action\":[1]}",
            "\u{0}",
            "{'action':1}",
        ] {
            let answer = send(&daemon, path, body);
            if answer.status != 400 || !answer.kind().is_empty() || !answer.message().contains("body") {
                wrong.push(format!("{path} with {body:?}: {answer:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(count_of_changes(&daemon), before, "nothing was begun");
}

/// The same on the socket for snaps, where any process may write.
#[test]
fn bodies_of_snapctl() {
    let daemon = TestDaemon::start();
    let post = |body: &str| {
        Request::new("POST", "/v2/snapctl")
            .body(body.as_bytes())
            .send(&daemon.snap_socket())
            .unwrap()
    };
    for body in ["null", "{}", "{} trailing", "{\"nosuch\":1}", "{\"args\":[]}"] {
        let answer = post(body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert_eq!(answer.message(), "snapctl cannot run without args", "{body}");
    }
    for body in [
        "",
        "[]",
        "{\"args\":\"get\"}",
        "{\"args\":[1]}",
        "{\"context-id\":7}",
    ] {
        let answer = post(body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert!(answer.message().contains("body"), "{answer:?}");
    }
    let large = post(&format!("{{\"args\":[\"get\",\"{}\"]}}", "x".repeat(10 << 20)));
    assert_eq!(large.status, 413, "{large:?}");
}

/// contract: snaps-and-assertions, section 1, "layout"
#[test]
fn layouts_that_reach_outside_are_refused() {
    let daemon = TestDaemon::start();
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    let before = count_of_changes(&daemon);
    for (layout, text) in [
        ("/proc/x: {bind: $SNAP/x}", "that place belongs to the system"),
        (
            "/var/lib/snapd/state: {type: tmpfs}",
            "that place belongs to the system",
        ),
        ("/home/x: {symlink: $SNAP/x}", "that place belongs to the system"),
        (
            "/newtop/x: {bind: $SNAP/x}",
            "it would make a new folder at the top",
        ),
        ("/opt/../etc/x: {bind: $SNAP/x}", "its path is not clean"),
        ("opt/x: {bind: $SNAP/x}", "its path is relative"),
        ("/opt/x: {bind: /etc}", "its source \"/etc\" is not in the snap"),
        (
            "/opt/x: {symlink: /etc/shadow}",
            "its source \"/etc/shadow\" is not in the snap",
        ),
        (
            "/opt/x: {bind: $SNAP/../../etc}",
            "its source \"$SNAP/../../etc\" is not clean",
        ),
        (
            "/opt/x: {bind: $SNAPX/y}",
            "its source \"$SNAPX/y\" is not in the snap",
        ),
        (
            "/opt/x: {bind: $SNAP/x, type: tmpfs}",
            "it does not say exactly one way",
        ),
        ("/opt/x: {type: tmpfs, mode: '9'}", "its mode \"9\""),
    ] {
        let yaml = format!("name: lay\nversion: '1'\nbase: test-base\nlayout: {{{layout}}}\n");
        let file = pack_anyhow(&daemon, &yaml);
        let answer = daemon.post_form(
            "/v2/snaps",
            &[("dangerous", "true")],
            &[("snap", "lay.snap", &file)],
        );
        assert_eq!((answer.status, answer.kind()), (400, ""), "{layout}: {answer:?}");
        assert!(answer.message().contains(text), "{layout}: {}", answer.message());
    }
    assert_eq!(count_of_changes(&daemon), before);
    let left = std::fs::read_dir(daemon.root().join("var/lib/snapd/snaps")).unwrap();
    assert_eq!(left.count(), 1, "only the base's file");
}

/// contract: v2, section 4
#[test]
fn confinement_has_its_kinds() {
    let daemon = TestDaemon::start();
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    let on_classic = daemon.get("/v2/system-info").result()["on-classic"] == true;
    let strict = pack("name: strict\nversion: '1'\nbase: test-base\n", &[]);
    let devmode = pack(
        "name: open\nversion: '1'\nbase: test-base\nconfinement: devmode\n",
        &[],
    );
    let classic = pack(
        "name: free\nversion: '1'\nbase: test-base\nconfinement: classic\n",
        &[],
    );
    let needs_classic = if on_classic {
        "snap-needs-classic"
    } else {
        "snap-needs-classic-system"
    };
    let table: [(&[u8], &str, &str, &str); 4] = [
        (&strict, "classic", "snap-not-classic", "strict"),
        (&devmode, "classic", "snap-not-classic", "open"),
        (&devmode, "dangerous", "snap-needs-devmode", "open"),
        (&classic, "dangerous", needs_classic, "free"),
    ];
    for (file, flag, kind, name) in table {
        let answer = daemon.post_form(
            "/v2/snaps",
            &[("dangerous", "true"), (flag, "true")],
            &[("snap", "x.snap", file)],
        );
        assert_eq!((answer.status, answer.kind()), (400, kind), "{answer:?}");
        assert_eq!(answer.result()["value"], name, "{answer:?}");
    }
}

/// What fills the disk below the root, less what is left of it.
fn fill(root: &Path, leave: u64) -> std::path::PathBuf {
    let file = root.join("filler");
    let about = nix::sys::statvfs::statvfs(root).unwrap();
    let free = about.blocks_available() * about.fragment_size();
    std::fs::write(&file, vec![0; usize::try_from(free - leave).unwrap()]).unwrap();
    file
}

/// contract: v2, section 4, insufficient-disk-space
#[test]
fn a_full_disk_is_said_and_got_over() {
    if !is_root() {
        println!("skipped: v2_bad_input::a_full_disk_is_said_and_got_over: only root can mount a small disk");
        return;
    }
    let daemon = TestDaemon::on_small_disk(24 << 20);
    let app = "name: cf\nversion: '1'\nbase: test-base\napps: {run: {command: bin/run}}\n";
    let files = [
        ("bin/run", "#!/bin/sh\nexit 0\n"),
        ("meta/hooks/configure", "#!/bin/sh\nexit 0\n"),
    ];
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    daemon.install(&[("cf.snap", &pack(app, &files))]);
    let snaps = daemon.root().join("var/lib/snapd/snaps");
    let kept = std::fs::read_dir(&snaps).unwrap().count();
    // An upload that does not fit: by its length when it has one, else when the disk is full.
    let large = vec![7; 40 << 20];
    let answer = daemon.post_form(
        "/v2/snaps",
        &[("dangerous", "true")],
        &[("snap", "l.snap", &large)],
    );
    assert_eq!(
        (answer.status, answer.kind()),
        (507, "insufficient-disk-space"),
        "{answer:?}"
    );
    assert!(
        answer.message().contains("free space, then try again"),
        "{answer:?}"
    );
    assert_eq!(std::fs::read_dir(&snaps).unwrap().count(), kept, "nothing stays");

    // Nothing at all is left: what is to be kept is refused or fails, what is asked is answered.
    let filler = fill(&daemon.root(), 0);
    let mut refused = 0;
    for round in 0..400 {
        let set = daemon.put("/v2/snaps/cf/conf", &json!({"a": "x".repeat(20_000), "b": round}));
        match set.status {
            202 => drop(daemon.wait(set.body["change"].as_str().unwrap())),
            _ => {
                assert_eq!(
                    (set.status, set.kind()),
                    (507, "insufficient-disk-space"),
                    "{set:?}"
                );
                refused += 1;
                break;
            }
        }
    }
    assert_eq!(refused, 1, "the disk was never full");
    for path in [
        "/v2/snaps",
        "/v2/changes?select=all",
        "/v2/snaps/cf/conf",
        "/v2/system-info",
    ] {
        assert_eq!(daemon.get(path).status, 200, "{path}");
    }
    let list: Vec<Value> = daemon.get("/v2/snaps").result().as_array().unwrap().clone();
    assert_eq!(list.len(), 2);
    // It goes on when there is space again.
    std::fs::remove_file(filler).unwrap();
    daemon.done(&daemon.put("/v2/snaps/cf/conf", &json!({"a": "after"})));
    assert_eq!(daemon.get("/v2/snaps/cf/conf?keys=a").result()["a"], "after");
    assert!(
        !daemon.log().iter().any(|line| line.contains("panicked")),
        "{:?}",
        daemon.log()
    );
}
