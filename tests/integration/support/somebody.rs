//! Requests by another user, which only root can make.

use super::http::Request;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The user `nobody`.
pub const NOBODY: u32 = 65534;

/// A process of `nobody`.
pub const ANOTHER_USER: Somebody<'static> = Somebody {
    user: Some(NOBODY),
    cookie: None,
    group: None,
    program: None,
};

/// The test runs as root, so it can be somebody else, too.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Where this machine has its control groups of the second version.
pub fn control_groups() -> Option<&'static Path> {
    let mounts = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(Path::new);
    mounts
        .into_iter()
        .find(|mount| mount.join("cgroup.controllers").exists())
}

/// Another process that asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Somebody<'a> {
    /// Its user, when it is not the test's own.
    pub user: Option<u32>,
    /// The cookie that it shows.
    pub cookie: Option<&'a str>,
    /// The folder of the control group that it joins.
    pub group: Option<&'a Path>,
    /// Where its program stands, when that matters.
    pub program: Option<&'a Path>,
}

/// Sends requests (a verb; a path, and behind a blank a JSON body) from a process of somebody's, and answers the status
/// and kind of each.
pub fn ask_as(who: Somebody<'_>, socket: &Path, asked: &[(&str, String)]) -> Vec<(u16, String)> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    // The build's folder may not be open to that user.
    let copy = who.program.map_or(dir.path().join("tests"), Path::to_owned);
    super::copy_program(&std::env::current_exe().unwrap(), &copy);
    let mut command = match who.group {
        None => Command::new(&copy),
        Some(group) => {
            let mut command = Command::new("/bin/sh");
            command
                .args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""])
                .arg(group)
                .arg(&copy);
            command
        }
    };
    command
        .args([
            "--exact",
            "support::somebody::a_child_asks",
            "--nocapture",
            "--test-threads=1",
        ])
        .env("PINION_TEST_SOCKET", socket)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if let Some(user) = who.user {
        command.uid(user).gid(user);
    }
    if let Some(cookie) = who.cookie {
        command.env("PINION_TEST_COOKIE", cookie);
    }
    let mut child = spawn_copy(&mut command);
    let lines: String = asked
        .iter()
        .map(|(method, path)| format!("{method} {path}\n"))
        .collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let answers: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once("answer "))
        .map(|(_, answer)| {
            let (status, kind) = answer.split_once(' ').unwrap();
            (status.parse().unwrap(), kind.to_owned())
        })
        .collect();
    assert_eq!(answers.len(), asked.len(), "{text}");
    answers
}

/// Starts a program that was copied just now: a child of another test that is about to start its own program may hold
/// the copy open for a moment.
pub fn spawn_copy(command: &mut Command) -> Child {
    for _ in 0..200 {
        match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(20));
            }
            started => return started.unwrap(),
        }
    }
    panic!("the copy of a program stays busy");
}

/// A request by a child has the answer that our own has. In the child, it is the part that asks.
#[test]
fn a_child_asks() {
    let Some(socket) = std::env::var_os("PINION_TEST_SOCKET") else {
        let daemon = super::TestDaemon::start();
        let asked = [("GET", "/".to_owned()), ("PUT", "/".to_owned())];
        let answers = ask_as(Somebody::default(), &daemon.socket(), &asked);
        assert_eq!(answers, [(200, String::new()), (405, String::new())]);
        return;
    };
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let (method, path) = line.split_once(' ').unwrap();
        let (path, body) = path.split_once(' ').unwrap_or((path, ""));
        let request = Request::new(method, path).body(body.as_bytes());
        let request = match std::env::var("PINION_TEST_COOKIE") {
            Ok(cookie) => request.header("X-Snap-Context", &cookie),
            Err(_) => request,
        };
        let (status, kind) = status_of(Path::new(&socket), &request);
        println!("\nanswer {status} {kind}");
    }
}

/// The status and the kind that a request is answered with; of answers that go on only the head is read.
pub fn status_of(socket: &Path, request: &Request) -> (u16, String) {
    let (status, mut reader) = request.send_for_head(socket).unwrap();
    // An error of snapctl may have status 200; of what is posted every answer ends.
    if (status < 400 && request.method() != "POST") || request.method() == "HEAD" {
        return (status, String::new());
    }
    let mut text = vec![0; 4096];
    let count = std::io::Read::read(&mut reader, &mut text).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&text[..count]).unwrap_or_default();
    let kind = body["result"]["kind"].as_str().unwrap_or_default();
    (status, kind.to_owned())
}
