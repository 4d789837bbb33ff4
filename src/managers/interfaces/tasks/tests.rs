mod plugged;

use crate::config::board::built_in;
use crate::confine::Launch;
use crate::domain::requester::Role;
use crate::domain::snap::SnapType;
use crate::domain::status::TaskStatus;
use crate::domain::{Change, ConnectionRecord, Dirs, Plan, PlannedTask, SnapName, kinds};
use crate::drivers::clock::Clock;
use crate::engine::{Engine, History, Outcome, Probe, Registry, TaskContext, TaskError, TaskKind};
use crate::events::{Bus, Filter};
use crate::managers::hardware::Hardware;
use crate::managers::interfaces::Interfaces;
use crate::managers::interfaces::tests::{Maker, name, named, record_of, root};
use crate::managers::services::Services;
use crate::store::Store;
use serde_json::{Value, json};
use std::sync::Arc;

/// A kind of task that always fails.
struct Bad;

impl TaskKind for Bad {
    fn kind(&self) -> &'static str {
        "bad"
    }
    fn perform(&self, _: &TaskContext) -> Result<Outcome, TaskError> {
        Err(TaskError::new("it does not work"))
    }
    fn can_undo(&self) -> bool {
        false
    }
    fn probe(&self, _: &TaskContext) -> Probe {
        Probe::NoEffect
    }
}

/// Everything that connections need, with the simulated board.
struct Bench {
    store: Arc<Store>,
    bus: Arc<Bus>,
    hardware: Arc<Hardware>,
    interfaces: Arc<Interfaces>,
    engine: Arc<Engine>,
    dirs: Dirs,
    _root: tempfile::TempDir,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let dirs = Dirs::new(folder.path());
    let (store, _) = Store::open(&dirs, Clock::system()).unwrap();
    let bus = Bus::new(|| Clock::system().now());
    let hardware = Hardware::open(
        Some(built_in("sim").unwrap().unwrap()),
        &dirs,
        Arc::clone(&store),
        Arc::clone(&bus),
        &Clock::system(),
        tokio::runtime::Handle::current(),
    );
    hardware.restore(&[]);
    let given = Arc::clone(&hardware);
    let services = Services::new(
        dirs.clone(),
        Arc::clone(&store),
        Arc::clone(&bus),
        Arc::new(move |snap| given.grants_of(snap)),
        "/nonexistent/pinion".into(),
    );
    let interfaces = Interfaces::new(
        Arc::clone(&store),
        Arc::clone(&hardware),
        services,
        Arc::clone(&bus),
        true,
    );
    let mut registry = Registry::default();
    registry.add(Bad);
    interfaces.register(&mut registry);
    let engine = Engine::new(Arc::clone(&store), Arc::clone(&bus), registry, History::default());
    tokio::spawn(Arc::clone(&engine).run());
    let bench = Bench {
        store,
        bus,
        hardware,
        interfaces,
        engine,
        dirs,
        _root: folder,
    };
    bench.install(
        Maker::new("pi", SnapType::Gadget)
            .slot("bcm-gpio-4", "gpio", json!({"number": 4, "safe-value": 1}))
            .slot("pin-7", "gpio", json!({"chip": "pinctrl-sim", "line": 4}))
            .slot("bcm-gpio-99", "gpio", json!({"number": 99}))
            .slot(
                "some-lines",
                "gpio-chardev",
                json!({"source-chip": ["pinctrl-sim"], "lines": "5-7"}),
            )
            .slot("user", "led", json!({"led": "USER"}))
            .slot("music", "audio-playback", json!({})),
    );
    bench.install(
        Maker::new("lights", SnapType::App)
            .plug("lamp", "gpio", json!({}))
            .plug("lines", "gpio-chardev", json!({}))
            .plug("led", "led", json!({}))
            .plug("net", "network", json!({}))
            .plug("volume", "raw-volume", json!({})),
    );
    bench
}

impl Bench {
    fn install(&self, maker: Maker) {
        let record = record_of(maker);
        self.store.commit(move |tx| tx.put_snap(record)).unwrap();
    }

    async fn run(&self, plan: Plan) -> Arc<Change> {
        let id = self.engine.submit(plan).await.unwrap();
        self.engine.wait(id).await.unwrap()
    }

    async fn connect(&self, plug: (&str, &str), slot: (&str, &str)) -> Arc<Change> {
        let plan = self
            .interfaces
            .plan_connect(&named(plug.0, plug.1), &named(slot.0, slot.1), &root());
        self.run(plan.unwrap()).await
    }

    async fn disconnect(&self, plug: (&str, &str), forget: bool) -> Arc<Change> {
        let plan = self
            .interfaces
            .plan_disconnect(&named("", ""), &named(plug.0, plug.1), forget, &root());
        self.run(plan.unwrap()).await
    }

    async fn one(&self, kind: &'static str, params: Value) -> Arc<Change> {
        let mut plan = Plan::new("test", "Test");
        plan.then(PlannedTask::new(kind, "Test", params));
        self.run(plan).await
    }

    fn records(&self) -> Vec<ConnectionRecord> {
        let world = self.store.world();
        world
            .connections
            .values()
            .map(|record| ConnectionRecord::clone(record))
            .collect()
    }

    fn grants(&self, snap: &str) -> usize {
        self.hardware.grants_of(&name(snap)).len()
    }

    fn launch(&self, snap: &str) -> Option<Launch> {
        Launch::read(&self.dirs, &SnapName::new(snap).unwrap()).ok()
    }
}

const LAMP: (&str, &str) = ("lights", "lamp");
const FOUR: (&str, &str) = ("pi", "bcm-gpio-4");

#[tokio::test]
async fn a_connection_gives_the_line_and_takes_it_back() {
    let bench = bench();
    let mut who = root();
    who.role = Role::Admin;
    let mut events = bench.bus.subscribe(Filter::of(&who, &["connection"]), None);
    let change = bench.connect(LAMP, FOUR).await;
    change.assert_done();
    assert_eq!(bench.grants("lights"), 1);
    let records = bench.records();
    assert_eq!(records.len(), 1);
    assert!(!records[0].auto && records[0].is_established());
    assert_eq!(records[0].slot_static["number"], 4);
    let launch = bench.launch("lights").unwrap();
    assert!(!launch.plugs["lamp"].grants.is_empty());
    let (event, _) = events.next().await;
    assert_eq!(event.data["action"], "connect");
    assert_eq!(event.data["slot"]["slot"], "bcm-gpio-4");
    // decision 10: the slot's safe value makes it an output
    let targets = bench.interfaces.targets(&bench.store.world());
    assert_eq!(targets.len(), 1);
    assert_eq!(targets[0].2, Some(1));
    // contract: connecting an existing connection is a Done change without tasks
    let again = bench.connect(LAMP, FOUR).await;
    assert_eq!((again.shown_status(), again.tasks.len()), (TaskStatus::Done, 0));

    let change = bench.disconnect(LAMP, false).await;
    assert_eq!(change.shown_status(), TaskStatus::Done);
    assert_eq!((bench.grants("lights"), bench.records().len()), (0, 0));
    assert!(bench.launch("lights").unwrap().plugs.is_empty());
    let (event, _) = events.next().await;
    assert_eq!(event.data["action"], "disconnect");
}

#[tokio::test]
async fn an_export_that_cannot_be_made_is_an_error() {
    // decision 7: a second slot of a connected line is refused by name; a missing line ends in Error
    let bench = bench();
    bench.connect(LAMP, FOUR).await;
    bench.install(Maker::new("other", SnapType::App).plug("lamp", "gpio", json!({})));
    let change = bench.connect(("other", "lamp"), ("pi", "pin-7")).await;
    assert_eq!(change.shown_status(), TaskStatus::Error);
    let text = change.error_text().unwrap();
    assert!(text.contains("pi:bcm-gpio-4"), "{text}");
    assert_eq!((bench.grants("other"), bench.records().len()), (0, 1));
    let change = bench.connect(("other", "lamp"), ("pi", "bcm-gpio-99")).await;
    assert_eq!(change.shown_status(), TaskStatus::Error);
    assert_eq!(bench.records().len(), 1);
    // several plugs on one slot share its holder
    let change = bench.connect(("other", "lamp"), FOUR).await;
    change.assert_done();
    assert_eq!(bench.records().len(), 2);
}

#[tokio::test]
async fn gpio_and_gpio_chardev_side_by_side() {
    // decision 12, last paragraph: different lines; decision 7: without an aggregator the connection says so
    let bench = bench();
    bench.connect(LAMP, FOUR).await;
    let change = bench.connect(("lights", "lines"), ("pi", "some-lines")).await;
    change.assert_done();
    let records = bench.records();
    let lines = records
        .iter()
        .find(|record| record.interface == "gpio-chardev")
        .unwrap();
    assert_eq!(lines.slot_dynamic["access"], "api");
    let change = bench.connect(("lights", "led"), ("pi", "user")).await;
    change.assert_done();
    assert_eq!(bench.grants("lights"), 3);
}

#[tokio::test]
async fn the_policy_speaks_in_the_task() {
    // contract, section 2: the connect task checks the policy
    let bench = bench();
    bench.install(Maker::new("disk", SnapType::Gadget).slot(
        "part",
        "raw-volume",
        json!({"path": "/dev/sda1"}),
    ));
    let change = bench.connect(("lights", "volume"), ("disk", "part")).await;
    assert_eq!(change.shown_status(), TaskStatus::Error);
    let text = change.error_text().unwrap();
    assert!(
        text.contains("connection not allowed by slot rule of interface \"raw-volume\""),
        "{text}"
    );
}

#[tokio::test]
async fn a_failed_change_takes_the_connection_back() {
    let bench = bench();
    let mut plan = bench
        .interfaces
        .plan_connect(&named(LAMP.0, LAMP.1), &named(FOUR.0, FOUR.1), &root())
        .unwrap();
    plan.then(PlannedTask::new("bad", "Fail", Value::Null));
    let change = bench.run(plan).await;
    assert_eq!(change.shown_status(), TaskStatus::Error);
    assert_eq!(change.tasks[0].status, TaskStatus::Undone);
    assert_eq!((bench.grants("lights"), bench.records().len()), (0, 0));

    bench.connect(LAMP, FOUR).await;
    let mut plan = bench
        .interfaces
        .plan_disconnect(&named("", ""), &named(LAMP.0, LAMP.1), false, &root())
        .unwrap();
    let mut bad = PlannedTask::new("bad", "Fail", Value::Null);
    bad.lanes = vec![1];
    plan.then(bad);
    let change = bench.run(plan).await;
    assert_eq!(change.tasks[0].status, TaskStatus::Undone);
    assert_eq!((bench.grants("lights"), bench.records().len()), (1, 1));
}

#[tokio::test]
async fn what_connects_itself_and_what_is_not_wanted() {
    // contract, section 2, auto-connect pass; v2, section 6: connect tasks and setup-profiles are injected
    let bench = bench();
    let pass = || bench.one(kinds::AUTO_CONNECT, json!({"snap": "lights", "revision": "x1"}));
    let change = pass().await;
    change.assert_done();
    let done: Vec<&str> = change.tasks.iter().map(|task| task.kind.as_str()).collect();
    assert_eq!(done, [kinds::AUTO_CONNECT, kinds::CONNECT, kinds::SETUP_PROFILES]);
    assert_eq!(
        change.tasks[2].summary,
        "Setup snap \"lights\" (x1) security profiles for auto-connections"
    );
    let records = bench.records();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].connection.to_string(), "lights:net system:network");
    assert!(records[0].auto);
    assert!(bench.launch("lights").unwrap().plugs.contains_key("net"));
    // what is remembered is not made again
    assert_eq!(pass().await.tasks.len(), 1);
    // an automatic one that was disconnected is remembered as not wanted
    bench.disconnect(("lights", "net"), false).await;
    assert!(bench.records()[0].undesired);
    assert_eq!(pass().await.tasks.len(), 1);
    // by hand it comes back, and is then one made by hand
    let change = bench.connect(("lights", "net"), ("", "")).await;
    assert_eq!(change.shown_status(), TaskStatus::Done);
    assert!(!bench.records()[0].auto);
    bench.disconnect(("lights", "net"), false).await;
    assert!(bench.records().is_empty());
    // once nothing is remembered it connects itself again
    pass().await;
    bench.disconnect(("lights", "net"), true).await;
    assert!(bench.records().is_empty());
}

#[tokio::test]
async fn what_the_gadget_asks_for() {
    // contract: interfaces-and-hardware, section 2: by the rules of connections made by hand, and marked
    use crate::domain::snap::{GadgetConnection, GadgetInfo};
    let bench = bench();
    let asked = |plug: (&str, &str), slot: (&str, &str)| GadgetConnection {
        plug_snap: plug.0.into(),
        plug: plug.1.into(),
        slot_snap: slot.0.into(),
        slot: slot.1.into(),
    };
    let mut gadget = Maker::new("pi", SnapType::Gadget).slot("bcm-gpio-4", "gpio", json!({"number": 4}));
    gadget.0.gadget = Some(GadgetInfo {
        connections: vec![
            asked(("lights", "lamp"), ("pi", "bcm-gpio-4")),
            asked(("lights", "led"), ("pi", "bcm-gpio-4")),
            asked(("lights", "nosuch"), ("pi", "bcm-gpio-4")),
            asked(("later", "lamp"), ("pi", "bcm-gpio-4")),
        ],
        ..GadgetInfo::default()
    });
    bench.install(gadget);
    let change = bench.one(kinds::AUTO_CONNECT, json!({"snap": "lights"})).await;
    assert_eq!(change.shown_status(), TaskStatus::Done);
    let made: Vec<(String, bool, bool)> = bench
        .records()
        .iter()
        .map(|record| (record.connection.to_string(), record.auto, record.by_gadget))
        .collect();
    assert_eq!(
        made,
        [
            (String::from("lights:lamp pi:bcm-gpio-4"), true, true),
            (String::from("lights:net system:network"), true, false)
        ]
    );
    assert!(
        change.tasks[0].log[0].contains(
            "the gadget asks for lights:led to be connected to pi:bcm-gpio-4, which cannot be: they are of different interfaces"
        ),
        "{:?}",
        change.tasks[0].log
    );
    // What was disconnected by hand stays so.
    bench.disconnect(("lights", "lamp"), false).await;
    bench.one(kinds::AUTO_CONNECT, json!({"snap": "lights"})).await;
    let lamp = bench
        .records()
        .into_iter()
        .find(|record| record.by_gadget)
        .unwrap();
    assert!(lamp.undesired);
}

#[tokio::test]
async fn two_candidates_are_none() {
    // contract, section 2: exactly one candidate, else a log
    let bench = bench();
    bench.install(Maker::new("player", SnapType::App).plug("play", "audio-playback", json!({})));
    let change = bench.one(kinds::AUTO_CONNECT, json!({"snap": "player"})).await;
    assert_eq!(change.tasks.len(), 1);
    assert!(
        change.tasks[0].log[0].ends_with(
            "INFO cannot auto-connect plug player:play, candidates found: pi:music, system:audio-playback"
        ),
        "{:?}",
        change.tasks[0].log
    );
    assert!(bench.records().is_empty());
}

#[tokio::test]
async fn removal_leaves_nothing_remembered() {
    // contract, section 2: snap removal deletes entries
    let bench = bench();
    bench.connect(LAMP, FOUR).await;
    bench.one(kinds::AUTO_CONNECT, json!({"snap": "lights"})).await;
    bench.disconnect(("lights", "net"), false).await;
    assert_eq!(bench.records().len(), 2);
    let change = bench.one(kinds::AUTO_DISCONNECT, json!({"snap": "lights"})).await;
    change.assert_done();
    assert_eq!(change.tasks.len(), 2);
    assert!(bench.records().is_empty());
    assert_eq!(bench.grants("lights"), 0);
}

#[tokio::test]
async fn a_failed_removal_remembers_everything_again() {
    let bench = bench();
    bench.one(kinds::AUTO_CONNECT, json!({"snap": "lights"})).await;
    bench.disconnect(("lights", "net"), false).await;
    bench.connect(LAMP, FOUR).await;
    let before = bench.records();
    let mut plan = Plan::new("test", "Test");
    plan.then(PlannedTask::new(
        kinds::AUTO_DISCONNECT,
        "Test",
        json!({"snap": "lights"}),
    ));
    plan.then(PlannedTask::new("bad", "Fail", Value::Null));
    let change = bench.run(plan).await;
    assert_eq!(change.shown_status(), TaskStatus::Error);
    assert_eq!(bench.records(), before);
    assert_eq!(bench.grants("lights"), 1);
}

#[tokio::test]
async fn profiles_of_a_disabled_snap() {
    // contract v2, section 6: disable ends with remove-profiles, enable begins with setup-profiles; its connections
    // stay remembered
    let bench = bench();
    bench.connect(LAMP, FOUR).await;
    let activate = |active: bool| {
        let commit = bench.store.commit(move |tx| {
            let mut record = tx
                .world()
                .snap("lights")
                .map(|record| (**record).clone())
                .unwrap();
            record.active = active;
            tx.put_snap(record)
        });
        commit.unwrap();
    };
    activate(false);
    bench
        .one(
            kinds::REMOVE_PROFILES,
            json!({"snap": "lights", "revision": "x1"}),
        )
        .await;
    assert!(bench.launch("lights").is_none());
    assert_eq!((bench.grants("lights"), bench.records().len()), (0, 1));
    assert!(bench.interfaces.targets(&bench.store.world()).is_empty());
    let change = bench
        .one(kinds::SETUP_PROFILES, json!({"snap": "lights", "revision": "x1"}))
        .await;
    assert_eq!(change.shown_status(), TaskStatus::Done);
    activate(true);
    assert_eq!(bench.grants("lights"), 1);
    assert!(bench.launch("lights").unwrap().plugs.contains_key("lamp"));
    assert_eq!(bench.interfaces.is_connected(&name("lights"), "lamp"), Some(true));
    assert_eq!(bench.interfaces.is_connected(&name("lights"), "led"), Some(false));
    assert_eq!(bench.interfaces.is_connected(&name("lights"), "nosuch"), None);
}

#[tokio::test]
async fn a_revision_without_the_plug_lets_go_of_the_line() {
    // contract, section 2: the entry stays for a revert
    let bench = bench();
    bench.connect(LAMP, FOUR).await;
    bench.install(Maker::new("lights", SnapType::App));
    bench.one(kinds::AUTO_CONNECT, json!({"snap": "lights"})).await;
    assert_eq!((bench.grants("lights"), bench.records().len()), (0, 1));
    bench.install(Maker::new("lights", SnapType::App).plug("lamp", "gpio", json!({})));
    bench.one(kinds::AUTO_CONNECT, json!({"snap": "lights"})).await;
    assert_eq!(bench.grants("lights"), 1);
}

#[tokio::test]
async fn several_at_once_end_in_one_launch_description() {
    let bench = bench();
    for (plug, slot) in [("lamp", "bcm-gpio-4"), ("lines", "some-lines"), ("led", "user")] {
        bench.connect(("lights", plug), ("pi", slot)).await;
    }
    let before = bench.launch("lights").unwrap();
    assert_eq!(before.plugs.len(), 3);
    let settled = async |expected: usize| {
        for _ in 0..200 {
            if bench
                .launch("lights")
                .is_some_and(|launch| launch.plugs.len() == expected)
            {
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        false
    };
    let mut plan = Plan::new("test", "Test");
    plan.then(PlannedTask::new(
        kinds::AUTO_DISCONNECT,
        "Test",
        json!({"snap": "lights"}),
    ));
    plan.then(PlannedTask::new("bad", "Fail", Value::Null));
    let change = bench.run(plan).await;
    assert_eq!(change.shown_status(), TaskStatus::Error);
    assert!(settled(3).await);
    bench.one(kinds::AUTO_DISCONNECT, json!({"snap": "lights"})).await;
    assert!(settled(0).await);
}
