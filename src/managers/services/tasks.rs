//! The task kinds of services.

use super::plan::{Action, ControlParams};
use super::{Services, startable};
use crate::domain::{SnapName, SnapRecord, kinds, sort};
use crate::engine::{Outcome, Probe, Registry, TaskContext, TaskError, TaskKind};
use crate::store::{StoreError, Tx};
use serde::Deserialize;
use std::sync::Arc;

/// Under which name a stop remembers what ran before it.
const RAN: &str = "ran";

impl Services {
    /// Adds the task kinds of services.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        registry.add(StartServices(self.clone()));
        registry.add(StopServices(self.clone()));
        registry.add(ServiceControl(self.clone()));
    }
}

#[derive(Deserialize)]
struct SnapParams {
    snap: SnapName,
}

fn record_of(task: &TaskContext) -> Result<Arc<SnapRecord>, TaskError> {
    let SnapParams { snap } = task.params()?;
    task.world()
        .snap(snap.as_str())
        .cloned()
        .ok_or_else(|| TaskError::new(format!("snap {:?} is not installed", snap.as_str())))
}

/// How many of these services have been started.
fn probe_running(services: &Services, record: &SnapRecord, wanted: &[String]) -> Probe {
    if wanted.is_empty() {
        return Probe::NoEffect;
    }
    let running = services.at_work_or_armed(&record.name);
    let count = wanted.iter().filter(|name| running.contains(name)).count();
    match count {
        0 => Probe::Absent,
        all if all == wanted.len() => Probe::Present,
        _ => Probe::Partial,
    }
}

/// `start-snap-services`: what runs with the snap runs.
struct StartServices(Arc<Services>);

impl TaskKind for StartServices {
    fn kind(&self) -> &'static str {
        kinds::START_SNAP_SERVICES
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let record = record_of(task)?;
        let first = task
            .change()
            .is_some_and(|change| matches!(change.kind.as_str(), "install-snap" | "try-snap"))
            && record.sequence.len() == 1;
        let mut wanted = Vec::new();
        let mut disabled = Vec::new();
        for app in startable(&record) {
            if first && app.install_disabled {
                disabled.push(app.name.clone());
            } else {
                wanted.push(app.name.clone());
            }
        }
        self.0.write_launch(&task.world(), &record.name)?;
        self.0.wait_for(self.0.start(&record.name, &wanted))?;
        self.0
            .wait_for(self.0.tell_enabled(&record.name, &wanted, true))?;
        if !disabled.is_empty() {
            let snap = record.name.clone();
            task.with_commit(move |tx| set_disabled(tx, &snap, &disabled, true));
        }
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn undo(&self, task: &TaskContext) -> Result<(), TaskError> {
        let SnapParams { snap } = task.params()?;
        let running = self.0.at_work_or_armed(&snap);
        Ok(self.0.wait_for(self.0.stop(&snap, &running))?)
    }

    fn probe(&self, task: &TaskContext) -> Probe {
        let Ok(record) = record_of(task) else {
            return Probe::Absent;
        };
        let wanted: Vec<String> = startable(&record)
            .into_iter()
            .map(|app| app.name.clone())
            .collect();
        probe_running(&self.0, &record, &wanted)
    }
}

/// Another revision of the snap takes the place of this one in the same change.
fn is_refresh(task: &TaskContext, snap: &SnapName) -> bool {
    let change = task.change();
    let mut tasks = change.iter().flat_map(|change| &change.tasks);
    tasks.any(|task| task.kind == kinds::UNLINK_CURRENT_SNAP && task.params["snap"] == snap.as_str())
}

/// The service goes on while its snap is refreshed (contract: snaps-and-assertions, section 1, refresh-mode).
fn endures(task: &TaskContext, snap: &SnapName, app: &str) -> bool {
    let world = task.world();
    let info = world.snap(snap.as_str()).and_then(|record| record.info());
    let app = info.and_then(|info| info.apps.get(app));
    app.is_some_and(|app| app.refresh_mode == "endure")
}

/// `stop-snap-services`: nothing of the snap runs but what endures a refresh; undone, what ran before runs again.
struct StopServices(Arc<Services>);

impl TaskKind for StopServices {
    fn kind(&self) -> &'static str {
        kinds::STOP_SNAP_SERVICES
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let SnapParams { snap } = task.params()?;
        let mut running = self.0.at_work_or_armed(&snap);
        if is_refresh(task, &snap) {
            running.retain(|name| !endures(task, &snap, name));
        }
        if task.memory::<Vec<String>>(RAN).is_none() {
            // An agent that was killed between two tasks has started nothing of this snap: then it is what should run.
            let ran = if self.0.knows(&snap) {
                running.clone()
            } else {
                let record = record_of(task).ok().filter(|record| record.active);
                record
                    .iter()
                    .flat_map(|record| startable(record))
                    .map(|app| app.name.clone())
                    .collect()
            };
            if !ran.is_empty() {
                task.remember(RAN, &ran)?;
            }
        }
        self.0.wait_for(self.0.stop(&snap, &running))?;
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn undo(&self, task: &TaskContext) -> Result<(), TaskError> {
        let record = record_of(task)?;
        let ran: Vec<String> = task.memory(RAN).unwrap_or_default();
        self.0.write_launch(&task.world(), &record.name)?;
        Ok(self.0.wait_for(self.0.start(&record.name, &ran))?)
    }

    fn probe(&self, task: &TaskContext) -> Probe {
        let ran: Vec<String> = task.memory(RAN).unwrap_or_default();
        if ran.is_empty() {
            return Probe::NoEffect;
        }
        let Ok(record) = record_of(task) else {
            return Probe::Present;
        };
        match probe_running(&self.0, &record, &ran) {
            Probe::Present => Probe::Absent,
            Probe::Absent => Probe::Present,
            other => other,
        }
    }
}

/// `service-control`: what an operator asked for. There is no way back (contract: v2, section 6).
struct ServiceControl(Arc<Services>);

impl TaskKind for ServiceControl {
    fn kind(&self) -> &'static str {
        kinds::SERVICE_CONTROL
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let params: ControlParams = task.params()?;
        let (snap, services) = (&params.snap, &self.0);
        let names = if params.services.is_empty() {
            services.running(snap)
        } else {
            params.services.clone()
        };
        match params.action {
            Action::Start => {
                services.write_launch(&task.world(), snap)?;
                if params.named {
                    services.wait_for(services.start_named(snap, &names))?;
                } else {
                    services.wait_for(services.start(snap, &names))?;
                }
            }
            Action::Stop => services.wait_for(services.stop(snap, &names))?,
            Action::Restart if params.reload => services.wait_for(services.reload(snap, &names))?,
            Action::Restart => {
                services.write_launch(&task.world(), snap)?;
                services.wait_for(services.restart(snap, &names))?;
            }
        }
        let change = match params.action {
            Action::Start => params.enable.then_some(false),
            Action::Stop => params.disable.then_some(true),
            Action::Restart => None,
        };
        if let Some(disabled) = change {
            services.wait_for(services.tell_enabled(snap, &names, !disabled))?;
            let snap = params.snap.clone();
            task.with_commit(move |tx| set_disabled(tx, &snap, &names, disabled));
        }
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        false
    }

    fn probe(&self, _task: &TaskContext) -> Probe {
        Probe::NoEffect
    }
}

/// Notes which services do not start with their snap.
pub(super) fn set_disabled(
    tx: &mut Tx<'_>,
    snap: &SnapName,
    names: &[String],
    disabled: bool,
) -> Result<(), StoreError> {
    let Some(record) = tx.world().snap(snap.as_str()) else {
        return Ok(());
    };
    let mut record = SnapRecord::clone(record);
    record.disabled_services.retain(|name| !names.contains(name));
    if disabled {
        record.disabled_services.extend_from_slice(names);
        sort::by(&mut record.disabled_services, Ord::cmp);
    }
    tx.put_snap(record)
}
