//! Changes made of tasks: planned, persisted, run, undone, resumed after a kill.
//!
//! Done of a task and Doing of the tasks that it frees are one commit, and so is what the task changes in the store.
//! After a kill, tasks that were running run again from the start; a task that was found running at too many starts
//! fails instead (R11).

mod context;
pub mod fault;
mod kind;
pub mod order;
mod runner;

pub use context::{AbortSignal, TaskContext};
pub use kind::{Outcome, Probe, Registry, TaskError, TaskKind};

use crate::domain::status::TaskStatus;
use crate::domain::{Change, ChangeId, ErrorKind, Fault, Plan, Progress, SnapName, TaskId, Timestamp};
use crate::events::{Audience, Bus};
use crate::store::{Store, StoreError, Tx};
use context::ProgressBoard;
use runner::Running;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// How long ready changes are kept (contract: 24 h and 500, decision 22 makes it a setting).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Seconds after which a ready change may go.
    pub seconds: i64,
    /// How many ready changes are kept at most.
    pub changes: usize,
}

impl Default for History {
    fn default() -> Self {
        Self {
            seconds: 24 * 3600,
            changes: 500,
        }
    }
}

/// How long a handler may go without a sign of life. Whatever it waits for gives it a limit far below this, or is seen
/// to live (hooks).
const SILENCE: Duration = Duration::from_secs(2 * 3600);

/// The engine's handle, shared by all.
pub struct Engine {
    store: Arc<Store>,
    bus: Arc<Bus>,
    registry: Registry,
    history: History,
    progress: Arc<ProgressBoard>,
    running: Mutex<BTreeMap<TaskId, Running>>,
    /// Tasks that a commit started and the runner has yet to take.
    starts: mpsc::UnboundedSender<(ChangeId, TaskId)>,
    inbox: Mutex<Option<mpsc::UnboundedReceiver<(ChangeId, TaskId)>>>,
    /// Woken whenever a change moved.
    moved: Notify,
    stopping: AtomicBool,
    beats: AtomicU64,
}

impl Engine {
    /// An engine that does nothing until [`Engine::run`] is polled.
    pub fn new(store: Arc<Store>, bus: Arc<Bus>, registry: Registry, history: History) -> Arc<Self> {
        let (starts, inbox) = mpsc::unbounded_channel();
        Arc::new(Self {
            store,
            bus,
            registry,
            history,
            progress: Arc::default(),
            running: Mutex::default(),
            starts,
            inbox: Mutex::new(Some(inbox)),
            moved: Notify::new(),
            stopping: AtomicBool::new(false),
            beats: AtomicU64::new(0),
        })
    }

    /// The store it works on.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The kinds it knows.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<TaskId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a running task says of its progress.
    pub fn progress_of(&self, task: TaskId) -> Option<Progress> {
        self.progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&task)
            .cloned()
    }

    /// An operation on these snaps would meet a change that is in progress.
    pub fn check_conflict(&self, snaps: &[SnapName]) -> Result<(), Fault> {
        conflict(&self.store.world(), snaps, None)
    }

    fn make(&self, plan: Plan) -> impl FnOnce(&mut Tx<'_>) -> Result<Submitted, StoreError> + Send + 'static {
        let registry = self.registry.clone();
        move |tx| {
            if let Err(fault) = conflict(tx.world(), &plan.snaps, plan.within) {
                return Ok(Err(fault));
            }
            if let Some(task) = plan.tasks.iter().find(|task| registry.get(task.kind).is_none()) {
                return Ok(Err(Fault::internal(format!(
                    "no task kind {:?} is registered",
                    task.kind
                ))));
            }
            let now = tx.now();
            let id = ChangeId(tx.next_change()?);
            let lanes = plan
                .tasks
                .iter()
                .flat_map(|task| task.lanes.iter().copied())
                .max()
                .unwrap_or(0);
            let first_task = if plan.tasks.is_empty() {
                0
            } else {
                tx.next_tasks(plan.tasks.len())?
            };
            let first_lane = if lanes > 0 { tx.next_lanes(lanes)? } else { 0 };
            let mut change = Change {
                id,
                kind: plan.kind.to_owned(),
                summary: plan.summary,
                spawn: now,
                ready: None,
                status: None,
                data: plan.data,
                snaps: plan.snaps,
                requester: plan.requester,
                noticed: None,
                tasks: order::materialise(plan.tasks, first_task, first_lane, now),
            };
            // The notice of a new change comes before its first task moves.
            note_status(tx, &mut change)?;
            // A change that has nothing to do is done (observed: connect of what is connected).
            change.status = change.tasks.is_empty().then_some(TaskStatus::Done);
            let can_undo = |kind: &str| registry.can_undo(kind);
            let started = order::start_runnable(&mut change, now, &can_undo);
            settle(tx, &mut change)?;
            if !change.requester.is_empty() {
                tx.add_audit(&change.requester, &format!("{} {}", change.kind, change.summary))?;
            }
            tx.put_change(change)?;
            Ok(Ok((id, started)))
        }
    }

    fn submitted(&self, outcome: Result<Submitted, StoreError>) -> Result<ChangeId, Fault> {
        let (id, started) = outcome.map_err(store_fault)??;
        self.moved(id);
        for task in started {
            // The runner has gone only when the agent stops; then the next start takes the task.
            let _ = self.starts.send((id, task));
        }
        Ok(id)
    }

    /// Persists a plan as a change and starts it. The change exists when this returns.
    pub async fn submit(&self, plan: Plan) -> Result<ChangeId, Fault> {
        let body = self.make(plan);
        self.submitted(self.store.commit_async(body).await)
    }

    /// The same from a thread that may block.
    pub fn submit_blocking(&self, plan: Plan) -> Result<ChangeId, Fault> {
        let body = self.make(plan);
        self.submitted(self.store.commit(body))
    }

    /// Aborts a change: what has not run will not, what runs is asked to stop, what is done is undone.
    pub async fn abort(&self, id: ChangeId) -> Result<Arc<Change>, Fault> {
        let registry = self.registry.clone();
        let outcome = self
            .store
            .commit_async(move |tx| {
                let Some(change) = tx.world().change(id) else {
                    return Ok(Err(not_found(id)));
                };
                if change.is_ready() {
                    return Ok(Err(Fault::bad(format!(
                        "cannot abort change {id} with nothing pending"
                    ))));
                }
                let mut change = Change::clone(change);
                let now = tx.now();
                let can_undo = |kind: &str| registry.can_undo(kind);
                order::abort_all(&mut change, now, &can_undo);
                let started = order::start_runnable(&mut change, now, &can_undo);
                settle(tx, &mut change)?;
                tx.put_change(change.clone())?;
                Ok(Ok((Arc::new(change), started)))
            })
            .await;
        let (change, started) = match outcome.map_err(store_fault)? {
            Ok(aborted) => aborted,
            Err(fault) if fault.kind == ErrorKind::NotFound => {
                // It may be a ready one that is no longer in memory.
                return Err(match self.store.change(id) {
                    Ok(Some(_)) => Fault::bad(format!("cannot abort change {id} with nothing pending")),
                    _ => fault,
                });
            }
            Err(fault) => return Err(fault),
        };
        self.signal_aborted(&change);
        self.moved(id);
        for task in started {
            let _ = self.starts.send((id, task));
        }
        Ok(change)
    }

    fn signal_aborted(&self, change: &Change) {
        let running = self.running();
        for task in change
            .tasks
            .iter()
            .filter(|task| task.status == TaskStatus::Abort)
        {
            if let Some(running) = running.get(&task.id) {
                running.abort.raise();
            }
        }
    }

    /// Waits until a change is ready. A change that does not exist is answered with the 404 of the contract.
    pub async fn wait(&self, id: ChangeId) -> Result<Arc<Change>, Fault> {
        loop {
            let woken = self.moved.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            match self.store.world().change(id) {
                Some(change) if change.is_ready() => return Ok(change.clone()),
                Some(_) => woken.await,
                None => return Err(not_found(id)),
            }
        }
    }

    /// Waits until any change moved.
    pub async fn wait_any_move(&self) {
        self.moved.notified().await;
    }

    /// Forgets what is old enough to be forgotten, as the end of every change does.
    pub async fn prune(&self) -> Result<(), StoreError> {
        let history = self.history;
        self.store
            .commit_async(move |tx| {
                tx.prune(prune_before(tx.now(), history), history.changes)
                    .map(drop)
            })
            .await
    }

    /// Whether the runner takes tasks, the store's writer answers, and no handler hangs; the watchdog is fed by it
    /// (R16).
    pub async fn heartbeat(&self) -> bool {
        let silence = fault::silence().unwrap_or(SILENCE);
        let hangs = |running: &Running| running.abort.is_silent(silence);
        if let Some((task, _)) = self.running().iter().find(|(_, running)| hangs(running)) {
            log::error!(task_id = task.0; "task {task} hangs");
            return false;
        }
        let before = self.beats.load(Ordering::Relaxed);
        // A start of a task that does not exist comes back as soon as the runner takes it.
        if self.starts.send((ChangeId(0), TaskId(0))).is_err() {
            return false;
        }
        // A refusal is an answer: a full disk is nothing that a restart mends.
        if let Err(StoreError::Closed) = self.store.commit_async(|_| Ok(())).await {
            return false;
        }
        while self.beats.load(Ordering::Relaxed) == before {
            tokio::task::yield_now().await;
        }
        true
    }

    fn moved(&self, id: ChangeId) {
        self.moved.notify_waiters();
        if let Some(change) = self.store.world().change(id) {
            self.bus.publish(
                "change.update",
                Audience::open(),
                json!({
                    "id": id.to_string(),
                    "kind": change.kind,
                    "status": change.shown_status().to_string(),
                    "ready": change.is_ready(),
                }),
            );
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// A change's id and the tasks that start with it, or why it was refused.
type Submitted = Result<(ChangeId, Vec<TaskId>), Fault>;

fn not_found(id: ChangeId) -> Fault {
    Fault::new(
        ErrorKind::NotFound,
        format!("cannot find change with id \"{id}\""),
    )
}

fn store_fault(error: StoreError) -> Fault {
    match error {
        StoreError::Full => Fault::new(ErrorKind::InsufficientDiskSpace, error.to_string()),
        other => Fault::internal(other.to_string()),
    }
}

fn conflict(world: &crate::store::World, snaps: &[SnapName], but: Option<ChangeId>) -> Result<(), Fault> {
    match world.change_in_the_way(snaps, but) {
        None => Ok(()),
        Some((change, snap)) => Err(Fault::new(
            ErrorKind::SnapChangeConflict,
            format!("snap \"{snap}\" has \"{}\" change in progress", change.kind),
        )
        .with(json!({"change-kind": change.kind, "snap-name": snap.as_str()}))),
    }
}

/// Records a change-update notice when the status moved in a way that clients are told about (contract: v2-newer,
/// section 1): not Doing to Do, not Undoing to Undo.
fn note_status(tx: &mut Tx<'_>, change: &mut Change) -> Result<(), StoreError> {
    let status = change.shown_status();
    let quiet = match (change.noticed, status) {
        (Some(last), now) if last == now => true,
        (Some(TaskStatus::Doing), TaskStatus::Do) | (Some(TaskStatus::Undoing), TaskStatus::Undo) => true,
        _ => false,
    };
    if !quiet {
        change.noticed = Some(status);
        let data = BTreeMap::from([("kind".to_owned(), change.kind.clone())]);
        tx.add_notice("change-update", &change.id.to_string(), None, data)?;
    }
    Ok(())
}

/// Sets the ready time of a change that has come to its end, and records its notice.
fn settle(tx: &mut Tx<'_>, change: &mut Change) -> Result<(), StoreError> {
    if change.ready.is_none() && order::is_settled(change) {
        change.ready = Some(tx.now());
    }
    note_status(tx, change)
}

/// The moment before which ready changes may go.
fn prune_before(now: Timestamp, history: History) -> Timestamp {
    now.plus_seconds(-history.seconds)
}

#[cfg(test)]
mod tests;
