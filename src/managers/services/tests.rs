use super::*;
use crate::domain::snap::{AppInfo, Daemon, RestartCondition};
use crate::domain::{FileIdentity, RevisionRecord, SnapInfo, Timestamp};
use crate::drivers::clock::Clock;
use crate::events::Filter;
use std::time::{Duration, Instant};

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
    let root = tempfile::tempdir().expect("a folder");
    let dirs = Dirs::new(root.path());
    std::fs::create_dir(root.path().join("apps")).expect("a folder");
    std::fs::create_dir_all(dirs.state()).expect("a folder");
    let snap = SnapName::new("web").expect("a name");
    let mut info = SnapInfo::named(snap.clone());
    for (app, script) in apps {
        std::fs::write(root.path().join(format!("apps/web.{}", app.name)), script).expect("written");
        info.apps.insert(app.name.clone(), app);
    }
    let (store, _) = Store::open(&dirs, Clock::system()).expect("a store");
    let revision: crate::domain::Revision = "x1".parse().expect("a revision");
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
        let lines = self.services.logs(&[(self.snap.clone(), app.to_owned())], None);
        lines
            .iter()
            .map(|line| line.message.as_str())
            .collect::<Vec<_>>()
            .join("\n")
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
