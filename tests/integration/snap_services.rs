//! Services by the unmodified `snap` command (contract: v2-observed, "CLI subcommand -> HTTP requests").

use crate::support::snap::{Snap, has_snap, one_line, rows};
use std::time::{Duration, Instant};

const SNAP: &str = "name: svc-peer\nversion: 1\nsummary: Services\nbase: snug\nplugs: {network-bind: }\napps:\n\
    \x20 web: {command: bin/web, daemon: simple, reload-command: bin/reload}\n\
    \x20 once: {command: bin/once, daemon: oneshot}\n\
    \x20 called: {command: bin/web, daemon: simple, plugs: [network-bind], sockets: {s: {listen-stream: $SNAP_COMMON/s}}}\n";
const BASE: &str = "name: snug\nversion: 1\ntype: base\nsummary: A base with nothing in it\n";

fn installed() -> Snap {
    let snap = Snap::new();
    let base = snap.pack("snug", &[("meta/snap.yaml", BASE)]);
    let file = snap.pack(
        "svc-peer",
        &[
            ("meta/snap.yaml", SNAP),
            (
                "bin/web",
                "#!/bin/sh\necho web is up\necho one\necho two\nexec sleep 1000\n",
            ),
            ("bin/once", "#!/bin/sh\necho once was here\n"),
            ("bin/reload", "#!/bin/sh\necho reloaded\n"),
        ],
    );
    snap.good(&format!("install --dangerous {base} {file}"));
    snap
}

/// Looks at the output of a line until it is so.
fn eventually(snap: &Snap, line: &str, so: impl Fn(&str) -> bool) -> String {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let output = snap.good(line);
        if so(&output) {
            return output;
        }
        assert!(Instant::now() < end, "snap {line}: {output}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn services_are_listed_started_stopped_and_restarted() {
    if !has_snap("snap_services::services_are_listed_started_stopped_and_restarted") {
        return;
    }
    let snap = installed();
    let all = rows(&snap.good("services"));
    assert_eq!(
        all,
        [
            "Service Startup Current Notes",
            "svc-peer.called enabled inactive socket-activated",
            "svc-peer.once enabled inactive -",
            "svc-peer.web enabled active -",
        ]
    );
    assert_eq!(rows(&snap.good("services svc-peer.web")).len(), 2);
    assert_eq!(one_line(&snap.good("stop svc-peer.web")), "Stopped.");
    assert_eq!(
        rows(&snap.good("services svc-peer.web"))[1],
        "svc-peer.web enabled inactive -"
    );
    assert_eq!(one_line(&snap.good("stop --disable svc-peer")), "Stopped.");
    assert_eq!(
        rows(&snap.good("services"))[1..],
        [
            "svc-peer.called disabled inactive socket-activated",
            "svc-peer.once disabled inactive -",
            "svc-peer.web disabled inactive -",
        ]
    );
    let tasks = snap.good("tasks --last=service-control");
    assert!(
        rows(&tasks)[1].ends_with(
            r#"Run service command "stop" for services ["called" "once" "web"] of snap "svc-peer""#
        ),
        "{tasks}"
    );
    assert_eq!(one_line(&snap.good("start --enable svc-peer.web")), "Started.");
    assert_eq!(
        rows(&snap.good("services svc-peer.web"))[1],
        "svc-peer.web enabled active -"
    );
    assert_eq!(one_line(&snap.good("restart svc-peer")), "Restarted.");
    assert_eq!(one_line(&snap.good("restart --reload svc-peer")), "Restarted.");
    eventually(&snap, "logs -n=all svc-peer", |logs| logs.contains("reloaded"));

    snap.refused("start nosuch", "snap \"nosuch\"");
    snap.refused("start svc-peer.nosuch", "nosuch");
    snap.refused("start snug", "snap \"snug\" has no services");
    snap.refused("logs nosuch", "snap \"nosuch\"");
}

#[test]
fn logs_are_read_and_followed() {
    if !has_snap("snap_services::logs_are_read_and_followed") {
        return;
    }
    let snap = installed();
    let all = eventually(&snap, "logs -n=all svc-peer.web", |logs| logs.contains("two"));
    let said: Vec<&str> = all
        .lines()
        .map(|line| line.split("]: ").nth(1).unwrap())
        .collect();
    assert_eq!(said, ["web is up", "one", "two"]);
    // TIME SERVICE[PID]: TEXT
    let first = all.lines().next().unwrap();
    assert!(
        first.contains("Z svc-peer.web[") || first.contains("+00:00 svc-peer.web["),
        "{first}"
    );
    let last = snap.good("logs -n=1 svc-peer.web");
    assert!(last.trim_end().ends_with("]: two"), "{last}");
    assert!(snap.good("logs svc-peer").contains("once was here"));
    let path = snap.path("run/snapd.socket");
    assert!(path.exists());
    let followed = std::process::Command::new("timeout")
        .args(["2", "snap", "logs", "-f", "-n=2", "svc-peer.web"])
        .env("SNAPPY_GLOBAL_ROOT", snap.daemon.root())
        .env("HOME", snap.daemon.scratch())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&followed.stdout);
    assert_eq!(followed.status.code(), Some(124), "it ended by itself: {text}");
    assert_eq!(text.lines().count(), 2, "{text}");
}
