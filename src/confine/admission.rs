//! How an app that an ordinary user starts becomes known as its snap's. Root reads the snap's cookie and moves itself to
//! the app's group; nobody else may do either, so the agent is asked to: it moves this process, which it knows by the
//! socket, and gives the cookie back (decision 2). Any user may run any app of a snap, so none gains a right by it.

use crate::domain::Dirs;
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// An agent that does not answer within this time does not keep the app from starting.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest answer that is read, in bytes.
const ANSWER: u64 = 64 * 1024;

/// Asks for `app` (`SNAP.APP`); answers the cookie. `None` where the agent is away or does not tell processes apart:
/// the app runs all the same, and snapctl refuses it.
pub fn ask(dirs: &Dirs, app: &str) -> Option<String> {
    let answer = send(dirs, app).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let body: Value = serde_json::from_slice(body.as_bytes()).ok()?;
    body["result"]["cookie"].as_str().map(str::to_owned)
}

fn send(dirs: &Dirs, app: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(dirs.snap_socket())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let body = json!({"app": app}).to_string();
    write!(
        stream,
        "POST /v2/internal/join HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.take(ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}
