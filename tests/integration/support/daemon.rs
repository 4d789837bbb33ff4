//! Starts and ends the real daemon.

use super::http::{Answer, Request};
use super::somebody::spawn_copy;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// How long the daemon may take until it says that it is ready.
const START: Duration = Duration::from_secs(20);

/// How long a change may take.
const CHANGE: Duration = Duration::from_secs(120);

/// The binary under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_pinion"))
}

/// A daemon on a root of its own. Dropping it ends it and removes the root.
pub struct TestDaemon {
    child: Option<Child>,
    dir: tempfile::TempDir,
    args: Vec<String>,
    /// The user that it runs as, when it is not the test's own.
    user: Option<u32>,
    /// What a shell does in a mount namespace of the daemon's own before it becomes the daemon; empty for none.
    view: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl TestDaemon {
    /// A daemon with the simulated board.
    pub fn start() -> Self {
        Self::with_args(&["--board", "sim"])
    }

    /// A daemon with these arguments after `pinion --root DIR daemon`.
    pub fn with_args(args: &[&str]) -> Self {
        Self::new(args, None)
    }

    /// A daemon that runs as another user (the test must be root), in developer mode.
    pub fn start_as(user: u32) -> Self {
        Self::new(&["--board", "sim"], Some(user))
    }

    /// A daemon that sees the machine's files otherwise, as this shell script mounts them for it alone (the test must be
    /// root).
    pub fn with_view(args: &[&str], view: &str) -> Self {
        Self::new_folder(args, |_| ()).with(view)
    }

    /// Starts it with such a view.
    pub fn with(mut self, view: &str) -> Self {
        self.view = view.to_owned();
        self.begin()
    }

    /// Runs a shell script where the daemon sees it.
    pub fn within(&self, script: &str) {
        let done = Command::new("nsenter")
            .args([
                "--mount",
                "--target",
                &self.pid().to_string(),
                "--",
                "sh",
                "-ec",
                script,
            ])
            .status()
            .unwrap();
        assert!(done.success(), "{script}");
    }

    /// A daemon whose root is a disk of its own with so many bytes (the test must be root).
    pub fn on_small_disk(bytes: u64) -> Self {
        Self::prepared(&["--board", "sim"], None, |root| {
            let size = format!("size={bytes}");
            let flags = nix::mount::MsFlags::empty();
            nix::mount::mount(Some("small"), root, Some("tmpfs"), flags, Some(size.as_str())).unwrap();
        })
    }

    fn new(args: &[&str], user: Option<u32>) -> Self {
        Self::prepared(args, user, |_| ())
    }

    fn prepared(args: &[&str], user: Option<u32>, prepare: impl FnOnce(&Path)) -> Self {
        let mut daemon = Self::new_folder(args, prepare);
        if let Some(user) = user {
            std::os::unix::fs::chown(daemon.root(), Some(user), Some(user)).unwrap();
            // The build's folder may not be open to that user.
            super::copy_program(binary(), &daemon.scratch().join("pinion"));
        }
        daemon.user = user;
        daemon.begin()
    }

    /// One that was not started yet.
    pub fn new_folder(args: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::Builder::new().prefix("pinion-").tempdir().unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::create_dir(dir.path().join("root")).unwrap();
        prepare(&dir.path().join("root"));
        Self {
            child: None,
            dir,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            user: None,
            view: String::new(),
            log: Arc::default(),
        }
    }

    fn begin(mut self) -> Self {
        self.launch();
        // The first start makes a change of its own (decision 14); a test begins after it.
        self.wait("1");
        self
    }

    /// Starts it again on the same root, after [`Self::kill`] or [`Self::stop`].
    pub fn launch(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let mut command = match self.user {
            None if self.view.is_empty() => Command::new(binary()),
            None => {
                let mut command = Command::new("unshare");
                let script = format!("{}\nexec \"$@\"", self.view);
                command
                    .args(["--mount", "sh", "-ec", &script, "sh"])
                    .arg(binary());
                command
            }
            Some(user) => {
                let mut command = Command::new(self.dir.path().join("pinion"));
                command.uid(user).gid(user);
                command
            }
        };
        command
            .arg("--root")
            .arg(self.root())
            .arg("daemon")
            .args(&self.args)
            .current_dir("/")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = spawn_copy(&mut command);
        let stderr = child.stderr.take().unwrap();
        let log = Arc::clone(&self.log);
        let (ready, is_ready) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if line.starts_with("pinion: ready") {
                    // Nobody may wait any more.
                    let _ = ready.send(());
                }
                log.lock().unwrap().push(line);
            }
        });
        if is_ready.recv_timeout(START).is_err() {
            // It may be ending or hanging: either way it is ended here.
            let _ = child.kill();
            let _ = child.wait();
            panic!("the daemon did not become ready:\n{}", self.log().join("\n"));
        }
        self.child = Some(child);
    }

    /// The root that it manages.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// A folder beside the root, removed with it.
    pub fn scratch(&self) -> &Path {
        self.dir.path()
    }

    /// The main socket.
    pub fn socket(&self) -> PathBuf {
        self.root().join("run/snapd.socket")
    }

    /// The socket for snaps.
    pub fn snap_socket(&self) -> PathBuf {
        self.root().join("run/snapd-snap.socket")
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// What it wrote to stderr so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// GET on the main socket.
    pub fn get(&self, path: &str) -> Answer {
        Request::new("GET", path).send(&self.socket()).unwrap()
    }

    /// POST of a JSON body on the main socket.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        Request::new("POST", path)
            .json(body)
            .send(&self.socket())
            .unwrap()
    }

    /// PUT of a JSON body on the main socket.
    pub fn put(&self, path: &str, body: &Value) -> Answer {
        Request::new("PUT", path).json(body).send(&self.socket()).unwrap()
    }

    /// POST of a form: text fields, then files as (field, file name, content).
    pub fn post_form(&self, path: &str, fields: &[(&str, &str)], files: &[(&str, &str, &[u8])]) -> Answer {
        Request::new("POST", path)
            .form(fields, files)
            .send(&self.socket())
            .unwrap()
    }

    /// Waits until a change is ready and answers it.
    pub fn wait(&self, change: &str) -> Value {
        let end = Instant::now() + CHANGE;
        loop {
            let answer = self.get(&format!("/v2/changes/{change}"));
            assert_eq!(answer.status, 200, "{answer:?}");
            let change = answer.result().clone();
            if change["ready"] == true {
                return change;
            }
            assert!(Instant::now() < end, "the change is not ready: {change:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the change of an asynchronous answer, which must end in Done.
    pub fn done(&self, answer: &Answer) -> Value {
        assert_eq!(answer.status, 202, "{answer:?}");
        let change = self.wait(answer.body["change"].as_str().unwrap());
        assert_eq!(change["status"], "Done", "{change:#}");
        change
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and the end that follows.
    pub fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        terminate(&child);
        let end = Instant::now() + Duration::from_secs(15);
        while Instant::now() < end {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("the daemon did not end:\n{}", self.log().join("\n"));
    }
}

fn terminate(child: &Child) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
}

impl Drop for TestDaemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log().join("\n"));
        }
        if let Some(child) = self.child.take() {
            end(child);
        }
        super::snaps::let_go(self.dir.path());
    }
}

/// By SIGTERM first, so that what it mounted or started goes with it.
fn end(mut child: Child) {
    terminate(&child);
    for _ in 0..500 {
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
}
