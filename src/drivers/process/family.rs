//! What comes of a process that was started, found by its control group or by its mark.

use super::{MARK, pidfd};
use crate::drivers::cgroup::Group;
use crate::drivers::watch;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid};
use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;

/// All processes that come from one started process.
#[derive(Clone, Debug)]
pub struct Family {
    pub(super) group: Option<Group>,
    /// The first process, which leads its session and process group.
    pub(super) leader: i32,
    pub(super) mark: String,
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
pub(super) fn marked(mark: &str) -> Vec<i32> {
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
    watch::readable(Arc::new(ended)).ok()
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
