//! Configuration by the unmodified `snap` command and by requests (contract: v2-observed, section 4; v2, section 7).

use crate::support::snap::{Snap, has_snap, rows, words};
use crate::support::snaps::{BASE, pack};
use crate::support::{Request, TestDaemon};
use serde_json::{Value, json};

const YAML: &str = "name: svc-peer\nversion: '1'\nbase: test-base\n";

/// A configure hook that takes everything but a bad mood.
const HOOK: &str = "#!/bin/sh\n[ \"$(snapctl get mood)\" != bad ] || { echo no bad moods; exit 1; }\n";

fn installed(daemon: &TestDaemon) {
    let snap = pack(YAML, &[("meta/hooks/configure", HOOK)]);
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    daemon.install(&[("svc-peer.snap", &snap)]);
}

#[test]
fn get_set_unset() {
    if !has_snap("snap_settings::get_set_unset") {
        return;
    }
    let snap = Snap::new();
    installed(&snap.daemon);
    assert_eq!(snap.good("set svc-peer a=1 b.c=x d={\"e\":[1]}"), "");
    assert_eq!(
        rows(&snap.good("get -l svc-peer")),
        ["Key Value", "a 1", "b {...}", "d {...}"]
    );
    assert_eq!(
        snap.good("get -d svc-peer a b"),
        "{\n\t\"a\": 1,\n\t\"b\": {\n\t\t\"c\": \"x\"\n\t}\n}\n"
    );
    assert_eq!(snap.good("get svc-peer a"), "1\n");
    assert_eq!(snap.good("get svc-peer b.c"), "x\n");
    assert_eq!(snap.good("get -t svc-peer b.c"), "\"x\"\n");
    snap.refused(
        "get svc-peer nosuch",
        "error: snap \"svc-peer\" has no \"nosuch\" configuration option",
    );
    assert_eq!(snap.good("unset svc-peer a"), "");
    snap.refused("get svc-peer a", "has no \"a\" configuration option");
    assert_eq!(snap.good("set svc-peer b!"), "");
    assert_eq!(rows(&snap.good("get -l svc-peer")), ["Key Value", "d {...}"]);
    snap.refused("set svc-peer mood=bad", "(run hook \"configure\": no bad moods)");
    snap.refused("get svc-peer mood", "has no \"mood\" configuration option");
    snap.refused(
        "set svc-peer d.e.f=1",
        "snap \"svc-peer\" option \"d.e\" is not a map",
    );
    snap.refused("set svc-peer Bad_Key=1", "invalid option name: \"Bad_Key\"");
    snap.refused("set nosuch a=1", "error: snap \"nosuch\" not found");
    let tasks = rows(&snap.good("tasks --last=configure"));
    assert!(
        tasks[1].ends_with("Run configure hook of \"svc-peer\" snap"),
        "{tasks:?}"
    );
    let change = snap.good("set --no-wait svc-peer a=2");
    snap.good(&format!("watch {}", change.trim()));
    assert_eq!(snap.good("get svc-peer a"), "2\n");

    let plain = snap.pack(
        "plain",
        &[("meta/snap.yaml", "name: plain\nversion: 1\nbase: none\n")],
    );
    snap.good(&format!("install --dangerous {plain}"));
    snap.refused("set plain a=1", "snap \"plain\" has no \"configure\" hook");
    assert_eq!(snap.run(&words("get plain")).0, 1, "there is no configuration");
}

#[test]
fn the_system_is_configured() {
    if !has_snap("snap_settings::the_system_is_configured") {
        return;
    }
    let snap = Snap::new();
    assert_eq!(snap.good("wait system seed.loaded"), "");
    assert_eq!(snap.good("set system refresh.retain=3"), "");
    assert_eq!(snap.good("get system refresh.retain"), "3\n");
    assert_eq!(
        rows(&snap.good("get -l system")),
        ["Key Value", "refresh {...}", "seed {...}"]
    );
    assert_eq!(snap.good("set system experimental.quota-groups=true"), "");
    let tasks = snap.good("tasks --last=configure");
    assert!(
        tasks.contains("kept, without effect until") && tasks.contains("experimental.quota-groups"),
        "{tasks}"
    );
    snap.refused("set system refresh.retain=99", "retain");
    snap.refused(
        "set system no.such=1",
        "cannot set \"core.no.such\": unsupported system option",
    );
    assert_eq!(snap.good("get core refresh.retain"), "3\n");
    assert_eq!(snap.good("unset system refresh.retain"), "");
    snap.refused(
        "get system refresh.retain",
        "has no \"refresh.retain\" configuration option",
    );
}

fn put(daemon: &TestDaemon, body: &[u8]) -> crate::support::http::Answer {
    Request::new("PUT", "/v2/snaps/svc-peer/conf")
        .header("Content-Type", "application/json")
        .body(body)
        .send(&daemon.socket())
        .unwrap()
}

#[test]
fn bodies_and_keys() {
    let daemon = TestDaemon::start();
    installed(&daemon);
    // Numbers keep their literals, also beyond 64 bits (contract: v2, "Numbers in conf").
    let text = r#"{"big":123456789012345678901234567890,"exact":1.50,"list":[1,null,{"k":2}]}"#;
    daemon.done(&put(&daemon, text.as_bytes()));
    let whole = daemon.get("/v2/snaps/svc-peer/conf?keys=");
    let shown = String::from_utf8(whole.bytes.clone()).unwrap();
    assert!(shown.contains(text), "{shown}");
    assert_eq!(daemon.get("/v2/snaps/svc-peer/conf?keys=").status, 200);
    // contract: v2-observed, "Surprises in shapes"
    let strange = daemon.get("/v2/snaps/nosuch/conf");
    assert_eq!((strange.status, strange.result()), (200, &json!({})));
    for (key, text) in [
        ("big.below", "snap \"svc-peer\" option \"big\" is not a map"),
        ("Bad_Key", "invalid option name: \"Bad_Key\""),
    ] {
        let answer = daemon.get(&format!("/v2/snaps/svc-peer/conf?keys={key}"));
        assert_eq!((answer.status, answer.message()), (500, text));
    }
    let missing = daemon.get("/v2/snaps/svc-peer/conf?keys=big,nosuch");
    assert_eq!((missing.status, missing.kind()), (400, "option-not-found"));
    assert_eq!(
        missing.body["result"]["value"],
        json!({"SnapName": "svc-peer", "Key": "nosuch"})
    );

    let before = daemon.get("/v2/snaps/svc-peer/conf").result().clone();
    let changes = || {
        daemon
            .get("/v2/changes?select=all")
            .result()
            .as_array()
            .map(Vec::len)
    };
    let count = changes();
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100), "]".repeat(100));
    let bomb = format!("{{\"a\":{}", "[".repeat(100_000));
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(10 << 20));
    for (body, status, text) in [
        ("[]", 400, "body"),
        ("{\"a\":1} trailing", 400, "body"),
        ("", 400, "body"),
        (bomb.as_str(), 400, "body"),
        (deep.as_str(), 400, "option \"a\" is nested"),
        (large.as_str(), 413, "larger than"),
        (
            "{\"a\":1,\"a.b\":2}",
            400,
            "snap \"svc-peer\" option \"a\" is not a map",
        ),
        ("{\"a..b\":1}", 400, "invalid option name: \"\""),
    ] {
        let answer = put(&daemon, body.as_bytes());
        let shown = &body[..body.len().min(40)];
        assert_eq!(answer.status, status, "{shown}: {answer:?}");
        assert!(answer.message().contains(text), "{shown}: {}", answer.message());
    }
    assert_eq!(changes(), count, "nothing was begun");
    let scalar = put(&daemon, b"{\"big.below\":1}");
    let change = daemon.wait(scalar.body["change"].as_str().unwrap());
    assert_eq!(change["status"], "Error");
    assert!(
        change["err"]
            .as_str()
            .unwrap()
            .contains("snap \"svc-peer\" option \"big\" is not a map")
    );
    assert_eq!(*daemon.get("/v2/snaps/svc-peer/conf").result(), before);
    // `null` is an empty object, and asks nothing.
    daemon.done(&put(&daemon, b"null"));
    assert_eq!(*daemon.get("/v2/snaps/svc-peer/conf").result(), before);
    let missing = daemon.put("/v2/snaps/nosuch/conf", &json!({"a": 1}));
    assert_eq!((missing.status, missing.kind()), (404, "snap-not-found"));
}

#[test]
fn configuration_goes_back_with_a_revert_and_goes_with_the_snap() {
    // contract: snaps-and-assertions, section 4
    let daemon = TestDaemon::start();
    installed(&daemon);
    let conf = || daemon.get("/v2/snaps/svc-peer/conf").result().clone();
    daemon.done(&put(&daemon, b"{\"a\":1}"));
    let second = pack(
        "name: svc-peer\nversion: '2'\nbase: test-base\n",
        &[
            ("meta/hooks/configure", HOOK),
            (
                "meta/hooks/post-refresh",
                "#!/bin/sh\nsnapctl set refreshed=true\n",
            ),
        ],
    );
    daemon.install(&[("svc-peer.snap", &second)]);
    assert_eq!(conf(), json!({"a": 1, "refreshed": true}));
    daemon.done(&put(&daemon, b"{\"a\":2}"));
    daemon.done(&daemon.post("/v2/snaps/svc-peer", &json!({"action": "revert"})));
    assert_eq!(conf(), json!({"a": 1}));
    let back = json!({"action": "revert", "revision": "x2"});
    daemon.done(&daemon.post("/v2/snaps/svc-peer", &back));
    assert_eq!(conf(), json!({"a": 2, "refreshed": true}));
    // A refresh that fails leaves the configuration as it was.
    let third = pack(
        "name: svc-peer\nversion: '3'\nbase: test-base\n",
        &[
            ("meta/hooks/configure", HOOK),
            ("meta/hooks/post-refresh", "#!/bin/sh\nsnapctl set a=3; exit 1\n"),
        ],
    );
    let failed = daemon.post_form(
        "/v2/snaps",
        &[("dangerous", "true")],
        &[("snap", "svc-peer.snap", &third)],
    );
    let change = daemon.wait(failed.body["change"].as_str().unwrap());
    assert_eq!(change["status"], "Error", "{change:#}");
    assert_eq!(conf(), json!({"a": 2, "refreshed": true}));
    daemon.done(&daemon.post("/v2/snaps/svc-peer", &json!({"action": "remove"})));
    assert_eq!(conf(), json!({}));
    daemon.install(&[("svc-peer.snap", &pack(YAML, &[("meta/hooks/configure", HOOK)]))]);
    assert_eq!(conf(), json!({}));
}

#[test]
fn a_gadget_configures_and_connects() {
    // contract: snaps-and-assertions, section 4; interfaces-and-hardware, section 2
    let daemon = TestDaemon::start();
    let gadget = pack(
        "name: bench-pi\ntype: gadget\nversion: '1'\nbase: none\nslots:\n  pin-11: {interface: gpio, number: 17}\n",
        &[(
            "meta/gadget.yaml",
            "volumes: {}\ndefaults:\n  system: {refresh: {retain: 5}}\n  svc-peer: {colour: red, deep: {er: 1}}\n\
             connections:\n- {plug: 'svc-peer:lamp', slot: 'bench-pi:pin-11'}\n",
        )],
    );
    daemon.install(&[("base.snap", &pack(BASE, &[])), ("gadget.snap", &gadget)]);
    assert_eq!(
        *daemon.get("/v2/snaps/system/conf?keys=refresh.retain").result(),
        json!({"refresh.retain": 5})
    );
    let app = pack(
        &format!("{YAML}plugs: {{lamp: gpio}}\n"),
        &[("meta/hooks/configure", HOOK)],
    );
    daemon.install(&[("svc-peer.snap", &app)]);
    assert_eq!(
        *daemon.get("/v2/snaps/svc-peer/conf").result(),
        json!({"colour": "red", "deep": {"er": 1}})
    );
    let connections = daemon.get("/v2/connections?snap=svc-peer");
    let made = &connections.result()["established"][0];
    assert_eq!(
        made["slot"],
        json!({"snap": "bench-pi", "slot": "pin-11"}),
        "{connections:?}"
    );
    assert_eq!(made["gadget"], Value::Bool(true));
    assert_eq!(
        daemon.get("/v2/hardware/lines/GPIO17").result()["consumer"],
        "svc-peer:lamp"
    );
}
