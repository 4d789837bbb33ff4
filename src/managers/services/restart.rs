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

/// It ended as a service that was asked to.
pub fn is_clean(end: End) -> bool {
    match end {
        End::Exited(code) => code == 0,
        End::Signalled(signal) => [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGPIPE]
            .into_iter()
            .any(|clean| clean as i32 == signal),
    }
}

/// Whether a service that ended so is started again.
pub fn is_restarted(condition: RestartCondition, end: End) -> bool {
    let abnormal = matches!(end, End::Signalled(_)) && !is_clean(end);
    match condition {
        RestartCondition::Never | RestartCondition::OnWatchdog => false,
        RestartCondition::Always => true,
        RestartCondition::OnSuccess => is_clean(end),
        RestartCondition::OnFailure => !is_clean(end),
        RestartCondition::OnAbnormal | RestartCondition::OnAbort => abnormal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RestartCondition as R;

    #[test]
    fn conditions() {
        let (well, badly, asked, crash) = (
            End::Exited(0),
            End::Exited(1),
            End::Signalled(15),
            End::Signalled(11),
        );
        let table = [
            (R::Never, [false, false, false, false]),
            (R::OnSuccess, [true, false, true, false]),
            (R::OnFailure, [false, true, false, true]),
            (R::OnAbnormal, [false, false, false, true]),
            (R::OnAbort, [false, false, false, true]),
            (R::OnWatchdog, [false, false, false, false]),
            (R::Always, [true, true, true, true]),
        ];
        for (condition, expected) in table {
            let got = [well, badly, asked, crash].map(|end| is_restarted(condition, end));
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
