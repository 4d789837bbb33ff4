//! Makes the system equal to the store at start; `pinion check` is its dry run (decision 24).

use super::Managers;
use super::services;
use super::snaps::{Discrepancy, Snaps};
use crate::domain::{Dirs, Finding, work};
use crate::store::World;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Mends whatever differs: mounts and links first, then lines, then cookies, then the services that need all of these. When the store was
/// `restored` from a backup, what it does not know is kept: it may be newer than the backup. `taken_away` is told when
/// nothing is mounted any more that must not be.
pub async fn reconcile(
    managers: Arc<Managers>,
    world: Arc<World>,
    restored: bool,
    taken_away: oneshot::Sender<()>,
) {
    let (snaps, seen) = (Arc::clone(&managers.snaps), Arc::clone(&world));
    let disk = work::blocking(move || mend_disk(&snaps, &seen, restored, taken_away));
    if let Err(error) = disk.await {
        log::error!("the snaps could not be looked at: {error}");
    }
    let targets = managers.interfaces.targets(&world);
    for (connection, fault) in managers.hardware.restore(&targets) {
        log::error!("{connection}: {fault}");
    }
    managers.settings.reconcile(&world);
    managers.services.reconcile(&world).await;
}

fn mend_disk(snaps: &Snaps, world: &World, restored: bool, taken_away: oneshot::Sender<()>) {
    if let Err(error) = snaps.sweep_uploads() {
        log::warn!("{}", error.in_full());
    }
    snaps.sweep_mounts();
    let mut differences = snaps.missing_in_changes(world);
    differences.extend(snaps.inspect(world, false));
    let (strays, rest): (Vec<_>, Vec<_>) = differences
        .into_iter()
        .partition(|difference| difference.repair.takes_away());
    mend(snaps, &strays, restored);
    // Who waited may have gone on.
    let _ = taken_away.send(());
    mend(snaps, &rest, restored);
}

fn mend(snaps: &Snaps, differences: &[Discrepancy], restored: bool) {
    for difference in differences {
        if restored && difference.repair.takes_away() {
            log::warn!("{}; it is kept, because the state is a backup", difference.what);
            continue;
        }
        match snaps.repair(difference) {
            Ok(()) => log::info!("{}: mended", difference.what),
            Err(error) if error == difference.what => snaps.warn(error),
            Err(error) => snaps.warn(format!("{}: {error}", difference.what)),
        }
    }
}

/// What differs, without mending it. Works from another process than the agent's.
pub fn inspect(snaps: &Snaps, dirs: &Dirs, world: &World, deep: bool, agent_runs: bool) -> Vec<Finding> {
    // An agent that ends detaches what it mounted below a root of its own.
    let detached = !agent_runs && !dirs.is_host();
    let disk = snaps.inspect(world, deep);
    let mut findings: Vec<Finding> = disk
        .into_iter()
        .filter(|difference| !(detached && difference.repair.mounts()))
        .map(|difference| Finding::new(difference.repair.rule(), difference.what))
        .collect();
    findings.extend(services::inspect(dirs, world, agent_runs));
    findings
}
