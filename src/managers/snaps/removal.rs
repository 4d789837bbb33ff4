//! What it comes to when a snap, or one revision of it, is removed (contract: v2, section 6; v2-observed, section 3).
//!
//! `save-snapshot` belongs before `remove-aliases` once there are snapshots; until then nothing pretends to save, and a
//! removal is what `purge` asks for.

use super::params::Setup;
use super::plan::{discard, hook};
use super::{Snaps, not_installed};
use crate::domain::snap::SnapType;
use crate::domain::{ErrorKind, Fault, Plan, PlannedTask, Revision, SnapName, SnapRecord, kinds, sort};
use crate::store::World;
use serde_json::json;

/// How a snap is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoveOptions {
    /// Only this revision.
    pub revision: Option<Revision>,
}

impl Snaps {
    /// The change that removes one snap, or one revision of it.
    pub fn plan_remove(&self, name: &str, options: RemoveOptions) -> Result<Plan, Fault> {
        remove_one(&self.store.world(), name, options)
    }

    /// The change that removes several snaps; names that are not installed are passed over.
    pub fn plan_remove_many(&self, names: &[String]) -> Result<Plan, Fault> {
        remove_many(&self.store.world(), names)
    }
}

pub(super) fn remove_one(world: &World, name: &str, options: RemoveOptions) -> Result<Plan, Fault> {
    let record = world.snap(name).ok_or_else(|| not_installed(name))?;
    let mut plan = Plan::new("remove-snap", format!("Remove {name:?} snap"));
    plan.snaps.push(record.name.clone());
    let tasks = match options.revision {
        Some(revision) if record.revision(revision).is_none() => {
            return Err(Fault::new(
                ErrorKind::SnapNotInstalled,
                format!("revision {revision} of snap {name:?} is not installed"),
            )
            .with(name));
        }
        Some(revision) if record.active && record.current == revision => {
            return Err(Fault::bad(format!(
                "cannot remove active revision {revision} of snap {name:?} (revert first?)"
            )));
        }
        Some(revision) if record.sequence.len() > 1 => discard(&record.name, revision).into(),
        _ => {
            check_unused(world, record, &[])?;
            all(record)
        }
    };
    for task in tasks {
        plan.then(task);
    }
    Ok(plan)
}

pub(super) fn remove_many(world: &World, names: &[String]) -> Result<Plan, Fault> {
    let mut records: Vec<&SnapRecord> = Vec::new();
    for name in names {
        if let Some(record) = world.snap(name)
            && !records.iter().any(|known| known.name == record.name)
        {
            records.push(record);
        }
    }
    let going: Vec<&SnapName> = records.iter().map(|record| &record.name).collect();
    for record in &records {
        check_unused(world, record, &going)?;
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    let mut plan = Plan::new(
        "remove-snap",
        format!("Remove snap{plural} {}", quoted.join(", ")),
    );
    let shown: Vec<&str> = going.iter().map(|name| name.as_str()).collect();
    plan.data.insert(String::from("snap-names"), json!(shown));
    // what stands on a base goes before the base
    sort::by_key(&mut records, |record| is_base(record));
    let mut apps_end = Vec::new();
    for (index, record) in records.into_iter().enumerate() {
        plan.snaps.push(record.name.clone());
        let first = plan.tasks.len();
        for (position, mut task) in all(record).into_iter().enumerate() {
            task.waits = match position {
                0 if is_base(record) => apps_end.clone(),
                0 => Vec::new(),
                _ => vec![first + position - 1],
            };
            task.lanes = vec![index + 1];
            plan.tasks.push(task);
        }
        if !is_base(record) {
            apps_end.push(plan.tasks.len() - 1);
        }
    }
    Ok(plan)
}

fn is_base(record: &SnapRecord) -> bool {
    record
        .info()
        .is_some_and(|info| matches!(info.kind, SnapType::Base | SnapType::Os))
}

/// A base stays while an installed snap stands on it.
fn check_unused(world: &World, record: &SnapRecord, going: &[&SnapName]) -> Result<(), Fault> {
    if !is_base(record) {
        return Ok(());
    }
    let users: Vec<&str> = world
        .snaps
        .values()
        .filter(|other| other.name != record.name && !going.contains(&&other.name))
        .filter(|other| {
            other
                .sequence
                .iter()
                .any(|one| one.info.needed_base() == Some(record.name.as_str()))
        })
        .map(|other| other.name.as_str())
        .collect();
    if users.is_empty() {
        return Ok(());
    }
    Err(Fault::bad(format!(
        "snap {:?} is not removable: snap is being used by snap {}; remove that first.",
        record.name.as_str(),
        users.join(", ")
    )))
}

/// Every task that takes a whole snap away.
fn all(record: &SnapRecord) -> Vec<PlannedTask> {
    let (snap, current) = (&record.name, record.current);
    let name = snap.as_str();
    let setup = Setup::of_current(record);
    let own = |kind, summary: String| PlannedTask::new(kind, summary, json!(setup));
    let mut tasks = Vec::new();
    if record.active {
        tasks.push(own(
            kinds::STOP_SNAP_SERVICES,
            format!("Stop snap {name:?} services"),
        ));
        tasks.push(hook(
            snap,
            "remove",
            format!("Run remove hook of {name:?} snap if present"),
        ));
    }
    tasks.push(own(
        kinds::AUTO_DISCONNECT,
        format!("Disconnect interfaces of snap {name:?}"),
    ));
    if record.active {
        tasks.push(own(
            kinds::REMOVE_ALIASES,
            format!("Remove aliases for snap {name:?}"),
        ));
        tasks.push(own(
            kinds::UNLINK_SNAP,
            format!("Make snap {name:?} unavailable to the system"),
        ));
        tasks.push(own(
            kinds::REMOVE_PROFILES,
            format!("Remove security profile for snap {name:?} ({current})"),
        ));
    }
    let others = record.sequence.iter().map(|one| one.revision).rev();
    for revision in others.filter(|revision| *revision != current).chain([current]) {
        tasks.extend(discard(snap, revision));
    }
    tasks
}
