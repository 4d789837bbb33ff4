//! What it comes to when another revision of a snap, or none, is to be used, or another channel is to be followed
//! (contract: v2, section 6; v2-observed, section 3).

use super::params::{Before, Flags, Prerequisites, Setup, Switch};
use super::plan::{hook, is_configured};
use super::{Snaps, not_installed};
use crate::domain::{Fault, Plan, PlannedTask, Revision, RevisionRecord, SnapRecord, channel, kinds};
use crate::store::World;
use serde_json::json;

/// How a snap is taken back to a revision that it had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RevertOptions {
    /// That one; else the one before the current one.
    pub revision: Option<Revision>,
    pub devmode: bool,
    pub jailmode: bool,
    pub classic: bool,
}

/// What a snap is to follow from now on. What is not given stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SwitchOptions {
    pub channel: Option<String>,
    pub cohort_key: Option<String>,
    pub leave_cohort: bool,
}

impl Snaps {
    /// The change that takes a snap back to a revision that it had; its data is used as it was left.
    pub fn plan_revert(&self, name: &str, options: RevertOptions) -> Result<Plan, Fault> {
        revert(&self.store.world(), name, options)
    }

    /// The change that makes a disabled snap available again.
    pub fn plan_enable(&self, name: &str) -> Result<Plan, Fault> {
        enable(&self.store.world(), name)
    }

    /// The change that makes a snap unavailable and keeps it.
    pub fn plan_disable(&self, name: &str) -> Result<Plan, Fault> {
        disable(&self.store.world(), name)
    }

    /// The change that lets a snap follow another channel or cohort.
    pub fn plan_switch(&self, name: &str, options: SwitchOptions) -> Result<Plan, Fault> {
        switch(&self.store.world(), name, options)
    }
}

/// The revision that a revert goes to.
fn reverted(record: &SnapRecord, wanted: Option<Revision>) -> Result<&RevisionRecord, Fault> {
    let name = record.name.as_str();
    let target = match wanted {
        Some(wanted) => record.revision(wanted),
        None => {
            let current = record
                .sequence
                .iter()
                .position(|known| known.revision == record.current);
            let former = current.and_then(|position| position.checked_sub(1));
            let former = former.and_then(|position| record.sequence.get(position));
            Some(former.ok_or_else(|| Fault::bad("no revision to revert to"))?)
        }
    };
    if wanted == Some(record.current) {
        return Err(Fault::bad("already on requested revision"));
    }
    if !record.active {
        return Err(Fault::bad("cannot revert inactive snaps"));
    }
    target.ok_or_else(|| {
        let kept: Vec<String> = record
            .sequence
            .iter()
            .map(|known| known.revision.to_string())
            .collect();
        let wanted = wanted.map(|wanted| wanted.to_string()).unwrap_or_default();
        Fault::bad(format!(
            "cannot find revision {wanted} for snap {name:?}: it has {}",
            kept.join(", ")
        ))
    })
}

pub(super) fn revert(world: &World, name: &str, options: RevertOptions) -> Result<Plan, Fault> {
    // without a snap there is no revision either, and no kind (observed)
    let record = world
        .snap(name)
        .ok_or_else(|| Fault::bad("no revision to revert to"))?;
    let target = reverted(record, options.revision)?;
    let (revision, info) = (target.revision, &target.info);
    let kept = Flags::of(record);
    let given = Flags {
        devmode: options.devmode,
        jailmode: options.jailmode,
        classic: options.classic,
    };
    let setup = Setup {
        snap: record.name.clone(),
        revision,
        upload: None,
        file: Some(target.file.clone()),
        tries: false,
        flags: if given == Flags::default() { kept } else { given },
        before: Some(Before {
            current: record.current,
            flags: kept,
        }),
    };
    let mut plan = Plan::new("revert-snap", format!("Revert {name:?} snap"));
    plan.snaps.push(record.name.clone());
    plan.then(PlannedTask::new(
        kinds::PREREQUISITES,
        format!("Ensure prerequisites for {name:?} are available"),
        json!(Prerequisites::of(info)),
    ));
    let tasks = [
        (kinds::PREPARE_SNAP, format!("Prepare snap {name:?} ({revision})")),
        (kinds::STOP_SNAP_SERVICES, format!("Stop snap {name:?} services")),
        (kinds::REMOVE_ALIASES, format!("Remove aliases for snap {name:?}")),
        (
            kinds::UNLINK_CURRENT_SNAP,
            format!("Make current revision for snap {name:?} unavailable"),
        ),
        (
            kinds::SETUP_PROFILES,
            format!("Setup snap {name:?} ({revision}) security profiles"),
        ),
        (
            kinds::LINK_SNAP,
            format!("Make snap {name:?} ({revision}) available to the system"),
        ),
        (
            kinds::AUTO_CONNECT,
            format!("Automatically connect eligible plugs and slots of snap {name:?}"),
        ),
        (
            kinds::SET_AUTO_ALIASES,
            format!("Set automatic aliases for snap {name:?}"),
        ),
        (kinds::SETUP_ALIASES, format!("Setup snap {name:?} aliases")),
        (
            kinds::START_SNAP_SERVICES,
            format!("Start snap {name:?} ({revision}) services"),
        ),
    ];
    for (kind, summary) in tasks {
        plan.then(PlannedTask::new(kind, summary, json!(setup)));
    }
    if is_configured(info) {
        plan.then(hook(
            &record.name,
            "configure",
            format!("Run configure hook of {name:?} snap if present"),
        ));
    }
    plan.then(hook(
        &record.name,
        "check-health",
        format!("Run health check of {name:?} snap"),
    ));
    Ok(plan)
}

pub(super) fn enable(world: &World, name: &str) -> Result<Plan, Fault> {
    let record = world.snap(name).ok_or_else(|| not_installed(name))?;
    if record.active {
        return Err(Fault::bad(format!("snap {name:?} already enabled")));
    }
    let current = record.current;
    let file = record.current_revision().map(|known| known.file.clone());
    let setup = json!(Setup {
        file,
        ..Setup::of_current(record)
    });
    let mut plan = Plan::new("enable-snap", format!("Enable {name:?} snap"));
    plan.snaps.push(record.name.clone());
    for (kind, summary) in [
        (kinds::PREPARE_SNAP, format!("Prepare snap {name:?} ({current})")),
        (
            kinds::SETUP_PROFILES,
            format!("Setup snap {name:?} ({current}) security profiles"),
        ),
        (
            kinds::LINK_SNAP,
            format!("Make snap {name:?} ({current}) available to the system"),
        ),
        (kinds::SETUP_ALIASES, format!("Setup snap {name:?} aliases")),
        (
            kinds::START_SNAP_SERVICES,
            format!("Start snap {name:?} ({current}) services"),
        ),
        (
            kinds::AUTO_CONNECT,
            format!("Automatically connect eligible plugs and slots of snap {name:?}"),
        ),
    ] {
        plan.then(PlannedTask::new(kind, summary, setup.clone()));
    }
    Ok(plan)
}

pub(super) fn disable(world: &World, name: &str) -> Result<Plan, Fault> {
    let record = world.snap(name).ok_or_else(|| not_installed(name))?;
    if !record.active {
        return Err(Fault::bad(format!("snap {name:?} already disabled")));
    }
    let current = record.current;
    let setup = json!(Setup::of_current(record));
    let mut plan = Plan::new("disable-snap", format!("Disable {name:?} snap"));
    plan.snaps.push(record.name.clone());
    for (kind, summary) in [
        (
            kinds::STOP_SNAP_SERVICES,
            format!("Stop snap {name:?} ({current}) services"),
        ),
        (kinds::REMOVE_ALIASES, format!("Remove aliases for snap {name:?}")),
        (
            kinds::UNLINK_SNAP,
            format!("Make snap {name:?} ({current}) unavailable to the system"),
        ),
        (
            kinds::REMOVE_PROFILES,
            format!("Remove security profiles of snap {name:?}"),
        ),
    ] {
        plan.then(PlannedTask::new(kind, summary, setup.clone()));
    }
    Ok(plan)
}

/// A cohort key for people: the end of a long one.
fn shortened(key: &str) -> String {
    let length = key.chars().count();
    if length <= 10 {
        return key.to_owned();
    }
    let end: String = key.chars().skip(length - 9).collect();
    format!("…{end}")
}

pub(super) fn switch(world: &World, name: &str, options: SwitchOptions) -> Result<Plan, Fault> {
    let record = world.snap(name).ok_or_else(|| not_installed(name))?;
    let summary = match (&options.channel, &options.cohort_key, options.leave_cohort) {
        (Some(channel), _, true) => {
            format!("Switch {name:?} snap to channel {channel:?} and away from cohort")
        }
        (None, _, true) => format!("Switch {name:?} snap away from cohort"),
        (Some(channel), None, false) => format!("Switch {name:?} snap to channel {channel:?}"),
        (None, Some(key), false) => format!("Switch {name:?} snap to cohort {:?}", shortened(key)),
        (Some(channel), Some(key), false) => {
            format!(
                "Switch {name:?} snap to channel {channel:?} and cohort {:?}",
                shortened(key)
            )
        }
        (None, None, false) => {
            return Err(Fault::bad(format!(
                "cannot switch snap {name:?} to nothing: give a channel, a cohort-key or leave-cohort"
            )));
        }
    };
    let channel = match &options.channel {
        None => record.tracking_channel.clone(),
        Some(channel) => channel::in_full(channel, &record.tracking_channel)
            .map_err(|error| Fault::bad(error.to_string()))?,
    };
    let cohort_key = match options.cohort_key {
        _ if options.leave_cohort => String::new(),
        Some(key) => key,
        None => record.cohort_key.clone(),
    };
    let mut plan = Plan::new("switch-snap", summary.clone());
    plan.snaps.push(record.name.clone());
    plan.then(PlannedTask::new(
        kinds::SWITCH_SNAP,
        summary,
        json!(Switch {
            snap: record.name.clone(),
            channel,
            cohort_key,
        }),
    ));
    Ok(plan)
}
