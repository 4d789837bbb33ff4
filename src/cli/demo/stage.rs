//! The demo's temporary root, its daemon, and putting all of it away again.

use crate::cli::session::{Failure, Outcome};
use crate::client::Client;
use crate::domain::Dirs;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::collections::VecDeque;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long the daemon may take to be ready, and to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// How many of the daemon's last lines are shown when it fails.
const KEPT_LINES: usize = 12;

/// The files of the demo's snaps: snap, path, content.
const FILES: [(&str, &str, &str); 5] = [
    (
        "bare",
        "meta/snap.yaml",
        include_str!("snaps/bare/meta/snap.yaml"),
    ),
    (
        "pi",
        "meta/snap.yaml",
        include_str!("../../../gadget/pi/meta/snap.yaml"),
    ),
    (
        "pi",
        "meta/gadget.yaml",
        include_str!("../../../gadget/pi/meta/gadget.yaml"),
    ),
    (
        "keyboard-lights",
        "meta/snap.yaml",
        include_str!("snaps/keyboard-lights/meta/snap.yaml"),
    ),
    (
        "keyboard-lights",
        "bin/blink",
        include_str!("snaps/keyboard-lights/bin/blink"),
    ),
];

/// All that the demo makes on this machine.
pub struct Stage {
    root: PathBuf,
    program: PathBuf,
    client: Client,
    daemon: Option<Child>,
    said: Arc<Mutex<VecDeque<String>>>,
}

fn failed(what: &str, path: &Path, error: std::io::Error) -> Failure {
    Failure::new(format!("cannot {what} {}: {error}", path.display()))
}

impl Stage {
    /// Makes the root, which nobody else may look into.
    pub fn new() -> Result<Self, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::new(format!("cannot find this program: {error}")))?;
        let root = std::env::temp_dir().join(format!("pinion-demo-{}", std::process::id()));
        DirBuilder::new()
            .mode(0o700)
            .create(&root)
            .map_err(|error| failed("create", &root, error))?;
        Ok(Self {
            client: Client::new(Dirs::new(&root).main_socket()),
            root,
            program,
            daemon: None,
            said: Arc::default(),
        })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Starts the daemon and waits until it says that it is ready.
    pub async fn start_daemon(&mut self) -> Outcome {
        let mut child = Command::new(&self.program)
            .arg("daemon")
            .arg("--root")
            .arg(&self.root)
            .args(["--board", "sim"])
            .env_remove("LISTEN_FDS")
            .env_remove("LISTEN_PID")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // A Ctrl-C is for the demo, which ends the daemon in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed("start", &self.program, error))?;
        let stderr = child.stderr.take();
        self.daemon = Some(child);
        let (tell, ready) = oneshot::channel();
        if let Some(stderr) = stderr {
            tokio::spawn(listen(stderr, self.said.clone(), tell));
        }
        match timeout(PATIENCE, ready).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.complaint("the daemon ended before it was ready")),
            Err(_) => Err(self.complaint("the daemon was not ready in time")),
        }
    }

    /// A failure with the last words of the daemon.
    fn complaint(&self, text: &str) -> Failure {
        let said = self
            .said
            .lock()
            .map(|said| Vec::from(said.clone()))
            .unwrap_or_default();
        let said: Vec<String> = said.iter().map(|line| format!("\n  {line}")).collect();
        Failure::new(format!(
            "{text}{}{}",
            if said.is_empty() { "" } else { "; it said:" },
            said.concat()
        ))
    }

    /// Writes the source of a snap and packs it as anyone would, by `pinion pack`.
    pub async fn pack(&self, snap: &str) -> Result<PathBuf, Failure> {
        let source = self.root.join("demo").join(snap);
        for (_, path, content) in FILES.iter().filter(|(name, _, _)| *name == snap) {
            let path = source.join(path);
            let parent = path.parent().unwrap_or(&source);
            fs::create_dir_all(parent).map_err(|error| failed("create", parent, error))?;
            fs::write(&path, content).map_err(|error| failed("write", &path, error))?;
            let mode = if content.starts_with("#!") { 0o755 } else { 0o644 };
            fs::set_permissions(&path, Permissions::from_mode(mode))
                .map_err(|error| failed("set the mode of", &path, error))?;
        }
        let file = self.root.join("demo").join(format!("{snap}.snap"));
        let output = Command::new(&self.program)
            .arg("pack")
            .arg(&source)
            .arg(&file)
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| failed("start", &self.program, error))?;
        if output.status.success() {
            return Ok(file);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Failure::new(format!("cannot pack {snap}: {}", said.trim())))
    }

    /// Waits for a change that must end well.
    pub async fn finish(&self, id: &str) -> Outcome {
        let change = self.client.wait(id).await?;
        match change.status.as_str() {
            "Done" => Ok(()),
            status => Err(self.complaint(&format!(
                "{}: {status} {}",
                change.summary,
                change.err.replace('\n', " ")
            ))),
        }
    }

    /// This program, to be called with other arguments.
    pub fn program(&self) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        self.program
            .strip_prefix(&here)
            .unwrap_or(&self.program)
            .display()
            .to_string()
    }

    /// Commands to play with, as they can be typed here; `root` is the root directory or what stands for it.
    pub fn suggestions(&self, root: &str) -> String {
        let command = format!("{} --root {root}", self.program());
        [
            "board --watch",
            "connections --all",
            "line GPIO17 --watch",
            "disconnect keyboard-lights:capslock-led pi:pin-13",
            "stop keyboard-lights",
            "changes",
        ]
        .map(|what| format!("  {command} {what}\n"))
        .concat()
    }

    /// Puts everything away: the snaps through the daemon as any client would, then the daemon, then the root.
    pub async fn clear(&mut self) -> Outcome {
        if let Some(mut daemon) = self.daemon.take() {
            // What does not work here is done by force below.
            let _ = timeout(PATIENCE, self.remove_snaps()).await;
            if let Some(pid) = daemon.id().and_then(|pid| i32::try_from(pid).ok()) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
            if timeout(PATIENCE, daemon.wait()).await.is_err() {
                let _ = daemon.kill().await;
            }
        }
        self.remove_root()
    }

    async fn remove_snaps(&self) {
        let body = json!({"action": "remove", "snaps": ["keyboard-lights", "pi", "bare"]});
        if let Ok(answer) = self.client.post("/v2/snaps", &body).await
            && let Ok(id) = answer.change()
        {
            let _ = self.client.wait(&id).await;
        }
    }

    fn remove_root(&self) -> Outcome {
        if !self.root.exists() {
            return Ok(());
        }
        for mount in mounts_below(&self.root) {
            // A mount that stays makes the removal fail, which tells.
            let _ = umount2(&mount, MntFlags::MNT_DETACH);
        }
        make_writable(&self.root);
        fs::remove_dir_all(&self.root).map_err(|error| failed("remove", &self.root, error))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Only when the demo itself broke down; the daemon is killed with its handle.
        self.daemon = None;
        let _ = self.remove_root();
    }
}

/// Reads what the daemon says; tells once when it is ready.
async fn listen(
    stderr: impl AsyncRead + Unpin,
    said: Arc<Mutex<VecDeque<String>>>,
    tell: oneshot::Sender<()>,
) {
    let mut lines = BufReader::new(stderr).lines();
    let mut tell = Some(tell);
    while let Ok(Some(line)) = lines.next_line().await {
        if line.starts_with("pinion: ready")
            && let Some(tell) = tell.take()
        {
            // The demo may have given up by now.
            let _ = tell.send(());
        }
        if let Ok(mut said) = said.lock() {
            if said.len() == KEPT_LINES {
                said.pop_front();
            }
            said.push_back(line);
        }
    }
}

/// Mount points below a folder, the innermost first.
fn mounts_below(root: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut found: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from)
        .filter(|point| point.starts_with(root))
        .collect();
    found.reverse();
    found
}

/// Unpacked snaps are read-only folders, which their owner must open before they can be emptied.
fn make_writable(folder: &Path) {
    let _ = fs::set_permissions(folder, Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}
