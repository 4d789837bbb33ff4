//! What is true of the whole device: facts read once at the start, and whether it is about to restart.

mod facts;

use crate::domain::Dirs;
use std::sync::atomic::{AtomicU8, Ordering};

pub use facts::{Facts, OsRelease};

/// A restart that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Maintenance {
    /// The device starts anew.
    Rebooting = 1,
    /// The device stops.
    Halting = 2,
    /// The device turns itself off.
    PoweringOff = 3,
    /// Only the agent starts anew.
    Restarting = 4,
}

/// The manager of the device as a whole.
pub struct System {
    facts: Facts,
    /// 0 for none, else a [`Maintenance`].
    maintenance: AtomicU8,
}

impl System {
    /// Reads the facts. `developer_mode` is whether the agent runs as an ordinary user (decision 1).
    pub fn new(dirs: &Dirs, developer_mode: bool) -> Self {
        Self {
            facts: Facts::read(dirs, developer_mode),
            maintenance: AtomicU8::new(0),
        }
    }

    /// The facts.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What the threads of the agent do at the moment, one line each: number, name, state, and where they sleep in the
    /// kernel.
    pub fn threads(&self) -> String {
        let mut lines: Vec<String> = std::fs::read_dir("/proc/self/task")
            .into_iter()
            .flatten()
            .flatten()
            .map(|thread| {
                let read = |name| std::fs::read_to_string(thread.path().join(name)).unwrap_or_default();
                let status = read("status");
                let state = status.lines().find_map(|line| line.strip_prefix("State:"));
                format!(
                    "thread {} {}: {} in {}\n",
                    thread.file_name().to_string_lossy(),
                    read("comm").trim(),
                    state.unwrap_or_default().trim(),
                    read("wchan").trim()
                )
            })
            .collect();
        lines.sort();
        lines.concat()
    }

    /// The restart that is under way, if one is.
    pub fn maintenance(&self) -> Option<Maintenance> {
        match self.maintenance.load(Ordering::Relaxed) {
            1 => Some(Maintenance::Rebooting),
            2 => Some(Maintenance::Halting),
            3 => Some(Maintenance::PoweringOff),
            4 => Some(Maintenance::Restarting),
            _ => None,
        }
    }

    /// Says that a restart begins; every answer tells it from now on.
    pub fn begin_maintenance(&self, maintenance: Maintenance) {
        self.maintenance.store(maintenance as u8, Ordering::Relaxed);
    }
}
