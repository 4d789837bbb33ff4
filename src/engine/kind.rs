//! What a kind of task is: its handlers, and the registry that finds them.

use super::TaskContext;
use crate::domain::Fault;
use crate::store::StoreError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a handler came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The work is done.
    Done,
    /// Run the handler again after this time.
    Retry(Duration),
}

/// Why a handler failed: one sentence, shown in the task's log and the change's `err`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TaskError(pub String);

impl TaskError {
    /// An error with its sentence.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl From<Fault> for TaskError {
    fn from(fault: Fault) -> Self {
        Self(fault.message)
    }
}

impl From<StoreError> for TaskError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<crate::drivers::fs::FileError> for TaskError {
    fn from(error: crate::drivers::fs::FileError) -> Self {
        Self(error.in_full())
    }
}

/// Whether the effect of a task is there (decision 23).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Nothing of it.
    Absent,
    /// All of it.
    Present,
    /// Some of it.
    Partial,
    /// This task has none: it only looks, or its effect cannot be seen afterwards.
    NoEffect,
}

/// The handlers of one kind of task. `perform` and `undo` run on a thread of their own, may block, are idempotent
/// (a killed agent runs them again from the start), and read only what the task carries and the world.
pub trait TaskKind: Send + Sync {
    /// Its name, one of [`crate::domain::kinds`].
    fn kind(&self) -> &'static str;

    /// Does the work.
    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError>;

    /// False: an undo of a task of this kind ends in Done silently (contract: v2, section 5).
    fn can_undo(&self) -> bool;

    /// Takes the work back, whole or half done.
    fn undo(&self, _task: &TaskContext) -> Result<(), TaskError> {
        Ok(())
    }

    /// Looks whether the effect is there.
    fn probe(&self, task: &TaskContext) -> Probe;

    /// Called once the change is ready.
    fn cleanup(&self, _task: &TaskContext) {}
}

/// All kinds that the agent knows.
#[derive(Clone, Default)]
pub struct Registry {
    kinds: BTreeMap<&'static str, Arc<dyn TaskKind>>,
}

impl Registry {
    /// Adds a kind; a later one of the same name replaces it.
    pub fn add(&mut self, kind: impl TaskKind + 'static) {
        self.kinds.insert(kind.kind(), Arc::new(kind));
    }

    /// The handlers of a kind.
    pub fn get(&self, kind: &str) -> Option<&Arc<dyn TaskKind>> {
        self.kinds.get(kind)
    }

    /// Whether a task of that kind can be undone; one that nobody knows cannot.
    pub fn can_undo(&self, kind: &str) -> bool {
        self.get(kind).is_some_and(|kind| kind.can_undo())
    }

    /// The names of all kinds.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.kinds.keys().copied()
    }
}
