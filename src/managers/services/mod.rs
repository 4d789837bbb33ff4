//! Apps that are daemons: pinion's own supervisor, what services print, and the launch descriptions from which every
//! app is started.

mod board;
mod inspect;
mod logs;
mod plan;
mod ready;
mod restart;
mod tasks;
mod unit;
mod view;

pub use board::{Activity, Live};
pub use inspect::inspect;
pub use logs::LogLine;
pub use plan::{Action, ControlRequest};
pub use view::{Activator, AppView, ServiceStatus};

use crate::confine::{Launch, LaunchPlug};
use crate::domain::hardware::Grant;
use crate::domain::snap::{AppInfo, Confinement};
use crate::domain::{Dirs, ErrorKind, Fault, PlugRef, SnapName, SnapRecord, kinds};
use crate::drivers::cgroup::Tree;
use crate::drivers::{fs, process};
use crate::events::Bus;
use crate::store::{Store, World};
use board::StatusBoard;
use futures_util::future::join_all;
use logs::Logs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::{broadcast, mpsc, oneshot};
use unit::{Order, Reply, Surroundings, Unit};

/// What the hardware has given to the plugs of a snap.
pub type GrantsOf = Arc<dyn Fn(&SnapName) -> Vec<(PlugRef, Grant)> + Send + Sync>;

type Units = BTreeMap<(SnapName, String), mpsc::UnboundedSender<Order>>;

/// The manager of services.
pub struct Services {
    around: Surroundings,
    logs: Arc<Logs>,
    grants: GrantsOf,
    runtime: Handle,
    units: Mutex<Units>,
}

impl Services {
    /// A supervisor that runs nothing yet. To be called on the main runtime, whose thread all services hang on.
    /// `launcher` is the agent's own program.
    pub fn new(
        dirs: Dirs,
        store: Arc<Store>,
        bus: Arc<Bus>,
        grants: GrantsOf,
        launcher: PathBuf,
    ) -> Arc<Self> {
        let tree = Tree::open(dirs.root());
        let logs = Logs::new(dirs.clone(), store.clock().clone());
        Arc::new(Self {
            around: Surroundings {
                dirs,
                store,
                board: StatusBoard::new(bus),
                tree,
                launcher,
            },
            logs,
            grants,
            runtime: Handle::current(),
            units: Mutex::default(),
        })
    }

    /// Apps get control groups here.
    pub fn has_groups(&self) -> bool {
        self.around.tree.is_some()
    }

    /// The agent's part of the control groups, for hooks.
    pub fn groups(&self) -> Option<&Tree> {
        self.around.tree.as_ref()
    }

    /// The agent's program, which starts itself as the launcher.
    pub fn launcher(&self) -> &Path {
        &self.around.launcher
    }

    /// The owner in the mark of processes without control groups.
    pub fn process_owner(&self) -> String {
        self.around.owner()
    }

    fn units(&self) -> MutexGuard<'_, Units> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line of orders to a service; its unit is made when it is first needed.
    fn unit(&self, snap: &SnapName, app: &AppInfo) -> mpsc::UnboundedSender<Order> {
        let mut units = self.units();
        units
            .entry((snap.clone(), app.name.clone()))
            .or_insert_with(|| {
                let (sender, orders) = mpsc::unbounded_channel();
                let log = self.logs.writer(snap.clone(), &app.name);
                let unit = Unit::new(
                    self.around.clone(),
                    snap.clone(),
                    Arc::new(app.clone()),
                    log,
                    orders,
                );
                self.runtime.spawn(unit.live());
                sender
            })
            .clone()
    }

    async fn tell(
        &self,
        snap: &SnapName,
        app: &AppInfo,
        order: impl FnOnce(Arc<AppInfo>, Reply) -> Order,
    ) -> Result<(), Fault> {
        let (reply, answer) = oneshot::channel();
        let sent = self
            .unit(snap, app)
            .send(order(Arc::new(app.clone()), reply))
            .is_ok();
        match (sent, answer.await) {
            (true, Ok(result)) => result,
            _ => Err(Fault::internal("the agent stops; ask again when it runs")),
        }
    }

    fn record(&self, snap: &SnapName) -> Result<Arc<SnapRecord>, Fault> {
        let world = self.around.store.world();
        world.snap(snap.as_str()).cloned().ok_or_else(|| {
            Fault::new(ErrorKind::SnapNotFound, format!("snap {snap:?} is not installed")).with(snap.as_str())
        })
    }

    /// Starts services of a snap in their order. If one cannot be started, those that this call has started are
    /// stopped again.
    pub async fn start(&self, snap: &SnapName, names: &[String]) -> Result<(), Fault> {
        let record = self.record(snap)?;
        let apps = named_services(&record, names);
        let mut started: Vec<&AppInfo> = Vec::new();
        for app in apps {
            let running = self.around.board.get(snap, &app.name).activity.is_active();
            let result = self
                .tell(snap, app, |app, reply| Order::Start { app, reply })
                .await;
            if let Err(fault) = result {
                for app in started.into_iter().rev() {
                    // The first error is the one that tells.
                    let _ = self.tell(snap, app, |_, reply| Order::Stop { reply }).await;
                }
                return Err(fault);
            }
            if !running {
                started.push(app);
            }
        }
        Ok(())
    }

    /// Stops services of a snap, the last started first.
    pub async fn stop(&self, snap: &SnapName, names: &[String]) -> Result<(), Fault> {
        for name in names.iter().rev() {
            let unit = self.units().get(&(snap.clone(), name.clone())).cloned();
            let Some(unit) = unit else { continue };
            let (reply, answer) = oneshot::channel();
            if unit.send(Order::Stop { reply }).is_ok() {
                answer
                    .await
                    .unwrap_or_else(|_| Err(Fault::internal("the agent stops")))?;
            }
        }
        Ok(())
    }

    /// Stops and starts services of a snap.
    pub async fn restart(&self, snap: &SnapName, names: &[String]) -> Result<(), Fault> {
        self.stop(snap, names).await?;
        self.start(snap, names).await
    }

    /// Lets services read their configuration again; those without a command for it are started anew.
    pub async fn reload(&self, snap: &SnapName, names: &[String]) -> Result<(), Fault> {
        let record = self.record(snap)?;
        for app in named_services(&record, names) {
            self.tell(snap, app, |app, reply| Order::Reload { app, reply })
                .await?;
        }
        Ok(())
    }

    /// Notes whether services start with their snap.
    pub async fn set_enabled(&self, snap: &SnapName, names: Vec<String>, enabled: bool) -> Result<(), Fault> {
        let snap = snap.clone();
        let noted = self
            .around
            .store
            .commit_async(move |tx| tasks::set_disabled(tx, &snap, &names, !enabled));
        noted.await.map_err(|error| Fault::internal(error.to_string()))
    }

    /// Waits for one of these on a thread that may block, as a task's handler is on.
    pub fn wait_for<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// The services of a snap that have been started and not stopped, in their order.
    pub fn running(&self, snap: &SnapName) -> Vec<String> {
        let units = self.units();
        let own = units.keys().filter(|(name, _)| name == snap);
        let running: BTreeSet<String> = own
            .map(|(_, app)| app.clone())
            .filter(|app| {
                !matches!(
                    self.around.board.get(snap, app).activity,
                    Activity::Inactive | Activity::Failed
                )
            })
            .collect();
        drop(units);
        match self.record(snap) {
            Ok(record) => named_services(&record, &running.iter().cloned().collect::<Vec<_>>())
                .into_iter()
                .map(|app| app.name.clone())
                .collect(),
            Err(_) => running.into_iter().collect(),
        }
    }

    /// This agent has started a service of the snap, whatever became of it.
    fn has_started_any(&self, snap: &SnapName) -> bool {
        self.units().keys().any(|(name, _)| name == snap)
    }

    /// Stops every service, those of one snap in their order, all snaps at once.
    pub async fn shutdown(&self) {
        let snaps: BTreeSet<SnapName> = self.units().keys().map(|(snap, _)| snap.clone()).collect();
        let stops = snaps.iter().map(|snap| async move {
            let running = self.running(snap);
            if let Err(fault) = self.stop(snap, &running).await {
                log::warn!("cannot stop the services of {snap}: {fault}");
            }
        });
        join_all(stops).await;
        self.units().clear();
        if let Some(tree) = &self.around.tree {
            tree.remove();
        }
    }

    /// Forgets a snap that is being removed: its launch description, its logs, its status. Its services must have
    /// been stopped.
    pub fn forget(&self, snap: &SnapName) -> Result<(), Fault> {
        self.remove_launch(snap)?;
        self.units().retain(|(name, _), _| name != snap);
        self.around.board.forget(snap);
        self.logs.forget(snap);
        Ok(())
    }

    /// Writes what the launcher must know of a snap; done after each change of its revision or connections.
    pub fn write_launch(&self, world: &World, snap: &SnapName) -> Result<(), Fault> {
        let Some(record) = world.snap(snap.as_str()) else {
            return self.remove_launch(snap);
        };
        let Some(revision) = record.current_revision() else {
            return self.remove_launch(snap);
        };
        let launch = Launch {
            info: revision.info.clone(),
            revision: revision.revision,
            confinement: confinement(record),
            plugs: self.plugs(world, snap),
        };
        launch.write(&self.around.dirs).map_err(internal)?;
        self.write_tools()
    }

    /// Takes a snap away from the launcher.
    pub fn remove_launch(&self, snap: &SnapName) -> Result<(), Fault> {
        fs::remove_file(&self.around.dirs.launch(snap)).map_err(internal)
    }

    /// `snapctl`, where the path of apps begins.
    fn write_tools(&self) -> Result<(), Fault> {
        let tools = self.around.dirs.tools();
        fs::make_dir(&tools, 0o755)
            .and_then(|()| fs::link_atomic(&self.around.launcher, &tools.join("snapctl")))
            .map_err(internal)
    }

    fn plugs(&self, world: &World, snap: &SnapName) -> BTreeMap<String, LaunchPlug> {
        let mut plugs: BTreeMap<String, LaunchPlug> = world
            .connections
            .values()
            .filter(|record| record.is_established() && record.connection.plug.snap == *snap)
            .map(|record| {
                let plug = LaunchPlug {
                    interface: record.interface.clone(),
                    grants: BTreeMap::new(),
                };
                (record.connection.plug.name.clone(), plug)
            })
            .collect();
        for (plug, grant) in (self.grants)(snap) {
            if let Some(plug) = plugs.get_mut(&plug.name) {
                plug.grants.extend(variables(&grant));
            }
        }
        plugs
    }

    /// Makes the processes equal to the store at start: ends what an earlier agent left behind, writes the launch
    /// descriptions, and starts what should run, without waiting for it.
    pub async fn reconcile(self: &Arc<Self>, world: &World) {
        let (tree, owner) = (self.around.tree.clone(), self.around.owner());
        let seen = world.clone();
        let ended = tokio::task::spawn_blocking(move || end_leftovers(tree.as_ref(), &owner, &seen));
        if ended.await.is_err() {
            log::error!("cannot look for what an earlier agent has left behind");
        }
        self.remove_strange_launches(world);
        for record in world.snaps.values().filter(|record| record.active) {
            if let Err(fault) = self.write_launch(world, &record.name) {
                log::error!("snap {} cannot be started: {fault}", record.name);
                continue;
            }
            if is_being_changed(world, &record.name) {
                continue;
            }
            let (services, record) = (self.clone(), record.clone());
            self.runtime.spawn(async move {
                for app in startable(&record) {
                    if let Err(fault) = services
                        .start(&record.name, std::slice::from_ref(&app.name))
                        .await
                    {
                        log::warn!("{fault}");
                    }
                }
            });
        }
    }

    fn remove_strange_launches(&self, world: &World) {
        let entries = std::fs::read_dir(self.around.dirs.launches());
        for entry in entries.into_iter().flatten().flatten() {
            let name = entry.file_name();
            let snap = name.to_str().and_then(|name| name.strip_suffix(".json"));
            let known = snap
                .and_then(|snap| world.snap(snap))
                .is_some_and(|record| record.active);
            if !known && let Err(error) = fs::remove_file(&entry.path()) {
                log::warn!("{}", error.in_full());
            }
        }
    }

    /// What services print from now on.
    pub fn follow_logs(&self) -> broadcast::Receiver<LogLine> {
        self.logs.follow()
    }

    /// What services have printed: the newest `count` lines, or all that are kept. Reads files.
    pub fn logs(&self, services: &[(SnapName, String)], count: Option<usize>) -> Vec<LogLine> {
        self.logs.tail(services, count)
    }
}

/// Ends what still lives in the groups of services and hooks, or with the agent's mark. Apps that people started go on.
fn end_leftovers(tree: Option<&Tree>, owner: &str, world: &World) {
    let Some(tree) = tree else {
        process::end_leftovers(owner);
        return;
    };
    let of_the_agent = |name: &String| !inspect::is_started_by_people(world, name);
    for name in tree.names().into_iter().filter(of_the_agent) {
        if let Ok(group) = tree.group(&name) {
            if !group.kill_all() {
                log::error!("a process in group {name} cannot be killed; it hangs in the kernel");
            }
            group.remove();
        }
    }
}

/// A change that starts or stops the snap's services goes on by itself.
fn is_being_changed(world: &World, snap: &SnapName) -> bool {
    let mut live = world
        .changes
        .values()
        .filter(|change| !change.is_ready() && change.snaps.contains(snap));
    live.any(|change| {
        change
            .tasks
            .iter()
            .any(|task| task.kind == kinds::START_SNAP_SERVICES || task.kind == kinds::STOP_SNAP_SERVICES)
    })
}

/// The last parts of the variables that tell an app what a plug got.
fn variables(grant: &Grant) -> Vec<(String, String)> {
    let pair = |name: &str, value: String| (name.to_owned(), value);
    match grant {
        Grant::Line { name, chip, offset } => vec![
            pair("LINE", name.clone()),
            pair("CHIP", chip.clone()),
            pair("OFFSET", offset.to_string()),
        ],
        Grant::Sysfs { name, path } => vec![pair("LINE", name.clone()), pair("PATH", path.clone())],
        Grant::Led { name, path } => {
            let path = path.iter().map(|path| pair("PATH", path.clone()));
            std::iter::once(pair("LED", name.clone())).chain(path).collect()
        }
        Grant::Chip { path, lines, .. } => {
            let lines: Vec<String> = lines.iter().map(u32::to_string).collect();
            vec![pair("PATH", path.clone()), pair("LINES", lines.join(","))]
        }
        Grant::Api { lines } => vec![
            pair("LINES", lines.join(",")),
            pair("ACCESS", String::from("api")),
        ],
    }
}

/// How a snap is confined as it was installed.
fn confinement(record: &SnapRecord) -> Confinement {
    let own = record.info().map(|info| info.confinement).unwrap_or_default();
    match own {
        Confinement::Classic if record.classic => Confinement::Classic,
        _ if record.devmode && !record.jailmode => Confinement::Devmode,
        _ => Confinement::Strict,
    }
}

/// The services of a snap that run whenever it is active.
fn startable(record: &SnapRecord) -> Vec<&AppInfo> {
    let apps = record.info().into_iter().flat_map(|info| info.services());
    let apps = apps.filter(|app| !view::is_activated(app) && !app.daemon_scope_user);
    in_order(
        apps.filter(|app| !record.disabled_services.contains(&app.name))
            .collect(),
    )
}

/// The services of these names, in the order in which they are started.
fn named_services<'a>(record: &'a SnapRecord, names: &[String]) -> Vec<&'a AppInfo> {
    let apps = record.info().into_iter().flat_map(|info| info.services());
    in_order(apps.filter(|app| names.contains(&app.name)).collect())
}

/// Services so that each stands after those that it names in `after` and that name it in `before`. A circle, which no
/// valid snap has, stays as it is.
fn in_order(mut apps: Vec<&AppInfo>) -> Vec<&AppInfo> {
    let mut ordered = Vec::with_capacity(apps.len());
    while !apps.is_empty() {
        let free = apps.iter().position(|app| {
            apps.iter()
                .all(|other| !app.after.contains(&other.name) && !other.before.contains(&app.name))
        });
        ordered.push(apps.remove(free.unwrap_or(0)));
    }
    ordered
}

fn internal(error: fs::FileError) -> Fault {
    Fault::internal(error.in_full())
}

#[cfg(test)]
mod tests;
