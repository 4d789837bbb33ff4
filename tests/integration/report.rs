//! `pinion report`: what is in the bundle, and above all what is not.

use crate::support::TestDaemon;
use crate::support::daemon::binary;
use crate::support::snaps::{BASE, pack};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

const APP: &str = "name: test-app\nversion: '1'\nbase: test-base\nenvironment: {WHERE: env-secret-77}\napps:\n  talk: {command: bin/talk, daemon: simple}\n";
const BAD: &str = "name: bad-app\nversion: '1'\nbase: test-base\n";

/// Nothing of these may be in a report.
const SECRETS: &[&str] = &[
    "config-secret-11",
    "deep-secret-22",
    "password-secret-33",
    "hook-secret-44",
    "second-secret-55",
    "env-secret-77",
];

fn pinion(daemon: &TestDaemon, args: &[&str]) -> Output {
    Command::new(binary())
        .arg("--root")
        .arg(daemon.root())
        .args(args)
        .current_dir(daemon.scratch())
        .output()
        .unwrap()
}

/// Writes a report, and answers the files in it as one text and by name.
fn report(daemon: &TestDaemon, name: &str, more: &[&str]) -> (String, impl Fn(&str) -> Value + use<>) {
    let mut args = vec!["report", name];
    args.extend(more);
    let output = pinion(daemon, &args);
    assert!(output.status.success(), "{output:?}");
    let folder = daemon.scratch().join(format!("of-{name}"));
    std::fs::create_dir(&folder).unwrap();
    let archive = daemon.scratch().join(name);
    assert!(std::fs::metadata(&archive).unwrap().len() < 1 << 20);
    let unpacked = Command::new("tar")
        .arg("-xf")
        .arg(&archive)
        .current_dir(&folder)
        .status();
    assert!(unpacked.unwrap().success());
    let all = String::from_utf8_lossy(&std::fs::read(archive).unwrap()).into_owned();
    let file = move |name: &str| {
        let path = folder.join("pinion-report").join(name);
        serde_json::from_slice(&std::fs::read(&path).expect(name)).expect(name)
    };
    (all, file)
}

fn cookies(root: &Path) -> Vec<String> {
    let folder = root.join("var/lib/snapd/cookie");
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect()
}

#[test]
fn a_report_tells_what_happened_and_no_secret() {
    let mut daemon = TestDaemon::start();
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    let app = pack(
        APP,
        &[
            (
                "bin/talk",
                "#!/bin/sh\necho talking; echo config-secret-11\nexec sleep 1000000\n",
            ),
            ("meta/hooks/configure", "#!/bin/sh\nexit 0\n"),
        ],
    );
    daemon.install(&[("app.snap", &app)]);
    let config =
        json!({"a": "config-secret-11", "b": {"deep": ["deep-secret-22"]}, "password": "password-secret-33"});
    daemon.done(&daemon.put("/v2/snaps/test-app/conf", &config));
    let bad = pack(
        BAD,
        &[(
            "meta/hooks/install",
            "#!/bin/sh\necho hook-secret-44\necho second-secret-55 >&2\nexit 1\n",
        )],
    );
    let answer = daemon.post_form(
        "/v2/snaps",
        &[("dangerous", "true")],
        &[("snap", "bad.snap", &bad)],
    );
    let failed = daemon.wait(answer.body["change"].as_str().unwrap());
    assert!(
        failed["err"].as_str().unwrap().contains("hook-secret-44"),
        "{failed:#}"
    );

    let (all, file) = report(&daemon, "live.tar", &[]);
    let cookies = cookies(&daemon.root());
    assert!(!cookies.is_empty());
    for secret in SECRETS.iter().map(|secret| (*secret).to_owned()).chain(cookies) {
        assert!(!all.contains(&secret), "{secret} is in the report");
    }
    assert_eq!(file("about.json")["agent-runs"], true);
    let config = json!({"test-app": {"a": "***", "b": {"deep": ["***"]}, "password": "***"}});
    assert_eq!(file("configuration.json")["test-app"], config["test-app"]);
    let changes = file("changes.json");
    let newest = &changes[0];
    assert_eq!(
        (&newest["id"], &newest["status"]),
        (
            &json!(failed["id"].as_str().unwrap().parse::<u64>().unwrap()),
            &json!("Error")
        )
    );
    let hook = newest["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|task| task["status"] == "Error")
        .unwrap();
    let said = hook["log"][0].as_str().unwrap();
    assert!(
        said.ends_with("run hook \"install\": (what it printed is left out)"),
        "{said}"
    );
    assert_eq!(file("hardware.json")["board"]["name"], "sim");
    let names: Vec<Value> = file("snaps.json")
        .as_array()
        .unwrap()
        .iter()
        .map(|snap| snap["name"].clone())
        .collect();
    assert_eq!(names, ["test-app", "test-base"]);
    assert!(all.contains(" talking"), "no log of the service");
    assert_eq!(file("check.json"), json!([]));

    // With values, and without an agent.
    daemon.stop();
    let (all, file) = report(&daemon, "down.tar", &["--with-values"]);
    assert_eq!(file("about.json")["agent-runs"], false);
    assert_eq!(
        file("configuration.json")["test-app"],
        json!({"a": "config-secret-11", "b": {"deep": ["deep-secret-22"]}, "password": "***"})
    );
    for secret in ["password-secret-33", "hook-secret-44", "second-secret-55"] {
        assert!(!all.contains(secret), "{secret} is in the report");
    }
}

#[test]
fn a_report_that_cannot_be_written_says_why() {
    let daemon = TestDaemon::start();
    std::fs::write(daemon.scratch().join("there.tar"), "mine").unwrap();
    let output = pinion(&daemon, &["report", "there.tar"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.ends_with("there.tar exists already: name another file\n"),
        "{said}"
    );
    assert_eq!(
        std::fs::read(daemon.scratch().join("there.tar")).unwrap(),
        b"mine"
    );

    let empty = daemon.scratch().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let output = Command::new(binary())
        .arg("--root")
        .arg(&empty)
        .args(["report", "x.tar"])
        .current_dir(&empty)
        .output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no state database at "), "{said}");
    assert!(!empty.join("x.tar").exists());
}
