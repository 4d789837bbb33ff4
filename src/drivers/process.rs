//! The one process runner. A process that it starts has its own session, a clean environment and nothing of ours open;
//! it ends with the thread that started it; and all that it started, wherever that went, ends with it.

#![allow(unsafe_code)]

use super::cgroup::Group;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;

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

/// All processes that come from one started process.
#[derive(Clone, Debug)]
pub struct Family {
    group: Option<Group>,
    /// The first process, which leads its session and process group.
    leader: i32,
    mark: String,
}

impl Family {
    /// The first process.
    pub fn leader(&self) -> i32 {
        self.leader
    }

    /// Its control group.
    pub fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// Sends a signal to the first process.
    pub fn signal_leader(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.leader), signal);
    }

    /// Sends a signal to every process, once to each. A process with a pending signal cannot fork, so a second look
    /// finds every child that the first one missed.
    pub fn signal(&self, signal: Signal) {
        let mut told = BTreeSet::new();
        if self.group.is_none() && killpg(Pid::from_raw(self.leader), signal).is_ok() {
            // Those whose mark is in their environment may have been reached just now.
            told.extend(self.pids().into_iter().filter(|pid| {
                getpgid(Some(Pid::from_raw(*pid))).is_ok_and(|group| group.as_raw() == self.leader)
            }));
        }
        loop {
            let new: Vec<i32> = self.pids().into_iter().filter(|pid| told.insert(*pid)).collect();
            if new.is_empty() {
                return;
            }
            for pid in new {
                let _ = kill(Pid::from_raw(pid), signal);
            }
        }
    }

    /// Something of it lives (a process that ended and was not waited for does not count).
    pub fn is_alive(&self) -> bool {
        match &self.group {
            Some(group) => group.is_populated(),
            None => !marked(&self.mark).is_empty(),
        }
    }

    /// The processes that live.
    fn pids(&self) -> Vec<i32> {
        match &self.group {
            Some(group) => group.pids(),
            None => marked(&self.mark),
        }
    }

    /// A process is one of these and lives.
    pub fn contains(&self, pid: i32) -> bool {
        match &self.group {
            Some(group) => group.pids().contains(&pid),
            None => mark_of(pid).is_some_and(|mark| mark.starts_with(&self.mark)),
        }
    }

    /// Waits for the end of the last process.
    pub async fn emptied(&self) {
        while let Some(pid) = self.pids().first().copied() {
            let watched = watched(pid);
            match watched {
                Some(fd) => {
                    let _ = fd.readable().await;
                    // It may stay in the list until its parent has waited for it.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                // It ended between the two looks, or the kernel (before 5.3) has no descriptors of processes.
                None => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// Ends every process at once; false when something is still there after two seconds. May block that long.
    pub fn kill_all(&self) -> bool {
        match &self.group {
            Some(group) => {
                let gone = group.kill_all();
                group.remove();
                gone
            }
            None => {
                let _ = killpg(Pid::from_raw(self.leader), Signal::SIGKILL);
                end_marked(&self.mark)
            }
        }
    }
}

/// Ends all processes whose mark begins with `owner`: what an agent that was killed has left behind.
pub fn end_leftovers(owner: &str) -> bool {
    end_marked(&format!("{owner}|"))
}

/// A process that an agent started, as its mark tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    pub pid: i32,
    /// What runs.
    pub name: String,
    /// Which of its runs.
    pub run: String,
}

/// The processes that live and bear the mark of an agent of that owner.
pub fn of_owner(owner: &str) -> Vec<Marked> {
    let start = format!("{owner}|");
    let found = all_marked(&start).into_iter().filter_map(|(pid, mark)| {
        let (name, run) = mark.strip_prefix(&start)?.split_once('|')?;
        Some(Marked {
            pid,
            name: name.to_owned(),
            run: run.trim_end_matches('|').to_owned(),
        })
    });
    found.collect()
}

fn end_marked(mark: &str) -> bool {
    let until = Instant::now() + Duration::from_secs(2);
    loop {
        let pids = marked(mark);
        if pids.is_empty() {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        for pid in pids {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The processes with a mark that begins so.
fn marked(mark: &str) -> Vec<i32> {
    all_marked(mark).into_iter().map(|(pid, _)| pid).collect()
}

/// The same with their whole marks. Processes of other users cannot be read, and are not ours.
fn all_marked(mark: &str) -> Vec<(i32, String)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| Some((pid, mark_of(pid).filter(|own| own.starts_with(mark))?)))
        .collect()
}

/// The mark of a process. One that ended and was not waited for has no environment any more.
fn mark_of(pid: i32) -> Option<String> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let variable = format!("{MARK}=");
    let mut entries = environ.split(|byte| *byte == 0);
    let mark = entries.find_map(|entry| entry.strip_prefix(variable.as_bytes()))?;
    Some(String::from_utf8_lossy(mark).into_owned())
}

/// Lets the runtime tell when a process ends.
fn watched(pid: i32) -> Option<AsyncFd<Arc<OwnedFd>>> {
    let ended = u32::try_from(pid).ok().and_then(pidfd)?;
    super::watch::readable(Arc::new(ended)).ok()
}

/// Waits for the end of a process that is not ours to wait for; one that has ended is fine.
pub async fn gone(pid: i32) {
    if let Some(fd) = watched(pid) {
        let _ = fd.readable().await;
    } else {
        // Kernels before 5.3 have no descriptors of processes.
        while kill(Pid::from_raw(pid), None).is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
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

/// A long-living process. It ends with the thread that started it, so it is started from the main thread.
pub struct Service {
    child: tokio::process::Child,
    family: Family,
    output: Option<tokio::net::unix::pipe::Receiver>,
}

impl Service {
    /// Starts one; on a thread that lives as long as the service shall.
    pub fn start(job: &Job) -> io::Result<Self> {
        let (mut command, mark) = prepare(job)?;
        let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        command
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let child = tokio::process::Command::from(command).spawn()?;
        let leader = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .unwrap_or_default();
        nix::fcntl::fcntl(
            &reader,
            nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK),
        )?;
        Ok(Self {
            child,
            family: Family {
                group: job.group.clone(),
                leader,
                mark,
            },
            output: Some(tokio::net::unix::pipe::Receiver::from_owned_fd(reader)?),
        })
    }

    /// Its standard output and error together, for the one who reads them.
    pub fn take_output(&mut self) -> Option<tokio::net::unix::pipe::Receiver> {
        self.output.take()
    }

    /// All processes that come from it.
    pub fn family(&self) -> &Family {
        &self.family
    }

    /// Waits for the end of its first process. May be dropped and called again.
    pub async fn ended(&mut self) -> io::Result<End> {
        self.child.wait().await.map(End::from)
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service({})", self.family.leader)
    }
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
mod tests {
    use super::*;

    fn shell(script: &str) -> Job {
        Job {
            program: PathBuf::from("/bin/sh"),
            args: vec!["-c".into(), script.into()],
            env: vec![variable("PATH", "/usr/bin:/bin")],
            owner: String::from("test"),
            ..Job::default()
        }
    }

    fn run_for(script: &str, seconds: u64) -> Run {
        run(&shell(script), Duration::from_secs(seconds), None).expect("it starts")
    }

    #[test]
    fn output_and_status_come_back() {
        let run = run_for("echo out; echo err >&2; exit 3", 10);
        assert_eq!(run.reason, Reason::Ended(End::Exited(3)));
        assert_eq!(run.output, b"out\nerr\n");
    }

    #[test]
    fn the_environment_is_clean_and_nothing_is_open() {
        // The mark is what finds descendants where there is no control group.
        let run = run_for("env | sed 's/=.*//' | sort; ls /proc/self/fd; umask", 10);
        let text = text(&run.output);
        let names: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(
            names,
            ["PATH", "PINION_RUN", "PWD", "0", "1", "2", "3", "0022"],
            "{text}"
        );
    }

    #[test]
    fn a_flood_is_cut_and_does_not_stop_the_clock() {
        let begun = Instant::now();
        let run = run_for("yes", 1);
        assert_eq!(run.reason, Reason::TimedOut);
        assert_eq!(run.output.len(), OUTPUT);
        assert!(run.dropped > 0);
        assert!(begun.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn children_end_with_it_even_in_a_session_of_their_own() {
        let mut job = shell("setsid sleep 1000 & echo $!; sleep 1000 & echo $!; exit 0");
        job.owner = String::from("leaver");
        let run = run(&job, Duration::from_secs(10), None).expect("it starts");
        assert_eq!(run.reason, Reason::Ended(End::Exited(0)));
        assert_eq!(text(&run.output).lines().count(), 2);
        assert_eq!(marked("leaver|"), Vec::<i32>::new());
    }

    #[test]
    fn a_run_is_not_taken_for_another_whose_number_begins_like_its_own() {
        let start = |mark: &str| {
            let mut command = Command::new("/bin/sleep");
            command.arg("1000").env(MARK, mark).spawn().expect("it starts")
        };
        let mut children = [
            start("counter|snap.one.app|5.1|"),
            start("counter|snap.one.app|5.10|"),
        ];
        let pids = children
            .each_ref()
            .map(|child| i32::try_from(child.id()).expect("a pid"));
        assert_eq!(marked("counter|snap.one.app|5.1|"), pids[..1]);
        let runs: Vec<_> = of_owner("counter")
            .into_iter()
            .map(|one| (one.name, one.run))
            .collect();
        let run = |number: &str| (String::from("snap.one.app"), String::from(number));
        assert_eq!(runs, [run("5.1"), run("5.10")]);
        for child in &mut children {
            child.kill().expect("a kill");
            child.wait().expect("an end");
        }
    }

    #[test]
    fn an_abort_ends_it() {
        let begun = Instant::now();
        let run = run(
            &shell("sleep 1000"),
            Duration::from_secs(100),
            Some(&|| begun.elapsed() > Duration::from_millis(50)),
        )
        .expect("it starts");
        assert_eq!(run.reason, Reason::Aborted);
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_group_catches_what_left_the_session() {
        let root = tempfile::tempdir().expect("a folder");
        let Some(tree) = crate::drivers::cgroup::Tree::open(root.path()) else {
            println!("skipped: drivers::process::groups: no rights on a control group tree");
            return;
        };
        let group = tree.group("snap.one.app").expect("a group");
        let mut job = shell("env -i setsid sleep 1000 & sleep 0.05; cat /proc/self/cgroup");
        job.group = Some(group.clone());
        let run = run(&job, Duration::from_secs(10), None).expect("it starts");
        assert!(
            text(&run.output).contains("/snap.one.app"),
            "{}",
            text(&run.output)
        );
        assert!(!group.is_populated());
        tree.remove();
        assert!(tree.names().is_empty());
    }

    #[test]
    fn descriptors_are_passed_from_three_on() {
        let (one, two) = (
            nix::unistd::pipe().expect("a pipe"),
            nix::unistd::pipe().expect("a pipe"),
        );
        let mut job = shell("echo a >&3; echo b >&4; ls /proc/self/fd");
        job.passed = vec![Arc::new(two.1), Arc::new(one.1)];
        let run = run(&job, Duration::from_secs(10), None).expect("it starts");
        assert_eq!(
            text(&run.output).split_whitespace().collect::<Vec<_>>(),
            ["0", "1", "2", "3", "4", "5"]
        );
        drop(job);
        let read = |end: OwnedFd| io::read_to_string(File::from(end)).expect("text");
        assert_eq!(
            (read(two.0), read(one.0)),
            (String::from("a\n"), String::from("b\n"))
        );
    }

    #[tokio::test]
    async fn a_service_is_ended_with_its_children() {
        let mut service = Service::start(&shell("sleep 1000 & echo up; wait")).expect("it starts");
        let mut buffer = [0; 3];
        let mut output = service.take_output().expect("the first time");
        tokio::io::AsyncReadExt::read_exact(&mut output, &mut buffer)
            .await
            .expect("output");
        assert!(service.family().is_alive());
        service.family().signal(Signal::SIGTERM);
        assert_eq!(service.ended().await.expect("an end"), End::Signalled(15));
        assert!(service.family().kill_all());
        assert!(!service.family().is_alive());
    }
}
