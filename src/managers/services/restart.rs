//! When a service that ended is started again, and when it is given up.

use crate::domain::snap::RestartCondition;
use crate::drivers::process::End;
use nix::sys::signal::Signal;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// So many starts …
const BURST: usize = 5;

/// … in this time are a crash loop (systemd's default, which snaps are written for).
const WINDOW: Duration = Duration::from_secs(10);

/// The latest starts of a service.
#[derive(Debug, Default)]
pub struct Attempts(VecDeque<Instant>);

impl Attempts {
    /// It is being started.
    pub fn count(&mut self, now: Instant) {
        self.0.push_back(now);
        if self.0.len() > BURST {
            self.0.pop_front();
        }
    }

    /// It has not been started too often of late.
    pub fn may_restart(&self, now: Instant) -> bool {
        let recent = self.0.iter().filter(|start| now.duration_since(**start) < WINDOW);
        recent.count() < BURST
    }
}

/// How a service came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    By(End),
    /// Nobody saw how: its processes were not the agent's children. A service that goes without being asked to has
    /// failed.
    Unseen,
    /// It was not up in time.
    Timeout,
    /// Its watchdog was silent.
    Watchdog,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::By(end) => end.fmt(f),
            Self::Unseen => f.write_str("all of its processes are gone"),
            Self::Timeout => f.write_str("it took longer than its start-timeout"),
            Self::Watchdog => f.write_str("it did not say WATCHDOG=1 in its watchdog-timeout"),
        }
    }
}

impl Outcome {
    /// It ended as a service that was asked to.
    pub fn is_clean(self) -> bool {
        match self {
            Self::By(End::Exited(code)) => code == 0,
            Self::By(End::Signalled(signal)) => {
                [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGPIPE]
                    .into_iter()
                    .any(|clean| clean as i32 == signal)
            }
            Self::Unseen | Self::Timeout | Self::Watchdog => false,
        }
    }
}

/// Whether a service that ended so is started again.
pub fn is_restarted(condition: RestartCondition, outcome: Outcome) -> bool {
    let killed = matches!(outcome, Outcome::By(End::Signalled(_))) && !outcome.is_clean();
    match condition {
        RestartCondition::Never => false,
        RestartCondition::Always => true,
        RestartCondition::OnSuccess => outcome.is_clean(),
        RestartCondition::OnFailure => !outcome.is_clean(),
        RestartCondition::OnAbnormal => killed || matches!(outcome, Outcome::Timeout | Outcome::Watchdog),
        RestartCondition::OnAbort => killed,
        RestartCondition::OnWatchdog => outcome == Outcome::Watchdog,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RestartCondition as R;

    /// systemd.service(5), "Exit causes and the effect of the Restart= settings", which snaps are written for.
    #[test]
    fn conditions() {
        let outcomes = [
            Outcome::By(End::Exited(0)),
            Outcome::By(End::Signalled(15)),
            Outcome::By(End::Exited(1)),
            Outcome::By(End::Signalled(11)),
            Outcome::Timeout,
            Outcome::Watchdog,
            Outcome::Unseen,
        ];
        let table = [
            (R::Never, [false, false, false, false, false, false, false]),
            (R::OnSuccess, [true, true, false, false, false, false, false]),
            (R::OnFailure, [false, false, true, true, true, true, true]),
            (R::OnAbnormal, [false, false, false, true, true, true, false]),
            (R::OnAbort, [false, false, false, true, false, false, false]),
            (R::OnWatchdog, [false, false, false, false, false, true, false]),
            (R::Always, [true, true, true, true, true, true, true]),
        ];
        for (condition, expected) in table {
            let got = outcomes.map(|outcome| is_restarted(condition, outcome));
            assert_eq!(got, expected, "{condition:?}");
        }
    }

    #[tokio::test]
    async fn a_crash_loop_is_bounded() {
        let now = Instant::now();
        let mut attempts = Attempts::default();
        for _ in 0..4 {
            attempts.count(now);
        }
        assert!(attempts.may_restart(now));
        attempts.count(now);
        assert!(!attempts.may_restart(now));
        assert!(attempts.may_restart(now + WINDOW));
    }
}
