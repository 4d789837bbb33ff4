//! What becomes of a snap's aliases, and whether they may be in force: pure functions (contract:
//! snaps-and-assertions, section 4).

use crate::domain::{AliasTarget, Aliases, SnapInfo, SnapName};
use crate::store::World;
use std::collections::BTreeMap;
use std::fmt;

/// An alias leads only to an app that people start.
fn check_app(info: &SnapInfo, alias: &str, app: &str) -> Result<(), String> {
    let why = match info.apps.get(app) {
        None => "does not exist",
        Some(app) if app.is_service() => "is a daemon",
        Some(_) => return Ok(()),
    };
    Err(format!(
        "cannot enable alias {alias:?} for {:?}, target application {app:?} {why}",
        info.name.as_str()
    ))
}

/// With an alias that an operator gives.
pub(super) fn with_manual(
    info: &SnapInfo,
    aliases: &Aliases,
    app: &str,
    alias: &str,
) -> Result<Aliases, String> {
    check_app(info, alias, app)?;
    let mut new = aliases.clone();
    new.targets.entry(alias.to_owned()).or_default().manual = Some(app.to_owned());
    Ok(new)
}

/// Without an alias that an operator gave.
pub(super) fn without_manual(aliases: &Aliases, alias: &str) -> Result<Aliases, String> {
    let mut new = aliases.clone();
    let taken = new.targets.get_mut(alias).and_then(|target| target.manual.take());
    if taken.is_none() {
        return Err(format!("there is no manual alias {alias:?} any more"));
    }
    new.targets.retain(|_, target| *target != AliasTarget::default());
    Ok(new)
}

/// None in force any more: manual ones are forgotten, automatic ones kept for later.
pub(super) fn disabled(aliases: &Aliases) -> Aliases {
    let mut new = aliases.clone();
    for target in new.targets.values_mut() {
        target.manual = None;
    }
    new.targets.retain(|_, target| *target != AliasTarget::default());
    new.auto_disabled = true;
    new
}

/// As a revision has them: the automatic ones as declared, and none whose app is gone.
pub(super) fn refreshed(info: &SnapInfo, aliases: &Aliases, declared: &BTreeMap<String, String>) -> Aliases {
    let stays = |alias: &str, app: &String| check_app(info, alias, app).is_ok();
    let mut targets: BTreeMap<String, AliasTarget> = BTreeMap::new();
    for (alias, target) in &aliases.targets {
        if let Some(app) = target.manual.as_ref().filter(|app| stays(alias, app)) {
            targets.entry(alias.clone()).or_default().manual = Some(app.clone());
        }
    }
    for (alias, app) in declared {
        if stays(alias, app) {
            targets.entry(alias.clone()).or_default().auto = Some(app.clone());
        }
    }
    Aliases {
        targets,
        auto_disabled: aliases.auto_disabled,
    }
}

/// Why aliases of a snap may not be in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Clash {
    /// The alias is the name of a command that an installed snap may have.
    Namespace { alias: String, snap: SnapName },
    /// Other snaps have these.
    Others(BTreeMap<SnapName, Vec<String>>),
}

/// What keeps `aliases` of `snap` from being in force in this world.
pub(super) fn clash(world: &World, snap: &SnapName, aliases: &Aliases) -> Option<Clash> {
    let mut others: BTreeMap<SnapName, Vec<String>> = BTreeMap::new();
    for (alias, _) in aliases.in_force() {
        let namespace = alias.split('.').next().unwrap_or(alias);
        if let Some(record) = world.snap(namespace) {
            return Some(Clash::Namespace {
                alias: alias.to_owned(),
                snap: record.name.clone(),
            });
        }
        for other in world.snaps.values().filter(|other| other.name != *snap) {
            let theirs = other.aliases.targets.get(alias);
            if theirs.is_some_and(|target| other.aliases.effective(target).is_some()) {
                others
                    .entry(other.name.clone())
                    .or_default()
                    .push(alias.to_owned());
            }
        }
    }
    (!others.is_empty()).then_some(Clash::Others(others))
}

/// The sentence for a clash of the aliases of a snap.
pub(super) struct ClashOf<'a>(pub &'a SnapName, pub &'a Clash);

impl fmt::Display for ClashOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(snap, clash) = self;
        let snap = snap.as_str();
        match clash {
            Clash::Namespace { alias, snap: other } => write!(
                f,
                "cannot enable alias {alias:?} for {snap:?}, it conflicts with the command namespace of installed snap {:?}",
                other.as_str()
            ),
            Clash::Others(others) => {
                f.write_str("cannot enable")?;
                for (index, (other, aliases)) in others.iter().enumerate() {
                    let quoted: Vec<String> = aliases.iter().map(|alias| format!("{alias:?}")).collect();
                    let plural = if aliases.len() == 1 { "alias" } else { "aliases" };
                    let before = if index == 0 { "" } else { " nor" };
                    write!(f, "{before} {plural} {}", quoted.join(", "))?;
                    if index == 0 {
                        write!(f, " for {snap:?},")?;
                    }
                    write!(f, " already enabled for {:?}", other.as_str())?;
                }
                Ok(())
            }
        }
    }
}

/// The alias of another snap that stands in the way of a new snap's commands, and that snap.
pub(in crate::managers::snaps) fn in_the_way<'a>(
    world: &'a World,
    snap: &SnapName,
) -> Option<(&'a str, &'a SnapName)> {
    world
        .snaps
        .values()
        .filter(|other| other.name != *snap)
        .find_map(|other| {
            let mut aliases = other.aliases.in_force();
            let (alias, _) = aliases.find(|(alias, _)| alias.split('.').next() == Some(snap.as_str()))?;
            Some((alias, &other.name))
        })
}
