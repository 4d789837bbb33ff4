//! The end of a service: by itself, because it was silent, or because somebody asked.

use super::begin::kill_all;
use super::{Main, Running, State, Unit};
use crate::domain::{Fault, names, work};
use crate::drivers::process::{self, End};
use crate::managers::services::board::Activity;
use crate::managers::services::restart::Outcome;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// How long a service may take to stop, unless it says otherwise (contract: snaps-and-assertions, section 1).
const LIMIT: Duration = Duration::from_secs(30);

impl Unit {
    fn stop_limit(&self) -> Duration {
        self.app.stop_timeout.map_or(LIMIT, Duration::from_millis)
    }

    /// It ended by itself.
    pub(super) async fn ended(&mut self, running: Box<Running>, outcome: Outcome) -> State {
        kill_all(running.service.family()).await;
        self.log.write(0, &format!("[ended: {outcome}]"));
        self.post_stop().await;
        self.again(outcome, &outcome.to_string()).await
    }

    /// Its watchdog heard nothing: it is ended in a way that leaves a trace of where it hangs.
    pub(super) async fn silent(&mut self, mut running: Box<Running>) -> State {
        self.log.write(0, &format!("[ended: {}]", Outcome::Watchdog));
        running.signal_main(Signal::SIGABRT);
        // Who hangs may not even end by this.
        let _ = timeout(self.stop_limit(), running.gone()).await;
        if running.starting.is_some() {
            return self.fail(running, Outcome::Watchdog, None).await;
        }
        self.ended(running, Outcome::Watchdog).await
    }

    /// Stops what runs: its own command, its signal, and after its time whatever still lives.
    pub(super) async fn stop(&mut self, mut running: Box<Running>) {
        self.note(Activity::Stopping, None);
        let limit = self.stop_limit();
        let until = Instant::now() + limit;
        if self.app.stop_command.is_some()
            && running.starting.is_none()
            && let Err(fault) = self.command("stop", limit).await
        {
            self.log.write(0, &format!("[{fault}]"));
        }
        let (signal, all) = stop_signal(&self.app.stop_mode);
        let family = running.service.family().clone();
        if all || running.main == Main::Family {
            family.signal(signal);
        } else {
            running.signal_main(signal);
        }
        let over = async {
            running.gone().await;
            // A service that stops all of its processes gives each the chance to end by itself.
            if all {
                family.emptied().await;
            }
        };
        if timeout_at(until, over).await.is_err() {
            self.log.write(0, "[killed: it did not stop in time]");
        }
        kill_all(&family).await;
        // Its first process is ours to wait for.
        let _ = timeout(Duration::from_secs(2), running.service.ended()).await;
        self.post_stop().await;
        if let Some(starting) = running.starting {
            self.refuse(starting.waiting, "it was stopped before it was up");
        }
    }

    /// Undoes what a oneshot did.
    pub(super) async fn undo_oneshot(&mut self) {
        self.note(Activity::Stopping, None);
        if let Err(fault) = self.command("stop", self.stop_limit()).await {
            self.log.write(0, &format!("[{fault}]"));
        }
        self.post_stop().await;
    }

    pub(super) async fn post_stop(&self) {
        if self.app.post_stop_command.is_some()
            && let Err(fault) = self.command("post-stop", LIMIT).await
        {
            self.log.write(0, &format!("[{fault}]"));
        }
    }

    /// Runs one of the service's other commands to its end.
    pub(super) async fn command(&self, command: &'static str, limit: Duration) -> Result<(), Fault> {
        let failed = |reason: String| {
            Fault::internal(format!(
                "the {command} command of service {:?} failed: {reason}",
                names::app_command(self.snap.as_str(), &self.app.name)
            ))
        };
        let job = self
            .job(Some(command))
            .map_err(|error| failed(error.to_string()))?;
        let run = work::blocking(move || process::run(&job, limit, None))
            .await
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(error.to_string()))?;
        self.log.write(0, &process::text(&run.output));
        match run.reason {
            process::Reason::Ended(End::Exited(0)) => Ok(()),
            process::Reason::Ended(end) => Err(failed(end.to_string())),
            process::Reason::TimedOut | process::Reason::Aborted => {
                Err(failed(String::from("it took too long")))
            }
        }
    }
}

impl Running {
    fn signal_main(&self, signal: Signal) {
        match self.main {
            Main::Leader => self.service.family().signal_leader(signal),
            // It was one of the service's when it was named; its number may be another's by now.
            Main::Named { pid, .. } if self.service.family().contains(pid) => {
                let _ = kill(Pid::from_raw(pid), signal);
            }
            Main::Named { .. } => {}
            Main::Family => self.service.family().signal(signal),
        }
    }

    /// Waits for the end of its main process.
    async fn gone(&mut self) {
        match self.main {
            Main::Leader => {
                let _ = self.service.ended().await;
            }
            Main::Named { pid, .. } => process::gone(pid).await,
            Main::Family => self.service.family().emptied().await,
        }
    }
}

/// The signal of a stop-mode, and whether all processes get it (contract: snaps-and-assertions, section 1).
fn stop_signal(mode: &str) -> (Signal, bool) {
    let (name, all) = match mode.strip_suffix("-all") {
        Some(name) => (name, true),
        None => (mode, mode.is_empty()),
    };
    let signal = match name {
        "sighup" => Signal::SIGHUP,
        "sigusr1" => Signal::SIGUSR1,
        "sigusr2" => Signal::SIGUSR2,
        "sigint" => Signal::SIGINT,
        _ => Signal::SIGTERM,
    };
    (signal, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_modes() {
        for (mode, expected) in [
            ("", (Signal::SIGTERM, true)),
            ("sigterm", (Signal::SIGTERM, false)),
            ("sigterm-all", (Signal::SIGTERM, true)),
            ("sighup", (Signal::SIGHUP, false)),
            ("sighup-all", (Signal::SIGHUP, true)),
            ("sigusr1", (Signal::SIGUSR1, false)),
            ("sigusr1-all", (Signal::SIGUSR1, true)),
            ("sigusr2", (Signal::SIGUSR2, false)),
            ("sigusr2-all", (Signal::SIGUSR2, true)),
            ("sigint", (Signal::SIGINT, false)),
            ("sigint-all", (Signal::SIGINT, true)),
        ] {
            assert_eq!(stop_signal(mode), expected, "{mode}");
        }
    }
}
