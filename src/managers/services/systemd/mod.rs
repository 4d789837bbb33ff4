//! Services as units of systemd, which outlive the agent (decision 15). It acts by `systemctl`; what becomes of a
//! service systemd tells (decision 27).

#[cfg(test)]
mod tests;
mod texts;
mod watch;

use super::activation::is_activated;
use super::backend::{Backend, Done};
use super::board::Activity;
use super::dbus;
use super::logs::{LogItem, LogLine, LogStream};
use super::unit::{How, Leave, Surroundings};
use crate::domain::snap::{AppInfo, Confinement, Daemon};
use crate::domain::{Dirs, Fault, Finding, SnapName, SnapRecord, names, work};
use crate::drivers::journal::Journal;
use crate::drivers::{bus, fs, random, units};
use crate::store::World;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use texts::{Facts, UnitFile, activator_names, service_name};
use watch::Eyes;

/// Lets systemd run services.
pub struct Systemd {
    around: Surroundings,
    /// One change to the units at a time, so that each is followed by one reload.
    writing: Arc<Mutex<()>>,
    eyes: Eyes,
}

impl Systemd {
    /// One that hears of units from now on.
    pub fn new(around: Surroundings, runtime: &tokio::runtime::Handle) -> Self {
        Self {
            eyes: Eyes::open(around.clone(), runtime),
            around,
            writing: Arc::default(),
        }
    }

    /// Shows a service on the status board as it is after an order; what it should be where nobody tells.
    async fn show(&self, snap: &SnapName, app: &AppInfo, should: Activity, reason: Option<&str>) {
        if !self.eyes.look(&service_name(snap, &app.name)).await {
            self.around.board.note(snap, &app.name, should, None, reason);
        }
    }

    /// systemd starts it, or what activates it, with the machine.
    fn is_enabled(&self, snap: &SnapName, app: &AppInfo) -> bool {
        let folder = self.around.dirs.units();
        links(snap, app)
            .iter()
            .all(|link| folder.join(link).symlink_metadata().is_ok())
    }

    /// Lets the bus start a service; says whether it does.
    async fn arm(&self, snap: &SnapName, app: &AppInfo) -> Result<bool, Fault> {
        if dbus::arm(&self.around, snap, app).map_err(Fault::internal)? {
            bus::reload(&self.around.dirs.bus()).await;
        }
        Ok(!app.activates_on.is_empty())
    }

    /// Runs `systemctl` away from the main thread.
    async fn act(words: Vec<String>, limit: Duration) -> Result<(), Fault> {
        let acted = work::blocking(move || {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            units::systemctl(&words, limit)
        });
        match acted.await {
            Ok(result) => result.map_err(Fault::internal),
            Err(error) => Err(Fault::internal(error.to_string())),
        }
    }
}

fn words(action: &str, units: impl IntoIterator<Item = String>) -> Vec<String> {
    std::iter::once(action.to_owned()).chain(units).collect()
}

fn milliseconds(limit: Option<u64>, otherwise: u64) -> Duration {
    Duration::from_millis(limit.unwrap_or(otherwise)) + units::PATIENCE
}

/// The units that start a service, or what activates it, with the machine; none where only the bus starts it.
fn enabling(snap: &SnapName, app: &AppInfo) -> Vec<String> {
    let mut units = activator_names(snap, app);
    if !is_activated(app) {
        units.push(service_name(snap, &app.name));
    }
    units
}

/// The links that start a service, or what activates it, with the machine, below the folder of units.
fn links(snap: &SnapName, app: &AppInfo) -> Vec<PathBuf> {
    let units = enabling(snap, app);
    let link = |unit: String| {
        let target = match unit.rsplit('.').next() {
            Some("socket") => "sockets.target.wants",
            Some("timer") => "timers.target.wants",
            _ => "multi-user.target.wants",
        };
        Path::new(target).join(unit)
    };
    units.into_iter().map(link).collect()
}

/// The units of a snap's services as they should be.
fn wanted(dirs: &Dirs, launcher: &Path, record: &SnapRecord) -> Vec<UnitFile> {
    let mount = units::mount_unit(&dirs.snap_mount(&record.name, record.current));
    let facts = Facts {
        dirs,
        snap: &record.name,
        revision: record.current,
        launcher,
        has_mount: dirs.units().join(mount).exists(),
        confined: record
            .info()
            .map(Arc::as_ref)
            .filter(|_| super::confinement(record) == Confinement::Strict),
    };
    let services = record.info().into_iter().flat_map(|info| info.services());
    services
        .filter(|app| !app.daemon_scope_user)
        .flat_map(|app| texts::units(&facts, app, &random::below))
        .collect()
}

/// Writes the units of a snap's services, and lets systemd read them once if that changed anything. Blocks.
fn write(around: &Surroundings, record: &SnapRecord) -> Result<(), String> {
    let wanted = wanted(&around.dirs, &around.launcher, record);
    let folder = around.dirs.units();
    let mut changed = remove(&folder, &record.name, |name| {
        wanted.iter().all(|file| file.name != name)
    })?;
    for file in wanted {
        let path = folder.join(&file.name);
        if !is_written(&path, &file) {
            fs::write_atomic(&path, file.text.as_bytes(), 0o644).map_err(|error| error.in_full())?;
            changed = true;
        }
    }
    if changed {
        units::systemctl(&["daemon-reload"], units::PATIENCE)?;
    }
    Ok(())
}

fn is_written(path: &Path, file: &UnitFile) -> bool {
    std::fs::read_to_string(path).is_ok_and(|present| is_same(&present, &file.text))
}

/// The same but for the moments that were picked in a span.
fn is_same(present: &str, wanted: &str) -> bool {
    let rest = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with("OnCalendar="));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let service_says_the_times = present.contains("[Timer]");
    present == wanted || (service_says_the_times && rest(present) == rest(wanted))
}

/// The names of all units of services in a folder, and of the links that start them in the folders in it.
fn present(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_unit = |name: &str| {
        let ends = [".service", ".socket", ".timer"];
        watch::snap_of(name).is_some() && ends.iter().any(|end| name.ends_with(end))
    };
    let mut found = Vec::new();
    for entry in entries(folder) {
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if is_unit(&text) {
            found.push(PathBuf::from(&name));
        } else if text.ends_with(".target.wants") {
            let links = entries(&entry.path()).map(|link| link.file_name());
            let ours = links.filter(|link| is_unit(&link.to_string_lossy()));
            found.extend(ours.map(|link| Path::new(&name).join(link)));
        }
    }
    found
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Removes units of a snap with what starts them; says whether there were any.
fn remove(folder: &Path, snap: &SnapName, which: impl Fn(&str) -> bool) -> Result<bool, String> {
    let mut removed = false;
    for path in present(folder) {
        let name = name_of(&path);
        if watch::snap_of(&name).as_ref() == Some(snap) && which(&name) {
            fs::remove_file(&folder.join(path)).map_err(|error| error.in_full())?;
            removed = true;
        }
    }
    Ok(removed)
}

const STRAY: &str = "belongs to no enabled service";

/// Units and links of services that are not as the store says, by path below the folder, with what is wrong. Snaps in
/// unready changes are left to their change.
fn differences(dirs: &Dirs, launcher: &Path, world: &World) -> Vec<(PathBuf, &'static str)> {
    let folder = dirs.units();
    let is_busy = |snap: &SnapName| world.change_in_progress(std::slice::from_ref(snap)).is_some();
    let mut wrong = Vec::new();
    let mut known: BTreeSet<PathBuf> = BTreeSet::new();
    for record in world
        .snaps
        .values()
        .filter(|record| record.active && !is_busy(&record.name))
    {
        for file in wanted(dirs, launcher, record) {
            let path = PathBuf::from(&file.name);
            if !is_written(&folder.join(&path), &file) {
                wrong.push((path.clone(), "is not as it should be"));
            }
            known.insert(path);
        }
        for app in super::startable(record) {
            for link in links(&record.name, app) {
                if folder.join(&link).symlink_metadata().is_err() {
                    wrong.push((link.clone(), "is missing"));
                }
                known.insert(link);
            }
        }
    }
    for path in present(&folder) {
        let snap = watch::snap_of(&name_of(&path));
        if !known.contains(&path) && !snap.is_some_and(|snap| is_busy(&snap)) {
            wrong.push((path, STRAY));
        }
    }
    wrong
}

/// The dry run of what a start mends.
pub(super) fn inspect(dirs: &Dirs, launcher: &Path, world: &World) -> Vec<Finding> {
    let wrong = differences(dirs, launcher, world).into_iter();
    let text = |(path, what): (PathBuf, _)| format!("{} {what}", dirs.units().join(path).display());
    wrong.map(|one| Finding::system(text(one))).collect()
}

/// Takes the units of a snap away. A service that endures a refresh goes on without its unit until it gets the next.
fn take_away(folder: &Path, snap: &SnapName) -> Result<(), String> {
    let names: BTreeSet<String> = present(folder).iter().map(|path| name_of(path)).collect();
    let ours = names
        .iter()
        .filter(|name| watch::snap_of(name).as_ref() == Some(snap));
    let reset: Vec<&str> = std::iter::once("reset-failed")
        .chain(ours.map(String::as_str))
        .collect();
    if remove(folder, snap, |_| true)? {
        units::systemctl(&["daemon-reload"], units::PATIENCE)?;
        // One that did not fail is not known any more, and that is said; one that did would stay as a failed one.
        let _ = units::systemctl(&reset, units::PATIENCE);
    }
    Ok(())
}

/// Stops and removes the units that belong to no service, and what would start a disabled one.
fn remove_strays(around: &Surroundings, world: &World) -> Result<(), String> {
    let folder = around.dirs.units();
    let mut gone: BTreeMap<SnapName, Vec<String>> = BTreeMap::new();
    for (path, what) in differences(&around.dirs, &around.launcher, world) {
        if what != STRAY {
            continue;
        }
        log::warn!("{} {what}: it is removed", folder.join(&path).display());
        let name = name_of(&path);
        let snap = watch::snap_of(&name);
        match snap.filter(|snap| world.snap(snap.as_str()).is_none_or(|record| !record.active)) {
            Some(snap) => gone.entry(snap).or_default().push(name),
            None => fs::remove_file(&folder.join(path)).map_err(|error| error.in_full())?,
        }
    }
    for (snap, names) in gone {
        let stop: Vec<&str> = std::iter::once("stop")
            .chain(names.iter().map(String::as_str))
            .collect();
        if let Err(why) = units::systemctl(&stop, units::PATIENCE) {
            log::warn!("{why}");
        }
        take_away(&folder, &snap)?;
    }
    Ok(())
}

impl Backend for Systemd {
    fn prepare(&self, record: &SnapRecord) -> Done<'_> {
        let (around, record, writing) = (self.around.clone(), record.clone(), Arc::clone(&self.writing));
        Box::pin(async move {
            let written = work::blocking(move || {
                let _one = writing.lock().unwrap_or_else(PoisonError::into_inner);
                write(&around, &record)
            });
            match written.await {
                Ok(result) => result
                    .map_err(|why| Fault::internal(format!("cannot prepare the units of services: {why}"))),
                Err(error) => Err(Fault::internal(error.to_string())),
            }
        })
    }

    fn start(&self, snap: &SnapName, app: &AppInfo, how: How) -> Done<'_> {
        let (snap, app) = (snap.clone(), app.clone());
        Box::pin(async move {
            let waits = how != How::Now && is_activated(&app);
            if waits && self.arm(&snap, &app).await? {
                self.around.board.armed(&snap, &app.name, true);
            }
            // It is systemd's to start it with the machine, and the agent's start is no reason to.
            if how == How::WithAgent && self.is_enabled(&snap, &app) {
                return Ok(());
            }
            let live = self.around.board.get(&snap, &app.name);
            if live.activity == Activity::Failed {
                // What failed too often of late would be refused.
                let reset = words("reset-failed", [service_name(&snap, &app.name)]);
                let _ = Self::act(reset, units::PATIENCE).await;
            }
            let units = if waits {
                activator_names(&snap, &app)
            } else {
                vec![service_name(&snap, &app.name)]
            };
            if !waits {
                self.around
                    .board
                    .note(&snap, &app.name, Activity::Starting, None, None);
            }
            let limit = milliseconds(app.start_timeout, 90_000);
            let started = if units.is_empty() {
                Ok(())
            } else {
                Self::act(words("start", units), limit).await
            };
            let (activity, reason) = match (&started, app.daemon) {
                (Err(fault), _) => (Activity::Failed, Some(fault.message.as_str())),
                (Ok(()), Some(Daemon::Oneshot)) if app.stop_command.is_some() => (Activity::Exited, None),
                (Ok(()), Some(Daemon::Oneshot)) => (Activity::Inactive, None),
                (Ok(()), _) => (Activity::Active, None),
            };
            if waits {
                self.around.board.armed(&snap, &app.name, started.is_ok());
            } else {
                self.show(&snap, &app, activity, reason).await;
            }
            if how == How::WithAgent && started.is_ok() {
                self.set_enabled(&snap, &app, true).await?;
            }
            started.map_err(|fault| {
                Fault::internal(format!(
                    "cannot start service {:?} of snap {:?}: {}; see what it printed with `pinion logs {}`",
                    app.name,
                    snap.as_str(),
                    fault.message,
                    names::app_command(snap.as_str(), &app.name)
                ))
            })
        })
    }

    fn stop(&self, snap: &SnapName, app: &AppInfo, leave: Leave) -> Done<'_> {
        let (snap, app) = (snap.clone(), app.clone());
        Box::pin(async move {
            let mut units = Vec::new();
            if leave == Leave::Nothing {
                units.extend(activator_names(&snap, &app));
            }
            units.push(service_name(&snap, &app.name));
            let present = |unit: &String| self.around.dirs.units().join(unit).exists();
            units.retain(present);
            if !units.is_empty() {
                Self::act(words("stop", units), milliseconds(app.stop_timeout, 30_000)).await?;
            }
            if leave == Leave::Nothing {
                dbus::disarm(&self.around.dirs, &snap, &app);
                self.around.board.armed(&snap, &app.name, false);
            }
            self.show(&snap, &app, Activity::Inactive, None).await;
            Ok(())
        })
    }

    fn reload(&self, snap: &SnapName, app: &AppInfo) -> Done<'_> {
        let unit = service_name(snap, &app.name);
        let limit = milliseconds(app.start_timeout, 90_000) + milliseconds(app.stop_timeout, 30_000);
        Box::pin(Self::act(words("reload-or-restart", [unit]), limit))
    }

    fn set_enabled(&self, snap: &SnapName, app: &AppInfo, enabled: bool) -> Done<'_> {
        let units = enabling(snap, app);
        if units.is_empty() {
            return Box::pin(async { Ok(()) });
        }
        let action = if enabled { "enable" } else { "disable" };
        // The units were read already: linking them asks for no other reload.
        Box::pin(Self::act(
            words(action, std::iter::once(String::from("--no-reload")).chain(units)),
            units::PATIENCE,
        ))
    }

    fn read_logs(
        &self,
        services: Vec<(SnapName, String)>,
        count: Option<usize>,
        follow: bool,
    ) -> BoxFuture<'_, Result<LogStream, Fault>> {
        Box::pin(async move {
            let names: Vec<String> = services
                .iter()
                .map(|(snap, app)| service_name(snap, app))
                .collect();
            let journal = Journal::open(&names, count, follow)
                .map_err(|error| Fault::internal(format!("cannot read the journal: {error}")))?;
            let entries = stream::unfold(journal, async |mut journal| {
                let entry = journal.next().await?;
                let line = LogLine {
                    time: entry.time,
                    sid: entry.identifier,
                    pid: entry.pid,
                    message: entry.message,
                };
                Some((LogItem::Line(line), journal))
            });
            Ok(entries.boxed())
        })
    }

    fn knows(&self, _snap: &SnapName) -> bool {
        true
    }

    fn mend(&self, world: Arc<World>) -> BoxFuture<'_, ()> {
        let (around, writing) = (self.around.clone(), Arc::clone(&self.writing));
        Box::pin(async move {
            let mended = work::blocking(move || {
                let _one = writing.lock().unwrap_or_else(PoisonError::into_inner);
                remove_strays(&around, &world)
            });
            match mended.await {
                Ok(Ok(())) => {}
                Ok(Err(why)) => log::error!("cannot remove the units of services that are gone: {why}"),
                Err(error) => log::error!("the units of services could not be looked at: {error}"),
            }
            // From now on the board shows what runs: systemd has told of all of it before it tells of this.
            self.eyes.look("pinion.service").await;
        })
    }

    fn ending(&self) -> BTreeSet<SnapName> {
        BTreeSet::new()
    }

    fn withdraw(&self, snap: &SnapName) -> Result<(), Fault> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        dbus::disarm_all(&self.around.dirs, snap)
            .and_then(|()| take_away(&self.around.dirs.units(), snap))
            .map_err(Fault::internal)
    }

    fn forget(&self, snap: &SnapName) -> Result<(), Fault> {
        self.withdraw(snap)
    }

    fn leave(&self) {}
}
