//! Statuses of tasks and changes and how one follows from the other (contract: v2, section 5).

use serde::{Deserialize, Serialize};
use std::fmt;

/// The status of a task. The numbers are what the store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[repr(u8)]
pub enum TaskStatus {
    /// It will not run.
    Hold = 1,
    /// It waits to run.
    Do = 2,
    /// It runs.
    Doing = 3,
    /// Its work is done.
    Done = 4,
    /// It runs and was asked to stop.
    Abort = 5,
    /// It waits to be undone.
    Undo = 6,
    /// It is being undone.
    Undoing = 7,
    /// Its work is undone.
    Undone = 8,
    /// It failed.
    Error = 9,
    /// Its work is done but something outside must happen first.
    Wait = 10,
}

/// A change has the statuses of tasks.
pub type ChangeStatus = TaskStatus;

impl TaskStatus {
    /// Every status, for tables.
    pub const ALL: [Self; 10] = [
        Self::Hold,
        Self::Do,
        Self::Doing,
        Self::Done,
        Self::Abort,
        Self::Undo,
        Self::Undoing,
        Self::Undone,
        Self::Error,
        Self::Wait,
    ];

    /// Nothing will change it any more.
    pub fn is_ready(self) -> bool {
        matches!(self, Self::Done | Self::Undone | Self::Hold | Self::Error)
    }

    /// A handler runs.
    pub fn is_running(self) -> bool {
        matches!(self, Self::Doing | Self::Undoing | Self::Abort)
    }

    /// The number that the store keeps.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The status of a number from the store.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The order in which a status of any task decides that of its change.
const PRECEDENCE: [TaskStatus; 10] = [
    TaskStatus::Abort,
    TaskStatus::Undoing,
    TaskStatus::Undo,
    TaskStatus::Doing,
    TaskStatus::Do,
    TaskStatus::Wait,
    TaskStatus::Error,
    TaskStatus::Undone,
    TaskStatus::Done,
    TaskStatus::Hold,
];

/// The status of a change from those of its tasks; a change without tasks is on hold.
pub fn derive(statuses: impl Iterator<Item = TaskStatus>) -> ChangeStatus {
    let seen: u16 = statuses.fold(0, |bits, status| bits | 1 << status.code());
    PRECEDENCE
        .into_iter()
        .find(|status| seen & (1 << status.code()) != 0)
        .unwrap_or(TaskStatus::Hold)
}

/// What happens to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Its turn has come.
    Start,
    /// Its handler returned well.
    Finish,
    /// Its handler failed.
    Fail,
    /// It, or a task it depends on, is to be taken back.
    Abort,
    /// Its handler was stopped by the end of the agent and will run again.
    Interrupt,
}

/// The one place where a task's status moves: total over every status and step. `None` means that the step does
/// not apply and nothing changes. `can_undo` says whether the task's kind has an undo handler: without one an undo
/// ends in Done silently, as the contract has it.
pub fn transition(status: TaskStatus, step: Step, can_undo: bool) -> Option<TaskStatus> {
    use TaskStatus as S;
    match (step, status) {
        (Step::Start, S::Do) => Some(S::Doing),
        (Step::Start, S::Undo) => Some(if can_undo { S::Undoing } else { S::Done }),
        (Step::Finish, S::Doing) => Some(S::Done),
        (Step::Finish, S::Abort) => Some(S::Undo),
        (Step::Finish, S::Undoing) => Some(S::Undone),
        (Step::Fail, S::Doing | S::Abort | S::Undoing) => Some(S::Error),
        (Step::Abort, S::Do) => Some(S::Hold),
        (Step::Abort, S::Doing) => Some(S::Abort),
        (Step::Abort, S::Done | S::Wait) => Some(S::Undo),
        (Step::Interrupt, S::Doing | S::Abort | S::Undoing) => Some(status),
        (
            Step::Start,
            S::Hold | S::Doing | S::Done | S::Abort | S::Undoing | S::Undone | S::Error | S::Wait,
        )
        | (Step::Finish | Step::Fail, S::Hold | S::Do | S::Done | S::Undo | S::Undone | S::Error | S::Wait)
        | (Step::Abort, S::Hold | S::Abort | S::Undo | S::Undoing | S::Undone | S::Error)
        | (Step::Interrupt, S::Hold | S::Do | S::Done | S::Undo | S::Undone | S::Error | S::Wait) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TaskStatus as S;

    #[test]
    fn the_first_of_the_order_decides() {
        // contract v2, section 5: Abort, Undoing, Undo, Doing, Do, Wait, Error, Undone, Done, Hold
        let table: [(&[S], S); 7] = [
            (&[], S::Hold),
            (&[S::Done, S::Done], S::Done),
            (&[S::Done, S::Do], S::Do),
            (&[S::Undone, S::Error, S::Hold], S::Error),
            (&[S::Error, S::Undoing, S::Done], S::Undoing),
            (&[S::Undone, S::Hold, S::Done], S::Undone),
            (&[S::Abort, S::Doing], S::Abort),
        ];
        for (tasks, change) in table {
            assert_eq!(derive(tasks.iter().copied()), change, "{tasks:?}");
        }
    }

    #[test]
    fn ready_statuses_never_move_but_done() {
        for step in [
            Step::Start,
            Step::Finish,
            Step::Fail,
            Step::Abort,
            Step::Interrupt,
        ] {
            for status in [S::Hold, S::Undone, S::Error] {
                assert_eq!(transition(status, step, true), None);
            }
        }
        assert_eq!(transition(S::Done, Step::Abort, true), Some(S::Undo));
        assert_eq!(transition(S::Undo, Step::Start, false), Some(S::Done));
    }
}
