//! Connections over the real sockets, and what the unmodified `snap` command shows of them (contract: v2, Interfaces /
//! connections; v2-observed, section 4).

use crate::support::TestDaemon;
use crate::support::daemon::binary;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

const GADGET: &str = "name: board
version: '1'
type: gadget
summary: A board
description: A board
architectures: [all]
slots:
  bcm-gpio-4: {interface: gpio, number: 4}
  pin-7: {interface: gpio, chip: pinctrl-sim, line: 4}
  bcm-gpio-5: {interface: gpio, number: 5}
  far: {interface: gpio, number: 4000}
  pin-13: {interface: bool-file, path: /sys/class/leds/USER/brightness}
  disk: {interface: raw-volume, path: /dev/sda1}
";

const APP: &str = "name: lights
version: '1'
summary: Lights
description: Lights
base: none
architectures: [all]
plugs:
  lamp: {interface: gpio, label: the lamp}
  capslock-led: {interface: bool-file}
  net: {interface: network}
  disk: {interface: raw-volume}
  nonsense: {interface: teleport}
";

/// Packs a snap that is nothing but its snap.yaml.
fn pack(dir: &Path, name: &str, yaml: &str) -> PathBuf {
    let tree = dir.join(format!("{name}.tree"));
    std::fs::create_dir_all(tree.join("meta")).unwrap();
    std::fs::write(tree.join("meta/snap.yaml"), yaml).unwrap();
    let file = dir.join(format!("{name}.snap"));
    let output = Command::new(binary())
        .arg("pack")
        .arg(&tree)
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    file
}

fn sideload(daemon: &TestDaemon, name: &str, yaml: &str) -> Value {
    let file = pack(daemon.scratch(), name, yaml);
    let content = std::fs::read(&file).unwrap();
    let fields = [("dangerous", "true")];
    let answer = daemon.post_form("/v2/snaps", &fields, &[("snap", "x.snap", &content)]);
    daemon.done(&answer)
}

fn board() -> TestDaemon {
    let daemon = TestDaemon::start();
    sideload(&daemon, "board", GADGET);
    sideload(&daemon, "lights", APP);
    daemon
}

fn request(action: &str, plug: (&str, &str), slot: (&str, &str)) -> Value {
    json!({
        "action": action,
        "plugs": [{"snap": plug.0, "plug": plug.1}],
        "slots": [{"snap": slot.0, "slot": slot.1}],
    })
}

const LAMP: (&str, &str) = ("lights", "lamp");
const FOUR: (&str, &str) = ("board", "bcm-gpio-4");

#[test]
fn nothing_is_connected_on_an_empty_root() {
    // decision 14
    let daemon = TestDaemon::start();
    let answer = daemon.get("/v2/connections?select=all");
    assert_eq!(
        *answer.result(),
        json!({"established": [], "plugs": [], "slots": []})
    );
    assert_eq!(
        *daemon.get("/v2/interfaces").result(),
        json!({"plugs": [], "slots": []})
    );
    assert_eq!(*daemon.get("/v2/interfaces?select=connected").result(), json!([]));
    let answer = daemon.get("/v2/connections?snap=nosuch");
    assert_eq!((answer.status, answer.kind()), (404, "snap-not-found"));
    let answer = daemon.get("/v2/interfaces?select=some");
    assert_eq!(
        (answer.status, answer.message()),
        (400, "unsupported select qualifier")
    );
}

#[test]
fn a_plug_is_connected_used_and_disconnected() {
    let daemon = board();
    // contract: interfaces-and-hardware, section 5: network connects itself; v2: manual is left out
    let connections = daemon.get("/v2/connections").result().clone();
    assert_eq!(
        connections["established"],
        json!([{
            "slot": {"snap": "system", "slot": "network"},
            "plug": {"snap": "lights", "plug": "net"},
            "interface": "network",
        }])
    );
    // section 1: a plug of an unknown interface is dropped with a warning, the rest works
    let all = daemon
        .get("/v2/connections?select=all&snap=lights")
        .result()
        .clone();
    let plugs: Vec<&str> = all["plugs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|plug| plug["plug"].as_str().unwrap())
        .collect();
    assert_eq!(plugs, ["capslock-led", "disk", "lamp", "net"]);
    let warnings = daemon.get("/v2/warnings?select=all").result().to_string();
    assert!(
        warnings.contains("unknown interface \\\"teleport\\\""),
        "{warnings}"
    );

    let change = daemon.done(&daemon.post("/v2/interfaces", &request("connect", LAMP, FOUR)));
    assert_eq!(change["kind"], "connect-snap");
    assert_eq!(change["summary"], "Connect lights:lamp to board:bcm-gpio-4");
    assert_eq!(change["tasks"].as_array().unwrap().len(), 1);
    assert_eq!(change["tasks"][0]["kind"], "connect");
    let seen = daemon.get("/v2/connections?interface=gpio").result().clone();
    assert_eq!(
        seen,
        json!({
            "established": [{
                "slot": {"snap": "board", "slot": "bcm-gpio-4"},
                "plug": {"snap": "lights", "plug": "lamp"},
                "interface": "gpio",
                "manual": true,
                "slot-attrs": {"number": 4},
            }],
            "plugs": [{
                "snap": "lights", "plug": "lamp", "interface": "gpio", "label": "the lamp",
                "connections": [{"snap": "board", "slot": "bcm-gpio-4"}],
            }],
            "slots": [{
                "snap": "board", "slot": "bcm-gpio-4", "interface": "gpio", "label": "",
                "attrs": {"number": 4},
                "connections": [{"snap": "lights", "plug": "lamp"}],
            }],
        })
    );
    // the line is held for the plug
    let line = daemon.get("/v2/hardware/lines/GPIO4").result().clone();
    assert_eq!(line["plug"]["plug"], "lamp", "{line:#}");
    // contract: connecting what is connected is a Done change without tasks
    let again = daemon.done(&daemon.post("/v2/interfaces", &request("connect", LAMP, FOUR)));
    assert!(again.get("tasks").is_none(), "{again:#}");
    assert_eq!(again["kind"], "connect-snap");

    let change = daemon.done(&daemon.post("/v2/interfaces", &request("disconnect", ("", ""), LAMP)));
    assert_eq!(change["summary"], "Disconnect lights:lamp from board:bcm-gpio-4");
    let line = daemon.get("/v2/hardware/lines/GPIO4").result().clone();
    assert!(line.get("plug").is_none(), "{line:#}");
    // an automatic one is remembered as not wanted, until it is forgotten
    daemon.done(&daemon.post(
        "/v2/interfaces",
        &request("disconnect", ("", ""), ("lights", "net")),
    ));
    let all = daemon
        .get("/v2/connections?select=all&snap=lights")
        .result()
        .clone();
    assert_eq!(all["established"], json!([]));
    assert_eq!(all["undesired"].as_array().unwrap().len(), 1);
    assert!(daemon.get("/v2/connections").result().get("undesired").is_none());
    let mut forget = request("disconnect", ("", ""), ("lights", "net"));
    forget["forget"] = json!(true);
    daemon.done(&daemon.post("/v2/interfaces", &forget));
    let all = daemon.get("/v2/connections?select=all").result().clone();
    assert!(all.get("undesired").is_none());
}

#[test]
fn what_is_refused() {
    let daemon = board();
    let post = |action: &str, plug: (&str, &str), slot: (&str, &str)| {
        daemon.post("/v2/interfaces", &request(action, plug, slot))
    };
    let table = [
        (
            post("connect", ("lights", "nosuch"), FOUR),
            400,
            "",
            "snap \"lights\" has no plug named \"nosuch\"",
        ),
        (
            post("connect", LAMP, ("board", "nosuch")),
            400,
            "",
            "snap \"board\" has no slot named \"nosuch\"",
        ),
        (
            post("connect", LAMP, ("board", "")),
            400,
            "",
            "snap \"board\" has multiple \"gpio\" interface slots: bcm-gpio-4, bcm-gpio-5, far, pin-7",
        ),
        (
            post("disconnect", LAMP, FOUR),
            400,
            "",
            "cannot disconnect lights:lamp from board:bcm-gpio-4, it is not connected",
        ),
        (
            post("disconnect", ("", ""), LAMP),
            400,
            "interfaces-unchanged",
            "nothing to do",
        ),
        (
            daemon.post("/v2/interfaces", &json!({"action": "connect"})),
            400,
            "",
            "at least one plug and slot is required",
        ),
        (
            daemon.post(
                "/v2/interfaces",
                &json!({"action": "connect", "plugs": [{}, {}], "slots": [{}, {}]}),
            ),
            501,
            "",
            "many-to-many operations are not implemented",
        ),
        (
            post("fly", LAMP, FOUR),
            400,
            "",
            "unsupported interface action: \"fly\"",
        ),
    ];
    for (answer, status, kind, message) in table {
        assert_eq!(
            (answer.status, answer.kind(), answer.message()),
            (status, kind, message)
        );
    }
    let fails = |plug: (&str, &str), slot: (&str, &str), text: &str| {
        let answer = post("connect", plug, slot);
        assert_eq!(answer.status, 202, "{answer:?}");
        let change = daemon.wait(answer.body["change"].as_str().unwrap());
        assert_eq!(change["status"], "Error");
        assert!(change["err"].as_str().unwrap().contains(text), "{change:#}");
    };
    // section 5: not without a declaration; decision 7: no such line; a second slot of a connected line, by name
    fails(
        ("lights", "disk"),
        ("board", "disk"),
        "connection not allowed by slot rule of interface \"raw-volume\"",
    );
    fails(LAMP, ("board", "far"), "4000");
    sideload(&daemon, "other", &APP.replace("name: lights", "name: other"));
    daemon.done(&post("connect", LAMP, FOUR));
    fails(("other", "lamp"), ("board", "pin-7"), "board:bcm-gpio-4");
}

#[test]
fn snaps_that_may_not_be() {
    let daemon = TestDaemon::start();
    let refused = |name: &str, yaml: &str, text: &str| {
        let content = std::fs::read(pack(daemon.scratch(), name, yaml)).unwrap();
        let answer = daemon.post_form(
            "/v2/snaps",
            &[("dangerous", "true")],
            &[("snap", "x.snap", &content)],
        );
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.message().contains(text), "{answer:?}");
    };
    // section 2: a slot of gpio is for gadgets and the system
    let app = "name: greedy\nversion: '1'\nsummary: x\ndescription: x\nbase: none\narchitectures: [all]\nslots:\n  a: {interface: gpio, number: 1}\n";
    refused(
        "greedy",
        app,
        "installation not allowed by \"a\" slot rule of interface \"gpio\"",
    );
    // v2-newer, section 8: one line of one chip in two slots
    let gadget = "name: twice\nversion: '1'\ntype: gadget\nsummary: x\ndescription: x\narchitectures: [all]\nslots:\n  a: {interface: gpio-chardev, source-chip: [c], lines: 0-3}\n  b: {interface: gpio-chardev, source-chip: [c], lines: '3'}\n";
    refused("twice", gadget, "chip \"c\" has reused conflicting line spans");
}

#[test]
fn connections_survive_a_kill_and_end_with_their_snap() {
    let mut daemon = board();
    daemon.done(&daemon.post("/v2/interfaces", &request("connect", LAMP, FOUR)));
    daemon.kill();
    daemon.launch();
    let line = daemon.get("/v2/hardware/lines/GPIO4").result().clone();
    assert_eq!(line["plug"]["plug"], "lamp", "{line:#}");
    // section 2: a refresh keeps connections
    sideload(&daemon, "lights2", &APP.replace("version: '1'", "version: '2'"));
    assert_eq!(
        daemon.get("/v2/connections").result()["established"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let line = daemon.get("/v2/hardware/lines/GPIO4").result().clone();
    assert_eq!(line["plug"]["plug"], "lamp", "{line:#}");
    let change = daemon.done(&daemon.post("/v2/snaps/lights", &json!({"action": "remove"})));
    let kinds: Vec<&str> = change["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "disconnect").count(),
        2,
        "{kinds:?}"
    );
    assert_eq!(
        daemon.get("/v2/connections?select=all").result()["established"],
        json!([])
    );
    let line = daemon.get("/v2/hardware/lines/GPIO4").result().clone();
    assert!(line.get("plug").is_none(), "{line:#}");
}

#[test]
fn hooks_of_the_ends_run_and_see_what_was_given() {
    let daemon = TestDaemon::start();
    sideload(&daemon, "board", GADGET);
    let base = "name: bare\nversion: '1'\ntype: base\nsummary: x\ndescription: x\narchitectures: [all]\n";
    sideload(&daemon, "bare", base);
    let tree = daemon.scratch().join("hooked.tree/meta/hooks");
    std::fs::create_dir_all(&tree).unwrap();
    for (hook, script) in [
        // contract: interfaces-and-hardware, section 1: only names that the snap has not given
        ("prepare-plug-lamp", "echo prepared; snapctl set :lamp colour=red"),
        (
            "connect-plug-lamp",
            "env | grep ^SNAP_PLUG_LAMP_LINE=; snapctl get :lamp colour; snapctl get --slot :lamp number; snapctl set :lamp late=1 || echo refused",
        ),
        (
            "disconnect-plug-lamp",
            "echo disconnected; snapctl get :lamp colour",
        ),
    ] {
        let path = tree.join(hook);
        std::fs::write(&path, format!("#!/bin/sh\n{{ {script}; }} >>$SNAP_DATA/told\n")).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let yaml = APP
        .replace("name: lights", "name: hooked")
        .replace("base: none", "base: bare");
    sideload(&daemon, "hooked", &yaml);
    let lamp = ("hooked", "lamp");
    let change = daemon.done(&daemon.post("/v2/interfaces", &request("connect", lamp, FOUR)));
    let summaries: Vec<&str> = change["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["summary"].as_str().unwrap())
        .collect();
    // contract: v2, section 6, connect
    assert_eq!(
        summaries,
        [
            "Run hook prepare-plug-lamp of snap \"hooked\"",
            "Connect hooked:lamp to board:bcm-gpio-4",
            "Run hook connect-plug-lamp of snap \"hooked\"",
        ]
    );
    let made = daemon.get("/v2/connections?interface=gpio").result()["established"][0].clone();
    assert_eq!(made["plug-attrs"], json!({"colour": "red"}));
    daemon.done(&daemon.post("/v2/interfaces", &request("disconnect", lamp, FOUR)));
    let told = std::fs::read_to_string(daemon.root().join("var/snap/hooked/x1/told")).unwrap();
    assert_eq!(
        told,
        "prepared\nSNAP_PLUG_LAMP_LINE=GPIO4\nred\n4\nrefused\ndisconnected\nred\n"
    );
}

/// Runs the distribution's own `snap` against the daemon.
fn snap(daemon: &TestDaemon, args: &[&str]) -> (bool, String) {
    let output = Command::new("snap")
        .args(args)
        .env("SNAPPY_GLOBAL_ROOT", daemon.root())
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// Lines with runs of spaces as one.
fn rows(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn the_real_snap_command() {
    if Command::new("snap").arg("--help").output().is_err() {
        println!(
            "skipped: v2_interfaces::the_real_snap_command: no snap command here, apt-get install snapd brings it"
        );
        return;
    }
    let daemon = TestDaemon::start();
    sideload(&daemon, "board", GADGET);
    // Without a warning, which the command would tell each time.
    sideload(
        &daemon,
        "lights",
        &APP.replace("  nonsense: {interface: teleport}\n", ""),
    );
    let (ok, text) = snap(&daemon, &["connections", "lights"]);
    assert!(ok, "{text}");
    assert_eq!(
        rows(&text),
        [
            "Interface Plug Slot Notes",
            "bool-file lights:capslock-led - -",
            "gpio lights:lamp - -",
            "network lights:net :network -",
            "raw-volume lights:disk - -",
        ]
    );
    assert_eq!(
        snap(&daemon, &["connect", "lights:capslock-led", "board:pin-13"]),
        (true, String::new())
    );
    assert_eq!(
        snap(&daemon, &["connect", "lights:lamp", "board:bcm-gpio-4"]),
        (true, String::new())
    );
    let (ok, text) = snap(&daemon, &["connections"]);
    assert!(ok, "{text}");
    assert_eq!(
        rows(&text),
        [
            "Interface Plug Slot Notes",
            "bool-file lights:capslock-led board:pin-13 manual",
            "gpio lights:lamp board:bcm-gpio-4 manual",
            "network lights:net :network -",
        ]
    );
    let (ok, text) = snap(&daemon, &["connections", "--all"]);
    assert!(
        ok && rows(&text).iter().any(|row| row == "gpio - board:bcm-gpio-5 -"),
        "{text}"
    );
    let (ok, text) = snap(&daemon, &["interface", "gpio"]);
    assert!(ok, "{text}");
    for line in [
        "name:    gpio",
        "  - lights:lamp (the lamp)",
        "  - board:bcm-gpio-4",
    ] {
        assert!(text.lines().any(|seen| seen == line), "{line:?} in {text}");
    }
    let (ok, text) = snap(&daemon, &["interface"]);
    assert!(ok && text.contains("bool-file"), "{text}");
    let (ok, text) = snap(&daemon, &["connect", "lights:lamp", "board:far"]);
    assert!(!ok && text.contains("4000"), "{text}");
    assert_eq!(
        snap(&daemon, &["disconnect", "lights:lamp"]),
        (true, String::new())
    );
    assert_eq!(
        snap(&daemon, &["disconnect", "lights:capslock-led", "board:pin-13"]),
        (true, String::new())
    );
    let (ok, text) = snap(&daemon, &["disconnect", "lights:lamp"]);
    assert!(text.contains("nothing to do") || ok, "{text}");
    assert_eq!(
        snap(&daemon, &["disconnect", "--forget", "lights:net"]),
        (true, String::new())
    );
    let (ok, text) = snap(&daemon, &["connections"]);
    assert!(ok, "{text}");
    assert_eq!(text, "");
}
