//! `pinion check --deep` names what is wrong, whatever part of the system was damaged.

use crate::support::TestDaemon;
use crate::support::daemon::binary;
use crate::support::eventually;
use crate::support::snaps::{BASE, pack};
use crate::support::somebody::is_root;
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command};

/// What the check prints, line by line, and whether it is content.
fn check(root: &Path) -> (bool, Vec<String>) {
    let output = Command::new(binary())
        .args(["check", "--deep", "--root"])
        .arg(root)
        .output()
        .expect("pinion check runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text.lines().map(str::to_owned).collect())
}

fn edit(root: &Path, sql: &str) {
    let path = root.join("var/lib/pinion/state.db");
    Connection::open(path)
        .expect("the database")
        .execute_batch(sql)
        .expect(sql);
}

const GADGET: &str = "name: board
version: '1'
type: gadget
slots:
  bcm-gpio-17: {interface: gpio, number: 17}
  bcm-gpio-27: {interface: gpio, number: 27}
";

const LIGHTS: &str = "name: lights
version: '1'
base: test-base
plugs:
  pin: {interface: gpio}
apps:
  lights: {command: bin/lights, daemon: simple}
  say: {command: bin/say}
";

/// A daemon with one app snap whose service runs, connected to a line.
fn furnished() -> TestDaemon {
    let daemon = TestDaemon::start();
    let lights = [
        ("bin/lights", "#!/bin/sh\nexec sleep 1000\n"),
        ("bin/say", "#!/bin/sh\necho said\n"),
    ];
    daemon.install(&[
        ("base.snap", &pack(BASE, &[])),
        (
            "board.snap",
            &pack(GADGET, &[("meta/gadget.yaml", "volumes: {}\n")]),
        ),
        ("lights.snap", &pack(LIGHTS, &lights)),
    ]);
    let ends = serde_json::json!({
        "action": "connect",
        "plugs": [{"snap": "lights", "plug": "pin"}],
        "slots": [{"snap": "board", "slot": "bcm-gpio-17"}],
    });
    daemon.done(&daemon.post("/v2/interfaces", &ends));
    daemon
}

/// Damages a fresh copy of the same state, and expects a line with the rule and the words.
fn damaged(
    daemon: &TestDaemon,
    rule: char,
    words: &str,
    damage: impl FnOnce(&Path),
    mend: impl FnOnce(&Path),
) {
    let root = daemon.root();
    damage(&root);
    let (content, lines) = check(&root);
    let named = lines
        .iter()
        .any(|line| line.starts_with(&format!("({rule})")) && line.contains(words));
    assert!(!content && named, "expected ({rule}) … {words} …, got {lines:#?}");
    mend(&root);
    let (content, lines) = check(&root);
    assert!(content, "after mending ({rule}) {words}: {lines:#?}");
}

#[test]
fn a_healthy_system_is_content_with_and_without_its_daemon() {
    let mut daemon = furnished();
    assert_eq!(check(&daemon.root()), (true, vec![String::from("ok")]));
    daemon.kill();
    // What the agent had started ends a moment after it.
    eventually("it is content after a kill", || {
        check(&daemon.root()) == (true, vec![String::from("ok")])
    });
    daemon.launch();
    assert_eq!(check(&daemon.root()), (true, vec![String::from("ok")]));
    daemon.stop();
    assert_eq!(check(&daemon.root()), (true, vec![String::from("ok")]));
}

/// R6; decision 20
#[test]
fn a_file_that_is_not_the_one_that_was_checked_does_not_stay_mounted() {
    if !is_root() {
        println!(
            "skipped: check::a_file_that_is_not_the_one_that_was_checked_does_not_stay_mounted: only root mounts snaps"
        );
        return;
    }
    let mut daemon = furnished();
    let root = daemon.root();
    let (file, target) = (
        root.join("var/lib/snapd/snaps/lights_x1.snap"),
        root.join("snap/lights/x1"),
    );
    let is_mounted = || {
        let table = fs::read_to_string("/proc/self/mounts").expect("the mounts");
        let mut places = table.lines().filter_map(|line| line.split(' ').nth(1));
        places.any(|place| Path::new(place) == target)
    };
    let is_active =
        |daemon: &TestDaemon| daemon.get("/v2/apps?names=lights.lights").result()[0]["active"] == true;
    let right = fs::read(&file).expect("the file");
    // What is mounted when the agent starts, as it is by systemd, is a file that nobody has checked.
    daemon.kill();
    assert!(is_mounted());
    let mut wrong = right.clone();
    *wrong.last_mut().expect("a byte") ^= 1;
    fs::write(&file, &wrong).expect("another file");
    daemon.launch();
    assert!(!is_mounted());
    let snap = daemon.get("/v2/snaps/lights");
    assert!(snap.result()["broken"].is_string(), "{snap:?}");
    assert!(!is_active(&daemon));
    let warnings = daemon.get("/v2/warnings").result().to_string();
    let said = "is not the one that was checked: install the snap again";
    assert!(warnings.contains(said), "{warnings}");
    let (content, lines) = check(&root);
    assert!(
        !content && lines.len() == 1 && lines[0].contains(said),
        "{lines:#?}"
    );
    daemon.stop();
    fs::write(&file, &right).expect("the file");
    daemon.launch();
    assert!(is_mounted());
    eventually("the service runs again", || is_active(&daemon));
    assert_eq!(check(&root), (true, vec![String::from("ok")]));
}

#[test]
fn damage_to_records_is_named() {
    let mut daemon = furnished();
    daemon.stop();
    let save = "CREATE TABLE saved AS SELECT * FROM changes; CREATE TABLE saved_tasks AS SELECT * FROM tasks;
                CREATE TABLE saved_snaps AS SELECT * FROM snaps;";
    let restore = "DELETE FROM changes; INSERT INTO changes SELECT * FROM saved; DROP TABLE saved;
                   DELETE FROM tasks; INSERT INTO tasks SELECT * FROM saved_tasks; DROP TABLE saved_tasks;
                   DELETE FROM snaps; INSERT INTO snaps SELECT * FROM saved_snaps; DROP TABLE saved_snaps;";
    for (rule, words, sql) in [
        (
            'a',
            "belong to changes that are gone",
            "DELETE FROM changes WHERE id = 2",
        ),
        ('a', "two statuses", "UPDATE tasks SET status = 9 WHERE id = 3"),
        (
            'a',
            "not among its revisions",
            "UPDATE snaps SET record = json_set(record, '$.current', 'x9') WHERE name = 'lights'",
        ),
        (
            'b',
            "nothing of it can run",
            "UPDATE changes SET ready = NULL, record = json_set(record, '$.ready', NULL) WHERE id = 2",
        ),
        (
            'b',
            "is ready and its task",
            "UPDATE tasks SET status = 3, record = json_set(record, '$.status', 'Doing') WHERE id = 3",
        ),
        (
            'b',
            "is ready and its task",
            "UPDATE tasks SET status = 6, record = json_set(record, '$.status', 'Undo') WHERE id = 4",
        ),
    ] {
        damaged(
            &daemon,
            rule,
            words,
            |root| edit(root, &format!("{save}{sql}")),
            |root| edit(root, restore),
        );
    }
}

#[test]
fn damage_to_the_system_is_named() {
    let daemon = furnished();
    damaged(
        &daemon,
        'c',
        "current",
        |root| fs::remove_file(root.join("snap/lights/current")).expect("a link"),
        |root| symlink("x1", root.join("snap/lights/current")).expect("a link"),
    );
    damaged(
        &daemon,
        'c',
        "stray_x1.snap",
        |root| fs::write(root.join("var/lib/snapd/snaps/stray_x1.snap"), "x").expect("a file"),
        |root| fs::remove_file(root.join("var/lib/snapd/snaps/stray_x1.snap")).expect("a file"),
    );
    damaged(
        &daemon,
        'c',
        "lights.say",
        |root| fs::rename(root.join("snap/bin/lights.say"), root.join("aside")).expect("a wrapper"),
        |root| fs::rename(root.join("aside"), root.join("snap/bin/lights.say")).expect("a wrapper"),
    );
    damaged(
        &daemon,
        'c',
        "belongs to no installed snap",
        |root| fs::create_dir_all(root.join("snap/strange/x7")).expect("a folder"),
        |root| fs::remove_dir_all(root.join("snap/strange")).expect("a folder"),
    );
    damaged(
        &daemon,
        'c',
        "snap.lights",
        |root| {
            fs::rename(root.join("var/lib/snapd/cookie/snap.lights"), root.join("aside")).expect("a cookie")
        },
        |root| {
            fs::rename(root.join("aside"), root.join("var/lib/snapd/cookie/snap.lights")).expect("a cookie")
        },
    );
}

#[test]
fn mounts_that_are_not_as_the_state_says_are_named() {
    let daemon = furnished();
    let target = daemon.root().join("snap/lights/x1");
    if !is_mount(&target) {
        // An ordinary user's snaps are unpacked: the folder takes the mount's part.
        let aside = daemon.scratch().join("aside");
        let open =
            |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
        damaged(
            &daemon,
            'c',
            "is not mounted",
            |_| {
                open(&target);
                fs::rename(&target, &aside).expect("moved");
            },
            |_| fs::rename(&aside, &target).expect("moved back"),
        );
        return;
    }
    let file = daemon.root().join("var/lib/snapd/snaps/lights_x1.snap");
    let mount = |target: &Path| {
        let done = Command::new("mount")
            .args(["-o", "loop,ro"])
            .args([&file, target])
            .status();
        assert!(done.expect("mount runs").success());
    };
    let unmount = |target: &Path| {
        nix::mount::umount2(target, nix::mount::MntFlags::MNT_DETACH).expect("an unmount");
    };
    damaged(
        &daemon,
        'c',
        "is not mounted",
        |_| unmount(&target),
        |_| mount(&target),
    );
    let stray = daemon.root().join("snap/lights/x9");
    damaged(
        &daemon,
        'c',
        "snap/lights/x9",
        |_| {
            fs::create_dir(&stray).expect("a folder");
            mount(&stray);
        },
        |_| {
            unmount(&stray);
            fs::remove_dir(&stray).expect("a folder");
        },
    );
}

#[test]
fn lines_that_are_not_held_as_the_state_says_are_named() {
    let daemon = furnished();
    let restore = "DELETE FROM connections; INSERT INTO connections SELECT * FROM saved; DROP TABLE saved;";
    let row = |slot: &str| {
        format!(
            "INSERT INTO connections SELECT plug_snap, plug, slot_snap, '{slot}',
                 json_set(record, '$.connection.slot.name', '{slot}') FROM saved;"
        )
    };
    for (words, sql) in [
        ("held for lights:pin, which is not connected", String::new()),
        (
            "lights:pin board:bcm-gpio-27 holds nothing",
            row("bcm-gpio-17") + &row("bcm-gpio-27"),
        ),
        (
            "held for lights:pin, which is not connected to board:bcm-gpio-17",
            row("bcm-gpio-27"),
        ),
    ] {
        damaged(
            &daemon,
            'c',
            words,
            |root| {
                let save = "CREATE TABLE saved AS SELECT * FROM connections; DELETE FROM connections;";
                edit(root, &format!("{save}{sql}"));
            },
            |root| edit(root, restore),
        );
    }
}

/// A process with the mark of a run of the service that no agent made.
fn another_run(root: &Path) -> Child {
    Command::new("/bin/sleep")
        .arg("1000")
        .env(
            "PINION_RUN",
            format!("{}|snap.lights.lights|1.1|", root.display()),
        )
        .spawn()
        .expect("a process")
}

fn end(mut process: Child) {
    process.kill().expect("a kill");
    process.wait().expect("an end");
}

#[test]
fn a_process_that_outlived_its_agent_is_named_and_ended_by_the_next() {
    let mut daemon = furnished();
    daemon.kill();
    // The service dies with its agent, and this would not.
    let process = another_run(&daemon.root());
    damaged(
        &daemon,
        'c',
        "was started by an agent that has ended",
        |_| {},
        |_| end(process),
    );
    let mut process = another_run(&daemon.root());
    daemon.launch();
    // It was ended before the daemon said that it is ready.
    let ended = process.try_wait().expect("its state");
    let signal = ended.and_then(|ended| ended.signal());
    if signal != Some(9) {
        end(process);
    }
    assert_eq!(signal, Some(9), "the start ends what an earlier one left");
    assert_eq!(check(&daemon.root()), (true, vec![String::from("ok")]));
}

#[test]
fn what_happened_twice_is_named() {
    let mut daemon = furnished();
    let root = daemon.root();
    let process = another_run(&root);
    damaged(
        &daemon,
        'e',
        "snap.lights.lights was started 2 times",
        |_| {},
        |_| end(process),
    );
    if nix::unistd::Uid::effective().is_root() && is_mount(&root.join("snap/lights/x1")) {
        let target = root.join("snap/lights/x1");
        let over = |target: &Path| {
            let kind = nix::mount::MsFlags::MS_BIND;
            nix::mount::mount(Some(target), target, None::<&str>, kind, None::<&str>).expect("a mount");
        };
        let off = |target: &Path| nix::mount::umount(target).expect("an unmount");
        damaged(
            &daemon,
            'e',
            "is mounted twice",
            |_| over(&target),
            |_| off(&target),
        );
        over(&target);
        daemon.kill();
        daemon.launch();
        let mended = check(&root);
        assert_eq!(mended, (true, vec![String::from("ok")]), "by the start");
    }
    daemon.stop();
    for (words, sql, restore) in [
        (
            "has revision x1 twice",
            "UPDATE snaps SET record = json_insert(record, '$.sequence[#]', json_extract(record, '$.sequence[0]'))
                 WHERE name = 'lights'",
            "UPDATE snaps SET record = json_remove(record, '$.sequence[#-1]') WHERE name = 'lights'",
        ),
        (
            "was given two cookies",
            "INSERT INTO cookies SELECT 'another', snap FROM cookies WHERE snap = 'lights'",
            "DELETE FROM cookies WHERE cookie = 'another'",
        ),
        (
            "have the same effect",
            "INSERT INTO tasks SELECT 9999, change_id, status, json_set(record, '$.id', 9999) FROM tasks
                 WHERE json_extract(record, '$.kind') = 'connect'",
            "DELETE FROM tasks WHERE id = 9999",
        ),
    ] {
        damaged(&daemon, 'e', words, |root| edit(root, sql), |root| edit(root, restore));
    }
}

fn is_mount(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("the mounts");
    let path = path.display().to_string();
    mounts
        .lines()
        .any(|line| line.split(' ').nth(1) == Some(path.as_str()))
}

#[test]
fn a_damaged_database_is_named() {
    let mut daemon = furnished();
    daemon.stop();
    let path = daemon.root().join("var/lib/pinion/state.db");
    let good = fs::read(&path).expect("the database");
    for damage in [
        (|bytes: &mut Vec<u8>| bytes[..100].fill(0)) as fn(&mut Vec<u8>),
        |bytes| bytes.truncate(5000),
        |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle..middle + 4096].fill(0xa5);
        },
    ] {
        let mut bad = good.clone();
        damage(&mut bad);
        fs::write(&path, &bad).expect("a write");
        let (content, lines) = check(&daemon.root());
        assert!(
            !content && lines.iter().any(|line| line.starts_with("(d)")),
            "{lines:?}"
        );
    }
}

#[test]
fn secrets_in_the_open_are_named() {
    let mut daemon = furnished();
    daemon.stop();
    let cookie =
        fs::read_to_string(daemon.root().join("var/lib/snapd/cookie/snap.lights")).expect("a cookie");
    damaged(
        &daemon,
        'f',
        "holds a cookie of snap lights",
        |root| {
            fs::create_dir_all(root.join("run/pinion/logs")).expect("a folder");
            fs::write(
                root.join("run/pinion/logs/leak.log"),
                format!("cookie {}\n", cookie.trim()),
            )
            .expect("a log");
        },
        |root| fs::remove_file(root.join("run/pinion/logs/leak.log")).expect("a log"),
    );
    for file in ["var/lib/pinion/state.db", "var/lib/snapd/cookie/snap.lights"] {
        damaged(
            &daemon,
            'f',
            "must be 600",
            |root| fs::set_permissions(root.join(file), fs::Permissions::from_mode(0o644)).expect("a mode"),
            |root| fs::set_permissions(root.join(file), fs::Permissions::from_mode(0o600)).expect("a mode"),
        );
    }
}
