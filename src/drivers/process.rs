//! The one process runner. A process that it starts has its own session, a clean environment and nothing of ours open;
//! it ends with the thread that started it; and all that it started, wherever that went, ends with it.

#![allow(unsafe_code)]

mod family;
mod service;

pub use family::{Family, Marked, end_leftovers, gone, of_owner};
pub use service::Service;

use super::cgroup::Group;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::Signal;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How much output of a run is kept; the rest is read and dropped.
pub const OUTPUT: usize = 64 * 1024;

/// The variable that says which run a process comes from, `OWNER|NAME|PID.COUNT|`: by it a process is found when there
/// are no control groups, and two runs of one service are told apart.
pub const MARK: &str = "PINION_RUN";

/// How often a run looks whether it was aborted.
const ABORT_TICK: Duration = Duration::from_millis(100);

/// What is to be run.
#[derive(Clone, Debug, Default)]
pub struct Job {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// The whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// `/` when empty.
    pub cwd: PathBuf,
    /// The control group to be in. Without one, descendants are found by their process group and by a mark in their
    /// environment.
    pub group: Option<Group>,
    /// Whose it is: the first part of the mark.
    pub owner: String,
    /// What runs (a security tag): the second part of the mark.
    pub name: String,
    /// What it finds open from descriptor 3 on.
    pub passed: Vec<Arc<OwnedFd>>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With an exit status.
    Exited(i32),
    /// By a signal.
    Signalled(i32),
}

impl End {
    /// With exit status 0.
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, signal) => Self::Signalled(signal.unwrap_or_default()),
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit status {code}"),
            Self::Signalled(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "signal {}", signal.as_str()),
                Err(_) => write!(f, "signal {number}"),
            },
        }
    }
}

/// Why a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Ended(End),
    TimedOut,
    Aborted,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Run {
    pub reason: Reason,
    /// Standard output and error, as they came, at most [`OUTPUT`] bytes.
    pub output: Vec<u8>,
    /// How many bytes of output were dropped.
    pub dropped: u64,
}

/// The command of a job with everything but its standard streams, and the mark of its descendants.
fn prepare(job: &Job) -> io::Result<(Command, String)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mark = format!(
        "{}|{}|{}.{}|",
        job.owner,
        job.name,
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let mut command = Command::new(&job.program);
    command.args(&job.args).env_clear();
    command.envs(job.env.iter().map(|(name, value)| (name, value)));
    command.current_dir(if job.cwd.as_os_str().is_empty() {
        Path::new("/")
    } else {
        &job.cwd
    });
    command.env(MARK, &mark);
    let entry = job.group.as_ref().map(Group::entry).transpose()?;
    let parent = std::process::id();
    let passed = job.passed.clone();
    // SAFETY: between fork and exec only functions that are safe after a fork are called: they are plain system calls
    // that touch no lock and no heap, on values captured before the fork.
    unsafe {
        command.pre_exec(move || settle(entry.as_ref(), parent, &passed));
    }
    Ok((command, mark))
}

/// What the new process does before it becomes the program.
fn settle(entry: Option<&File>, parent: u32, passed: &[Arc<OwnedFd>]) -> io::Result<()> {
    // SAFETY: system calls on plain values and one buffer of static life; see `prepare`.
    unsafe {
        libc::setsid();
        libc::umask(0o022);
        if let Some(entry) = entry
            && libc::write(entry.as_raw_fd(), b"0".as_ptr().cast(), 1) != 1
        {
            return Err(io::Error::last_os_error());
        }
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
            return Err(io::Error::last_os_error());
        }
        // The parent may have ended before the signal was asked for.
        if u32::try_from(libc::getppid()).ok() != Some(parent) {
            libc::_exit(127);
        }
        // Everything is opened close-on-exec; this is for what a library may have forgotten. Old kernels lack it.
        libc::syscall(
            libc::SYS_close_range,
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        );
        pass(passed)
    }
}

/// Puts descriptors at their places from 3 on. All of them are moved out of the way of those places first.
///
/// # Safety
///
/// Only in a process that is about to become another program: what stood at those places is lost.
unsafe fn pass(passed: &[Arc<OwnedFd>]) -> io::Result<()> {
    const MOST: usize = 64;
    let mut moved = [-1; MOST];
    if passed.len() > MOST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: plain system calls on open descriptors; the array lives on this stack.
    unsafe {
        for (fd, moved) in passed.iter().zip(&mut moved) {
            *moved = libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3 + MOST as libc::c_int);
            if *moved < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        let places = (3..).zip(&moved[..passed.len()]);
        for (place, moved) in places {
            if libc::dup2(*moved, place) < 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}

/// Runs a job to its end on this thread, and ends all that it started. `aborted` is asked now and then.
pub fn run(job: &Job, timeout: Duration, aborted: Option<&dyn Fn() -> bool>) -> io::Result<Run> {
    let (mut command, mark) = prepare(job)?;
    let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut child = command.spawn()?;
    // The command holds the writing end.
    drop(command);
    let family = Family {
        group: job.group.clone(),
        leader: i32::try_from(child.id()).unwrap_or_default(),
        mark,
    };
    let mut output = Output::new(reader)?;
    let reason = wait(&mut child, &mut output, Instant::now() + timeout, aborted);
    family.kill_all();
    let _ = child.kill();
    let _ = child.wait();
    output.drain();
    Ok(Run {
        reason: reason?,
        output: output.kept,
        dropped: output.dropped,
    })
}

fn wait(
    child: &mut Child,
    output: &mut Output,
    deadline: Instant,
    aborted: Option<&dyn Fn() -> bool>,
) -> io::Result<Reason> {
    let ended = pidfd(child.id());
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Reason::Ended(status.into()));
        }
        if aborted.is_some_and(|aborted| aborted()) {
            return Ok(Reason::Aborted);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Reason::TimedOut);
        }
        let tick = match (&ended, aborted.is_some()) {
            // Kernels before 5.3 have no process descriptors.
            (None, _) => left.min(Duration::from_millis(10)),
            (Some(_), true) => left.min(ABORT_TICK),
            (Some(_), false) => left,
        };
        output.poll(ended.as_ref(), tick)?;
    }
}

fn pidfd(pid: u32) -> Option<OwnedFd> {
    // SAFETY: the call takes plain numbers; a descriptor that it answers is new and belongs to nobody else.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0)?;
        Some(OwnedFd::from_raw_fd(fd))
    }
}

/// The bounded output of a run.
struct Output {
    reader: File,
    kept: Vec<u8>,
    dropped: u64,
    open: bool,
}

impl Output {
    fn new(reader: OwnedFd) -> io::Result<Self> {
        nix::fcntl::fcntl(
            &reader,
            nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK),
        )?;
        Ok(Self {
            reader: reader.into(),
            kept: Vec::new(),
            dropped: 0,
            open: true,
        })
    }

    /// Waits for output, the end of the process, or the time.
    fn poll(&mut self, ended: Option<&OwnedFd>, time: Duration) -> io::Result<()> {
        let mut fds = Vec::with_capacity(2);
        if let Some(ended) = ended {
            fds.push(PollFd::new(ended.as_fd(), PollFlags::POLLIN));
        }
        if self.open {
            fds.push(PollFd::new(self.reader.as_fd(), PollFlags::POLLIN));
        }
        // Rounded up, so that the last millisecond is not spent in a loop.
        let timeout = PollTimeout::try_from(time + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match nix::poll::poll(&mut fds, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        self.read_some();
        Ok(())
    }

    /// Reads what is there, but no more than a few buffers: a flood must not hold up the clock.
    fn read_some(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        for _ in 0..16 {
            match self.reader.read(&mut buffer) {
                Ok(0) => {
                    self.open = false;
                    return false;
                }
                Ok(length) => {
                    let kept = length.min(OUTPUT - self.kept.len());
                    self.kept.extend_from_slice(&buffer[..kept]);
                    self.dropped += (length - kept) as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Reads the rest after every writer was ended.
    fn drain(&mut self) {
        while self.open && self.read_some() {}
    }
}

/// A pair of an environment.
pub fn variable(name: &str, value: impl AsRef<OsStr>) -> (OsString, OsString) {
    (OsString::from(name), value.as_ref().to_owned())
}

/// What a process printed, as text for people.
pub fn text(output: &[u8]) -> String {
    OsStr::from_bytes(output).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
