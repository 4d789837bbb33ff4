//! Every row of the contract's table of `snapctl` (confinement, section 7), by a real app, hook and service of a snap.

use crate::support::snaps::{BASE, pack};
use crate::support::somebody::{NOBODY, control_groups, is_root};
use crate::support::{TestDaemon, daemon::binary};
use serde_json::{Value, json};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const YAML: &str = "name: cf\nversion: '1'\nbase: test-base\nplugs:\n  net: network\n  lamp: gpio\napps:\n  \
    sh: {command: bin/sh, plugs: [net, lamp]}\n  svc: {command: bin/svc, daemon: simple}\n";
const SHELL: &str = "#!/bin/sh\nexec /bin/sh \"$@\"\n";
const SERVICE: &str = "#!/bin/sh\nexec sleep 1000\n";

fn installed(daemon: &TestDaemon, hooks: &[(&str, &str)]) {
    let mut files = vec![("bin/sh", SHELL), ("bin/svc", SERVICE)];
    files.extend(hooks);
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    daemon.install(&[("cf.snap", &pack(YAML, &files))]);
}

type Said = (Option<i32>, String, String);

/// Runs words in the app's shell.
fn shell_of(program: &Path, daemon: &TestDaemon, user: Option<u32>, app: &str, words: &str) -> Said {
    let mut command = Command::new(program);
    command
        .arg("--root")
        .arg(daemon.root())
        .args(["run", app, "-c", words])
        .current_dir("/");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let output = command.output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// What a refusal says.
fn refusal(text: &str) -> Said {
    let text = format!("error: error running snapctl: {text}\n");
    (Some(1), String::new(), text)
}

#[test]
fn rows_of_an_app() {
    let daemon = TestDaemon::start();
    installed(&daemon, &[]);
    let run = |words: &str| shell_of(binary(), &daemon, None, "cf.sh", &format!("snapctl {words}"));
    let printed = |text: &str| (Some(0), text.to_owned(), String::new());
    for words in [
        "set str=abc num=5 flt=1.5 boolv=true empty= 'doc={\"a\":1}' 'arr=[1]' big=123456789012345678901234567890",
        "set -s text=5",
        "set -t typed=5",
        "set gone=1",
        "set gone!",
        "set gone=1",
        "unset gone missing",
        "refresh",
        "refresh --show-lock",
        "set-health okay",
        "set-health waiting 'for the tide'",
        "set-health blocked 'no permission' --code=my-code",
        "is-connected net",
        "stop svc",
        "start --enable cf.svc",
        "restart --reload cf.svc",
    ] {
        let words = words.replace("stop svc", "stop cf.svc");
        assert_eq!(run(&words), printed(""), "{words}");
    }
    for (words, text) in [
        ("get str", "abc\n"),
        ("get num", "5\n"),
        ("get flt", "1.5\n"),
        ("get boolv", "true\n"),
        ("get big", "123456789012345678901234567890\n"),
        ("get missing", "\n"),
        ("get empty", "\n"),
        ("get gone", "\n"),
        ("get doc.missing", "\n"),
        ("get doc", "{\n\t\"a\": 1\n}\n"),
        ("get arr", "[\n\t1\n]\n"),
        ("get -d missing", "{}\n"),
        ("get -d doc.a", "{\n\t\"doc.a\": 1\n}\n"),
        ("get num str nosuch", "{\n\t\"num\": 5,\n\t\"str\": \"abc\"\n}\n"),
        ("get -t str", "\"abc\"\n"),
        ("get -t text", "\"5\"\n"),
        ("get -t typed", "5\n"),
        ("get -t missing", "null\n"),
        (
            "services",
            "Service  Startup  Current  Notes\ncf.svc   enabled  active   -\n",
        ),
        (
            "services cf",
            "Service  Startup  Current  Notes\ncf.svc   enabled  active   -\n",
        ),
        ("system-mode", "system-mode: run\nseed-loaded: true\n"),
        (
            "refresh --pending",
            "pending: none\nbase: false\nrestart: false\n",
        ),
    ] {
        assert_eq!(run(words), printed(text), "{words}");
    }
    assert_eq!(run("is-connected lamp"), (Some(1), String::new(), String::new()));
    for help in ["--help", "-h", "get --help", "set -h"] {
        let (code, text, _) = run(help);
        assert!(
            code == Some(0) && text.starts_with("Usage: snapctl "),
            "{help}: {text}"
        );
    }
    assert_eq!(
        run(""),
        (
            Some(1),
            String::new(),
            "error: snapctl cannot run without args\n".into()
        )
    );
    const COMMANDS: &str = "fde-setup-request, fde-setup-result, get, is-connected, kmod, model, mount, reboot, restart, services, set, set-health, start, stop, system-mode, umount or unset";
    for unknown in ["nosuch", "help"] {
        let text = format!("Unknown command `{unknown}'. Please specify one command of: {COMMANDS}");
        assert_eq!(run(unknown), refusal(&text));
    }
    for (words, text) in [
        ("--version", "unknown flag `version'"),
        ("get -x", "unknown flag `x'"),
        ("get", "get which option?"),
        ("get ''", "get which option?"),
        ("get -d -t x", "cannot use -d and -t together"),
        ("get Bad_Key", "invalid option name: \"Bad_Key\""),
        ("get a..b", "invalid option name: \"\""),
        ("get j.k.0", "invalid option name: \"0\""),
        ("get str.sub", "snap \"cf\" option \"str\" is not a map"),
        (
            "get :net x",
            "interface attributes can only be read during the execution of interface hooks",
        ),
        (
            "set :net x=1",
            "interface attributes can only be set during the execution of prepare hooks",
        ),
        (
            "set -t k=abc",
            "failed to parse JSON: invalid character 'a' looking for beginning of value",
        ),
        ("set -s -t k=1", "cannot use -t and -s together"),
        ("set", "set which option?"),
        ("set nokey", "invalid parameter: \"nokey\" (want key=value)"),
        // The contract's daemon says nothing here, or ends.
        ("set a..b=1", "invalid option name: \"\""),
        ("set Bad_Key=1", "invalid option name: \"Bad_Key\""),
        ("set str.sub=1", "snap \"cf\" option \"str\" is not a map"),
        ("set =1", "invalid option name: \"\""),
        ("unset", "unset which option?"),
        (
            "is-connected nosuch",
            "snap \"cf\" has no plug or slot named \"nosuch\"",
        ),
        (
            "is-connected",
            "the required argument `<plug|slot>` was not provided",
        ),
        ("is-connected --pid 1 net", "cannot use --pid check with cf:net"),
        ("services cf.nosuch", "unknown service: \"cf.nosuch\""),
        ("services svc", "unknown service: \"svc\""),
        ("services other.snap", "unknown service: \"other.snap\""),
        ("services cf.sh", "unknown service: \"cf.sh\""),
        (
            "start",
            "the required argument `<service> (at least 1 argument)` was not provided",
        ),
        (
            "model",
            "insufficient permissions to get model assertion for snap \"cf\"",
        ),
        (
            "set-health okay m",
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
            "set-health error long-enough --code=Bad_Code",
            "invalid code \"Bad_Code\" (code must start with lowercase ASCII letters, and contain only ASCII letters and numbers, optionally separated by single dashes)",
        ),
        (
            "set-health unknown long-enough",
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
    ] {
        assert_eq!(run(words), refusal(text), "{words}");
    }
    // A wrong SNAP_COOKIE is not rescued by a right SNAP_CONTEXT.
    for cookie in [
        "SNAP_COOKIE=wrong SNAP_CONTEXT=$SNAP_COOKIE",
        "env -u SNAP_COOKIE -u SNAP_CONTEXT",
    ] {
        let said = shell_of(
            binary(),
            &daemon,
            None,
            "cf.sh",
            &format!("{cookie} snapctl get a"),
        );
        let text = "cannot invoke snapctl operation commands (here \"get\") from outside of a snap";
        assert_eq!(said, refusal(text), "{cookie}");
    }
}

#[test]
fn rows_of_hooks() {
    let daemon = TestDaemon::start();
    let told = "exec >> $SNAP_COMMON/told 2>&1\n";
    let configure = format!(
        "#!/bin/sh\n[ \"$(snapctl get ask)\" ] || exit 0\n{told}\
         snapctl set seen=1; snapctl get seen\n\
         snapctl stop cf.svc; echo stop $?; snapctl services\n\
         snapctl refresh --pending; snapctl set =1; snapctl set-health okay; exit 0\n"
    );
    let prepare = format!(
        "#!/bin/sh\n{told}snapctl set :lamp made=up; echo $?\nsnapctl get :lamp made\nsnapctl get --plug --slot :lamp x\n\
         snapctl set :lamp interface=x\nsnapctl set plain=1; exit 0\n"
    );
    let connect = format!(
        "#!/bin/sh\n{told}snapctl get :lamp made\nsnapctl get --slot :lamp number\nsnapctl get :lamp\n\
         snapctl get :lamp nosuch\nsnapctl get :net x\nsnapctl set :lamp late=1; exit 0\n"
    );
    installed(
        &daemon,
        &[
            ("meta/hooks/configure", &configure),
            ("meta/hooks/prepare-plug-lamp", &prepare),
            ("meta/hooks/connect-plug-lamp", &connect),
        ],
    );
    let told = || {
        let path = daemon.root().join("var/snap/cf/common/told");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        text.replace("error: error running snapctl: ", "E: ")
    };
    let set = daemon.put("/v2/snaps/cf/conf", &json!({"ask": true}));
    let change = daemon.done(&set);
    assert_eq!(
        told(),
        "1\nstop 0\nService  Startup  Current  Notes\ncf.svc   enabled  active   -\n\
         E: can only be used from gate-auto-refresh hook\nE: invalid option name: \"\"\n"
    );
    // What the hook asked of its service comes after it (contract: confinement, section 7, Semantics).
    let tasks: Vec<&str> = change["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["kind"].as_str().unwrap())
        .collect();
    assert_eq!(tasks, ["run-hook", "service-control"]);
    assert!(
        daemon.get("/v2/apps?names=cf.svc").result()[0]
            .get("active")
            .is_none()
    );
    assert_eq!(
        *daemon.get("/v2/snaps/cf/conf").result(),
        json!({"ask": true, "seen": 1})
    );

    let gadget = pack(
        "name: bench-pi\ntype: gadget\nversion: '1'\nbase: none\nslots:\n  pin-11: {interface: gpio, number: 17}\n",
        &[("meta/gadget.yaml", "volumes: {}\n")],
    );
    daemon.install(&[("gadget.snap", &gadget)]);
    daemon.done(&daemon.post(
        "/v2/interfaces",
        &json!({
            "action": "connect",
            "plugs": [{"snap": "cf", "plug": "lamp"}],
            "slots": [{"snap": "bench-pi", "slot": "pin-11"}],
        }),
    ));
    assert_eq!(
        told(),
        "0\nup\nE: cannot use --plug and --slot together\n\
         up\n17\nE: get which attribute?\nE: no \"nosuch\" attribute\nE: unknown plug or slot \"net\"\n\
         E: interface attributes can only be set during the execution of prepare hooks\n"
    );
    assert_eq!(daemon.get("/v2/snaps/cf/conf?keys=plain").result()["plain"], 1);
}

/// The kind, status and tasks' kinds of the newest change.
fn newest(daemon: &TestDaemon) -> (String, String, Vec<String>) {
    let all = daemon.get("/v2/changes?select=all&for=cf").result().clone();
    let id = |change: &&Value| change["id"].as_str().unwrap().parse::<u64>().unwrap();
    let change = all.as_array().unwrap().iter().max_by_key(id).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let tasks = change["tasks"].as_array().unwrap();
    let kinds = tasks.iter().map(|task| text(&task["kind"])).collect();
    (text(&change["kind"]), text(&change["status"]), kinds)
}

#[test]
fn orders_for_services_are_changes() {
    // contract: snaps-and-assertions, section 3 ("outside they create a change and wait"); confinement, section 7
    // ("from services, apps and other hooks they run now and wait")
    let daemon = TestDaemon::start();
    installed(
        &daemon,
        &[
            (
                "meta/hooks/install",
                "#!/bin/sh\n{ snapctl start cf.svc; echo $?; snapctl services; } > $SNAP_COMMON/told 2>&1\n",
            ),
            (
                "meta/hooks/configure",
                "#!/bin/sh\n[ \"$(snapctl get wait)\" ] || exit 0\ntouch $SNAP_COMMON/waits\n\
                 until [ -e $SNAP_COMMON/go ]; do sleep 0.05; done\n",
            ),
        ],
    );
    let common = daemon.root().join("var/snap/cf/common");
    assert_eq!(
        std::fs::read_to_string(common.join("told")).unwrap(),
        "0\nService  Startup  Current  Notes\ncf.svc   enabled  active   -\n"
    );
    // The hook's own change is no obstacle to the one that it asks for, which has an id after it.
    let service = (
        String::from("service-control"),
        String::from("Done"),
        vec![String::from("service-control")],
    );
    assert_eq!(newest(&daemon), service);

    let run = |words: &str| shell_of(binary(), &daemon, None, "cf.sh", &format!("snapctl {words}"));
    let active = || daemon.get("/v2/apps?names=cf.svc").result()[0]["active"] == true;
    let changes = || {
        let all = daemon.get("/v2/changes?select=all&for=cf");
        all.result().as_array().unwrap().len()
    };
    let before = changes();
    assert_eq!(run("stop --disable cf.svc").0, Some(0));
    assert_eq!((newest(&daemon), active()), (service.clone(), false));
    assert_eq!(run("restart cf.svc").0, Some(0));
    assert_eq!((newest(&daemon), active()), (service, true));
    assert_eq!(changes(), before + 2);

    // Another change of the snap is in the way.
    let set = daemon.put("/v2/snaps/cf/conf", &json!({"wait": true}));
    let end = Instant::now() + Duration::from_secs(30);
    while !common.join("waits").exists() {
        assert!(Instant::now() < end, "the hook does not run");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(
        run("stop cf.svc"),
        refusal("snap \"cf\" has \"configure-snap\" change in progress")
    );
    std::fs::write(common.join("go"), "").unwrap();
    daemon.done(&set);
    assert!(active());
}

#[test]
fn an_app_of_an_ordinary_user_is_its_snaps() {
    // decision 2
    if !is_root() {
        println!(
            "skipped: snapctl_table::an_app_of_an_ordinary_user_is_its_snaps: only root can run the agent and be another user"
        );
        return;
    }
    // Its own copy, which the other user may run.
    let daemon = TestDaemon::start_as(0);
    if control_groups().is_none() {
        println!(
            "skipped: snapctl_table::an_app_of_an_ordinary_user_is_its_snaps: there are no control groups"
        );
        return;
    }
    installed(&daemon, &[]);
    let other = pack(
        "name: other\nversion: '1'\nbase: test-base\napps:\n  sh: {command: bin/sh}\n  \
         srv: {command: bin/sh, daemon: oneshot}\n",
        &[("bin/sh", SHELL)],
    );
    daemon.install(&[("other.snap", &other)]);
    let program = daemon.scratch().join("pinion");
    let run = |app: &str, words: &str| shell_of(&program, &daemon, Some(NOBODY), app, words);
    let root = shell_of(&program, &daemon, None, "cf.sh", "snapctl set a=7");
    assert_eq!(root.0, Some(0), "{root:?}");
    let (code, text, told) = run("cf.sh", "snapctl get a");
    assert_eq!((code, text.as_str()), (Some(0), "7\n"), "{told}");
    let (code, text, _) = run(
        "cf.sh",
        "snapctl is-connected net && snapctl set-health waiting 'for the tide'",
    );
    assert_eq!((code, text.as_str()), (Some(0), ""));
    for words in ["set a=1", "nosuch", "start cf.svc"] {
        let command = words.split(' ').next().unwrap();
        let (code, _, told) = run("cf.sh", &format!("snapctl {words}"));
        let text = format!("error: cannot use \"{command}\" with uid {NOBODY}, try with sudo\n");
        assert!(code == Some(1) && told.ends_with(&text), "{words}: {told}");
    }
    // A process of another snap stays that snap's, whatever it starts.
    let inner = format!(
        "{} --root {} run cf.sh -c 'snapctl get a'",
        program.display(),
        daemon.root().display()
    );
    let (code, _, told) = run("other.sh", &inner);
    let outside = "cannot invoke snapctl operation commands (here \"get\") from outside of a snap\n";
    assert!(code == Some(1) && told.ends_with(outside), "{told}");
    let (code, text, _) = run("other.sh", "snapctl get a; echo $?");
    assert_eq!(
        (code, text.as_str()),
        (Some(0), "\n0\n"),
        "it has its own configuration"
    );
    // A service's group is the agent's: what a person starts of it neither holds it up nor ends with it.
    for user in [Some(NOBODY), None] {
        let words = "cat /proc/self/cgroup; snapctl get a; echo $?";
        let (code, text, told) = shell_of(&program, &daemon, user, "other.srv", words);
        let groups = text.strip_suffix("\n\n0\n").unwrap_or_default();
        let own = groups.lines().any(|line| line.ends_with("/snap.other.srv.run"));
        assert!(code == Some(0) && own, "{user:?}: {text}{told}");
    }
}
