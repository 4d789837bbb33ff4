//! Services as a client controls them: orders, activators, refreshes, and services that behave badly.

use crate::support::eventually;
use crate::support::snaps::{BASE, pack, pack_anyhow};
use crate::support::{Request, TestDaemon};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A snap with these apps, at this version.
fn snap(version: u32, apps: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let yaml = format!(
        "name: test-app\nversion: '{version}'\nbase: test-base\nplugs: {{network-bind: }}\napps:\n{apps}"
    );
    pack(&yaml, files)
}

fn with(apps: &str, files: &[(&str, &str)]) -> TestDaemon {
    let daemon = TestDaemon::start();
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    daemon.install(&[("app.snap", &snap(1, apps, files))]);
    daemon
}

fn order(daemon: &TestDaemon, body: Value) -> Value {
    daemon.done(&daemon.post("/v2/apps", &body))
}

fn app(daemon: &TestDaemon, name: &str) -> Value {
    daemon.get(&format!("/v2/apps?names=test-app.{name}")).result()[0].clone()
}

/// What a service left in the snap's common folder.
fn left(daemon: &TestDaemon, file: &str) -> String {
    std::fs::read_to_string(daemon.root().join("var/snap/test-app/common").join(file)).unwrap_or_default()
}

const SLEEP: &str = "#!/bin/sh\necho $$ >> $SNAP_COMMON/$1\nexec sleep 1000\n";

#[test]
fn orders_that_cannot_be_are_refused() {
    let daemon = with(
        "  svc: {command: bin/svc svc, daemon: simple}\n  cmd: {command: bin/svc cmd}\n",
        &[("bin/svc", SLEEP)],
    );
    // contract: v2, Apps and logs, and section 4
    for (body, status, kind, text) in [
        (
            json!({"action": "start", "names": []}),
            400,
            "",
            "without a list of services",
        ),
        (json!({"action": "start"}), 400, "", "without a list of services"),
        (
            json!({"action": "dance", "names": ["test-app"]}),
            400,
            "",
            "\"dance\"",
        ),
        (
            json!({"action": "start", "names": ["nosuch"]}),
            404,
            "snap-not-found",
            "\"nosuch\"",
        ),
        (
            json!({"action": "stop", "names": ["test-app.nosuch"]}),
            404,
            "app-not-found",
            "\"nosuch\"",
        ),
        (
            json!({"action": "stop", "names": ["test-app.cmd"]}),
            404,
            "app-not-found",
            "\"cmd\"",
        ),
        (
            json!({"action": "stop", "names": ["test-base"]}),
            404,
            "app-not-found",
            "snap \"test-base\" has no services",
        ),
        (json!(["start"]), 400, "", "cannot decode request body"),
    ] {
        let answer = daemon.post("/v2/apps", &body);
        let seen = (
            answer.status,
            answer.body["result"]["kind"].as_str().unwrap_or(""),
        );
        assert_eq!(seen, (status, kind), "{body}: {answer:?}");
        assert!(answer.message().contains(text), "{body}: {answer:?}");
    }
    for (query, status, kind) in [
        ("n=all", 400, ""),
        ("n=-2", 400, ""),
        ("n=x", 400, ""),
        ("names=nosuch", 404, "snap-not-found"),
        ("names=test-app.nosuch", 404, "app-not-found"),
        ("names=test-app.cmd", 404, "app-not-found"),
    ] {
        let answer = daemon.get(&format!("/v2/logs?{query}"));
        let seen = (
            answer.status,
            answer.body["result"]["kind"].as_str().unwrap_or(""),
        );
        assert_eq!(seen, (status, kind), "{query}: {answer:?}");
    }
    let bare = TestDaemon::start();
    let answer = bare.get("/v2/logs");
    assert_eq!((answer.status, answer.kind()), (404, "app-not-found"));
    assert_eq!(answer.message(), "no matching services");
}

#[test]
fn a_second_order_waits_for_nothing_and_is_a_conflict_without_a_kind() {
    let daemon = with(
        "  svc: {command: bin/svc, daemon: simple, stop-timeout: 20s}\n",
        &[(
            "bin/svc",
            "#!/bin/sh\ntrap 'while [ ! -e $SNAP_COMMON/go ]; do sleep 0.05; done; exit 0' TERM\ntouch $SNAP_COMMON/up\nwhile :; do sleep 0.05; done\n",
        )],
    );
    eventually("it is up", || {
        daemon.root().join("var/snap/test-app/common/up").exists()
    });
    let first = daemon.post("/v2/apps", &json!({"action": "stop", "names": ["test-app"]}));
    assert_eq!(first.status, 202, "{first:?}");
    let second = daemon.post("/v2/apps", &json!({"action": "start", "names": ["test-app"]}));
    assert_eq!(second.status, 409, "{second:?}");
    assert_eq!(second.body["result"].get("kind"), None);
    std::fs::write(daemon.root().join("var/snap/test-app/common/go"), "").unwrap();
    daemon.done(&first);
}

#[test]
fn what_was_disabled_stays_so_over_a_restart_and_what_waits_waits_again() {
    let mut daemon = with(
        "  off: {command: bin/svc off, daemon: simple}\n  on: {command: bin/svc on, daemon: simple}\n\
         \x20 shy: {command: bin/svc shy, daemon: simple, install-mode: disable}\n\
         \x20 called: {command: bin/called, daemon: simple, plugs: [network-bind], \
         sockets: {one: {listen-stream: $SNAP_COMMON/run/s, socket-mode: 0600}, two: {listen-stream: '@snap.test-app.two'}}}\n\
         \x20 timed: {command: bin/svc timed, daemon: oneshot, timer: '3:00~4:00'}\n",
        &[
            ("bin/svc", SLEEP),
            (
                "bin/called",
                "#!/usr/bin/env python3\nimport os,socket\nassert int(os.environ['LISTEN_PID'])==os.getpid()\n\
                 assert os.environ['LISTEN_FDNAMES']=='one:two' and os.environ['LISTEN_FDS']=='2'\n\
                 s=socket.socket(fileno=3)\nwhile True:\n  c,_=s.accept()\n  c.send(b'%d' % os.getpid())\n  c.close()\n",
            ),
        ],
    );
    assert_eq!(app(&daemon, "shy").get("active"), None);
    assert_eq!(app(&daemon, "shy").get("enabled"), None);
    let timer = json!([{"Name": "timed", "Type": "timer", "Active": true, "Enabled": true}]);
    assert_eq!(app(&daemon, "timed")["activators"], timer);
    // What is stopped in the moment of its start has left nothing yet.
    eventually("both have run once", || {
        left(&daemon, "on").lines().count() == 1 && left(&daemon, "off").lines().count() == 1
    });
    order(
        &daemon,
        json!({"action": "stop", "names": ["test-app.off"], "disable": true}),
    );
    // contract: v2-observed, "activators items use CAPITALISED keys"
    let called = json!({
        "snap": "test-app", "name": "called", "daemon": "simple", "daemon-scope": "system", "enabled": true,
        "activators": [
            {"Name": "one", "Type": "socket", "Active": true, "Enabled": true},
            {"Name": "two", "Type": "socket", "Active": true, "Enabled": true},
        ],
    });
    assert_eq!(app(&daemon, "called"), called);
    let ask = |daemon: &TestDaemon| {
        let mut text = String::new();
        let socket = daemon.root().join("var/snap/test-app/common/run/s");
        UnixStream::connect(socket)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    };
    let first = ask(&daemon);
    assert!(!first.is_empty());
    assert_eq!(app(&daemon, "called")["active"], true);
    order(
        &daemon,
        json!({"action": "restart", "names": ["test-app.called"]}),
    );
    assert_ne!(ask(&daemon), first);

    daemon.kill();
    daemon.launch();
    eventually("what is enabled runs again", || {
        left(&daemon, "on").lines().count() == 2
    });
    eventually("what waits for calls waits again", || {
        app(&daemon, "called") == called
    });
    assert!(!ask(&daemon).is_empty());
    assert_eq!(
        left(&daemon, "off").lines().count(),
        1,
        "a disabled service was started"
    );
    assert_eq!(left(&daemon, "shy") + &left(&daemon, "timed"), "");
    order(
        &daemon,
        json!({"action": "stop", "names": ["test-app.called"], "disable": true}),
    );
    assert!(!daemon.root().join("var/snap/test-app/common/run/s").exists());
    assert_eq!(
        app(&daemon, "called")["activators"][0],
        json!({"Name": "one", "Type": "socket", "Active": false, "Enabled": false})
    );
    order(
        &daemon,
        json!({"action": "start", "names": ["test-app.shy"], "enable": true}),
    );
    assert_eq!(app(&daemon, "shy")["enabled"], true);
}

#[test]
fn a_refresh_leaves_alone_what_endures_it() {
    let apps = "  one: {command: bin/svc one, daemon: simple}\n  two: {command: bin/svc two, daemon: simple, refresh-mode: endure}\n";
    let daemon = with(apps, &[("bin/svc", SLEEP)]);
    let pids = |file: &str| left(&daemon, file).lines().map(str::to_owned).collect::<Vec<_>>();
    eventually("they run", || pids("one").len() + pids("two").len() == 2);
    daemon.install(&[("app.snap", &snap(2, apps, &[("bin/svc", SLEEP)]))]);
    eventually("the first one runs anew", || pids("one").len() == 2);
    assert_eq!(pids("two").len(), 1);
    let alive = |pid: &str| std::path::Path::new("/proc").join(pid).join("exe").exists();
    assert!(!alive(&pids("one")[0]) && alive(&pids("two")[0]));
    let both = daemon.get("/v2/apps?names=test-app");
    assert!(
        both.result()
            .as_array()
            .unwrap()
            .iter()
            .all(|app| app["active"] == true),
        "{both:?}"
    );
    // Whatever endures a refresh goes with its snap.
    daemon.done(&daemon.post("/v2/snaps/test-app", &json!({"action": "remove"})));
    assert!(!alive(&pids("one").pop().unwrap_or_default()));
}

#[test]
fn sockets_and_schedules_that_cannot_be_are_refused() {
    let daemon = TestDaemon::start();
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    for (key, text) in [
        ("sockets: {s: {listen-stream: /etc/s}}", "cannot listen on"),
        (
            "sockets: {s: {listen-stream: $SNAP_DATA/../s}}",
            "cannot listen on",
        ),
        (
            "sockets: {s: {listen-stream: \"$SNAP_DATA/a\\nExecStart=/bin/sh\"}}",
            "cannot listen on",
        ),
        ("sockets: {s: {listen-stream: '@other.s'}}", "cannot listen on"),
        (
            "timer: '25:00'",
            "its timer is not a schedule: there is no time \"25:00\"",
        ),
        ("timer: 'mon,,'", "its timer is not a schedule"),
        ("bus-name: \"org.x\\nExecStart=/bin/sh\"", "its bus-name"),
    ] {
        let yaml = format!(
            "name: test-app\nversion: '1'\nbase: test-base\nplugs: {{network-bind: }}\napps:\n  \
             svc: {{command: bin/svc, daemon: simple, plugs: [network-bind], {key}}}\n"
        );
        let file = pack_anyhow(&daemon, &yaml);
        let answer = daemon.post_form(
            "/v2/snaps",
            &[("dangerous", "true")],
            &[("snap", "app.snap", &file)],
        );
        assert_eq!(answer.status, 400, "{key}: {answer:?}");
        assert!(answer.message().contains(text), "{key}: {answer:?}");
    }
    assert_eq!(daemon.get("/v2/snaps/test-app").status, 404);
}

fn resident(daemon: &TestDaemon) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_flood_of_output_fills_neither_memory_nor_disk_and_slow_readers_are_told() {
    let daemon = with(
        "  svc: {command: bin/svc, daemon: simple}\n",
        &[(
            "bin/svc",
            "#!/bin/sh\nwhile [ ! -e $SNAP_COMMON/go ]; do sleep 0.05; done\nexec yes 0123456789012345678901234567890123456789\n",
        )],
    );
    // A reader that reads nothing.
    let mut idle = UnixStream::connect(daemon.socket()).unwrap();
    let question = b"GET /v2/logs?follow=true&n=0 HTTP/1.1\r\nHost: x\r\n\r\n";
    idle.write_all(question).unwrap();
    let mut slow = UnixStream::connect(daemon.socket()).unwrap();
    slow.write_all(question).unwrap();
    let mut slow = BufReader::new(slow);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        slow.read_line(&mut line).unwrap();
    }
    let before = resident(&daemon);
    std::fs::write(daemon.root().join("var/snap/test-app/common/go"), "").unwrap();
    let folder = daemon.root().join("run/pinion/logs");
    eventually("it has printed much", || {
        folder.join("test-app.svc.log.1").exists()
    });
    std::thread::sleep(Duration::from_secs(2));
    // The agent answers, and both stores are bounded.
    assert_eq!(daemon.get("/v2/system-info").status, 200);
    let kept: u64 = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(kept <= 2 * (128 + 8) * 1024, "{kept} bytes are kept");
    let grown = resident(&daemon).saturating_sub(before);
    assert!(grown < 8 * 1024, "the agent grew by {grown} KiB");
    // Two seconds of a flood do not fit between the agent and a reader that does not read.
    let mut lines = slow.lines();
    assert!(
        lines.any(|line| line
            .unwrap()
            .contains(" lines of services were lost, because they were not read in time")),
        "nothing was said to be lost"
    );
    order(&daemon, json!({"action": "stop", "names": ["test-app"]}));
    let follower = Request::new("GET", "/v2/logs?n=1")
        .send(&daemon.socket())
        .unwrap();
    assert_eq!(follower.status, 200);
}

#[test]
fn our_own_command_prints_and_follows_logs() {
    let daemon = with(
        "  svc: {command: bin/svc, daemon: simple}\n",
        &[("bin/svc", "#!/bin/sh\necho one\necho two\nexec sleep 1000\n")],
    );
    let pinion = |args: &[&str]| {
        let run = std::process::Command::new(crate::support::daemon::binary())
            .arg("--root")
            .arg(daemon.root())
            .arg("logs")
            .args(args)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (run.status.code(), text(&run.stdout), text(&run.stderr))
    };
    eventually("it has printed", || pinion(&["-n", "all"]).1.contains("]: two\n"));
    let (code, printed, _) = pinion(&["-n1", "test-app.svc"]);
    assert_eq!(code, Some(0));
    assert!(
        printed.contains(" test-app.svc[") && printed.ends_with("]: two\n"),
        "{printed}"
    );
    assert_eq!(printed.lines().count(), 1);
    let (_, record, _) = pinion(&["--json", "--lines", "1", "test-app"]);
    let record: Value = serde_json::from_str(&record).unwrap();
    // contract: v2, Apps and logs: the process is a text
    assert_eq!(
        (&record["message"], &record["sid"]),
        (&json!("two"), &json!("test-app.svc"))
    );
    assert!(record["pid"].as_str().unwrap().parse::<u32>().is_ok(), "{record}");
    let (code, _, said) = pinion(&["-n", "some", "test-app"]);
    assert_eq!(code, Some(2), "{said}");
    let (code, _, said) = pinion(&["nosuch"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("\"nosuch\""), "{said}");

    let mut follower = std::process::Command::new(crate::support::daemon::binary())
        .arg("--root")
        .arg(daemon.root())
        .args(["logs", "-f", "-n", "0"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    // It follows when it tells what comes; until then the service is asked to print again.
    let told = std::thread::spawn(move || lines.next().unwrap().unwrap());
    while !told.is_finished() {
        order(&daemon, json!({"action": "restart", "names": ["test-app"]}));
    }
    assert!(told.join().unwrap().ends_with("]: one"));
    follower.kill().unwrap();
    follower.wait().unwrap();
}
