//! Apps that are daemons: pinion's own supervisor, what services print, and the launch descriptions from which every
//! app is started.

mod activation;
mod backend;
mod board;
mod dbus;
mod inspect;
mod logs;
mod plan;
mod ready;
mod restart;
mod supervisor;
mod systemd;
mod tasks;
mod unit;
mod view;

pub use board::{Activity, Live};
pub use inspect::inspect;
pub use logs::{LogItem, LogLine, LogStream};
pub use plan::{Action, ControlRequest};
pub use view::{Activator, AppView, ServiceStatus};

use crate::confine::{self, Launch, LaunchPlug};
use crate::domain::hardware::Grant;
use crate::domain::snap::{AppInfo, Confinement};
use crate::domain::{Attrs, Dirs, ErrorKind, Fault, PlugRef, SnapName, SnapRecord, kinds, work};
use crate::drivers::cgroup::Tree;
use crate::drivers::{bus, fs, process, units};
use crate::events::Bus;
use crate::store::{Store, World};
use backend::Backend;
use board::StatusBoard;
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use supervisor::Supervisor;
use systemd::Systemd;
use tokio::runtime::Handle;
use unit::{How, Leave, Surroundings};

/// What the hardware has given to the plugs of a snap.
pub type GrantsOf = Arc<dyn Fn(&SnapName) -> Vec<(PlugRef, Grant)> + Send + Sync>;

/// The manager of services.
pub struct Services {
    around: Surroundings,
    back: Arc<dyn Backend>,
    grants: GrantsOf,
    runtime: Handle,
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
        let around = Surroundings {
            dirs,
            store,
            board: StatusBoard::new(bus),
            tree,
            launcher,
        };
        let runtime = Handle::current();
        let back: Arc<dyn Backend> = if units::is_here(around.dirs.root()) {
            Arc::new(Systemd::new(around.clone(), &runtime))
        } else {
            Arc::new(Supervisor::new(around.clone(), runtime.clone()))
        };
        Arc::new(Self {
            back,
            around,
            grants,
            runtime,
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

    /// The owner in the mark of processes.
    pub fn process_owner(&self) -> String {
        self.around.owner()
    }

    fn record(&self, snap: &SnapName) -> Result<Arc<SnapRecord>, Fault> {
        let world = self.around.store.world();
        world.snap(snap.as_str()).cloned().ok_or_else(|| {
            Fault::new(ErrorKind::SnapNotFound, format!("snap {snap:?} is not installed")).with(snap.as_str())
        })
    }

    /// Starts services of a snap in their order; those that are activated begin to wait. If one cannot be started,
    /// those that this call has started are stopped again.
    pub async fn start(&self, snap: &SnapName, names: &[String]) -> Result<(), Fault> {
        self.start_as(snap, names, How::WithSnap).await
    }

    async fn start_as(&self, snap: &SnapName, names: &[String], how: How) -> Result<(), Fault> {
        let record = self.record(snap)?;
        self.prepare(&record).await?;
        let apps = named_services(&record, names);
        let mut started: Vec<&AppInfo> = Vec::new();
        for app in apps {
            let running = self.around.board.get(snap, &app.name).is_at_work();
            if let Err(fault) = self.back.start(snap, app, how).await {
                for app in started.into_iter().rev() {
                    // The first error is the one that tells.
                    let _ = self.back.stop(snap, app, Leave::Nothing).await;
                }
                return Err(fault);
            }
            if !running {
                started.push(app);
            }
        }
        Ok(())
    }

    /// The same for services that somebody named, the bus among them: those that wait for a bus name run, too.
    async fn start_named(&self, snap: &SnapName, names: &[String]) -> Result<(), Fault> {
        self.start(snap, names).await?;
        let record = self.record(snap)?;
        let called = named_services(&record, names).into_iter();
        let called: Vec<String> = called
            .filter(|app| !app.activates_on.is_empty())
            .map(|app| app.name.clone())
            .collect();
        self.start_as(snap, &called, How::Now).await
    }

    /// Makes ready what the services of an active snap need.
    async fn prepare(&self, record: &SnapRecord) -> Result<(), Fault> {
        let dirs = &self.around.dirs;
        let changed = dbus::prepare(dirs, &self.around.launcher, record);
        if changed.map_err(Fault::internal)? {
            bus::reload(&dirs.bus()).await;
        }
        self.back.prepare(record).await
    }

    /// Stops services of a snap, the last started first.
    pub async fn stop(&self, snap: &SnapName, names: &[String]) -> Result<(), Fault> {
        self.stop_as(snap, names, Leave::Nothing).await
    }

    async fn stop_as(&self, snap: &SnapName, names: &[String], leave: Leave) -> Result<(), Fault> {
        let Ok(record) = self.record(snap) else {
            return Ok(());
        };
        for app in named_services(&record, names).into_iter().rev() {
            self.back.stop(snap, app, leave).await?;
        }
        Ok(())
    }

    /// Stops and starts services of a snap. Their sockets stay.
    pub async fn restart(&self, snap: &SnapName, names: &[String]) -> Result<(), Fault> {
        self.stop_as(snap, names, Leave::Activators).await?;
        self.start_as(snap, names, How::Now).await
    }

    /// Lets services read their configuration again; those without a command for it are started anew.
    pub async fn reload(&self, snap: &SnapName, names: &[String]) -> Result<(), Fault> {
        let record = self.record(snap)?;
        for app in named_services(&record, names) {
            self.back.reload(snap, app).await?;
        }
        Ok(())
    }

    /// Notes whether services start with their snap.
    pub async fn set_enabled(&self, snap: &SnapName, names: Vec<String>, enabled: bool) -> Result<(), Fault> {
        self.tell_enabled(snap, &names, enabled).await?;
        let snap = snap.clone();
        let noted = self
            .around
            .store
            .commit_async(move |tx| tasks::set_disabled(tx, &snap, &names, !enabled));
        noted.await.map_err(|error| Fault::internal(error.to_string()))
    }

    /// Tells what runs services whether they start with their snap.
    async fn tell_enabled(&self, snap: &SnapName, names: &[String], enabled: bool) -> Result<(), Fault> {
        let record = self.record(snap)?;
        for app in named_services(&record, names) {
            self.back.set_enabled(snap, app, enabled).await?;
        }
        Ok(())
    }

    /// Waits for one of these on a thread that may block, as a task's handler is on.
    pub fn wait_for<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// The services of a snap that run or are about to, in their order.
    pub fn running(&self, snap: &SnapName) -> Vec<String> {
        self.services_where(snap, |live| live.is_at_work())
    }

    /// The same with those that wait for their activators.
    fn at_work_or_armed(&self, snap: &SnapName) -> Vec<String> {
        self.services_where(snap, |live| live.armed || live.is_at_work())
    }

    fn services_where(&self, snap: &SnapName, fits: impl Fn(&Live) -> bool) -> Vec<String> {
        let Ok(record) = self.record(snap) else {
            return Vec::new();
        };
        let services = record.info().into_iter().flat_map(|info| info.services());
        let chosen = services.filter(|app| fits(&self.around.board.get(snap, &app.name)));
        in_order(chosen.collect())
            .into_iter()
            .map(|app| app.name.clone())
            .collect()
    }

    /// What runs of the snap is known; else nothing of it was started by this agent.
    fn knows(&self, snap: &SnapName) -> bool {
        self.back.knows(snap)
    }

    /// Lets go of the services at the agent's end: those of the supervisor are stopped, each snap's in their order, all
    /// snaps at once.
    pub async fn shutdown(&self) {
        let stops = self.back.ending().into_iter().map(|snap| async move {
            let running = self.at_work_or_armed(&snap);
            if let Err(fault) = self.stop(&snap, &running).await {
                log::warn!(snap = snap.as_str(); "cannot stop the services of {snap}: {fault}");
            }
        });
        join_all(stops).await;
        self.back.leave();
        if let Some(tree) = &self.around.tree {
            tree.remove();
        }
    }

    /// Forgets a snap that is being removed: its launch description, its logs, its status. Its services must have
    /// been stopped.
    pub fn forget(&self, snap: &SnapName) -> Result<(), Fault> {
        self.remove_launch(snap)?;
        confine::forget(&self.around.dirs, snap).map_err(|error| {
            Fault::internal(format!("cannot remove what the apps of {snap} shared: {error}"))
        })?;
        self.around.board.forget(snap);
        self.back.forget(snap)
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
        self.back.withdraw(snap)?;
        let dirs = self.around.dirs.clone();
        if dbus::withdraw(&dirs, snap).map_err(Fault::internal)? {
            work::spawn_on(
                &self.runtime,
                Box::pin(async move { bus::reload(&dirs.bus()).await }),
            );
        }
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
                    devices: devices(&record.slot_static),
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
    pub async fn reconcile(self: &Arc<Self>, world: &Arc<World>) {
        let (tree, owner) = (self.around.tree.clone(), self.around.owner());
        let seen = Arc::clone(world);
        let ended = work::blocking(move || end_leftovers(tree.as_ref(), &owner, &seen));
        if ended.await.is_err() {
            log::error!("cannot look for what an earlier agent has left behind");
        }
        self.remove_strange_launches(world);
        dbus::remove_strays(&self.around.dirs, &self.around.launcher, world);
        self.back.mend(Arc::clone(world)).await;
        for record in world.snaps.values().filter(|record| record.active) {
            if let Err(fault) = self.write_launch(world, &record.name) {
                log::error!(snap = record.name.as_str(); "snap {} cannot be started: {fault}", record.name);
                continue;
            }
            if is_being_changed(world, &record.name) {
                continue;
            }
            let files = self.around.dirs.snap_mount(&record.name, record.current);
            if !files.join("meta").is_dir() {
                log::error!(
                    "snap {} is not started: nothing is mounted at {}",
                    record.name,
                    files.display()
                );
                continue;
            }
            let (services, record) = (self.clone(), record.clone());
            let start = async move {
                if let Err(fault) = services.prepare(&record).await {
                    log::error!("{fault}");
                    return;
                }
                for app in startable(&record) {
                    let started = services.back.start(&record.name, app, How::WithAgent);
                    if let Err(fault) = started.await {
                        log::warn!("{fault}");
                    }
                }
            };
            work::spawn_on(&self.runtime, Box::pin(start));
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

    /// What services have printed: the newest `count` lines, or all that are kept. With `follow` also what they will
    /// print.
    pub async fn read_logs(
        &self,
        services: Vec<(SnapName, String)>,
        count: Option<usize>,
        follow: bool,
    ) -> Result<LogStream, Fault> {
        self.back.read_logs(services, count, follow).await
    }
}

/// Ends what still lives in the groups of services and hooks, or with the agent's mark. Apps that people started go on.
fn end_leftovers(tree: Option<&Tree>, owner: &str, world: &World) {
    process::end_leftovers(owner);
    let Some(tree) = tree else { return };
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

/// The devices that a slot names: one by `path`, several by `devices`.
fn devices(slot: &Attrs) -> Vec<String> {
    let several = slot.get("devices").and_then(|devices| devices.as_array());
    let all = several.into_iter().flatten().chain(slot.get("path"));
    let paths = all.filter_map(|path| path.as_str());
    paths
        .filter(|path| path.starts_with("/dev/") && !path.contains("/../"))
        .map(str::to_owned)
        .collect()
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

/// The services of a snap that run or wait for their activators whenever it is active.
fn startable(record: &SnapRecord) -> Vec<&AppInfo> {
    let apps = record.info().into_iter().flat_map(|info| info.services());
    let apps = apps.filter(|app| !app.daemon_scope_user);
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
