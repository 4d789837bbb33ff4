//! Aliases: other names for the commands of snaps (contract: v2, Aliases; snaps-and-assertions, section 4).
//!
//! The store says which are in force; of an active snap each has a link in the folder of wrappers.

pub(super) mod rules;
pub(super) mod tasks;
#[cfg(test)]
mod tests;

use super::{Snaps, not_installed};
use crate::domain::{AliasTarget, Fault, Plan, PlannedTask, SnapName, SnapRecord, kinds, names};
use crate::drivers::fs::{self, FileError};
use rules::Clash;
use serde_json::json;
use std::path::PathBuf;

/// How an alias came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasStatus {
    Manual,
    Auto,
    /// It is declared, and not in force.
    Disabled,
}

/// One alias of a snap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasView {
    pub snap: SnapName,
    pub alias: String,
    /// The command that it leads to.
    pub command: String,
    pub status: AliasStatus,
    pub target: AliasTarget,
}

/// A link in the folder of wrappers, and the command that it leads to.
pub(super) type AliasLink = (PathBuf, String);

impl Snaps {
    /// Every alias, by snap and name.
    pub fn aliases(&self) -> Vec<AliasView> {
        let world = self.store.world();
        let all = world.snaps.values().flat_map(|record| {
            record
                .aliases
                .targets
                .iter()
                .map(|(alias, target)| view(record, alias, target))
        });
        all.collect()
    }

    /// The change that gives an app an alias. Whether it may have it is found out by its task, as the contract has it.
    pub fn plan_alias(&self, snap: &str, app: &str, alias: &str) -> Result<Plan, Fault> {
        if !names::is_alias(alias) {
            return Err(Fault::bad(format!(
                "invalid alias name: {alias:?}; use letters, digits, dots, dashes and underscores, the first a letter or digit"
            )));
        }
        self.change_of(
            snap,
            (
                kinds::ALIAS,
                format!("Setup alias {alias:?} => {app:?} for snap {snap:?}"),
            ),
            format!("Setup manual alias {alias:?} => {app:?} for snap {snap:?}"),
            json!({"app": app, "alias": alias}),
        )
    }

    /// The change that takes an alias away, or all of a snap: what `name` is when both are the same is found out.
    pub fn plan_unalias(&self, snap: &str, alias: &str) -> Result<Plan, Fault> {
        let world = self.store.world();
        let of_snap = !snap.is_empty() && (snap != alias || world.snap(snap).is_some());
        if of_snap {
            return self.change_of(
                snap,
                (kinds::UNALIAS, format!("Disable all aliases for snap {snap:?}")),
                format!("Disable aliases for snap {snap:?}"),
                json!({}),
            );
        }
        let owner = world.snaps.values().find(|record| {
            let target = record.aliases.targets.get(alias);
            target.is_some_and(|target| target.manual.is_some())
        });
        let owner =
            owner.ok_or_else(|| Fault::bad(format!("cannot find manual alias {alias:?} in any snap")))?;
        let text = format!("Remove manual alias {alias:?} for snap {:?}", owner.name.as_str());
        self.change_of(
            owner.name.as_str(),
            (kinds::UNALIAS, text.clone()),
            text,
            json!({ "alias": alias }),
        )
    }

    /// The change that puts the automatic aliases of a snap in force, whatever others have.
    pub fn plan_prefer(&self, snap: &str) -> Result<Plan, Fault> {
        self.change_of(
            snap,
            (kinds::PREFER_ALIASES, format!("Prefer aliases of snap {snap:?}")),
            format!("Prefer aliases for snap {snap:?}"),
            json!({}),
        )
    }

    /// A change of one task about the aliases of a snap.
    fn change_of(
        &self,
        snap: &str,
        (kind, summary): (&'static str, String),
        task: String,
        mut params: serde_json::Value,
    ) -> Result<Plan, Fault> {
        let world = self.store.world();
        let record = world.snap(snap).ok_or_else(|| not_installed(snap))?;
        params["snap"] = json!(record.name);
        // The contract's names of the changes are those of the requests.
        let (change, kind) = match kind {
            kinds::UNALIAS if params.get("alias").is_none() => ("unalias", kinds::DISABLE_ALIASES),
            kinds::PREFER_ALIASES => ("prefer", kind),
            kind => (kind, kind),
        };
        let mut plan = Plan::new(change, summary);
        plan.snaps.push(record.name.clone());
        if kind == kinds::PREFER_ALIASES
            && let Some(Clash::Others(others)) =
                rules::clash(&world, &record.name, &tasks::preferred(&record.aliases))
        {
            // What it takes from others must not meet a change of theirs.
            plan.snaps.extend(others.into_keys());
        }
        plan.then(PlannedTask::new(kind, task, params));
        Ok(plan)
    }

    /// The links of a snap's aliases that are in force, whether or not the snap is enabled.
    pub(super) fn alias_links(&self, record: &SnapRecord) -> Vec<AliasLink> {
        let snap = record.name.as_str();
        record
            .aliases
            .in_force()
            .map(|(alias, app)| (self.dirs.snap_bin().join(alias), names::app_command(snap, app)))
            .collect()
    }

    pub(super) fn has_alias_link((path, command): &AliasLink) -> bool {
        std::fs::read_link(path).is_ok_and(|target| target.as_os_str() == command.as_str())
    }

    /// Puts links there.
    fn link_aliases(&self, links: &[AliasLink]) -> Result<(), FileError> {
        if !links.is_empty() {
            fs::make_dir(&self.dirs.snap_bin(), 0o755)?;
        }
        for (path, command) in links {
            fs::link_atomic(command.as_ref(), path)?;
        }
        Ok(())
    }

    /// Takes links away; one that leads elsewhere is another snap's.
    fn unlink_aliases(&self, links: &[AliasLink]) -> Result<(), FileError> {
        for link in links.iter().filter(|link| Self::has_alias_link(link)) {
            fs::remove_file(&link.0)?;
        }
        Ok(())
    }
}

fn view(record: &SnapRecord, alias: &str, target: &AliasTarget) -> AliasView {
    let (status, app) = match (record.aliases.effective(target), &target.manual) {
        (Some(app), Some(_)) => (AliasStatus::Manual, app),
        (Some(app), None) => (AliasStatus::Auto, app),
        (None, _) => (AliasStatus::Disabled, target.auto.as_deref().unwrap_or_default()),
    };
    AliasView {
        snap: record.name.clone(),
        alias: alias.to_owned(),
        command: names::app_command(record.name.as_str(), app),
        status,
        target: target.clone(),
    }
}
