use super::*;
use crate::domain::requester::{Requester, Role, Transport};
use crate::domain::snap::HookInfo;
use crate::domain::status::TaskStatus;
use crate::domain::{Change, FileIdentity, RevisionRecord, SnapInfo, SnapRecord, Timestamp};
use crate::drivers::clock::Clock;
use crate::engine::{Engine, History, Registry};
use crate::events::Bus;
use std::path::PathBuf;
use std::time::{Duration, Instant};

mod snapctl;

const LAUNCHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/launcher");

/// A snap with hooks (scripts that get the root as `$1`), and everything that runs them.
struct Board {
    root: tempfile::TempDir,
    store: Arc<Store>,
    settings: Arc<Settings>,
    engine: Arc<Engine>,
}

fn board(hooks: &[(&str, &str)]) -> Board {
    limited(hooks, None)
}

/// The same, where hooks may run for so long.
fn limited(hooks: &[(&str, &str)], limit: Option<Duration>) -> Board {
    let root = tempfile::tempdir().expect("a folder");
    let dirs = Dirs::new(root.path());
    std::fs::create_dir(root.path().join("apps")).expect("a folder");
    let (store, _) = Store::open(&dirs, Clock::system()).expect("a store");
    let snap = SnapName::new("cf").expect("a name");
    let mut info = SnapInfo::named(snap.clone());
    for (name, script) in hooks {
        std::fs::write(root.path().join(format!("apps/cf.hook.{name}")), script).expect("written");
        let hook = HookInfo {
            name: (*name).to_owned(),
            ..HookInfo::default()
        };
        info.hooks.insert((*name).to_owned(), hook);
    }
    let revision: crate::domain::Revision = "x1".parse().expect("a revision");
    let record = SnapRecord {
        name: snap,
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
    let runtime = tokio::runtime::Handle::current();
    let hardware = Hardware::open(None, &dirs, store.clone(), bus.clone(), &Clock::system(), runtime);
    let services = Services::new(
        dirs.clone(),
        store.clone(),
        bus.clone(),
        Arc::new(|_| Vec::new()),
        PathBuf::from(LAUNCHER),
    );
    let interfaces = Interfaces::new(
        store.clone(),
        hardware.clone(),
        services.clone(),
        bus.clone(),
        true,
    );
    let settings = Settings::new(dirs, store.clone(), services, interfaces, hardware, limit);
    let mut registry = Registry::default();
    settings.register(&mut registry);
    let engine = Engine::new(store.clone(), bus, registry, History::default());
    tokio::spawn(engine.clone().run());
    Board {
        root,
        store,
        settings,
        engine,
    }
}

fn root() -> Requester {
    Requester {
        identity: String::from("uid=0"),
        uid: Some(0),
        pid: None,
        role: Role::Admin,
        transport: Transport::SnapSocket,
        snap: SnapName::new("cf").ok(),
    }
}

impl Board {
    async fn done(&self, plan: Plan) -> Arc<Change> {
        let id = self.engine.submit(plan).await.expect("submitted");
        self.engine.wait(id).await.expect("waited")
    }

    async fn hook(&self, params: Value) -> Arc<Change> {
        let mut plan = Plan::new("test", "test");
        plan.then(PlannedTask::new(kinds::RUN_HOOK, "Run a hook", params));
        self.done(plan).await
    }

    async fn configure(&self, patch: Value) -> Arc<Change> {
        let patch = patch.as_object().cloned().expect("an object");
        self.done(self.settings.plan_configure("cf", patch).expect("a plan"))
            .await
    }

    fn kept(&self) -> Value {
        let world = self.store.world();
        world
            .config
            .get("cf")
            .map_or(Value::Null, |value| Value::clone(value))
    }

    async fn ctl(&self, cookie: &str, words: &str) -> Result<SnapctlOutput, String> {
        let args: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let output = self.settings.snapctl(&root(), cookie, &args).await;
        output.map_err(|fault| fault.message)
    }

    async fn printed(&self, words: &str) -> String {
        self.ctl("", words).await.expect("it works").stdout
    }

    async fn refused(&self, words: &str) -> String {
        self.ctl("", words).await.expect_err("refused")
    }

    /// The cookie that the waiting hook was given.
    async fn cookie(&self) -> String {
        eventually("the hook runs", || {
            self.file("cookie").is_some_and(|cookie| cookie.ends_with('\n'))
        })
        .await;
        self.file("cookie").expect("a cookie").trim().to_owned()
    }

    fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.root.path().join(name)).ok()
    }
}

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

/// A hook that tells its cookie and waits until it may end.
const WAITING: &str =
    "echo $SNAP_COOKIE > $1/cookie; while [ ! -e $1/go ]; do sleep 0.01; done; exit $(cat $1/go)";

#[tokio::test]
async fn what_a_hook_sets_is_seen_by_it_and_kept_only_if_it_succeeds() {
    // contract: confinement, section 7, Semantics
    for (code, kept) in [("0", json!({"a": 1, "b": 2})), ("3", Value::Null)] {
        let board = board(&[("configure", WAITING)]);
        let plan = board
            .settings
            .plan_configure("cf", json!({"a": 1}).as_object().cloned().expect("a map"))
            .expect("a plan");
        assert_eq!(plan.summary, "Change configuration of \"cf\" snap");
        let id = board.engine.submit(plan).await.expect("submitted");
        let cookie = board.cookie().await;
        assert_eq!(board.settings.cookie_owner(&cookie), SnapName::new("cf").ok());
        board.ctl(&cookie, "set b=2").await.expect("set");
        let seen = board.ctl(&cookie, "get a b").await.expect("seen");
        assert_eq!(seen.stdout, "{\n\t\"a\": 1,\n\t\"b\": 2\n}\n");
        assert_eq!(board.kept(), Value::Null, "nothing is kept while it runs");
        std::fs::write(board.root.path().join("go"), code).expect("written");
        board.engine.wait(id).await.expect("it ends");
        assert_eq!(board.kept(), kept, "exit {code}");
        assert_eq!(
            board.settings.cookie_owner(&cookie),
            None,
            "the cookie ends with the hook"
        );
    }
}

#[tokio::test]
async fn a_failed_hook_tells_what_it_printed() {
    let board = board(&[("configure", "echo out-text; echo err-text >&2; exit 3")]);
    let change = board.configure(json!({"q": 1})).await;
    // contract: confinement, section 1.6
    assert_eq!(
        change.error_text().as_deref(),
        Some(
            "cannot perform the following tasks:\n- Run configure hook of \"cf\" snap (run hook \"configure\": \n-----\nout-text\nerr-text\n-----)"
        )
    );
    assert_eq!(board.kept(), Value::Null);
}

#[tokio::test]
async fn a_missing_hook_is_fine_when_it_is_optional() {
    let board = board(&[]);
    let fine = board
        .hook(json!({"snap": "cf", "hook": "install", "optional": true}))
        .await;
    assert_eq!(fine.shown_status(), TaskStatus::Done);
    let empty = board.configure(json!({})).await;
    assert_eq!(empty.shown_status(), TaskStatus::Done);
    let failed = board.configure(json!({"a": 1})).await;
    assert!(
        failed
            .error_text()
            .is_some_and(|text| text.contains(r#"snap "cf" has no "configure" hook"#))
    );
}

#[tokio::test]
async fn one_that_hangs_is_ended_with_its_children() {
    let hook = "echo begun; setsid sleep 1000 & echo $! > $1/child; sleep 1000";
    let board = limited(&[("install", hook)], Some(Duration::from_millis(300)));
    let begun = Instant::now();
    let change = board.hook(json!({"snap": "cf", "hook": "install"})).await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    let text = change.error_text().expect("it failed");
    assert!(
        text.contains("begun\n<exceeded maximum runtime of 300ms>"),
        "{text}"
    );
    let child = board.file("child").expect("a pid");
    assert!(
        !std::path::Path::new("/proc")
            .join(child.trim())
            .join("exe")
            .exists()
    );
}

#[tokio::test]
async fn one_that_floods_is_cut_and_may_succeed() {
    let flood = "head -c 1000000 /dev/zero | tr '\\0' x; exit ";
    for (code, status) in [("0", TaskStatus::Done), ("1", TaskStatus::Error)] {
        let board = board(&[("install", format!("{flood}{code}").as_str())]);
        let change = board.hook(json!({"snap": "cf", "hook": "install"})).await;
        assert_eq!(change.shown_status(), status);
        assert!(change.error_text().is_none_or(|text| text.len() < 70_000));
    }
}

#[tokio::test]
async fn forgiven_failures_are_only_told() {
    let board = board(&[("remove", "echo no; exit 1")]);
    let change = board.hook(json!({"snap": "cf", "hook": "remove"})).await;
    assert_eq!(change.shown_status(), TaskStatus::Done);
    assert!(change.tasks[0].log[0].ends_with(r#"ignoring failure in hook "remove": run hook "remove": no"#));
}

#[tokio::test]
async fn configuration_is_read_and_set_over_the_requests() {
    let board = board(&[("configure", "exit 0")]);
    assert_eq!(board.settings.configuration("cf", &[]), Ok(Map::new()));
    board.configure(json!({"a": 1, "d.x": "y"})).await;
    let keys = [String::from("d.x"), String::from("a")];
    let values = board.settings.configuration("cf", &keys).expect("values");
    assert_eq!(Value::Object(values), json!({"a": 1, "d.x": "y"}));
    let fault = board
        .settings
        .configuration("cf", &[String::from("no.such")])
        .expect_err("missing");
    assert_eq!(fault.kind, ErrorKind::OptionNotFound);
    assert_eq!(
        fault.message,
        r#"snap "cf" has no "no.such" configuration option"#
    );
    assert_eq!(fault.value, Some(json!({"SnapName": "cf", "Key": "no.such"})));
    let fault = board
        .settings
        .configuration("cf", &[String::from("a.b")])
        .expect_err("a scalar");
    assert_eq!(
        (fault.kind, fault.message.as_str()),
        (ErrorKind::Internal, r#"snap "cf" option "a" is not a map"#)
    );
    let missing = board
        .settings
        .plan_configure("nosuch", Map::new())
        .expect_err("no snap");
    assert_eq!(missing.kind, ErrorKind::SnapNotFound);
    let system = board
        .settings
        .plan_configure("system", json!({"x.y": 1}).as_object().cloned().expect("a map"));
    let change = board.done(system.expect("a plan")).await;
    assert!(
        change
            .error_text()
            .is_some_and(|text| text.contains(r#"cannot set "core.x.y": unsupported system option"#))
    );
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_before_anything_runs() {
    let board = board(&[("configure", "exit 0")]);
    let deep = (0..80).fold(json!(1), |inner, _| json!([inner]));
    for (patch, text) in [
        (json!({"q": 1, "q.r": 2}), "snap \"cf\" option \"q\" is not a map"),
        (json!({"Bad_Key": 1}), "invalid option name: \"Bad_Key\""),
        (
            json!({"a": deep}),
            "snap \"cf\" option \"a\" is nested more than 64 levels deep: make it flatter",
        ),
        (
            json!({"a": "x".repeat(2 << 20)}),
            "the configuration of snap \"cf\" would be larger than 1048576 bytes: keep large data in files",
        ),
    ] {
        let patch = patch.as_object().cloned().expect("a map");
        let fault = board.settings.plan_configure("cf", patch).expect_err(text);
        assert_eq!(
            (fault.kind, fault.message.as_str()),
            (ErrorKind::BadRequest, text)
        );
    }
    // What only the present configuration shows is the change's error (contract: v2, section 7).
    board.configure(json!({"s": "scalar"})).await;
    let change = board.configure(json!({"s.below": 1})).await;
    assert!(
        change
            .error_text()
            .is_some_and(|text| text.contains("snap \"cf\" option \"s\" is not a map"))
    );
}

#[tokio::test]
async fn a_new_snap_starts_with_what_the_gadget_has_for_it() {
    // contract: snaps-and-assertions, section 4
    use crate::domain::snap::{GadgetInfo, SnapType};
    let defaults = |values: Value| {
        let values = values.as_object().cloned().expect("a map").into_iter();
        values
            .map(|(snap, values)| (snap, values.as_object().cloned().expect("a map")))
            .collect()
    };
    let board = board(&[("configure", "exit 0")]);
    let mut info = SnapInfo::named(SnapName::new("pi").expect("a name"));
    info.kind = SnapType::Gadget;
    info.gadget = Some(GadgetInfo {
        defaults: defaults(json!({
            "cf": {"colour": "red", "deep": {"er": 1}},
            "pi": {"own": true},
            "system": {"refresh": {"retain": 7}},
        })),
        ..GadgetInfo::default()
    });
    let record = board
        .store
        .world()
        .snap("cf")
        .map(|record| SnapRecord::clone(record));
    let mut record = record.expect("a record");
    record.name = info.name.clone();
    record.sequence[0].info = Arc::new(info);
    board
        .store
        .commit(move |tx| tx.put_snap(record))
        .expect("committed");
    let first =
        |snap: &str| json!({"snap": snap, "hook": "configure", "optional": true, "use-defaults": true});
    board.hook(first("cf")).await;
    assert_eq!(board.kept(), json!({"colour": "red", "deep": {"er": 1}}));
    board.configure(json!({"colour": "green"})).await;
    board
        .hook(json!({"snap": "cf", "hook": "configure", "optional": true}))
        .await;
    assert_eq!(board.kept()["colour"], "green", "a later configure asks for none");
    // The gadget has no hook; it gets its options all the same, and the system with it.
    let change = board.hook(first("pi")).await;
    assert_eq!(change.shown_status(), TaskStatus::Done);
    assert_eq!(change.tasks[1].summary, "Run configure hook of \"core\" snap");
    let of = |snap: &str| board.settings.configuration(snap, &[]).map(Value::Object);
    assert_eq!(of("pi"), Ok(json!({"own": true})));
    assert_eq!(of("system"), Ok(json!({"refresh": {"retain": 7}})));
}

#[tokio::test]
async fn system_options_say_what_comes_of_them() {
    let board = board(&[]);
    let set = async |patch: Value| {
        let patch = patch.as_object().cloned().expect("a map");
        board
            .done(board.settings.plan_configure("system", patch).expect("a plan"))
            .await
    };
    let change = set(json!({
        "refresh": {"retain": 4, "metered": "hold"},
        "proxy.http": "http://proxy",
        "system.hostname": "elsewhere",
    }))
    .await;
    assert_eq!(change.shown_status(), TaskStatus::Done);
    let log = change.tasks[0].log.join("\n");
    for told in [
        "kept, without effect until this agent refreshes snaps by itself: refresh.metered",
        "kept, without effect until this agent asks servers for something: proxy.http",
        "system.hostname and system.timezone are kept; they are set where the agent runs as root on its own host",
    ] {
        assert!(log.contains(told), "{told}: {log}");
    }
    assert!(!log.contains("retain"), "{log}");
    let keys = [String::from("refresh.retain"), String::from("system.hostname")];
    let values = board.settings.configuration("system", &keys).expect("values");
    assert_eq!(
        Value::Object(values),
        json!({"refresh.retain": 4, "system.hostname": "elsewhere"})
    );
    // One wrong option, and none is set.
    let change = set(json!({"refresh.retain": 5, "refresh.hold": "tomorrow"})).await;
    assert_eq!(change.shown_status(), TaskStatus::Error);
    let values = board.settings.configuration("core", &keys[..1]).expect("values");
    assert_eq!(Value::Object(values), json!({"refresh.retain": 4}));
}

#[tokio::test]
async fn a_cookie_is_kept_for_the_launcher_only() {
    use std::os::unix::fs::PermissionsExt;
    let board = board(&[]);
    let snap = SnapName::new("cf").expect("a name");
    let cookie = board
        .settings
        .prepare_cookie(&board.store.world(), &snap)
        .expect("a cookie");
    let path = board.root.path().join("var/lib/snapd/cookie/snap.cf");
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), cookie);
    let mode = std::fs::metadata(&path).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (kept, owner) = (cookie.clone(), snap.clone());
    board
        .store
        .commit(move |tx| tx.put_cookie(&kept, &owner))
        .expect("committed");
    assert_eq!(board.settings.cookie_owner(&cookie), Some(snap.clone()));
    let again = board.settings.prepare_cookie(&board.store.world(), &snap);
    assert_eq!(again, Ok(cookie.clone()));
    let strange = board.root.path().join("var/lib/snapd/cookie/snap.gone");
    std::fs::write(&strange, "x").expect("written");
    std::fs::remove_file(&path).expect("removed");
    board.settings.reconcile(&board.store.world());
    assert_eq!(std::fs::read_to_string(&path).ok(), Some(cookie));
    assert!(!strange.exists());
    let gone = snap.clone();
    board
        .store
        .commit(move |tx| tx.delete_snap(&gone))
        .expect("committed");
    board.settings.forget(&board.store.world(), &snap);
    assert!(!path.exists());
}
