use super::*;
use crate::domain::Dirs;
use crate::drivers::clock::Clock;
use crate::store::Store;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

struct Served {
    dir: tempfile::TempDir,
    stop: watch::Sender<bool>,
    server: JoinHandle<std::io::Result<()>>,
}

fn served() -> Served {
    let dir = tempfile::tempdir().expect("a folder");
    let dirs = Dirs::new(dir.path());
    let (store, _) = Store::open(&dirs, Clock::system()).expect("a store");
    let managers = Managers::over(&store, &dirs);
    let (stop, stopped) = watch::channel(false);
    let mut sockets = Vec::new();
    for (name, transport) in [("main", Transport::MainSocket), ("snap", Transport::SnapSocket)] {
        let socket = net::UnixListener::bind(dir.path().join(name)).expect("a socket");
        sockets.push((socket, transport));
    }
    let policy = Policy::new(nix::unistd::geteuid().as_raw(), false, |_| None);
    let server = tokio::spawn(serve(managers, policy, sockets, stopped));
    Served { dir, stop, server }
}

impl Served {
    async fn connect(&self, name: &str) -> UnixStream {
        UnixStream::connect(self.dir.path().join(name))
            .await
            .expect("a connection")
    }

    async fn end(self) {
        self.stop.send(true).expect("a server");
        let began = Instant::now();
        self.server.await.expect("no panic").expect("served");
        assert!(
            began.elapsed() < Duration::from_secs(4),
            "idle clients do not hold it"
        );
    }
}

/// Reads until `pieces` answers have ended, by their bodies' last byte.
async fn read(stream: &mut UnixStream, pieces: usize) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while text.matches("]}").count() + text.matches("}}").count() < pieces {
        let count = stream.read(&mut buffer).await.expect("bytes");
        assert!(count > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..count]).expect("text"));
    }
    text
}

#[tokio::test(flavor = "current_thread")]
async fn requests_follow_each_other_on_one_connection() {
    let served = served();
    let mut stream = served.connect("main").await;
    for _ in 0..3 {
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .expect("sent");
        let answer = read(&mut stream, 1).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(
            answer.contains("\r\nContent-Type: application/json\r\n"),
            "{answer}"
        );
        assert!(!answer.to_lowercase().contains("\r\nserver:"), "{answer}");
    }
    stream
        .write_all("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(5).as_bytes())
        .await
        .expect("sent at once");
    read(&mut stream, 5).await;
    served.end().await;
}

#[tokio::test(flavor = "current_thread")]
async fn the_socket_for_snaps_answers_strangers_with_403() {
    let served = served();
    let mut stream = served.connect("snap").await;
    stream
        .write_all(b"GET /v2/system-info HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("sent");
    let answer = read(&mut stream, 1).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(
        answer.ends_with(r#""result":{"message":"access denied","kind":"login-required"}}"#),
        "{answer}"
    );
    served.end().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_crowd_on_one_socket_leaves_the_other_alone() {
    let served = served();
    let mut crowd = Vec::new();
    for _ in 0..400 {
        crowd.push(served.connect("snap").await);
    }
    let mut stream = served.connect("main").await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("sent");
    read(&mut stream, 1).await;
    let mut newest = served.connect("snap").await;
    newest
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("sent");
    assert!(read(&mut newest, 1).await.starts_with("HTTP/1.1 403 "));
    let closed = crowd[0].read(&mut [0; 1]).await.expect("an end");
    assert_eq!(closed, 0, "the one that waited longest went first");
    served.end().await;
}

#[tokio::test(flavor = "current_thread")]
async fn who_is_answered_while_it_sends_can_send_on() {
    let served = served();
    for head in ["Content-Length: 600000", "Transfer-Encoding: chunked"] {
        let mut stream = served.connect("main").await;
        stream
            .write_all(format!("POST /v2/nosuch HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n").as_bytes())
            .await
            .expect("a head");
        // The answer is there whole, and with it the agent's half of the connection is closed.
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("the answer");
        assert!(answer.starts_with("HTTP/1.1 404 "), "{head}: {answer}");
        for _ in 0..100 {
            stream.write_all(b"fff\r\n").await.expect("still taken");
            stream.write_all(&[b'x'; 4095]).await.expect("still taken");
            stream.write_all(b"\r\n").await.expect("still taken");
        }
    }
    served.end().await;
}
