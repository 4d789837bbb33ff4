//! What lives though no service or hook should: the dry run of what a start ends.

use crate::confine::BY_PERSON;
use crate::domain::{Dirs, Finding};
use crate::drivers::cgroup::Tree;
use crate::drivers::process::{self, Marked};
use crate::drivers::units;
use crate::store::World;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;

/// Processes of apps that should not live, and files of services that are not as the store says. `agent_runs` is
/// whether a daemon has the root: without one, no process should be left.
pub fn inspect(dirs: &Dirs, world: &World, agent_runs: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut told = BTreeSet::new();
    if let Some(tree) = Tree::find(dirs.root()) {
        for name in tree.names() {
            let Ok(group) = tree.group(&name) else { continue };
            if group.is_populated() && !is_expected(world, &name, agent_runs) {
                let pids = group.pids();
                findings.push(Finding::system(format!(
                    "processes {pids:?} live in the control group {name}, where none should"
                )));
                told.extend(pids);
            }
        }
    }
    let marked = process::of_owner(&dirs.root().display().to_string());
    for process in marked.iter().filter(|process| !told.contains(&process.pid)) {
        if !agent_runs {
            findings.push(Finding::system(format!(
                "process {} of {} was started by an agent that has ended",
                process.pid, process.name
            )));
        } else if !is_expected(world, &process.name, agent_runs) {
            findings.push(Finding::system(format!(
                "process {} of {} lives, and no service or change needs it",
                process.pid, process.name
            )));
        }
    }
    findings.extend(run_twice(world, &marked));
    if agent_runs {
        for record in world.snaps.values().filter(|record| record.active) {
            let busy = world
                .change_in_progress(std::slice::from_ref(&record.name))
                .is_some();
            let path = dirs.launch(&record.name);
            if !busy && !path.exists() {
                findings.push(Finding::system(format!("{} is missing", path.display())));
            }
        }
    }
    findings.extend(cookies(dirs, world));
    match std::env::current_exe() {
        Ok(launcher) => {
            findings.extend(super::dbus::inspect(dirs, &launcher, world, agent_runs));
            if units::is_here(dirs.root()) {
                findings.extend(super::systemd::inspect(dirs, &launcher, world));
            }
        }
        Err(error) => findings.push(Finding::system(format!("cannot look at units: {error}"))),
    }
    findings
}

/// Rule (e): one start of a service is one run of it. Its other commands run beside it under names of their own.
fn run_twice(world: &World, marked: &[Marked]) -> Vec<Finding> {
    let mut runs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for process in marked.iter().filter(|process| is_service(world, &process.name)) {
        runs.entry(&process.name).or_default().insert(&process.run);
    }
    let several = runs.into_iter().filter(|(_, runs)| runs.len() > 1);
    several
        .map(|(name, runs)| {
            let text = format!(
                "service {name} was started {} times and runs side by side",
                runs.len()
            );
            Finding::new('e', text)
        })
        .collect()
}

/// What may live in the group of that name: a service or a hook while the agent runs, an app that somebody started at
/// any time.
fn is_expected(world: &World, tag: &str, agent_runs: bool) -> bool {
    if is_started_by_people(world, tag) {
        return true;
    }
    let busy = || {
        let snap = tag.split('.').nth(1);
        let mut live = world.changes.values().filter(|change| !change.is_ready());
        live.any(|change| change.snaps.iter().any(|name| Some(name.as_str()) == snap))
    };
    agent_runs && (is_service(world, tag) || busy())
}

/// The tag `snap.NAME.APP`, or one with a word behind it, of a service of an active snap.
fn is_service(world: &World, tag: &str) -> bool {
    let mut parts = tag.split('.').skip(1);
    let (Some(snap), Some(app)) = (parts.next(), parts.next()) else {
        return false;
    };
    world.snap(snap).is_some_and(|record| {
        let info = record.info();
        record.active && info.is_some_and(|info| info.services().any(|service| service.name == app))
    })
}

/// The group `snap.NAME.APP` of an app that is no service, or that of a service's command which somebody started: who
/// started it ends it.
pub(super) fn is_started_by_people(world: &World, tag: &str) -> bool {
    let mut parts = tag.split('.').skip(1);
    let (snap, app) = match (parts.next(), parts.next(), parts.next()) {
        (Some(snap), Some(app), None) => (snap, app),
        (_, _, word) => return word == Some(BY_PERSON),
    };
    let info = world.snap(snap).and_then(|record| record.info());
    info.and_then(|info| info.apps.get(app))
        .is_some_and(|app| !app.is_service())
}

/// Each snap's cookie lies in a file of its own that only root may read (rule f when it does not).
fn cookies(dirs: &Dirs, world: &World) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (cookie, snap) in world.cookies.iter() {
        let path = dirs.cookies().join(format!("snap.{snap}"));
        if world.change_in_progress(std::slice::from_ref(snap)).is_some() {
            continue;
        }
        match std::fs::read_to_string(&path) {
            Ok(text) if text.trim() == cookie => {
                let mode = std::fs::metadata(&path).map_or(0, |about| about.permissions().mode() & 0o777);
                if mode & 0o077 != 0 {
                    findings.push(Finding::new(
                        'f',
                        format!(
                            "{} has mode {mode:o}: it holds a secret and must be 600",
                            path.display()
                        ),
                    ));
                }
            }
            // Another user's file cannot be held against the store.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
            _ => findings.push(Finding::system(format!(
                "{} does not hold the cookie of snap {snap}",
                path.display()
            ))),
        }
    }
    findings
}
