//! One service: an actor that starts it, watches it, starts it again when it ends, and stops it. It lives on the main
//! thread, because a service ends with the thread that started it.

mod begin;
mod end;

use super::activation::{Armed, is_activated};
use super::board::{Activity, StatusBoard};
use super::dbus;
use super::logs::LogWriter;
use super::ready::{NotifySocket, Word};
use super::restart::{Attempts, Outcome, is_restarted};
use crate::domain::snap::{AppInfo, Daemon};
use crate::domain::{Dirs, Fault, SnapName, names};
use crate::drivers::bus;
use crate::drivers::cgroup::Tree;
use crate::drivers::process::{self, End, Service};
use crate::store::Store;
use futures_util::future::{BoxFuture, pending};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// The pause before a service is started again, unless it says otherwise.
const PAUSE: Duration = Duration::from_millis(100);

/// What is answered to an order.
pub type Reply = oneshot::Sender<Result<(), Fault>>;

/// How a service is to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// With its snap: one that has sockets or a timer waits for them.
    WithSnap,
    /// The same at the start of the agent, when nobody hears of a failure: it is tried again.
    WithAgent,
    /// At once, sockets or not.
    Now,
}

/// What a stop leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    Nothing,
    /// Its sockets and timer.
    Activators,
}

/// What a unit is told.
#[derive(Debug)]
pub enum Order {
    /// Start it, as described; answered when it is up.
    Start {
        app: Arc<AppInfo>,
        how: How,
        reply: Reply,
    },
    /// Stop it; answered when nothing of it lives.
    Stop { leave: Leave, reply: Reply },
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
    /// Its activators, while they are at work.
    armed: Option<Armed>,
}

enum State {
    Down,
    Running(Box<Running>),
    /// A oneshot that is over and has a command to undo it.
    Exited,
    /// It waits to be started again.
    Pausing(Instant),
}

/// A service that has been started.
struct Running {
    service: Service,
    /// It is not up yet: until when it may take, and who waits for it.
    starting: Option<Starting>,
    notify: Option<NotifySocket>,
    /// Until when it must say that it lives.
    alive_until: Option<Instant>,
    /// What its end is known by.
    main: Main,
}

struct Starting {
    until: Option<Instant>,
    waiting: Vec<Reply>,
    /// It has the bus name that it promised.
    named: Option<BoxFuture<'static, io::Result<()>>>,
    /// A failure is not the end of it.
    again: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Main {
    /// The process that was started.
    Leader,
    /// The one that it named; the first process may have ended.
    Named { pid: i32, leader_ended: bool },
    /// All that the first process left behind.
    Family,
}

enum Event {
    LeaderEnded(End),
    MainGone,
    Said(i32, Vec<Word>),
    Named(io::Result<()>),
    NotUp,
    Silent,
    Order(Option<Order>),
}

impl Running {
    /// The next thing that happens to it.
    async fn next(&mut self, orders: &mut mpsc::UnboundedReceiver<Order>) -> Event {
        let Self {
            service,
            starting,
            notify,
            alive_until,
            main,
        } = self;
        let (family, main) = (service.family().clone(), *main);
        let leader_ended = async {
            match main {
                Main::Leader
                | Main::Named {
                    leader_ended: false, ..
                } => service.ended().await.unwrap_or(End::Exited(255)),
                _ => pending().await,
            }
        };
        let main_gone = async {
            match main {
                Main::Leader => pending().await,
                Main::Named { pid, .. } => process::gone(pid).await,
                Main::Family => family.emptied().await,
            }
        };
        let said = async {
            match notify {
                Some(notify) => notify.next().await,
                None => pending().await,
            }
        };
        let (mut not_up, mut name) = (None, None);
        if let Some(starting) = starting {
            (not_up, name) = (starting.until, starting.named.as_mut());
        }
        let named = async {
            match name {
                Some(name) => name.await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            // What it said before it ended counts.
            said = said => match said {
                Ok((pid, words)) => Event::Said(pid, words),
                // A socket that is broken will say nothing more: the limits of time hold.
                Err(_) => Event::Said(0, Vec::new()),
            },
            end = leader_ended => Event::LeaderEnded(end),
            () = main_gone => Event::MainGone,
            named = named => Event::Named(named),
            () = until(not_up) => Event::NotUp,
            () = until(*alive_until) => Event::Silent,
            order = orders.recv() => Event::Order(order),
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
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
            armed: None,
        }
    }

    /// Lives until nobody can give it orders any more.
    pub async fn live(mut self) {
        let mut state = State::Down;
        loop {
            let next = match state {
                State::Down => self.down().await,
                State::Running(running) => self.running(running).await,
                State::Exited => self.exited().await,
                State::Pausing(until) => self.pausing(until).await,
            };
            match next {
                Some(next) => state = next,
                None => return,
            }
        }
    }

    async fn down(&mut self) -> Option<State> {
        let needed = async {
            match &mut self.armed {
                Some(armed) => armed.needed(self.around.store.clock()).await,
                None => pending().await,
            }
        };
        let order = tokio::select! {
            () = needed => None,
            order = self.orders.recv() => Some(order?),
        };
        Some(match order {
            None => self.wake().await,
            Some(Order::Start { app, how, reply }) => self.begin(app, how, reply).await,
            Some(Order::Reload { app, reply }) => self.begin(app, How::Now, reply).await,
            Some(Order::Stop { leave, reply }) => {
                self.leave(leave);
                self.note(Activity::Inactive, None);
                answer(reply, Ok(()));
                State::Down
            }
        })
    }

    /// Starts it because one of its activators asks for it.
    async fn wake(&mut self) -> State {
        if self.attempts.may_restart(Instant::now()) {
            return self.start(Vec::new(), true).await;
        }
        // Somebody waits on its socket, and it does nothing but end.
        self.disarm();
        self.note(Activity::Failed, Some("it was needed again and again"));
        self.warn("it was needed again and again").await;
        State::Down
    }

    async fn exited(&mut self) -> Option<State> {
        Some(match self.orders.recv().await? {
            Order::Start { reply, .. } => {
                answer(reply, Ok(()));
                State::Exited
            }
            Order::Reload { app, reply } if app.reload_command.is_some() => {
                self.app = app;
                answer(reply, self.command("reload", begin::LIMIT).await);
                State::Exited
            }
            Order::Reload { app, reply } => {
                self.undo_oneshot().await;
                self.begin(app, How::Now, reply).await
            }
            Order::Stop { leave, reply } => {
                self.leave(leave);
                self.undo_oneshot().await;
                self.note(Activity::Inactive, None);
                answer(reply, Ok(()));
                State::Down
            }
        })
    }

    async fn pausing(&mut self, until: Instant) -> Option<State> {
        tokio::select! {
            () = sleep_until(until) => {
                self.around.board.restarted(&self.snap, &self.app.name);
                Some(self.start(Vec::new(), true).await)
            }
            order = self.orders.recv() => Some(match order? {
                Order::Start { app, how, reply } => self.begin(app, how, reply).await,
                Order::Reload { app, reply } => self.begin(app, How::Now, reply).await,
                Order::Stop { leave, reply } => {
                    self.leave(leave);
                    self.note(Activity::Inactive, None);
                    answer(reply, Ok(()));
                    State::Down
                }
            }),
        }
    }

    async fn running(&mut self, mut running: Box<Running>) -> Option<State> {
        match running.next(&mut self.orders).await {
            Event::LeaderEnded(end) => Some(self.leader_ended(running, end).await),
            Event::MainGone if running.starting.is_some() => {
                Some(self.fail(running, Outcome::Unseen, None).await)
            }
            Event::MainGone => Some(self.ended(running, Outcome::Unseen).await),
            Event::Said(pid, words) => {
                if pid == 0 {
                    running.notify = None;
                }
                Some(self.heard(running, pid, &words).await)
            }
            Event::Named(result) => {
                if let Err(error) = result {
                    let bus = self.around.dirs.bus();
                    self.log.write(
                        0,
                        &format!("[cannot ask the bus at {} for its name: {error}]", bus.display()),
                    );
                }
                self.is_up(&mut running);
                Some(State::Running(running))
            }
            Event::NotUp => {
                let what = match self.app.daemon {
                    Some(Daemon::Notify) => Some("it did not say READY=1 within its start-timeout"),
                    Some(Daemon::Forking) => Some("it did not fork within its start-timeout"),
                    Some(Daemon::Dbus) => Some("it did not take its bus name within its start-timeout"),
                    _ => None,
                };
                Some(self.fail(running, Outcome::Timeout, what).await)
            }
            Event::Silent => Some(self.silent(running).await),
            Event::Order(order) => self.ordered(running, order).await,
        }
    }

    async fn ordered(&mut self, mut running: Box<Running>, order: Option<Order>) -> Option<State> {
        Some(match order {
            Some(Order::Start { app, how, reply }) => {
                // It runs as it is; only its activators may be missing.
                let armed = match how {
                    How::Now => Ok(()),
                    How::WithSnap | How::WithAgent => self.arm(&app).await,
                };
                match (&mut running.starting, armed) {
                    (_, Err(fault)) => answer(reply, Err(fault)),
                    (Some(starting), Ok(())) => starting.waiting.push(reply),
                    (None, Ok(())) => answer(reply, Ok(())),
                }
                State::Running(running)
            }
            Some(Order::Reload { app, reply })
                if app.reload_command.is_some() && running.starting.is_none() =>
            {
                self.app = app;
                answer(reply, self.command("reload", begin::LIMIT).await);
                State::Running(running)
            }
            Some(Order::Reload { app, reply }) => {
                self.stop(running).await;
                self.begin(app, How::Now, reply).await
            }
            Some(Order::Stop { leave, reply }) => {
                self.leave(leave);
                self.stop(running).await;
                self.note(Activity::Inactive, None);
                answer(reply, Ok(()));
                State::Down
            }
            None => {
                self.disarm();
                self.stop(running).await;
                return None;
            }
        })
    }

    /// It said something on its socket.
    async fn heard(&mut self, mut running: Box<Running>, pid: i32, words: &[Word]) -> State {
        // Only what its own processes say counts.
        if pid <= 0 || !running.service.family().contains(pid) {
            return State::Running(running);
        }
        for word in words {
            match word {
                Word::Ready if self.app.daemon == Some(Daemon::Notify) => self.is_up(&mut running),
                Word::Ready => {}
                Word::Watchdog => {
                    if running.alive_until.is_some() {
                        running.alive_until = self.silence();
                    }
                }
                Word::Trigger => return self.silent(running).await,
                Word::Stopping => self.note(Activity::Stopping, None),
                Word::MainPid(main) => {
                    if running.service.family().contains(*main) {
                        self.follow(&mut running, *main);
                    }
                }
            }
        }
        State::Running(running)
    }

    /// Its main process is another one from now on.
    fn follow(&self, running: &mut Running, pid: i32) {
        let leader_ended = match running.main {
            Main::Leader => false,
            Main::Named { leader_ended, .. } => leader_ended,
            Main::Family => true,
        };
        running.main = if pid == running.service.family().leader() && !leader_ended {
            Main::Leader
        } else {
            Main::Named { pid, leader_ended }
        };
        if running.starting.is_none() {
            self.note_up(pid);
        }
    }

    async fn leader_ended(&mut self, mut running: Box<Running>, end: End) -> State {
        let starting = running.starting.is_some();
        match (self.app.daemon, running.main) {
            (_, Main::Named { pid, .. }) => {
                running.main = Main::Named {
                    pid,
                    leader_ended: true,
                };
                State::Running(running)
            }
            (Some(Daemon::Oneshot), _) if starting => self.oneshot_ended(running, end).await,
            (Some(Daemon::Forking), _) if starting && end.is_success() => {
                if !running.service.family().is_alive() {
                    let what = Some("it left no process behind");
                    return self.fail(running, Outcome::Unseen, what).await;
                }
                running.main = Main::Family;
                self.is_up(&mut running);
                State::Running(running)
            }
            _ if starting => {
                let what = match self.app.daemon {
                    Some(Daemon::Notify) => format!("{end} before it said READY=1"),
                    Some(Daemon::Dbus) => format!("{end} before it had its bus name"),
                    _ => end.to_string(),
                };
                self.fail(running, Outcome::By(end), Some(&what)).await
            }
            _ => self.ended(running, Outcome::By(end)).await,
        }
    }

    /// It is up: who waits is told.
    fn is_up(&self, running: &mut Running) {
        let Some(starting) = running.starting.take() else {
            return;
        };
        let pid = match running.main {
            Main::Leader => running.service.family().leader(),
            Main::Named { pid, .. } => pid,
            Main::Family => 0,
        };
        running.alive_until = self.silence();
        self.note_up(pid);
        for reply in starting.waiting {
            answer(reply, Ok(()));
        }
    }

    /// Until when it may be silent from now on.
    fn silence(&self) -> Option<Instant> {
        let limit = self.app.watchdog_timeout.filter(|limit| *limit > 0)?;
        Some(Instant::now() + Duration::from_millis(limit))
    }

    /// Starts it again after its pause, unless it does nothing but end.
    async fn again(&mut self, outcome: Outcome, reason: &str) -> State {
        if !is_restarted(self.app.restart_condition, outcome) {
            if outcome.is_clean() {
                self.note(Activity::Inactive, None);
            } else {
                self.note(Activity::Failed, Some(reason));
            }
            return State::Down;
        }
        if self.attempts.may_restart(Instant::now()) {
            self.note(Activity::Restarting, Some(reason));
            let pause = self.app.restart_delay.map_or(PAUSE, Duration::from_millis);
            return State::Pausing(Instant::now() + pause.max(PAUSE));
        }
        self.disarm();
        self.note(Activity::Failed, Some(reason));
        self.warn(reason).await;
        State::Down
    }

    async fn warn(&self, reason: &str) {
        give_up(&self.around, &self.snap, &self.app.name, reason).await;
    }

    /// Its activators begin their work, if it has any and they do not work yet.
    async fn arm(&mut self, app: &Arc<AppInfo>) -> Result<(), Fault> {
        if !is_activated(app) || self.armed.is_some() {
            return Ok(());
        }
        let world = self.around.store.world();
        let revision = world.snap(self.snap.as_str()).map(|record| record.current);
        let opened = match revision {
            Some(revision) => Armed::open(&self.around.dirs, &self.snap, revision, app),
            None => Err(String::from("the snap is not installed")),
        };
        let named = dbus::arm(&self.around, &self.snap, app);
        if named == Ok(true) {
            bus::reload(&self.around.dirs.bus()).await;
        }
        match named.and(opened) {
            Ok(armed) => {
                self.armed = Some(armed);
                self.around.board.armed(&self.snap, &app.name, true);
                Ok(())
            }
            Err(why) => Err(Fault::internal(format!(
                "cannot start the activators of service {:?} of snap {:?}: {why}",
                app.name,
                self.snap.as_str()
            ))),
        }
    }

    fn disarm(&mut self) {
        if self.armed.take().is_some() {
            dbus::disarm(&self.around.dirs, &self.snap, &self.app);
        }
        self.around.board.armed(&self.snap, &self.app.name, false);
    }

    fn leave(&mut self, leave: Leave) {
        if leave == Leave::Nothing {
            self.disarm();
        }
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

fn answer(reply: Reply, result: Result<(), Fault>) {
    // Who asked may have gone.
    let _ = reply.send(result);
}

/// Warns of a service that is not started any more.
pub async fn give_up(around: &Surroundings, snap: &SnapName, app: &str, reason: &str) {
    let name = names::app_command(snap.as_str(), app);
    let text = format!(
        "service {name} ended again and again ({reason}) and is not started any more; see `pinion logs {name}`, \
         then `pinion start {name}`"
    );
    log::warn!(snap = snap.as_str(); "{text}");
    let kept = around.store.commit_async(move |tx| tx.add_warning(&text));
    if let Err(error) = kept.await {
        log::error!("cannot keep a warning: {error}");
    }
}
