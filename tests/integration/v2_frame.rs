//! The frame of /v2 over the real sockets: the envelope, unknown paths and verbs, broken requests and uploads.

use crate::support::somebody::is_root;
use crate::support::{Request, TestDaemon};
use serde_json::json;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

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
        let mut answer = Vec::new();
        // Who closes before the answer may get none: where one is due, its head is waited for.
        let read = if status.is_empty() {
            let _ = stream.shutdown(std::net::Shutdown::Write);
            stream.read_to_end(&mut answer)
        } else {
            answer.resize(4096, 0);
            stream.read(&mut answer)
        };
        match read {
            Ok(length) => answer.truncate(length),
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
