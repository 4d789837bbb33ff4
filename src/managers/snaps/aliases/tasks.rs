//! The task kinds of aliases. Those that decide which aliases a snap has claim them in the store before they touch a
//! link, so that of two that want one name the second is refused; `setup-aliases` and `remove-aliases` only follow
//! what the store says.

use super::rules::{self, Clash, ClashOf};
use super::{AliasLink, Snaps};
use crate::domain::{Aliases, Change, ChangeId, SnapName, SnapRecord, kinds};
use crate::engine::{Outcome, Probe, Registry, TaskContext, TaskError, TaskKind};
use crate::store::{StoreError, Tx, World};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Under which name a task keeps what it has claimed.
const CLAIMED: &str = "aliases";

/// Adds the task kinds of aliases.
pub(in crate::managers::snaps) fn register(snaps: &Arc<Snaps>, registry: &mut Registry) {
    for kind in [
        kinds::SET_AUTO_ALIASES,
        kinds::ALIAS,
        kinds::UNALIAS,
        kinds::DISABLE_ALIASES,
        kinds::PREFER_ALIASES,
    ] {
        registry.add(EditAliases {
            snaps: Arc::clone(snaps),
            kind,
        });
    }
    for kind in [kinds::SETUP_ALIASES, kinds::REMOVE_ALIASES] {
        registry.add(FollowAliases {
            snaps: Arc::clone(snaps),
            kind,
        });
    }
}

/// What a plan gives these tasks; each kind leaves out what it does not need.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Params {
    snap: SnapName,
    #[serde(default)]
    app: String,
    #[serde(default)]
    alias: String,
    /// What the snap's declaration gives, alias to app. None without one.
    #[serde(default)]
    auto_aliases: BTreeMap<String, String>,
    /// The automatic ones are not to be in force.
    #[serde(default)]
    unaliased: bool,
}

/// What a task has made of one snap's aliases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Edit {
    snap: SnapName,
    before: Aliases,
    after: Aliases,
}

fn record_of<'a>(world: &'a World, snap: &SnapName) -> Result<&'a Arc<SnapRecord>, String> {
    world
        .snap(snap.as_str())
        .ok_or_else(|| format!("snap {:?} is not installed any more", snap.as_str()))
}

/// With the automatic ones in force.
pub(super) fn preferred(aliases: &Aliases) -> Aliases {
    Aliases {
        auto_disabled: false,
        ..aliases.clone()
    }
}

/// What a task of this kind makes of the world. Only snaps whose aliases change are in it.
fn edits(kind: &str, params: &Params, world: &World) -> Result<Vec<Edit>, String> {
    let record = record_of(world, &params.snap)?;
    let (snap, before) = (&record.name, &record.aliases);
    let info = record
        .info()
        .ok_or_else(|| format!("snap {:?} has no current revision", snap.as_str()))?;
    let mut after = match kind {
        kinds::ALIAS => rules::with_manual(info, before, &params.app, &params.alias)?,
        kinds::UNALIAS => rules::without_manual(before, &params.alias)?,
        kinds::DISABLE_ALIASES => rules::disabled(before),
        kinds::PREFER_ALIASES => preferred(before),
        _ => rules::refreshed(info, before, &params.auto_aliases),
    };
    after.auto_disabled |= params.unaliased;
    let mut all = Vec::new();
    match rules::clash(world, snap, &after) {
        Some(Clash::Others(others)) if kind == kinds::PREFER_ALIASES => {
            for other in others.into_keys() {
                let before = record_of(world, &other)?.aliases.clone();
                all.push(Edit {
                    snap: other,
                    after: rules::disabled(&before),
                    before,
                });
            }
        }
        Some(clash) => return Err(ClashOf(snap, &clash).to_string()),
        None => {}
    }
    all.push(Edit {
        snap: snap.clone(),
        before: before.clone(),
        after,
    });
    all.retain(|edit| edit.before != edit.after);
    Ok(all)
}

/// Gives a snap these aliases, if it is there.
fn put(tx: &mut Tx<'_>, snap: &SnapName, aliases: Aliases) -> Result<(), StoreError> {
    let Some(record) = tx.world().snap(snap.as_str()) else {
        return Ok(());
    };
    let mut record = SnapRecord::clone(record);
    record.aliases = aliases;
    tx.put_snap(record)
}

/// The entries of a change's data: every alias that is in force in one state and not, or with another app, in the
/// other.
fn traced(snap: &SnapName, there: &Aliases, not_there: &Aliases) -> Vec<Value> {
    there
        .in_force()
        .filter(|one| !not_there.in_force().any(|other| other == *one))
        .map(|(alias, app)| json!({"snap": snap, "app": app, "alias": alias}))
        .collect()
}

/// Tells in the change's data what was added and removed, or takes that back.
fn trace(tx: &mut Tx<'_>, change: ChangeId, edits: &[Edit], back: bool) -> Result<(), StoreError> {
    let Some(known) = tx.world().change(change) else {
        return Ok(());
    };
    let mut change = Change::clone(known);
    for edit in edits {
        for (key, entries) in [
            ("aliases-added", traced(&edit.snap, &edit.after, &edit.before)),
            ("aliases-removed", traced(&edit.snap, &edit.before, &edit.after)),
        ] {
            let mut list = match change.data.remove(key) {
                Some(Value::Array(list)) => list,
                _ => Vec::new(),
            };
            list.retain(|entry| !entries.contains(entry));
            if !back {
                list.extend(entries);
            }
            if !list.is_empty() {
                change.data.insert(String::from(key), Value::Array(list));
            }
        }
    }
    tx.put_change(change)
}

/// A kind that decides which aliases a snap has.
struct EditAliases {
    snaps: Arc<Snaps>,
    kind: &'static str,
}

impl EditAliases {
    /// The links of a snap if it had these aliases; none while it is disabled. Of a snap between two revisions the
    /// links are the business of `setup-aliases`.
    fn links(&self, world: &World, snap: &SnapName, aliases: &Aliases) -> Vec<AliasLink> {
        let Some(record) = world.snap(snap.as_str()).filter(|record| record.active) else {
            return Vec::new();
        };
        if self.kind == kinds::SET_AUTO_ALIASES {
            return Vec::new();
        }
        self.snaps.alias_links(&SnapRecord {
            aliases: aliases.clone(),
            ..SnapRecord::clone(record)
        })
    }

    /// Makes the links lead from one state to the other: all that go before any that come, because a name may move
    /// from one snap to another.
    fn move_links(&self, world: &World, moves: &[(&SnapName, &Aliases, &Aliases)]) -> Result<(), TaskError> {
        for (snap, from, to) in moves {
            let wanted = self.links(world, snap, to);
            let mut going = self.links(world, snap, from);
            going.retain(|link| !wanted.contains(link));
            self.snaps.unlink_aliases(&going)?;
        }
        for (snap, _, to) in moves {
            self.snaps.link_aliases(&self.links(world, snap, to))?;
        }
        Ok(())
    }

    /// Gives every snap back what it had, less what another snap has claimed since.
    fn take_back(&self, task: &TaskContext, edits: &[Edit]) -> Result<(), TaskError> {
        let (change, list) = (task.change_id(), edits.to_vec());
        let restored: Vec<Aliases> = task.store().commit(move |tx| {
            let mut restored = Vec::new();
            // The last first: what was taken from others for this snap is free again then.
            for edit in list.iter().rev() {
                put(tx, &edit.snap, Aliases::default())?;
                let mut aliases = edit.before.clone();
                while let Some(clash) = rules::clash(tx.world(), &edit.snap, &aliases) {
                    match clash {
                        Clash::Namespace { alias, .. } => drop(aliases.targets.remove(&alias)),
                        Clash::Others(others) => {
                            for alias in others.values().flatten() {
                                aliases.targets.remove(alias);
                            }
                        }
                    }
                }
                put(tx, &edit.snap, aliases.clone())?;
                restored.push(aliases);
            }
            trace(tx, change, &list, true)?;
            restored.reverse();
            Ok(restored)
        })?;
        for (edit, kept) in edits.iter().zip(&restored) {
            for (alias, _) in edit
                .before
                .in_force()
                .filter(|one| !kept.in_force().any(|other| other == *one))
            {
                task.error(format!(
                    "alias {alias:?} of snap {:?} cannot come back: its name is taken",
                    edit.snap.as_str()
                ));
            }
        }
        let moves: Vec<_> = edits
            .iter()
            .zip(&restored)
            .map(|(edit, restored)| (&edit.snap, &edit.after, restored))
            .collect();
        self.move_links(&task.world(), &moves)
    }
}

impl TaskKind for EditAliases {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let params: Params = task.params()?;
        let (kind, change) = (self.kind, task.change_id());
        let claimed = task.memory::<Vec<Edit>>(CLAIMED).is_some();
        if !claimed && edits(kind, &params, &task.world()).map_err(TaskError)?.is_empty() {
            return Ok(Outcome::Done);
        }
        let edits = task.commit_first(CLAIMED, move |tx| {
            let edits = edits(kind, &params, tx.world()).map_err(StoreError::Refused)?;
            for edit in &edits {
                put(tx, &edit.snap, edit.after.clone())?;
            }
            trace(tx, change, &edits, false)?;
            Ok(edits)
        })?;
        let moves: Vec<_> = edits
            .iter()
            .map(|edit| (&edit.snap, &edit.before, &edit.after))
            .collect();
        self.move_links(&task.world(), &moves)
            .or_else(|error| self.take_back(task, &edits).and(Err(error)))?;
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn undo(&self, task: &TaskContext) -> Result<(), TaskError> {
        let edits: Vec<Edit> = task.memory(CLAIMED).unwrap_or_default();
        self.take_back(task, &edits)
    }

    fn probe(&self, task: &TaskContext) -> Probe {
        let world = task.world();
        let Some(claimed) = task.memory::<Vec<Edit>>(CLAIMED) else {
            let nothing = task
                .params::<Params>()
                .is_ok_and(|params| edits(self.kind, &params, &world).is_ok_and(|edits| edits.is_empty()));
            return if nothing { Probe::NoEffect } else { Probe::Absent };
        };
        let is = |pick: fn(&Edit) -> &Aliases| {
            claimed.iter().all(|edit| {
                let known = world.snap(edit.snap.as_str());
                known.is_none_or(|record| record.aliases == *pick(edit))
                    && self
                        .links(&world, &edit.snap, pick(edit))
                        .iter()
                        .all(Snaps::has_alias_link)
            })
        };
        match (is(|edit| &edit.before), is(|edit| &edit.after)) {
            (false, true) => Probe::Present,
            (true, false) => Probe::Absent,
            _ => Probe::Partial,
        }
    }
}

/// `setup-aliases` puts the links of a snap's aliases there, `remove-aliases` takes them away.
struct FollowAliases {
    snaps: Arc<Snaps>,
    kind: &'static str,
}

impl FollowAliases {
    fn links(&self, task: &TaskContext) -> Result<Vec<AliasLink>, TaskError> {
        let params: Params = task.params()?;
        let world = task.world();
        let record = world.snap(params.snap.as_str());
        Ok(record.map_or(Vec::new(), |record| self.snaps.alias_links(record)))
    }

    fn go(&self, task: &TaskContext, set_up: bool) -> Result<(), TaskError> {
        let links = self.links(task)?;
        if set_up {
            self.snaps.link_aliases(&links)?;
        } else {
            self.snaps.unlink_aliases(&links)?;
        }
        Ok(())
    }

    fn sets_up(&self) -> bool {
        self.kind == kinds::SETUP_ALIASES
    }
}

impl TaskKind for FollowAliases {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        self.go(task, self.sets_up())?;
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn undo(&self, task: &TaskContext) -> Result<(), TaskError> {
        self.go(task, !self.sets_up())
    }

    fn probe(&self, task: &TaskContext) -> Probe {
        let links = self.links(task).unwrap_or_default();
        let there = links.iter().filter(|link| Snaps::has_alias_link(link)).count();
        match (links.len(), there) {
            (0, _) => Probe::NoEffect,
            (_, 0) if self.sets_up() => Probe::Absent,
            (_, 0) => Probe::Present,
            (all, there) if all > there => Probe::Partial,
            _ if self.sets_up() => Probe::Present,
            _ => Probe::Absent,
        }
    }
}
