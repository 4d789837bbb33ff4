//! One service: an actor that starts it, watches it, starts it again when it ends, and stops it. It lives on the main
//! thread, because a service ends with the thread that started it.

use super::board::{Activity, StatusBoard};
use super::logs::LogWriter;
use super::ready::ReadySocket;
use super::restart::{Attempts, is_clean, is_restarted};
use crate::confine::tag_of_app;
use crate::domain::snap::{AppInfo, Daemon};
use crate::domain::{Dirs, Fault, SnapName, names};
use crate::drivers::cgroup::Tree;
use crate::drivers::process::{self, End, Job, Service};
use crate::store::Store;
use nix::sys::signal::Signal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

/// How long a service may take to stop, unless it says otherwise (contract: snaps-and-assertions, section 1).
const STOP: Duration = Duration::from_secs(30);

/// How long a service may take to say that it is ready, or to fork, unless it says otherwise.
const START: Duration = Duration::from_secs(90);

/// The pause before a service is started again, unless it says otherwise.
const PAUSE: Duration = Duration::from_millis(100);

/// What is answered to an order.
pub type Reply = oneshot::Sender<Result<(), Fault>>;

/// What a unit is told.
#[derive(Debug)]
pub enum Order {
    /// Start it, as described; answered when it is up.
    Start { app: Arc<AppInfo>, reply: Reply },
    /// Stop it; answered when nothing of it lives.
    Stop { reply: Reply },
    /// Let it read its configuration again; one without a reload command is started anew.
    Reload { app: Arc<AppInfo>, reply: Reply },
}

/// What units share.
#[derive(Clone)]
pub struct Surroundings {
    pub dirs: Dirs,
    pub store: Arc<Store>,
    pub board: Arc<StatusBoard>,
    pub tree: Option<Tree>,
    /// The program of the agent: it starts itself as the launcher.
    pub launcher: PathBuf,
}

impl Surroundings {
    /// Whose processes those without a control group are.
    pub fn owner(&self) -> String {
        self.dirs.root().display().to_string()
    }
}

/// The actor.
pub struct Unit {
    around: Surroundings,
    snap: SnapName,
    app: Arc<AppInfo>,
    log: Arc<LogWriter>,
    orders: mpsc::UnboundedReceiver<Order>,
    attempts: Attempts,
}

enum State {
    Down,
    Up(Box<Up>),
    /// It waits to be started again.
    Pausing(Instant),
}

struct Up {
    service: Service,
    /// Its first process has ended as it should (forking): what it left behind is the service.
    forked: bool,
}

impl Unit {
    /// A unit for a service that does not run.
    pub fn new(
        around: Surroundings,
        snap: SnapName,
        app: Arc<AppInfo>,
        log: Arc<LogWriter>,
        orders: mpsc::UnboundedReceiver<Order>,
    ) -> Self {
        Self {
            around,
            snap,
            app,
            log,
            orders,
            attempts: Attempts::default(),
        }
    }

    /// Lives until nobody can give it orders any more.
    pub async fn live(mut self) {
        let mut state = State::Down;
        loop {
            let next = match state {
                State::Down => self.down().await,
                State::Up(up) => self.up(up).await,
                State::Pausing(until) => self.pausing(until).await,
            };
            match next {
                Some(next) => state = next,
                None => return,
            }
        }
    }

    async fn down(&mut self) -> Option<State> {
        match self.orders.recv().await? {
            Order::Start { app, reply } | Order::Reload { app, reply } => Some(self.begin(app, reply).await),
            Order::Stop { reply } => {
                self.note(Activity::Inactive, None);
                answer(reply, Ok(()));
                Some(State::Down)
            }
        }
    }

    async fn pausing(&mut self, until: Instant) -> Option<State> {
        tokio::select! {
            () = sleep_until(until) => {
                self.around.board.restarted(&self.snap, &self.app.name);
                Some(self.start(None).await)
            }
            order = self.orders.recv() => match order? {
                Order::Start { app, reply } | Order::Reload { app, reply } => Some(self.begin(app, reply).await),
                Order::Stop { reply } => {
                    self.note(Activity::Inactive, None);
                    answer(reply, Ok(()));
                    Some(State::Down)
                }
            },
        }
    }

    async fn up(&mut self, mut up: Box<Up>) -> Option<State> {
        let order = if up.forked {
            tokio::select! {
                () = up.service.family().emptied() => return Some(self.ended(up, End::Exited(0)).await),
                order = self.orders.recv() => order,
            }
        } else {
            tokio::select! {
                end = up.service.ended() => {
                    return Some(self.ended(up, end.unwrap_or(End::Exited(255))).await);
                }
                order = self.orders.recv() => order,
            }
        };
        match order {
            Some(Order::Start { reply, .. }) => {
                answer(reply, Ok(()));
                Some(State::Up(up))
            }
            Some(Order::Reload { app, reply }) if app.reload_command.is_some() => {
                self.app = app;
                answer(reply, self.command("reload", START).await);
                Some(State::Up(up))
            }
            Some(Order::Reload { app, reply }) => {
                self.stop(up).await;
                Some(self.begin(app, reply).await)
            }
            Some(Order::Stop { reply }) => {
                self.stop(up).await;
                self.note(Activity::Inactive, None);
                answer(reply, Ok(()));
                Some(State::Down)
            }
            None => {
                self.stop(up).await;
                None
            }
        }
    }

    /// Starts it because somebody asked.
    async fn begin(&mut self, app: Arc<AppInfo>, reply: Reply) -> State {
        self.app = app;
        self.attempts = Attempts::default();
        self.start(Some(reply)).await
    }

    async fn start(&mut self, reply: Option<Reply>) -> State {
        self.attempts.count(Instant::now());
        self.note(Activity::Starting, None);
        let (result, state) = match self.try_start().await {
            Ok(state) => (Ok(()), state),
            Err(Failed { reason, restart }) => {
                let fault = Fault::internal(format!(
                    "cannot start service {:?} of snap {:?}: {reason}; see what it printed with `pinion logs {}`",
                    self.app.name,
                    self.snap.as_str(),
                    names::app_command(self.snap.as_str(), &self.app.name)
                ));
                let state = match reply {
                    // Who asked for the start is told, and decides.
                    Some(_) => {
                        self.note(Activity::Failed, Some(&reason));
                        State::Down
                    }
                    None => self.again(restart, &reason).await,
                };
                (Err(fault), state)
            }
        };
        if let Some(reply) = reply {
            answer(reply, result);
        }
        state
    }

    async fn try_start(&mut self) -> Result<State, Failed> {
        let ready = match self.app.daemon {
            Some(Daemon::Notify) => {
                Some(ReadySocket::bind(&self.snap, &self.app.name).map_err(Failed::final_)?)
            }
            _ => None,
        };
        let job = self.job(None, ready.as_ref()).map_err(Failed::final_)?;
        let mut service = Service::start(&job).map_err(Failed::final_)?;
        let leader = service.family().leader();
        if let Some(output) = service.take_output() {
            let log = self.log.clone();
            tokio::spawn(async move { log.copy(output, leader).await });
        }
        match self.app.daemon {
            Some(Daemon::Oneshot) => self.finish_oneshot(service).await,
            Some(Daemon::Forking) => self.await_fork(service).await,
            Some(Daemon::Notify) => self.await_ready(service, ready).await,
            Some(Daemon::Simple | Daemon::Dbus) | None => {
                self.note_up(leader);
                Ok(State::Up(Box::new(Up {
                    service,
                    forked: false,
                })))
            }
        }
    }

    /// A oneshot is up when it has ended well; it stays "active" when it has a command to stop it.
    async fn finish_oneshot(&mut self, mut service: Service) -> Result<State, Failed> {
        let limit = self.app.start_timeout.map(Duration::from_millis);
        let end = match limit {
            Some(limit) => timeout(limit, service.ended()).await.ok(),
            None => Some(service.ended().await),
        };
        kill_all(&service).await;
        match end {
            Some(Ok(End::Exited(0))) => {
                let after = if self.app.stop_command.is_some() {
                    Activity::Exited
                } else {
                    Activity::Inactive
                };
                self.note(after, None);
                Ok(State::Down)
            }
            Some(Ok(end)) => Err(Failed::after(end.to_string())),
            Some(Err(error)) => Err(Failed::final_(error)),
            None => Err(Failed::after(String::from(
                "it took longer than its start-timeout",
            ))),
        }
    }

    async fn await_fork(&mut self, mut service: Service) -> Result<State, Failed> {
        match timeout(self.start_limit(), service.ended()).await {
            Ok(Ok(End::Exited(0))) if service.family().is_alive() => {
                self.note_up(0);
                Ok(State::Up(Box::new(Up {
                    service,
                    forked: true,
                })))
            }
            Ok(Ok(End::Exited(0))) => Err(Failed::after(String::from("it left no process behind"))),
            Ok(Ok(end)) => {
                kill_all(&service).await;
                Err(Failed::after(end.to_string()))
            }
            Ok(Err(error)) => Err(Failed::final_(error)),
            Err(_) => {
                kill_all(&service).await;
                Err(Failed::after(String::from(
                    "it did not fork within its start-timeout",
                )))
            }
        }
    }

    async fn await_ready(
        &mut self,
        mut service: Service,
        ready: Option<ReadySocket>,
    ) -> Result<State, Failed> {
        let said = async {
            match &ready {
                Some(ready) => ready.ready().await,
                None => Ok(()),
            }
        };
        let reason = tokio::select! {
            said = timeout(self.start_limit(), said) => match said {
                Ok(Ok(())) => {
                    self.note_up(service.family().leader());
                    return Ok(State::Up(Box::new(Up { service, forked: false })));
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => String::from("it did not say READY=1 within its start-timeout"),
            },
            end = service.ended() => match end {
                Ok(end) => format!("{end} before it said READY=1"),
                Err(error) => error.to_string(),
            },
        };
        kill_all(&service).await;
        Err(Failed::after(reason))
    }

    fn start_limit(&self) -> Duration {
        self.app.start_timeout.map_or(START, Duration::from_millis)
    }

    /// It ended by itself.
    async fn ended(&mut self, up: Box<Up>, end: End) -> State {
        kill_all(&up.service).await;
        self.log.write(0, &format!("[ended: {end}]"));
        self.post_stop().await;
        let restart = is_restarted(self.app.restart_condition, end);
        if !restart {
            if is_clean(end) {
                self.note(Activity::Inactive, None);
            } else {
                self.note(Activity::Failed, Some(&end.to_string()));
            }
            return State::Down;
        }
        self.again(true, &end.to_string()).await
    }

    /// Starts it again after its pause, unless it does nothing but end.
    async fn again(&mut self, restart: bool, reason: &str) -> State {
        if restart && self.attempts.may_restart(Instant::now()) {
            self.note(Activity::Restarting, Some(reason));
            let pause = self.app.restart_delay.map_or(PAUSE, Duration::from_millis);
            return State::Pausing(Instant::now() + pause.max(PAUSE));
        }
        self.note(Activity::Failed, Some(reason));
        if restart {
            self.warn(reason).await;
        }
        State::Down
    }

    async fn warn(&self, reason: &str) {
        let name = names::app_command(self.snap.as_str(), &self.app.name);
        let text = format!(
            "service {name} ended again and again ({reason}) and is not started any more; see `pinion logs {name}`, \
             then `pinion start {name}`"
        );
        log::warn!("{text}");
        if let Err(error) = self
            .around
            .store
            .commit_async(move |tx| tx.add_warning(&text))
            .await
        {
            log::error!("cannot keep a warning: {error}");
        }
    }

    /// Stops what runs: its own command, its signal, and after its time whatever still lives.
    async fn stop(&mut self, mut up: Box<Up>) {
        self.note(Activity::Stopping, None);
        let limit = self.app.stop_timeout.map_or(STOP, Duration::from_millis);
        let until = Instant::now() + limit;
        if self.app.stop_command.is_some()
            && let Err(fault) = self.command("stop", limit).await
        {
            self.log.write(0, &format!("[{fault}]"));
        }
        let (signal, all) = stop_signal(&self.app.stop_mode);
        let family = up.service.family().clone();
        if all || up.forked {
            family.signal(signal);
        } else {
            family.signal_leader(signal);
        }
        let over = async {
            if up.forked {
                family.emptied().await;
            } else {
                let _ = up.service.ended().await;
                // A service that stops all of its processes gives each the chance to end by itself.
                if all {
                    family.emptied().await;
                }
            }
        };
        if tokio::time::timeout_at(until, over).await.is_err() {
            self.log.write(0, "[killed: it did not stop in time]");
        }
        kill_all(&up.service).await;
        let _ = timeout(Duration::from_secs(2), up.service.ended()).await;
        self.post_stop().await;
    }

    async fn post_stop(&self) {
        if self.app.post_stop_command.is_some()
            && let Err(fault) = self.command("post-stop", STOP).await
        {
            self.log.write(0, &format!("[{fault}]"));
        }
    }

    /// Runs one of the service's other commands to its end.
    async fn command(&self, command: &'static str, limit: Duration) -> Result<(), Fault> {
        let failed = |reason: String| {
            Fault::internal(format!(
                "the {command} command of service {:?} failed: {reason}",
                names::app_command(self.snap.as_str(), &self.app.name)
            ))
        };
        let job = self
            .job(Some(command), None)
            .map_err(|error| failed(error.to_string()))?;
        let run = tokio::task::spawn_blocking(move || process::run(&job, limit, None))
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

    fn job(&self, command: Option<&str>, ready: Option<&ReadySocket>) -> std::io::Result<Job> {
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
        let mut env = vec![process::variable("LANG", "C.UTF-8")];
        if let Some(ready) = ready {
            env.push(process::variable("NOTIFY_SOCKET", ready.address()));
        }
        Ok(Job {
            program: self.around.launcher.clone(),
            args,
            env,
            cwd: PathBuf::from("/"),
            group: self
                .around
                .tree
                .as_ref()
                .map(|tree| tree.group(&tag))
                .transpose()?,
            owner: self.around.owner(),
        })
    }

    fn note(&self, activity: Activity, reason: Option<&str>) {
        self.around
            .board
            .note(&self.snap, &self.app.name, activity, None, reason);
    }

    fn note_up(&self, pid: i32) {
        let pid = (pid > 0).then_some(pid);
        self.around
            .board
            .note(&self.snap, &self.app.name, Activity::Active, pid, None);
    }
}

/// Why a start did not come to anything, and whether another try may.
struct Failed {
    reason: String,
    restart: bool,
}

impl Failed {
    fn final_(error: std::io::Error) -> Self {
        Self {
            reason: error.to_string(),
            restart: false,
        }
    }

    fn after(reason: String) -> Self {
        Self {
            reason,
            restart: true,
        }
    }
}

/// Ends all processes of a service without holding up the others.
async fn kill_all(service: &Service) {
    let family = service.family().clone();
    let gone = tokio::task::spawn_blocking(move || family.kill_all()).await;
    if !gone.unwrap_or(false) {
        log::error!("a process of a service cannot be killed; it hangs in the kernel");
    }
}

fn answer(reply: Reply, result: Result<(), Fault>) {
    // Who asked may have gone.
    let _ = reply.send(result);
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
        assert_eq!(stop_signal(""), (Signal::SIGTERM, true));
        assert_eq!(stop_signal("sigterm"), (Signal::SIGTERM, false));
        assert_eq!(stop_signal("sigusr1-all"), (Signal::SIGUSR1, true));
    }
}
