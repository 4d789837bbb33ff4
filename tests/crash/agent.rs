//! The real daemon under a folder of its own, to be killed.

use pinion::client::types::Change;
use pinion::client::{Client, Upload};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What an agent is given to start with.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// `PINION_FAULT`.
    pub faults: String,
    /// `PINION_FAULT_STAMP`.
    pub stamp: PathBuf,
    /// `PINION_PROBES`.
    pub probes: PathBuf,
    /// What else is in its environment.
    pub env: Vec<(&'static str, String)>,
}

/// A daemon that runs.
pub struct Agent {
    child: Child,
    root: PathBuf,
}

impl Agent {
    /// Starts the daemon and waits until it is ready; `None` when it ended before (a fault at start).
    pub fn start(root: &Path, faults: &Faults) -> Option<Self> {
        let log = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(root.join("agent.log"))
            .expect("a log");
        let mut child = Command::new(env!("CARGO_BIN_EXE_pinion"))
            .args(["daemon", "--board", "sim", "--root"])
            .arg(root)
            .env("PINION_FAULT", &faults.faults)
            .env("PINION_FAULT_STAMP", &faults.stamp)
            .env("PINION_PROBES", &faults.probes)
            .envs(faults.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the daemon starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its standard error"));
        let mut line = String::new();
        let mut told = String::new();
        loop {
            line.clear();
            if lines.read_line(&mut line).unwrap_or(0) == 0 {
                child.wait().expect("its end");
                assert!(!faults.faults.is_empty(), "the daemon did not get ready: {told}");
                return None;
            }
            told.push_str(&line);
            if line.starts_with("pinion: ready ") {
                break;
            }
        }
        let path = root.join("agent.log");
        std::thread::spawn(move || {
            let mut log = std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(path)
                .expect("a log");
            // The daemon's end closes the pipe.
            let _ = std::io::copy(&mut lines, &mut log);
        });
        Some(Self {
            child,
            root: root.to_owned(),
        })
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        Client::new(self.root.join("run/snapd.socket"))
    }

    /// It has ended by itself (or by a fault).
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_some()
    }

    /// Kills it without notice.
    pub fn kill(mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end and sees that it does.
    pub fn stop(mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("a signal");
        let ended = self.child.wait().expect("its end");
        assert!(ended.success(), "the daemon ended with {ended}");
    }

    /// Waits until every change is ready; panics when that takes longer than `limit`.
    pub async fn settle(&self, limit: Duration) -> Vec<Change> {
        let client = self.client();
        let begin = Instant::now();
        loop {
            let changes: Vec<Change> = client.read("/v2/changes?select=all").await.expect("the changes");
            if changes.iter().all(|change| change.ready) {
                return changes;
            }
            assert!(begin.elapsed() < limit, "not settled in {limit:?}: {changes:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if !self.has_ended() {
            // A test that failed leaves nothing running.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// `pinion check --deep`: what it finds.
pub fn check(root: &Path) -> Result<(), String> {
    let output = Command::new(env!("CARGO_BIN_EXE_pinion"))
        .args(["check", "--deep", "--root"])
        .arg(root)
        .output()
        .expect("pinion check runs");
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// The form that installs a file.
pub fn install_form(file: &Path) -> Upload {
    Upload::new()
        .field("action", "install")
        .field("dangerous", "true")
        .field("snap-path", &file.to_string_lossy())
        .file("snap", file)
}
