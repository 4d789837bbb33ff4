//! Revisions of a snap by the unmodified `snap`: its exit codes and what is there afterwards (contract: v2-observed,
//! section 4, and the orders of tasks in section 3).

use crate::support::TestDaemon;
use crate::support::daemon::binary;
use crate::support::snap::{Snap, has_snap, one_line, rows};
use crate::support::snaps::pack;
use crate::support::somebody::{NOBODY, is_root};
use serde_json::{Value, json};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

fn app(snap: &Snap, version: &str) -> String {
    let yaml = format!(
        "name: hello-peer\nversion: {version}\nsummary: Hello\nbase: snug\napps:\n  hello: {{command: bin/hello}}\n"
    );
    snap.pack(
        &format!("hello-peer_{version}"),
        &[
            ("meta/snap.yaml", &yaml),
            ("bin/hello", "#!/bin/sh\necho hello $SNAP_VERSION\n"),
        ],
    )
}

fn base(snap: &Snap) -> String {
    snap.pack(
        "snug",
        &[("meta/snap.yaml", "name: snug\nversion: 1\ntype: base\n")],
    )
}

/// A base and two revisions of an app.
fn installed_twice(snap: &Snap) {
    let (base, one, two) = (base(snap), app(snap, "1.0"), app(snap, "2.0"));
    snap.good(&format!("install --dangerous {base}"));
    snap.good(&format!("install --dangerous {one}"));
    snap.good(&format!("install --dangerous {two}"));
}

fn shown(snap: &Snap) -> Value {
    snap.daemon.get("/v2/snaps/hello-peer").result().clone()
}

/// The newest change.
fn last(snap: &Snap) -> Value {
    let changes = snap.daemon.get("/v2/changes?select=all").result().clone();
    let newest = changes.as_array().unwrap().iter().max_by_key(|change| {
        let id: u64 = change["id"].as_str().unwrap().parse().unwrap();
        id
    });
    newest.unwrap().clone()
}

fn kinds(change: &Value) -> Vec<&str> {
    let mut tasks: Vec<&Value> = change["tasks"].as_array().unwrap().iter().collect();
    tasks.sort_by_key(|task| task["id"].as_str().unwrap().parse::<u64>().unwrap());
    tasks.iter().map(|task| task["kind"].as_str().unwrap()).collect()
}

fn says(snap: &Snap) -> String {
    let program = snap.path("snap/bin/hello-peer.hello");
    let run = std::process::Command::new(program).output().unwrap();
    String::from_utf8_lossy(&run.stdout).into_owned()
}

#[test]
fn install_over_revert_and_remove_of_one() {
    if !has_snap("snap_revisions::install_over_revert_and_remove_of_one") {
        return;
    }
    let snap = Snap::new();
    let (base, one, two) = (base(&snap), app(&snap, "1.0"), app(&snap, "2.0"));
    snap.good(&format!("install --dangerous {base}"));
    snap.good(&format!("install --dangerous {one}"));
    snap.refused("revert hello-peer", "error: no revision to revert to");
    std::fs::write(snap.path("var/snap/hello-peer/x1/kept"), "by 1.0").unwrap();
    assert_eq!(
        one_line(&snap.good(&format!("install --dangerous {two}"))),
        "hello-peer 2.0 installed"
    );
    // contract: v2-observed, section 3, "sideload over an installed snap"
    assert_eq!(
        kinds(&last(&snap)),
        [
            "prerequisites",
            "prepare-snap",
            "mount-snap",
            "run-hook",
            "stop-snap-services",
            "remove-aliases",
            "unlink-current-snap",
            "copy-snap-data",
            "setup-profiles",
            "link-snap",
            "auto-connect",
            "set-auto-aliases",
            "setup-aliases",
            "run-hook",
            "start-snap-services",
            "cleanup",
            "run-hook",
            "run-hook"
        ]
    );
    assert_eq!(says(&snap), "hello 2.0\n");
    let kept = snap.path("var/snap/hello-peer/x2/kept");
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "by 1.0");
    std::fs::write(&kept, "by 2.0").unwrap();
    let all = rows(&snap.good("list --all"));
    assert_eq!(
        all[1..],
        [
            "hello-peer 1.0 x1 - - disabled",
            "hello-peer 2.0 x2 - - -",
            "snug 1 x1 - - base"
        ]
    );

    assert_eq!(
        one_line(&snap.good("revert hello-peer")),
        "hello-peer reverted to 1.0"
    );
    let change = last(&snap);
    assert_eq!(
        (&change["kind"], &change["summary"]),
        (&json!("revert-snap"), &json!("Revert \"hello-peer\" snap"))
    );
    // contract: v2-observed, section 3, "revert"
    assert_eq!(
        kinds(&change),
        [
            "prerequisites",
            "prepare-snap",
            "stop-snap-services",
            "remove-aliases",
            "unlink-current-snap",
            "setup-profiles",
            "link-snap",
            "auto-connect",
            "set-auto-aliases",
            "setup-aliases",
            "start-snap-services",
            "run-hook",
            "run-hook"
        ]
    );
    assert_eq!(says(&snap), "hello 1.0\n");
    let data = snap.path("var/snap/hello-peer/current/kept");
    assert_eq!(
        std::fs::read_to_string(data).unwrap(),
        "by 1.0",
        "the old data as it was left"
    );
    let all = rows(&snap.good("list --all"));
    assert_eq!(
        all[1..3],
        ["hello-peer 1.0 x1 - - -", "hello-peer 2.0 x2 - - disabled"]
    );
    snap.refused(
        "revert --revision=x1 hello-peer",
        "error: already on requested revision",
    );
    snap.refused("revert --revision=x9 hello-peer", "x9");
    snap.refused("revert nosuch", "error: no revision to revert to");
    snap.refused(
        "remove --revision=x1 hello-peer",
        "error: cannot remove active revision x1 of snap \"hello-peer\" (revert first?)",
    );
    assert_eq!(
        one_line(&snap.good("revert --revision=x2 hello-peer")),
        "hello-peer reverted to 2.0"
    );
    assert_eq!(
        one_line(&snap.good("remove --revision=x1 hello-peer")),
        "hello-peer (revision x1) removed"
    );
    assert_eq!(kinds(&last(&snap)), ["clear-snap", "discard-snap"]);
    assert!(!snap.exists("var/snap/hello-peer/x1") && !snap.exists("snap/hello-peer/x1"));
    assert!(snap.exists("var/snap/hello-peer/x2") && snap.exists("snap/hello-peer/x2"));
    assert_eq!(rows(&snap.good("list --all")).len(), 3);

    let (code, _, stderr) = snap.run(&["remove", "nosuch"]);
    assert_eq!(code, 0, "{stderr}");
    snap.refused("remove snug", "hello-peer");
    assert_eq!(
        one_line(&snap.good("remove --purge hello-peer")),
        "hello-peer removed"
    );
    assert!(!snap.exists("var/snap/hello-peer") && !snap.exists("snap/hello-peer"));
}

#[test]
fn a_refresh_after_a_revert_and_old_revisions() {
    if !has_snap("snap_revisions::a_refresh_after_a_revert_and_old_revisions") {
        return;
    }
    let snap = Snap::new();
    installed_twice(&snap);
    snap.good("revert hello-peer");
    let three = app(&snap, "3.0");
    snap.good(&format!("install --dangerous {three}"));
    // the revision that was reverted from goes, the local number goes on
    let all = rows(&snap.good("list --all"));
    assert_eq!(
        all[1..3],
        ["hello-peer 1.0 x1 - - disabled", "hello-peer 3.0 x3 - - -"]
    );
    let four = app(&snap, "4.0");
    snap.good(&format!("install --dangerous {four}"));
    let change = last(&snap);
    let seen = kinds(&change);
    let start = seen
        .iter()
        .position(|kind| *kind == "start-snap-services")
        .unwrap();
    assert_eq!(
        seen[start + 1..start + 4],
        ["clear-snap", "discard-snap", "cleanup"]
    );
    let kept = if snap.daemon.get("/v2/system-info").result()["on-classic"] == true {
        2
    } else {
        3
    };
    assert_eq!(rows(&snap.good("list --all")).len(), 2 + kept, "refresh.retain");
}

#[test]
fn disable_enable_and_switch() {
    if !has_snap("snap_revisions::disable_enable_and_switch") {
        return;
    }
    let snap = Snap::new();
    installed_twice(&snap);
    assert_eq!(one_line(&snap.good("disable hello-peer")), "hello-peer disabled");
    assert!(!snap.exists("snap/bin/hello-peer.hello") && !snap.exists("snap/hello-peer/current"));
    assert_eq!(
        rows(&snap.good("list hello-peer"))[1],
        "hello-peer 2.0 x2 - - disabled"
    );
    snap.refused("disable hello-peer", "snap \"hello-peer\" already disabled");
    snap.refused("revert hello-peer", "cannot revert inactive snaps");
    let answer = snap.daemon.get("/v2/snaps/hello-peer/file");
    assert_eq!(answer.status, 400, "no file of an inactive snap: {answer:?}");
    assert_eq!(one_line(&snap.good("enable hello-peer")), "hello-peer enabled");
    assert_eq!(says(&snap), "hello 2.0\n");
    snap.refused("enable hello-peer", "snap \"hello-peer\" already enabled");

    let switched = one_line(&snap.good("switch --channel=edge hello-peer"));
    assert_eq!(switched, "\"hello-peer\" switched to the \"latest/edge\" channel");
    let change = last(&snap);
    assert_eq!(
        change["summary"],
        "Switch \"hello-peer\" snap to channel \"edge\""
    );
    assert_eq!(kinds(&change), ["switch-snap"]);
    assert_eq!(shown(&snap)["tracking-channel"], "latest/edge");
    assert_eq!(
        rows(&snap.good("list hello-peer"))[1],
        "hello-peer 2.0 x2 latest/edge - -"
    );
    snap.good("switch --cohort=xx hello-peer");
    assert_eq!(
        last(&snap)["summary"],
        "Switch \"hello-peer\" snap to cohort \"xx\""
    );
    assert_eq!(shown(&snap)["cohort-key"], "xx");
    snap.good("switch --leave-cohort hello-peer");
    assert_eq!(shown(&snap).get("cohort-key"), None);
    assert_eq!(shown(&snap)["tracking-channel"], "latest/edge");
    snap.refused("switch --channel=a/b/c hello-peer", "error:");
    snap.refused("switch --channel=edge nosuch", "snap \"nosuch\" is not installed");
}

#[test]
fn refresh_info_and_removal_of_two() {
    if !has_snap("snap_revisions::refresh_info_and_removal_of_two") {
        return;
    }
    let snap = Snap::new();
    installed_twice(&snap);
    let (code, stdout, stderr) = snap.run(&["refresh"]);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    assert!(stderr.contains("All snaps up to date."), "{stderr}");
    let change = last(&snap);
    assert_eq!(
        (&change["kind"], &change["status"], change.get("tasks")),
        (&json!("refresh-snap"), &json!("Done"), None)
    );
    assert_eq!(change["summary"], "Refresh all snaps: no updates");
    snap.good("refresh --list");
    snap.good("refresh --time");
    snap.refused("refresh hello-peer", "error:");
    snap.refused("refresh --amend hello-peer", "error:");
    snap.refused("install hello", "error:");
    let info = snap.good("info hello-peer");
    for line in ["name: hello-peer", "installed: 2.0 (x2)", "- hello-peer.hello"] {
        let lines: Vec<String> = rows(&info);
        assert!(
            lines.iter().any(|have| have.starts_with(line)),
            "no {line:?} in {info}"
        );
    }
    assert_eq!(
        rows(&snap.good("remove hello-peer snug")),
        ["hello-peer removed", "snug removed"]
    );
    assert_eq!(*snap.daemon.get("/v2/snaps?select=all").result(), json!([]));
}

#[test]
fn a_folder_is_tried() {
    if !has_snap("snap_revisions::a_folder_is_tried") {
        return;
    }
    let snap = Snap::new();
    installed_twice(&snap);
    let folder = snap.daemon.scratch().join("sources/hello-peer_1.0");
    let line = format!("try {}", folder.display());
    let tried = one_line(&snap.good(&line));
    assert!(tried.starts_with("hello-peer 1.0 mounted from"), "{tried}");
    let change = last(&snap);
    assert_eq!(change["kind"], "try-snap");
    assert_eq!(
        change["summary"],
        format!("Try \"hello-peer\" snap from {}", folder.display())
    );
    assert_eq!(change["data"]["snap-name"], "hello-peer");
    let snap_shown = shown(&snap);
    assert_eq!(
        (&snap_shown["trymode"], &snap_shown["revision"]),
        (&json!(true), &json!("x3"))
    );
    let real = folder.canonicalize().unwrap();
    assert_eq!(Path::new(snap_shown["mounted-from"].as_str().unwrap()), real);
    assert_eq!(
        rows(&snap.good("list hello-peer"))[1],
        "hello-peer 1.0 x3 - - try"
    );
    // what is changed in the folder is seen at once
    std::fs::write(folder.join("bin/hello"), "#!/bin/sh\necho changed\n").unwrap();
    assert_eq!(says(&snap), "changed\n");
    assert_eq!(snap.daemon.get("/v2/snaps/hello-peer/file").status, 400);

    let aside = folder.with_file_name("aside");
    std::fs::create_dir(&aside).unwrap();
    for name in ["meta", "bin"] {
        std::fs::rename(folder.join(name), aside.join(name)).unwrap();
    }
    std::fs::remove_dir(&folder).unwrap();
    let broken = shown(&snap)["broken"].as_str().unwrap().to_owned();
    assert!(broken.contains("is gone"), "{broken}");
    assert_eq!(
        rows(&snap.good("list hello-peer"))[1],
        "hello-peer 1.0 x3 - - try,broken"
    );
    snap.good("revert hello-peer");
    assert_eq!(says(&snap), "hello 2.0\n");
    assert_eq!(shown(&snap).get("broken"), None);

    let empty = snap.daemon.scratch().join("empty");
    std::fs::create_dir(&empty).unwrap();
    snap.refused(
        &format!("try {}", empty.display()),
        "does not contain an unpacked snap",
    );
    snap.refused("try /nonexistent/folder", "error:");
    let answer = snap.daemon.post_form(
        "/v2/snaps",
        &[("action", "try"), ("snap-path", &empty.to_string_lossy())],
        &[],
    );
    assert_eq!((answer.status, answer.kind()), (400, "snap-not-a-snap"));
}

#[test]
fn confinement_is_asked_for() {
    if !has_snap("snap_revisions::confinement_is_asked_for") {
        return;
    }
    let snap = Snap::new();
    let devmode = snap.pack(
        "open-peer",
        &[(
            "meta/snap.yaml",
            "name: open-peer\nversion: 1\nbase: none\nconfinement: devmode\n",
        )],
    );
    let strict = snap.pack(
        "shut-peer",
        &[("meta/snap.yaml", "name: shut-peer\nversion: 1\nbase: none\n")],
    );
    snap.refused(&format!("install --dangerous {devmode}"), "devmode");
    snap.good(&format!("install --devmode {devmode}"));
    snap.good(&format!("install --dangerous --jailmode {strict}"));
    snap.refused(&format!("install --devmode --jailmode {strict}"), "jailmode");
    let list = rows(&snap.good("list"));
    assert_eq!(
        list[1..],
        ["open-peer 1 x1 - - devmode", "shut-peer 1 x1 - - jailmode"]
    );
    let answer = snap.daemon.get("/v2/snaps/open-peer");
    let one = answer.result();
    assert_eq!(
        (&one["confinement"], &one["devmode"], &one["jailmode"]),
        (&json!("devmode"), &json!(true), &json!(false))
    );
    assert_eq!(snap.daemon.get("/v2/snaps/shut-peer").result()["jailmode"], true);
}

/// contract: confinement, section 2.3; without a mount namespace there is a warning instead
#[test]
fn layouts_are_applied_or_it_is_said() {
    let snap = Snap::new();
    let base = base(&snap);
    let place = "/opt/pinion-layout-of-a-test";
    let yaml = format!(
        "name: lay-peer\nversion: 1\nbase: snug\napps:\n  lay-peer: {{command: bin/show}}\nlayout:\n  \
         {place}: {{bind: $SNAP/share}}\n"
    );
    let script = format!("#!/bin/sh\ncat {place}/file\n");
    let app = snap.pack(
        "lay-peer",
        &[
            ("meta/snap.yaml", &yaml),
            ("bin/show", &script),
            ("share/file", "seen\n"),
        ],
    );
    for file in [&base, &app] {
        let content = std::fs::read(file).unwrap();
        snap.daemon.install(&[("a.snap", &content)]);
    }
    let warnings = snap.daemon.get("/v2/warnings").result().to_string();
    let run = std::process::Command::new(snap.path("snap/bin/lay-peer"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    if is_root() {
        assert_eq!(said, "seen\n", "{run:?}");
        assert!(!warnings.contains("layouts"), "{warnings}");
        assert!(!Path::new(place).exists(), "the host has no such folder");
    } else {
        assert_eq!(said, "");
        assert!(
            warnings.contains("the layouts of snap \\\"lay-peer\\\" are not applied"),
            "{warnings}"
        );
    }
}

/// An agent that is not root says so in a warning.
#[test]
fn layouts_of_an_agent_without_rights() {
    if !is_root() {
        println!(
            "skipped: snap_revisions::layouts_of_an_agent_without_rights: only root can start the agent as somebody else"
        );
        return;
    }
    let daemon = TestDaemon::start_as(NOBODY);
    let base = pack("name: snug\nversion: '1'\ntype: base\n", &[]);
    let yaml = "name: lay-peer\nversion: '1'\nbase: snug\nlayout:\n  /opt/lay: {bind: $SNAP/share}\n  /opt/kept: {type: tmpfs}\n";
    let app = pack(yaml, &[("share/file", "seen\n")]);
    for (name, content) in [("base.snap", base), ("app.snap", app)] {
        let file = daemon.scratch().join(name);
        std::fs::write(&file, content).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        let run = Command::new(daemon.scratch().join("pinion"))
            .arg("--root")
            .arg(daemon.root())
            .args(["install", "--dangerous"])
            .arg(&file)
            .uid(NOBODY)
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    }
    let said = "the layouts of snap \"lay-peer\" are not applied, because the agent does not run as root: \
                /opt/kept, /opt/lay";
    let shown = Command::new(daemon.scratch().join("pinion"))
        .arg("--root")
        .arg(daemon.root())
        .arg("warnings")
        .uid(NOBODY)
        .output()
        .unwrap();
    let warnings = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(one_line(&warnings).contains(said), "{warnings}");
}

/// The agent's own command has the same, with its own words.
#[test]
fn our_own_command_has_them_too() {
    let snap = Snap::new();
    let (base, one, two) = (base(&snap), app(&snap, "1.0"), app(&snap, "2.0"));
    let root = snap.daemon.root().to_string_lossy().into_owned();
    let pinion = |line: &str| {
        let run = std::process::Command::new(binary())
            .args(["--root", &root])
            .args(line.split(' '))
            .output()
            .unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&run.stdout),
            String::from_utf8_lossy(&run.stderr)
        );
        (run.status.code().unwrap(), one_line(&said))
    };
    for file in [&base, &one, &two] {
        assert_eq!(pinion(&format!("install --dangerous {file}")).0, 0);
    }
    let folder = snap.daemon.scratch().join("sources/hello-peer_1.0");
    let table = [
        ("revert hello-peer", 0, "hello-peer reverted to 1.0"),
        ("revert hello-peer", 1, "no revision to revert to"),
        ("revert --revision x2 hello-peer", 0, "hello-peer reverted to 2.0"),
        ("disable hello-peer", 0, "hello-peer disabled"),
        ("disable hello-peer", 1, "already disabled"),
        ("enable hello-peer", 0, "hello-peer enabled"),
        (
            "switch --channel edge hello-peer",
            0,
            "hello-peer follows latest/edge",
        ),
        (
            "switch --cohort xx hello-peer",
            0,
            "hello-peer follows latest/edge",
        ),
        ("switch hello-peer", 1, "give a channel"),
        ("switch --channel edge nosuch", 1, "is not installed"),
        ("refresh", 0, "All snaps up to date."),
        ("refresh hello-peer", 1, "install a newer file over it"),
        ("try /nonexistent/folder", 1, "cannot try"),
    ];
    for (line, code, text) in table {
        let (was, said) = pinion(line);
        assert_eq!(was, code, "pinion {line}: {said}");
        assert!(said.contains(text), "pinion {line}: no {text:?} in {said:?}");
    }
    let (code, said) = pinion(&format!("try {}", folder.display()));
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("hello-peer is tried from "), "{said}");
    assert_eq!(shown(&snap)["trymode"], true);
    assert_eq!(shown(&snap)["cohort-key"], "xx");
}

/// contract: confinement, section 1.6, "Refresh of a snap with a running app"
#[test]
fn a_snap_in_use_is_not_refreshed() {
    if !is_root() {
        println!("skipped: snap_revisions::a_snap_in_use_is_not_refreshed: needs root for control groups");
        return;
    }
    let snap = Snap::new();
    let base = base(&snap);
    let waits = snap.pack(
        "busy-peer",
        &[
            (
                "meta/snap.yaml",
                "name: busy-peer\nversion: 1\nbase: snug\napps:\n  sh: {command: bin/wait}\n",
            ),
            ("bin/wait", "#!/bin/sh\necho here\nexec sleep 1000\n"),
        ],
    );
    let files: Vec<Vec<u8>> = [&base, &waits]
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    snap.daemon
        .install(&[("b.snap", &files[0]), ("w.snap", &files[1])]);
    let mut app = std::process::Command::new(snap.path("snap/bin/busy-peer.sh"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 5];
    app.stdout.take().unwrap().read_exact(&mut said).unwrap();
    let tracked = std::fs::read_to_string(format!("/proc/{}/cgroup", app.id())).unwrap();
    let send = |ignore: &str| {
        let fields = [("dangerous", "true"), ("ignore-running", ignore)];
        snap.daemon
            .post_form("/v2/snaps", &fields, &[("snap", "w.snap", &files[1])])
    };
    let refused = send("false");
    if tracked.contains("snap.busy-peer.sh") {
        let text = format!(
            "cannot install snap file: snap \"busy-peer\" has running apps (sh), pids: {}",
            app.id()
        );
        assert_eq!((refused.status, refused.message()), (400, text.as_str()));
        snap.daemon.done(&send("true"));
        assert_eq!(snap.daemon.get("/v2/snaps/busy-peer").result()["revision"], "x2");
    } else {
        println!("skipped: snap_revisions::a_snap_in_use_is_not_refreshed: there are no control groups");
        snap.daemon.done(&refused);
    }
    app.kill().unwrap();
    app.wait().unwrap();
    snap.daemon.done(&send("false"));
}
