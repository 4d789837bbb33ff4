//! Who may do what over the real sockets: the route table by every kind of requester.

use crate::support::snaps::{BASE, pack};
use crate::support::somebody::{ANOTHER_USER, NOBODY, Somebody, ask_as, control_groups, is_root, status_of};
use crate::support::{Request, TestDaemon};
use pinion::api::v2::ROUTES;
use serde_json::json;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Class {
    Open,
    Authenticated,
    Root,
    Snap,
    /// Ours (issue): a snap sees its own part on the socket for snaps.
    OpenOrSnap,
    AuthenticatedOrSnap,
    /// contract: v2-newer, section 6: a snap with a connected plug of a certain interface, which those here have not.
    OpenOrPlug,
}

use Class::{Authenticated, AuthenticatedOrSnap, Open, OpenOrPlug, OpenOrSnap, Root, Snap};

/// contract: v2, section 2 (GET, POST, PUT); ours by decisions 5 and 12. A route that is not here fails the walk.
const CONTRACT: &[(&str, [Option<Class>; 3])] = &[
    ("/", [Some(Open), None, None]),
    ("/v2/system-info", [Some(Open), None, None]),
    ("/v2/find", [Some(Open), None, None]),
    ("/v2/sections", [Some(Open), None, None]),
    ("/v2/openapi.json", [Some(Open), None, None]),
    ("/v2/snaps", [Some(OpenOrPlug), Some(Authenticated), None]),
    ("/v2/snaps/{name}", [Some(OpenOrPlug), Some(Authenticated), None]),
    ("/v2/snaps/{name}/file", [Some(Open), None, None]),
    (
        "/v2/snaps/{name}/conf",
        [Some(Authenticated), None, Some(Authenticated)],
    ),
    ("/v2/icons/{name}/icon", [Some(OpenOrPlug), None, None]),
    ("/v2/interfaces", [Some(Open), Some(Authenticated), None]),
    ("/v2/connections", [Some(Open), None, None]),
    ("/v2/changes", [Some(OpenOrPlug), None, None]),
    ("/v2/changes/{id}", [Some(OpenOrPlug), Some(Authenticated), None]),
    ("/v2/snapctl", [None, Some(Snap), None]),
    (
        "/v2/internal/console-conf-start",
        [None, Some(Authenticated), None],
    ),
    // Ours: the launcher says whose app it is about to run.
    ("/v2/internal/join", [None, Some(Snap), None]),
    ("/v2/aliases", [Some(Open), Some(Authenticated), None]),
    ("/v2/apps", [Some(Open), Some(Authenticated), None]),
    ("/v2/logs", [Some(Authenticated), None, None]),
    ("/v2/warnings", [Some(Open), Some(Authenticated), None]),
    ("/v2/notices", [Some(OpenOrPlug), Some(Open), None]),
    ("/v2/notices/{id}", [Some(OpenOrPlug), None, None]),
    ("/v2/snapshots", [Some(Open), Some(Authenticated), None]),
    ("/v2/quotas", [Some(Open), Some(Root), None]),
    ("/v2/validation-sets", [Some(Authenticated), None, None]),
    ("/v2/systems", [Some(Authenticated), Some(Root), None]),
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
        (Who::Own, _) | (Who::Other, Open | OpenOrSnap | OpenOrPlug) => None,
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
        println!("skipped: v2_access::access_of_another_user: only root can ask as somebody else");
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
                .map(|path| control_groups().unwrap().join(path.trim_start_matches('/')));
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
             plugs:\n  lamp: gpio\napps:\n  waits:\n    command: bin/waits\n    daemon: simple\n"
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
        program: None,
    };
    check(Who::Snap, &ask_as(victim, &daemon.snap_socket(), &asked));
    check(Who::Own, &ask_as(victim, &daemon.socket(), &asked));
    // contract: v2, section 4: an exit status other than 0 is an error with status 200
    let words = json!({"context-id": cookie, "args": ["is-connected", "lamp"]});
    let no = [("POST", format!("/v2/snapctl {words}"))];
    assert_eq!(
        ask_as(victim, &daemon.snap_socket(), &no),
        [(200, String::from("unsuccessful"))]
    );
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
        println!("skipped: v2_access::access_of_snaps: apps have no control groups here");
    }
}

/// decision 1: the agent's own user has root's rights and no other user has, not even root.
#[test]
fn access_in_developer_mode() {
    if !is_root() {
        println!("skipped: v2_access::access_in_developer_mode: only root can start it as somebody else");
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
