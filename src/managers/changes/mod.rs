//! Changes and warnings as people look at them.

mod notices;

use crate::domain::record::Warning;
use crate::domain::{Change, ChangeId, ErrorKind, Fault, Plan, Timestamp, sort, work};
use crate::engine::Engine;
use crate::store::{Store, StoreError};
use std::sync::Arc;

pub use notices::{Audience, NoticeFilter, RUN_INHIBIT, is_notice_kind};

/// Which changes are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Select {
    /// Those that are not ready.
    #[default]
    InProgress,
    /// Those that are.
    Ready,
    /// All.
    All,
}

/// The manager of changes and warnings.
pub struct Changes {
    store: Arc<Store>,
    engine: Arc<Engine>,
}

impl Changes {
    /// The views of an engine and its store.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self {
            store: Arc::clone(engine.store()),
            engine,
        }
    }

    /// Persists a plan as a change and starts it.
    pub async fn submit(&self, plan: Plan) -> Result<ChangeId, Fault> {
        self.engine.submit(plan).await
    }

    /// The same from a thread that may block.
    pub fn submit_blocking(&self, plan: Plan) -> Result<ChangeId, Fault> {
        self.engine.submit_blocking(plan)
    }

    /// The kinds of tasks that the agent knows, and whether each can be undone.
    pub fn task_kinds(&self) -> Vec<(&'static str, bool)> {
        let registry = self.engine.registry();
        registry
            .names()
            .map(|kind| (kind, registry.can_undo(kind)))
            .collect()
    }

    /// The device went through its first start.
    pub fn is_seeded(&self) -> bool {
        let world = self.store.world();
        world
            .config
            .get("core")
            .is_some_and(|core| core["seed"]["loaded"] == true)
    }

    /// Waits until a change is ready.
    pub async fn wait(&self, id: ChangeId) -> Result<Arc<Change>, Fault> {
        self.engine.wait(id).await
    }

    /// Aborts a change.
    pub async fn abort(&self, id: &str) -> Result<Arc<Change>, Fault> {
        let number = id
            .parse()
            .map_err(|_| Fault::new(ErrorKind::NotFound, format!("cannot find change with id {id:?}")))?;
        self.engine.abort(number).await
    }

    /// The change with what its running tasks say of their progress.
    fn with_progress(&self, change: &Arc<Change>) -> Arc<Change> {
        if change.is_ready() {
            return Arc::clone(change);
        }
        let mut shown = Arc::clone(change);
        for task in change.tasks.iter().filter(|task| task.status.is_running()) {
            if let Some(progress) = self.engine.progress_of(task.id)
                && let Some(task) = Arc::make_mut(&mut shown).task_mut(task.id)
            {
                task.progress = Some(progress);
            }
        }
        shown
    }

    /// Changes in memory that fit: the live ones and the newest ready ones. `about` keeps those about a snap.
    pub fn list(&self, select: Select, about: Option<&str>) -> Vec<Arc<Change>> {
        self.store
            .world()
            .changes
            .values()
            .filter(|change| match select {
                Select::InProgress => !change.is_ready(),
                Select::Ready => change.is_ready(),
                Select::All => true,
            })
            .filter(|change| about.is_none_or(|snap| change.snaps.iter().any(|about| about == snap)))
            .map(|change| self.with_progress(change))
            .collect()
    }

    /// One change, from memory or from the history.
    pub async fn one(&self, id: &str) -> Result<Arc<Change>, Fault> {
        let missing = || Fault::new(ErrorKind::NotFound, format!("cannot find change with id {id:?}"));
        let id: ChangeId = id.parse().map_err(|_| missing())?;
        let world = self.store.world();
        if let Some(change) = world.change(id) {
            return Ok(self.with_progress(change));
        }
        if !world.has_history {
            return Err(missing());
        }
        let store = Arc::clone(&self.store);
        work::blocking(move || store.change(id))
            .await
            .map_err(|error| Fault::internal(error.to_string()))?
            .map_err(unreadable)?
            .ok_or_else(missing)
    }

    /// At most `limit` ready changes that are older than those in memory, the newest first.
    pub async fn history(&self, limit: usize) -> Result<Vec<Arc<Change>>, Fault> {
        if !self.store.world().has_history {
            return Ok(Vec::new());
        }
        let store = Arc::clone(&self.store);
        work::blocking(move || store.history(limit))
            .await
            .map_err(|error| Fault::internal(error.to_string()))?
            .map_err(unreadable)
    }

    /// How many warnings are pending and when the newest of them came; `None` when there is none.
    pub fn pending_warnings(&self) -> Option<(usize, Timestamp)> {
        let world = self.store.world();
        if world.warnings.is_empty() {
            return None;
        }
        let now = self.store.clock().now();
        let mut pending = world.warnings.values().filter(|warning| warning.is_pending(now));
        let first = pending.next()?.last_added;
        Some(pending.fold((1, first), |(count, last), warning| {
            (count + 1, last.max(warning.last_added))
        }))
    }

    /// Warnings, the oldest first: the pending ones, or all that are kept.
    pub fn warnings(&self, all: bool) -> Vec<Arc<Warning>> {
        let world = self.store.world();
        let now = self.store.clock().now();
        let mut warnings: Vec<_> = world
            .warnings
            .values()
            .filter(|warning| all || warning.is_pending(now))
            .cloned()
            .collect();
        sort::by_key(&mut warnings, |warning| warning.last_added);
        warnings
    }

    /// Raises a warning, for those who try things out.
    pub async fn add_warning(&self, message: String) -> Result<(), Fault> {
        self.store
            .commit_async(move |tx| tx.add_warning(&message))
            .await
            .map_err(unreadable)
    }

    /// Makes every warning pending again.
    pub async fn unshow_warnings(&self) -> Result<(), Fault> {
        self.store
            .commit_async(|tx| tx.unshow_warnings())
            .await
            .map_err(unreadable)
    }

    /// Forgets what is old enough to be forgotten: ready changes, warnings, notices.
    pub async fn prune(&self) -> Result<(), Fault> {
        self.engine.prune().await.map_err(unreadable)
    }

    /// Marks the warnings that were pending at a moment as seen; answers how many.
    pub async fn okay_warnings(&self, moment: Timestamp) -> Result<usize, Fault> {
        self.store
            .commit_async(move |tx| tx.okay_warnings(moment))
            .await
            .map_err(unreadable)
    }
}

fn unreadable(error: StoreError) -> Fault {
    Fault::internal(error.to_string())
}
