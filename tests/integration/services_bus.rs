//! Services that calls of their names on the message bus start, by a real bus with the rules of a system's.

use crate::support::TestDaemon;
use crate::support::eventually;
use crate::support::snaps::{BASE, pack};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

const NAME: &str = "org.example.Lamp";
const YAML: &str = "name: test-app\nversion: '1'\nbase: test-base\n\
    slots:\n  lamp: {interface: dbus, bus: system, name: org.example.Lamp}\n  \
    other: {interface: dbus, bus: system, name: org.example.Other}\n\
    apps:\n  svc: {command: bin/svc, daemon: dbus, bus-name: org.example.Lamp, slots: [lamp], activates-on: [lamp]}\n  \
    plain: {command: bin/plain, daemon: simple, slots: [other]}\n";
const SLEEP: &str = "#!/bin/sh\nexec sleep 1000\n";

/// Takes its name and answers every call, after a while in which a client that only started it has ended.
const LAMP: &str = r"#!/usr/bin/env python3
import os, re, socket, sys
bus = socket.socket(socket.AF_UNIX)
bus.connect('BUS')
bus.send(b'\0AUTH EXTERNAL ' + str(os.getuid()).encode().hex().encode() + b'\r\n')
bus.recv(100)
bus.send(b'BEGIN\r\n')
def number(n):
    return n.to_bytes(4, 'little')
def text(t):
    return number(len(t)) + t + b'\0'
def send(kind, serial, fields, body=b''):
    f = b''
    for code, form, value in fields:
        f += b'\0' * (-len(f) % 8) + bytes([code, 1]) + form + b'\0' + value
    head = b'l' + bytes([kind, 0, 1]) + number(len(body)) + number(serial) + number(len(f)) + f
    bus.send(head + b'\0' * (-len(head) % 8) + body)
def call(serial, member, fields=[], body=b''):
    send(1, serial, [(1, b'o', text(b'/org/freedesktop/DBus')), (2, b's', text(b'org.freedesktop.DBus')),
        (3, b's', text(member)), (6, b's', text(b'org.freedesktop.DBus'))] + fields, body)
call(1, b'Hello')
name = text(b'org.example.Lamp')
call(2, b'RequestName', [(8, b'g', b'\2su\0')], name + b'\0' * (-len(name) % 4) + number(0))
data = b''
while True:
    got = bus.recv(4096)
    if not got:
        sys.exit(1)
    data += got
    while len(data) >= 16:
        body, fields = int.from_bytes(data[4:8], 'little'), int.from_bytes(data[12:16], 'little')
        length = 16 + fields + -fields % 8 + body
        if len(data) < length:
            break
        message, data = data[:length], data[length:]
        if message[1] == 1:
            sender = re.search(rb':1\.\d+', message).group()
            send(2, 9, [(5, b'u', message[8:12]), (6, b's', text(sender))])
        if message[1] == 3:
            print(message, flush=True)
";

/// A bus where the agent looks for the system's. It ends with its test.
struct Bus {
    daemon: Child,
    address: String,
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Bus {
    /// None where there is no program for it.
    fn start(root: &Path) -> Option<Self> {
        let socket = root.join("run/dbus/system_bus_socket");
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let policies = root.join("etc/dbus-1/system.d");
        std::fs::create_dir_all(&policies).unwrap();
        // The package of the agent ships this one.
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("gadget/agent/pinion-dbus.conf");
        let shipped = std::fs::read_to_string(shipped).unwrap();
        let folder = "/var/lib/snapd/dbus-1/system-services";
        assert!(
            shipped.contains(&format!("<servicedir>{folder}</servicedir>")),
            "{shipped}"
        );
        let shipped = shipped.replace(folder, &format!("{}{folder}", root.display()));
        std::fs::write(policies.join("pinion.conf"), shipped).unwrap();
        let config = format!(
            "<busconfig><listen>unix:path={}</listen><auth>EXTERNAL</auth><policy context='default'>\
             <allow user='*'/><deny own='*'/><deny send_type='method_call'/><allow send_type='signal'/>\
             <allow send_requested_reply='true' send_type='method_return'/>\
             <allow send_requested_reply='true' send_type='error'/>\
             <allow receive_sender='*'/><allow send_destination='org.freedesktop.DBus'/></policy>\
             <includedir>{}</includedir></busconfig>",
            socket.display(),
            policies.display()
        );
        let file = root.join("bus.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("dbus-daemon");
        command
            .arg(format!("--config-file={}", file.display()))
            .arg("--nofork");
        let daemon = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let bus = Self {
            daemon,
            address: format!("--bus=unix:path={}", socket.display()),
        };
        Command::new("dbus-send").arg("--help").output().ok()?;
        eventually("the bus is there", || socket.exists());
        Some(bus)
    }

    fn send(&self, to: &str, words: &[&str]) -> Output {
        let mut command = Command::new("dbus-send");
        command
            .args([&self.address, "--print-reply", "--reply-timeout=100000"])
            .arg(format!("--dest={to}"))
            .args(words);
        command.output().unwrap()
    }

    /// Calls the service itself, which the bus starts for that.
    fn call(&self) -> Output {
        self.send(NAME, &["/org/example/Lamp", "org.example.Lamp.Shine"])
    }

    fn ask(&self, words: &[&str]) -> Output {
        let (method, arguments) = words.split_first().unwrap();
        let method = format!("org.freedesktop.DBus.{method}");
        let mut words = vec!["/org/freedesktop/DBus", &method];
        words.extend(arguments);
        self.send("org.freedesktop.DBus", &words)
    }

    fn has_owner(&self) -> bool {
        self.ask(&["GetNameOwner", "string:org.example.Lamp"])
            .status
            .success()
    }
}

/// A call of the bus has its answer when the service is there, a moment before the change that started it is ready.
fn settled(daemon: &TestDaemon) {
    eventually("no change runs", || {
        *daemon.get("/v2/changes").result() == json!([])
    });
}

fn order(daemon: &TestDaemon, body: Value) {
    settled(daemon);
    daemon.done(&daemon.post("/v2/apps", &body));
}

fn app(daemon: &TestDaemon, name: &str) -> Value {
    daemon.get(&format!("/v2/apps?names=test-app.{name}")).result()[0].clone()
}

fn service_file(daemon: &TestDaemon) -> PathBuf {
    let folder = "var/lib/snapd/dbus-1/system-services/org.example.Lamp.service";
    daemon.root().join(folder)
}

fn policy(daemon: &TestDaemon, app: &str) -> PathBuf {
    let folder = daemon.root().join("etc/dbus-1/system.d");
    folder.join(format!("snap.test-app.{app}.conf"))
}

fn activators(works: bool) -> Value {
    json!([{"Name": NAME, "Type": "dbus", "Active": works, "Enabled": works}])
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// What `pinion check` finds.
fn findings(daemon: &TestDaemon) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinion"));
    let output = command
        .arg("--root")
        .arg(daemon.root())
        .arg("check")
        .output()
        .unwrap();
    let text = said(&output);
    if output.status.success() {
        String::new()
    } else {
        text
    }
}

#[test]
fn a_call_of_its_name_starts_a_service() {
    let mut daemon = TestDaemon::start();
    let Some(bus) = Bus::start(&daemon.root()) else {
        println!("skipped: services_bus::a_call_of_its_name_starts_a_service: there is no dbus-daemon");
        return;
    };
    let lamp = LAMP.replace(
        "BUS",
        &daemon
            .root()
            .join("run/dbus/system_bus_socket")
            .display()
            .to_string(),
    );
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    let snap = pack(YAML, &[("bin/svc", &lamp), ("bin/plain", SLEEP)]);
    daemon.install(&[("app.snap", &snap)]);
    let waiting = app(&daemon, "svc");
    assert_eq!(waiting["activators"], activators(true));
    assert_eq!(
        (&waiting["enabled"], &waiting["active"]),
        (&json!(true), &json!(null)),
        "{waiting}"
    );
    assert!(!bus.has_owner());
    assert_eq!(findings(&daemon), "");

    let answer = bus.call();
    assert!(
        answer.status.success() && said(&answer).contains("method return"),
        "{}",
        said(&answer)
    );
    assert!(bus.has_owner());
    eventually("it is seen", || app(&daemon, "svc")["active"] == true);
    assert_eq!(findings(&daemon), "");

    // Stopped without more it waits no longer, as behind a socket; started again it does.
    order(&daemon, json!({"action": "stop", "names": ["test-app.svc"]}));
    assert!(!service_file(&daemon).exists() && !bus.has_owner());
    assert!(said(&bus.call()).contains("ServiceUnknown"));
    order(&daemon, json!({"action": "start", "names": ["test-app"]}));
    assert!(!bus.has_owner(), "nobody called it");
    let start = bus.ask(&["StartServiceByName", "string:org.example.Lamp", "uint32:0"]);
    assert!(said(&start).contains("uint32 1"), "{}", said(&start));
    assert!(bus.has_owner());

    order(
        &daemon,
        json!({"action": "stop", "names": ["test-app.svc"], "disable": true}),
    );
    assert!(!service_file(&daemon).exists());
    assert_eq!(app(&daemon, "svc")["activators"], activators(false));
    // Who names it starts it, disabled or not.
    order(&daemon, json!({"action": "start", "names": ["test-app.svc"]}));
    assert!(bus.has_owner());
    assert_eq!(findings(&daemon), "");
    order(&daemon, json!({"action": "stop", "names": ["test-app.svc"]}));
    order(
        &daemon,
        json!({"action": "start", "names": ["test-app.svc"], "enable": true}),
    );
    assert_eq!(app(&daemon, "svc")["activators"], activators(true));

    // What is not as it should be is named, and mended at the next start.
    daemon.kill();
    let stray = service_file(&daemon).with_file_name("org.example.Gone.service");
    std::fs::write(&stray, "[D-BUS Service]\nName=org.example.Gone\nExec=/bin/true\n").unwrap();
    std::fs::write(service_file(&daemon), "[D-BUS Service]\nX-Pinion=test-app.svc\n").unwrap();
    std::fs::write(policy(&daemon, "gone"), "").unwrap();
    std::fs::remove_file(policy(&daemon, "plain")).unwrap();
    let found = findings(&daemon);
    for text in [
        "org.example.Gone.service belongs to no enabled service",
        "org.example.Lamp.service is not as it should be",
        "snap.test-app.gone.conf belongs to no enabled service",
        "snap.test-app.plain.conf is missing",
    ] {
        assert!(found.contains(text), "{text}: {found}");
    }
    daemon.launch();
    eventually("all is mended", || findings(&daemon).is_empty());
    assert!(!stray.exists() && !policy(&daemon, "gone").exists());
    assert!(!bus.has_owner(), "it went with the agent and waits");
    assert!(bus.call().status.success());

    settled(&daemon);
    daemon.done(&daemon.post("/v2/snaps/test-app", &json!({"action": "remove"})));
    assert!(!service_file(&daemon).exists());
    assert!(!policy(&daemon, "svc").exists() && !policy(&daemon, "plain").exists());
    assert!(!bus.has_owner());
    assert!(said(&bus.call()).contains("ServiceUnknown"));
}

#[test]
fn without_a_bus_it_starts_when_it_is_named_and_two_do_not_share_a_name() {
    let daemon = TestDaemon::start();
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    let late = YAML.replace("activates-on", "install-mode: disable, activates-on");
    daemon.install(&[(
        "app.snap",
        &pack(&late, &[("bin/svc", SLEEP), ("bin/plain", SLEEP)]),
    )]);
    assert_eq!(app(&daemon, "svc")["activators"], activators(false));
    assert!(!service_file(&daemon).exists());
    order(
        &daemon,
        json!({"action": "start", "names": ["test-app.svc"], "enable": true}),
    );
    assert_eq!(app(&daemon, "svc")["active"], true);
    assert_eq!(app(&daemon, "svc")["activators"], activators(true));
    assert!(service_file(&daemon).exists());

    let second = YAML.replace("test-app", "test-other");
    let file = pack(&second, &[("bin/svc", SLEEP), ("bin/plain", SLEEP)]);
    let answer = daemon.post_form(
        "/v2/snaps",
        &[("dangerous", "true")],
        &[("snap", "o.snap", &file)],
    );
    let change = daemon.wait(answer.body["change"].as_str().unwrap());
    let why = change["err"].as_str().unwrap();
    assert!(
        why.contains("the bus name org.example.Lamp starts test-app.svc already"),
        "{why}"
    );
    let text = std::fs::read_to_string(service_file(&daemon)).unwrap();
    assert!(text.contains("start test-app.svc\n"), "{text}");
}
