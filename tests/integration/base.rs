//! A base as the root of a confined app, under the supervisor: what the app sees, and what it must not (contract:
//! confinement, section 8, the list at its end).

#[path = "../crash/shell_base.rs"]
mod shell_base;

use crate::support::TestDaemon;
use crate::support::daemon::binary;
use crate::support::snaps::{pack, packed};
use crate::support::somebody::is_root;
use crate::support::within;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const BASE: &str = "name: small-base\nversion: '1'\ntype: base\n";

const GADGET: &str = "name: board\nversion: '1'\ntype: gadget\nbase: none\nslots:\n  port: {interface: serial-port, path: /dev/ttyS0}\n";

const APP: &str = "name: boxed
version: '1'
base: small-base
plugs:
  port: serial-port
  places: home
  network:
apps:
  probe: {command: bin/probe, daemon: simple, plugs: [port]}
  sh: {command: bin/sh, plugs: [port]}
  bare: {command: bin/sh, plugs: [places]}
  net: {command: bin/sh, plugs: [network]}
layout:
  /opt/lay: {bind: $SNAP/share}
  /etc/boxed.conf: {bind-file: $SNAP/share/file}
";

/// A base of this machine's own programs, which lacks most of the places that the contract wants.
fn base() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("base");
    let programs = [
        "dash", "bash", "cat", "ls", "sleep", "mkdir", "mknod", "ln", "head", "unshare",
    ];
    shell_base::fill(&root, &programs, binary());
    fs::write(root.join("usr/lib/os-release"), "ID=small-base\n").unwrap();
    fs::write(root.join("etc/nsswitch.conf"), "passwd: files\n").unwrap();
    fs::write(root.join("etc/shadow"), "root:*:\n").unwrap();
    fs::write(root.join("meta/snap.yaml"), BASE).unwrap();
    packed(&root)
}

/// The service writes `NAME yes` or `NAME no` for everything that it tries, and waits.
const PROBE: &str = r#"#!/bin/sh
try() {
    name=$1
    shift
    if "$@" > /dev/null 2>&1; then echo "$name yes"; else echo "$name no"; fi
}
# opened only: were it possible, nothing should be harmed
put() { true >> "$1"; }
here() { [ -e "$1" ]; }
{
    cat /usr/lib/os-release
    echo "snap $SNAP data $SNAP_DATA home $HOME pwd $PWD"
    echo "root:" $(ls -A /)
    echo "dev:" $(ls -A /dev)
    echo "etc:" $(ls -A /etc)
    echo "snaps:" $(ls /snap) "data:" $(ls /var/snap)
    echo "caps:" $(while read -r key value; do [ "$key" = CapEff: ] && echo "$value"; done < /proc/self/status)
    for file in "$SNAP_DATA/own" "$SNAP_COMMON/own" "$SNAP_USER_DATA/own" /tmp/own /dev/shm/own \
        /run/snap.boxed/own /run/lock/snap.boxed/own /dev/null /etc/own /own /usr/own /snap/own /snap/boxed/own \
        "$SNAP/own" /run/own /var/own /var/snap/own /dev/own /sys/kernel/own /proc/sys/kernel/core_pattern \
        /proc/sysrq-trigger /sys/fs/cgroup/own /root/own /home/own; do
        try "put $file" put "$file"
    done
    for file in /etc/shadow /etc/gshadow /etc/pinion /var/lib/snapd/hostfs /var/lib/snapd/cookie /var/lib/pinion \
        /var/snap/secret /snap/bin /run/snapd.socket /run/pinion/launch /run/dbus /dev/kmsg /dev/mem /dev/loop0 \
        /dev/ttyS0 /dev/vda /.host /.aside /sys/kernel/debug/gpio /etc/passwd /etc/hostname /run/snapd-snap.socket; do
        try "here $file" here "$file"
    done
    try "mknod" mknod /tmp/null c 1 3
    try "see pid 1" cat /proc/1/cmdline
    try "look into pid 1" ls /proc/1/root/
    try "socket" bash -c ': > /dev/udp/127.0.0.1/9'
    try "users of its own" unshare --user ls
    try "full" sh -c 'echo x > /dev/full'
    try "zero" head -c 1 /dev/zero
    try "layout" cat /opt/lay/file
    try "file layout" cat /etc/boxed.conf
    try "snapctl" snapctl set seen=1
    # the process that the test names
    try "foreign signal" kill -USR1 "$(cat "$SNAP_COMMON/foreign")"
    try "own signal" kill -0 $$
} > "$SNAP_COMMON/facts.new" 2>&1
exec 3> /tmp/kept
ln -s done "$SNAP_COMMON/ready"
exec sleep 100000
"#;

/// A process that is not the snap's.
struct Foreign(Child);

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn pinion(daemon: &TestDaemon, words: &[&str]) -> (bool, String) {
    let run = Command::new(binary())
        .arg("--root")
        .arg(daemon.root())
        .args(words)
        .current_dir(daemon.scratch())
        .output()
        .unwrap();
    let said = [run.stdout, run.stderr].concat();
    (run.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_strict_app_lives_in_its_base() {
    if !is_root() {
        println!("skipped: base::a_strict_app_lives_in_its_base: needs root for a mount namespace");
        return;
    }
    let daemon = TestDaemon::start();
    let root = daemon.root();
    let app = pack(
        APP,
        &[
            ("bin/probe", PROBE),
            ("bin/sh", "#!/bin/sh\nexec /bin/sh \"$@\"\n"),
            ("share/file", "of the snap\n"),
        ],
    );
    fs::create_dir_all(root.join("var/snap/secret")).unwrap();
    let common = root.join("var/snap/boxed/common");
    fs::create_dir_all(&common).unwrap();
    let mut foreign = Foreign(
        Command::new("sleep")
            .arg("100000")
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    fs::write(common.join("foreign"), foreign.0.id().to_string()).unwrap();
    daemon.install(&[("base.snap", &base())]);
    daemon.install(&[(
        "board.snap",
        &pack(GADGET, &[("meta/gadget.yaml", "volumes: {}\n")]),
    )]);
    daemon.install(&[("app.snap", &app)]);
    within(60, "the service has tried everything", || {
        common.join("ready").is_symlink()
    });
    let text = fs::read_to_string(common.join("facts.new")).unwrap();
    assert!(
        text.starts_with(
            "ID=small-base\nsnap /snap/boxed/x1 data /var/snap/boxed/x1 home /root/snap/boxed/x1 pwd /var/snap/boxed/x1\n"
        ),
        "{text}"
    );
    let facts: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    let line = |start: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(start))
            .expect(start)
    };
    assert_eq!(
        line("dev: "),
        "fd full log null ptmx pts random shm stderr stdin stdout tty urandom zero"
    );
    assert_eq!(line("snaps: "), "boxed data: boxed");
    // ipc_lock and sys_chroot
    assert_eq!(line("caps: "), "0000000000044000");
    assert!(!line("root: ").contains(".host"), "{text}");
    for may in [
        "put /var/snap/boxed/x1/own",
        "put /var/snap/boxed/common/own",
        "put /root/snap/boxed/x1/own",
        "put /tmp/own",
        "put /dev/shm/own",
        "put /run/snap.boxed/own",
        "put /run/lock/snap.boxed/own",
        "put /dev/null",
        "here /etc/passwd",
        "here /run/snapd-snap.socket",
        "see pid 1",
        "zero",
        "layout",
        "file layout",
        "snapctl",
        "own signal",
    ] {
        assert_eq!(facts.get(may), Some(&"yes"), "{may}:\n{text}");
    }
    for may_not in [
        "put /etc/own",
        "put /own",
        "put /usr/own",
        "put /snap/own",
        "put /snap/boxed/own",
        "put /snap/boxed/x1/own",
        "put /run/own",
        "put /var/own",
        "put /var/snap/own",
        "put /dev/own",
        "put /sys/kernel/own",
        "put /proc/sys/kernel/core_pattern",
        "put /proc/sysrq-trigger",
        "put /sys/fs/cgroup/own",
        "put /root/own",
        "put /home/own",
        "here /etc/shadow",
        "here /etc/gshadow",
        "here /etc/pinion",
        "here /var/lib/snapd/hostfs",
        "here /var/lib/snapd/cookie",
        "here /var/lib/pinion",
        "here /var/snap/secret",
        "here /snap/bin",
        "here /run/snapd.socket",
        "here /run/pinion/launch",
        "here /run/dbus",
        "here /dev/kmsg",
        "here /dev/mem",
        "here /dev/loop0",
        "here /dev/ttyS0",
        "here /dev/vda",
        "here /.host",
        "here /.aside",
        "here /sys/kernel/debug/gpio",
        "mknod",
        "look into pid 1",
        "users of its own",
        "socket",
        "full",
    ] {
        assert_eq!(facts.get(may_not), Some(&"no"), "{may_not}:\n{text}");
    }
    let said = daemon.get("/v2/system-info").result()["sandbox-features"]["launcher"].clone();
    if said.to_string().contains("landlock") {
        assert_eq!(facts.get("foreign signal"), Some(&"no"), "{text}");
    }
    assert!(foreign.0.try_wait().unwrap().is_none() || !said.to_string().contains("landlock"));
    drop(foreign);

    // the snap's /tmp is one for all its apps, and no other's
    let tmp = root.join("tmp/snap-private-tmp/snap.boxed/tmp");
    assert!(tmp.join("own").exists() && !Path::new("/tmp/own").exists());
    let see = [
        "run",
        "boxed.sh",
        "-c",
        "ls /tmp; ls /dev; echo from $PWD; cat /proc/self/mountinfo",
    ];
    let (good, said) = pinion(&daemon, &see);
    assert!(good && said.contains("kept") && !said.contains("ttyS0"), "{said}");
    assert!(said.contains("from /var/lib/snapd/void\n"), "{said}");
    assert!(
        !said.contains(" /.host") && !said.contains(" /var/lib/pinion"),
        "{said}"
    );

    // nor has another of the snap's apps a socket, without its plug
    let (good, _) = pinion(
        &daemon,
        &["run", "boxed.bare", "-c", "bash -c ': > /dev/udp/127.0.0.1/9'"],
    );
    assert!(!good);
    let (good, said) = pinion(
        &daemon,
        &[
            "run",
            "boxed.net",
            "-c",
            "bash -c ': > /dev/udp/127.0.0.1/9' && ls /etc",
        ],
    );
    assert!(good && said.contains("services"), "{said}");

    // a device comes with its plug, to the apps that have it
    if Path::new("/dev/ttyS0").exists() {
        daemon.done(&daemon.post(
            "/v2/interfaces",
            &json!({
                "action": "connect",
                "plugs": [{"snap": "boxed", "plug": "port"}],
                "slots": [{"snap": "board", "slot": "port"}],
            }),
        ));
        let (good, said) = pinion(&daemon, &["run", "boxed.sh", "-c", "ls /dev"]);
        assert!(good && said.contains("ttyS0"), "{said}");
        let (good, said) = pinion(&daemon, &["run", "boxed.bare", "-c", "ls /dev"]);
        assert!(good && !said.contains("ttyS0"), "{said}");
    }

    // in devmode nothing is kept from it, but its files are the base's
    let open = APP.replace("name: boxed", "name: open").replace(
        "  probe: {command: bin/probe, daemon: simple, plugs: [port]}\n",
        "",
    );
    let open = pack(
        &format!("{open}confinement: devmode\n"),
        &[
            ("bin/sh", "#!/bin/sh\nexec /bin/sh \"$@\"\n"),
            ("share/file", "of the snap\n"),
        ],
    );
    daemon.done(&daemon.post_form(
        "/v2/snaps",
        &[("devmode", "true")],
        &[("snap", "open.snap", &open)],
    ));
    let all = "cat /usr/lib/os-release; cat /opt/lay/file /etc/boxed.conf; ls /tmp /dev /var/snap; snapctl set seen=1 && echo good";
    let (good, said) = pinion(&daemon, &["run", "open.sh", "-c", all]);
    assert!(good, "{said}");
    for word in ["ID=small-base", "of the snap", "kmsg", "boxed", "good"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains("kept"), "{said}");

    // nothing of it shows outside, nothing stays
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let of_root = root.join("run").to_string_lossy().into_owned();
    assert!(!mounts.contains(&of_root), "{mounts}");
    daemon.done(&daemon.post("/v2/snaps/boxed", &json!({"action": "remove"})));
    let shared = [
        "run/snap.boxed",
        "run/lock/snap.boxed",
        "dev/shm/snap.boxed",
        "tmp/snap-private-tmp/snap.boxed",
    ];
    within(60, "what its apps shared is gone", || {
        shared.iter().all(|path| !root.join(path).exists())
    });
    let (good, said) = pinion(&daemon, &["check", "--deep"]);
    assert!(good, "{said}");
}
