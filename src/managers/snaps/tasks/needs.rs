//! What must be there before a snap, and kinds that change nothing.

use crate::domain::kinds;
use crate::drivers::fs;
use crate::engine::{Outcome, Probe, TaskContext, TaskError, TaskKind};
use crate::managers::snaps::params;
use std::time::Duration;

/// Features that a snap may assume and that are here (contract: snaps-and-assertions, section 1).
const FEATURES: [&str; 5] = [
    "common-data-dir",
    "snap-env",
    "command-chain",
    "app-refresh-mode",
    "snap-uid-envvars",
];
/// The level of snapd that this agent answers at.
const LEVEL: [u32; 3] = [2, 57, 6];
/// How soon to look again while another change installs the base.
const BASE_DELAY: Duration = Duration::from_millis(500);

/// `prerequisites`: the base is there and what the snap assumes holds. Nothing is fetched from anywhere.
pub(super) struct Prerequisites;

impl TaskKind for Prerequisites {
    fn kind(&self) -> &'static str {
        kinds::PREREQUISITES
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let needs: params::Prerequisites = task.params()?;
        let unmet: Vec<&str> = needs
            .assumes
            .iter()
            .map(String::as_str)
            .filter(|feature| !is_met(feature))
            .collect();
        if !unmet.is_empty() {
            return Err(TaskError::new(format!(
                "snap {:?} assumes unsupported features: {} (try to refresh snapd)",
                needs.snap.as_str(),
                unmet.join(", ")
            )));
        }
        let Some(base) = &needs.base else {
            return Ok(Outcome::Done);
        };
        let world = task.world();
        if world.snap(base).is_some_and(|record| record.active) {
            return Ok(Outcome::Done);
        }
        let coming = world.changes.values().any(|change| {
            change.id != task.change_id()
                && !change.is_ready()
                && matches!(change.kind.as_str(), "install-snap" | "try-snap")
                && change.snaps.iter().any(|snap| snap.as_str() == base)
        });
        if coming {
            return Ok(Outcome::Retry(BASE_DELAY));
        }
        let advice = match world.snap(base) {
            Some(_) => "enable it",
            None => "install it from its file first",
        };
        Err(TaskError::new(format!(
            "snap {:?} needs its base {base:?}, which is not there: {advice}",
            needs.snap.as_str()
        )))
    }

    fn can_undo(&self) -> bool {
        false
    }

    fn probe(&self, _task: &TaskContext) -> Probe {
        Probe::NoEffect
    }

    /// An upload that no task took over is in nobody's way any more.
    fn cleanup(&self, task: &TaskContext) {
        let uploads: Vec<_> = task
            .change()
            .iter()
            .flat_map(|change| &change.tasks)
            .filter_map(|task| task.params.get("upload")?.as_str().map(std::path::PathBuf::from))
            .collect();
        for upload in uploads {
            if let Err(error) = fs::remove_file(&upload) {
                log::warn!("a left-over upload stays: {}", error.in_full());
            }
        }
    }
}

/// A feature word, or `snapdX.Y[.Z]`.
fn is_met(feature: &str) -> bool {
    let Some(version) = feature.strip_prefix("snapd").filter(|rest| !rest.is_empty()) else {
        return FEATURES.contains(&feature);
    };
    let number = |part: &str| part.parse().ok().filter(|_| !part.starts_with('+'));
    let parts: Option<Vec<u32>> = version.split('.').map(number).collect();
    parts.is_some_and(|parts| parts.len() <= LEVEL.len() && parts.as_slice() <= LEVEL.as_slice())
}

/// Kinds of the contract that have nothing to do here: an install leaves nothing behind to clean up.
pub(super) const NO_EFFECT: [&str; 1] = [kinds::CLEANUP];

/// A kind without effect.
pub(super) struct NoEffect(pub &'static str);

impl TaskKind for NoEffect {
    fn kind(&self) -> &'static str {
        self.0
    }

    fn perform(&self, _task: &TaskContext) -> Result<Outcome, TaskError> {
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        false
    }

    fn probe(&self, _task: &TaskContext) -> Probe {
        Probe::NoEffect
    }
}

#[cfg(test)]
mod tests {
    use super::is_met;

    #[test]
    fn assumptions() {
        for met in [
            "snapd2.57",
            "snapd2.57.6",
            "snapd2.8",
            "snap-env",
            "command-chain",
        ] {
            assert!(is_met(met), "{met}");
        }
        for unmet in [
            "snapd2.58",
            "snapd3",
            "snapd2.57.7",
            "snapd",
            "snapdx",
            "snapd+2.1",
            "snapd2.1.1.1",
            "kernel-assets",
            "",
        ] {
            assert!(!is_met(unmet), "{unmet}");
        }
    }
}
