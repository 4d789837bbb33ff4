//! The composition root: settings, store, drivers, reconcile, engine, servers, ready. The only file that sees all.

mod board;
mod check;
mod house;
mod logging;
mod report;

use crate::access::Policy;
use crate::api::{server, v2};
use crate::config::settings::{self, Settings, SettingsError};
use crate::domain::requester::Transport;
use crate::domain::{Dirs, work};
use crate::drivers::clock::Clock;
use crate::drivers::fs::{self, FileError, Named};
use crate::drivers::sockets::{self, SocketError};
use crate::managers::system::Maintenance;
use crate::store::{Store, StoreError};
pub use board::{check as check_board, make_gadget, probe as probe_board};
pub use check::check;
use house::House;
use nix::fcntl::{Flock, FlockArg};
pub use report::{Asked, report};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What the command line says to the daemon.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The directory that the agent manages.
    pub root: PathBuf,
    /// The main socket, when it is not at its place below the root.
    pub socket: Option<PathBuf>,
    /// The socket for snaps, when it is not at its place below the root.
    pub snap_socket: Option<PathBuf>,
    /// A board of the binary, or a board file.
    pub board: Option<String>,
    /// The configuration file, when it is not at its place below the root.
    pub config: Option<PathBuf>,
}

/// Why the daemon could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("{}", .0.in_full())]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("{path} belongs to snapd: remove snapd and its state first, or give another --root", path = .0.display())]
    ForeignState(PathBuf),
    #[error("another pinion daemon runs on {root}: stop it first, or give another --root", root = .0.display())]
    Locked(PathBuf),
    #[error("cannot write below {root}: run as root, or give --root DIR with a folder of yours", root = .0.display())]
    NotAllowed(PathBuf),
    #[error("the file system of {root} is read-only: make it writable (mount -o remount,rw), or give another --root", root = .0.display())]
    ReadOnly(PathBuf),
    #[error("{0}")]
    Board(String),
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

/// How long the start waits for the system to be made equal to the store before it goes on without (R14: an API
/// within 5 s).
const RECONCILE_PATIENCE: Duration = Duration::from_secs(4);

/// How old a backup of the state may get while things change.
const BACKUP_EVERY: Duration = Duration::from_secs(3600);

/// Runs the daemon until it is told to end.
pub fn daemon(options: &Options) -> ExitCode {
    logging::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(64)
        .thread_keep_alive(Duration::from_secs(2))
        .thread_stack_size(1 << 20)
        .build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(run(options));
            // A handler that still hangs must not keep the agent alive; its task runs again at the next start.
            runtime.shutdown_timeout(Duration::from_secs(2));
            ended
        }
        Err(error) => Err(error.into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Keeps a second daemon off the same root.
fn lock(dirs: &Dirs) -> Result<Flock<File>, StartError> {
    let path = dirs.state().join("lock");
    let made = fs::make_dir(&dirs.state(), 0o700).and_then(|()| {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options.open(&path).named("open", &path)
    });
    let file = made.map_err(|error| match error.source.kind() {
        std::io::ErrorKind::ReadOnlyFilesystem => StartError::ReadOnly(dirs.root().to_owned()),
        std::io::ErrorKind::PermissionDenied => StartError::NotAllowed(dirs.root().to_owned()),
        _ => error.into(),
    })?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| StartError::Locked(dirs.root().to_owned()))
}

fn settings(options: &Options, dirs: &Dirs) -> Result<Settings, SettingsError> {
    match &options.config {
        Some(path) => settings::read(path, true),
        None => settings::read(&dirs.config_file(), false),
    }
}

async fn run(options: &Options) -> Result<(), StartError> {
    let root = std::path::absolute(&options.root)?;
    let dirs = Dirs::new(root);
    let settings = settings(options, &dirs)?;
    let foreign = dirs.snapd().join("state.json");
    if foreign.exists() {
        return Err(StartError::ForeignState(foreign));
    }
    let _lock = lock(&dirs)?;
    let (store, opened) = Store::open(&dirs, Clock::system())?;
    for warning in &opened.warnings {
        log::warn!("{warning}");
    }
    let house = House::build(&dirs, &settings, options.board.as_deref(), store)?;
    let main = options.socket.clone().unwrap_or_else(|| dirs.main_socket());
    let snap = options.snap_socket.clone().unwrap_or_else(|| dirs.snap_socket());
    let sockets = sockets::listen(&[
        (main.clone(), Transport::MainSocket),
        (snap, Transport::SnapSocket),
    ])?;
    let (stopper, stop) = watch::channel(false);

    // Before services run: an end that is asked for from now on takes them with it.
    let end_asked = end_asked()?;
    house.reconcile(opened.restored, RECONCILE_PATIENCE).await;
    // From now on the agent answers for itself.
    fs::remove_file(&dirs.maintenance())?;
    house.engine.resume().await?;
    let engine = work::spawn(Box::pin(Arc::clone(&house.engine).run()));
    house.seed().await;

    let serving = server::serve(
        Arc::clone(&house.managers),
        house.policy(),
        sockets.listeners,
        stop,
    );
    let serving = tokio::spawn(serving);
    let board = house.board_name();
    eprintln!("pinion: ready socket={} listen= board={board}", main.display());
    notify(sd_notify::NotifyState::Ready);
    let heart = work::spawn(Box::pin(heartbeat(Arc::clone(&house.engine))));
    let backups = work::spawn(Box::pin(keep_backups(Arc::clone(&house.engine))));
    let devices = work::spawn(Box::pin(house.follow_devices()));

    end_asked.await;
    log::info!("ending");
    notify(sd_notify::NotifyState::Stopping);
    house.managers.system.begin_maintenance(Maintenance::Restarting);
    announce(&dirs, Maintenance::Restarting);
    heart.abort();
    backups.abort();
    devices.abort();
    // A receiver that is gone has ended already.
    let _ = stopper.send(true);
    if let Ok(Err(error)) = serving.await {
        log::error!("{error}");
    }
    house.engine.stop().await;
    engine.abort();
    if house.store.commits() > 0 {
        back_up(Arc::clone(&house.store)).await;
    }
    house.leave().await;
    Ok(())
}

/// Says to clients why nobody will answer for a while (contract: v2, section 1).
fn announce(dirs: &Dirs, maintenance: Maintenance) {
    let path = dirs.maintenance();
    let said = v2::maintenance_file(maintenance);
    let written = fs::make_dir(&dirs.snapd(), 0o755).and_then(|()| fs::write_atomic(&path, &said, 0o644));
    if let Err(error) = written {
        log::warn!("clients are not told of the end: {}", error.in_full());
    }
}

/// Tells systemd, where there is one.
fn notify(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        log::warn!("cannot notify the service manager: {error}");
    }
}

/// Feeds the watchdog as long as the engine and the writer of the store answer (R16). Nothing runs where no watchdog
/// was asked for.
async fn heartbeat(engine: Arc<crate::engine::Engine>) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    // The longest pause between two meals is two of three parts.
    let mut beat = tokio::time::interval(limit / 3);
    loop {
        beat.tick().await;
        let answered = tokio::time::timeout(limit / 3, engine.heartbeat()).await;
        if answered == Ok(true) {
            notify(sd_notify::NotifyState::Watchdog);
        } else {
            log::error!("the engine does not answer");
        }
    }
}

/// Copies the state beside itself when something changed and the last copy is old (R14). Nothing wakes an idle agent
/// for it; an orderly end makes a copy, too.
async fn keep_backups(engine: Arc<crate::engine::Engine>) {
    loop {
        let store = Arc::clone(engine.store());
        if store.backup_age().is_none_or(|age| age > BACKUP_EVERY) {
            back_up(store).await;
        }
        engine.wait_any_move().await;
    }
}

async fn back_up(store: Arc<Store>) {
    match work::blocking(move || store.backup()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log::warn!("{error}"),
        Err(error) => log::error!("the backup ended early: {error}"),
    }
}

/// Waits for who asks the agent to end. What asks from now on is heard, even before it is waited for.
fn end_asked() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

impl House {
    /// How this agent recognises people and snaps.
    fn policy(&self) -> Policy {
        let settings = Arc::clone(&self.managers.settings);
        let user = nix::unistd::geteuid().as_raw();
        let interfaces = Arc::clone(&self.managers.interfaces);
        Policy::new(user, self.has_cgroups(), move |cookie| {
            settings.cookie_owner(cookie)
        })
        .with_plugs(move |snap, interface| interfaces.has_plug(snap, interface))
    }
}
