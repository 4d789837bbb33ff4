//! The unmodified `snap` command against the daemon. What it must answer is in the contract: v2-observed, section 4
//! (exit codes, texts) and section 3 (kinds of changes and tasks).

use crate::support::snap::{Snap, has_snap, one_line, rows, words};
use std::time::{Duration, Instant};

const BASE: &str = "name: snug\nversion: 1\ntype: base\nsummary: A base with nothing in it\n";
const GADGET: &str = "name: bench-pi\ntype: gadget\nversion: 3\nsummary: Two pins\nbase: none\nslots:\n  \
    pin-11: {interface: gpio, number: 17}\n  pin-13: {interface: gpio, number: 27}\n";
const APP: &str =
    "name: lights\nversion: 1.2\nsummary: Lights\nbase: none\nplugs:\n  led: gpio\n  key: gpio\n";

impl Snap {
    fn gadget(&self) -> String {
        self.pack(
            "bench-pi",
            &[("meta/snap.yaml", GADGET), ("meta/gadget.yaml", "volumes: {}\n")],
        )
    }

    fn app(&self) -> String {
        self.pack("lights", &[("meta/snap.yaml", APP)])
    }
}

#[test]
fn nothing_installed() {
    if !has_snap("snap_cli::nothing_installed") {
        return;
    }
    let snap = Snap::new();
    let version = rows(&snap.good("version"));
    assert!(version[0].starts_with("snap 2."), "{version:?}");
    assert!(version[1].starts_with("snapd 2.57"), "{version:?}");
    assert_eq!(version[2], "series 16");

    let (code, stdout, stderr) = snap.run(&["list"]);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    assert!(stderr.starts_with("No snaps are installed yet."), "{stderr}");
    snap.refused("list nosuch", "error: no matching snaps installed");
    assert_eq!(snap.good("connections --all"), "");

    let changes = rows(&snap.good("changes"));
    assert_eq!(changes[0], "ID Status Spawn Ready Summary");
    assert!(changes[1].starts_with("1 Done"), "{changes:?}");
    assert!(rows(&snap.good("tasks --last=seed"))[1].starts_with("Done"));
    snap.refused("change 99", "error: cannot find change with id \"99\"");
    snap.refused("tasks 99", "error: cannot find change with id \"99\"");
    snap.refused("watch 99", "error: cannot find change with id \"99\"");
    snap.refused("abort 99", "error: cannot find change with id \"99\"");
    snap.refused("abort 1", "error: cannot abort change 1 with nothing pending");
    snap.refused(
        "tasks --last=install",
        "error: no changes of type \"install\" found",
    );

    let (code, _, stderr) = snap.run(&words("remove nosuch"));
    assert_eq!(code, 0);
    assert_eq!(one_line(&stderr), "snap \"nosuch\" is not installed");
    // Words of the command's own, for an empty list from a daemon that had no warnings before (v2, section 3, "Warnings").
    assert_eq!(snap.good("warnings"), "No warnings.\n");
    let interface = snap.good("interface gpio");
    assert!(interface.starts_with("name:    gpio\n"), "{interface}");
}

#[test]
fn install_and_remove() {
    if !has_snap("snap_cli::install_and_remove") {
        return;
    }
    let snap = Snap::new();
    let app = snap.app();
    snap.refused(
        &format!("install {app}"),
        "error: cannot find signatures with metadata for snap",
    );
    snap.refused("install hello", "error:");
    assert_eq!(
        one_line(&snap.good(&format!("install --dangerous {app}"))),
        "lights 1.2 installed"
    );
    let list = rows(&snap.good("list"));
    assert_eq!(list[0], "Name Version Rev Tracking Publisher Notes");
    assert_eq!(list[1], "lights 1.2 x1 - - -");
    assert_eq!(rows(&snap.good("list lights"))[1], "lights 1.2 x1 - - -");
    assert!(snap.exists("snap/lights/current"));

    // contract: v2-observed, section 3; the hooks' tasks stand there whether or not there are hooks
    let tasks = snap.good("tasks --last=install");
    let summaries: Vec<String> = rows(&tasks)[1..].to_vec();
    assert!(summaries.iter().all(|row| row.starts_with("Done ")), "{tasks}");
    // contract: v2, section 6: these summaries in this order; "(unset)" for a file without assertions
    let expected = [
        "Ensure prerequisites for \"lights\" are available",
        "Prepare snap \"UPLOAD\" (unset)",
        "Mount snap \"lights\" (unset)",
        "Copy snap \"lights\" data",
        "Setup snap \"lights\" (unset) security profiles",
        "Make snap \"lights\" (unset) available to the system",
        "Automatically connect eligible plugs and slots of snap \"lights\"",
        "Set automatic aliases for snap \"lights\"",
        "Setup snap \"lights\" aliases",
        "Run install hook of \"lights\" snap if present",
        "Start snap \"lights\" (unset) services",
        "Run configure hook of \"lights\" snap if present",
        "Run health check of \"lights\" snap",
    ];
    assert_eq!(summaries.len(), expected.len(), "{tasks}");
    let uploads = snap.path("var/lib/snapd/snaps").display().to_string();
    for (row, summary) in summaries.iter().zip(expected) {
        match summary.split_once("UPLOAD") {
            Some((before, after)) => {
                assert!(
                    row.contains(&format!("{before}{uploads}/")) && row.ends_with(after),
                    "{row}"
                );
            }
            None => assert!(row.ends_with(&format!(" {summary}")), "{row}"),
        }
    }
    // contract: v2, section 3, "Sideload": the summary has the field snap-path, which the command fills with the name that
    // it was given
    let changes = snap.good("changes");
    assert!(
        rows(&changes)[2].ends_with(&format!(" Install \"lights\" snap from file \"{app}\"")),
        "{changes}"
    );
    assert!(snap.good("changes lights").contains("Install \"lights\""));
    snap.good("watch --last=install");

    assert_eq!(
        one_line(&snap.good(&format!("install --dangerous {app}"))),
        "lights 1.2 installed"
    );
    assert_eq!(rows(&snap.good("list"))[1], "lights 1.2 x2 - - -");
    assert_eq!(rows(&snap.good("list --all")).len(), 3);
    assert_eq!(
        one_line(&snap.good("remove --revision=x1 lights")),
        "lights (revision x1) removed"
    );

    let gadget = snap.gadget();
    assert_eq!(
        one_line(&snap.good(&format!("install --dangerous --no-wait {gadget}"))).len(),
        1
    );
    snap.good("watch --last=install");
    assert_eq!(rows(&snap.good("list"))[1], "bench-pi 3 x1 - - gadget");

    assert_eq!(one_line(&snap.good("remove --purge lights")), "lights removed");
    assert!(!snap.exists("snap/lights") && !snap.exists("var/snap/lights"));
    let removal = snap.good("tasks --last=remove");
    assert!(
        rows(&removal)[1..].iter().all(|row| row.starts_with("Done ")),
        "{removal}"
    );

    let (base, app) = (snap.pack("snug", &[("meta/snap.yaml", BASE)]), snap.app());
    let both = snap.good(&format!("install --dangerous {base} {app}"));
    // The command asks for the list of both and prints it as it comes: the contract gives it no order.
    let mut both = rows(&both);
    both.sort();
    assert_eq!(both, ["lights 1.2 installed", "snug 1 installed"]);
    // contract: v2, section 3, "POST /v2/snaps": the change's snap-names are those of the request, in its order
    let removed = snap.good("remove snug lights");
    assert_eq!(rows(&removed), ["snug removed", "lights removed"]);
}

#[test]
fn a_missing_base_is_named() {
    if !has_snap("snap_cli::a_missing_base_is_named") {
        return;
    }
    let snap = Snap::new();
    let app = snap.pack(
        "based",
        &[("meta/snap.yaml", "name: based\nversion: 1\nbase: nowhere22\n")],
    );
    let line = format!("install --dangerous {app}");
    snap.refused(&line, "nowhere22");
    snap.refused(&line, "cannot perform the following tasks:");
    let tasks = rows(&snap.good("tasks --last=install"));
    assert!(tasks[1].starts_with("Error "), "{tasks:?}");
    let (_, stdout, _) = snap.run(&["list"]);
    assert_eq!(stdout, "");
}

#[test]
fn connect_and_disconnect() {
    if !has_snap("snap_cli::connect_and_disconnect") {
        return;
    }
    let snap = Snap::new();
    let (gadget, app) = (snap.gadget(), snap.app());
    snap.good(&format!("install --dangerous {gadget} {app}"));
    let all = rows(&snap.good("connections --all"));
    assert_eq!(all[0], "Interface Plug Slot Notes");
    for row in [
        "gpio - bench-pi:pin-11 -",
        "gpio - bench-pi:pin-13 -",
        "gpio lights:key - -",
        "gpio lights:led - -",
    ] {
        assert!(all.iter().any(|have| have == row), "no {row:?} in {all:?}");
    }

    assert_eq!(snap.good("connect lights:led bench-pi:pin-13"), "");
    let made = rows(&snap.good("connections"));
    assert_eq!(made[1..], ["gpio lights:led bench-pi:pin-13 manual"]);
    let of_snap = rows(&snap.good("connections lights"));
    assert_eq!(
        of_snap[1..],
        ["gpio lights:key - -", "gpio lights:led bench-pi:pin-13 manual"]
    );
    let tasks = rows(&snap.good("tasks --last=connect"));
    assert!(
        tasks[1].starts_with("Done ") && tasks[1].ends_with("Connect lights:led to bench-pi:pin-13"),
        "{tasks:?}"
    );
    assert_eq!(
        snap.good("connect lights:led bench-pi:pin-13"),
        "",
        "connecting again is nothing"
    );
    assert!(snap.good("interface gpio").contains("lights:led"));
    assert!(snap.good("interface --attrs gpio").contains("number:"));

    snap.refused("connect lights:nosuch bench-pi:pin-13", "\"nosuch\"");
    snap.refused("connect lights:led bench-pi:nosuch", "\"nosuch\"");
    snap.refused(
        "connect nosuch:led bench-pi:pin-13",
        "error: snap \"nosuch\" is not installed",
    );
    snap.refused(
        "connect lights:nosuch nosuch:pin-13",
        "error: snap \"nosuch\" is not installed",
    );

    assert_eq!(snap.good("disconnect lights:led bench-pi:pin-13"), "");
    assert_eq!(snap.good("connections"), "");
    assert_eq!(snap.good("connect lights:key bench-pi:pin-11"), "");
    assert_eq!(snap.good("disconnect lights:key"), "", "one name is enough");
    assert_eq!(snap.good("connections"), "");
    snap.good("connect lights:key bench-pi:pin-11");
    assert_eq!(snap.good("disconnect --forget lights:key bench-pi:pin-11"), "");

    snap.good("connect lights:led bench-pi:pin-13");
    snap.good("remove lights");
    assert_eq!(snap.good("connections"), "", "a removed snap has no connections");
}

#[test]
fn abort_takes_back_what_was_done() {
    if !has_snap("snap_cli::abort_takes_back_what_was_done") {
        return;
    }
    let snap = Snap::new();
    let base = snap.pack("snug", &[("meta/snap.yaml", BASE)]);
    snap.good(&format!("install --dangerous {base}"));
    let slow = snap.pack(
        "slow",
        &[
            ("meta/snap.yaml", "name: slow\nversion: 1\nbase: snug\n"),
            ("meta/hooks/install", "#!/bin/sh\nexec sleep 1000\n"),
        ],
    );
    let change = one_line(&snap.good(&format!("install --dangerous --no-wait {slow}")));
    let begin = Instant::now();
    loop {
        let tasks = snap.good(&format!("tasks {change}"));
        let running = rows(&tasks)
            .into_iter()
            .any(|row| row.starts_with("Doing ") && row.contains("hook"));
        if running {
            break;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "the hook does not run:\n{tasks}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(snap.good(&format!("abort {change}")), "");
    let (code, _, stderr) = snap.run(&["watch", &change]);
    assert_eq!(code, 1, "{stderr}");
    let tasks = snap.good(&format!("tasks {change}"));
    let table = tasks.split("\n....").next().unwrap();
    for row in &rows(table)[1..] {
        let status = row.split(' ').next().unwrap();
        assert!(["Done", "Undone", "Error", "Hold"].contains(&status), "{tasks}");
    }
    assert!(!snap.exists("snap/slow/x1"), "the mount point is left");
    assert_eq!(rows(&snap.good("list")).len(), 2, "only the base is left");
    snap.refused(
        &format!("abort {change}"),
        &format!("cannot abort change {change} with nothing pending"),
    );
}
