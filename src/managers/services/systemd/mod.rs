//! Services as units of systemd, which outlive the agent (decision 15). It acts by `systemctl`; what becomes of a
//! service it sees in the control group of its unit (decision 27).

mod texts;

use super::activation::is_served;
use super::backend::{Backend, Done};
use super::board::Activity;
use super::logs::{LogItem, LogLine, LogStream};
use super::unit::{How, Leave, Surroundings};
use crate::domain::snap::{AppInfo, Daemon};
use crate::domain::{Fault, SnapName, SnapRecord, names};
use crate::drivers::cgroup::{Moved, Watcher};
use crate::drivers::journal::Journal;
use crate::drivers::{fs, random, units};
use crate::store::World;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use texts::{Facts, UnitFile, activator_names, service_name};

/// Lets systemd run services.
pub struct Systemd {
    around: Surroundings,
    /// One change to the units at a time, so that each is followed by one reload.
    writing: Arc<Mutex<()>>,
    known: Mutex<BTreeSet<SnapName>>,
}

impl Systemd {
    /// One that looks at the control groups of units from now on.
    pub fn new(around: Surroundings, runtime: &tokio::runtime::Handle) -> Self {
        let seen = around.clone();
        runtime.spawn(async move {
            if let Err(error) = watch(&seen).await {
                log::error!("cannot watch the services' control groups: {error}; what they do is not seen");
            }
        });
        Self {
            around,
            writing: Arc::default(),
            known: Mutex::default(),
        }
    }

    fn remember(&self, snap: &SnapName) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(snap.clone());
    }

    /// Runs `systemctl` away from the main thread.
    async fn act(words: Vec<String>, limit: Duration) -> Result<(), Fault> {
        let acted = tokio::task::spawn_blocking(move || {
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

/// Writes the units of a snap's services as they should be, and lets systemd read them once if that changed anything.
/// Blocks.
fn write(around: &Surroundings, record: &SnapRecord) -> Result<(), String> {
    let Some(info) = record.info() else {
        return Ok(());
    };
    let mount = units::mount_unit(&around.dirs.snap_mount(&record.name, record.current));
    let facts = Facts {
        dirs: &around.dirs,
        snap: &record.name,
        revision: record.current,
        launcher: &around.launcher,
        has_mount: around.dirs.units().join(mount).exists(),
    };
    let services = info.services().filter(|app| !app.daemon_scope_user);
    let wanted: Vec<UnitFile> = services
        .flat_map(|app| texts::units(&facts, app, &random::below))
        .collect();
    let folder = around.dirs.units();
    let mut changed = remove(around, &record.name, |name| {
        wanted.iter().all(|file| file.name != name)
    })?;
    for file in wanted {
        let path = folder.join(&file.name);
        let present = std::fs::read_to_string(&path).unwrap_or_default();
        if !is_same(&present, &file.text) {
            fs::write_atomic(&path, file.text.as_bytes(), 0o644).map_err(|error| error.in_full())?;
            changed = true;
        }
    }
    if changed {
        units::systemctl(&["daemon-reload"], units::PATIENCE)?;
    }
    Ok(())
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

/// Removes units of a snap; says whether there were any.
fn remove(around: &Surroundings, snap: &SnapName, which: impl Fn(&str) -> bool) -> Result<bool, String> {
    let prefix = format!("snap.{snap}.");
    let mut removed = false;
    for entry in std::fs::read_dir(around.dirs.units())
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = name.starts_with(&prefix)
            && [".service", ".socket", ".timer"]
                .iter()
                .any(|end| name.ends_with(end));
        if ours && which(&name) {
            fs::remove_file(&entry.path()).map_err(|error| error.in_full())?;
            removed = true;
        }
    }
    Ok(removed)
}

impl Backend for Systemd {
    fn prepare(&self, record: &SnapRecord) -> Done<'_> {
        self.remember(&record.name);
        let (around, record, writing) = (self.around.clone(), record.clone(), Arc::clone(&self.writing));
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || {
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
            let waits = how != How::Now && is_served(&app);
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
            let started = Self::act(words("start", units), limit).await;
            let (activity, reason) = match (&started, app.daemon) {
                (Err(fault), _) => (Activity::Failed, Some(fault.message.as_str())),
                (Ok(()), Some(Daemon::Oneshot)) if app.stop_command.is_some() => (Activity::Exited, None),
                (Ok(()), Some(Daemon::Oneshot)) => (Activity::Inactive, None),
                (Ok(()), _) => (Activity::Active, None),
            };
            if waits {
                self.around.board.armed(&snap, &app.name, started.is_ok());
            } else {
                self.around.board.note(&snap, &app.name, activity, None, reason);
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
                self.around.board.armed(&snap, &app.name, false);
            }
            self.around
                .board
                .note(&snap, &app.name, Activity::Inactive, None, None);
            Ok(())
        })
    }

    fn reload(&self, snap: &SnapName, app: &AppInfo) -> Done<'_> {
        let unit = service_name(snap, &app.name);
        let limit = milliseconds(app.start_timeout, 90_000) + milliseconds(app.stop_timeout, 30_000);
        Box::pin(Self::act(words("reload-or-restart", [unit]), limit))
    }

    fn set_enabled(&self, snap: &SnapName, app: &AppInfo, enabled: bool) -> Done<'_> {
        let mut units = activator_names(snap, app);
        if units.is_empty() {
            units.push(service_name(snap, &app.name));
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

    fn known(&self) -> BTreeSet<SnapName> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ending(&self) -> BTreeSet<SnapName> {
        BTreeSet::new()
    }

    fn withdraw(&self, snap: &SnapName) -> Result<(), Fault> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.around.dirs.units();
        let prefix = format!("snap.{snap}.");
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let ours: Vec<String> = names.filter(|name| name.starts_with(&prefix)).collect();
        if ours.is_empty() {
            return Ok(());
        }
        let disable: Vec<&str> = ["disable", "--no-reload"]
            .into_iter()
            .chain(ours.iter().map(String::as_str))
            .collect();
        units::systemctl(&disable, units::PATIENCE).map_err(Fault::internal)?;
        remove(&self.around, snap, |_| true).map_err(Fault::internal)?;
        units::systemctl(&["daemon-reload"], units::PATIENCE).map_err(Fault::internal)
    }

    fn forget(&self, snap: &SnapName) -> Result<(), Fault> {
        self.withdraw(snap)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(snap);
        Ok(())
    }

    fn leave(&self) {}
}

/// The service of a unit's name among the installed ones.
fn service_of<'a>(world: &'a World, unit: &str) -> Option<(&'a SnapRecord, &'a AppInfo)> {
    let (snap, app) = unit
        .strip_prefix("snap.")?
        .strip_suffix(".service")?
        .split_once('.')?;
    let record = world.snap(snap)?;
    let app = record.info()?.apps.get(app).filter(|app| app.is_service())?;
    Some((record, app))
}

/// Tells the status board what the control groups of units say, until they cannot be watched.
async fn watch(around: &Surroundings) -> std::io::Result<()> {
    let is_ours = |name: &str| name.starts_with("snap.") && name.ends_with(".service");
    let mut watcher = Watcher::open("system.slice", is_ours)?;
    loop {
        for Moved { name, populated } in watcher.next().await? {
            let world = around.store.world();
            let Some((record, app)) = service_of(&world, &name) else {
                continue;
            };
            let now = around.board.get(&record.name, &app.name).activity;
            let next = match (populated, now) {
                // Of an order that is at work the one who gave it tells.
                (_, Activity::Starting | Activity::Stopping) => continue,
                (true, _) => Activity::Active,
                (false, Activity::Exited | Activity::Failed) => continue,
                (false, _) => Activity::Inactive,
            };
            around.board.note(&record.name, &app.name, next, None, None);
        }
    }
}
