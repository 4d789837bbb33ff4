//! Services, hooks, configuration and snapctl, as a client and a snap's own processes see them.

use crate::support::eventually;
use crate::support::snaps::{BASE, pack};
use crate::support::somebody::{NOBODY, is_root};
use crate::support::{Request, TestDaemon};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

const GADGET: &str = "name: test-gadget\nversion: '1'\ntype: gadget\nbase: test-base\nslots:\n  pin-13: {interface: gpio, number: 27}\n";

const APP: &str = "name: test-app\nversion: '1'\nbase: test-base\nplugs:\n  lamp: gpio\napps:\n";

fn with_bases(daemon: &TestDaemon) {
    let (base, gadget) = (
        pack(BASE, &[]),
        pack(GADGET, &[("meta/gadget.yaml", "volumes: {}\n")]),
    );
    daemon.install(&[("base.snap", &base)]);
    daemon.install(&[("gadget.snap", &gadget)]);
}

fn install_app(daemon: &TestDaemon, apps: &str, files: &[(&str, &str)]) {
    let app = pack(&format!("{APP}{apps}"), files);
    daemon.install(&[("app.snap", &app)]);
}

/// Tries to install, and answers the change, however it ended.
fn try_install(daemon: &TestDaemon, apps: &str, files: &[(&str, &str)]) -> Value {
    let app = pack(&format!("{APP}{apps}"), files);
    let answer = daemon.post_form(
        "/v2/snaps",
        &[("dangerous", "true")],
        &[("snap", "app.snap", &app)],
    );
    assert_eq!(answer.status, 202, "{answer:?}");
    daemon.wait(answer.body["change"].as_str().unwrap())
}

/// The output that is kept of a service.
fn printed(daemon: &TestDaemon, service: &str) -> Vec<String> {
    let answer = daemon.get(&format!("/v2/logs?names={service}&n=-1"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = String::from_utf8(answer.bytes.clone()).unwrap();
    text.split('\u{1e}')
        .filter(|record| !record.is_empty())
        .map(|record| serde_json::from_str::<Value>(record).unwrap())
        .map(|record| record["message"].as_str().unwrap().to_owned())
        .collect()
}

fn app_of<'a>(answer: &'a Value, name: &str) -> &'a Value {
    answer
        .as_array()
        .unwrap()
        .iter()
        .find(|app| app["name"] == name)
        .unwrap()
}

fn is_alive(pid: &str) -> bool {
    Path::new("/proc").join(pid.trim()).join("exe").exists()
}

#[test]
fn a_service_logs_drives_its_line_and_goes_with_its_children() {
    let daemon = TestDaemon::start();
    with_bases(&daemon);
    install_app(
        &daemon,
        "  svc: {command: bin/svc, daemon: simple}\n  sh: {command: bin/sh}\n",
        &[
            (
                "bin/svc",
                "#!/bin/sh\n\
                 echo started in $(pwd)\n\
                 sleep 1000 & echo $! > $SNAP_DATA/child\n\
                 snapctl set seen=1\n\
                 echo seen $(snapctl get seen)\n\
                 while ! snapctl is-connected lamp; do sleep 0.05; done\n\
                 snapctl line lamp 1\n\
                 echo line $(snapctl line lamp)\n\
                 wait\n",
            ),
            ("bin/sh", "#!/bin/sh\nexec /bin/sh \"$@\"\n"),
        ],
    );
    let data = daemon.root().join("var/snap/test-app/x1");
    eventually("it has set its configuration", || {
        printed(&daemon, "test-app.svc").contains(&String::from("seen 1"))
    });
    assert_eq!(
        printed(&daemon, "test-app.svc")[0],
        format!("started in {}", data.display())
    );
    // contract: v2, Apps and logs
    let apps = daemon.get("/v2/apps?select=service&names=test-app");
    assert_eq!(
        *apps.result(),
        json!([{
            "snap": "test-app", "name": "svc", "daemon": "simple", "daemon-scope": "system",
            "enabled": true, "active": true,
        }])
    );
    assert_eq!(
        *app_of(daemon.get("/v2/apps").result(), "sh"),
        json!({"snap": "test-app", "name": "sh"})
    );
    daemon.done(&daemon.post(
        "/v2/interfaces",
        &json!({
            "action": "connect",
            "plugs": [{"snap": "test-app", "plug": "lamp"}],
            "slots": [{"snap": "test-gadget", "slot": "pin-13"}],
        }),
    ));
    eventually("it drives its line", || {
        printed(&daemon, "test-app.svc").contains(&String::from("line 1"))
    });
    let line = daemon.get("/v2/hardware/lines/GPIO27");
    assert_eq!(line.result()["value"], 1, "{line:?}");
    assert_eq!(
        *daemon.get("/v2/snaps/test-app/conf").result(),
        json!({"seen": 1})
    );

    let child = std::fs::read_to_string(data.join("child")).unwrap();
    assert!(is_alive(&child));
    let stop = daemon.post(
        "/v2/apps",
        &json!({"action": "stop", "names": ["test-app.svc"], "disable": true}),
    );
    let change = daemon.done(&stop);
    assert_eq!(change["kind"], "service-control");
    assert_eq!(
        change["tasks"][0]["summary"],
        r#"Run service command "stop" for services ["svc"] of snap "test-app""#
    );
    assert!(!is_alive(&child), "its child lives on");
    let apps = daemon.get("/v2/apps?names=test-app.svc");
    assert_eq!(apps.result()[0].get("active"), None);
    assert_eq!(apps.result()[0].get("enabled"), None);
}

#[test]
fn the_sandbox_is_as_system_info_says() {
    let daemon = TestDaemon::start();
    with_bases(&daemon);
    let status = ("bin/status", "#!/bin/sh\nexec cat /proc/self/status\n");
    install_app(
        &daemon,
        "  look: {command: bin/status, daemon: oneshot}\n",
        &[status],
    );
    eventually("it has looked", || {
        printed(&daemon, "test-app")
            .iter()
            .any(|line| line.starts_with("NoNewPrivs"))
    });
    let lines = printed(&daemon, "test-app");
    let value = |name: &str| {
        let line = lines.iter().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {lines:?}"))
            .trim()
            .to_owned()
    };
    let said = daemon.get("/v2/system-info").result()["sandbox-features"]["launcher"].clone();
    let has = |feature: &str| said.as_array().unwrap().iter().any(|one| one == feature);
    assert_eq!(has("no-new-privileges"), value("NoNewPrivs:") == "1", "{said}");
    assert_eq!(has("base"), is_root(), "{said}");
    // The bounding set of root's apps is IPC_LOCK and SYS_CHROOT; an ordinary user's apps keep the set of their session.
    let bounds = u64::from_str_radix(&value("CapBnd:"), 16).unwrap();
    assert_eq!(
        has("capabilities"),
        bounds == 1 << 14 | 1 << 18,
        "{said}, {bounds:x}"
    );
}

#[test]
fn services_start_again_with_the_agent_and_end_with_it() {
    let mut daemon = TestDaemon::start();
    with_bases(&daemon);
    install_app(
        &daemon,
        "  svc: {command: bin/svc, daemon: simple}\n",
        &[(
            "bin/svc",
            "#!/bin/sh\necho $$ >> $SNAP_COMMON/pids\nsetsid sleep 1000 & echo $! >> $SNAP_COMMON/pids\nwait\n",
        )],
    );
    let pids = daemon.root().join("var/snap/test-app/common/pids");
    let read = || -> Vec<String> {
        let text = std::fs::read_to_string(&pids).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    eventually("it runs", || read().len() == 2);
    daemon.kill();
    daemon.launch();
    eventually("it runs again", || read().len() == 4);
    let all = read();
    assert!(
        !is_alive(&all[0]) && !is_alive(&all[1]),
        "what an agent left is ended"
    );
    assert!(is_alive(&all[2]) && is_alive(&all[3]));
    daemon.stop();
    assert!(!is_alive(&all[2]) && !is_alive(&all[3]), "it ends with the agent");
}

#[test]
fn a_crash_loop_ends_in_a_warning() {
    let daemon = TestDaemon::start();
    with_bases(&daemon);
    install_app(
        &daemon,
        "  bad: {command: bin/bad, daemon: simple, restart-condition: always}\n",
        &[("bin/bad", "#!/bin/sh\necho run >> $SNAP_COMMON/runs\nexit 1\n")],
    );
    eventually("the operator is warned", || {
        let warnings = daemon.get("/v2/warnings");
        warnings.result().as_array().unwrap().iter().any(|warning| {
            warning["message"]
                .as_str()
                .unwrap()
                .starts_with("service test-app.bad ended again and again")
        })
    });
    let runs = std::fs::read_to_string(daemon.root().join("var/snap/test-app/common/runs")).unwrap();
    assert_eq!(runs.lines().count(), 5);
}

#[test]
fn a_failing_install_hook_takes_the_install_back() {
    let daemon = TestDaemon::start();
    with_bases(&daemon);
    let change = try_install(
        &daemon,
        "  svc: {command: bin/svc, daemon: simple}\n",
        &[
            ("bin/svc", "#!/bin/sh\nexec sleep 1000\n"),
            (
                "meta/hooks/install",
                "#!/bin/sh\nsnapctl set a=1\necho out-text\necho err-text >&2\nexit 3\n",
            ),
        ],
    );
    // contract: v2-observed, section 3, and confinement, section 1.6
    assert_eq!(change["status"], "Error");
    let statuses: Vec<(&str, &str)> = change["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| (task["kind"].as_str().unwrap(), task["status"].as_str().unwrap()))
        .collect();
    assert_eq!(
        statuses,
        [
            ("prerequisites", "Done"),
            ("prepare-snap", "Undone"),
            ("mount-snap", "Undone"),
            ("copy-snap-data", "Undone"),
            ("setup-profiles", "Undone"),
            ("link-snap", "Undone"),
            ("auto-connect", "Undone"),
            ("set-auto-aliases", "Undone"),
            ("setup-aliases", "Undone"),
            ("run-hook", "Error"),
            ("start-snap-services", "Hold"),
            ("run-hook", "Hold"),
            ("run-hook", "Hold"),
        ]
    );
    assert_eq!(
        change["err"],
        "cannot perform the following tasks:\n- Run install hook of \"test-app\" snap if present (run hook \"install\": \n-----\nout-text\nerr-text\n-----)"
    );
    assert_eq!(daemon.get("/v2/snaps/test-app").status, 404);
    assert_eq!(*daemon.get("/v2/snaps/test-app/conf").result(), json!({}));
    let cookie = daemon.root().join("var/lib/snapd/cookie/snap.test-app");
    eventually("its cookie is gone", || !cookie.exists());
}

#[test]
fn a_configure_hook_decides_over_the_configuration() {
    let daemon = TestDaemon::start();
    with_bases(&daemon);
    install_app(
        &daemon,
        "  sh: {command: bin/sh}\n",
        &[
            ("bin/sh", "#!/bin/sh\nexec /bin/sh \"$@\"\n"),
            (
                "meta/hooks/configure",
                "#!/bin/sh\n\
                 [ \"$(snapctl get mood)\" = bad ] && { echo no bad moods; exit 1; }\n\
                 snapctl set seen=\"$(snapctl get mood)\"\n",
            ),
        ],
    );
    let set = daemon.put(
        "/v2/snaps/test-app/conf",
        &json!({"mood": "good", "deep.er": [1]}),
    );
    let change = daemon.done(&set);
    assert_eq!(change["kind"], "configure-snap");
    assert_eq!(change["summary"], "Change configuration of \"test-app\" snap");
    let kept = daemon.get("/v2/snaps/test-app/conf?keys=mood,seen,deep.er");
    assert_eq!(
        *kept.result(),
        json!({"mood": "good", "seen": "good", "deep.er": [1]})
    );
    let refused = daemon.put("/v2/snaps/test-app/conf", &json!({"mood": "bad"}));
    let change = daemon.wait(refused.body["change"].as_str().unwrap());
    assert_eq!(
        change["err"],
        "cannot perform the following tasks:\n- Run configure hook of \"test-app\" snap (run hook \"configure\": no bad moods)"
    );
    assert_eq!(
        daemon.get("/v2/snaps/test-app/conf?keys=mood").result()["mood"],
        "good"
    );
    // contract: v2, section 7
    let missing = daemon.get("/v2/snaps/test-app/conf?keys=no.such");
    assert_eq!((missing.status, missing.kind()), (400, "option-not-found"));
    assert_eq!(
        missing.message(),
        "snap \"test-app\" has no \"no.such\" configuration option"
    );
    assert_eq!(
        daemon.put("/v2/snaps/nosuch/conf", &json!({})).kind(),
        "snap-not-found"
    );
}

#[test]
fn an_interface_hook_reads_the_attributes_of_both_ends() {
    let daemon = TestDaemon::start();
    with_bases(&daemon);
    install_app(
        &daemon,
        "  sh: {command: bin/sh}\n",
        &[
            ("bin/sh", "#!/bin/sh\nexec /bin/sh \"$@\"\n"),
            (
                "meta/hooks/connect-plug-lamp",
                "#!/bin/sh\nexec > $SNAP_COMMON/seen 2>&1\n\
                 snapctl get :lamp --slot number\nsnapctl get --slot :lamp nosuch\nsnapctl get :lamp\nsnapctl get :other x\nexit 0\n",
            ),
        ],
    );
    daemon.done(&daemon.post(
        "/v2/interfaces",
        &json!({
            "action": "connect",
            "plugs": [{"snap": "test-app", "plug": "lamp"}],
            "slots": [{"snap": "test-gadget", "slot": "pin-13"}],
        }),
    ));
    // contract: confinement, section 7, Interface hooks
    let seen = std::fs::read_to_string(daemon.root().join("var/snap/test-app/common/seen")).unwrap();
    let failure = "error: error running snapctl: ";
    assert_eq!(
        seen,
        format!(
            "27\n{failure}no \"nosuch\" attribute\n{failure}get which attribute?\n{failure}unknown plug or slot \"other\"\n"
        )
    );
}

#[test]
fn snapctl_is_for_snaps_on_their_own_socket() {
    let daemon = TestDaemon::start();
    with_bases(&daemon);
    install_app(
        &daemon,
        "  sh: {command: bin/sh}\n",
        &[("bin/sh", "#!/bin/sh\nexec /bin/sh \"$@\"\n")],
    );
    let ask = |socket: &Path, cookie: &str| {
        Request::new("POST", "/v2/snapctl")
            .json(&json!({"context-id": cookie, "args": ["get", "a"]}))
            .send(socket)
            .unwrap()
    };
    // contract: v2-observed, "snapctl: only on snapd-snap.socket"
    assert_eq!(ask(&daemon.socket(), "").status, 403);
    let outside = ask(&daemon.snap_socket(), "");
    assert_eq!(outside.status, 400);
    assert_eq!(
        outside.message(),
        "cannot invoke snapctl operation commands (here \"get\") from outside of a snap"
    );
    let cookie = std::fs::read_to_string(daemon.root().join("var/lib/snapd/cookie/snap.test-app")).unwrap();
    let stolen = ask(&daemon.snap_socket(), &cookie);
    if is_root() {
        // Where apps have control groups, the cookie alone proves nothing (decision 2).
        assert_eq!(stolen.status, 400, "{stolen:?}");
    }
    let run = |words: &str| {
        let output = std::process::Command::new(crate::support::daemon::binary())
            .arg("--root")
            .arg(daemon.root())
            .args(["run", "test-app.sh", "-c", words])
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let ok = |text: &str| (Some(0), text.to_owned(), String::new());
    assert_eq!(run("snapctl set a=7; snapctl get a"), ok("7\n"));
    assert_eq!(run("exit 7"), (Some(7), String::new(), String::new()));
    assert_eq!(
        run("snapctl is-connected lamp"),
        (Some(1), String::new(), String::new())
    );
    let (code, _, text) = run("snapctl get");
    assert_eq!(
        (code, text.as_str()),
        (Some(1), "error: error running snapctl: get which option?\n")
    );
}

#[test]
fn an_ordinary_user_runs_services_too() {
    if !is_root() {
        println!(
            "skipped: services::an_ordinary_user_runs_services_too: only root can start the agent as somebody else"
        );
        return;
    }
    let mut daemon = TestDaemon::start_as(NOBODY);
    let app = pack(
        &format!("{APP}  svc: {{command: bin/svc, daemon: simple}}\n"),
        &[(
            "bin/svc",
            "#!/bin/sh\nsetsid sleep 1000 & echo $! > $SNAP_COMMON/pid\nsnapctl set seen=1\necho seen $(snapctl get seen)\nwait\n",
        )],
    );
    let pinion = |args: &[&str]| {
        let run = std::process::Command::new(daemon.scratch().join("pinion"))
            .arg("--root")
            .arg(daemon.root())
            .args(args)
            .uid(NOBODY)
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    };
    for (name, content) in [("base.snap", pack(BASE, &[])), ("app.snap", app)] {
        let file = daemon.scratch().join(name);
        std::fs::write(&file, content).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        pinion(&["install", "--dangerous", file.to_str().unwrap()]);
    }
    let log = daemon.root().join("run/pinion/logs/test-app.svc.log");
    eventually("it reaches the agent", || {
        std::fs::read_to_string(&log).is_ok_and(|log| log.contains("seen 1"))
    });
    assert!(pinion(&["services"]).contains("test-app.svc  enabled  active"));
    let child = std::fs::read_to_string(daemon.root().join("var/snap/test-app/common/pid")).unwrap();
    assert!(is_alive(&child));
    daemon.stop();
    assert!(
        !is_alive(&child),
        "a child in a session of its own ends with the service"
    );
}
