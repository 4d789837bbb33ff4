//! Everything SQL. One writer thread owns the connection; readers take the [`World`] from memory.
//!
//! A commit is durable when it returns: WAL with `synchronous=FULL`. Writes that wait for each other share one
//! commit. After the commit the world is replaced, then the callers are answered, so that who wrote sees its write.

mod history;
mod load;
mod recovery;
mod tx;
mod verify;
mod world;

pub use recovery::{BackupError, OpenReport};
pub use tx::{NOTICE_EXPIRE, Tx};
pub use verify::verify;
pub use world::{Counters, READY_IN_MEMORY, World};

use crate::domain::{Dirs, Timestamp};
use crate::drivers::clock::Clock;
use crate::drivers::fs::FileError;
use arc_swap::ArcSwap;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite said no.
    #[error("cannot write the state: {0}")]
    Database(String),
    /// The disk has no room.
    #[error("cannot write the state: no space left on the device")]
    Full,
    /// The file is no database, or its content is damaged.
    #[error("the state database is damaged: {0}")]
    Damaged(String),
    /// Made by a newer release.
    #[error("the state database has schema {found}, this release knows {known}: install a newer pinion")]
    TooNew { found: i64, known: i64 },
    /// A record could not be turned into text or back.
    #[error("cannot encode a record: {0}")]
    Encoding(String),
    /// A file beside the database.
    #[error(transparent)]
    File(#[from] FileError),
    /// The writer has ended.
    #[error("the state is closed")]
    Closed,
    /// The transaction's own code refused.
    #[error("{0}")]
    Refused(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match error.sqlite_error_code() {
            Some(Code::DiskFull) => Self::Full,
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => Self::Damaged(error.to_string()),
            Some(Code::SystemIoFailure | Code::ReadOnly) => Self::Database(format!(
                "{error}: the disk has failed or has become read-only, the kernel's log says why (dmesg)"
            )),
            _ => Self::Database(error.to_string()),
        }
    }
}

/// The handle that everyone shares.
pub struct Store {
    world: ArcSwap<World>,
    jobs: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    path: PathBuf,
    clock: Clock,
    commits: AtomicU64,
    /// The time stamp of the newest notice, for those who wait for the next.
    noticed: tokio::sync::watch::Sender<Option<Timestamp>>,
}

/// A transaction body on its way to the writer, with the one who waits for it.
trait Job: Send {
    /// Runs the body; false asks to roll it back.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Answers the caller once the outcome is durable, or with the error of the commit.
    fn finish(self: Box<Self>, commit: Result<(), StoreError>);
}

struct Pending<T, F, A> {
    body: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    answer: A,
}

impl<T, F, A> Job for Pending<T, F, A>
where
    T: Send,
    F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send,
    A: FnOnce(Result<T, StoreError>) + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let outcome = match self.body.take() {
            Some(body) => body(tx),
            None => Err(StoreError::Closed),
        };
        let good = outcome.is_ok();
        self.outcome = Some(outcome);
        good
    }

    fn finish(self: Box<Self>, commit: Result<(), StoreError>) {
        let this = *self;
        let result = match (commit, this.outcome) {
            (_, Some(Err(own))) => Err(own),
            (Err(error), _) => Err(error),
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(StoreError::Closed),
        };
        (this.answer)(result);
    }
}

impl Store {
    /// Opens the database below `dirs`, mends what can be mended, and starts the writer.
    pub fn open(dirs: &Dirs, clock: Clock) -> Result<(Arc<Self>, OpenReport), StoreError> {
        let path = dirs.database();
        let (connection, mut world, report) = recovery::open(dirs)?;
        if !report.warnings.is_empty() {
            let mut tx = Tx::new(&connection, world.clone(), clock.now());
            for warning in &report.warnings {
                tx.add_warning(warning)?;
            }
            world = tx.into_world();
        }
        let (sender, receiver) = mpsc::channel();
        let store = Arc::new(Self {
            world: ArcSwap::from_pointee(world),
            jobs: Mutex::new(Some(sender)),
            writer: Mutex::new(None),
            path,
            clock,
            commits: AtomicU64::new(0),
            noticed: tokio::sync::watch::Sender::new(None),
        });
        let for_writer = Arc::downgrade(&store);
        let writer = std::thread::Builder::new()
            .name("store".into())
            .stack_size(512 * 1024)
            .spawn(move || {
                while let Ok(first) = receiver.recv() {
                    let mut batch = vec![first];
                    batch.extend(receiver.try_iter().take(63));
                    let Some(store) = for_writer.upgrade() else { break };
                    store.write(&connection, batch);
                }
                recovery::close(connection);
            })
            .map_err(|error| StoreError::Database(error.to_string()))?;
        *lock(&store.writer) = Some(writer);
        Ok((store, report))
    }

    /// A store that only knows one state and takes no writes, for a look from outside.
    pub fn frozen(path: &Path, world: World, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            world: ArcSwap::from_pointee(world),
            jobs: Mutex::new(None),
            writer: Mutex::new(None),
            path: path.to_owned(),
            clock,
            noticed: tokio::sync::watch::Sender::new(None),
            commits: AtomicU64::new(0),
        })
    }

    /// The present state. Free of locks; what it answers never changes.
    pub fn world(&self) -> Arc<World> {
        self.world.load_full()
    }

    /// Changes whenever a notice was recorded or repeated.
    pub fn noticed(&self) -> tokio::sync::watch::Receiver<Option<Timestamp>> {
        self.noticed.subscribe()
    }

    /// The clock that transactions use.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many commits were made since the start.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    fn enqueue<T: Send + 'static>(
        &self,
        body: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        answer: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        let job = Box::new(Pending {
            body: Some(body),
            outcome: None,
            answer,
        });
        let sender = lock(&self.jobs).clone();
        match sender {
            Some(sender) => {
                if let Err(mpsc::SendError(job)) = sender.send(job) {
                    job.finish(Err(StoreError::Closed));
                }
            }
            None => job.finish(Err(StoreError::Closed)),
        }
    }

    /// Runs a transaction; it is durable when this returns. Blocks: from async code use [`Self::commit_async`].
    pub fn commit<T: Send + 'static>(
        &self,
        body: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.enqueue(body, move |result| {
            // The caller waits below; it cannot have gone.
            let _ = sender.send(result);
        });
        receiver.recv().unwrap_or(Err(StoreError::Closed))
    }

    /// The same for async code.
    pub async fn commit_async<T: Send + 'static>(
        &self,
        body: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.enqueue(body, move |result| {
            // A caller that was dropped does not want the answer.
            let _ = sender.send(result);
        });
        receiver.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Runs the jobs of a batch in one commit, each in its own savepoint.
    fn write(&self, connection: &Connection, mut batch: Vec<Box<dyn Job>>) {
        let outcome = self.try_write(connection, &mut batch);
        match outcome {
            Ok(world) => {
                self.commits.fetch_add(1, Ordering::Relaxed);
                let newest = world.last_notice;
                self.world.store(Arc::new(world));
                self.noticed.send_if_modified(|known| {
                    let moved = *known != newest;
                    *known = newest;
                    moved
                });
                for job in batch {
                    job.finish(Ok(()));
                }
            }
            Err(error) => {
                log::error!("{error}");
                // The transaction may already be gone; there is nothing else to do for it.
                let _ = connection.execute_batch("ROLLBACK");
                self.warn_in_memory(&error);
                let text = error.to_string();
                for job in batch {
                    job.finish(Err(match &error {
                        StoreError::Full => StoreError::Full,
                        StoreError::Damaged(_) => StoreError::Damaged(text.clone()),
                        _ => StoreError::Database(text.clone()),
                    }));
                }
            }
        }
    }

    fn try_write(&self, connection: &Connection, batch: &mut [Box<dyn Job>]) -> Result<World, StoreError> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut world = World::clone(&self.world.load());
        let now = self.clock.now();
        for job in batch.iter_mut() {
            connection.prepare_cached("SAVEPOINT job")?.execute([])?;
            let mut tx = Tx::new(connection, world.clone(), now);
            if job.run(&mut tx) {
                world = tx.into_world();
            } else {
                connection.prepare_cached("ROLLBACK TO job")?.execute([])?;
            }
            connection.prepare_cached("RELEASE job")?.execute([])?;
        }
        connection.execute_batch("COMMIT")?;
        Ok(world)
    }

    /// A warning about a store that cannot write cannot be written: readers see it all the same.
    fn warn_in_memory(&self, error: &StoreError) {
        let now = self.clock.now();
        let mut world = World::clone(&self.world.load());
        let message = format!("{error}: free space or check the disk, then try again");
        let warning = crate::domain::record::Warning {
            message: message.clone(),
            first_added: now,
            last_added: now,
            last_shown: None,
            expire_after: 24 * 3600,
            repeat_after: 24 * 3600,
        };
        Arc::make_mut(&mut world.warnings)
            .entry(message)
            .or_insert(Arc::new(warning));
        self.world.store(Arc::new(world));
    }

    /// Ends the writer after what was asked for so far, and closes the database.
    pub fn close(&self) {
        lock(&self.jobs).take();
        let writer = lock(&self.writer).take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            log::error!("the writer of the state ended by a panic");
        }
    }
}

/// A lock whose poisoning does not matter: what it guards is replaced whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
