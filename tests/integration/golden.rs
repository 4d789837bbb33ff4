//! The wire, answer by answer: what the main endpoints say in known situations, held against files in tests/golden.
//!
//! A file names the line of the contract that its first version was compared with. A missing file is written and the
//! test fails, so that somebody looks at it; with PINION_BLESS=1 files are written anew.

use crate::support::TestDaemon;
use crate::support::http::{Answer, Request};
use crate::support::snaps::{BASE, pack};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const GADGET: &str = "name: test-gadget\nversion: '1'\ntype: gadget\nbase: test-base\nslots:\n  pin-13: {interface: gpio, number: 27}\n";
const APP: &str = "name: test-app\nversion: '1.5'\nsummary: A lamp\ndescription: Switches it.\nlicense: GPL-3.0\nbase: test-base\nplugs:\n  lamp: gpio\napps:\n  hello: {command: bin/run}\n  talk: {command: bin/run, daemon: simple, plugs: [lamp]}\n";

/// Values that differ from run to run or from machine to machine, by their names.
const VOLATILE: &[&str] = &[
    "spawn-time",
    "ready-time",
    "first-added",
    "last-added",
    "last-shown",
    "first-occurred",
    "last-occurred",
    "last-repeated",
    "warning-timestamp",
    "install-date",
    "installed-size",
    "timestamp",
    "kernel-version",
    "architecture",
    // What the launcher may do depends on the user.
    "launcher",
    "os-release",
    "on-classic",
    "build-id",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

struct Goldens {
    daemon: TestDaemon,
    wrong: Vec<String>,
}

impl Goldens {
    /// Holds an answer against the file of that name; `from` is where the contract says so.
    fn hold(&mut self, name: &str, from: &str, answer: &Answer) {
        let mut body = answer.body.clone();
        mask(&mut body, "", &self.daemon.root().display().to_string());
        let found = json!({"contract": from, "status": answer.status, "body": body});
        let path = folder().join(format!("{name}.json"));
        let bless = std::env::var_os("PINION_BLESS").is_some();
        let kept = std::fs::read_to_string(&path).ok();
        let kept: Option<Value> = kept.map(|text| serde_json::from_str(&text).expect(name));
        match kept {
            Some(kept) if !bless => {
                if kept != found {
                    self.wrong
                        .push(format!("{name} is\n{found:#}\nand was\n{kept:#}"));
                }
            }
            kept => {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, format!("{found:#}\n")).unwrap();
                if kept.is_none() && !bless {
                    self.wrong.push(format!(
                        "{name} was missing and is written: compare it with {from}"
                    ));
                }
            }
        }
    }

    fn get(&mut self, name: &str, from: &str, path: &str) {
        let answer = self.daemon.get(path);
        self.hold(name, from, &answer);
    }

    fn post(&mut self, name: &str, from: &str, path: &str, body: &Value) -> Answer {
        let answer = self.daemon.post(path, body);
        self.hold(name, from, &answer);
        answer
    }

    /// The change of an answer, when it is done.
    fn change(&mut self, name: &str, from: &str, answer: &Answer) {
        let id = answer.body["change"].as_str().unwrap().to_owned();
        self.daemon.wait(&id);
        self.get(name, from, &format!("/v2/changes/{id}"));
    }
}

fn mask(value: &mut Value, name: &str, root: &str) {
    match value {
        _ if VOLATILE.contains(&name) => *value = json!(format!("<{name}>")),
        Value::Object(map) => {
            // There when the tests run as an ordinary user.
            map.remove("developer-mode");
            for (name, inner) in map {
                mask(inner, name, root);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, name, root)),
        Value::String(text) => {
            *text = text.replace(root, "<root>");
            // The name of an upload has the process and a number in it.
            if let Some(at) = text.find("/.local-install-") {
                let end = text[at..].find('"').map_or(text.len(), |end| at + end);
                text.replace_range(at..end, "/<upload>");
            }
        }
        _ => {}
    }
}

#[test]
fn answers_are_as_they_were() {
    let daemon = TestDaemon::start();
    let mut golden = Goldens {
        daemon,
        wrong: Vec::new(),
    };
    let g = &mut golden;
    nothing_there(g);
    empty_lists(g);
    snaps(g);
    settings(g);
    connections(g);
    refusals(g);
    revisions(g);
    told(g);
    assert!(golden.wrong.is_empty(), "\n{}", golden.wrong.join("\n"));
}

fn nothing_there(g: &mut Goldens) {
    g.get("root", "v2-observed: GET / = 200 [\"TBD\"]", "/");
    g.get(
        "system-info/info",
        "v2, 3: GET /v2/system-info",
        "/v2/system-info",
    );
    g.get(
        "snaps/none",
        "v2, 3: empty array when nothing, sources local",
        "/v2/snaps",
    );
    g.get(
        "apps/none",
        "v2, Apps and logs: GET /v2/apps",
        "/v2/apps?select=service",
    );
    g.get(
        "connections/none",
        "v2, Interfaces / connections",
        "/v2/connections",
    );
    g.get("warnings/none", "v2, Warnings: empty is []", "/v2/warnings");
    g.get("aliases/none", "v2, Aliases", "/v2/aliases");
    g.get(
        "changes/none",
        "v2, Changes: in-progress is the default",
        "/v2/changes",
    );
    g.get("changes/seed", "v2-observed, 3: first boot", "/v2/changes/1");
    g.get(
        "model/none",
        "v2, Model: none is 404 assertion-not-found value model",
        "/v2/model",
    );
    g.get(
        "find/refresh",
        "v2-observed: select=refresh is 200 [] offline",
        "/v2/find?select=refresh",
    );
    g.get(
        "find/offline",
        "v2-observed: store offline is 400 dns-failure on /v2/find",
        "/v2/find?q=x",
    );
}

/// Lists of what is not there.
fn empty_lists(g: &mut Goldens) {
    for (name, from, path) in [
        (
            "snapshots/none",
            "v2, Snapshots: GET /v2/snapshots",
            "/v2/snapshots",
        ),
        ("quotas/none", "v2, Quotas: GET list", "/v2/quotas"),
        ("validation-sets/none", "v2, Others: list", "/v2/validation-sets"),
        (
            "systems/none",
            "v2, Model, serial, systems: no systems => {}",
            "/v2/systems",
        ),
        (
            "model/no-serial",
            "v2, Model: none is 404 assertion-not-found value serial",
            "/v2/model/serial",
        ),
        (
            "find/sections",
            "v2-observed: store offline is 500 for sections",
            "/v2/sections",
        ),
        (
            "debug/seeding",
            "v2, Others: seeding {seeded o, ...}",
            "/v2/debug?aspect=seeding",
        ),
        (
            "notices/unknown-type",
            "v2-newer, 1: all given types unknown => []",
            "/v2/notices?types=nosuch",
        ),
        (
            "notices/of-a-change",
            "v2-newer, 1: JSON of one notice; key = change id",
            "/v2/notices?types=change-update&keys=1",
        ),
    ] {
        g.get(name, from, path);
    }
}

fn snaps(g: &mut Goldens) {
    let install = |g: &mut Goldens, name: &str, file: &str, content: &[u8]| {
        let fields = [("dangerous", "true"), ("snap-path", file)];
        let answer = g
            .daemon
            .post_form("/v2/snaps", &fields, &[("snap", file, content)]);
        g.hold(
            &format!("snaps/{name}"),
            "v2-observed: async = 202, result null, change N",
            &answer,
        );
        g.change(
            &format!("changes/{name}"),
            "v2-observed, 3, and v2, 6: tasks of a sideload",
            &answer,
        );
    };
    install(g, "install-base", "base.snap", &pack(BASE, &[]));
    install(
        g,
        "install-gadget",
        "gadget.snap",
        &pack(GADGET, &[("meta/gadget.yaml", "volumes: {}\n")]),
    );
    let files = [
        ("bin/run", "#!/bin/sh\nexec sleep 1000000\n"),
        ("meta/hooks/configure", "#!/bin/sh\nexit 0\n"),
    ];
    install(g, "install-app", "app.snap", &pack(APP, &files));
    g.get(
        "snaps/one",
        "v2-observed: Snap object for a sideload; v2: Snap JSON",
        "/v2/snaps/test-app",
    );
    g.get(
        "snaps/some",
        "v2: snaps=a,b; unknown names are skipped",
        "/v2/snaps?snaps=test-base,nosuch",
    );
    g.get("apps/services", "v2: App JSON", "/v2/apps?select=service");
    g.get(
        "apps/of-a-snap",
        "v2: names=snap,snap.app; sorted",
        "/v2/apps?names=test-app",
    );
    let body = json!({"action": "stop", "names": ["test-app.talk"]});
    let answer = g.post("apps/stop", "v2: POST /v2/apps", "/v2/apps", &body);
    g.change("changes/service-control", "v2, 6: service ops", &answer);
    g.get(
        "apps/stopped",
        "v2-observed: enabled/active are left out when false",
        "/v2/apps?select=service",
    );
    let body = json!({"action": "remove", "snaps": ["nosuch"]});
    g.post(
        "snaps/remove-many-missing",
        "v2-observed: multi form = 202 Done, no tasks",
        "/v2/snaps",
        &body,
    );
}

fn settings(g: &mut Goldens) {
    let path = "/v2/snaps/test-app/conf";
    let answer = g.daemon.put(path, &json!({"port": 80, "name.first": "Ada"}));
    g.hold("conf/put", "v2, 7: PUT", &answer);
    g.change("changes/configure-snap", "v2-observed, 3: PUT conf", &answer);
    g.get("conf/all", "v2, 7: no keys => whole document", path);
    g.get(
        "conf/keys",
        "v2, 7: flat keys as asked",
        &format!("{path}?keys=name.first,port"),
    );
    g.get(
        "conf/missing",
        "v2, 7 and 4: option-not-found, value SnapName and Key",
        &format!("{path}?keys=nosuch"),
    );
    g.get(
        "conf/through-scalar",
        "v2, 7: path through a non-map => 500",
        &format!("{path}?keys=port.x"),
    );
    let body = json!({"action": "alias", "snap": "test-app", "app": "hello", "alias": "hi"});
    let answer = g.post("aliases/alias", "v2, Aliases: POST", "/v2/aliases", &body);
    g.change(
        "changes/alias",
        "v2, Aliases: summaries; v2-observed: data aliases-added",
        &answer,
    );
    g.get("aliases/manual", "v2, Aliases: GET", "/v2/aliases");
}

fn connections(g: &mut Goldens) {
    let ends = |action: &str| {
        json!({
            "action": action,
            "plugs": [{"snap": "test-app", "plug": "lamp"}],
            "slots": [{"snap": "test-gadget", "slot": "pin-13"}],
        })
    };
    let path = "/v2/interfaces";
    let answer = g.post(
        "interfaces/connect",
        "v2-observed, the CLI: connect ->202",
        path,
        &ends("connect"),
    );
    g.change("changes/connect-snap", "v2-observed, 3: connect", &answer);
    g.get(
        "connections/one",
        "v2, Interfaces / connections: GET /v2/connections",
        "/v2/connections",
    );
    g.get(
        "interfaces/connected",
        "v2: select=connected",
        "/v2/interfaces?select=connected&plugs=true&slots=true",
    );
    g.get(
        "hardware/line",
        "decisions 7 and 9: a held line",
        "/v2/hardware/lines/GPIO27",
    );
    let answer = g.post(
        "interfaces/disconnect",
        "v2-observed, the CLI: disconnect",
        path,
        &ends("disconnect"),
    );
    g.change("changes/disconnect-snap", "v2-observed, 3: disconnect", &answer);
    g.post(
        "interfaces/not-connected",
        "v2: Not connected => 400",
        path,
        &ends("disconnect"),
    );
    let many = json!({"action": "connect", "plugs": [{}, {}], "slots": [{}]});
    g.post(
        "interfaces/many",
        "v2-observed: many-to-many connect = 501",
        path,
        &many,
    );
}

fn refusals(g: &mut Goldens) {
    g.get(
        "errors/not-found",
        "v2-observed: unknown path 404 not found, no kind",
        "/v2/nosuch",
    );
    let answer = Request::new("PUT", "/v2/snaps").send(&g.daemon.socket()).unwrap();
    g.hold(
        "errors/method",
        "v2-observed: method \"PUT\" not allowed",
        &answer,
    );
    let body = json!({"args": ["get", "x"]});
    g.post(
        "snapctl/main-socket",
        "v2-observed: main socket 403 login-required",
        "/v2/snapctl",
        &body,
    );
    g.get(
        "snaps/missing",
        "v2: snap-not-found value NAME, snap not installed",
        "/v2/snaps/nosuch",
    );
    let remove = json!({"action": "remove"});
    g.post(
        "snaps/remove-missing",
        "v2-observed: 400 snap-not-installed",
        "/v2/snaps/nosuch",
        &remove,
    );
    g.get(
        "changes/missing",
        "v2: cannot find change with id, no kind",
        "/v2/changes/12345",
    );
    let abort = json!({"action": "abort"});
    g.post(
        "changes/abort-ready",
        "v2-observed: cannot abort change 1 with nothing pending",
        "/v2/changes/1",
        &abort,
    );
    g.get(
        "changes/bad-select",
        "v2: select should be one of",
        "/v2/changes?select=x",
    );
    g.get(
        "apps/missing",
        "v2: app-not-found or snap-not-found",
        "/v2/apps?names=nosuch",
    );
    g.get(
        "logs/none",
        "v2-observed: 404 app-not-found no matching services",
        "/v2/logs?names=test-base",
    );
    g.get(
        "connections/missing",
        "v2: unknown snap => 404 snap-not-found",
        "/v2/connections?snap=nosuch",
    );
    g.get(
        "hardware/missing",
        "decision 5: line-not-found 404",
        "/v2/hardware/lines/nosuch",
    );
}

/// What becomes of a snap after its installation.
fn revisions(g: &mut Goldens) {
    let path = "/v2/snaps/test-app";
    let act = |g: &mut Goldens, name: &str, from: &str, body: Value| {
        let answer = g.daemon.post(path, &body);
        g.change(&format!("changes/{name}"), from, &answer);
    };
    let files = [
        ("bin/run", "#!/bin/sh\nexec sleep 1000000\n"),
        ("meta/hooks/configure", "#!/bin/sh\nexit 0\n"),
    ];
    let fields = [("dangerous", "true"), ("snap-path", "app.snap")];
    let second = pack(APP, &files);
    let answer = g
        .daemon
        .post_form("/v2/snaps", &fields, &[("snap", "app.snap", &second)]);
    g.change(
        "changes/install-over",
        "v2-observed, 3: sideload over an installed snap",
        &answer,
    );
    g.get(
        "snaps/all",
        "v2: select=all has every revision; active only the current one",
        "/v2/snaps?select=all&snaps=test-app",
    );
    act(
        g,
        "revert-snap",
        "v2-observed, 3: revert",
        json!({"action": "revert"}),
    );
    act(
        g,
        "disable-snap",
        "v2-observed, 3: disable",
        json!({"action": "disable"}),
    );
    g.get("snaps/disabled", "v2: status is active only if the snap is", path);
    act(
        g,
        "enable-snap",
        "v2-observed, 3: enable",
        json!({"action": "enable"}),
    );
    act(
        g,
        "switch-snap",
        "v2-observed, 3: switch; v2: summary with the channel",
        json!({"action": "switch", "channel": "edge"}),
    );
    for (name, from, body) in [
        (
            "refresh-local",
            "v2, 4: snap-local, value is empty but there",
            json!({"action": "refresh"}),
        ),
        (
            "install-present",
            "decision 39: snap-already-installed with the value of 2.76",
            json!({"action": "install"}),
        ),
        ("unknown-action", "v2: unknown action X", json!({"action": "fly"})),
        (
            "remove-active",
            "v2, 6: cannot remove active revision",
            json!({"action": "remove", "revision": "x1"}),
        ),
        (
            "devmode-jailmode",
            "v2, Validation 400s: devmode+jailmode",
            json!({"action": "revert", "devmode": true, "jailmode": true}),
        ),
    ] {
        g.post(&format!("snaps/{name}"), from, path, &body);
    }
    g.post(
        "snaps/install-offline",
        "v2-observed, the CLI: install hello ->400",
        "/v2/snaps/hello",
        &json!({"action": "install"}),
    );
    g.post(
        "snaps/many-with-option",
        "v2: unsupported option provided for multi-snap operation",
        "/v2/snaps",
        &json!({"action": "remove", "snaps": ["test-app"], "purge": true}),
    );
    g.get(
        "icons/none",
        "v2: 404 plain errors local snap has no icon",
        "/v2/icons/test-app/icon",
    );
    let answer = g.daemon.post("/v2/snaps", &json!({"action": "refresh"}));
    g.change(
        "changes/refresh-nothing",
        "v2-observed, 3: refresh all, nothing: no tasks",
        &answer,
    );
    act(
        g,
        "remove-revision",
        "v2, 6: one revision: only clear-snap, discard-snap",
        json!({"action": "remove", "revision": "x2"}),
    );
    act(
        g,
        "remove-snap",
        "v2-observed, 3: remove",
        json!({"action": "remove"}),
    );
}

/// What the agent says by itself; last, for warnings ride on every answer.
fn told(g: &mut Goldens) {
    g.post(
        "debug/add-warning",
        "v2, Others: POST add-warning",
        "/v2/debug",
        &json!({"action": "add-warning", "message": "the tide comes"}),
    );
    g.get("warnings/pending", "v2, Warnings: GET", "/v2/warnings");
    g.get(
        "changes/with-warning",
        "v2-observed: warning-timestamp and warning-count on every reply",
        "/v2/changes",
    );
    g.get("errors/with-warning", "v2, 1: not on errors", "/v2/nosuch");
    g.post(
        "warnings/okay",
        "v2, Warnings: POST okay => NUMBER",
        "/v2/warnings",
        &json!({"action": "okay", "timestamp": "2124-01-01T00:00:00Z"}),
    );
}
