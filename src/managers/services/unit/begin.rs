//! The start of a service.

use super::{How, Main, Reply, Running, Starting, State, Unit, answer};
use crate::confine::tag_of_app;
use crate::domain::snap::{AppInfo, Daemon};
use crate::domain::{Fault, names, work};
use crate::drivers::process::{self, End, Job, Service};
use crate::drivers::{bus, process::Family};
use crate::managers::services::activation::is_activated;
use crate::managers::services::board::Activity;
use crate::managers::services::ready::NotifySocket;
use crate::managers::services::restart::{Attempts, Outcome};
use futures_util::future::BoxFuture;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a service may take to say that it is ready, or to fork, unless it says otherwise.
pub const LIMIT: Duration = Duration::from_secs(90);

impl Unit {
    /// Starts it because somebody asked; one that is activated only begins to wait.
    pub(super) async fn begin(&mut self, app: Arc<AppInfo>, how: How, reply: Reply) -> State {
        self.attempts = Attempts::default();
        let waits = how != How::Now && is_activated(&app);
        self.app = app;
        if !waits {
            return self.start(vec![reply], how == How::WithAgent).await;
        }
        let app = Arc::clone(&self.app);
        let armed = self.arm(&app).await;
        self.note(Activity::Inactive, None);
        answer(reply, armed);
        State::Down
    }

    /// Starts it; `again` says whether a failure is tried again.
    pub(super) async fn start(&mut self, waiting: Vec<Reply>, again: bool) -> State {
        self.attempts.count(Instant::now());
        self.note(Activity::Starting, None);
        match self.try_start() {
            Ok((service, notify)) => {
                let mut running = Box::new(Running {
                    service,
                    starting: Some(Starting {
                        until: self.start_limit().map(|limit| Instant::now() + limit),
                        waiting,
                        named: self.bus_name(),
                        again,
                    }),
                    notify,
                    alive_until: None,
                    main: Main::Leader,
                });
                let named = running
                    .starting
                    .as_ref()
                    .is_some_and(|starting| starting.named.is_some());
                match self.app.daemon {
                    Some(Daemon::Oneshot | Daemon::Forking | Daemon::Notify) => {}
                    Some(Daemon::Dbus) if named => {}
                    Some(Daemon::Simple | Daemon::Dbus) | None => self.is_up(&mut running),
                }
                State::Running(running)
            }
            // Nothing would change at another try.
            Err(error) => {
                let reason = error.to_string();
                self.note(Activity::Failed, Some(&reason));
                self.refuse(waiting, &reason);
                if self.armed.is_some() {
                    self.disarm();
                    self.warn(&reason).await;
                }
                State::Down
            }
        }
    }

    fn try_start(&mut self) -> io::Result<(Service, Option<NotifySocket>)> {
        let speaks =
            self.app.daemon == Some(Daemon::Notify) || self.app.watchdog_timeout.is_some_and(|t| t > 0);
        let notify = speaks
            .then(|| NotifySocket::bind(&self.snap, &self.app.name))
            .transpose()?;
        let mut job = self.job(None)?;
        if let Some(notify) = &notify {
            job.env.push(process::variable("NOTIFY_SOCKET", notify.address()));
        }
        if let Some(limit) = self.app.watchdog_timeout.filter(|limit| *limit > 0) {
            let limit = limit.saturating_mul(1000).to_string();
            job.env.push(process::variable("WATCHDOG_USEC", limit));
        }
        if let Some(armed) = &self.armed {
            job.passed = armed.sockets();
            if !job.passed.is_empty() {
                // The launcher, which has the service's process id, adds LISTEN_PID.
                let count = job.passed.len().to_string();
                job.env.push(process::variable("LISTEN_FDS", count));
                job.env.push(process::variable("LISTEN_FDNAMES", armed.names()));
            }
        }
        let mut service = Service::start(&job)?;
        let leader = service.family().leader();
        if let Some(output) = service.take_output() {
            let log = self.log.clone();
            work::spawn(Box::pin(async move { log.copy(output, leader).await }));
        }
        Ok((service, notify))
    }

    /// Waits for the bus name of a service that promises one. Where there is no bus, that is said, and nobody waits.
    fn bus_name(&self) -> Option<BoxFuture<'static, io::Result<()>>> {
        if self.app.daemon != Some(Daemon::Dbus) {
            return None;
        }
        let path = self.around.dirs.bus();
        let Some(name) = self.app.bus_name.clone() else {
            self.log.write(0, "[it promises no bus-name: it counts as up]");
            return None;
        };
        if !path.exists() {
            let text = format!(
                "[there is no bus at {}: it counts as up without the name {name}]",
                path.display()
            );
            self.log.write(0, &text);
            return None;
        }
        Some(Box::pin(async move { bus::owned(&path, &name).await }))
    }

    /// How long its start may take; a oneshot without a limit takes as long as it takes.
    fn start_limit(&self) -> Option<Duration> {
        let own = self.app.start_timeout.map(Duration::from_millis);
        match self.app.daemon {
            Some(Daemon::Oneshot) => own,
            _ => Some(own.unwrap_or(LIMIT)),
        }
    }

    /// A oneshot is up when it has ended well; it stays "active" when it has a command to stop it.
    pub(super) async fn oneshot_ended(&mut self, running: Box<Running>, end: End) -> State {
        if !end.is_success() {
            return self.fail(running, Outcome::By(end), None).await;
        }
        kill_all(running.service.family()).await;
        let stays = self.app.stop_command.is_some();
        if !stays {
            self.post_stop().await;
        }
        self.note(
            if stays {
                Activity::Exited
            } else {
                Activity::Inactive
            },
            None,
        );
        for reply in running.starting.into_iter().flat_map(|starting| starting.waiting) {
            answer(reply, Ok(()));
        }
        if stays { State::Exited } else { State::Down }
    }

    /// It did not come up.
    pub(super) async fn fail(
        &mut self,
        running: Box<Running>,
        outcome: Outcome,
        what: Option<&str>,
    ) -> State {
        let reason = what.map_or_else(|| outcome.to_string(), str::to_owned);
        kill_all(running.service.family()).await;
        self.log.write(0, &format!("[did not start: {reason}]"));
        self.post_stop().await;
        let Some(starting) = running.starting else {
            return State::Down;
        };
        let asked = !starting.waiting.is_empty();
        let state = if asked && !starting.again {
            // Who asked for the start is told, and decides.
            self.note(Activity::Failed, Some(&reason));
            State::Down
        } else {
            self.again(outcome, &reason).await
        };
        self.refuse(starting.waiting, &reason);
        state
    }

    /// Tells who waits that it does not start.
    pub(super) fn refuse(&self, waiting: Vec<Reply>, reason: &str) {
        for reply in waiting {
            answer(
                reply,
                Err(Fault::internal(format!(
                    "cannot start service {:?} of snap {:?}: {reason}; see what it printed with `pinion logs {}`",
                    self.app.name,
                    self.snap.as_str(),
                    names::app_command(self.snap.as_str(), &self.app.name)
                ))),
            );
        }
    }

    /// How one of its commands is started.
    pub(super) fn job(&self, command: Option<&str>) -> io::Result<Job> {
        let mut args = vec!["run".into(), "--root".into(), self.around.dirs.root().into()];
        args.push("--service".into());
        let mut tag = tag_of_app(&self.snap, &self.app.name);
        if let Some(command) = command {
            args.push("--command".into());
            args.push(command.into());
            // Apart from the service, so that its end does not end the service.
            tag.push_str(".command");
        }
        args.push(format!("{}.{}", self.snap, self.app.name).into());
        Ok(Job {
            program: self.around.launcher.clone(),
            args,
            env: vec![process::variable("LANG", "C.UTF-8")],
            cwd: PathBuf::from("/"),
            group: self
                .around
                .tree
                .as_ref()
                .map(|tree| tree.group(&tag))
                .transpose()?,
            owner: self.around.owner(),
            name: tag,
            passed: Vec::new(),
        })
    }
}

/// Ends all processes of a service without holding up the others.
pub(super) async fn kill_all(family: &Family) {
    let family = family.clone();
    let gone = work::blocking(move || family.kill_all()).await;
    if !gone.unwrap_or(false) {
        log::error!("a process of a service cannot be killed; it hangs in the kernel");
    }
}
