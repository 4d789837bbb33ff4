//! Changes and their tasks.

use super::status::{ChangeStatus, TaskStatus, derive};
use super::{ChangeId, SnapName, TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How many lines of a task's log are kept (contract: at most 10).
pub const LOG_LINES: usize = 10;

/// How far a task has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done, for people; mostly empty.
    pub label: String,
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub total: u64,
}

/// One step of a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub id: TaskId,
    /// One of [`super::kinds`].
    pub kind: String,
    /// For people.
    pub summary: String,
    pub status: TaskStatus,
    /// Tasks of the same change that must be done first.
    pub waits: Vec<TaskId>,
    /// The lanes it is in; none means lane 0.
    pub lanes: Vec<u64>,
    /// Set by a handler while it runs; not kept over a restart.
    #[serde(skip)]
    pub progress: Option<Progress>,
    /// At most [`LOG_LINES`], each `TIME LEVEL text`.
    pub log: Vec<String>,
    pub spawn: Timestamp,
    pub ready: Option<Timestamp>,
    /// Not before this moment (a retry).
    pub not_before: Option<Timestamp>,
    /// What the plan gave it.
    pub params: Value,
    /// What its handlers kept for later runs and for undo.
    pub memory: Map<String, Value>,
}

impl Task {
    /// The lanes with the unwritten lane 0.
    pub fn lane_set(&self) -> &[u64] {
        if self.lanes.is_empty() { &[0] } else { &self.lanes }
    }

    /// What a client sees as progress: the handler's, or 0 of 1 while it has work to do, 1 of 1 after.
    pub fn shown_progress(&self) -> Progress {
        match (&self.progress, self.status) {
            (Some(progress), TaskStatus::Do | TaskStatus::Doing) => progress.clone(),
            (_, TaskStatus::Do) => Progress {
                label: String::new(),
                done: 0,
                total: 1,
            },
            (_, TaskStatus::Doing) => Progress {
                label: String::new(),
                done: 0,
                total: 1,
            },
            _ => Progress {
                label: String::new(),
                done: 1,
                total: 1,
            },
        }
    }
}

/// A request that takes steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub id: ChangeId,
    /// What the contract calls it (`install-snap`, `connect-snap`, …).
    pub kind: String,
    /// For people.
    pub summary: String,
    pub spawn: Timestamp,
    pub ready: Option<Timestamp>,
    /// Overrides what the tasks say; used by changes without tasks.
    pub status: Option<TaskStatus>,
    /// The wire's `data`.
    pub data: Map<String, Value>,
    /// The snaps that it is about: what `for=` matches and what conflicts are held against.
    pub snaps: Vec<SnapName>,
    /// Who asked: identity and transport, for the audit.
    pub requester: String,
    /// The last status for which a notice was recorded.
    pub noticed: Option<TaskStatus>,
    /// In the order of their making.
    pub tasks: Vec<Task>,
}

impl Change {
    /// Its status by the contract's rules.
    pub fn shown_status(&self) -> ChangeStatus {
        match self.status {
            Some(status) => status,
            None => derive(self.tasks.iter().map(|task| task.status)),
        }
    }

    /// Nothing of it will run any more.
    pub fn is_ready(&self) -> bool {
        self.ready.is_some()
    }

    /// The task of that id.
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id == id)
    }

    /// The same, to be changed.
    pub fn task_mut(&mut self, id: TaskId) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|task| task.id == id)
    }

    /// The task's turn has come: one to do needs all that it waits for done, one to undo needs all that wait for it
    /// ready (contract: v2, section 5).
    pub fn may_start(&self, task: &Task) -> bool {
        match task.status {
            TaskStatus::Do => {
                let mut waits = task.waits.iter();
                waits.all(|wait| {
                    self.task(*wait)
                        .is_none_or(|other| other.status == TaskStatus::Done)
                })
            }
            TaskStatus::Undo => {
                let mut halts = self.tasks.iter().filter(|other| other.waits.contains(&task.id));
                halts.all(|other| other.status.is_ready())
            }
            _ => false,
        }
    }

    /// For tests: it is ready and Done, or they are told why not.
    #[cfg(test)]
    pub fn assert_done(&self) {
        assert_eq!(self.shown_status(), TaskStatus::Done, "{:?}", self.error_text());
    }

    /// The `err` text of a failed change: every failed task with the errors it logged.
    pub fn error_text(&self) -> Option<String> {
        if self.shown_status() != TaskStatus::Error {
            return None;
        }
        let mut text = String::from("cannot perform the following tasks:\n");
        for task in self.tasks.iter().filter(|task| task.status == TaskStatus::Error) {
            let mut told = false;
            for line in &task.log {
                if let Some((_, message)) = line.split_once(" ERROR ") {
                    text.push_str(&format!("- {} ({message})\n", task.summary));
                    told = true;
                }
            }
            if !told {
                text.push_str(&format!("- {} (no error text)\n", task.summary));
            }
        }
        text.pop();
        Some(text)
    }
}

/// A task that a plan asks for. Other tasks of the plan are named by their position in it.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedTask {
    /// One of [`super::kinds`].
    pub kind: &'static str,
    pub summary: String,
    /// What its handler gets, kept with the task. Convention: an object; `snap` names the snap it is about.
    pub params: Value,
    /// Positions of the tasks that must be done first.
    pub waits: Vec<usize>,
    /// Lanes, numbered within the plan from 1; 0 or none is the common lane.
    pub lanes: Vec<usize>,
}

impl PlannedTask {
    /// A task without any order yet.
    pub fn new(kind: &'static str, summary: impl Into<String>, params: Value) -> Self {
        Self {
            kind,
            summary: summary.into(),
            params,
            waits: Vec::new(),
            lanes: Vec::new(),
        }
    }
}

/// A change that is about to be made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub kind: &'static str,
    pub summary: String,
    pub data: Map<String, Value>,
    /// The snaps it is about.
    pub snaps: Vec<SnapName>,
    pub tasks: Vec<PlannedTask>,
    /// The change whose hook asks for this one: it is no obstacle to it.
    pub within: Option<ChangeId>,
    /// The upload or other file that belongs to the plan until its first task ends is named in its tasks' params.
    pub requester: String,
}

impl Plan {
    /// A plan without tasks yet.
    pub fn new(kind: &'static str, summary: impl Into<String>) -> Self {
        Self {
            kind,
            summary: summary.into(),
            ..Self::default()
        }
    }

    /// Adds a task that waits for the one added before it, if any; answers its position.
    pub fn then(&mut self, mut task: PlannedTask) -> usize {
        let position = self.tasks.len();
        if position > 0 && task.waits.is_empty() {
            task.waits.push(position - 1);
        }
        self.tasks.push(task);
        position
    }
}
