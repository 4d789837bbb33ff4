//! What the unmodified `snap` command looks into and tries out: debug, warnings, okay, changes, and lists of what is
//! not there. The exit codes are those of the contract: v2-observed, section 4.

use crate::support::snap::{Snap, has_snap, one_line, rows};
use serde_json::{Value, json};

#[test]
fn debug() {
    if !has_snap("snap_debug::debug") {
        return;
    }
    let snap = Snap::new();
    assert_eq!(snap.good("debug confinement"), "partial\n");
    assert!(
        snap.good("debug sandbox-features")
            .contains("confinement-options:")
    );
    assert_eq!(snap.good("debug ensure-state-soon"), "");
    assert_eq!(snap.good("debug can-manage-refreshes"), "false\n");
    assert!(rows(&snap.good("debug seeding"))[0].starts_with("seeded: true"));
    assert!(snap.good("debug paths").contains("SNAPD_MOUNT="));
    let threads = snap.good("debug stacktraces");
    assert!(
        threads.contains("store: "),
        "the writer of the state is among them: {threads}"
    );
    // The exit codes are the contract's, the words are ours.
    snap.refused("debug timings 1", "error: ");
    snap.refused("debug timings 77", "\"77\"");
    snap.refused("debug connectivity", "error: ");
    let (code, _, stderr) = snap.run(&["debug", "api", "/v2/system-info"]);
    assert_eq!(code, 64, "the command itself does not know it: {stderr}");
    // Without assertions there is neither a model nor a base declaration.
    snap.refused("debug model", "error: ");
    snap.refused("debug get-base-declaration", "error: ");
    snap.refused("model", "error: ");

    let post = |body: Value| snap.daemon.post("/v2/debug", &body);
    assert_eq!(post(json!({"action": "prune"})).result(), &json!(true));
    for (body, text) in [
        (json!({"action": "dance"}), "\"dance\""),
        (json!(null), "action"),
        (json!({"action": "add-warning"}), "text"),
        (json!({"action": "add-warning", "message": " \n"}), "text"),
    ] {
        let answer = post(body);
        assert_eq!(answer.status, 400);
        assert!(answer.message().contains(text), "{}", answer.message());
    }
    let answer = snap.daemon.get("/v2/debug?aspect=weather");
    assert_eq!(answer.status, 400);
    assert!(answer.message().contains("\"weather\""));
    let features = snap.daemon.get("/v2/debug?aspect=features").result().clone();
    assert!(
        features["tasks"]
            .as_array()
            .unwrap()
            .contains(&json!({"kind": "alias", "has-undo": true}))
    );
    assert!(
        features["interfaces"]
            .as_array()
            .unwrap()
            .contains(&json!("gpio"))
    );
    assert!(
        features["endpoints"]
            .as_array()
            .unwrap()
            .contains(&json!({"method": "POST", "path": "/v2/debug"}))
    );
}

/// contract: v2, Warnings. The remarks at the end of other commands, and "No warnings.", are the command's own.
#[test]
fn warnings() {
    if !has_snap("snap_debug::warnings") {
        return;
    }
    let snap = Snap::new();
    assert_eq!(snap.good("warnings"), "No warnings.\n");
    snap.refused(
        "okay",
        "error: you must have looked at the warnings before acknowledging them. Try 'snap warnings'.",
    );
    let warn = |text: &str| {
        let answer = snap
            .daemon
            .post("/v2/debug", &json!({"action": "add-warning", "message": text}));
        assert_eq!(answer.result(), &json!(true));
    };
    warn("the first");
    warn("  the second\n");
    let answer = snap.daemon.get("/v2/changes");
    assert_eq!(answer.body["warning-count"], 2);
    let all = snap.daemon.get("/v2/warnings").result().clone();
    assert_eq!(
        answer.body["warning-timestamp"], all[1]["last-added"],
        "the newest"
    );
    assert_eq!(
        (&all[0]["message"], &all[1]["message"]),
        (&json!("the first"), &json!("the second"))
    );
    assert_eq!(
        (
            &all[0]["expire-after"],
            &all[0]["repeat-after"],
            all[0].get("last-shown")
        ),
        (&json!("672h0m0s"), &json!("24h0m0s"), None)
    );
    let missing = snap.daemon.get("/v2/nosuch");
    assert_eq!(missing.body.get("warning-count"), None, "not on errors");
    let (_, _, remark) = snap.run(&["changes"]);
    assert!(
        one_line(&remark).contains("There are 2 new warnings. See 'snap warnings'."),
        "{remark}"
    );

    let shown = snap.good("warnings");
    assert!(
        shown.contains("the first") && shown.contains("the second"),
        "{shown}"
    );
    // What came after the look is not acknowledged with it.
    warn("the third");
    assert_eq!(snap.good("okay"), "");
    let left = snap.daemon.get("/v2/warnings").result().clone();
    assert_eq!(left.as_array().unwrap().len(), 1, "{left:#}");
    assert_eq!(left[0]["message"], "the third");
    assert_eq!(snap.daemon.get("/").body["warning-count"], 1);
    let kept = snap.daemon.get("/v2/warnings?select=all").result().clone();
    assert_eq!(kept.as_array().unwrap().len(), 3);
    assert!(kept[0]["last-shown"].is_string());
    assert!(rows(&snap.good("warnings --all")).len() > 3);
    // Raised again within a day it stays quiet; unshown it speaks again.
    warn("the first");
    assert_eq!(snap.daemon.get("/").body["warning-count"], 1);
    snap.daemon
        .post("/v2/debug", &json!({"action": "unshow-warnings"}));
    assert_eq!(snap.daemon.get("/").body["warning-count"], 3);

    let post = |body: Value| snap.daemon.post("/v2/warnings", &body);
    for body in [
        json!({"action": "okay", "timestamp": "now"}),
        json!({"action": "okay"}),
        json!({"action": "dance", "timestamp": "2124-01-01T00:00:00Z"}),
    ] {
        assert_eq!(post(body.clone()).status, 400, "{body}");
    }
    assert_eq!(snap.daemon.get("/v2/warnings?select=some").status, 400);
    let okay = json!({"action": "okay", "timestamp": "2001-01-01T00:00:00Z"});
    assert_eq!(post(okay).result(), &json!(0), "none was there then");
    let okay = json!({"action": "okay", "timestamp": "2124-01-01T00:00:00+01:00"});
    assert_eq!(post(okay).result(), &json!(3));
    assert_eq!(snap.good("warnings"), "No further warnings.\n");
}

/// Lists of what a device without assertions, snapshots and quotas has none of.
#[test]
fn empty_lists() {
    if !has_snap("snap_debug::empty_lists") {
        return;
    }
    let snap = Snap::new();
    let said = |line: &str| {
        let (code, out, err) = snap.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(code, 0, "snap {line}: {out}{err}");
        one_line(&format!("{out}{err}"))
    };
    assert_eq!(said("saved"), "No snapshots found.");
    assert_eq!(said("quotas"), "No quota groups defined.");
    assert_eq!(said("validate"), "No validations are available");
    assert_eq!(snap.daemon.get("/v2/systems").result(), &json!({}));
    assert!(snap.good("recovery").is_empty() || said("recovery").contains("No recovery systems"));
    assert_eq!(said("managed"), "false");
    assert_eq!(said("refresh --list"), "All snaps up to date.");
}
