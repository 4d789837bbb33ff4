//! The client against a scripted server on a real unix socket.

use super::*;
use serde_json::json;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;

/// What the server does with one connection: the answer in full, or a hang-up.
enum Act {
    Say(String),
    HangUp,
}

/// Serves the acts one connection each; hands back the requests as they were received.
fn serve(acts: Vec<Act>) -> (tempfile::TempDir, Client, mpsc::Receiver<String>) {
    let dir = tempfile::tempdir().expect("a folder");
    let socket = dir.path().join("s");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for act in acts {
            let (mut stream, _) = listener.accept().expect("a client");
            let request = read_request(&mut stream);
            if let Act::Say(answer) = act {
                stream.write_all(answer.as_bytes()).expect("an answer");
            }
            let _ = sender.send(request);
        }
    });
    (dir, Client::new(socket), receiver)
}

/// Reads one request: head, then a body by length or by chunks (kept in chunked form).
fn read_request(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length: usize = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().expect("a length"));
            let chunked = head.contains("transfer-encoding: chunked");
            if (chunked && body.ends_with("0\r\n\r\n")) || (!chunked && body.len() >= length) {
                return text;
            }
        }
        let length = stream.read(&mut chunk).expect("more");
        assert!(length > 0, "the client hung up: {bytes:?}");
        bytes.extend_from_slice(&chunk[..length]);
    }
}

fn answer(status: &str, body: &Value) -> Act {
    let body = body.to_string();
    Act::Say(format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn sync(result: Value) -> Act {
    answer(
        "200 OK",
        &json!({"type": "sync", "status-code": 200, "status": "OK", "result": result}),
    )
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

#[test]
fn a_sync_answer_gives_its_result() {
    let (_dir, client, requests) = serve(vec![sync(json!([{"name": "pi", "type": "gadget"}]))]);
    let snaps: Vec<types::Snap> = run(client.read("/v2/snaps?select=all")).expect("snaps");
    assert_eq!((snaps[0].name.as_str(), snaps[0].kind.as_str()), ("pi", "gadget"));
    let request = requests.recv().expect("a request");
    assert!(
        request.starts_with("GET /v2/snaps?select=all HTTP/1.1\r\n"),
        "{request}"
    );
}

#[test]
fn a_chunked_answer_is_put_together() {
    // contract v2-observed: large replies are chunked
    let body = r#"{"type":"sync","status-code":200,"status":"OK","result":"xyz"}"#;
    let (a, b) = body.split_at(20);
    let act = Act::Say(format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{a}\r\n{:x}\r\n{b}\r\n0\r\n\r\n",
        a.len(),
        b.len()
    ));
    let (_dir, client, _requests) = serve(vec![act]);
    assert_eq!(run(client.get("/")).expect("an answer").result, json!("xyz"));
}

#[test]
fn an_error_answer_is_a_refusal() {
    let body = json!({"type": "error", "status-code": 409, "status": "Conflict", "result": {
        "message": "snap \"a\" has \"install\" change in progress",
        "kind": "snap-change-conflict", "value": {"snap-name": "a"}}});
    let (_dir, client, _requests) = serve(vec![answer("409 Conflict", &body)]);
    let error = run(client.post("/v2/snaps/a", &json!({"action": "remove"}))).expect_err("a refusal");
    let refusal = error.refusal().expect("a refusal");
    assert_eq!(
        (refusal.status, refusal.kind.as_str()),
        (409, "snap-change-conflict")
    );
    assert_eq!(error.to_string(), "snap \"a\" has \"install\" change in progress");
}

#[test]
fn an_async_answer_without_a_change_is_an_error() {
    // contract v2, section 1: async success must have a non-empty change
    let body =
        json!({"type": "async", "status-code": 202, "status": "Accepted", "result": null, "change": ""});
    let (_dir, client, _requests) = serve(vec![answer("202 Accepted", &body)]);
    let answer = run(client.post("/v2/snaps/a", &json!({}))).expect("an answer");
    assert!(answer.change().is_err());
}

#[test]
fn reads_are_tried_again_and_writes_are_not() {
    let (_dir, client, requests) = serve(vec![Act::HangUp, sync(json!(1)), Act::HangUp]);
    assert_eq!(run(client.get("/v2/x")).expect("the second try").result, json!(1));
    assert!(
        run(client.post("/v2/x", &json!({})))
            .expect_err("lost")
            .is_dropped_connection()
    );
    assert_eq!(requests.iter().take(3).count(), 3);
}

#[test]
fn a_missing_socket_says_what_to_do() {
    let client = Client::new("/nonexistent/socket");
    let text = run(client.get("/v2/system-info"))
        .expect_err("nobody")
        .to_string();
    assert!(
        text.contains("/nonexistent/socket") && text.contains("pinion daemon"),
        "{text}"
    );
}

#[test]
fn waiting_polls_through_a_hang_up() {
    let doing = json!({"id": "7", "status": "Doing", "ready": false});
    let done = json!({"id": "7", "status": "Done", "ready": true});
    let (_dir, client, requests) = serve(vec![sync(doing), Act::HangUp, sync(done)]);
    let change = run(client.wait("7")).expect("a change");
    assert_eq!(change.status, "Done");
    let paths: Vec<String> = requests
        .iter()
        .take(3)
        .map(|request| request[..22].to_owned())
        .collect();
    assert_eq!(paths, ["GET /v2/changes/7 HTTP"; 3]);
}

#[test]
fn an_upload_is_a_chunked_form_with_texts_first() {
    // contract v2-observed, section 4: chunked multipart, text fields, file part `snap` with a file name
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a_1.snap");
    std::fs::write(&path, "hsqs-content").expect("a file");
    let accepted =
        json!({"type": "async", "status-code": 202, "status": "Accepted", "result": null, "change": "3"});
    let (_dir, client, requests) = serve(vec![answer("202 Accepted", &accepted)]);
    let form = Upload::new()
        .field("action", "install")
        .field("dangerous", "true")
        .file("snap", &path);
    let change = run(client.upload("/v2/snaps", form))
        .expect("accepted")
        .change()
        .expect("a change");
    assert_eq!(change, "3");
    let request = requests.recv().expect("a request");
    let lower = request.to_ascii_lowercase();
    assert!(
        lower.contains("transfer-encoding: chunked") && !lower.contains("content-length"),
        "{request}"
    );
    let text = request
        .find("name=\"action\"\r\n\r\ninstall\r\n")
        .expect("the action");
    let file = request
        .find("name=\"snap\"; filename=\"a_1.snap\"\r\n")
        .expect("the file");
    assert!(text < file && request.contains("hsqs-content"), "{request}");
}

#[test]
fn a_missing_file_is_told_before_anything_is_sent() {
    let client = Client::new("/nonexistent/socket");
    let form = Upload::new().file("snap", Path::new("/nonexistent/a.snap"));
    let text = run(client.upload("/v2/snaps", form))
        .expect_err("no file")
        .to_string();
    assert!(text.contains("/nonexistent/a.snap"), "{text}");
}

#[test]
fn events_come_one_by_one() {
    let body = "\u{1e}{\"seq\":1}\n\u{1e}{\"seq\":2}\n";
    let act = Act::Say(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json-seq\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let (_dir, client, _requests) = serve(vec![act]);
    run(async {
        let mut events = client.events("/v2/hardware/events").await.expect("a stream");
        assert_eq!(events.next().await.expect("a record"), Some(json!({"seq": 1})));
        assert_eq!(events.next().await.expect("a record"), Some(json!({"seq": 2})));
        assert_eq!(events.next().await.expect("the end"), None);
    });
}

#[test]
fn pending_warnings_are_remembered() {
    let body =
        json!({"type": "sync", "status-code": 200, "status": "OK", "result": null, "warning-count": 2});
    let (_dir, client, _requests) = serve(vec![answer("200 OK", &body)]);
    run(client.get("/v2/snaps")).expect("an answer");
    assert_eq!(client.pending_warnings(), 2);
}

#[test]
fn text_is_escaped_for_paths() {
    assert_eq!(escaped("a b/ü?"), "a%20b%2F%C3%BC%3F");
}
