//! Requests by another user, which only root can make.

use super::http::Request;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The user `nobody`.
pub const NOBODY: u32 = 65534;

/// The test runs as root, so it can be somebody else, too.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Sends requests as another user, in a process of that user, and answers the status and kind of each.
pub fn ask_as(user: u32, socket: &Path, asked: &[(&str, String)]) -> Vec<(u16, String)> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    // The build's folder may not be open to that user.
    let copy = dir.path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = Command::new(&copy);
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
    if user != nix::unistd::geteuid().as_raw() {
        command.uid(user).gid(user);
    }
    let mut child = command.spawn().unwrap();
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

/// A request by a child has the answer that our own has. In the child, it is the part that asks.
#[test]
fn a_child_asks() {
    let Some(socket) = std::env::var_os("PINION_TEST_SOCKET") else {
        let daemon = super::TestDaemon::start();
        let user = nix::unistd::geteuid().as_raw();
        let asked = [("GET", "/".to_owned()), ("PUT", "/".to_owned())];
        let answers = ask_as(user, &daemon.socket(), &asked);
        assert_eq!(answers, [(200, String::new()), (405, String::new())]);
        return;
    };
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let (method, path) = line.split_once(' ').unwrap();
        let (status, kind) = status_of(Path::new(&socket), &Request::new(method, path));
        println!("\nanswer {status} {kind}");
    }
}

/// The status and the kind that a request is answered with; of answers that go on only the head is read.
pub fn status_of(socket: &Path, request: &Request) -> (u16, String) {
    let (status, mut reader) = request.send_for_head(socket).unwrap();
    if status < 400 || request.method() == "HEAD" {
        return (status, String::new());
    }
    let mut text = vec![0; 4096];
    let count = std::io::Read::read(&mut reader, &mut text).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&text[..count]).unwrap_or_default();
    let kind = body["result"]["kind"].as_str().unwrap_or_default();
    (status, kind.to_owned())
}
