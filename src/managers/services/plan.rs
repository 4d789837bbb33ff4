//! What a request to start, stop or restart services would do (contract: v2, Apps and logs; section 6).

use crate::domain::{ErrorKind, Fault, Plan, PlannedTask, SnapName, SnapRecord, kinds};
use crate::store::World;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// What is to be done to services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Start,
    Stop,
    Restart,
}

impl Action {
    /// The action of that name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "start" => Some(Self::Start),
            "stop" => Some(Self::Stop),
            "restart" => Some(Self::Restart),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }
}

/// A request about services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRequest {
    pub action: Action,
    /// `SNAP` or `SNAP.APP`.
    pub names: Vec<String>,
    /// With start: they start with the agent from now on.
    pub enable: bool,
    /// With stop: they do not.
    pub disable: bool,
    /// With restart: those that can read their configuration again do only that.
    pub reload: bool,
}

/// What a service-control task is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ControlParams {
    pub snap: SnapName,
    pub action: Action,
    /// In the order of their start; empty: those that run.
    pub services: Vec<String>,
    /// They were named one by one.
    #[serde(default)]
    pub named: bool,
    #[serde(default)]
    pub enable: bool,
    #[serde(default)]
    pub disable: bool,
    #[serde(default)]
    pub reload: bool,
}

impl super::Services {
    /// The change that a request makes: one task for each snap.
    pub fn plan_control(&self, request: &ControlRequest) -> Result<Plan, Fault> {
        plan(&self.around.store.world(), request)
    }
}

pub(super) fn plan(world: &World, request: &ControlRequest) -> Result<Plan, Fault> {
    if request.names.is_empty() {
        return Err(Fault::bad(
            "cannot perform operation on services without a list of services to operate on",
        ));
    }
    // For each snap the services that were named; none when the whole snap was.
    let mut chosen: BTreeMap<SnapName, Vec<String>> = BTreeMap::new();
    for name in &request.names {
        let (snap, app) = match name.split_once('.') {
            Some((snap, app)) => (snap, Some(app)),
            None => (name.as_str(), None),
        };
        let record = world.snap(snap).ok_or_else(|| {
            Fault::new(ErrorKind::SnapNotFound, format!("snap {snap:?} is not installed")).with(snap)
        })?;
        check_named(record, app)?;
        let services = chosen.entry(record.name.clone()).or_default();
        match app {
            Some(app) if !services.iter().any(|name| name == app) => services.push(app.to_owned()),
            _ => {}
        }
        if app.is_none() {
            services.clear();
        }
    }
    let mut plan = Plan::new(kinds::SERVICE_CONTROL, "Running service command");
    for (snap, named) in chosen {
        let Some(record) = world.snap(snap.as_str()) else {
            continue;
        };
        plan.tasks.push(task(record, named, request));
        plan.snaps.push(snap);
    }
    Ok(plan)
}

fn check_named(record: &SnapRecord, app: Option<&str>) -> Result<(), Fault> {
    let snap = record.name.as_str();
    let mut services = record.info().into_iter().flat_map(|info| info.services());
    let found = match app {
        Some(app) => services.any(|service| service.name == app),
        None => services.next().is_some(),
    };
    if !found {
        let text = match app {
            Some(app) => format!("snap {snap:?} has no service {app:?}"),
            None => format!("snap {snap:?} has no services"),
        };
        return Err(Fault::new(ErrorKind::AppNotFound, text));
    }
    if !record.active {
        return Err(Fault::bad(format!(
            "snap {snap:?} is disabled; enable it before its services are used"
        )));
    }
    Ok(())
}

fn task(record: &SnapRecord, named: Vec<String>, request: &ControlRequest) -> PlannedTask {
    let snap = &record.name;
    let is_named = !named.is_empty();
    let only_running = named.is_empty() && request.action == Action::Restart;
    let services = if named.is_empty() && !only_running {
        let services = record.info().into_iter().flat_map(|info| info.services());
        services
            .filter(|app| !app.daemon_scope_user)
            .map(|app| app.name.clone())
            .collect()
    } else {
        named
    };
    let word = request.action.word();
    let summary = if only_running {
        format!(
            "Run service command {word:?} for running services of snap {:?}",
            snap.as_str()
        )
    } else {
        let quoted: Vec<String> = services.iter().map(|name| format!("{name:?}")).collect();
        format!(
            "Run service command {word:?} for services [{}] of snap {:?}",
            quoted.join(" "),
            snap.as_str()
        )
    };
    let params = json!({
        "snap": snap,
        "action": request.action,
        "services": services,
        "named": is_named,
        "enable": request.enable,
        "disable": request.disable,
        "reload": request.reload,
    });
    PlannedTask::new(kinds::SERVICE_CONTROL, summary, params)
}
