//! The process at the other end of a socket, and the snap whose control group it lives in.

use crate::domain::SnapName;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

/// A process that stays the same one: held by its pidfd where the kernel gives one for a socket's peer (6.5), else
/// recognised by its start time.
#[derive(Clone, Debug)]
pub struct Process {
    pid: i32,
    hold: Hold,
}

#[derive(Clone, Debug)]
enum Hold {
    Descriptor(Arc<OwnedFd>),
    /// Clock ticks since boot.
    Started(u64),
    /// Only its number is known.
    Nothing,
}

impl Process {
    /// Takes hold of the process; `None` when it is gone already.
    pub fn hold(pid: i32, descriptor: Option<OwnedFd>) -> Option<Self> {
        let hold = match descriptor {
            Some(descriptor) => Hold::Descriptor(Arc::new(descriptor)),
            None => Hold::Started(start_time(&read(pid, "stat")?)?),
        };
        Some(Self { pid, hold })
    }

    /// A process by its number alone, which proves nothing.
    pub fn seen(pid: i32) -> Self {
        Self {
            pid,
            hold: Hold::Nothing,
        }
    }

    /// Its number, for people and logs.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The file of its program; `None` when it is gone or another user's.
    pub fn program(&self) -> Option<std::path::PathBuf> {
        std::fs::read_link(format!("/proc/{}/exe", self.pid)).ok()
    }

    /// The snap by whose control group it is known; `None` when it is in none or is gone.
    pub fn snap(&self) -> Option<SnapName> {
        let found = SnapName::of_cgroups(&read(self.pid, "cgroup")?);
        if self.is_alive() { found } else { None }
    }

    /// Asked after a reading of `/proc/PID`, so that the reading was of this process.
    fn is_alive(&self) -> bool {
        match &self.hold {
            Hold::Descriptor(descriptor) => {
                let path = format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd());
                std::fs::read_to_string(path).is_ok_and(|info| {
                    info.lines()
                        .filter_map(|line| line.strip_prefix("Pid:"))
                        .any(|pid| pid.trim() == self.pid.to_string())
                })
            }
            Hold::Nothing => false,
            Hold::Started(then) => read(self.pid, "stat").and_then(|stat| start_time(&stat)) == Some(*then),
        }
    }
}

fn read(pid: i32, file: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()
}

/// Field 22 of `/proc/PID/stat`; the name in field 2 may hold anything, so it is counted from its last parenthesis.
fn start_time(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_group_names_the_snap() {
        let table = [
            (
                "0::/system.slice/snap.keyboard-lights.blink.service",
                Some("keyboard-lights"),
            ),
            ("0::/pinion/snap.web.srv", Some("web")),
            ("0::/user.slice/snap.web.srv.2c7a.scope/snap.other.x", Some("web")),
            ("1:name=systemd:/\n0::/snap.ab.cd", Some("ab")),
            ("0::/", None),
            ("0::/snap.", None),
            ("0::/system.slice/snapd.service", None),
            ("0::/snap.BAD.x", None),
            ("", None),
        ];
        for (text, snap) in table {
            assert_eq!(
                SnapName::of_cgroups(text).as_ref().map(SnapName::as_str),
                snap,
                "{text}"
            );
        }
    }

    #[test]
    fn a_name_with_parentheses_does_not_move_the_start_time() {
        let stat = "7 (a) S (b) S 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        assert_eq!(start_time(stat), Some(4711));
        let own = Process::hold(std::process::id() as i32, None).expect("this process");
        assert!(own.is_alive());
    }

    #[test]
    fn another_process_of_the_same_number_is_not_the_same() {
        let other = Process {
            pid: std::process::id() as i32,
            hold: Hold::Started(1),
        };
        assert!(!other.is_alive());
        assert_eq!(other.snap(), None);
    }
}
