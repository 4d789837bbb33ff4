//! The frame of /v2 over the real sockets: the envelope, unknown paths and verbs, access, slow clients.

use crate::support::snaps::{BASE, pack};
use crate::support::somebody::{ANOTHER_USER, NOBODY, Somebody, ask_as, is_root, status_of};
use crate::support::{Request, TestDaemon};
use pinion::api::v2::ROUTES;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

#[test]
fn the_sockets_are_open_to_all_and_go_with_the_daemon() {
    let mut daemon = TestDaemon::start();
    for socket in [daemon.socket(), daemon.snap_socket()] {
        let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o666, "{}", socket.display());
    }
    assert!(daemon.stop().success());
    assert!(!daemon.socket().exists() && !daemon.snap_socket().exists());
    daemon.launch();
    daemon.kill();
    assert!(daemon.socket().exists(), "a kill leaves it");
    daemon.launch();
    assert_eq!(daemon.get("/").status, 200);
}

/// contract: v2, section 1, and v2-observed, "Surprises in shapes"
#[test]
fn the_envelope() {
    let daemon = TestDaemon::start();
    let answer = daemon.get("/");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("server"), None);
    let text = String::from_utf8(answer.bytes).unwrap();
    assert_eq!(
        text,
        r#"{"type":"sync","status-code":200,"status":"OK","result":["TBD"]}"#
    );
    let answer = daemon.get("/v2/system-info");
    let info = answer.result();
    for name in [
        "series",
        "version",
        "build-id",
        "os-release",
        "on-classic",
        "managed",
        "kernel-version",
        "locations",
        "refresh",
        "architecture",
        "system-mode",
        "confinement",
        "sandbox-features",
    ] {
        assert!(info.get(name).is_some(), "system-info lacks {name}: {info:#}");
    }
    assert_eq!(info["series"], "16");
    let in_developer_mode = !is_root();
    assert_eq!(info["developer-mode"] == true, in_developer_mode, "decision 1");
}

/// contract: v2-observed, "Surprises in shapes"
#[test]
fn unknown_paths_and_verbs() {
    let daemon = TestDaemon::start();
    for path in ["/v2/nosuch", "/v2/snaps/", "/v3", "/v2", "/1.0"] {
        let answer = daemon.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.result(), &json!({"message": "not found"}), "{path}");
        assert_eq!(answer.body["type"], "error");
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        let answer = Request::new(method, "/v2/system-info")
            .send(&daemon.socket())
            .unwrap();
        assert_eq!(answer.status, 405);
        let message = format!("method \"{method}\" not allowed");
        assert_eq!(answer.result(), &json!({ "message": message }));
        assert_eq!(answer.header("allow"), None);
    }
    let answer = Request::new("HEAD", "/v2/system-info")
        .send(&daemon.socket())
        .unwrap();
    assert_eq!(answer.status, 405);
    for (path, location) in [
        ("//v2/system-info", "/v2/system-info"),
        ("/v2/../v2/x", "/v2/x"),
        ("/v2//changes?select=all", "/v2/changes?select=all"),
    ] {
        let answer = daemon.get(path);
        assert_eq!(answer.status, 301, "{path}");
        assert_eq!(answer.header("location"), Some(location));
        assert_eq!((answer.bytes.len(), answer.header("content-type")), (0, None));
    }
}

/// contract: v2, section 3 (Changes)
#[test]
fn changes() {
    let daemon = TestDaemon::start();
    let answer = daemon.get("/v2/changes?select=all");
    let seed = &answer.result()[0];
    assert_eq!(
        (&seed["id"], &seed["kind"], &seed["status"], &seed["ready"]),
        (&json!("1"), &json!("seed"), &json!("Done"), &json!(true))
    );
    for name in ["err", "data"] {
        assert!(seed.get(name).is_none(), "{name} is absent until it applies");
    }
    assert_eq!(
        seed["tasks"][0]["progress"],
        json!({"label": "", "done": 1, "total": 1})
    );
    assert_eq!(
        daemon.get("/v2/changes").result(),
        &json!([]),
        "nothing is in progress"
    );
    assert_eq!(daemon.get("/v2/changes?select=ready").result()[0]["id"], "1");
    assert_eq!(
        daemon.get("/v2/changes?select=all&for=nosuch").result(),
        &json!([])
    );
    let wrong = daemon.get("/v2/changes?select=some");
    assert_eq!(
        (wrong.status, wrong.message()),
        (400, "select should be one of: all,in-progress,ready")
    );
    assert_eq!(daemon.get("/v2/changes/1").result()["id"], "1");
    let missing = daemon.get("/v2/changes/77");
    assert_eq!(
        (missing.status, missing.message(), missing.kind()),
        (404, "cannot find change with id \"77\"", "")
    );
    let abort = json!({"action": "abort"});
    let ready = daemon.post("/v2/changes/1", &abort);
    assert_eq!(
        (ready.status, ready.message()),
        (400, "cannot abort change 1 with nothing pending")
    );
    assert_eq!(daemon.post("/v2/changes/77", &abort).status, 404);
    assert_eq!(
        daemon.post("/v2/changes/1", &json!({"action": "dance"})).status,
        400
    );
}

#[test]
fn bodies_that_are_too_large_deep_or_no_json() {
    let daemon = TestDaemon::start();
    let post = |body: &[u8]| {
        Request::new("POST", "/v2/changes/1")
            .body(body)
            .send(&daemon.socket())
            .unwrap()
    };
    let deep = [b"{\"action\":".as_slice(), &[b'['; 50_000]].concat();
    for body in [b"".as_slice(), b"[]", b"7", b"{", b"{\"action\":7}", &deep] {
        let answer = post(body);
        assert_eq!(answer.status, 400);
        assert!(
            answer.message().starts_with("cannot decode request body"),
            "{}",
            answer.message()
        );
    }
    let answer = post(&vec![b' '; (1 << 20) + 1]);
    assert_eq!(answer.status, 413);
    // contract: v2-observed, "Body-decode leniency"
    for body in [b"null".as_slice(), b"{\"x\":1} trailing"] {
        assert_eq!(post(body).message(), post(b"{\"action\":\"\"}").message());
    }
    assert_eq!(daemon.get("/").status, 200);
}

/// Whatever comes, the daemon answers or closes, and goes on.
#[test]
fn malformed_requests() {
    let daemon = TestDaemon::start();
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(5_000));
    let post = "POST /v2/changes/1 HTTP/1.1\r\nHost: x\r\n";
    let table: Vec<(String, &str)> = vec![
        ("\0\0\0\0\r\n\r\n".into(), "400"),
        ("GET\r\n\r\n".into(), "400"),
        ("GET / HTTP/9.9\r\n\r\n".into(), ""),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), ""),
        ("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n".into(), "404"),
        ("GET /%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n".into(), "404"),
        ("GET /v2/changes/%00 HTTP/1.1\r\nHost: x\r\n\r\n".into(), "404"),
        (
            "GET http://x/v2/changes HTTP/1.1\r\nHost: x\r\n\r\n".into(),
            "200",
        ),
        ("CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n".into(), ""),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n".into(), ""),
        ("GET / HTTP/1.0\r\n\r\n".into(), "200"),
        (long, ""),
        (many, "431"),
        (format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "400"),
        (format!("{post}Content-Length: -1\r\n\r\n"), "400"),
        (
            format!("{post}Content-Length: 5\r\nContent-Length: 6\r\n\r\n{{}}"),
            "400",
        ),
    ];
    for (text, status) in table {
        let what = &text[..text.len().min(60)];
        let mut stream = UnixStream::connect(daemon.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        // It may close before all is sent.
        let _ = stream.write_all(text.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{what:?}: {error}"),
        }
        let answer = String::from_utf8_lossy(&answer);
        let code = answer.split(' ').nth(1).unwrap_or_default();
        assert!(status.is_empty() || code == status, "{what:?}: {answer}");
        assert_eq!(daemon.get("/").status, 200, "after {what:?}");
    }
    assert!(
        !daemon.log().iter().any(|line| line.contains("panic")),
        "{:?}",
        daemon.log()
    );
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Class {
    Open,
    Authenticated,
    Root,
    Snap,
    /// Ours (issue): a snap sees its own part on the socket for snaps.
    OpenOrSnap,
    AuthenticatedOrSnap,
}

use Class::{Authenticated, AuthenticatedOrSnap, Open, OpenOrSnap, Root, Snap};

/// contract: v2, section 2 (GET, POST, PUT); ours by decisions 5 and 12. A route that is not here fails the walk.
const CONTRACT: &[(&str, [Option<Class>; 3])] = &[
    ("/", [Some(Open), None, None]),
    ("/v2/system-info", [Some(Open), None, None]),
    ("/v2/find", [Some(Open), None, None]),
    ("/v2/sections", [Some(Open), None, None]),
    ("/v2/snaps", [Some(Open), Some(Authenticated), None]),
    ("/v2/snaps/{name}", [Some(Open), Some(Authenticated), None]),
    ("/v2/snaps/{name}/file", [Some(Open), None, None]),
    (
        "/v2/snaps/{name}/conf",
        [Some(Authenticated), None, Some(Authenticated)],
    ),
    ("/v2/icons/{name}/icon", [Some(Open), None, None]),
    ("/v2/interfaces", [Some(Open), Some(Authenticated), None]),
    ("/v2/connections", [Some(Open), None, None]),
    ("/v2/changes", [Some(Open), None, None]),
    ("/v2/changes/{id}", [Some(Open), Some(Authenticated), None]),
    ("/v2/snapctl", [None, Some(Snap), None]),
    ("/v2/aliases", [Some(Open), Some(Authenticated), None]),
    ("/v2/apps", [Some(Open), Some(Authenticated), None]),
    ("/v2/logs", [Some(Authenticated), None, None]),
    ("/v2/warnings", [Some(Open), Some(Authenticated), None]),
    ("/v2/notices", [Some(Open), None, None]),
    ("/v2/notices/{id}", [Some(Open), None, None]),
    ("/v2/debug", [Some(Open), Some(Root), None]),
    ("/v2/model", [Some(Open), Some(Root), None]),
    ("/v2/model/serial", [Some(Open), Some(Root), None]),
    ("/v2/events", [Some(OpenOrSnap), None, None]),
    ("/v2/hardware", [Some(OpenOrSnap), None, None]),
    ("/v2/hardware/events", [Some(OpenOrSnap), None, None]),
    (
        "/v2/hardware/lines/{name}",
        [Some(OpenOrSnap), Some(AuthenticatedOrSnap), None],
    ),
    (
        "/v2/hardware/leds/{name}",
        [Some(OpenOrSnap), Some(AuthenticatedOrSnap), None],
    ),
    ("/v2/hardware/sim/lines/{name}", [None, Some(Authenticated), None]),
];

/// Who may ask what, as the contract has it: `None` means that it is let in.
#[derive(Clone, Copy, Debug)]
enum Who {
    /// Root, or the agent's own user, on the main socket.
    Own,
    /// Another user on the main socket.
    Other,
    /// Anyone on the socket for snaps, without a proof of being a snap.
    Stranger,
    /// A proven snap on the socket for snaps.
    Snap,
}

fn refusal(class: Class, who: Who) -> Option<u16> {
    match (who, class) {
        (Who::Own, Snap) | (Who::Other, Snap | Root) => Some(403),
        (Who::Own, _) | (Who::Other, Open | OpenOrSnap) => None,
        (Who::Other, Authenticated | AuthenticatedOrSnap) => Some(401),
        (Who::Stranger, Snap) | (Who::Snap, Snap | OpenOrSnap | AuthenticatedOrSnap) => None,
        (Who::Stranger | Who::Snap, _) => Some(403),
    }
}

/// Every path of the table with every verb, and who is refused with what.
fn walk() -> Vec<(&'static str, String, Option<Class>)> {
    let mut all = Vec::new();
    for route in ROUTES {
        let known = CONTRACT.iter().find(|(path, _)| *path == route.path);
        let (_, [get, post, put]) = known.unwrap_or_else(|| panic!("no contract for {}", route.path));
        let path = route.path.replace("{name}", "x").replace("{id}", "7000");
        for (method, class) in [
            ("GET", get),
            ("POST", post),
            ("PUT", put),
            ("DELETE", &None),
            ("HEAD", &None),
        ] {
            let has = route.verb(&method.parse().unwrap()).is_some();
            assert!(!has || class.is_some(), "{method} {path} is not in the contract");
            all.push((method, path.clone(), if has { *class } else { None }));
        }
    }
    all
}

/// Holds the answers of a walk against the contract.
fn check(who: Who, answers: &[(u16, String)]) {
    let walk = walk();
    assert_eq!(walk.len(), answers.len());
    for ((method, path, class), (status, kind)) in walk.iter().zip(answers) {
        let what = format!("{method} {path} ({class:?}) by {who:?}: {status} {kind}");
        match class {
            None => assert_eq!(*status, 405, "{what}"),
            Some(class) => match refusal(*class, who) {
                Some(expected) => {
                    assert_eq!((*status, kind.as_str()), (expected, "login-required"), "{what}");
                }
                None => assert_ne!(kind, "login-required", "{what}"),
            },
        }
    }
}

/// The walk by the test's own user.
fn ask_all(socket: &std::path::Path, cookie: Option<&str>) -> Vec<(u16, String)> {
    walk()
        .iter()
        .map(|(method, path, _)| {
            let request = Request::new(method, path);
            let request = match cookie {
                Some(cookie) => request.header("X-Snap-Context", cookie),
                None => request,
            };
            status_of(socket, &request)
        })
        .collect()
}

#[test]
fn access_of_the_agents_own_user() {
    let daemon = TestDaemon::start();
    check(Who::Own, &ask_all(&daemon.socket(), None));
}

#[test]
fn access_on_the_socket_for_snaps_without_proof() {
    let daemon = TestDaemon::start();
    check(Who::Stranger, &ask_all(&daemon.snap_socket(), None));
    check(Who::Stranger, &ask_all(&daemon.snap_socket(), Some("guessed")));
}

#[test]
fn access_of_another_user() {
    if !is_root() {
        println!("skipped: v2_frame::access_of_another_user: only root can ask as somebody else");
        return;
    }
    let asked: Vec<_> = walk()
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    let daemon = TestDaemon::start();
    check(Who::Other, &ask_as(ANOTHER_USER, &daemon.socket(), &asked));
    check(
        Who::Stranger,
        &ask_as(ANOTHER_USER, &daemon.snap_socket(), &asked),
    );
}

/// A process of a service, found by what its environment says: its cookie, and the folder of its control group
/// when it has one of its own.
fn service_of(daemon: &TestDaemon, snap: &str) -> (String, Option<std::path::PathBuf>) {
    let mine = format!("SNAP_COMMON={}/var/snap/{snap}/common", daemon.root().display());
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        for entry in std::fs::read_dir("/proc").unwrap().map_while(Result::ok) {
            let text = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let values: Vec<_> = text.split('\0').collect();
            if !values.contains(&mine.as_str()) {
                continue;
            }
            let cookie = values.iter().find_map(|value| value.strip_prefix("SNAP_COOKIE="));
            let groups = std::fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
            let group = groups
                .lines()
                .find_map(|line| line.strip_prefix("0::"))
                .filter(|path| path.contains(&format!("/snap.{snap}.")))
                .map(|path| {
                    let mounts = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
                    let mount = mounts
                        .iter()
                        .map(std::path::Path::new)
                        .find(|mount| mount.join("cgroup.controllers").exists());
                    mount.unwrap().join(path.trim_start_matches('/'))
                });
            if let Some(cookie) = cookie {
                return (cookie.to_owned(), group);
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("no service of {snap} with a cookie runs");
}

/// decision 2: a snap is known by its cookie and its control group together; a stolen cookie proves nothing.
#[test]
fn access_of_snaps() {
    let daemon = TestDaemon::start();
    let service = |name: &str| {
        let yaml = format!(
            "name: {name}\nversion: '1'\nbase: test-base\nsummary: A service\ndescription: It sleeps\n\
             apps:\n  waits:\n    command: bin/waits\n    daemon: simple\n"
        );
        pack(&yaml, &[("bin/waits", "#!/bin/sh\nexec sleep 1000\n")])
    };
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    daemon.install(&[("a.snap", &service("victim")), ("b.snap", &service("thief"))]);
    let (cookie, own_group) = service_of(&daemon, "victim");
    let (other_cookie, other_group) = service_of(&daemon, "thief");
    assert_ne!(cookie, other_cookie);
    let asked: Vec<_> = walk()
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    let victim = Somebody {
        user: None,
        cookie: Some(&cookie),
        group: own_group.as_deref(),
    };
    check(Who::Snap, &ask_as(victim, &daemon.snap_socket(), &asked));
    check(Who::Own, &ask_as(victim, &daemon.socket(), &asked));
    if let (Some(group), Some(_), true) = (&other_group, &own_group, is_root()) {
        let thief = Somebody {
            group: Some(group),
            ..victim
        };
        check(Who::Stranger, &ask_as(thief, &daemon.snap_socket(), &asked));
        let nowhere = Somebody {
            group: None,
            ..victim
        };
        check(Who::Stranger, &ask_as(nowhere, &daemon.snap_socket(), &asked));
        let without = Somebody {
            cookie: None,
            ..victim
        };
        check(Who::Stranger, &ask_as(without, &daemon.snap_socket(), &asked));
    } else {
        println!("skipped: v2_frame::access_of_snaps: apps have no control groups here");
    }
}

/// contract: v2, Sideload; issue, "Bad input": a form without a file, and one that is cut off, leave nothing behind.
#[test]
fn broken_uploads_leave_nothing_behind() {
    let daemon = TestDaemon::start();
    let snaps = daemon.root().join("var/lib/snapd/snaps");
    let nothing_left = || {
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            let left = std::fs::read_dir(&snaps).map_or(0, |list| list.count());
            if left == 0 {
                return;
            }
            assert!(Instant::now() < end, "{left} files stay");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let empty = daemon.post_form("/v2/snaps", &[("dangerous", "true")], &[]);
    assert_eq!(empty.status, 400, "{empty:?}");
    let junk = daemon.post_form(
        "/v2/snaps",
        &[("dangerous", "true")],
        &[("snap", "x.snap", b"not a squashfs")],
    );
    assert_eq!(junk.status, 400, "{junk:?}");
    nothing_left();
    let head = "POST /v2/snaps HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=XX\r\n";
    let part = "--XX\r\nContent-Disposition: form-data; name=\"snap\"; filename=\"x\"\r\n\r\nhsqs";
    let mut gone = UnixStream::connect(daemon.socket()).unwrap();
    gone.write_all(format!("{head}Content-Length: 100000\r\n\r\n{part}").as_bytes())
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(
        std::fs::read_dir(&snaps).unwrap().count(),
        1,
        "it is written while it comes"
    );
    drop(gone);
    nothing_left();
    let mut short = UnixStream::connect(daemon.socket()).unwrap();
    short
        .write_all(format!("{head}Content-Length: {}\r\n\r\n{part}", part.len()).as_bytes())
        .unwrap();
    let mut buffer = [0; 4096];
    let count = short.read(&mut buffer).unwrap();
    let text = String::from_utf8_lossy(&buffer[..count]);
    assert!(
        text.starts_with("HTTP/1.1 400 ") && text.contains("ends in the middle"),
        "{text}"
    );
    nothing_left();
    let mut huge = UnixStream::connect(daemon.socket()).unwrap();
    huge.write_all(format!("{head}Content-Length: {}\r\n\r\n{part}", u64::MAX / 4).as_bytes())
        .unwrap();
    let count = huge.read(&mut buffer).unwrap();
    let text = String::from_utf8_lossy(&buffer[..count]);
    assert!(text.starts_with("HTTP/1.1 507 "), "{text}");
    assert!(text.contains("insufficient-disk-space"), "{text}");
    nothing_left();
    assert_eq!(
        daemon
            .get("/v2/changes?select=all")
            .result()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

/// systemd passes its sockets by LISTEN_FDS; they are served, and stay when the agent ends.
#[test]
fn passed_sockets_are_served() {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixListener;
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    std::fs::create_dir(&run).unwrap();
    let main = UnixListener::bind(run.join("snapd.socket")).unwrap();
    let snap = UnixListener::bind(run.join("snapd-snap.socket")).unwrap();
    let mut child = std::process::Command::new("/bin/sh")
        .args([
            "-c",
            "exec 4<&0 3<&1 0<&- 1>&-; export LISTEN_PID=$$ LISTEN_FDS=2; exec \"$0\" --root \"$1\" daemon --board sim",
        ])
        .arg(crate::support::daemon::binary())
        .arg(dir.path())
        .stdin(OwnedFd::from(main))
        .stdout(OwnedFd::from(snap))
        .spawn()
        .unwrap();
    // The sockets listen already: what asks now waits until the agent is there.
    let answer = Request::new("GET", "/v2/system-info").send(&run.join("snapd.socket"));
    let refused = Request::new("GET", "/v2/system-info").send(&run.join("snapd-snap.socket"));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(answer.unwrap().status, 200);
    assert_eq!(refused.unwrap().status, 403);
    assert!(run.join("snapd.socket").exists(), "it belongs to systemd");
}

/// decision 1: the agent's own user has root's rights and no other user has, not even root.
#[test]
fn access_in_developer_mode() {
    if !is_root() {
        println!("skipped: v2_frame::access_in_developer_mode: only root can start it as somebody else");
        return;
    }
    let daemon = TestDaemon::start_as(NOBODY);
    let asked: Vec<_> = walk()
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    check(Who::Own, &ask_as(ANOTHER_USER, &daemon.socket(), &asked));
    check(Who::Other, &ask_all(&daemon.socket(), None));
    let info = daemon.get("/v2/system-info");
    assert_eq!(info.result()["developer-mode"], true);
}

/// contract: v2-observed: access is decided before the body is read.
#[test]
fn an_upload_by_a_stranger_is_refused_at_once() {
    let daemon = TestDaemon::start();
    let mut stream = UnixStream::connect(daemon.snap_socket()).unwrap();
    stream
        .write_all(b"POST /v2/changes/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        .unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 403 "), "{text}");
}

/// R7 for unix sockets, decision 30. One test, because all of them wait for the same ten seconds.
#[test]
fn slow_clients_are_cut_and_hold_up_nobody() {
    let daemon = TestDaemon::start();
    let begin = |text: &str| {
        let mut stream = UnixStream::connect(daemon.socket()).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    let head = "POST /v2/changes/1 HTTP/1.1\r\nHost: x\r\n";
    let slow = [
        ("silent", begin("")),
        ("half a head", begin("GET / HTTP/1.1\r\nHo")),
        (
            "half a body",
            begin(&format!("{head}Content-Length: 50\r\n\r\n{{")),
        ),
        (
            "half a chunk",
            begin(&format!("{head}Transfer-Encoding: chunked\r\n\r\nff\r\n{{")),
        ),
        ("half a second head", {
            let mut stream = begin("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            stream.write_all(b"GET / HT").unwrap();
            stream
        }),
        // It asks for more than the socket holds and never reads.
        (
            "no reader",
            begin(&"GET /v2/system-info HTTP/1.1\r\nHost: x\r\n\r\n".repeat(3000)),
        ),
    ];
    let mut crowd: Vec<_> = (0..150).map(|_| begin("GET / HTTP/1.1\r\nHo")).collect();
    let began = Instant::now();
    let mut times = Vec::new();
    while began.elapsed() < Duration::from_secs(8) {
        let asked = Instant::now();
        assert_eq!(daemon.get("/v2/system-info").status, 200);
        times.push(asked.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    times.sort();
    let p99 = times[times.len() * 99 / 100];
    // Generous: the machine may run other tests at the same time.
    assert!(p99 < Duration::from_millis(100), "p99 {p99:?}");
    for (what, mut stream) in slow {
        if what == "no reader" {
            // What was written before stays readable after the cut; what counts is that the end comes.
            std::thread::sleep(Duration::from_secs(14).saturating_sub(began.elapsed()));
        }
        stream.set_read_timeout(Some(Duration::from_secs(6))).unwrap();
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{what} is not cut: {error}"),
        }
        assert!(began.elapsed() < Duration::from_secs(16), "{what} took too long");
        if what == "half a body" {
            assert!(rest.starts_with(b"HTTP/1.1 400 "), "it is told why");
        }
    }
    for stream in &mut crowd {
        stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0, "a half head of the crowd");
    }
}

/// A connection that asks now and then stays open.
#[test]
fn an_idle_connection_is_kept() {
    let daemon = TestDaemon::start();
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    for _ in 0..2 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).unwrap();
        assert!(buffer[..count].starts_with(b"HTTP/1.1 200 OK"), "{count}");
        std::thread::sleep(Duration::from_secs(12));
    }
}

/// The end lets what runs finish, ends who only waits, and comes soon.
#[test]
fn the_end_is_graceful() {
    let mut daemon = TestDaemon::start();
    let socket = daemon.socket();
    let idle = UnixStream::connect(&socket).unwrap();
    let after = daemon.get("/v2/notices").result()[0]["last-repeated"]
        .as_str()
        .unwrap()
        .to_owned();
    let waiting = std::thread::spawn(move || {
        Request::new("GET", &format!("/v2/notices?timeout=1h&after={after}"))
            .send(&socket)
            .unwrap()
    });
    let (status, mut events) = Request::new("GET", "/v2/events")
        .send_for_head(&daemon.socket())
        .unwrap();
    assert_eq!(status, 200);
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    assert!(daemon.stop().success());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let answer = waiting.join().unwrap();
    assert_eq!((answer.status, answer.message()), (500, "request canceled"));
    let mut rest = String::new();
    events.read_to_string(&mut rest).unwrap();
    assert!(
        rest.ends_with("0\r\n\r\n"),
        "the stream has a proper end: {rest:?}"
    );
    drop(idle);
}

/// contract: v2-newer, section 1: the loop of a client that follows changes.
#[test]
fn notices_follow_changes() {
    let daemon = TestDaemon::start();
    let first = daemon.get("/v2/notices?types=change-update");
    let notice = &first.result()[0];
    assert_eq!(
        (&notice["type"], &notice["key"], &notice["user-id"]),
        (&json!("change-update"), &json!("1"), &Value::Null)
    );
    assert_eq!(notice["last-data"], json!({"kind": "seed"}));
    let one = daemon.get(&format!("/v2/notices/{}", notice["id"].as_str().unwrap()));
    assert_eq!(one.result(), notice);
    let began = Instant::now();
    let path = format!(
        "/v2/notices?timeout=300ms&after={}",
        notice["last-repeated"].as_str().unwrap()
    );
    assert_eq!(daemon.get(&path).result(), &json!([]));
    assert!(began.elapsed() >= Duration::from_millis(300));
    // decision 39: unknown types do not make a client spin
    let began = Instant::now();
    assert_eq!(
        daemon.get("/v2/notices?types=bogus&timeout=300ms").result(),
        &json!([])
    );
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_second_daemon_is_refused() {
    let daemon = TestDaemon::start();
    let output = std::process::Command::new(crate::support::daemon::binary())
        .arg("--root")
        .arg(daemon.root())
        .arg("daemon")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("another pinion daemon runs"), "{text}");
    assert_eq!(daemon.get("/").status, 200);
}
