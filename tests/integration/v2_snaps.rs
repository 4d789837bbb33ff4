//! Snaps over the real sockets: install, list, refresh, remove, and what must be refused.

use crate::support::snaps::{BASE, pack};
use crate::support::somebody::{NOBODY, is_root};
use crate::support::{Request, TestDaemon};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const APP: &str = "name: lamp\nversion: 1.0\nsummary: A lamp\ndescription: It shines.\nbase: test-base\n\
                   license: MIT\nlinks: {contact: [me@example.com], website: https://example.com}\n\
                   apps:\n  lamp: {command: bin/lamp}\n  \
                   glow: {command: bin/glow, daemon: simple, common-id: org.example.Glow}\n";

const FILES: &[(&str, &str)] = &[
    ("bin/lamp", "#!/bin/sh\necho \"$SNAP_NAME $SNAP_REVISION $*\"\n"),
    ("bin/glow", "#!/bin/sh\nexec sleep 1000\n"),
];

fn app() -> Vec<u8> {
    pack(APP, FILES)
}

fn base() -> Vec<u8> {
    pack(BASE, &[])
}

fn kinds(change: &Value) -> Vec<String> {
    let tasks = change["tasks"].as_array().unwrap();
    tasks
        .iter()
        .map(|task| task["kind"].as_str().unwrap().to_owned())
        .collect()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Waits until a folder holds exactly these names: an upload goes when its connection has been noticed to be gone.
fn settles(dir: &Path, wanted: &[&str]) {
    let end = Instant::now() + Duration::from_secs(15);
    while names(dir) != wanted {
        assert!(Instant::now() < end, "{:?} instead of {wanted:?}", names(dir));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn upload(daemon: &TestDaemon, fields: &[(&str, &str)], content: &[u8]) -> crate::support::http::Answer {
    daemon.post_form("/v2/snaps", fields, &[("snap", "lamp_1.0_all.snap", content)])
}

const DANGEROUS: &[(&str, &str)] = &[("action", "install"), ("dangerous", "true")];

/// contract: v2-observed, section 3 and "Snap object for a sideload"; v2, section 3
#[test]
fn a_file_becomes_a_snap_and_goes_again() {
    let daemon = TestDaemon::start();
    assert_eq!(*daemon.get("/v2/snaps").result(), json!([]));
    daemon.install(&[("b.snap", &base())]);
    let fields = [
        ("action", "install"),
        ("snap-path", "./lamp.snap"),
        ("dangerous", "true"),
    ];
    let change = daemon.done(&upload(&daemon, &fields, &app()));
    assert_eq!(change["kind"], "install-snap");
    assert_eq!(
        change["summary"],
        "Install \"lamp\" snap from file \"./lamp.snap\""
    );
    assert_eq!(change["data"], json!({"snap-name": "lamp"}));
    let seen = kinds(&change);
    let wanted = [
        "prerequisites",
        "prepare-snap",
        "mount-snap",
        "copy-snap-data",
        "setup-profiles",
        "link-snap",
        "auto-connect",
        "set-auto-aliases",
        "setup-aliases",
        "run-hook",
        "start-snap-services",
        "run-hook",
        "run-hook",
    ];
    assert_eq!(seen, wanted);

    let root = daemon.root();
    let file = root.join("var/lib/snapd/snaps/lamp_x1.snap");
    let answer = daemon.get("/v2/snaps/lamp");
    let mut snap = answer.result().clone();
    let date = snap["install-date"].take();
    assert!(date.as_str().unwrap().ends_with('Z'), "{date}");
    let size = std::fs::metadata(&file).unwrap().len();
    assert_eq!(
        snap,
        json!({
            "id": "", "summary": "A lamp", "description": "It shines.", "installed-size": size,
            "install-date": null, "name": "lamp", "developer": "", "status": "active", "type": "app",
            "base": "test-base", "version": "1.0", "channel": "", "ignore-validation": false, "revision": "x1",
            "confinement": "strict", "private": false, "devmode": false, "jailmode": false,
            "apps": [
                {"snap": "lamp", "name": "glow", "daemon": "simple", "daemon-scope": "system", "enabled": true,
                 "active": true, "common-id": "org.example.Glow"},
                {"snap": "lamp", "name": "lamp"},
            ],
            "contact": "me@example.com", "license": "MIT", "common-ids": ["org.example.Glow"],
            "mounted-from": file, "website": "https://example.com",
            "links": {"contact": ["me@example.com"], "website": ["https://example.com"]},
            // ours: snapcraft's word for how far a snap has come
            "grade": "stable",
        })
    );
    let list = daemon.get("/v2/snaps?snaps=lamp,nosuch");
    assert_eq!(list.body["sources"], json!(["local"]));
    assert_eq!(list.result().as_array().unwrap().len(), 1);

    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let current = std::fs::read_link(root.join("snap/lamp/current")).unwrap();
    assert_eq!(current, Path::new("x1"));
    assert_eq!(names(&root.join("snap/bin")), ["lamp"], "services get none");
    let run = Command::new(root.join("snap/bin/lamp"))
        .args(["a", "b c"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&run.stdout), "lamp x1 a b c\n", "{run:?}");

    let change = daemon.done(&daemon.post("/v2/snaps/lamp", &json!({"action": "remove"})));
    assert_eq!(change["summary"], "Remove \"lamp\" snap");
    let wanted = [
        "stop-snap-services",
        "run-hook",
        "auto-disconnect",
        "remove-aliases",
        "unlink-snap",
        "remove-profiles",
        "clear-snap",
        "discard-snap",
    ];
    assert_eq!(kinds(&change), wanted);
    let answer = daemon.get("/v2/snaps/lamp");
    assert_eq!(
        (answer.status, answer.kind(), answer.message()),
        (404, "snap-not-found", "snap not installed")
    );
    assert_eq!(answer.result()["value"], "lamp");
    assert_eq!(names(&root.join("var/lib/snapd/snaps")), ["test-base_x1.snap"]);
    assert_eq!(names(&root.join("snap")), ["bin", "test-base"]);
    assert!(names(&root.join("snap/bin")).is_empty());
    assert_eq!(names(&root.join("var/snap")), ["test-base"]);
}

/// decision 15: as root the kernel mounts, `--root` or not
#[test]
fn the_kernel_mounts_what_root_installs() {
    if !is_root() {
        println!("skipped: v2_snaps::the_kernel_mounts_what_root_installs: mounting is for root");
        return;
    }
    let mut daemon = TestDaemon::start();
    daemon.install(&[("b.snap", &base())]);
    let root = daemon.root();
    let target = root.join("snap/test-base/x1");
    let mounted = || {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        table
            .lines()
            .find(|line| line.split(' ').nth(4) == target.to_str())
            .map(str::to_owned)
    };
    let line = mounted().expect("it is mounted");
    let fields: Vec<&str> = line.split(' ').collect();
    let dash = fields.iter().position(|field| *field == "-").unwrap();
    assert_eq!(fields[dash + 1], "squashfs");
    assert!(fields[5].split(',').any(|option| option == "ro"), "{line}");
    assert!(fields[5].split(',').any(|option| option == "nodev"), "{line}");
    let number = fields[2].strip_prefix("7:").expect("a loop device");
    let backing = std::fs::read_to_string(format!("/sys/block/loop{number}/loop/backing_file")).unwrap();
    assert_eq!(
        Path::new(backing.trim()),
        root.join("var/lib/snapd/snaps/test-base_x1.snap")
    );
    assert!(daemon.stop().success());
    assert!(mounted().is_none(), "below another root nothing stays mounted");
    daemon.launch();
    assert!(mounted().is_some(), "the start mounts it again");
}

#[test]
fn an_ordinary_user_gets_the_files_unpacked() {
    if !is_root() {
        println!(
            "skipped: v2_snaps::an_ordinary_user_gets_the_files_unpacked: only root can start the agent as somebody else"
        );
        return;
    }
    let daemon = TestDaemon::start_as(NOBODY);
    let file = daemon.scratch().join("base.snap");
    std::fs::write(&file, base()).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let pinion = |args: &[&str]| {
        let run = Command::new(daemon.scratch().join("pinion"))
            .arg("--root")
            .arg(daemon.root())
            .args(args)
            .uid(NOBODY)
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    };
    pinion(&["install", "--dangerous", file.to_str().unwrap()]);
    let root = daemon.root().join("snap/test-base/x1");
    assert_eq!(
        std::fs::read_to_string(root.join("meta/snap.yaml")).unwrap(),
        BASE
    );
    let mode = std::fs::metadata(root.join("meta")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o555, "read-only");
    pinion(&["remove", "test-base"]);
    assert!(
        names(&daemon.root().join("snap"))
            .iter()
            .all(|name| name == "bin")
    );
}

/// contract: v2-observed, section 3, "two snaps in one form"
#[test]
fn several_files_are_one_change() {
    let daemon = TestDaemon::start();
    let change = daemon.install(&[("lamp.snap", &app()), ("base.snap", &base())]);
    assert_eq!(
        change["summary"],
        "Install snaps \"lamp\", \"test-base\" from files \"lamp.snap\", \"base.snap\""
    );
    assert_eq!(change["data"], json!({"snap-names": ["lamp", "test-base"]}));
    assert_eq!(kinds(&change).len(), 25);
    let answer = daemon.post(
        "/v2/snaps",
        &json!({"action": "remove", "snaps": ["test-base", "lamp", "nosuch"]}),
    );
    let change = daemon.done(&answer);
    assert_eq!(change["data"], json!({"snap-names": ["test-base", "lamp"]}));
    assert_eq!(*daemon.get("/v2/snaps").result(), json!([]));
}

#[test]
fn a_missing_base_is_named() {
    let daemon = TestDaemon::start();
    let answer = upload(&daemon, DANGEROUS, &app());
    let change = daemon.wait(answer.body["change"].as_str().unwrap());
    assert_eq!(change["status"], "Error");
    assert_eq!(change["tasks"][0]["status"], "Error");
    let err = change["err"].as_str().unwrap();
    assert!(
        err.starts_with("cannot perform the following tasks:\n- Ensure prerequisites for \"lamp\""),
        "{err}"
    );
    assert!(err.contains("\"test-base\""), "{err}");
    settles(&daemon.root().join("var/lib/snapd/snaps"), &[]);
}

#[test]
fn what_is_no_snap_is_refused_and_leaves_nothing() {
    let daemon = TestDaemon::start();
    let dir = daemon.root().join("var/lib/snapd/snaps");
    let good = app();
    let refused: Vec<(&[u8], &str)> = vec![
        (b"just some text", "is not a squashfs image"),
        (b"", "is not a squashfs image"),
        (&good[..300], "cut short"),
    ];
    for (content, text) in refused {
        let answer = upload(&daemon, DANGEROUS, content);
        assert_eq!((answer.status, answer.kind()), (400, ""), "{answer:?}");
        assert!(answer.message().contains(text), "{}", answer.message());
        settles(&dir, &[]);
    }
    // contract: v2, Sideload; the snap command knows this text
    let answer = upload(
        &daemon,
        &[("action", "install"), ("snap-path", "./l.snap")],
        &good,
    );
    assert_eq!(
        answer.message(),
        "cannot find signatures with metadata for snap \"./l.snap\""
    );
    assert_eq!((answer.status, answer.kind()), (400, ""));
    let answer = daemon.post_form("/v2/snaps", DANGEROUS, &[]);
    assert_eq!(answer.status, 400);
    let answer = upload(&daemon, &[("devmode", "true"), ("jailmode", "true")], &good);
    assert_eq!(answer.message(), "cannot use devmode and jailmode flags together");
    let classic = pack(
        "name: c\nversion: 1\nconfinement: classic\n"
            .replace("name: c\n", "name: cc\n")
            .as_str(),
        &[],
    );
    let answer = upload(&daemon, DANGEROUS, &classic);
    assert!(answer.kind().starts_with("snap-needs-classic"), "{answer:?}");
    let devmode = pack("name: dd\nversion: 1\nconfinement: devmode\n", &[]);
    let answer = upload(&daemon, DANGEROUS, &devmode);
    assert_eq!((answer.status, answer.kind()), (400, "snap-needs-devmode"));
    assert_eq!(answer.result()["value"], "dd");
    settles(&dir, &[]);
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let daemon = TestDaemon::start();
    let dir = daemon.root().join("var/lib/snapd/snaps");
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    let head = "POST /v2/snaps HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=XX\r\n\
                Content-Length: 100000\r\n\r\n--XX\r\nContent-Disposition: form-data; name=\"snap\"; filename=\"a\"\r\n\r\nhsqs";
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&[7; 20_000]).unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while names(&dir).is_empty() {
        assert!(Instant::now() < end, "the upload has not begun");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(stream);
    settles(&dir, &[]);
}

/// contract: v2, section 4, and v2-observed, "Surprises in shapes"
#[test]
fn refusals_have_their_kinds() {
    let daemon = TestDaemon::start();
    daemon.install(&[("base.snap", &base()), ("lamp.snap", &app())]);
    let table = [
        ("nosuch", json!({"action": "remove"}), 400, "snap-not-installed"),
        // contract: v2-observed, section 4, `snap install hello`
        ("nosuch", json!({"action": "install"}), 400, ""),
        (
            "lamp",
            json!({"action": "install"}),
            400,
            "snap-already-installed",
        ),
        ("lamp", json!({"action": "refresh"}), 400, "snap-local"),
        ("nosuch", json!({"action": "refresh"}), 400, "snap-not-installed"),
        ("lamp", json!({"action": "fly"}), 400, ""),
        ("lamp", json!({"action": "remove", "revision": "x1"}), 400, ""),
        (
            "lamp",
            json!({"action": "remove", "revision": "x7"}),
            400,
            "snap-not-installed",
        ),
        ("lamp", json!({"action": "enable"}), 400, ""),
        ("test-base", json!({"action": "remove"}), 400, ""),
    ];
    for (snap, body, status, kind) in table {
        let answer = daemon.post(&format!("/v2/snaps/{snap}"), &body);
        assert_eq!(
            (answer.status, answer.kind()),
            (status, kind),
            "{snap} {body}: {answer:?}"
        );
    }
    let answer = daemon.post("/v2/snaps/lamp", &json!({"action": "install"}));
    assert_eq!(answer.result()["value"], json!({"snaps": ["lamp"]}));
    let answer = daemon.post("/v2/snaps/lamp", &json!({"action": "refresh"}));
    assert_eq!(answer.result()["value"], "");
    let answer = daemon.post(
        "/v2/snaps",
        &json!({"action": "remove", "snaps": ["lamp"], "purge": true}),
    );
    assert_eq!(
        answer.message(),
        "unsupported option provided for multi-snap operation"
    );
    let answer = Request::new("POST", "/v2/snaps")
        .body(b"{\"action\":\"remove\"}")
        .send(&daemon.socket())
        .unwrap();
    assert_eq!(answer.status, 400, "no content type");
    for action in ["refresh", "remove"] {
        let answer = daemon.post("/v2/snaps", &json!({"action": action, "snaps": ["lamp"]}));
        daemon.done(&answer);
    }
    let change = daemon.done(&daemon.post("/v2/snaps", &json!({"action": "refresh"})));
    assert_eq!(change["summary"], "Refresh all snaps: no updates");
    assert_eq!(change.get("tasks"), None);
    let change = daemon.done(&daemon.post("/v2/snaps", &json!({"action": "remove", "snaps": ["nosuch"]})));
    assert_eq!(change.get("tasks"), None);
}

#[test]
fn a_snap_with_a_change_in_progress_is_left_alone() {
    let daemon = TestDaemon::start();
    let free = pack(&BASE.replace("test-base", "free-base"), &[]);
    daemon.install(&[("base.snap", &base()), ("free.snap", &free)]);
    let slow = pack(
        APP,
        &[FILES[0], FILES[1], ("meta/hooks/install", "#!/bin/sh\nsleep 3\n")],
    );
    let first = upload(&daemon, DANGEROUS, &slow);
    assert_eq!(first.status, 202, "{first:?}");
    let answer = daemon.post("/v2/snaps/free-base", &json!({"action": "remove"}));
    assert_ne!(answer.status, 409, "another snap is free: {answer:?}");
    let answer = upload(&daemon, DANGEROUS, &slow);
    assert_eq!(
        (answer.status, answer.kind()),
        (409, "snap-change-conflict"),
        "{answer:?}"
    );
    assert_eq!(
        answer.message(),
        "snap \"lamp\" has \"install-snap\" change in progress"
    );
    assert_eq!(
        answer.result()["value"],
        json!({"change-kind": "install-snap", "snap-name": "lamp"})
    );
    daemon.done(&first);
}

/// contract: v2-observed, section 3, "install hook fails" and "sideload over an installed snap"
#[test]
fn a_refresh_keeps_data_and_a_failed_one_changes_nothing() {
    let daemon = TestDaemon::start();
    daemon.install(&[("base.snap", &base()), ("lamp.snap", &app())]);
    let root = daemon.root();
    std::fs::write(root.join("var/snap/lamp/x1/kept"), "data").unwrap();
    let change = daemon.install(&[("lamp.snap", &pack(&APP.replace("1.0", "2.0"), FILES))]);
    assert!(kinds(&change).contains(&String::from("unlink-current-snap")));
    assert_eq!(daemon.get("/v2/snaps/lamp").result()["version"], "2.0");
    assert_eq!(
        std::fs::read_to_string(root.join("var/snap/lamp/x2/kept")).unwrap(),
        "data"
    );
    assert_eq!(
        daemon
            .get("/v2/snaps?select=all&snaps=lamp")
            .result()
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let failing = pack(
        &APP.replace("1.0", "3.0"),
        &[
            FILES[0],
            FILES[1],
            ("meta/hooks/post-refresh", "#!/bin/sh\necho broken lamp\nexit 1\n"),
        ],
    );
    let answer = upload(&daemon, DANGEROUS, &failing);
    let change = daemon.wait(answer.body["change"].as_str().unwrap());
    assert_eq!(change["status"], "Error");
    assert!(
        change["err"].as_str().unwrap().contains("broken lamp"),
        "{change:#}"
    );
    let snap = daemon.get("/v2/snaps/lamp");
    assert_eq!(snap.result()["revision"], "x2");
    assert_eq!(snap.result()["status"], "active");
    assert_eq!(snap.result()["apps"][0]["active"], true, "its service runs again");
    assert_eq!(
        names(&root.join("var/lib/snapd/snaps")),
        ["lamp_x1.snap", "lamp_x2.snap", "test-base_x1.snap"]
    );
    assert_eq!(
        names(&root.join("var/snap/lamp")),
        ["common", "current", "x1", "x2"]
    );
}

/// contract: v2, "GET /v2/snaps/{name}/file"
#[test]
fn a_snap_file_can_be_fetched_in_parts() {
    let daemon = TestDaemon::start();
    let content = base();
    daemon.install(&[("base.snap", &content)]);
    let whole = daemon.get("/v2/snaps/test-base/file");
    assert!(whole.bytes == content);
    assert_eq!(
        whole.header("content-disposition"),
        Some("attachment; filename=test-base_x1.snap")
    );
    let part = Request::new("GET", "/v2/snaps/test-base/file")
        .header("Range", "bytes=4-11")
        .send(&daemon.socket())
        .unwrap();
    assert_eq!(part.status, 206);
    assert_eq!(part.bytes, content[4..12]);
    assert_eq!(
        part.header("content-range"),
        Some(format!("bytes 4-11/{}", content.len()).as_str())
    );
    assert_eq!(
        daemon.get("/v2/icons/test-base/icon").message(),
        "local snap has no icon"
    );
}

#[test]
fn disabled_snaps_stay_and_come_back() {
    let daemon = TestDaemon::start();
    daemon.install(&[("base.snap", &base()), ("lamp.snap", &app())]);
    let change = daemon.done(&daemon.post("/v2/snaps/lamp", &json!({"action": "disable"})));
    let wanted = [
        "stop-snap-services",
        "remove-aliases",
        "unlink-snap",
        "remove-profiles",
    ];
    assert_eq!(kinds(&change), wanted);
    assert_eq!(daemon.get("/v2/snaps/lamp").result()["status"], "installed");
    assert!(names(&daemon.root().join("snap/bin")).is_empty());
    let change = daemon.done(&daemon.post("/v2/snaps/lamp", &json!({"action": "enable"})));
    let wanted = [
        "prepare-snap",
        "setup-profiles",
        "link-snap",
        "setup-aliases",
        "start-snap-services",
        "auto-connect",
    ];
    assert_eq!(kinds(&change), wanted);
    let snap = daemon.get("/v2/snaps/lamp");
    assert_eq!(snap.result()["status"], "active");
    assert_eq!(snap.result()["apps"][0]["active"], true);
}

/// What is known of a mounted snap holds until the mount goes, whoever takes it away, and no longer.
#[test]
fn a_snap_whose_files_are_gone_is_broken_at_once() {
    let mut daemon = TestDaemon::start();
    let picture = [
        ("bin/lamp", "#!/bin/sh\n"),
        ("bin/glow", "#!/bin/sh\nexec sleep 1000\n"),
        ("meta/gui/icon.svg", "<svg/>"),
    ];
    daemon.install(&[("base.snap", &base()), ("lamp.snap", &pack(APP, &picture))]);
    let lamp = |daemon: &TestDaemon| {
        let all = daemon.get("/v2/snaps");
        let one = all.result().as_array().unwrap().iter();
        let mut one = one.filter(|snap| snap["name"] == "lamp");
        one.next().unwrap().clone()
    };
    for _ in 0..3 {
        let seen = lamp(&daemon);
        assert_eq!(
            (&seen["broken"], &seen["icon"]),
            (&Value::Null, &json!("/v2/icons/lamp/icon"))
        );
    }
    let mount = daemon.root().join("snap/lamp/x1");
    if nix::mount::umount2(&mount, nix::mount::MntFlags::MNT_DETACH).is_err() {
        std::fs::set_permissions(&mount, PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::rename(&mount, daemon.scratch().join("aside")).unwrap();
    }
    let seen = lamp(&daemon);
    let broken = seen["broken"].as_str().unwrap();
    assert!(broken.contains("nothing is mounted at"), "{broken}");
    assert_eq!(seen["icon"], Value::Null);
    assert_eq!(daemon.get("/v2/icons/lamp/icon").status, 404);
    assert_eq!(daemon.stop().code(), Some(0));
    daemon.launch();
    assert_eq!(lamp(&daemon)["broken"], Value::Null);
}
