//! Aliases by the unmodified `snap` command, and their links. What it must answer is in the contract: v2-observed,
//! sections 3 and 4; v2, Aliases.

use crate::support::snap::{Snap, has_snap, one_line, rows};
use serde_json::{Value, json};
use std::path::Path;

/// A snap with a command of its own name, another one, and a service. Base none, so nothing must be there before.
fn tool(snap: &Snap, name: &str, apps: &[&str]) -> String {
    let mut yaml = format!(
        "name: {name}\nversion: 1\nbase: snug\napps:\n  served: {{command: bin/x, daemon: simple, install-mode: disable}}\n"
    );
    for app in apps {
        yaml.push_str(&format!("  {app}: {{command: bin/x}}\n"));
    }
    snap.pack(
        name,
        &[
            ("meta/snap.yaml", &yaml),
            ("bin/x", "#!/bin/sh\nexec sleep 1000\n"),
        ],
    )
}

fn with_base() -> Snap {
    let snap = Snap::new();
    let base = snap.pack(
        "snug",
        &[("meta/snap.yaml", "name: snug\nversion: 1\ntype: base\n")],
    );
    snap.good(&format!("install --dangerous {base}"));
    snap
}

fn install(snap: &Snap, name: &str, apps: &[&str]) {
    let file = tool(snap, name, apps);
    snap.good(&format!("install --dangerous {file}"));
}

/// Where an alias leads to; `None` when there is none.
fn link(snap: &Snap, alias: &str) -> Option<String> {
    let target = std::fs::read_link(snap.path(&format!("snap/bin/{alias}"))).ok()?;
    Some(target.to_string_lossy().into_owned())
}

/// The last change: kind, summary, kinds of its tasks, data.
fn last_change(snap: &Snap) -> Value {
    let changes = snap.daemon.get("/v2/changes?select=all");
    let all = changes.result().as_array().unwrap();
    let number = |change: &&Value| change["id"].as_str().unwrap().parse::<u64>().unwrap();
    all.iter().max_by_key(number).unwrap().clone()
}

#[test]
fn given_and_taken() {
    if !has_snap("snap_aliases::given_and_taken") {
        return;
    }
    let snap = with_base();
    install(&snap, "hello-peer", &["hello", "hello-peer"]);
    assert!(one_line(&snap.run(&["aliases"]).2).starts_with("No aliases are currently defined."));

    assert_eq!(
        rows(&snap.good("alias hello-peer.hello hp")),
        ["Added:", "- hello-peer.hello as hp"]
    );
    assert_eq!(
        link(&snap, "hp").as_deref(),
        Some("hello-peer.hello"),
        "a relative link"
    );
    let change = last_change(&snap);
    assert_eq!(
        (&change["kind"], &change["summary"]),
        (
            &json!("alias"),
            &json!("Setup alias \"hp\" => \"hello\" for snap \"hello-peer\"")
        )
    );
    assert_eq!(change["tasks"][0]["kind"], "alias");
    assert_eq!(
        change["tasks"][0]["summary"],
        "Setup manual alias \"hp\" => \"hello\" for snap \"hello-peer\""
    );
    assert_eq!(
        change["data"],
        json!({"aliases-added": [{"snap": "hello-peer", "app": "hello", "alias": "hp"}]})
    );
    assert_eq!(
        rows(&snap.good("alias hello-peer own.way")),
        ["Added:", "- hello-peer as own.way"]
    );
    assert_eq!(
        snap.daemon.get("/v2/aliases").result(),
        &json!({"hello-peer": {
            "hp": {"command": "hello-peer.hello", "status": "manual", "manual": "hello"},
            "own.way": {"command": "hello-peer", "status": "manual", "manual": "hello-peer"},
        }})
    );
    assert_eq!(
        rows(&snap.good("aliases")),
        [
            "Command Alias Notes",
            "hello-peer own.way manual",
            "hello-peer.hello hp manual"
        ]
    );
    assert_eq!(rows(&snap.good("aliases hello-peer")).len(), 3);
    // The sentence is the command's own.
    let (code, _, none) = snap.run(&["aliases", "nosuch"]);
    assert_eq!(code, 0);
    assert!(
        none.contains("No aliases are currently defined for snap \"nosuch\"."),
        "{none}"
    );

    // contract: v2-observed: the snap command sends the same text as snap and as alias
    assert_eq!(
        rows(&snap.good("unalias hp")),
        ["Removed:", "- hello-peer.hello as hp"]
    );
    assert_eq!(link(&snap, "hp"), None);
    let change = last_change(&snap);
    assert_eq!(
        (&change["kind"], &change["summary"], &change["tasks"][0]["kind"]),
        (
            &json!("unalias"),
            &json!("Remove manual alias \"hp\" for snap \"hello-peer\""),
            &json!("unalias")
        )
    );
    snap.refused("unalias hp", "\"hp\"");
    snap.good("alias hello-peer.hello hp");
    assert_eq!(
        rows(&snap.good("unalias hello-peer")),
        ["Removed:", "- hello-peer.hello as hp", "- hello-peer as own.way"]
    );
    let change = last_change(&snap);
    assert_eq!(
        (&change["kind"], &change["summary"], &change["tasks"][0]["kind"]),
        (
            &json!("unalias"),
            &json!("Disable all aliases for snap \"hello-peer\""),
            &json!("disable-aliases")
        )
    );
    assert!(!snap.exists("snap/bin/own.way") && snap.exists("snap/bin/hello-peer"));
    assert_eq!(snap.good("prefer hello-peer"), "");
    let change = last_change(&snap);
    assert_eq!(
        (&change["kind"], &change["summary"], &change["tasks"][0]["kind"]),
        (
            &json!("prefer"),
            &json!("Prefer aliases of snap \"hello-peer\""),
            &json!("prefer-aliases")
        )
    );
}

#[test]
fn conflicts_and_bad_input() {
    if !has_snap("snap_aliases::conflicts_and_bad_input") {
        return;
    }
    let snap = with_base();
    install(&snap, "one-tool", &["run"]);
    install(&snap, "two-tool", &["run"]);
    snap.good("alias one-tool.run common");
    // contract: snaps-and-assertions, section 4, "Aliases": both conflicts are errors of the task; the words are ours
    snap.refused("alias two-tool.run common", "\"one-tool\"");
    assert_eq!(link(&snap, "common").as_deref(), Some("one-tool.run"), "it stays");
    for alias in ["one-tool", "one-tool.x", "two-tool.run", "snug"] {
        snap.refused(
            &format!("alias two-tool.run {alias}"),
            "cannot perform the following tasks:",
        );
    }
    snap.refused("alias two-tool.none x", "\"none\"");
    snap.refused("alias two-tool.served x", "\"served\"");
    snap.refused("alias two-tool.run a/b", "a/b");
    snap.refused("alias nosuch.run x", "error: snap \"nosuch\" is not installed");
    snap.refused("prefer nosuch", "error: snap \"nosuch\" is not installed");
    assert!(snap.path("snap/bin").read_dir().unwrap().all(|entry| {
        let name = entry.unwrap().file_name();
        ["common", "one-tool.run", "two-tool.run"]
            .iter()
            .any(|known| name == **known)
    }));
    // A new snap may not take the name of an alias.
    snap.good("alias one-tool.run third.x");
    let third = tool(&snap, "third", &["x"]);
    snap.refused(&format!("install --dangerous {third}"), "\"third.x\"");
    let post = |body: Value| {
        let answer = snap.daemon.post("/v2/aliases", &body);
        assert_eq!(answer.status, 400, "{answer:?}");
        (answer.message().to_owned(), answer.kind().to_owned())
    };
    let missing = post(json!({"action": "alias", "snap": "nosuch", "app": "a", "alias": "b"}));
    assert_eq!(missing.1, "snap-not-installed");
    // The words are ours; each names what is wrong.
    for (body, text) in [
        (json!({"action": "dance"}), "\"dance\""),
        (json!({"action": "alias", "aliases": ["x"]}), "aliases"),
        (json!(null), "action"),
        (json!([]), "body"),
        (json!({"action": "unalias"}), "alias"),
        (
            json!({"action": "unalias", "snap": "nosuch", "alias": "x"}),
            "\"nosuch\"",
        ),
        (
            json!({"action": "alias", "snap": "one-tool", "app": "run", "alias": "x".repeat(300)}),
            "alias",
        ),
    ] {
        let (message, _) = post(body.clone());
        assert!(message.contains(text), "{body}: {message}");
    }
    assert_eq!(snap.daemon.get("/v2/aliases").result()["two-tool"], Value::Null);
}

/// Disable, enable, a new revision, and the end of the snap.
#[test]
fn they_follow_their_snap() {
    if !has_snap("snap_aliases::they_follow_their_snap") {
        return;
    }
    let mut snap = with_base();
    install(&snap, "tool", &["run", "old"]);
    install(&snap, "other", &["run"]);
    snap.good("alias tool.run go");
    snap.good("alias tool.old gone");
    snap.good("disable tool");
    assert_eq!((link(&snap, "go"), link(&snap, "gone")), (None, None));
    // The name stays its own meanwhile.
    snap.refused("alias other.run go", "\"tool\"");
    snap.good("alias tool.run later");
    assert_eq!(link(&snap, "later"), None, "not before the snap is enabled");
    snap.good("enable tool");
    assert_eq!(link(&snap, "go").as_deref(), Some("tool.run"));
    assert_eq!(link(&snap, "later").as_deref(), Some("tool.run"));

    install(&snap, "tool", &["run", "new"]);
    assert_eq!(link(&snap, "go").as_deref(), Some("tool.run"));
    assert_eq!(link(&snap, "gone"), None, "its app is gone");
    assert_eq!(
        last_change(&snap)["data"]["aliases-removed"],
        json!([{"snap": "tool", "app": "old", "alias": "gone"}])
    );
    snap.good("revert tool");
    assert_eq!(link(&snap, "go").as_deref(), Some("tool.run"));
    assert_eq!(link(&snap, "gone"), None);

    // What somebody did to the links is mended at the next start, and named by the check.
    let go = snap.path("snap/bin/go");
    snap.daemon.stop();
    std::fs::remove_file(&go).unwrap();
    std::os::unix::fs::symlink("other.run", snap.path("snap/bin/stray")).unwrap();
    snap.daemon.launch();
    assert_eq!(link(&snap, "go").as_deref(), Some("tool.run"));
    assert_eq!(link(&snap, "stray"), None);
    std::fs::remove_file(&go).unwrap();
    std::os::unix::fs::symlink("other.run", &go).unwrap();
    let found = check(&snap.daemon.root());
    assert!(
        found.contains("/snap/bin/go does not lead to tool.run"),
        "{found}"
    );
    std::fs::remove_file(&go).unwrap();
    std::os::unix::fs::symlink("tool.run", &go).unwrap();
    assert_eq!(check(&snap.daemon.root()), "ok\n");

    snap.good("remove tool");
    assert_eq!((link(&snap, "go"), link(&snap, "later")), (None, None));
    assert_eq!(
        rows(&snap.good("alias other.run go")).len(),
        2,
        "the name is free again"
    );
    assert_eq!(snap.daemon.get("/v2/aliases").result()["tool"], Value::Null);
}

fn check(root: &Path) -> String {
    let output = std::process::Command::new(crate::support::daemon::binary())
        .args(["check", "--deep", "--root"])
        .arg(root)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
