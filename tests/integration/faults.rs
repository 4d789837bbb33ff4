//! Faults of the machine: each is said in a sentence, ends in a known state, and is got over (`pinion check --deep`).

use crate::support::TestDaemon;
use crate::support::daemon::binary;
use crate::support::snaps::{BASE, pack};
use crate::support::somebody::is_root;
use nix::mount::{MsFlags, mount};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const APP: &str = "name: app\nversion: '1'\nbase: test-base\napps: {run: {command: bin/run}}\n";
const FILES: &[(&str, &str)] = &[
    ("bin/run", "#!/bin/sh\nexit 0\n"),
    ("meta/hooks/configure", "#!/bin/sh\nexit 0\n"),
];

fn skipped(test: &str) -> bool {
    if !is_root() {
        println!("skipped: faults::{test}: only root can mount");
    }
    !is_root()
}

/// Runs a program after a shell script, in a mount namespace of its own.
fn apart(script: &str, args: &[&str]) -> Output {
    let script = format!("{script}\nexec \"$@\"");
    Command::new("unshare")
        .args(["--mount", "sh", "-ec", &script, "sh"])
        .arg(binary())
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `pinion check --deep` is content.
fn clean(root: &Path) {
    let root = root.display().to_string();
    let checked = Command::new(binary())
        .args(["check", "--deep", "--root", &root])
        .output()
        .unwrap();
    assert_eq!(text(&checked.stdout), "ok\n", "{}", text(&checked.stderr));
    assert!(checked.status.success());
}

/// All files below a folder but those that fill it.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name() != "fillers" {
            all.extend(files(&entry.path()));
            all.insert(entry.path());
        }
    }
    all
}

fn free_files(root: &Path) -> u64 {
    nix::sys::statvfs::statvfs(root).unwrap().files_free()
}

/// Files are what runs out, at every point of an install: it is refused or undone with a sentence, and leaves nothing.
#[test]
fn no_more_files_during_an_install() {
    if skipped("no_more_files_during_an_install") {
        return;
    }
    let daemon = TestDaemon::on_small_disk(64 << 20);
    let root = daemon.root();
    let limit = Some("nr_inodes=2000");
    mount(None::<&str>, &root, None::<&str>, MsFlags::MS_REMOUNT, limit).unwrap();
    // What all snaps share is there already.
    let other = pack(&APP.replace("name: app", "name: other"), FILES);
    daemon.install(&[("base.snap", &pack(BASE, &[])), ("other.snap", &other)]);
    // The first copy of the state is made beside all this; the next is an hour away.
    let copied = || root.join("var/lib/pinion/state.backup").exists();
    for _ in 0..600 {
        if copied() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(copied(), "{:?}", files(&root.join("var/lib/pinion")));
    let app = pack(APP, FILES);
    let fillers = root.join("fillers");
    std::fs::create_dir(&fillers).unwrap();
    let (mut refused, mut undone, mut left) = (0, 0, Vec::new());
    for leave in 0..60 {
        std::fs::remove_dir_all(&fillers).unwrap();
        std::fs::create_dir(&fillers).unwrap();
        for number in 0..free_files(&root).saturating_sub(leave) {
            std::fs::write(fillers.join(number.to_string()), "").unwrap();
        }
        let before = files(&root);
        let fields = [("dangerous", "true")];
        let answer = daemon.post_form("/v2/snaps", &fields, &[("snap", "app.snap", &app)]);
        if answer.status == 202 {
            let change = daemon.wait(answer.body["change"].as_str().unwrap());
            if change["status"] == "Done" {
                assert!(refused > 0 && undone > 0, "{refused} refused, {undone} undone");
                assert!(
                    left.is_empty(),
                    "what stays of an install that failed:\n{}",
                    left.join("\n")
                );
                std::fs::remove_dir_all(&fillers).unwrap();
                clean(&root);
                assert_eq!(daemon.get("/v2/snaps/app").status, 200);
                assert!(!daemon.log().iter().any(|line| line.contains("panicked")));
                return;
            }
            undone += 1;
            assert_eq!(change["status"], "Error", "{change:#}");
            let why = change["err"].as_str().unwrap();
            assert!(why.contains("No space left on device"), "{leave}: {why}");
        } else {
            refused += 1;
            assert_eq!(
                (answer.status, answer.kind()),
                (507, "insufficient-disk-space"),
                "{leave}: {answer:?}"
            );
        }
        assert_eq!(daemon.get("/v2/snaps/app").status, 404, "{leave}");
        let stay: Vec<_> = files(&root).difference(&before).cloned().collect();
        if !stay.is_empty() {
            left.push(format!("{leave}: {stay:?}"));
        }
        clean(&root);
    }
    panic!("it was never installed");
}

/// A root that cannot be written is said so at start, whether it is new or not.
#[test]
fn a_read_only_root_is_said_at_start() {
    if skipped("a_read_only_root_is_said_at_start") {
        return;
    }
    let new = TestDaemon::new_folder(&[], |_| ());
    let mut used = TestDaemon::start();
    used.install(&[("base.snap", &pack(BASE, &[])), ("app.snap", &pack(APP, FILES))]);
    used.stop();
    for daemon in [&new, &used] {
        let root = daemon.root().display().to_string();
        let view = format!("mount --bind {root} {root}; mount -o remount,ro,bind {root}");
        let ended = apart(&view, &["--root", &root, "daemon", "--board", "sim"]);
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert_eq!(
            said,
            format!(
                "pinion: error: the file system of {root} is read-only: make it writable (mount -o remount,rw), or give another --root\n"
            )
        );
    }
    // What only looks can still look.
    let root = used.root().display().to_string();
    let view = format!("mount --bind {root} {root}; mount -o remount,ro,bind {root}");
    let checked = apart(&view, &["check", "--deep", "--root", &root]);
    assert_eq!(text(&checked.stdout), "ok\n", "{}", text(&checked.stderr));
    used.launch();
    clean(&used.root());
}

/// A disk that the kernel made read-only, as it does after an error of the disk: what is to be kept is refused, what is
/// asked is answered; on a mended disk the install that was under way comes to its end.
#[test]
fn a_root_that_becomes_read_only() {
    if skipped("a_root_that_becomes_read_only") {
        return;
    }
    let shell = |script: &str| {
        let done = Command::new("sh").args(["-ec", script]).output().unwrap();
        assert!(done.status.success(), "{script}: {}", text(&done.stderr));
    };
    let mut daemon = TestDaemon::new_folder(&["--board", "sim"], |root| {
        let (root, disk) = (root.display(), root.with_extension("disk"));
        let disk = disk.display();
        shell(&format!(
            "truncate -s 64M {disk}; mkfs.ext4 -q {disk}; mount -o loop,errors=remount-ro {disk} {root}"
        ));
    });
    let root = daemon.root();
    daemon.launch();
    daemon.wait("1");
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    let (here, go) = (daemon.scratch().join("here"), daemon.scratch().join("go"));
    let hook = format!(
        "#!/bin/sh\ntouch {}\nwhile [ ! -e {} ]; do sleep 0.05; done\n",
        here.display(),
        go.display()
    );
    let slow = APP.replace("name: app", "name: slow") + "confinement: devmode\n";
    let slow = pack(
        &slow,
        &[("bin/run", "#!/bin/sh\n"), ("meta/hooks/install", &hook)],
    );
    let fields = [("devmode", "true")];
    let begun = daemon.post_form("/v2/snaps", &fields, &[("snap", "slow.snap", &slow)]);
    assert_eq!(begun.status, 202, "{begun:?}");
    for _ in 0..600 {
        if here.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(here.exists(), "the hook runs");

    shell(&format!("mount -o remount,abort {}", root.display()));
    std::fs::write(&go, "").unwrap();
    let app = pack(APP, FILES);
    let fields = [("dangerous", "true")];
    let answer = daemon.post_form("/v2/snaps", &fields, &[("snap", "app.snap", &app)]);
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(
        answer.message().to_lowercase().contains("read-only"),
        "{answer:?}"
    );
    let answer = daemon.put("/v2/snaps/system/conf", &json!({"refresh.retain": 3}));
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(
        answer.message().to_lowercase().contains("read-only"),
        "{answer:?}"
    );
    for path in [
        "/v2/snaps",
        "/v2/changes?select=all",
        "/v2/system-info",
        "/v2/warnings",
    ] {
        assert_eq!(daemon.get(path).status, 200, "{path}");
    }
    assert!(!daemon.log().iter().any(|line| line.contains("panicked")));
    daemon.kill();
    let disk = root.with_extension("disk");
    crate::support::snaps::let_go(daemon.scratch());
    shell(&format!(
        "tries=0
        while [ -n \"$(losetup -j {disk})\" ] && [ $tries -lt 300 ]; do sleep 0.1; tries=$((tries + 1)); done
        e2fsck -fy {disk} > /dev/null || [ $? = 1 ]; mount -o loop {disk} {root}",
        disk = disk.display(),
        root = root.display()
    ));
    daemon.launch();
    let change = daemon.wait(begun.body["change"].as_str().unwrap());
    assert_eq!(change["status"], "Done", "{change:#}");
    clean(&root);
    daemon.install(&[("app.snap", &app)]);
    daemon.stop();
}

/// Without loop devices snaps are unpacked, which is said; with them they are mounted from then on.
#[test]
fn no_loop_devices() {
    if skipped("no_loop_devices") {
        return;
    }
    let view = "
mount -t tmpfs none /mnt
mkdir /mnt/dev
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /mnt/dev
mount --bind /mnt/dev /dev";
    let mut daemon = TestDaemon::with_view(&["--board", "sim"], view);
    daemon.install(&[("base.snap", &pack(BASE, &[])), ("app.snap", &pack(APP, FILES))]);
    let root = daemon.root();
    let said = daemon.log().join("\n");
    assert!(
        said.contains("by /dev/loop-control: No such file or directory (os error 2)): unpacking it instead"),
        "{said}"
    );
    assert!(root.join("snap/app/x1/bin/run").exists());
    clean(&root);
    daemon.kill();
    daemon.launch();
    clean(&root);
    let removed = daemon.post("/v2/snaps/app", &json!({"action": "remove"}));
    daemon.done(&removed);
    assert!(!root.join("snap/app").exists());
    clean(&root);
}
