//! Notices, and what clients are told while the agent goes and comes (contract: v2-newer, section 1; v2, section 1).

use crate::support::snap::{Snap, has_snap, one_line, rows};
use crate::support::somebody::{Somebody, ask_as};
use crate::support::{Request, TestDaemon};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// contract: v2-newer, section 1: the loop of a client that follows changes.
#[test]
fn notices_follow_changes() {
    let daemon = TestDaemon::start();
    let first = daemon.get("/v2/notices?types=change-update");
    let notice = &first.result()[0];
    assert_eq!(
        (&notice["type"], &notice["key"], &notice["user-id"]),
        (&json!("change-update"), &json!("1"), &Value::Null)
    );
    assert_eq!(notice["last-data"], json!({"kind": "seed"}));
    let one = daemon.get(&format!("/v2/notices/{}", notice["id"].as_str().unwrap()));
    assert_eq!(one.result(), notice);
    let began = Instant::now();
    let path = format!(
        "/v2/notices?timeout=300ms&after={}",
        notice["last-repeated"].as_str().unwrap()
    );
    assert_eq!(daemon.get(&path).result(), &json!([]));
    assert!(began.elapsed() >= Duration::from_millis(300));
    // decision 39: unknown types do not make a client spin
    let began = Instant::now();
    assert_eq!(
        daemon.get("/v2/notices?types=bogus&timeout=300ms").result(),
        &json!([])
    );
    assert!(began.elapsed() >= Duration::from_millis(300));
}

fn moment(notice: &Value) -> String {
    notice["last-repeated"].as_str().unwrap().to_owned()
}

/// A change without tasks tells twice, one with tasks three times; many wait, and each is woken.
#[test]
fn flips_wake_all_who_wait() {
    let daemon = TestDaemon::start();
    let newest = moment(
        daemon
            .get("/v2/notices")
            .result()
            .as_array()
            .unwrap()
            .last()
            .unwrap(),
    );
    let socket = daemon.socket();
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let (socket, path) = (
                socket.clone(),
                format!("/v2/notices?timeout=1m&after={newest}&keys=2"),
            );
            std::thread::spawn(move || Request::new("GET", &path).send(&socket).unwrap())
        })
        .collect();
    daemon.done(&daemon.post("/v2/snaps", &json!({"action": "refresh"})));
    for one in waiting {
        let answer = one.join().unwrap();
        assert_eq!(answer.result()[0]["key"], "2");
        assert_eq!(answer.result()[0]["last-data"], json!({"kind": "refresh-snap"}));
    }
    let of = |key: &str| daemon.get(&format!("/v2/notices?keys={key}")).result()[0].clone();
    assert_eq!(of("2")["occurrences"], 2, "new, Done");
    assert_eq!(of("1")["occurrences"], 3, "new, Doing, Done");
    assert_eq!(of("1")["expire-after"], "168h0m0s");
    assert_eq!(of("1").get("repeat-after"), None);
    let all = daemon.get("/v2/notices");
    let moments: Vec<String> = all.result().as_array().unwrap().iter().map(moment).collect();
    assert!(moments.is_sorted() && moments.len() == 2, "{moments:?}");
    assert_eq!(
        daemon.get(&format!("/v2/notices?after={}", moments[1])).result(),
        &json!([])
    );
    assert_eq!(daemon.get("/v2/notices?types=warning,bogus").result(), &json!([]));
}

#[test]
fn they_survive_a_kill_and_never_go_back() {
    let mut daemon = TestDaemon::start();
    daemon.done(&daemon.post("/v2/snaps", &json!({"action": "refresh"})));
    let before = daemon.get("/v2/notices").result().clone();
    daemon.kill();
    daemon.launch();
    assert_eq!(daemon.get("/v2/notices").result(), &before);
    daemon.done(&daemon.post("/v2/snaps", &json!({"action": "refresh"})));
    let after = daemon.get("/v2/notices").result().clone();
    let newest = |list: &Value| moment(list.as_array().unwrap().last().unwrap());
    assert!(newest(&after) > newest(&before));
    assert_eq!(after[2]["id"], "3", "numbers are not used again");
}

#[test]
fn filters_that_make_no_sense() {
    let daemon = TestDaemon::start();
    for (query, text) in [
        ("after=yesterday", "invalid \"after\" timestamp: "),
        ("after=2024-01-01T00:00:00", "invalid \"after\" timestamp: "),
        ("timeout=5", "invalid timeout: "),
        ("users=some", "invalid \"users\" filter: must be \"all\""),
        ("user-id=x", "invalid \"user-id\" filter: "),
        ("user-id=-1", "invalid \"user-id\" filter: "),
        ("user-id=4294967296", "invalid \"user-id\" filter: "),
        ("user-id=1&user-id=2", "invalid \"user-id\" filter: "),
        (
            "users=all&user-id=1",
            "cannot use both \"users\" and \"user-id\" parameters",
        ),
    ] {
        let answer = daemon.get(&format!("/v2/notices?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(
            answer.message().starts_with(text),
            "{query}: {}",
            answer.message()
        );
    }
    for id in ["77", "x", "-1"] {
        let answer = daemon.get(&format!("/v2/notices/{id}"));
        let text = format!("cannot find notice with id {id:?}");
        assert_eq!((answer.status, answer.message()), (404, text.as_str()));
    }
    let later = daemon.get("/v2/notices?after=2124-01-01T00:00:00%2B01:00");
    assert_eq!((later.status, later.result()), (200, &json!([])));
}

/// Only the snap command may tell of an app that waits, and the notice is its user's own.
#[test]
fn an_app_that_waits_for_a_refresh() {
    let daemon = TestDaemon::start();
    let suffix = "(can only record notices from the \"snap\" command)";
    for body in [
        json!({"action": "remove", "type": "snap-run-inhibit", "key": "lights"}),
        json!({"action": "add", "type": "warning", "key": "lights"}),
        json!({"action": "add", "type": "snap-run-inhibit", "key": "No_Name"}),
        json!({"action": "add", "type": "snap-run-inhibit", "key": ""}),
        // everything is right but the program
        json!({"action": "add", "type": "snap-run-inhibit", "key": "lights"}),
    ] {
        let answer = daemon.post("/v2/notices", &body);
        assert_eq!((answer.status, answer.kind()), (400, ""), "{body}");
        assert!(answer.message().ends_with(suffix), "{body}: {}", answer.message());
    }
    assert_eq!(
        daemon.get("/v2/notices?types=snap-run-inhibit").result(),
        &json!([])
    );

    let place = daemon.root().join("snap/snapd/17/usr/bin");
    std::fs::create_dir_all(&place).unwrap();
    let program = place.join("snap");
    let command = Somebody {
        program: Some(&program),
        ..Somebody::default()
    };
    let add = r#"/v2/notices {"action":"add","type":"snap-run-inhibit","key":"lights"}"#.to_owned();
    let asked = [("POST", add.clone()), ("POST", add)];
    assert_eq!(
        ask_as(command, &daemon.socket(), &asked),
        [(200, String::new()), (200, String::new())]
    );
    let mine = daemon.get("/v2/notices?types=snap-run-inhibit");
    let notice = &mine.result()[0];
    let user = nix::unistd::geteuid().as_raw();
    assert_eq!(
        (&notice["key"], &notice["user-id"], &notice["occurrences"]),
        (&json!("lights"), &json!(user), &json!(2))
    );
    assert_eq!(notice.get("last-data"), None);
    let other = format!("/v2/notices?types=snap-run-inhibit&user-id={}", user + 1);
    assert_eq!(daemon.get(&other).result(), &json!([]));
    assert_eq!(
        daemon
            .get("/v2/notices?users=all")
            .result()
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

/// contract: v2, section 1: the file is there while nobody answers, and only then.
#[test]
fn the_agent_says_that_it_goes() {
    let mut daemon = TestDaemon::start();
    let file = daemon.root().join("var/lib/snapd/maintenance.json");
    assert!(!file.exists());
    assert!(daemon.stop().success());
    let said: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(
        said,
        json!({"kind": "daemon-restart", "message": "daemon is restarting"})
    );
    daemon.launch();
    assert!(!file.exists());
    assert_eq!(daemon.get("/").body.get("maintenance"), None);
    daemon.kill();
    assert!(!file.exists(), "nobody could say it");
}

/// The unmodified snap command goes on waiting while the agent is away.
#[test]
fn a_wait_goes_on_over_a_restart() {
    if !has_snap("v2_notices::a_wait_goes_on_over_a_restart") {
        return;
    }
    let mut snap = Snap::new();
    let base = snap.pack(
        "snug",
        &[("meta/snap.yaml", "name: snug\nversion: 1\ntype: base\n")],
    );
    snap.good(&format!("install --dangerous {base}"));
    let slow = snap.pack(
        "slow",
        &[
            ("meta/snap.yaml", "name: slow\nversion: 1\nbase: snug\n"),
            (
                "meta/hooks/install",
                "#!/bin/sh\nwhile [ ! -e $SNAP_COMMON/go ]; do sleep 0.05; done\n",
            ),
        ],
    );
    let root = snap.daemon.root();
    let waiting = std::process::Command::new("snap")
        .args(["install", "--dangerous", &slow])
        .env("SNAPPY_GLOBAL_ROOT", &root)
        .env("HOME", snap.daemon.scratch())
        .env("LC_ALL", "C.UTF-8")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    let runs = || {
        let (code, tasks, _) = snap.run(&["tasks", "--last=install"]);
        code == 0
            && rows(&tasks)
                .iter()
                .any(|row| row.starts_with("Doing ") && row.contains("install hook"))
    };
    while !runs() {
        assert!(begin.elapsed() < Duration::from_secs(20), "the hook does not run");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(snap.daemon.stop().success());
    snap.daemon.launch();
    std::fs::write(root.join("var/snap/slow/common/go"), "").unwrap();
    let ended = waiting.wait_with_output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr),
    );
    assert!(ended.status.success(), "{out}{err}");
    assert!(one_line(&out).ends_with("slow 1 installed"), "{out}{err}");
}
