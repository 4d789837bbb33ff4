//! A folder in place of a file: tried, left, gone.

use super::disk::{Bench, bench};
use super::{DANGEROUS, name};
use crate::domain::status::TaskStatus;
use crate::domain::{ErrorKind, Revision};
use crate::managers::snaps::{RemoveOptions, RevertOptions, SideloadFlags, Which};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const YAML: &str = "name: foo\nversion: 7\nbase: none\n";

/// A folder that is a snap.
fn folder(bench: &Bench, yaml: &str) -> PathBuf {
    let dir = bench.dir.path().join("work/foo");
    fs::create_dir_all(dir.join("meta/hooks")).expect("folders");
    fs::write(dir.join("meta/snap.yaml"), yaml).expect("yaml");
    dir
}

fn local(number: u32) -> Revision {
    Revision::local(number).expect("a revision")
}

#[tokio::test]
async fn a_folder_is_tried_and_stays_whatever_becomes_of_the_snap() {
    let bench = bench();
    assert_eq!(
        bench
            .install("name: foo\nversion: 6\nbase: none\n")
            .await
            .shown_status(),
        TaskStatus::Done
    );
    let foo = name("foo");
    fs::write(bench.dirs.snap_data(&foo, local(1)).join("kept"), "data").expect("data");
    let dir = folder(&bench, YAML);
    fs::write(dir.join("precious"), "work").expect("a file");
    let shown = dir.to_string_lossy().into_owned();

    let plan = bench
        .snaps
        .plan_try(&shown, SideloadFlags::default())
        .expect("no signature is asked for");
    // contract: v2, Sideload, "try"
    assert_eq!(
        (plan.kind, plan.summary),
        ("try-snap", format!("Try \"foo\" snap from {shown}"))
    );
    assert_eq!(plan.data["snap-name"], "foo");
    let plan = bench
        .snaps
        .plan_try(&shown, SideloadFlags::default())
        .expect("a plan");
    let change = bench.run(plan).await;
    change.assert_done();
    let view = bench.snaps.one("foo").expect("there");
    let real = dir.canonicalize().expect("a folder");
    assert!(view.is_tried() && view.active && view.broken.is_none());
    assert_eq!(
        (view.file.as_path(), view.revision.revision),
        (real.as_path(), local(2))
    );
    assert_eq!(
        fs::read_link(bench.dirs.snap_file(&foo, local(2))).expect("a link"),
        real
    );
    assert_eq!(
        fs::read_to_string(bench.dirs.snap_mount(&foo, local(2)).join("precious")).expect("seen"),
        "work"
    );
    assert_eq!(
        fs::read_to_string(bench.dirs.snap_data(&foo, local(2)).join("kept")).expect("copied"),
        "data"
    );
    assert!(bench.in_order());

    let plan = bench
        .snaps
        .plan_revert("foo", RevertOptions::default())
        .expect("a plan");
    assert_eq!(bench.run(plan).await.shown_status(), TaskStatus::Done);
    assert!(!bench.snaps.one("foo").expect("there").is_tried(), "x1 is a file");
    let forward = RevertOptions {
        revision: Some(local(2)),
        ..RevertOptions::default()
    };
    let plan = bench.snaps.plan_revert("foo", forward).expect("a plan");
    assert_eq!(bench.run(plan).await.shown_status(), TaskStatus::Done);

    let aside = bench.dir.path().join("aside");
    fs::rename(&dir, &aside).expect("the folder goes");
    let view = bench.snaps.one("foo").expect("still listed");
    let broken = view.broken.expect("told");
    assert!(
        broken.contains("is gone") && broken.contains("work/foo"),
        "{broken}"
    );
    let found = bench.snaps.inspect(&bench.store.world(), true);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].what.contains("is missing: put it back"),
        "{}",
        found[0].what
    );
    let plan = bench
        .snaps
        .plan_revert("foo", RevertOptions::default())
        .expect("away from it");
    assert_eq!(bench.run(plan).await.shown_status(), TaskStatus::Done);
    let plan = bench.snaps.plan_revert("foo", forward).expect("a plan");
    let change = bench.run(plan).await;
    assert_eq!(change.shown_status(), TaskStatus::Error);
    assert!(
        change
            .error_text()
            .expect("told")
            .contains("is not there: put it back")
    );
    assert_eq!(bench.snaps.one("foo").expect("there").revision.revision, local(1));

    fs::rename(&aside, &dir).expect("the folder comes back");
    assert!(bench.in_order());
    let plan = bench
        .snaps
        .plan_remove("foo", RemoveOptions::default())
        .expect("a plan");
    assert_eq!(bench.run(plan).await.shown_status(), TaskStatus::Done);
    assert_eq!(
        fs::read_to_string(dir.join("precious")).expect("untouched"),
        "work"
    );
    assert!(Bench::names(&bench.dirs.snap_files()).is_empty());
    assert_eq!(Bench::names(&bench.dirs.snap_mounts()), Vec::<String>::new());
    assert!(bench.in_order());
}

#[tokio::test]
async fn a_try_that_fails_leaves_the_folder_and_nothing_else() {
    let bench = bench();
    let dir = folder(
        &bench,
        "name: foo\nversion: 7\nbase: none\ntitle: fails in run-hook\n",
    );
    let plan = bench
        .snaps
        .plan_try(&dir.to_string_lossy(), DANGEROUS)
        .expect("a plan");
    assert_eq!(bench.run(plan).await.shown_status(), TaskStatus::Error);
    assert!(bench.store.world().snap("foo").is_none());
    assert!(dir.join("meta/snap.yaml").is_file());
    assert!(Bench::names(&bench.dirs.snap_files()).is_empty());
    assert!(bench.in_order());
}

#[tokio::test]
async fn what_cannot_be_tried_is_refused() {
    let bench = bench();
    let dir = folder(&bench, YAML);
    let shown = dir.to_string_lossy().into_owned();
    let refused = |path: &str, flags| bench.snaps.plan_try(path, flags).expect_err(path);
    let none = SideloadFlags::default();
    let empty = bench.dir.path().join("work").to_string_lossy().into_owned();
    // contract: v2, Sideload: "needs absolute existing dir, else 400; not a snap => 400 kind snap-not-a-snap"
    for (path, kind, text) in [
        ("work/foo", ErrorKind::BadRequest, "need an absolute path"),
        ("", ErrorKind::BadRequest, "need an absolute path"),
        (
            "/nonexistent/folder",
            ErrorKind::BadRequest,
            "not a snap directory",
        ),
        (empty.as_str(), ErrorKind::SnapNotASnap, "has no meta/snap.yaml"),
    ] {
        let fault = refused(path, none);
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(fault.message.contains(text), "{fault}");
    }
    let write = |yaml: &str| fs::write(dir.join("meta/snap.yaml"), yaml).expect("written");
    write("name: foo\nversion: 7\nbase: none\nconfinement: devmode\n");
    assert_eq!(refused(&shown, none).kind, ErrorKind::SnapNeedsDevmode);
    write("name: foo\nversion: [\n");
    assert!(
        refused(&shown, none)
            .message
            .contains("meta/snap.yaml cannot be read")
    );
    write("name: foo\nversion: 7\nbase: bare\napps: {foo: {command: bin/foo}}\n");
    assert!(refused(&shown, none).message.contains("missing files"));
    fs::create_dir(dir.join("bin")).expect("a folder");
    fs::write(dir.join("bin/foo"), "#!/bin/sh\n").expect("a file");
    fs::set_permissions(dir.join("bin/foo"), fs::Permissions::from_mode(0o600)).expect("a mode");
    assert!(refused(&shown, none).message.contains("bad permissions"));
    fs::set_permissions(dir.join("bin/foo"), fs::Permissions::from_mode(0o755)).expect("a mode");
    bench.snaps.plan_try(&shown, none).expect("now it can be tried");
    fs::write(dir.join("meta/snap.yaml"), vec![b'#'; 2 << 20]).expect("written");
    assert!(refused(&shown, none).message.contains("should be small"));
    fs::remove_file(dir.join("meta/snap.yaml")).expect("removed");
    std::os::unix::fs::symlink("/etc/hostname", dir.join("meta/snap.yaml")).expect("a link");
    assert!(
        refused(&shown, none).message.contains("regular file"),
        "a link is not followed"
    );
    assert!(bench.snaps.list(Which::All, &[]).is_empty());
    assert!(!Path::new(&bench.dirs.snap_files()).exists());
}
