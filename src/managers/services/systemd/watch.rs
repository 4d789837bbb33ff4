//! What systemd says of services, told to the status board (decision 27): by D-Bus, and where there is no bus, by the
//! control groups of the units.

use crate::domain::snap::AppInfo;
use crate::domain::{SnapName, SnapRecord, work};
use crate::drivers::bus::{UnitState, Units};
use crate::drivers::cgroup::{Moved, Watcher};
use crate::managers::services::board::Activity;
use crate::managers::services::unit::{Surroundings, give_up};
use crate::store::World;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// What the names of all units of snaps begin with.
const PREFIX: &str = "snap.";
/// How often a bus that went away is looked for again, and how long each time waits.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

struct Look {
    unit: String,
    done: oneshot::Sender<()>,
}

/// What keeps the status board true.
#[derive(Clone)]
pub(super) struct Eyes(mpsc::UnboundedSender<Look>);

impl Eyes {
    /// Looks from now on.
    pub(super) fn open(around: Surroundings, runtime: &Handle) -> Self {
        let (asking, asked) = mpsc::unbounded_channel();
        let watch = async move {
            follow(&around, asked).await;
            if let Err(error) = watch_groups(&around).await {
                log::error!("cannot watch the services' control groups: {error}; what they do is not seen");
            }
        };
        work::spawn_on(runtime, Box::pin(watch));
        Self(asking)
    }

    /// Shows a unit on the board as it is now, after all that was told of it before; false where there is no bus.
    pub(super) async fn look(&self, unit: &str) -> bool {
        let (done, told) = oneshot::channel();
        let unit = unit.to_owned();
        self.0.send(Look { unit, done }).is_ok() && told.await.is_ok()
    }
}

/// Follows the bus until there is none.
async fn follow(around: &Surroundings, mut asked: mpsc::UnboundedReceiver<Look>) {
    let mut failed = 0;
    while failed < ATTEMPTS {
        let error = match Units::open(&around.dirs.bus(), PREFIX).await {
            Ok(units) => {
                failed = 0;
                match tell(around, units, &mut asked).await {
                    Ok(()) => return,
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        if error.kind() == std::io::ErrorKind::NotFound {
            // A machine without a bus.
            return;
        }
        log::warn!("cannot hear systemd on the message bus: {error}");
        failed += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Tells all that there is, then what changes.
async fn tell(
    around: &Surroundings,
    mut units: Units,
    asked: &mut mpsc::UnboundedReceiver<Look>,
) -> std::io::Result<()> {
    let mut states: BTreeMap<String, UnitState> = BTreeMap::new();
    let world = around.store.world();
    for record in world.snaps.values().filter(|record| record.active) {
        for app in record.info().into_iter().flat_map(|info| info.services()) {
            // One that systemd does not know does not run.
            let name = super::texts::service_name(&record.name, &app.name);
            let nothing = UnitState {
                name: name.clone(),
                ..UnitState::default()
            };
            states.insert(name, nothing);
        }
    }
    for state in units.all().await? {
        states.insert(state.name.clone(), state);
    }
    for state in states.values() {
        note(around, state).await;
    }
    loop {
        tokio::select! {
            state = units.next() => note(around, &state?).await,
            look = asked.recv() => {
                let Some(look) = look else { return Ok(()) };
                for state in units.look(&look.unit).await? {
                    note(around, &state).await;
                }
                // Nobody waits for it any more: that is fine.
                let _ = look.done.send(());
            }
        }
    }
}

/// The service of a unit's name among the installed ones, and what kind of unit it is.
fn service_of<'a>(world: &'a World, unit: &'a str) -> Option<(&'a SnapRecord, &'a AppInfo, &'a str)> {
    let (snap, rest) = unit.strip_prefix(PREFIX)?.split_once('.')?;
    let (app, rest) = rest.split_once('.')?;
    let record = world.snap(snap)?;
    let app = record.info()?.apps.get(app).filter(|app| app.is_service())?;
    Some((record, app, rest.rsplit('.').next()?))
}

/// What systemd's words mean.
pub(super) fn activity(active: &str, sub: &str) -> Activity {
    match (active, sub) {
        ("active" | "reloading", "exited") => Activity::Exited,
        ("active" | "reloading", _) => Activity::Active,
        ("activating", "auto-restart" | "auto-restart-queued") => Activity::Restarting,
        ("activating", _) => Activity::Starting,
        ("deactivating", _) => Activity::Stopping,
        ("failed", _) => Activity::Failed,
        _ => Activity::Inactive,
    }
}

async fn note(around: &Surroundings, state: &UnitState) {
    let world = around.store.world();
    let Some((record, app, kind)) = service_of(&world, &state.name) else {
        return;
    };
    let (snap, app) = (&record.name, &app.name);
    if kind != "service" {
        around.board.armed(snap, app, state.active == "active");
        return;
    }
    let before = around.board.get(snap, app);
    let now = activity(&state.active, &state.sub);
    let reason = matches!(now, Activity::Failed | Activity::Restarting)
        .then(|| format!("systemd calls its end {:?}", state.result));
    if now == Activity::Restarting && before.activity != Activity::Restarting {
        around.board.restarted(snap, app);
    }
    around.board.note(snap, app, now, state.pid, reason.as_deref());
    if now == Activity::Failed && before.activity != Activity::Failed && before.restarts > 0 {
        give_up(around, snap, app, &reason.unwrap_or_default()).await;
    }
}

/// Tells the status board what the control groups of units say, until they cannot be watched.
async fn watch_groups(around: &Surroundings) -> std::io::Result<()> {
    let is_ours = |name: &str| name.starts_with(PREFIX) && name.ends_with(".service");
    let mut watcher = Watcher::open("system.slice", is_ours)?;
    loop {
        for Moved { name, populated } in watcher.next().await? {
            let world = around.store.world();
            let Some((record, app, _)) = service_of(&world, &name) else {
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

/// Whose a unit is, for who removes it.
pub(super) fn snap_of(unit: &str) -> Option<SnapName> {
    let (snap, _) = unit.strip_prefix(PREFIX)?.split_once('.')?;
    SnapName::new(snap).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_systemd() {
        for (active, sub, means) in [
            ("active", "running", Activity::Active),
            ("active", "exited", Activity::Exited),
            ("reloading", "reload", Activity::Active),
            ("activating", "start", Activity::Starting),
            ("activating", "auto-restart", Activity::Restarting),
            ("deactivating", "stop-sigterm", Activity::Stopping),
            ("failed", "failed", Activity::Failed),
            ("inactive", "dead", Activity::Inactive),
            ("", "", Activity::Inactive),
        ] {
            assert_eq!(activity(active, sub), means, "{active} {sub}");
        }
    }
}
