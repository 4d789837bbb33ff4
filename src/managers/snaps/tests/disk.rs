//! The tasks, run by the engine on a disk of their own.

use super::{DEVICE, name};
use crate::domain::status::TaskStatus;
use crate::domain::{Change, Dirs, ErrorKind, Plan, Revision, Timestamp, kinds};
use crate::drivers::clock::Clock;
use crate::drivers::mount::Mounts;
use crate::drivers::squashfs;
use crate::engine::{Engine, History, Outcome, Probe, Registry, TaskContext, TaskError, TaskKind};
use crate::events::Bus;
use crate::managers::snaps::{Device, RemoveOptions, Sideload, SideloadFlags, Snaps, Upload, pack};
use crate::store::Store;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::DANGEROUS;

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

pub(super) struct Bench {
    pub dir: tempfile::TempDir,
    pub dirs: Dirs,
    pub snaps: Arc<Snaps>,
    engine: Arc<Engine>,
    pub store: Arc<Store>,
}

pub(super) fn bench() -> Bench {
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

    pub(super) async fn run(&self, plan: Plan) -> Arc<Change> {
        let id = self.engine.submit(plan).await.expect("submitted");
        tokio::time::timeout(Duration::from_secs(20), self.engine.wait(id))
            .await
            .expect("in time")
            .expect("there")
    }

    pub(super) async fn install(&self, yaml: &str) -> Arc<Change> {
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
    pub(super) fn names(dir: &Path) -> Vec<String> {
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

    pub(super) fn in_order(&self) -> bool {
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
    change.assert_done();
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
    change.assert_done();
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
    change.assert_done();
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

    let text = plan(&missing).expect_err("refused").message;
    assert!(
        text.contains("snap is unusable due to missing files") && text.contains("bin/none"),
        "{text}"
    );
    assert!(Bench::names(&bench.dirs.snap_files()).is_empty());
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
