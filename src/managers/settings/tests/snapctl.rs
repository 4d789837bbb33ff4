//! The rows of the contract's table of `snapctl` (confinement, section 7).

use super::*;

#[tokio::test]
async fn snapctl_prints_what_scripts_know() {
    // contract: confinement, section 7
    let board = board(&[]);
    for words in [
        "set str=abc num=5 flt=1.5 boolv=true",
        "set doc={\"a\":1} arr=[1] big=12345678901234567890",
    ] {
        assert_eq!(board.printed(words).await, "", "{words}");
    }
    for (words, out) in [
        ("get str", "abc\n"),
        ("get num", "5\n"),
        ("get flt", "1.5\n"),
        ("get boolv", "true\n"),
        ("get big", "12345678901234567890\n"),
        ("get missing", "\n"),
        ("get doc.missing", "\n"),
        ("get doc", "{\n\t\"a\": 1\n}\n"),
        ("get -d missing", "{}\n"),
        ("get -d doc.a", "{\n\t\"doc.a\": 1\n}\n"),
        ("get num str nosuch", "{\n\t\"num\": 5,\n\t\"str\": \"abc\"\n}\n"),
        ("get -t str", "\"abc\"\n"),
        ("get -t num", "5\n"),
        ("get -t missing", "null\n"),
    ] {
        assert_eq!(board.printed(words).await, out, "{words}");
    }
    board.printed("set -s k=5").await;
    assert_eq!(board.printed("get -t k").await, "\"5\"\n");
    board.printed("set -t k=5").await;
    assert_eq!(board.printed("get -t k").await, "5\n");
    board.printed("set k!").await;
    assert_eq!(board.printed("get k").await, "\n");
    board.printed("unset str missing").await;
    assert_eq!(board.printed("get str").await, "\n");
    for (words, out) in [
        ("system-mode", "system-mode: run\n"),
        ("refresh", ""),
        ("refresh --show-lock", ""),
        (
            "refresh --pending",
            "pending: none\nbase: false\nrestart: false\n",
        ),
        ("services", ""),
    ] {
        assert_eq!(board.printed(words).await, out, "{words}");
    }
}

#[tokio::test]
async fn snapctl_refuses_in_the_words_of_the_contract() {
    // contract: confinement, section 7
    let board = board(&[]);
    board.printed("set str=abc").await;
    for (words, text) in [
        ("get", "get which option?"),
        ("get -x", "unknown flag `x'"),
        ("get --version", "unknown flag `version'"),
        ("get -d -t x", "cannot use -d and -t together"),
        ("get Bad_Key", "invalid option name: \"Bad_Key\""),
        ("get a..b", "invalid option name: \"\""),
        ("get j.k.0", "invalid option name: \"0\""),
        ("get str.sub", "snap \"cf\" option \"str\" is not a map"),
        (
            "get :plug x",
            "interface attributes can only be read during the execution of interface hooks",
        ),
        ("set", "set which option?"),
        ("set nokey", "invalid parameter: \"nokey\" (want key=value)"),
        ("set -s -t k=1", "cannot use -t and -s together"),
        ("unset", "unset which option?"),
        (
            "is-connected",
            "the required argument `<plug|slot>` was not provided",
        ),
        (
            "is-connected nosuch",
            "snap \"cf\" has no plug or slot named \"nosuch\"",
        ),
        ("services cf.nosuch", "unknown service: \"cf.nosuch\""),
        ("services other.snap", "unknown service: \"other.snap\""),
        (
            "start",
            "the required argument `<service> (at least 1 argument)` was not provided",
        ),
        // here the contract's daemon drops the command silently, or ends
        ("set a..b=1", "invalid option name: \"\""),
        ("set Bad_Key=1", "invalid option name: \"Bad_Key\""),
        ("set str.sub=1", "snap \"cf\" option \"str\" is not a map"),
        ("set =1", "invalid option name: \"\""),
        ("unset Bad_Key", "invalid option name: \"Bad_Key\""),
        (
            "set -t k=abc",
            "failed to parse JSON: invalid character 'a' looking for beginning of value",
        ),
        (
            "set -t k=5x",
            "failed to parse JSON: invalid character 'x' after top-level value",
        ),
        (
            "set -t k=[1",
            "failed to parse JSON: unexpected end of JSON input",
        ),
        (
            "model",
            "insufficient permissions to get model assertion for snap \"cf\"",
        ),
        (
            "set-health okay message",
            "when status is \"okay\", message and code must be empty",
        ),
        (
            "set-health waiting",
            "when status is not \"okay\", message is required",
        ),
        (
            "set-health blocked short",
            "message must be at least 7 characters long (got 5)",
        ),
        (
            "set-health blocked long-enough --code=Bad_Code",
            "invalid code \"Bad_Code\" (code must start with lowercase ASCII letters, and contain only ASCII letters and numbers, optionally separated by single dashes)",
        ),
        (
            "set-health unknown message",
            "status cannot be manually set to \"unknown\"",
        ),
        (
            "set-health bogus",
            "invalid status \"bogus\", must be one of \"unknown\", \"okay\", \"waiting\", \"blocked\", \"error\"",
        ),
        ("set-health", "the required argument `<status>` was not provided"),
        ("refresh --hold", "cannot hold outside of gate-auto-refresh hook"),
        (
            "refresh --pending --hold",
            "cannot hold outside of gate-auto-refresh hook",
        ),
        (
            "refresh --proceed",
            "cannot proceed: requires snap-refresh-control interface",
        ),
        (
            "refresh --hold --proceed",
            "cannot use --proceed and --hold together",
        ),
        (
            "mount -t tmpfs none /mnt",
            "snap \"cf\" lacks permissions to create the requested mount: no matching mount-control connection found",
        ),
        (
            "mount",
            "the required arguments `<what>` and `<where>` were not provided",
        ),
        ("umount", "the required argument `<where>` was not provided"),
        ("umount /mnt", "cannot find the given mount"),
        ("kmod", "Please specify one command of: insert or remove"),
        ("kmod insert", "the required argument `<module>` was not provided"),
        (
            "kmod insert dummy",
            "cannot load module \"dummy\": required interface not connected",
        ),
        (
            "kmod remove dummy",
            "cannot unload module \"dummy\": required interface not connected",
        ),
        (
            "reboot",
            "cannot use reboot command outside of gadget install-device hook",
        ),
        (
            "fde-setup-request",
            "cannot use fde-setup-request outside of the fde-setup hook",
        ),
        ("--version", "unknown flag `version'"),
        (
            "help",
            "Unknown command `help'. Please specify one command of: fde-setup-request, fde-setup-result, get, is-connected, kmod, model, mount, reboot, restart, services, set, set-health, start, stop, system-mode, umount or unset",
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
