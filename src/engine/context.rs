//! What a handler sees of its task.

use super::kind::TaskError;
use super::order;
use crate::domain::change::LOG_LINES;
use crate::domain::{Change, ChangeId, PlannedTask, Progress, Task, TaskId, Timestamp, json};
use crate::store::{Store, StoreError, Tx, World};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A flag that a running handler watches: its change was aborted, or the agent stops. Who looks at it is alive.
#[derive(Debug, Default)]
pub struct AbortSignal {
    raised: Mutex<bool>,
    changed: Condvar,
    /// When the handler was last seen to live; nothing while none runs.
    alive: Mutex<Option<Instant>>,
}

impl AbortSignal {
    fn state(&self) -> MutexGuard<'_, bool> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alive(&self) -> MutexGuard<'_, Option<Instant>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the handler to stop.
    pub fn raise(&self) {
        *self.state() = true;
        self.changed.notify_all();
    }

    /// It was asked to stop.
    pub fn is_raised(&self) -> bool {
        if let Some(seen) = &mut *self.alive() {
            *seen = Instant::now();
        }
        *self.state()
    }

    /// A handler begins, or has come to its end.
    pub(super) fn handled(&self, now: Option<Instant>) {
        *self.alive() = now;
    }

    /// A handler runs that gave no sign of life for so long.
    pub(super) fn is_silent(&self, time: Duration) -> bool {
        self.alive().is_some_and(|seen| seen.elapsed() > time)
    }

    /// Waits until it is asked to stop, at most `time`; says whether it was.
    pub fn wait(&self, time: Duration) -> bool {
        let waited = self
            .changed
            .wait_timeout_while(self.state(), time, |raised| !*raised);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A store mutation that is committed with the task's next status.
pub(super) type Effect = Box<dyn FnOnce(&mut Tx<'_>) -> Result<(), StoreError> + Send>;

/// Progress of running tasks; volatile, shown over what the store has.
pub(super) type ProgressBoard = Mutex<HashMap<TaskId, Progress>>;

/// What a handler leaves behind for the commit of its status.
#[derive(Default)]
pub(super) struct Leavings {
    pub effects: Vec<Effect>,
    pub log: Vec<String>,
    pub injected: Vec<PlannedTask>,
}

/// A task in the hands of its handler.
pub struct TaskContext {
    change: ChangeId,
    task: Task,
    store: Arc<Store>,
    abort: Arc<AbortSignal>,
    progress: Arc<ProgressBoard>,
    leavings: Mutex<Leavings>,
}

impl TaskContext {
    pub(super) fn new(
        change: ChangeId,
        task: Task,
        store: Arc<Store>,
        abort: Arc<AbortSignal>,
        progress: Arc<ProgressBoard>,
    ) -> Self {
        Self {
            change,
            task,
            store,
            abort,
            progress,
            leavings: Mutex::default(),
        }
    }

    fn leavings(&self) -> MutexGuard<'_, Leavings> {
        self.leavings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_leavings(&self) -> Leavings {
        std::mem::take(&mut *self.leavings())
    }

    /// The change's id.
    pub fn change_id(&self) -> ChangeId {
        self.change
    }

    /// The task's id.
    pub fn task_id(&self) -> TaskId {
        self.task.id
    }

    /// The task as it was when the handler started.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// The change as it is now.
    pub fn change(&self) -> Option<Arc<Change>> {
        self.world().change(self.change).cloned()
    }

    /// What the plan gave the task.
    pub fn params<T: DeserializeOwned>(&self) -> Result<T, TaskError> {
        json::record(self.task.params.clone())
            .map_err(|error| TaskError::new(format!("the task's parameters are unreadable: {error}")))
    }

    /// The present state.
    pub fn world(&self) -> Arc<World> {
        self.store.world()
    }

    /// The store.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.store.clock().now()
    }

    /// Shows how far the work is; not kept.
    pub fn progress(&self, label: &str, done: u64, total: u64) {
        let progress = Progress {
            label: label.to_owned(),
            done,
            total,
        };
        self.progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(self.task.id, progress);
    }

    /// Puts a line into the task's log.
    pub fn info(&self, text: impl AsRef<str>) {
        self.note("INFO", text.as_ref());
    }

    /// Puts an error line into the task's log without failing the task.
    pub fn error(&self, text: impl AsRef<str>) {
        self.note("ERROR", text.as_ref());
    }

    fn note(&self, level: &str, text: &str) {
        let line = log_line(self.now(), level, text);
        self.leavings().log.push(line);
    }

    /// The change was aborted or the agent stops: come to an end.
    pub fn is_aborted(&self) -> bool {
        self.abort.is_raised()
    }

    /// The signal itself, to be waited on.
    pub fn abort_signal(&self) -> &Arc<AbortSignal> {
        &self.abort
    }

    /// Keeps a value with the task, durable when this returns: what undo needs, before the effect.
    pub fn remember(&self, key: &str, value: impl Serialize) -> Result<(), TaskError> {
        let value = serde_json::to_value(value).map_err(|error| TaskError::new(error.to_string()))?;
        let (change, task, key) = (self.change, self.task.id, key.to_owned());
        self.store.commit(move |tx| keep(tx, change, task, key, value))?;
        Ok(())
    }

    /// Keeps a value with the task together with its next status: enough for what belongs to [`Self::with_commit`], and
    /// without a commit of its own.
    pub fn remember_with_commit(&self, key: &str, value: impl Serialize) -> Result<(), TaskError> {
        let value = serde_json::to_value(value).map_err(|error| TaskError::new(error.to_string()))?;
        let (change, task, key) = (self.change, self.task.id, key.to_owned());
        self.with_commit(move |tx| keep(tx, change, task, key, value));
        Ok(())
    }

    /// Commits a mutation of the store at once, and keeps what it answers with the task: for what others must see
    /// before the effect begins. Done once: a later run gets the answer that was kept.
    pub fn commit_first<T: Serialize + DeserializeOwned + Send + 'static>(
        &self,
        key: &str,
        effect: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, TaskError> {
        if let Some(kept) = self.memory(key) {
            return Ok(kept);
        }
        let (change, task, key) = (self.change, self.task.id, key.to_owned());
        let answer = self.store.commit(move |tx| {
            let answer = effect(tx)?;
            let value =
                serde_json::to_value(&answer).map_err(|error| StoreError::Encoding(error.to_string()))?;
            keep(tx, change, task, key, value)?;
            Ok(answer)
        })?;
        Ok(answer)
    }

    /// A value that was kept by an earlier run, by `perform` for `undo`, or by this run.
    pub fn memory<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let change = self.change()?;
        let value = change.task(self.task.id)?.memory.get(key)?;
        json::record(value.clone()).ok()
    }

    /// Commits a mutation of the store together with the task's next status: record and status never disagree. If
    /// the mutation refuses, the task fails.
    pub fn with_commit(&self, effect: impl FnOnce(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static) {
        self.leavings().effects.push(Box::new(effect));
    }

    /// Adds tasks to the change, committed when this task is done. Waits and lanes are positions among the new tasks;
    /// those without waits wait for this task, and whoever waits for this task waits for all of them too.
    pub fn inject(&self, tasks: Vec<PlannedTask>) {
        let mut leavings = self.leavings();
        let offset = leavings.injected.len();
        leavings.injected.extend(tasks.into_iter().map(|mut task| {
            for wait in &mut task.waits {
                *wait += offset;
            }
            task
        }));
    }
}

/// Puts a value into what a task remembers.
fn keep(
    tx: &mut Tx<'_>,
    change: ChangeId,
    task: TaskId,
    key: String,
    value: Value,
) -> Result<(), StoreError> {
    let Some(known) = tx.world().change(change) else {
        return Ok(());
    };
    let mut known = Change::clone(known);
    if let Some(task) = known.task_mut(task) {
        task.memory.insert(key, value);
    }
    tx.put_change(known)
}

/// A line of a task's log, as the contract shows it.
pub(super) fn log_line(now: Timestamp, level: &str, text: &str) -> String {
    format!("{} {level} {}", now.rfc3339(), text.trim_end())
}

/// Adds lines to a task's log, keeping the newest.
pub(super) fn append_log(task: &mut Task, lines: Vec<String>) {
    task.log.extend(lines);
    let surplus = task.log.len().saturating_sub(LOG_LINES);
    task.log.drain(..surplus);
}

/// Adds injected tasks to a change within a transaction.
pub(super) fn commit_injected(
    tx: &mut Tx<'_>,
    change: &mut Change,
    after: TaskId,
    planned: Vec<PlannedTask>,
) -> Result<(), StoreError> {
    if planned.is_empty() {
        return Ok(());
    }
    let lanes = planned
        .iter()
        .flat_map(|task| task.lanes.iter().copied())
        .max()
        .unwrap_or(0);
    let first_task = tx.next_tasks(planned.len())?;
    let first_lane = if lanes > 0 { tx.next_lanes(lanes)? } else { 0 };
    let tasks = order::materialise(planned, first_task, first_lane, tx.now());
    order::inject(change, after, tasks);
    Ok(())
}

impl std::fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskContext")
            .field("change", &self.change)
            .field("task", &self.task.id)
            .finish()
    }
}
