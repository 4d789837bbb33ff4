//! The sockets from their making to their end: modes, sockets that are passed, slow and idle clients, the end.

use crate::support::{Request, TestDaemon};
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
    // contract: v2, section 1
    let maintenance = serde_json::json!({"kind": "daemon-restart", "message": "daemon is restarting"});
    assert_eq!(answer.body["maintenance"], maintenance);
    let mut rest = String::new();
    events.read_to_string(&mut rest).unwrap();
    assert!(
        rest.ends_with("0\r\n\r\n"),
        "the stream has a proper end: {rest:?}"
    );
    drop(idle);
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
