use super::plan::{Candidate, install};
use super::*;
use crate::domain::status::TaskStatus;
use crate::domain::{
    Change, ErrorKind, Fault, FileIdentity, Plan, Revision, RevisionRecord, SnapName, SnapRecord, Timestamp,
    kinds,
};
use crate::drivers::clock::Clock;
use crate::drivers::squashfs;
use crate::engine::{Engine, History, Outcome, Probe, Registry, TaskContext, TaskError, TaskKind};
use crate::events::Bus;
use crate::store::World;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// A machine for plans.
const DEVICE: Device = Device {
    architecture: "amd64",
    on_classic: true,
    executable: PathBuf::new(),
};

fn name(text: &str) -> SnapName {
    SnapName::new(text).expect("a name")
}

fn candidate(yaml: &str) -> Candidate {
    let info = yaml::parse_snap_yaml(yaml.as_bytes()).expect("valid");
    Candidate {
        original: format!("{}.snap", info.name),
        upload: PathBuf::from("/up"),
        file: FileIdentity::default(),
        info,
    }
}

fn revision(yaml: &str, number: u32) -> RevisionRecord {
    RevisionRecord {
        revision: Revision::local(number).expect("a revision"),
        installed: Timestamp(0),
        file: FileIdentity::default(),
        info: Arc::new(yaml::parse_snap_yaml(yaml.as_bytes()).expect("valid")),
    }
}

fn record(yaml: &str, numbers: &[u32]) -> SnapRecord {
    let sequence: Vec<RevisionRecord> = numbers.iter().map(|n| revision(yaml, *n)).collect();
    let last = sequence.last().expect("one");
    SnapRecord {
        name: last.info.name.clone(),
        active: true,
        current: last.revision,
        sequence: sequence.clone(),
        devmode: false,
        jailmode: false,
        classic: false,
        try_mode: false,
        tracking_channel: String::new(),
        disabled_services: Vec::new(),
    }
}

fn world(records: Vec<SnapRecord>) -> World {
    let mut world = World::default();
    for record in records {
        Arc::make_mut(&mut world.snaps).insert(record.name.clone(), Arc::new(record));
    }
    world
}

fn kinds_of(plan: &Plan) -> Vec<String> {
    plan.tasks
        .iter()
        .map(|task| match task.params.get("hook") {
            Some(hook) if task.kind == kinds::RUN_HOOK => {
                format!("{}({})", task.kind, hook.as_str().expect("text"))
            }
            _ => task.kind.to_owned(),
        })
        .collect()
}

const DANGEROUS: SideloadFlags = SideloadFlags {
    dangerous: true,
    devmode: false,
    jailmode: false,
    classic: false,
    all_or_none: false,
};

#[test]
fn a_new_snap_takes_the_thirteen_tasks_of_the_contract() {
    // contract: v2-observed, section 3, "sideload new"
    let plan = install(
        &World::default(),
        vec![candidate("name: foo\nversion: 1\nassumes: [snapd2.40]\n")],
        DANGEROUS,
        &DEVICE,
    )
    .expect("a plan");
    assert_eq!(plan.kind, "install-snap");
    assert_eq!(plan.summary, "Install \"foo\" snap from file \"foo.snap\"");
    assert_eq!(plan.data["snap-name"], "foo");
    assert_eq!(
        kinds_of(&plan),
        [
            "prerequisites",
            "prepare-snap",
            "mount-snap",
            "copy-snap-data",
            "setup-profiles",
            "link-snap",
            "auto-connect",
            "set-auto-aliases",
            "setup-aliases",
            "run-hook(install)",
            "start-snap-services",
            "run-hook(configure)",
            "run-hook(check-health)"
        ]
    );
    let summaries: Vec<&str> = plan.tasks.iter().map(|task| task.summary.as_str()).collect();
    assert_eq!(
        summaries[..6],
        [
            "Ensure prerequisites for \"foo\" are available",
            "Prepare snap \"/up\" (unset)",
            "Mount snap \"foo\" (unset)",
            "Copy snap \"foo\" data",
            "Setup snap \"foo\" (unset) security profiles",
            "Make snap \"foo\" (unset) available to the system",
        ]
    );
    assert_eq!(summaries[12], "Run health check of \"foo\" snap");
    for (position, task) in plan.tasks.iter().enumerate() {
        let before: Vec<usize> = position.checked_sub(1).into_iter().collect();
        assert_eq!(task.waits, before, "{}", task.kind);
    }
    assert_eq!(plan.tasks[1].params["revision"], "x1");
}

#[test]
fn a_base_has_no_configure_hook() {
    let plan = install(
        &World::default(),
        vec![candidate("name: core99\nversion: 1\ntype: base\n")],
        DANGEROUS,
        &DEVICE,
    )
    .expect("a plan");
    assert_eq!(plan.tasks.len(), 12);
    assert!(!kinds_of(&plan).contains(&String::from("run-hook(configure)")));
}

#[test]
fn a_file_over_an_installed_snap_refreshes_it() {
    // contract: v2-observed, section 3, "sideload over an installed snap"
    let yaml = "name: foo\nversion: 1\n";
    let world = world(vec![record(yaml, &[1, 2])]);
    let plan = install(&world, vec![candidate(yaml)], DANGEROUS, &DEVICE).expect("a plan");
    assert_eq!(
        kinds_of(&plan),
        [
            "prerequisites",
            "prepare-snap",
            "mount-snap",
            "run-hook(pre-refresh)",
            "stop-snap-services",
            "remove-aliases",
            "unlink-current-snap",
            "copy-snap-data",
            "setup-profiles",
            "link-snap",
            "auto-connect",
            "set-auto-aliases",
            "setup-aliases",
            "run-hook(post-refresh)",
            "start-snap-services",
            "clear-snap",
            "discard-snap",
            "cleanup",
            "run-hook(configure)",
            "run-hook(check-health)"
        ]
    );
    assert_eq!(plan.tasks[1].params["revision"], "x3");
    assert_eq!(
        plan.tasks[15].params["revision"], "x1",
        "two stay on a classic system"
    );
}

#[test]
fn several_files_have_lanes_and_bases_come_first() {
    let app = "name: app\nversion: 1\nbase: core99\n";
    let base = "name: core99\nversion: 1\ntype: base\n";
    let plan = install(
        &World::default(),
        vec![candidate(app), candidate(base)],
        DANGEROUS,
        &DEVICE,
    )
    .expect("a plan");
    assert_eq!(
        plan.summary,
        "Install snaps \"app\", \"core99\" from files \"app.snap\", \"core99.snap\""
    );
    assert_eq!(plan.data["snap-names"], serde_json::json!(["app", "core99"]));
    assert_eq!(plan.tasks.len(), 25);
    assert_eq!(plan.tasks[0].params["snap"], "core99");
    assert_eq!(plan.tasks[0].lanes, [1]);
    assert_eq!(plan.tasks[12].lanes, [2]);
    assert_eq!(plan.tasks[12].waits, [5], "the app waits until its base is there");
    let together = SideloadFlags {
        all_or_none: true,
        ..DANGEROUS
    };
    let plan = install(
        &World::default(),
        vec![candidate(app), candidate(base)],
        together,
        &DEVICE,
    )
    .expect("a plan");
    assert!(plan.tasks.iter().all(|task| task.lanes == [1]));
}

#[test]
fn refusals() {
    let strict = "name: foo\nversion: 1\n";
    let devmode = "name: foo\nversion: 1\nconfinement: devmode\n";
    let classic = "name: foo\nversion: 1\nconfinement: classic\n";
    let gadget = "name: pi\nversion: 1\ntype: gadget\n";
    let other_gadget = "name: pc\nversion: 1\ntype: gadget\n";
    let installed = || world(vec![record(strict, &[1]), record(gadget, &[1])]);
    let on_core = Device {
        on_classic: false,
        ..DEVICE
    };
    let refused = |world: &World, yamls: &[&str], device: &Device| -> Fault {
        install(
            world,
            yamls.iter().map(|yaml| candidate(yaml)).collect(),
            DANGEROUS,
            device,
        )
        .expect_err("refused")
    };
    let none = World::default();
    assert_eq!(
        refused(&none, &[devmode], &DEVICE).kind,
        ErrorKind::SnapNeedsDevmode
    );
    let fault = refused(&none, &[classic], &DEVICE);
    assert_eq!(fault.kind, ErrorKind::SnapNeedsClassic);
    assert_eq!(fault.value, Some("foo".into()));
    assert_eq!(
        refused(&none, &[classic], &on_core).kind,
        ErrorKind::SnapNeedsClassicSystem
    );
    let texts = [
        (
            refused(&none, &[strict, strict], &DEVICE),
            "are both snap \"foo\"",
        ),
        (refused(&none, &[gadget, other_gadget], &DEVICE), "one gadget"),
        (refused(&installed(), &[other_gadget], &DEVICE), "one gadget"),
        (
            refused(&installed(), &["name: foo\nversion: 1\ntype: base\n"], &DEVICE),
            "of type app",
        ),
        (
            refused(&installed(), &["name: foo\nversion: 1\nepoch: 7\n"], &DEVICE),
            "cannot read the data",
        ),
    ];
    for (fault, text) in texts {
        assert_eq!(fault.kind, ErrorKind::BadRequest);
        assert!(fault.message.contains(text), "{}", fault.message);
    }
    install(&installed(), vec![candidate(gadget)], DANGEROUS, &DEVICE).expect("the same gadget again");
}

#[test]
fn removal_takes_the_tasks_of_the_contract() {
    // contract: v2-observed, section 3, "remove"; others first, the current revision last
    let yaml = "name: foo\nversion: 1\nbase: core99\n";
    let base = "name: core99\nversion: 1\ntype: base\n";
    let mut world = world(vec![record(yaml, &[1, 2]), record(base, &[1])]);
    let plan = removal::remove_one(&world, "foo", RemoveOptions::default()).expect("a plan");
    assert_eq!(plan.kind, "remove-snap");
    assert_eq!(plan.summary, "Remove \"foo\" snap");
    assert_eq!(
        kinds_of(&plan),
        [
            "stop-snap-services",
            "run-hook(remove)",
            "auto-disconnect",
            "remove-aliases",
            "unlink-snap",
            "remove-profiles",
            "clear-snap",
            "discard-snap",
            "clear-snap",
            "discard-snap"
        ]
    );
    assert_eq!(plan.tasks[6].params["revision"], "x1");
    assert_eq!(plan.tasks[9].params["revision"], "x2");

    let only = |n| RemoveOptions {
        revision: Revision::local(n),
    };
    let plan = removal::remove_one(&world, "foo", only(1)).expect("a plan");
    assert_eq!(kinds_of(&plan), ["clear-snap", "discard-snap"]);
    let fault = removal::remove_one(&world, "foo", only(2)).expect_err("in use");
    assert_eq!(
        fault.message,
        "cannot remove active revision x2 of snap \"foo\" (revert first?)"
    );
    let fault = removal::remove_one(&world, "foo", only(9)).expect_err("not there");
    assert_eq!(fault.kind, ErrorKind::SnapNotInstalled);
    let fault = removal::remove_one(&world, "nosuch", RemoveOptions::default()).expect_err("not there");
    assert_eq!(fault.kind, ErrorKind::SnapNotInstalled);
    assert_eq!(fault.value, Some("nosuch".into()));
    let fault = removal::remove_one(&world, "core99", RemoveOptions::default()).expect_err("in use");
    assert!(
        fault.message.contains("is being used by snap foo"),
        "{}",
        fault.message
    );

    let names = ["core99", "foo", "nosuch"].map(String::from);
    let plan = removal::remove_many(&world, &names).expect("both at once");
    assert_eq!(plan.data["snap-names"], serde_json::json!(["core99", "foo"]));
    assert_eq!(
        plan.tasks[0].params["snap"], "foo",
        "what stands on the base goes first"
    );
    let plan = removal::remove_many(&world, &[String::from("nosuch")]).expect("nothing to do");
    assert!(plan.tasks.is_empty());

    let disabled = SnapRecord {
        active: false,
        ..record(yaml, &[1])
    };
    Arc::make_mut(&mut world.snaps).insert(name("foo"), Arc::new(disabled));
    let plan = removal::remove_one(&world, "foo", RemoveOptions::default()).expect("a plan");
    assert_eq!(kinds_of(&plan), ["auto-disconnect", "clear-snap", "discard-snap"]);
}

/// A task kind of a neighbour. It fails where the snap's title says so.
struct Neighbour(&'static str);

impl TaskKind for Neighbour {
    fn kind(&self) -> &'static str {
        self.0
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let snap = task.task().params["snap"].as_str().unwrap_or_default().to_owned();
        let title = task
            .world()
            .snap(&snap)
            .and_then(|record| record.info().map(|info| info.title.clone()));
        if title.as_deref() == Some(&format!("fails in {}", self.0)) {
            return Err(TaskError::new("as asked"));
        }
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn probe(&self, _task: &TaskContext) -> Probe {
        Probe::NoEffect
    }
}

struct Bench {
    dir: tempfile::TempDir,
    dirs: Dirs,
    snaps: Arc<Snaps>,
    engine: Arc<Engine>,
    store: Arc<Store>,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().expect("a folder");
    let dirs = Dirs::new(dir.path());
    let (store, _) = Store::open(&dirs, Clock::system()).expect("a store");
    let snaps = Snaps::new(
        dirs.clone(),
        Arc::clone(&store),
        Mounts::unpacking(),
        Device {
            executable: PathBuf::from("/usr/bin/pinion"),
            ..DEVICE
        },
    );
    let mut registry = Registry::default();
    snaps.register(&mut registry);
    for kind in [
        kinds::SETUP_PROFILES,
        kinds::REMOVE_PROFILES,
        kinds::AUTO_CONNECT,
        kinds::AUTO_DISCONNECT,
        kinds::RUN_HOOK,
        kinds::START_SNAP_SERVICES,
        kinds::STOP_SNAP_SERVICES,
    ] {
        registry.add(Neighbour(kind));
    }
    let engine = Engine::new(
        Arc::clone(&store),
        Bus::new(|| Timestamp(0)),
        registry,
        History::default(),
    );
    tokio::spawn(Arc::clone(&engine).run());
    Bench {
        dir,
        dirs,
        snaps,
        engine,
        store,
    }
}

impl Bench {
    /// Packs a snap with an executable for each app.
    fn packed(&self, yaml: &str) -> Vec<u8> {
        let source = self.dir.path().join("source");
        let _ = fs::remove_dir_all(&source);
        fs::create_dir_all(source.join("meta")).expect("folder");
        fs::create_dir_all(source.join("bin")).expect("folder");
        fs::write(source.join("meta/snap.yaml"), yaml).expect("yaml");
        fs::write(source.join("bin/run"), "#!/bin/sh\n").expect("run");
        fs::set_permissions(source.join("bin/run"), fs::Permissions::from_mode(0o755)).expect("mode");
        let file = self.dir.path().join("packed.snap");
        squashfs::pack(&source, &file).expect("packed");
        fs::read(file).expect("read")
    }

    fn upload(&self, bytes: &[u8]) -> Upload {
        let mut writer = self.snaps.uploads().begin().expect("begun");
        writer.write(bytes).expect("written");
        writer.finish().expect("finished")
    }

    async fn run(&self, plan: Plan) -> Arc<Change> {
        let id = self.engine.submit(plan).await.expect("submitted");
        tokio::time::timeout(Duration::from_secs(20), self.engine.wait(id))
            .await
            .expect("in time")
            .expect("there")
    }

    async fn install(&self, yaml: &str) -> Arc<Change> {
        let upload = self.upload(&self.packed(yaml));
        let files = [Sideload {
            upload: &upload,
            original: String::from("a.snap"),
        }];
        let plan = self.snaps.plan_sideload(&files, DANGEROUS).expect("a plan");
        upload.keep();
        self.run(plan).await
    }

    /// Names in a folder that are not hidden.
    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .map(|entries| {
                entries
                    .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
                    .collect()
            })
            .unwrap_or_default();
        names.sort();
        names
    }

    fn in_order(&self) -> bool {
        self.snaps.inspect(&self.store.world(), true).is_empty()
    }
}

const APP: &str = "name: foo\nversion: 1\nbase: core99\napps:\n  foo: {command: bin/run}\n  ctl: {command: bin/run}\n  \
                   svc: {command: bin/run, daemon: simple}\n";
const BASE: &str = "name: core99\nversion: 1\ntype: base\n";

#[tokio::test]
async fn install_refresh_and_remove_leave_the_disk_as_the_store_says() {
    let bench = bench();
    let change = bench.install(APP).await;
    assert_eq!(change.shown_status(), TaskStatus::Error, "no base yet");
    assert!(change.error_text().expect("told").contains("\"core99\""));
    assert_eq!(change.tasks[0].status, TaskStatus::Error);
    assert_eq!(change.tasks[1].status, TaskStatus::Hold);

    let before = bench.store.commits();
    assert_eq!(bench.install(BASE).await.shown_status(), TaskStatus::Done);
    assert!(
        bench.store.commits() - before <= 17,
        "with three syncs of files that makes at most 20"
    );
    let change = bench.install(APP).await;
    assert_eq!(
        change.shown_status(),
        TaskStatus::Done,
        "{:?}",
        change.error_text()
    );
    let foo = name("foo");
    let x1 = Revision::local(1).expect("x1");
    let mode = fs::metadata(bench.dirs.snap_file(&foo, x1))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(bench.dirs.snap_mount(&foo, x1).join("bin/run").is_file());
    assert_eq!(
        fs::read_link(bench.dirs.snap_mount_dir(&foo).join("current")).expect("a link"),
        Path::new("x1")
    );
    assert_eq!(
        Bench::names(&bench.dirs.snap_bin()),
        ["foo", "foo.ctl"],
        "services get none"
    );
    let script = fs::read_to_string(bench.dirs.snap_bin().join("foo.ctl")).expect("a script");
    assert!(script.contains("run foo.ctl \"$@\""), "{script}");
    assert!(bench.in_order());
    fs::write(bench.dirs.snap_data(&foo, x1).join("kept"), "data").expect("data");

    let change = bench
        .install(&APP.replace("  ctl: {command: bin/run}\n", ""))
        .await;
    assert_eq!(
        change.shown_status(),
        TaskStatus::Done,
        "{:?}",
        change.error_text()
    );
    let x2 = Revision::local(2).expect("x2");
    let record = Arc::clone(bench.store.world().snap("foo").expect("there"));
    assert!(record.active && record.current == x2 && record.sequence.len() == 2);
    assert_eq!(
        fs::read_to_string(bench.dirs.snap_data(&foo, x2).join("kept")).expect("copied"),
        "data"
    );
    assert_eq!(Bench::names(&bench.dirs.snap_bin()), ["foo"]);
    assert!(bench.in_order());

    let change = bench
        .run(
            bench
                .snaps
                .plan_remove("foo", RemoveOptions::default())
                .expect("a plan"),
        )
        .await;
    assert_eq!(
        change.shown_status(),
        TaskStatus::Done,
        "{:?}",
        change.error_text()
    );
    assert!(bench.store.world().snap("foo").is_none());
    assert_eq!(Bench::names(&bench.dirs.snap_files()), ["core99_x1.snap"]);
    assert_eq!(Bench::names(&bench.dirs.snap_mounts()), ["bin", "core99"]);
    assert_eq!(Bench::names(&bench.dirs.snap_data_all()), ["core99"]);
    assert!(Bench::names(&bench.dirs.snap_bin()).is_empty());
    assert!(bench.in_order());
}

#[tokio::test]
async fn a_failed_install_leaves_nothing_and_a_failed_refresh_what_was() {
    let bench = bench();
    bench.install(BASE).await;
    let failing = APP.replace(
        "version: 1\n",
        "version: 2\ntitle: fails in start-snap-services\n",
    );
    let change = bench.install(&failing).await;
    assert_eq!(change.shown_status(), TaskStatus::Error);
    assert!(bench.store.world().snap("foo").is_none());
    assert_eq!(Bench::names(&bench.dirs.snap_files()), ["core99_x1.snap"]);
    assert_eq!(Bench::names(&bench.dirs.snap_mounts()), ["bin", "core99"]);
    assert_eq!(Bench::names(&bench.dirs.snap_data_all()), ["core99"]);
    assert!(bench.in_order());

    bench.install(APP).await;
    let was = Arc::clone(bench.store.world().snap("foo").expect("there"));
    let change = bench.install(&failing).await;
    assert_eq!(change.shown_status(), TaskStatus::Error);
    assert_eq!(bench.store.world().snap("foo"), Some(&was));
    assert_eq!(
        fs::read_link(bench.dirs.snap_mount_dir(&name("foo")).join("current")).expect("a link"),
        Path::new("x1")
    );
    assert_eq!(Bench::names(&bench.dirs.snap_bin()), ["foo", "foo.ctl"]);
    assert_eq!(
        Bench::names(&bench.dirs.snap_data_dir(&name("foo"))),
        ["common", "current", "x1"]
    );
    assert!(bench.in_order());
}

#[tokio::test]
async fn a_file_that_was_swapped_is_not_installed() {
    let bench = bench();
    let upload = bench.upload(&bench.packed(BASE));
    let files = [Sideload {
        upload: &upload,
        original: String::from("a.snap"),
    }];
    let plan = bench.snaps.plan_sideload(&files, DANGEROUS).expect("a plan");
    let path = upload.keep();
    let other = bench.packed("name: core99\nversion: 2\ntype: base\n");
    fs::remove_file(&path).expect("removed");
    fs::write(&path, other).expect("swapped");
    let change = bench.run(plan).await;
    assert_eq!(change.shown_status(), TaskStatus::Error);
    let text = change.error_text().expect("told");
    assert!(text.contains("is not the file that was checked"), "{text}");
    for _ in 0..100 {
        if Bench::names(&bench.dirs.snap_files()).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(Bench::names(&bench.dirs.snap_files()).is_empty());
}

#[tokio::test]
async fn bad_files_are_refused_with_a_reason() {
    let bench = bench();
    let whole = bench.packed(BASE);
    let missing = bench.packed("name: foo\nversion: 1\nbase: core99\napps: {a: {command: bin/none}}\n");
    let plan = |bytes: &[u8]| {
        let upload = bench.upload(bytes);
        let files = [Sideload {
            upload: &upload,
            original: String::from("a.snap"),
        }];
        bench.snaps.plan_sideload(&files, DANGEROUS)
    };
    let table: [(&[u8], &str); 3] = [
        (b"not a snap", "is not a squashfs image"),
        (&whole[..200], "is cut short"),
        (b"", "is not a squashfs image"),
    ];
    for (bytes, text) in table {
        let fault = plan(bytes).expect_err("refused");
        assert_eq!(fault.kind, ErrorKind::BadRequest);
        assert!(
            fault.message.starts_with("cannot read snap file \"a.snap\": "),
            "{fault}"
        );
        assert!(fault.message.contains(text), "{fault}");
    }
    let upload = bench.upload(&whole);
    let files = [Sideload {
        upload: &upload,
        original: String::from("a.snap"),
    }];
    let fault = bench
        .snaps
        .plan_sideload(&files, SideloadFlags::default())
        .expect_err("not signed");
    assert_eq!(
        fault.message,
        "cannot find signatures with metadata for snap \"a.snap\""
    );
    drop(upload);
    assert!(Bench::names(&bench.dirs.snap_files()).is_empty());

    bench.install(BASE).await;
    let upload = bench.upload(&missing);
    let files = [Sideload {
        upload: &upload,
        original: String::from("a.snap"),
    }];
    let plan = bench.snaps.plan_sideload(&files, DANGEROUS).expect("a plan");
    upload.keep();
    let change = bench.run(plan).await;
    let text = change.error_text().expect("told");
    assert!(
        text.contains("snap is unusable due to missing files") && text.contains("bin/none"),
        "{text}"
    );
}

#[tokio::test]
async fn every_kind_of_damage_is_found_and_mended() {
    let bench = bench();
    bench.install(BASE).await;
    bench.install(APP).await;
    assert!(bench.in_order());
    let foo = name("foo");
    let x1 = Revision::local(1).expect("x1");
    let (dirs, mounts) = (&bench.dirs, Mounts::unpacking());
    type Break<'a> = Box<dyn Fn() + 'a>;
    let damage: [(&str, Break<'_>); 8] = [
        (
            "is not mounted",
            Box::new(|| mounts.unmount(&dirs.snap_mount(&foo, x1)).expect("unmounted")),
        ),
        (
            "does not lead to x1",
            Box::new(|| fs::remove_file(dirs.snap_mount_dir(&foo).join("current")).expect("removed")),
        ),
        (
            "does not lead to x1",
            Box::new(|| {
                let link = dirs.snap_data_dir(&foo).join("current");
                fs::remove_file(&link).expect("removed");
                std::os::unix::fs::symlink("x9", link).expect("wrong");
            }),
        ),
        (
            "the wrapper",
            Box::new(|| fs::write(dirs.snap_bin().join("foo"), "something else").expect("overwritten")),
        ),
        (
            "belongs to no enabled snap",
            Box::new(|| fs::write(dirs.snap_bin().join("stray.app"), "x").expect("written")),
        ),
        (
            "belongs to no installed snap",
            Box::new(|| fs::write(dirs.snap_files().join("gone_x1.snap"), "x").expect("written")),
        ),
        (
            "belongs to no installed snap",
            Box::new(|| fs::create_dir_all(dirs.snap_mounts().join("gone/x1/bin")).expect("made")),
        ),
        (
            "has no data folder",
            Box::new(|| fs::remove_dir_all(dirs.snap_data(&foo, x1)).expect("removed")),
        ),
    ];
    for (text, break_it) in damage {
        break_it();
        let found = bench.snaps.inspect(&bench.store.world(), false);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].what.contains(text), "{}", found[0].what);
        bench.snaps.repair(&found[0]).expect("mended");
        assert!(bench.in_order(), "{text}");
    }
    let file = dirs.snap_file(&foo, x1);
    let mut bytes = fs::read(&file).expect("read");
    bytes[2000] ^= 1;
    fs::write(&file, bytes).expect("damaged");
    let found = bench.snaps.inspect(&bench.store.world(), false);
    assert!(
        found[0].what.contains("is not the one that was checked"),
        "{}",
        found[0].what
    );
    bench.snaps.repair(&found[0]).expect_err("a person must");
}

#[test]
fn packing_names_the_file_and_refuses_what_would_not_install() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = dir.path().join("source");
    fs::create_dir_all(source.join("meta")).expect("folder");
    let error = pack::pack(&source, Some(dir.path()))
        .expect_err("no snap.yaml")
        .to_string();
    assert!(error.contains("no meta/snap.yaml"), "{error}");
    fs::write(
        source.join("meta/snap.yaml"),
        "name: foo\nversion: 1.0\narchitectures: [arm64]\n",
    )
    .expect("yaml");
    let packed = pack::pack(&source, Some(dir.path())).expect("packed");
    assert_eq!(packed.path, dir.path().join("foo_1.0_arm64.snap"));
    fs::write(
        source.join("meta/snap.yaml"),
        "name: foo\nversion: 1.0\napps: {a: {command: bin/a}}\n",
    )
    .expect("yaml");
    let out = dir.path().join("out.snap");
    let error = pack::pack(&source, Some(&out)).expect_err("no bin/a").to_string();
    assert!(error.contains("missing files"), "{error}");
    assert_eq!(Bench::names(dir.path()), ["foo_1.0_arm64.snap", "source"]);
}
