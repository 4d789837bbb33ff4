use super::*;
use crate::domain::snap::{AppInfo, Daemon, RestartCondition};
use crate::domain::{FileIdentity, RevisionRecord, SnapInfo, Timestamp};
use crate::drivers::clock::Clock;
use crate::events::Filter;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

mod activation;

/// Stands for the agent's own program: `… SNAP.APP` runs the script of that name below the root, with the command
/// (`stop`, …) added to its name.
const LAUNCHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/launcher");

struct Board {
    root: tempfile::TempDir,
    store: Arc<Store>,
    bus: Arc<Bus>,
    services: Arc<Services>,
    snap: SnapName,
}

fn app(name: &str) -> AppInfo {
    AppInfo {
        name: name.to_owned(),
        daemon: Some(Daemon::Simple),
        ..AppInfo::default()
    }
}

fn board(apps: Vec<(AppInfo, &str)>) -> Board {
    board_at(apps, Clock::system())
}

fn board_at(apps: Vec<(AppInfo, &str)>, clock: Clock) -> Board {
    let root = tempfile::tempdir().expect("a folder");
    let dirs = Dirs::new(root.path());
    std::fs::create_dir(root.path().join("apps")).expect("a folder");
    std::fs::create_dir_all(dirs.state()).expect("a folder");
    let snap = SnapName::new("web").expect("a name");
    // A snap whose files are not there is not started.
    let revision: crate::domain::Revision = "x1".parse().expect("a revision");
    let files = dirs.snap_mount(&snap, revision);
    std::fs::create_dir_all(files.join("meta")).expect("a folder");
    let mut info = SnapInfo::named(snap.clone());
    for (app, script) in apps {
        std::fs::write(root.path().join(format!("apps/web.{}", app.name)), script).expect("written");
        info.apps.insert(app.name.clone(), app);
    }
    let (store, _) = Store::open(&dirs, clock).expect("a store");
    let record = SnapRecord {
        name: snap.clone(),
        active: true,
        current: revision,
        sequence: vec![RevisionRecord {
            revision,
            installed: Timestamp(0),
            file: FileIdentity::default(),
            info: Arc::new(info),
        }],
        devmode: false,
        jailmode: false,
        classic: false,
        tracking_channel: String::new(),
        cohort_key: String::new(),
        disabled_services: Vec::new(),
        aliases: Default::default(),
    };
    store.commit(move |tx| tx.put_snap(record)).expect("committed");
    let bus = Bus::new(|| Timestamp(0));
    let services = Services::new(
        dirs,
        store.clone(),
        bus.clone(),
        Arc::new(|_| Vec::new()),
        PathBuf::from(LAUNCHER),
    );
    Board {
        root,
        store,
        bus,
        services,
        snap,
    }
}

impl Board {
    /// The snap has this app from now on.
    fn install(&self, app: AppInfo) {
        let world = self.store.world();
        let mut record = SnapRecord::clone(world.snap("web").expect("a snap"));
        let info = Arc::make_mut(&mut record.sequence[0].info);
        info.apps.insert(app.name.clone(), app);
        self.store
            .commit(move |tx| tx.put_snap(record))
            .expect("committed");
    }

    fn live(&self, app: &str) -> ServiceStatus {
        self.services.status(&self.snap, app)
    }

    async fn start(&self, names: &[&str]) -> Result<(), Fault> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.services.start(&self.snap, &names).await
    }

    async fn stop(&self, names: &[&str]) -> Result<(), Fault> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.services.stop(&self.snap, &names).await
    }

    fn printed(&self, app: &str) -> String {
        let path = self.root.path().join(format!("run/pinion/logs/web.{app}.log"));
        std::fs::read_to_string(path).unwrap_or_default()
    }

    fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.root.path().join(name)).ok()
    }
}

/// Looks until it is so; how long that may take is generous, because the machine may be busy.
async fn eventually(what: &str, so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "not so in 20 s: {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_service_runs_logs_and_stops_with_its_children() {
    let board = board(vec![(
        app("one"),
        "echo hello; sleep 1000 & setsid sleep 1000 & echo $! > $1/child; wait",
    )]);
    let mut events = board.bus.subscribe(Filter::default(), None);
    board.start(&["one"]).await.expect("started");
    assert!(board.live("one").active && board.live("one").enabled);
    eventually("its output is kept", || board.printed("one").contains("hello")).await;
    eventually("its child is there", || board.file("child").is_some()).await;
    let child = board.file("child").expect("a pid");
    board.stop(&["one"]).await.expect("stopped");
    assert_eq!(board.live("one").activity, Activity::Inactive);
    assert!(!Path::new("/proc").join(child.trim()).join("exe").exists());
    let told: Vec<String> = std::iter::from_fn(|| events.try_next())
        .map(|(event, _)| event.data["status"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(told, ["starting", "active", "stopping", "inactive"]);
}

#[tokio::test]
async fn a_crash_loop_is_bounded_and_warned_of() {
    let board = board(vec![(app("bad"), "echo x >> $1/count; exit 1")]);
    board
        .start(&["bad"])
        .await
        .expect("a simple service is up once it is started");
    eventually("it is given up", || {
        board.live("bad").activity == Activity::Failed
    })
    .await;
    assert_eq!(board.file("count").expect("runs").lines().count(), 5);
    assert_eq!(board.live("bad").reason.as_deref(), Some("exit status 1"));
    eventually("a warning is raised", || !board.store.world().warnings.is_empty()).await;
    let world = board.store.world();
    let warning = world.warnings.keys().next().expect("a warning");
    assert!(
        warning.starts_with("service web.bad ended again and again"),
        "{warning}"
    );
    board.start(&["bad"]).await.expect("a person may try again");
    board.stop(&["bad"]).await.expect("stopped");
}

#[tokio::test]
async fn a_service_that_ends_well_is_not_started_again() {
    let board = board(vec![(app("done"), "echo x >> $1/count")]);
    board.start(&["done"]).await.expect("started");
    eventually("it has ended", || {
        board.live("done").activity == Activity::Inactive
    })
    .await;
    assert_eq!(board.file("count").expect("a run"), "x\n");
}

#[tokio::test]
async fn one_that_ignores_its_signal_is_killed_after_its_time() {
    let mut stubborn = app("stubborn");
    stubborn.stop_timeout = Some(200);
    let board = board(vec![(
        stubborn,
        "trap '' TERM; touch $1/up; while :; do sleep 0.05; done",
    )]);
    board.start(&["stubborn"]).await.expect("started");
    eventually("it is up", || board.file("up").is_some()).await;
    let begun = Instant::now();
    board.stop(&["stubborn"]).await.expect("stopped");
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(board.printed("stubborn").contains("did not stop in time"));
}

#[tokio::test]
async fn a_stop_command_runs_before_the_signal() {
    let mut tidy = app("tidy");
    tidy.stop_command = Some(String::from("bin/stop"));
    let board = board(vec![(
        tidy,
        "while [ ! -e $1/asked ]; do sleep 0.01; done; echo tidied > $1/end",
    )]);
    std::fs::write(
        board.root.path().join("apps/web.tidy.stop"),
        "touch $1/asked; while [ ! -e $1/end ]; do sleep 0.01; done",
    )
    .expect("written");
    board.start(&["tidy"]).await.expect("started");
    board.stop(&["tidy"]).await.expect("stopped");
    assert_eq!(board.file("end").as_deref(), Some("tidied\n"));
}

#[tokio::test]
async fn a_oneshot_that_fails_fails_its_start_and_stops_those_before_it() {
    let mut second = app("second");
    second.daemon = Some(Daemon::Oneshot);
    second.restart_condition = RestartCondition::Never;
    second.after = vec![String::from("first")];
    let board = board(vec![(second, "exit 4"), (app("first"), "exec sleep 1000")]);
    let fault = board.start(&["second", "first"]).await.expect_err("it failed");
    assert_eq!(
        fault.message,
        "cannot start service \"second\" of snap \"web\": exit status 4; see what it printed with `pinion logs web.second`"
    );
    assert_eq!(board.live("first").activity, Activity::Inactive);
    assert_eq!(board.live("second").activity, Activity::Failed);
}

#[tokio::test]
async fn forking_and_notify_are_up_when_they_say_so() {
    let mut forking = app("forking");
    forking.daemon = Some(Daemon::Forking);
    let mut notify = app("notify");
    notify.daemon = Some(Daemon::Notify);
    notify.start_timeout = Some(200);
    let board = board(vec![
        (forking, "(sleep 1000 & sleep 1000) & exit 0"),
        (notify, "sleep 1000"),
    ]);
    board.start(&["forking"]).await.expect("started");
    assert!(board.live("forking").active);
    board.stop(&["forking"]).await.expect("stopped");
    assert!(!board.live("forking").active);
    let fault = board.start(&["notify"]).await.expect_err("it never says READY=1");
    assert!(fault.message.contains("READY=1"), "{}", fault.message);
}

/// What a service says on its socket, in a language that every machine with tests has. It waits until it was heard, as
/// `systemd-notify` does: who has ended cannot be told to be the service's.
fn say(words: &str) -> String {
    format!(
        "python3 -c \"import os,socket; s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); \
         s.connect('\\0'+os.environ['NOTIFY_SOCKET'][1:]); s.send(b'{words}'); \
         r,w=os.pipe(); socket.send_fds(s,[b'BARRIER=1'],[w]); os.close(w); os.read(r,1)\""
    )
}

#[tokio::test]
async fn a_service_tells_how_it_is_and_nobody_else_does() {
    let mut told = app("told");
    told.daemon = Some(Daemon::Notify);
    told.start_timeout = Some(20_000);
    let script = format!(
        "echo $NOTIFY_SOCKET > $1/address; while [ ! -e $1/go ]; do sleep 0.01; done\n\
         sleep 1000 & echo $! > $1/main\n{}\nwhile [ ! -e $1/end ]; do sleep 0.01; done\n{}\nsleep 1000",
        say("READY=1\\nMAINPID='+open('$1/main','rb').read().strip()+b'\\nMAINPID=1"),
        say("STOPPING=1")
    );
    let board = board(vec![(told, &script)]);
    let services = Arc::clone(&board.services);
    let (snap, names) = (board.snap.clone(), vec![String::from("told")]);
    let starting = tokio::spawn(async move { services.start(&snap, &names).await });
    eventually("it has its socket", || {
        board.file("address").is_some_and(|text| text.ends_with('\n'))
    })
    .await;
    // A stranger that found the address.
    let address = board.file("address").expect("an address");
    let mut stranger = tokio::process::Command::new("/bin/sh");
    stranger
        .args(["-c", &say("READY=1")])
        .env("NOTIFY_SOCKET", address.trim());
    let said = stranger.status().await.expect("it starts");
    assert!(said.success());
    // What the service says comes after what the stranger said, on the same socket.
    assert_eq!(board.live("told").activity, Activity::Starting);
    std::fs::write(board.root.path().join("go"), "").expect("written");
    let up = starting.await.expect("no panic");
    assert_eq!(up, Ok(()), "{}", board.printed("told"));
    let main = board.file("main").expect("a pid").trim().parse().ok();
    eventually("its main process is the one that it names", || {
        board.live("told").pid == main
    })
    .await;
    std::fs::write(board.root.path().join("end"), "").expect("written");
    eventually("it says that it ends", || {
        board.live("told").activity == Activity::Stopping
    })
    .await;
    board.stop(&["told"]).await.expect("stopped");
}

#[tokio::test]
async fn a_service_that_is_silent_is_ended_and_started_again() {
    let mut dog = app("dog");
    dog.watchdog_timeout = Some(300);
    dog.stop_timeout = Some(1000);
    dog.restart_condition = RestartCondition::OnWatchdog;
    let script = format!(
        "echo $WATCHDOG_USEC >> $1/limits\n[ -e $1/second ] || {}\ntouch $1/second\nexec sleep 1000",
        say("WATCHDOG=1")
    );
    let board = board(vec![(dog, &script)]);
    board.start(&["dog"]).await.expect("started");
    eventually("it was started again", || board.live("dog").restarts > 0).await;
    assert!(board.file("limits").expect("limits").starts_with("300000\n"));
    assert!(
        board.printed("dog").contains("it did not say WATCHDOG=1"),
        "{}",
        board.printed("dog")
    );
    board.stop(&["dog"]).await.expect("stopped");
}

#[tokio::test]
async fn a_start_that_hangs_can_be_stopped() {
    let mut slow = app("slow");
    slow.daemon = Some(Daemon::Oneshot);
    let board = board(vec![(slow, "touch $1/up; exec sleep 1000")]);
    let services = Arc::clone(&board.services);
    let (snap, names) = (board.snap.clone(), vec![String::from("slow")]);
    let starting = tokio::spawn(async move { services.start(&snap, &names).await });
    eventually("it is at work", || board.file("up").is_some()).await;
    board.stop(&["slow"]).await.expect("stopped");
    let fault = starting.await.expect("no panic").expect_err("it never was up");
    assert!(
        fault.message.contains("stopped before it was up"),
        "{}",
        fault.message
    );
}

#[tokio::test]
async fn a_oneshot_with_a_stop_command_is_active_until_it_is_undone() {
    let mut set = app("set");
    set.daemon = Some(Daemon::Oneshot);
    set.stop_command = Some(String::from("bin/unset"));
    set.post_stop_command = Some(String::from("bin/after"));
    let board = board(vec![(set, "echo set >> $1/trace")]);
    for (command, word) in [("stop", "unset"), ("post-stop", "after")] {
        let path = board.root.path().join(format!("apps/web.set.{command}"));
        std::fs::write(path, format!("echo {word} >> $1/trace")).expect("written");
    }
    board.start(&["set"]).await.expect("started");
    assert!(board.live("set").active);
    board.start(&["set"]).await.expect("it is up already");
    board.stop(&["set"]).await.expect("stopped");
    assert!(!board.live("set").active);
    assert_eq!(board.file("trace").as_deref(), Some("set\nunset\nafter\n"));
}

#[tokio::test]
async fn a_forking_service_that_is_killed_is_started_again() {
    let mut forking = app("forking");
    forking.daemon = Some(Daemon::Forking);
    let board = board(vec![(forking, "sleep 1000 & echo $! >> $1/pids; exit 0")]);
    board.start(&["forking"]).await.expect("started");
    let pid = board.file("pids").expect("a pid");
    let pid = nix::unistd::Pid::from_raw(pid.trim().parse().expect("a number"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSEGV).expect("killed");
    eventually("it was started again", || {
        board.file("pids").is_some_and(|pids| pids.lines().count() == 2)
    })
    .await;
    eventually("it is up", || board.live("forking").active).await;
    board.stop(&["forking"]).await.expect("stopped");
}

#[tokio::test]
async fn services_start_and_stop_in_their_order() {
    let note = |name: &str| {
        format!(
            "echo +{name} >> $1/trace; trap 'echo -{name} >> $1/trace; exit 0' TERM; touch $1/{name}; {}; sleep 1000 & wait",
            say("READY=1")
        )
    };
    let mut apps = [app("a"), app("b"), app("c")];
    apps[0].after = vec![String::from("c")];
    apps[1].before = vec![String::from("c")];
    for app in &mut apps {
        app.daemon = Some(Daemon::Notify);
    }
    let scripts = [note("a"), note("b"), note("c")];
    let board = board(apps.into_iter().zip(scripts.iter().map(String::as_str)).collect());
    board.start(&["a", "b", "c"]).await.expect("started");
    board.stop(&["a", "b", "c"]).await.expect("stopped");
    assert_eq!(board.file("trace").as_deref(), Some("+b\n+c\n+a\n-a\n-c\n-b\n"));
}

#[test]
fn services_are_ordered_by_after_and_before() {
    let mut apps = [app("a"), app("b"), app("c"), app("d")];
    apps[0].after = vec![String::from("c")];
    apps[3].before = vec![String::from("b")];
    let names = |apps: Vec<&AppInfo>| apps.iter().map(|app| app.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(in_order(apps.iter().collect())), ["c", "a", "d", "b"]);
    apps[2].after = vec![String::from("a")];
    assert_eq!(in_order(apps.iter().collect()).len(), 4, "a circle does not hang");
}

#[tokio::test]
async fn what_an_earlier_agent_left_is_ended_and_started_anew() {
    let board = board(vec![(app("one"), "echo $$ > $1/pid; exec sleep 1000")]);
    let group = board.services.groups().map(|tree| tree.group("snap.web.one"));
    let mut left = process::Service::start(&process::Job {
        program: PathBuf::from("/bin/sleep"),
        args: vec!["1000".into()],
        group: group.transpose().expect("a group"),
        owner: board.services.process_owner(),
        ..process::Job::default()
    })
    .expect("started");
    board.services.reconcile(&board.store.world()).await;
    assert_eq!(left.ended().await.expect("an end"), process::End::Signalled(9));
    eventually("it runs anew", || board.file("pid").is_some()).await;
    let launch = Launch::read(&Dirs::new(board.root.path()), &board.snap).expect("a description");
    assert_eq!(launch.revision.to_string(), "x1");
    board.services.shutdown().await;
    assert!(!board.live("one").active);
}

#[tokio::test]
async fn plans_have_the_contracts_words() {
    let board = board(vec![(app("a"), ""), (app("b"), "")]);
    let plan = |action, names: &[&str]| {
        board.services.plan_control(&ControlRequest {
            action,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            enable: false,
            disable: false,
            reload: false,
        })
    };
    // contract: v2, section 6
    let start = plan(Action::Start, &["web"]).expect("a plan");
    assert_eq!(
        (start.kind, start.summary.as_str()),
        ("service-control", "Running service command")
    );
    assert_eq!(
        start.tasks[0].summary,
        r#"Run service command "start" for services ["a" "b"] of snap "web""#
    );
    let one = plan(Action::Stop, &["web.b"]).expect("a plan");
    assert_eq!(
        one.tasks[0].summary,
        r#"Run service command "stop" for services ["b"] of snap "web""#
    );
    let running = plan(Action::Restart, &["web"]).expect("a plan");
    assert_eq!(
        running.tasks[0].summary,
        r#"Run service command "restart" for running services of snap "web""#
    );
    let kind = |names| plan(Action::Start, names).expect_err("refused").kind;
    assert_eq!(kind(&[]), ErrorKind::BadRequest);
    assert_eq!(kind(&["nosuch"]), ErrorKind::SnapNotFound);
    assert_eq!(kind(&["web.nosuch"]), ErrorKind::AppNotFound);
}
