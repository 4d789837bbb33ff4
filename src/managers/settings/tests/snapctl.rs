//! What `snapctl` keeps and whom it refuses; the rows of the contract's table (confinement, section 7) are asked of the
//! real agent, in `tests/integration/snapctl_table.rs`.

use super::*;

#[tokio::test]
async fn refusals_that_the_table_does_not_have() {
    let board = board(&[]);
    for (words, text) in [
        ("unset Bad_Key", "invalid option name: \"Bad_Key\""),
        (
            "set -t k=5x",
            "failed to parse JSON: invalid character 'x' after top-level value",
        ),
        (
            "set -t k=[1",
            "failed to parse JSON: unexpected end of JSON input",
        ),
    ] {
        assert_eq!(board.refused(words).await, text, "{words}");
    }
    let line = board.refused("line nosuch 1").await;
    assert!(line.contains("nothing named \"nosuch\" is connected"), "{line}");
}

#[tokio::test]
async fn health_is_kept_with_the_revision() {
    // contract: confinement, section 7
    let said = |board: &Board| {
        let world = board.store.world();
        let snap = SnapName::new("cf").expect("a name");
        let health = world.health_of(&snap, "x1".parse().expect("a revision"));
        health.map(|health| (health.status.word(), health.message.clone(), health.code.clone()))
    };
    let simple = board(&[]);
    simple
        .printed("set-health --code my-code blocked for-the-tide-to-turn")
        .await;
    assert_eq!(
        said(&simple),
        Some(("blocked", "for-the-tide-to-turn".into(), "my-code".into()))
    );
    let long = "ä".repeat(71);
    simple.printed(&format!("set-health error {long}")).await;
    let cut = format!("{}…", "ä".repeat(69));
    assert_eq!(said(&simple), Some(("error", cut, String::new())));
    simple.printed("set-health okay").await;
    assert_eq!(said(&simple), Some(("okay", String::new(), String::new())));

    let check = json!({"snap": "cf", "hook": "check-health", "optional": true});
    let silent = board(&[("check-health", "exit 0")]);
    assert_eq!(silent.hook(check.clone()).await.shown_status(), TaskStatus::Done);
    assert_eq!(
        said(&silent),
        Some((
            "unknown",
            "hook did not call set-health".into(),
            "snapd-hook-no-health-set".into()
        ))
    );
    let failing = board(&[("check-health", "exit 1")]);
    assert_eq!(
        failing.hook(check.clone()).await.shown_status(),
        TaskStatus::Error
    );
    assert_eq!(
        said(&failing),
        Some(("unknown", "hook failed".into(), "snapd-hook-failed".into()))
    );
    for (code, kept) in [("0", true), ("1", false)] {
        let board = board(&[("configure", WAITING)]);
        let patch = json!({"a": 1}).as_object().cloned().expect("a map");
        let plan = board.settings.plan_configure("cf", patch).expect("a plan");
        let id = board.engine.submit(plan).await.expect("submitted");
        let cookie = board.cookie().await;
        board.ctl(&cookie, "set-health okay").await.expect("said");
        assert_eq!(said(&board), None, "it counts once the hook has succeeded");
        std::fs::write(board.root.path().join("go"), code).expect("written");
        board.engine.wait(id).await.expect("it ends");
        assert_eq!(said(&board).is_some(), kept, "exit {code}");
    }
}

#[tokio::test]
async fn what_is_asked_in_a_hook() {
    // contract: confinement, section 7
    let board = board(&[("configure", WAITING)]);
    let patch = json!({"a": 1}).as_object().cloned().expect("a map");
    let plan = board.settings.plan_configure("cf", patch).expect("a plan");
    let id = board.engine.submit(plan).await.expect("submitted");
    let cookie = board.cookie().await;
    for words in ["refresh", "refresh --pending", "refresh --hold --proceed"] {
        let refused = board.ctl(&cookie, words).await.expect_err("refused");
        assert_eq!(refused, "can only be used from gate-auto-refresh hook", "{words}");
    }
    let shown = board.ctl(&cookie, "refresh --show-lock").await.expect("nothing");
    assert_eq!(shown, SnapctlOutput::default());
    // A service sets something while the hook runs: neither loses what it did.
    board.ctl(&cookie, "set mine=1").await.expect("set");
    board.printed("set theirs=1").await;
    std::fs::write(board.root.path().join("go"), "0").expect("written");
    board.engine.wait(id).await.expect("it ends");
    assert_eq!(board.kept(), json!({"a": 1, "mine": 1, "theirs": 1}));
}

#[tokio::test]
async fn users_other_than_root_may_only_look() {
    let board = board(&[]);
    let ask = async |who: &Requester, words: &[&str]| {
        let args: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        board.settings.snapctl(who, "", &args).await
    };
    let user = Requester {
        uid: Some(12345),
        role: Role::Nobody,
        ..root()
    };
    let fault = ask(&user, &["set", "a=1"]).await.expect_err("refused");
    assert_eq!(
        (fault.kind, fault.message.as_str()),
        (
            ErrorKind::Forbidden,
            "cannot use \"set\" with uid 12345, try with sudo"
        )
    );
    let fault = ask(&user, &["nosuch"])
        .await
        .expect_err("the user is looked at first");
    assert_eq!(
        fault.message,
        "cannot use \"nosuch\" with uid 12345, try with sudo"
    );
    assert!(ask(&user, &["get", "a"]).await.is_ok());
    for words in [["line", "relay", "1"], ["led", "status", "on"]] {
        let fault = ask(&user, &words).await.expect_err("driving is not looking");
        let wanted = format!("cannot use {:?} with uid 12345, try with sudo", words[0]);
        assert_eq!(fault.message, wanted);
    }
    let nobody = Requester { snap: None, ..root() };
    let fault = ask(&nobody, &["get", "a"]).await.expect_err("no snap");
    assert_eq!(
        fault.message,
        "cannot invoke snapctl operation commands (here \"get\") from outside of a snap"
    );
    assert!(ask(&nobody, &["get", "--help"]).await.is_ok());
    assert!(ask(&nobody, &["-h"]).await.is_ok());
}
