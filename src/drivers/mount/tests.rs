use super::*;
use std::os::unix::fs::PermissionsExt;

/// A packed snap, and where it is to be seen.
fn packed(dir: &Path) -> (PathBuf, PathBuf) {
    let source = dir.join("source");
    fs::create_dir_all(source.join("meta")).expect("folder");
    fs::create_dir_all(source.join("bin")).expect("folder");
    fs::write(source.join("meta/snap.yaml"), "name: a\nversion: 1\n").expect("file");
    fs::write(source.join("big"), vec![3u8; 300_000]).expect("file");
    fs::write(source.join("bin/run"), "#!/bin/sh\n").expect("file");
    fs::set_permissions(source.join("bin/run"), fs::Permissions::from_mode(0o755)).expect("mode");
    let file = dir.join("a_x1.snap");
    squashfs::pack(&source, &file).expect("pack");
    (file, dir.join("snap/a b/x1"))
}

#[test]
fn unpacked_snaps_look_mounted_and_go_without_a_trace() {
    let dir = tempfile::tempdir().expect("a folder");
    let (file, target) = packed(dir.path());
    let mounts = Mounts::unpacking();
    assert_eq!(mounts.state(&target).expect("state"), State::Absent);
    assert_eq!(mounts.mount(&file, &target).expect("mount"), Way::Unpacked);
    assert_eq!(mounts.mount(&file, &target).expect("again"), Way::Unpacked);
    assert_eq!(mounts.state(&target).expect("state"), State::Unpacked);
    assert_eq!(fs::read(target.join("big")).expect("read").len(), 300_000);
    let mode = fs::metadata(target.join("bin"))
        .expect("stat")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o555);
    mounts.unmount(&target).expect("unmount");
    mounts.unmount(&target).expect("again");
    let parent = target.parent().expect("parent");
    assert_eq!(fs::read_dir(parent).expect("list").count(), 0);
}

#[test]
fn what_a_kill_left_is_swept_and_the_rest_stays() {
    let dir = tempfile::tempdir().expect("a folder");
    let (file, target) = packed(dir.path());
    Mounts::unpacking().mount(&file, &target).expect("mount");
    let parent = target.parent().expect("parent");
    for left in [".x2.removed/bin", ".x3.unpack/meta"] {
        fs::create_dir_all(parent.join(left)).expect("folder");
        fs::write(parent.join(left).join("file"), "").expect("file");
    }
    std::os::unix::fs::symlink("x1", parent.join("current")).expect("link");
    Mounts::sweep(parent).expect("swept");
    let left: std::collections::BTreeSet<_> = fs::read_dir(parent)
        .expect("list")
        .map(|entry| entry.expect("entry").file_name())
        .collect();
    assert_eq!(left, ["current", "x1"].map(Into::into).into());
}

#[test]
fn what_cannot_be_unpacked_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let (file, target) = packed(dir.path());
    let bytes = fs::read(&file).expect("read");
    fs::write(&file, &bytes[..500]).expect("write");
    Mounts::unpacking().mount(&file, &target).expect_err("cut short");
    assert_eq!(Mounts::unpacking().state(&target).expect("state"), State::Absent);
    assert!(
        !target.parent().expect("parent").exists(),
        "the mount point went, too"
    );
}

#[test]
fn the_kernel_mounts_what_pinion_packs() {
    let dir = tempfile::tempdir().expect("a folder");
    let (file, target) = packed(dir.path());
    let mounts = Mounts::for_this_user(Path::new("/tmp"));
    if mounts.way != Way::Kernel || loops::attach(&file).is_err() {
        eprintln!("SKIP: needs root and loop devices");
        return;
    }
    assert_eq!(mounts.mount(&file, &target).expect("mount"), Way::Kernel);
    assert_eq!(mounts.mount(&file, &target).expect("again"), Way::Kernel);
    let State::Mounted(point) = mounts.state(&target).expect("state") else {
        panic!("not mounted");
    };
    assert_eq!(point.kind, "squashfs");
    assert_eq!(point.backing.as_deref(), file.canonicalize().ok().as_deref());
    assert_eq!(fs::read(target.join("big")).expect("read"), vec![3u8; 300_000]);
    fs::write(target.join("new"), "x").expect_err("read-only");
    assert_eq!(mounts.below(dir.path()).expect("below").len(), 1);
    mounts.unmount(&target).expect("unmount");
    assert!(!target.exists());
    assert!(mounts.below(dir.path()).expect("below").is_empty());
    mounts.unmount(&target).expect("again");
}

#[test]
fn lines_of_the_table() {
    let line = b"36 35 7:3 / /snap/a\\040b/x1 ro,nodev shared:1 - squashfs /dev/loop3 ro";
    let (point, device) = table::parse(line).expect("a line");
    assert_eq!(point.target, Path::new("/snap/a b/x1"));
    assert_eq!((point.kind.as_str(), device), ("squashfs", &b"7:3"[..]));
    assert!(table::parse(b"36 35 7:3 / /x").is_none());
}

#[test]
fn a_folder_is_bound_or_linked_and_survives() {
    let ways: &[Mounts] = if nix::unistd::geteuid().is_root() {
        &[Mounts::for_this_user(Path::new("/tmp")), Mounts::unpacking()]
    } else {
        &[Mounts::unpacking()]
    };
    for mounts in ways {
        let dir = tempfile::tempdir().expect("a folder");
        let (folder, target) = (dir.path().join("work"), dir.path().join("snap/foo/x1"));
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("file"), "work").expect("a file");
        let way = mounts.mount(&folder, &target).expect("shown");
        assert_eq!(mounts.mount(&folder, &target).expect("again"), way);
        assert_ne!(mounts.state(&target).expect("state"), State::Absent);
        assert_eq!(fs::read_to_string(target.join("file")).expect("read"), "work");
        if way == Way::Kernel {
            assert!(fs::write(target.join("file"), "spoilt").is_err(), "read-only");
        }
        mounts.unmount(&target).expect("taken away");
        mounts.unmount(&target).expect("again");
        assert!(target.symlink_metadata().is_err());
        assert_eq!(fs::read_to_string(folder.join("file")).expect("kept"), "work");
    }
}

#[test]
fn units_that_keep_mounts() {
    // contract: snaps-and-assertions, section 2
    let (file, target) = (
        Path::new("/var/lib/snapd/snaps/hello-world_x1.snap"),
        Path::new("/snap/hello-world/x1"),
    );
    let text = kept::text(file, false, target);
    assert_eq!(
        text,
        "[Unit]\n# Made by pinion; it is written again\nDescription=Mount unit for hello-world, revision x1\n\
         After=zfs-mount.service\nBefore=pinion.service\n\n[Mount]\nWhat=/var/lib/snapd/snaps/hello-world_x1.snap\n\
         Where=/snap/hello-world/x1\nType=squashfs\nOptions=nodev,ro,x-gdu.hide,x-gvfs-hide\nLazyUnmount=yes\n\n\
         [Install]\nWantedBy=multi-user.target\n"
    );
    let tried = kept::text(Path::new("/home/a\nb%"), true, target);
    assert!(tried.contains("What=/home/a\u{fffd}b%%\n"), "{tried}");
    assert!(tried.contains("Type=none\nOptions=bind,nodev,ro\n"), "{tried}");
}

#[test]
fn units_are_written_known_and_erased() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path();
    let (file, target) = (folder.join("a_x1.snap"), Path::new("/snap/a-b/x1"));
    assert!(!kept::is_written(folder, &file, target));
    kept::write(folder, &file, target).expect("written");
    kept::write(folder, &file, target).expect("written again");
    assert!(kept::is_written(folder, &file, target));
    assert!(!kept::is_written(folder, &folder.join("b_x1.snap"), target));
    // Another's unit is not ours to know.
    fs::write(folder.join("other.mount"), "[Mount]\nWhere=/other\n").expect("a file");
    assert_eq!(kept::targets(folder), [target]);
    let [_, link] = kept::places(folder, target);
    fs::remove_file(&link).expect("removed");
    assert!(!kept::is_written(folder, &file, target), "nothing starts it");
    assert!(kept::erase(folder, target).expect("erased"));
    assert!(!kept::erase(folder, target).expect("nothing left"));
    assert!(kept::targets(folder).is_empty());
}

#[test]
fn what_cannot_be_mounted_leaves_no_folder() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("bad.snap");
    std::fs::write(&file, "no image").expect("a file");
    let target = dir.path().join("snap/one/x1");
    for mounts in [Mounts::unpacking(), Mounts::for_this_user(dir.path())] {
        assert!(mounts.mount(&file, &target).is_err());
        let left = std::fs::read_dir(dir.path().join("snap")).expect("a folder");
        assert_eq!(left.count(), 0);
    }
    let other = dir.path().join("snap/one/x2");
    std::fs::create_dir_all(&other).expect("another revision");
    assert!(Mounts::unpacking().mount(&file, &target).is_err());
    assert!(!target.exists() && other.exists());
}
