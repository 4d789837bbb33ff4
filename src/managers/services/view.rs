//! Apps as people look at them.

use super::Services;
use super::board::{Activity, Live};
use super::dbus;
use crate::domain::snap::{AppInfo, Daemon};
use crate::domain::{ErrorKind, Fault, SnapInfo, SnapName, SnapRecord};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What a service is doing, and what it should.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceStatus {
    /// It is started with the agent.
    pub enabled: bool,
    pub active: bool,
    pub activity: Activity,
    /// Its first process.
    pub pid: Option<i32>,
    /// How often it was started again by itself.
    pub restarts: u32,
    /// Why it failed.
    pub reason: Option<String>,
}

impl ServiceStatus {
    fn new(live: Live, enabled: bool) -> Self {
        Self {
            enabled,
            active: live.activity.is_active(),
            activity: live.activity,
            pid: live.pid,
            restarts: live.restarts,
            reason: live.reason,
        }
    }
}

/// What starts a service when it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activator {
    pub name: String,
    /// `socket`, `timer` or `dbus`.
    pub kind: &'static str,
    pub active: bool,
    pub enabled: bool,
}

/// One app of an installed snap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppView {
    pub snap: SnapName,
    pub name: String,
    pub daemon: Option<Daemon>,
    /// It is a service of each user, not of the system.
    pub of_user: bool,
    pub common_id: Option<String>,
    /// What desktops know of it, of active snaps.
    pub desktop_file: Option<PathBuf>,
    /// For services of active snaps.
    pub status: Option<ServiceStatus>,
    pub activators: Vec<Activator>,
}

/// What starts a service.
fn activators(info: &SnapInfo, app: &AppInfo, live: Option<&Live>, enabled: bool) -> Vec<Activator> {
    let served = |name: &str, kind| Activator {
        name: name.to_owned(),
        kind,
        active: live.is_some_and(|live| live.armed),
        enabled: enabled && live.is_some(),
    };
    let sockets = app.sockets.keys().map(|name| served(name, "socket"));
    let timer = app.timer.iter().map(|_| served(&app.name, "timer"));
    let buses = app
        .activates_on
        .iter()
        .map(|slot| served(dbus::name_of(info, slot).unwrap_or(slot), "dbus"));
    timer.chain(sockets).chain(buses).collect()
}

impl Services {
    /// What a service is doing; `enabled` follows from the store, the rest from memory.
    pub fn status(&self, snap: &SnapName, app: &str) -> ServiceStatus {
        let world = self.around.store.world();
        let record = world.snap(snap.as_str()).filter(|record| record.active);
        let enabled = record.is_some_and(|record| is_enabled(record, app));
        ServiceStatus::new(self.around.board.get(snap, app), enabled)
    }

    /// The installed desktop file that is called as an app.
    fn desktop_file(&self, info: &SnapInfo, app: &str) -> Option<PathBuf> {
        let name = format!("{app}.desktop");
        let has = info.desktop_files.contains(&name);
        has.then(|| self.around.dirs.desktop_file(&info.name, &name))
    }

    /// The apps of a snap, sorted by name.
    pub fn apps_of(&self, record: &SnapRecord) -> Vec<AppView> {
        let Some(info) = record.info() else {
            return Vec::new();
        };
        let view = |app: &AppInfo| {
            let live =
                (app.is_service() && record.active).then(|| self.around.board.get(&record.name, &app.name));
            let mut enabled = is_enabled(record, &app.name);
            let activators = activators(info, app, live.as_ref(), enabled);
            // One that is activated is as enabled as what activates it.
            if !activators.is_empty() {
                enabled = activators.iter().any(|activator| activator.enabled);
            }
            AppView {
                snap: record.name.clone(),
                name: app.name.clone(),
                daemon: app.daemon,
                of_user: app.daemon_scope_user,
                common_id: app.common_id.clone(),
                desktop_file: record
                    .active
                    .then(|| self.desktop_file(info, &app.name))
                    .flatten(),
                activators,
                status: live.map(|live| ServiceStatus::new(live, enabled)),
            }
        };
        info.apps.values().map(view).collect()
    }

    /// Apps by names (`SNAP` or `SNAP.APP`; none means all), sorted by snap and app. A name that does not fit is an
    /// error.
    pub fn list(&self, names: &[String], services_only: bool) -> Result<Vec<AppView>, Fault> {
        let world = self.around.store.world();
        let fits = |app: &AppView| !services_only || app.daemon.is_some();
        if names.is_empty() {
            let all = world.snaps.values().flat_map(|record| self.apps_of(record));
            return Ok(all.filter(fits).collect());
        }
        let mut chosen: BTreeSet<(SnapName, String)> = BTreeSet::new();
        for name in names {
            let (snap, app) = match name.split_once('.') {
                Some((snap, app)) => (snap, Some(app)),
                None => (name.as_str(), None),
            };
            let record = world.snap(snap).ok_or_else(|| {
                Fault::new(ErrorKind::SnapNotFound, format!("snap {snap:?} is not installed")).with(snap)
            })?;
            let before = chosen.len();
            let found: Vec<AppView> = self
                .apps_of(record)
                .into_iter()
                .filter(|view| fits(view) && app.is_none_or(|app| app == view.name))
                .collect();
            if found.is_empty() {
                return Err(no_app(snap, app, services_only));
            }
            chosen.extend(found.into_iter().map(|view| (view.snap, view.name)));
            debug_assert!(chosen.len() >= before);
        }
        let all = world.snaps.values().flat_map(|record| self.apps_of(record));
        Ok(all
            .filter(|view| chosen.contains(&(view.snap.clone(), view.name.clone())))
            .collect())
    }

    /// The services of these names whose output is kept.
    pub fn logged(&self, names: &[String]) -> Result<Vec<(SnapName, String)>, Fault> {
        let services: Vec<(SnapName, String)> = self
            .list(names, true)?
            .into_iter()
            .map(|view| (view.snap, view.name))
            .collect();
        if services.is_empty() {
            return Err(Fault::new(ErrorKind::AppNotFound, "no matching services"));
        }
        Ok(services)
    }
}

fn no_app(snap: &str, app: Option<&str>, services_only: bool) -> Fault {
    let what = if services_only { "service" } else { "app" };
    let text = match app {
        Some(app) => format!("snap {snap:?} has no {what} {app:?}"),
        None => format!("snap {snap:?} has no {what}s"),
    };
    Fault::new(ErrorKind::AppNotFound, text)
}

fn is_enabled(record: &SnapRecord, app: &str) -> bool {
    !record.disabled_services.iter().any(|name| name == app)
}
