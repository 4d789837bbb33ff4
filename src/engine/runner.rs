//! Runs tasks and commits what they came to.

use super::context::{Leavings, append_log, commit_injected, log_line};
use super::kind::{Outcome, TaskError, TaskKind};
use super::{AbortSignal, Engine, TaskContext, fault, order, prune_before, settle};
use crate::domain::status::{Step, TaskStatus};
use crate::domain::{Change, ChangeId, SnapName, Task, TaskId, work};
use crate::store::{StoreError, Tx};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// A task that runs now.
#[derive(Debug)]
pub(super) struct Running {
    pub abort: Arc<AbortSignal>,
}

/// What the commit of a task's end came to.
pub(super) struct Finished {
    change: Change,
    started: Vec<TaskId>,
}

/// At how many starts of the agent a task may be found running before it fails (R11).
const STARTS_LIMIT: u64 = 5;
/// How often a task is run again because its end could not be written.
const WRITE_ATTEMPTS: u32 = 5;
/// The pause before that.
const WRITE_PAUSE: Duration = Duration::from_secs(1);
/// How long running tasks may take to come to an end when the agent stops.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// The task's own count of starts that found it running.
const STARTS_KEY: &str = "starts";

/// Which handler a running task is in.
fn direction(task: &Task) -> &'static str {
    if task.status == TaskStatus::Undoing {
        "undo"
    } else {
        "do"
    }
}

impl Engine {
    /// Takes up the tasks that an earlier agent left running. Called once, before [`Engine::run`].
    pub async fn resume(&self) -> Result<(), StoreError> {
        let registry = self.registry.clone();
        let history = self.history;
        let (started, moved) = self
            .store
            .commit_async(move |tx| {
                let mut started = Vec::new();
                let mut moved = Vec::new();
                let live: Vec<Arc<Change>> = tx
                    .world()
                    .changes
                    .values()
                    .filter(|change| !change.is_ready())
                    .cloned()
                    .collect();
                for change in live {
                    let mut change = Change::clone(&change);
                    started.extend(
                        resume_change(tx, &mut change, &registry)?
                            .into_iter()
                            .map(|id| (change.id, id)),
                    );
                    moved.push(change.id);
                    tx.put_change(change)?;
                }
                tx.prune(prune_before(tx.now(), history), history.changes)?;
                Ok((started, moved))
            })
            .await?;
        for id in moved {
            self.moved(id);
        }
        for start in started {
            let _ = self.starts.send(start);
        }
        Ok(())
    }

    /// Runs tasks until the agent stops.
    pub async fn run(self: Arc<Self>) {
        let inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut inbox) = inbox else { return };
        while let Some((change, task)) = inbox.recv().await {
            self.beats.fetch_add(1, Ordering::Relaxed);
            if self.is_stopping() {
                continue;
            }
            let engine = self.clone();
            work::spawn(Box::pin(async move { engine.run_task(change, task).await }));
        }
    }

    /// Asks running tasks to come to an end and waits for them a while; what does not end runs again at the next
    /// start.
    pub async fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        for running in self.running().values() {
            running.abort.raise();
        }
        let ended = async {
            loop {
                let woken = self.moved.notified();
                tokio::pin!(woken);
                woken.as_mut().enable();
                if self.running().is_empty() {
                    return;
                }
                woken.await;
            }
        };
        if tokio::time::timeout(STOP_PATIENCE, ended).await.is_err() {
            log::warn!("some tasks did not come to an end; they run again at the next start");
        }
    }

    async fn run_task(self: Arc<Self>, change: ChangeId, id: TaskId) {
        let abort = Arc::new(AbortSignal::default());
        self.running().insert(id, Running { abort: abort.clone() });
        let mut unwritten = 0;
        while let Some(pause) = self.run_once(change, id, &abort, &mut unwritten).await {
            if self.pause(pause, &abort).await {
                break;
            }
        }
        self.progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
        self.running().remove(&id);
        self.moved.notify_waiters();
    }

    /// One run of a task's handler and the commit of its outcome; answers the pause before another run, if there is
    /// to be one. `unwritten` counts the runs whose end could not be written.
    async fn run_once(
        &self,
        change: ChangeId,
        id: TaskId,
        abort: &Arc<AbortSignal>,
        unwritten: &mut u32,
    ) -> Option<Duration> {
        let world = self.store.world();
        let task = world
            .change(change)?
            .task(id)
            .filter(|task| task.status.is_running())?
            .clone();
        drop(world);
        if task.status == TaskStatus::Abort {
            abort.raise();
        }
        let going = direction(&task);
        let (context, result) = self.handle(change, task, abort, going).await;
        match result {
            // The agent stops: whatever it was, the next start runs it again.
            Err(_) if self.is_stopping() => None,
            Ok(Outcome::Retry(pause)) => {
                self.flush_log(change, id, &context).await;
                Some(pause)
            }
            Ok(Outcome::Done) => {
                let written = self
                    .finish(change, id, going, Ok(()), context.take_leavings())
                    .await;
                let error = match written {
                    Ok(finished) => {
                        // Before what comes next can move the effect.
                        #[cfg(feature = "fault-inject")]
                        self.note_probe(&context, going).await;
                        self.go_on(finished);
                        return None;
                    }
                    Err(error) => error,
                };
                *unwritten += 1;
                if *unwritten < WRITE_ATTEMPTS && !matches!(error, StoreError::Refused(_)) {
                    return Some(WRITE_PAUSE);
                }
                self.fail(change, id, going, TaskError(error.to_string()), Vec::new())
                    .await;
                None
            }
            Err(error) => {
                self.fail(change, id, going, error, context.take_leavings().log)
                    .await;
                None
            }
        }
    }

    /// What the probe of a task says once its end is committed.
    #[cfg(feature = "fault-inject")]
    async fn note_probe(&self, context: &Arc<TaskContext>, going: &'static str) {
        let Some(kind) = self.registry.get(&context.task().kind).cloned() else {
            return;
        };
        let context = Arc::clone(context);
        let looked = work::blocking(move || {
            fault::note_probe(
                kind.kind(),
                context.task_id(),
                &format!("{going}-after"),
                kind.probe(&context),
            );
        });
        // The test that reads the notes finds a missing one.
        let _ = looked.await;
    }

    /// Calls the handler on a thread that may block.
    async fn handle(
        &self,
        change: ChangeId,
        task: Task,
        abort: &Arc<AbortSignal>,
        going: &'static str,
    ) -> (Arc<TaskContext>, Result<Outcome, TaskError>) {
        let kind = self.registry.get(&task.kind).cloned();
        let unknown = format!("this release does not know tasks of kind {:?}", task.kind);
        let (store, progress) = (self.store.clone(), self.progress.clone());
        let context = Arc::new(TaskContext::new(change, task, store, abort.clone(), progress));
        let result = match kind {
            Some(kind) => {
                let context = context.clone();
                abort.handled(Some(Instant::now()));
                let run = work::blocking(move || call(kind.as_ref(), &context, going)).await;
                abort.handled(None);
                run.unwrap_or_else(|_| Err(TaskError::new("the task was cut off")))
            }
            None => Err(TaskError(unknown)),
        };
        (context, result)
    }

    /// Waits before another run; true when the agent stops meanwhile.
    async fn pause(&self, time: Duration, abort: &Arc<AbortSignal>) -> bool {
        let deadline = tokio::time::sleep(time);
        tokio::pin!(deadline);
        loop {
            let woken = self.moved.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            if self.is_stopping() {
                return true;
            }
            if abort.is_raised() {
                return false;
            }
            tokio::select! {
                () = &mut deadline => return self.is_stopping(),
                () = &mut woken => {}
            }
        }
    }

    async fn flush_log(&self, change: ChangeId, id: TaskId, context: &TaskContext) {
        let log = context.take_leavings().log;
        if log.is_empty() {
            return;
        }
        let written = self
            .store
            .commit_async(move |tx| {
                let Some(change) = tx.world().change(change) else {
                    return Ok(());
                };
                let mut change = Change::clone(change);
                if let Some(task) = change.task_mut(id) {
                    append_log(task, log);
                }
                tx.put_change(change)
            })
            .await;
        if let Err(error) = written {
            log::warn!("a task's log could not be kept: {error}");
        }
    }

    /// Writes down a failure; until the store takes it, it is tried again.
    async fn fail(
        &self,
        change: ChangeId,
        id: TaskId,
        going: &'static str,
        error: TaskError,
        log: Vec<String>,
    ) {
        let world = self.store.world();
        let snaps = world.change(change).map_or(&[][..], |change| &change.snaps);
        let snap = snaps.first().map_or("", SnapName::as_str);
        log::warn!(change_id = change.0, task_id = id.0, snap; "task {id} of change {change} failed: {error}");
        drop(world);
        let mut pause = WRITE_PAUSE;
        while !self.is_stopping() {
            let leavings = Leavings {
                log: log.clone(),
                ..Leavings::default()
            };
            match self.finish(change, id, going, Err(error.clone()), leavings).await {
                Ok(finished) => return self.go_on(finished),
                Err(StoreError::Refused(why)) => return log::error!("{why}"),
                Err(error) => log::error!("the failure of task {id} could not be written: {error}"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(60));
        }
    }

    /// One commit: what the task left, its new status, the start of what it frees, the end of the change.
    pub(super) async fn finish(
        &self,
        change_id: ChangeId,
        id: TaskId,
        going: &'static str,
        result: Result<(), TaskError>,
        leavings: Leavings,
    ) -> Result<Finished, StoreError> {
        let registry = self.registry.clone();
        let history = self.history;
        let kind = self.kind_of(change_id, id);
        fault::hit(&kind, going, "before-commit");
        #[cfg(feature = "fault-inject")]
        let writes = kind.clone();
        let (started, change) = self
            .store
            .commit_async(move |tx| {
                #[cfg(feature = "fault-inject")]
                fault::hit(&writes, going, "in-commit");
                let runs = |task: &Task| task.status.is_running() && direction(task) == going;
                let known = tx.world().change(change_id);
                // What a task leaves is committed with its end, and a task ends once.
                if !known.and_then(|change| change.task(id)).is_some_and(runs) {
                    return Err(StoreError::Refused(format!("task {id} has ended already")));
                }
                for effect in leavings.effects {
                    effect(tx)?;
                }
                let Some(known) = tx.world().change(change_id) else {
                    return Err(StoreError::Refused(format!("change {change_id} is gone")));
                };
                let mut change = Change::clone(known);
                let now = tx.now();
                let can_undo = |kind: &str| registry.can_undo(kind);
                let mut log = leavings.log;
                match result {
                    Ok(()) => {
                        // An aborted task is about to be undone: nothing new comes after it.
                        let goes_on = change
                            .task(id)
                            .is_some_and(|task| task.status == TaskStatus::Doing);
                        if goes_on {
                            commit_injected(tx, &mut change, id, leavings.injected)?;
                        }
                        if let Some(task) = change.task_mut(id) {
                            order::step(task, Step::Finish, now, &can_undo);
                        }
                    }
                    Err(error) => {
                        log.push(log_line(now, "ERROR", &error.0));
                        order::abort_lanes_of(&mut change, id, now, &can_undo);
                        if let Some(task) = change.task_mut(id) {
                            order::step(task, Step::Fail, now, &can_undo);
                        }
                    }
                }
                if let Some(task) = change.task_mut(id) {
                    append_log(task, log);
                }
                let started = order::start_runnable(&mut change, now, &can_undo);
                settle(tx, &mut change)?;
                let ready = change.is_ready();
                tx.put_change(change.clone())?;
                if ready {
                    tx.prune(prune_before(now, history), history.changes)?;
                }
                Ok((started, change))
            })
            .await?;
        fault::hit(&kind, going, "after-commit");
        Ok(Finished { change, started })
    }

    /// Tells everyone what a commit moved, and starts what it freed.
    fn go_on(&self, finished: Finished) {
        let Finished { change, started } = finished;
        self.signal_aborted(&change);
        self.moved(change.id);
        for task in started {
            let _ = self.starts.send((change.id, task));
        }
        if change.is_ready() {
            self.clean_up(&change);
        }
    }

    fn kind_of(&self, change: ChangeId, id: TaskId) -> String {
        let world = self.store.world();
        world
            .change(change)
            .and_then(|change| change.task(id))
            .map(|task| task.kind.clone())
            .unwrap_or_default()
    }

    /// The clean-up handlers of a change that came to its end.
    fn clean_up(&self, change: &Change) {
        for task in &change.tasks {
            if let Some(kind) = self.registry.get(&task.kind).cloned() {
                let context = TaskContext::new(
                    change.id,
                    task.clone(),
                    self.store.clone(),
                    Arc::default(),
                    self.progress.clone(),
                );
                work::blocking(move || kind.cleanup(&context));
            }
        }
    }
}

/// Runs a handler with its fault points; a panic is an error of the task (decision 28).
fn call(kind: &dyn TaskKind, context: &TaskContext, going: &'static str) -> Result<Outcome, TaskError> {
    let name = kind.kind();
    #[cfg(feature = "fault-inject")]
    fault::note_probe(
        name,
        context.task_id(),
        &format!("{going}-before"),
        kind.probe(context),
    );
    if fault::hit(name, going, "before") == fault::Injected::Error {
        return Err(TaskError::new("injected before the effect"));
    }
    let result = catch_unwind(AssertUnwindSafe(|| match going {
        "undo" => kind.undo(context).map(|()| Outcome::Done),
        _ => kind.perform(context),
    }))
    .unwrap_or_else(|panic| {
        Err(TaskError::new(format!(
            "internal error: {}",
            panic_text(panic.as_ref())
        )))
    });
    if fault::hit(name, going, "after-effect") == fault::Injected::Error {
        return Err(TaskError::new("injected after the effect"));
    }
    result
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic".to_owned())
}

/// Starts again what a change had running, and whatever its turn has come.
fn resume_change(
    tx: &mut Tx<'_>,
    change: &mut Change,
    registry: &super::Registry,
) -> Result<Vec<TaskId>, StoreError> {
    let now = tx.now();
    let can_undo = |kind: &str| registry.can_undo(kind);
    let left: Vec<TaskId> = change
        .tasks
        .iter()
        .filter(|task| task.status.is_running())
        .map(|task| task.id)
        .collect();
    let mut started = Vec::new();
    for id in left {
        let Some(task) = change.task_mut(id) else { continue };
        let starts = task
            .memory
            .get(STARTS_KEY)
            .and_then(serde_json::Value::as_u64)
            .unwrap_or(0)
            + 1;
        task.memory.insert(STARTS_KEY.to_owned(), starts.into());
        if starts <= STARTS_LIMIT {
            started.push(id);
            continue;
        }
        let text = format!("the agent ended {STARTS_LIMIT} times while this task ran: it is not tried again");
        append_log(task, vec![log_line(now, "ERROR", &text)]);
        order::abort_lanes_of(change, id, now, &can_undo);
        if let Some(task) = change.task_mut(id) {
            order::step(task, Step::Fail, now, &can_undo);
        }
    }
    started.extend(order::start_runnable(change, now, &can_undo));
    settle(tx, change)?;
    Ok(started)
}
