//! Everything that the daemon is made of, put together.

use super::StartError;
use crate::config::settings::Settings;
use crate::domain::{ConnRef, Dirs, Finding, Plan, PlannedTask, kinds, work};
use crate::drivers::clock::Clock;
use crate::drivers::mount::Mounts;
use crate::engine::{Engine, History, Outcome, Probe, Registry, TaskContext, TaskError, TaskKind};
use crate::events::Bus;
use crate::managers::changes::Changes;
use crate::managers::hardware::{self, Hardware};
use crate::managers::interfaces::{self, Interfaces};
use crate::managers::services::Services;
use crate::managers::settings::Settings as SettingsManager;
use crate::managers::snaps::{Device, Snaps};
use crate::managers::system::System;
use crate::managers::{Managers, reconcile};
use crate::store::{Store, World};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The parts of a running daemon.
pub struct House {
    pub store: Arc<Store>,
    pub engine: Arc<Engine>,
    pub managers: Arc<Managers>,
}

impl House {
    /// Puts the parts together; nothing runs yet.
    pub fn build(
        dirs: &Dirs,
        settings: &Settings,
        board: Option<&str>,
        store: Arc<Store>,
    ) -> Result<Self, StartError> {
        let bus = Bus::new(|| Clock::system().now());
        let developer_mode = !nix::unistd::geteuid().is_root();
        let of_settings = match (&settings.board.name, &settings.board.file) {
            (Some(name), _) => Some(name.clone()),
            // A path that cannot be taken for a name.
            (None, Some(file)) => Some(Path::new(".").join(file).display().to_string()),
            (None, None) => None,
        };
        let board = hardware::choose_board(board.or(of_settings.as_deref()))
            .map_err(|error| StartError::Board(error.to_string()))?;
        let hardware = Hardware::open(
            board,
            dirs,
            Arc::clone(&store),
            Arc::clone(&bus),
            &Clock::system(),
            tokio::runtime::Handle::current(),
        );
        let given = Arc::clone(&hardware);
        let services = Services::new(
            dirs.clone(),
            Arc::clone(&store),
            Arc::clone(&bus),
            Arc::new(move |snap| given.grants_of(snap)),
            std::env::current_exe()?,
        );
        let system = Arc::new(System::new(dirs, developer_mode));
        let interfaces = Interfaces::new(
            Arc::clone(&store),
            Arc::clone(&hardware),
            Arc::clone(&services),
            Arc::clone(&bus),
            system.facts().on_classic,
        );
        let settings_manager = SettingsManager::new(
            dirs.clone(),
            Arc::clone(&store),
            Arc::clone(&services),
            Arc::clone(&interfaces),
            Arc::clone(&hardware),
            settings
                .hooks
                .timeout
                .map(|seconds| Duration::from_secs(seconds.into())),
        );
        let mut registry = Registry::default();
        registry.add(MarkSeeded);
        let snaps = snaps(dirs, Arc::clone(&store), &system)?;
        snaps.register(&mut registry);
        services.register(&mut registry);
        settings_manager.register(&mut registry);
        interfaces.register(&mut registry);
        let history = History {
            seconds: i64::from(settings.history.hours) * 3600,
            changes: settings.history.changes,
        };
        let engine = Engine::new(Arc::clone(&store), Arc::clone(&bus), registry, history);
        let managers = Arc::new(Managers {
            changes: Arc::new(Changes::new(Arc::clone(&engine))),
            interfaces,
            hardware,
            services,
            settings: settings_manager,
            snaps,
            system,
            events: bus,
        });
        Ok(Self {
            store,
            engine,
            managers,
        })
    }

    /// The board's name, for the ready line.
    pub fn board_name(&self) -> String {
        String::from(self.managers.hardware.board_name().unwrap_or("none"))
    }

    /// Apps get control groups of their own here.
    pub fn has_cgroups(&self) -> bool {
        self.managers.services.has_groups()
    }

    /// Makes the system equal to the store; after `patience` the start goes on and this ends by itself. systemd starts
    /// services after the agent: what must not be mounted is gone before, however long it takes.
    pub async fn reconcile(&self, restored: bool, patience: Duration) {
        let look = self.look();
        // Who looks may have panicked, which is logged.
        let _ = work::blocking(move || look()).await;
        let (taken_away, is_taken_away) = tokio::sync::oneshot::channel();
        let world = self.store.world();
        let all = reconcile::reconcile(Arc::clone(&self.managers), world, restored, taken_away);
        if tokio::time::timeout(patience, work::spawn(Box::pin(all)))
            .await
            .is_err()
        {
            // Whoever should tell may have panicked, which is logged.
            let _ = is_taken_away.await;
            log::warn!("the system is still being made equal to the state; the agent answers meanwhile");
        }
    }

    /// Looks for devices that came or went beside the board's own, and offers their slots.
    fn look(&self) -> Arc<dyn Fn() + Send + Sync> {
        let (hardware, interfaces) = (
            Arc::clone(&self.managers.hardware),
            Arc::clone(&self.managers.interfaces),
        );
        Arc::new(move || interfaces.follow(hardware.plugged()))
    }

    /// Chips, LEDs and serial adapters of a real board may go and come back; those of the simulated one stay.
    pub fn follow_devices(&self) -> impl Future<Output = ()> + Send + 'static {
        let (hardware, look) = (Arc::clone(&self.managers.hardware), self.look());
        async move {
            if !hardware.is_simulated() {
                hardware.follow_devices(Path::new("/dev"), look).await;
            }
        }
    }

    /// The first start of a device without a seed folder: change `seed`, done at once (decision 14).
    pub async fn seed(&self) {
        let world = self.store.world();
        if world.counters.change > 0 || world.config.contains_key("core") {
            return;
        }
        let mut plan = Plan::new("seed", "Initialize system state");
        plan.then(PlannedTask::new(
            kinds::MARK_SEEDED,
            "Mark system seeded",
            Value::Null,
        ));
        if let Err(fault) = self.engine.submit(plan).await {
            log::error!("the device could not be seeded: {fault}");
        }
    }

    /// Lets go of everything in order: services, lines, the store.
    pub async fn leave(&self) {
        self.managers.services.shutdown().await;
        let snaps = Arc::clone(&self.managers.snaps);
        // A thread that panics has logged it.
        let _ = work::blocking(move || snaps.leave()).await;
        self.managers.hardware.release_all();
        self.store.close();
    }
}

/// The manager of snaps, as the daemon and the check need it.
fn snaps(dirs: &Dirs, store: Arc<Store>, system: &System) -> std::io::Result<Arc<Snaps>> {
    let device = Device {
        architecture: system.facts().architecture,
        on_classic: system.facts().on_classic,
        executable: std::env::current_exe()?,
    };
    Ok(Snaps::new(
        dirs.clone(),
        store,
        Mounts::for_this_user(dirs.root()),
        device,
    ))
}

/// What differs between a state and the system below `dirs`, looked at from outside the daemon.
pub fn inspect(
    dirs: &Dirs,
    store: &Arc<Store>,
    deep: bool,
    agent_runs: bool,
) -> std::io::Result<Vec<Finding>> {
    let system = System::new(dirs, !nix::unistd::geteuid().is_root());
    let snaps = snaps(dirs, Arc::clone(store), &system)?;
    Ok(reconcile::inspect(&snaps, dirs, &store.world(), deep, agent_runs))
}

/// The connections that the state says have something of the board.
pub fn wired(dirs: &Dirs, world: &World) -> Vec<ConnRef> {
    let system = System::new(dirs, !nix::unistd::geteuid().is_root());
    let targets = interfaces::remembered_targets(world, system.facts().on_classic);
    targets.into_iter().map(|(connection, _, _)| connection).collect()
}

/// Marks the device as seeded: `seed.loaded` of the system's configuration.
struct MarkSeeded;

impl TaskKind for MarkSeeded {
    fn kind(&self) -> &'static str {
        kinds::MARK_SEEDED
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        task.with_commit(|tx| {
            let core = crate::domain::SnapName::new("core")
                .map_err(|error| crate::store::StoreError::Refused(error.to_string()))?;
            let known = tx.world().config.get(&core).cloned();
            let mut document = known.map_or_else(|| json!({}), |known| Value::clone(&known));
            document["seed"] = json!({"loaded": true});
            tx.put_config(&core, document)
        });
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        false
    }

    fn probe(&self, task: &TaskContext) -> Probe {
        let world = task.world();
        let seeded = world
            .config
            .get("core")
            .is_some_and(|core| core["seed"]["loaded"] == true);
        if seeded { Probe::Present } else { Probe::Absent }
    }
}
