//! The command line against the real daemon: what scripts rely on (results on standard output, remarks on standard
//! error, exit codes 0 done, 1 failed, 2 wrong usage; Ctrl-C takes a change back).

use super::support::TestDaemon;
use super::support::daemon::binary;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a command printed and how it ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn pinion(daemon: &TestDaemon) -> Command {
    let mut command = Command::new(binary());
    command.arg("--root").arg(daemon.root()).stdin(Stdio::null());
    command
}

fn run(daemon: &TestDaemon, words: &[&str]) -> Ended {
    let output = pinion(daemon).args(words).output().expect("the program");
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// Runs a command that must succeed; answers its result.
fn done(daemon: &TestDaemon, words: &[&str]) -> String {
    let ended = run(daemon, words);
    assert_eq!(ended.code, Some(0), "{words:?}: {ended:?}");
    ended.out
}

/// Runs a command that must fail; answers its reason.
fn fails(daemon: &TestDaemon, words: &[&str], code: i32) -> String {
    let ended = run(daemon, words);
    assert_eq!(ended.code, Some(code), "{words:?}: {ended:?}");
    assert_eq!(ended.out, "", "{words:?}");
    ended.err
}

fn result(daemon: &TestDaemon, words: &[&str]) -> Value {
    let mut words = words.to_vec();
    words.push("--json");
    serde_json::from_str(&done(daemon, &words)).expect("JSON")
}

/// Writes a folder and packs it; answers the file.
fn packed(daemon: &TestDaemon, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = daemon.scratch().join(name);
    for (path, content) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::write(&path, content).expect("a file");
        let mode = if content.starts_with("#!") { 0o755 } else { 0o644 };
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("its mode");
    }
    let said = done(daemon, &["pack", text(&folder), text(daemon.scratch())]);
    PathBuf::from(said.trim().strip_prefix("built: ").expect("where it is"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

fn bare(daemon: &TestDaemon) -> PathBuf {
    packed(
        daemon,
        "bare",
        &[("meta/snap.yaml", "name: bare\nversion: '1'\ntype: base\n")],
    )
}

fn lights(daemon: &TestDaemon) -> PathBuf {
    let yaml = "name: lights\nversion: '2'\nbase: bare\nplugs: {out: {interface: gpio}}\napps: {sh: {command: bin/sh, plugs: [out]}}\n";
    packed(
        daemon,
        "lights",
        &[("meta/snap.yaml", yaml), ("bin/sh", "#!/bin/sh\nexec \"$@\"\n")],
    )
}

fn board(daemon: &TestDaemon) -> PathBuf {
    let yaml =
        "name: board\nversion: '3'\ntype: gadget\nbase: none\nslots: {pin: {interface: gpio, number: 27}}\n";
    packed(
        daemon,
        "board",
        &[("meta/snap.yaml", yaml), ("meta/gadget.yaml", "volumes: {}\n")],
    )
}

#[test]
fn a_snap_gets_a_pin_by_commands() {
    let daemon = TestDaemon::start();
    let files = [bare(&daemon), board(&daemon)];
    let said = done(
        &daemon,
        &["install", "--dangerous", text(&files[0]), text(&files[1])],
    );
    assert_eq!(said, "bare 1 installed\nboard 3 installed\n");
    let file = lights(&daemon);
    assert_eq!(
        done(&daemon, &["install", "--dangerous", text(&file)]),
        "lights 2 installed\n"
    );
    assert_eq!(
        done(&daemon, &["list"]),
        "Name    Version  Rev  Tracking  Publisher  Notes\n\
         bare    1        x1   -         -          base\n\
         board   3        x1   -         -          gadget\n\
         lights  2        x1   -         -          -\n"
    );
    assert_eq!(result(&daemon, &["list", "lights"])[0]["revision"], "x1");

    assert_eq!(done(&daemon, &["connect", "lights:out", "board:pin"]), "");
    assert_eq!(
        done(&daemon, &["connections"]),
        "Interface  Plug        Slot       Notes\ngpio       lights:out  board:pin  manual\n"
    );
    done(&daemon, &["line", "GPIO27", "--direction", "output"]);
    done(&daemon, &["line", "GPIO27", "1"]);
    let line = result(&daemon, &["line", "GPIO27"]);
    assert_eq!(
        (&line["value"], &line["plug"]["plug"]),
        (&1.into(), &"out".into())
    );
    let table = done(&daemon, &["board"]);
    assert!(table.contains("lights:out") && !table.contains('\x1b'), "{table}");

    // The snap's own process sees its line and nothing else.
    assert_eq!(
        done(&daemon, &["run", "lights.sh", "snapctl", "line", "out"]),
        "1\n"
    );
    let other = run(&daemon, &["run", "lights.sh", "snapctl", "line", "GPIO17", "1"]);
    assert_eq!(other.code, Some(1), "{other:?}");

    done(&daemon, &["disconnect", "lights:out"]);
    assert!(fails(&daemon, &["disconnect", "lights:out"], 1).starts_with("error: "));
    assert_eq!(done(&daemon, &["remove", "lights"]), "lights removed\n");
    assert_eq!(done(&daemon, &["remove", "lights"]), "");
}

/// What is there works; what is not is listed, and its lines say so.
#[test]
fn what_a_board_lacks_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("far.toml");
    let text = "name = \"far\"\n[[chips]]\nlabel = \"expander\"\nlines = 8\nunverified = true\nsource = \"a drawing\"\n\
                [[lines]]\nname = \"PUMP\"\noffset = 2\n";
    std::fs::write(&file, text).unwrap();
    let daemon = TestDaemon::with_args(&["--board", file.to_str().unwrap()]);
    let table = done(&daemon, &["board"]);
    assert!(table.contains("PUMP"), "{table}");
    assert!(
        table.ends_with("\n not there: expander\n unverified: chip expander (a drawing)\n"),
        "{table}"
    );
    let error = fails(&daemon, &["line", "PUMP", "1"], 1);
    assert!(error.contains("no GPIO chip \"expander\""), "{error}");
}

#[test]
fn exit_codes_tell_failure_from_wrong_usage() {
    let daemon = TestDaemon::start();
    for (words, reason) in [
        (&["info", "nosuch"][..], "\"nosuch\" is not installed"),
        (&["install", "nosuch"], "path of a .snap file"),
        (
            &["install", "--dangerous", "/nonexistent/a.snap"],
            "/nonexistent/a.snap",
        ),
        (&["watch", "99"], "99"),
        (&["tasks", "--last=install"], "install"),
        (&["line", "NOSUCH"], "NOSUCH"),
        (&["led", "NOSUCH", "on"], "NOSUCH"),
        (&["connect", "a1:b", "c1:d"], "a1"),
        (&["interface", "nosuch"], "nosuch"),
    ] {
        let said = fails(&daemon, words, 1);
        assert!(
            said.starts_with("error: ") && said.contains(reason),
            "{words:?}: {said}"
        );
        assert!(!said.contains("os error"), "{said}");
    }
    for words in [
        &["nosuch"][..],
        &["install"],
        &["line", "GPIO1", "7"],
        &["led", "ACT", "sideways"],
        &["connect", "a1", "b1:c"],
        &["connections", "--all", "a1"],
        &["help", "nosuch"],
    ] {
        fails(&daemon, words, 2);
    }
    let nobody = Command::new(binary())
        .args(["--socket", "/nonexistent/s", "list"])
        .output()
        .expect("the program");
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("pinion daemon"));
}

#[test]
fn an_interrupt_takes_the_change_back() {
    let daemon = TestDaemon::start();
    done(&daemon, &["install", "--dangerous", text(&bare(&daemon))]);
    let slow = packed(
        &daemon,
        "slow",
        &[
            ("meta/snap.yaml", "name: slow\nversion: '1'\nbase: bare\n"),
            ("meta/hooks/install", "#!/bin/sh\nsleep 60\n"),
        ],
    );
    let mut waiting = pinion(&daemon)
        .args(["install", "--dangerous", text(&slow)])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut said = BufReader::new(waiting.stderr.take().expect("its remarks"));
    let mut line = String::new();
    while !line.contains("install hook") {
        line.clear();
        assert!(said.read_line(&mut line).expect("a line") > 0, "it ended");
    }
    kill(
        Pid::from_raw(i32::try_from(waiting.id()).expect("a pid")),
        Signal::SIGINT,
    )
    .expect("a signal");
    assert_eq!(waiting.wait().expect("an end").code(), Some(1));
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("text");
    assert!(rest.contains("error: "), "{rest}");
    let names: Vec<Value> = result(&daemon, &["list"]).as_array().expect("a list").clone();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn edges_are_followed_as_they_happen() {
    let daemon = TestDaemon::start();
    done(&daemon, &["line", "GPIO22", "--direction", "input"]);
    let mut watching = pinion(&daemon)
        .args(["line", "GPIO22", "--watch", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut events = BufReader::new(watching.stdout.take().expect("its output")).lines();
    // The first edge that is seen: the stream may open after some.
    let seen = std::thread::spawn(move || events.next().expect("an event").expect("a line"));
    let mut level = 0;
    while !seen.is_finished() {
        level = 1 - level;
        done(&daemon, &["sim", "line", "GPIO22", &level.to_string()]);
    }
    let event: Value = serde_json::from_str(&seen.join().expect("an event")).expect("JSON");
    assert_eq!(event["type"], "hardware.edge");
    assert_eq!(event["data"]["line"], "GPIO22");
    kill(
        Pid::from_raw(i32::try_from(watching.id()).expect("a pid")),
        Signal::SIGINT,
    )
    .expect("a signal");
    assert_eq!(watching.wait().expect("an end").code(), Some(0));
}

#[test]
fn a_reader_that_goes_is_no_failure() {
    let daemon = TestDaemon::start();
    let command = format!(
        "{} --root {} interface --all | head -1",
        text(binary()),
        text(&daemon.root())
    );
    let output = Command::new("bash")
        .args(["-c", &format!("set -o pipefail; {command}")])
        .output()
        .expect("bash");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn aliases_warnings_and_notices() {
    let daemon = TestDaemon::start();
    let base = bare(&daemon);
    done(&daemon, &["install", "--dangerous", text(&base)]);
    let tool = packed(
        &daemon,
        "tool",
        &[
            (
                "meta/snap.yaml",
                "name: tool\nversion: '1'\nbase: bare\nsummary: s\ndescription: d\napps:\n  run: {command: bin/x}\n",
            ),
            ("bin/x", "#!/bin/sh\n"),
        ],
    );
    done(&daemon, &["install", "--dangerous", text(&tool)]);
    assert_eq!(done(&daemon, &["aliases"]), "");
    assert_eq!(
        done(&daemon, &["alias", "tool.run", "go"]),
        "Added:\n  - tool.run as go\n"
    );
    assert_eq!(
        done(&daemon, &["aliases"]),
        "Command   Alias  Notes\ntool.run  go     manual\n"
    );
    assert_eq!(result(&daemon, &["aliases"])["tool"]["go"]["command"], "tool.run");
    assert!(fails(&daemon, &["alias", "tool.none", "x"], 1).contains("does not exist"));
    assert!(fails(&daemon, &["alias", "tool.", "x"], 2).contains("give SNAP.APP"));
    assert_eq!(
        done(&daemon, &["unalias", "go"]),
        "Removed:\n  - tool.run as go\n"
    );
    assert_eq!(done(&daemon, &["prefer", "tool"]), "");

    assert_eq!(done(&daemon, &["debug", "add-warning", "look here"]), "true\n");
    assert!(done(&daemon, &["warnings"]).contains("look here"));
    done(&daemon, &["okay"]);
    assert_eq!(done(&daemon, &["warnings"]), "");
    assert!(done(&daemon, &["debug", "stacktraces"]).contains("thread "));
    assert_eq!(result(&daemon, &["debug", "seeding"])["seeded"], true);
    assert!(fails(&daemon, &["debug", "weather"], 2).contains("weather"));

    let notices = done(&daemon, &["notices", "--types", "change-update"]);
    assert!(notices.starts_with("ID  User    Type           Key"), "{notices}");
    let newest = result(&daemon, &["notices"]);
    let newest = newest.as_array().expect("a list").last().expect("one").clone();
    let after = newest["last-repeated"].as_str().expect("a time");
    assert_eq!(done(&daemon, &["notices", "--after", after]), "");
    assert!(fails(&daemon, &["notices", "--wait", "soon"], 1).contains("invalid timeout"));
}
