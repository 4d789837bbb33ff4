//! First contact: `pinion demo` as root and as an ordinary user (issue: it ends by itself within 30 s and cleans up;
//! the picture is drawn from the events only, so it stands still when the service is gone).

use crate::support::copy_program;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// `nobody`, as whom root tries what an ordinary user sees.
const NOBODY: u32 = 65534;

/// A demo that runs without a terminal, in a temporary folder of its own.
struct Demo {
    child: Child,
    lines: Receiver<String>,
    folder: tempfile::TempDir,
    begun: Instant,
}

impl Demo {
    fn start(args: &[&str], user: Option<u32>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("its mode");
        let temporary = folder.path().join("tmp");
        fs::create_dir(&temporary).expect("a folder for the demo");
        fs::set_permissions(&temporary, fs::Permissions::from_mode(0o777)).expect("its mode");
        // Where another user may read it.
        let program = folder.path().join("pinion");
        copy_program(env!("CARGO_BIN_EXE_pinion").as_ref(), &program);
        let mut command = Command::new(program);
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let mut child = command
            .arg("demo")
            .args(args)
            .env("TMPDIR", &temporary)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo");
        let stdout = child.stdout.take().expect("its output");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self {
            child,
            lines,
            folder,
            begun: Instant::now(),
        }
    }

    /// Reads until a line has the text; answers all that was read.
    fn until(&self, text: &str) -> Vec<String> {
        let mut read = Vec::new();
        loop {
            let line = self
                .lines
                .recv_timeout(Duration::from_secs(30))
                .unwrap_or_else(|_| panic!("never said {text:?}: {read:#?}"));
            let found = line.contains(text);
            read.push(line);
            if found {
                return read;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("a signal");
    }

    /// Waits for the end, which must be a good one, and looks whether anything is left.
    fn ends_clean(mut self) -> Vec<String> {
        let rest: Vec<String> = self.lines.iter().collect();
        let status = self.child.wait().expect("an end");
        assert!(status.success(), "{status}: {rest:#?}");
        let left: Vec<PathBuf> = fs::read_dir(self.folder.path().join("tmp"))
            .expect("its folder")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        assert_eq!(left, Vec::<PathBuf>::new());
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        assert!(
            !mounts.contains(&*self.folder.path().to_string_lossy()),
            "{mounts}"
        );
        assert_eq!(processes_of(self.folder.path()), Vec::<i32>::new());
        rest
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.signal(Signal::SIGTERM);
            let _ = self.child.wait();
        }
    }
}

/// The processes whose command line names something below a folder.
fn processes_of(folder: &Path) -> Vec<i32> {
    let folder = folder.to_string_lossy().into_owned();
    fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&folder))
        })
        .collect()
}

fn shows_everything(user: Option<u32>) {
    let demo = Demo::start(&[], user);
    let mut said = demo.until("connected keyboard-lights:capslock-led to pi:pin-13");
    said.extend(demo.until("line GPIO27 is 1"));
    said.extend(demo.until("line GPIO27 is 0"));
    let begun = demo.begun;
    let rest = demo.ends_clean();
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}: {rest:#?}",
        begun.elapsed()
    );
    assert!(
        rest.iter().any(|line| line.contains("board --watch")),
        "{rest:#?}"
    );
}

#[test]
fn it_shows_everything_and_leaves_nothing() {
    shows_everything(None);
}

#[test]
fn an_ordinary_user_sees_the_same() {
    // A user who is not root tried it in the other test already.
    if Uid::effective().is_root() {
        shows_everything(Some(NOBODY));
    }
}

#[test]
fn the_picture_stands_still_without_the_service() {
    let demo = Demo::start(&["--stay"], None);
    demo.until("line GPIO27 is 1");
    let services: Vec<i32> = processes_of(demo.folder.path())
        .into_iter()
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains("bin/blink"))
        })
        .collect();
    assert!(!services.is_empty());
    for pid in services {
        // Ended by SIGTERM it ended well, so it is not started again.
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("a signal");
    }
    std::thread::sleep(Duration::from_millis(500));
    while demo.lines.try_recv().is_ok() {}
    std::thread::sleep(Duration::from_secs(2));
    let moved: Vec<String> = demo.lines.try_iter().collect();
    assert_eq!(moved, Vec::<String>::new());
    demo.signal(Signal::SIGINT);
    demo.ends_clean();
}

#[test]
fn ended_in_the_middle_it_leaves_nothing() {
    let demo = Demo::start(&[], None);
    demo.until("packed and installed bare");
    demo.signal(Signal::SIGTERM);
    demo.ends_clean();
}
