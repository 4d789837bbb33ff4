use super::copy_tree;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;
use std::process::Command;

fn set_attribute(path: &Path, name: &std::ffi::CStr, value: &[u8]) -> bool {
    let path = std::ffi::CString::new(path.to_str().expect("text")).expect("no NUL");
    // SAFETY: both texts end with NUL and the value has the given length.
    let set = unsafe {
        nix::libc::setxattr(
            path.as_ptr(),
            name.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    };
    set == 0
}

fn attribute(path: &Path, name: &std::ffi::CStr) -> Vec<u8> {
    let path = std::ffi::CString::new(path.to_str().expect("text")).expect("no NUL");
    let mut value = vec![0u8; 100];
    // SAFETY: both texts end with NUL and the kernel writes at most the buffer.
    let length = unsafe { nix::libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), 100) };
    value.truncate(usize::try_from(length).unwrap_or_default());
    value
}

/// contract: snaps-and-assertions, section 2, "Copy-data on refresh" (as `cp -a` does)
#[test]
fn a_copy_is_as_the_original() {
    let dir = tempfile::tempdir().expect("a folder");
    let (from, to) = (dir.path().join("x1"), dir.path().join("x2"));
    fs::create_dir_all(from.join("deep/er")).expect("folders");
    fs::write(from.join("deep/er/file"), "content").expect("a file");
    fs::write(from.join("program"), "#!/bin/sh\n").expect("a file");
    fs::set_permissions(from.join("program"), fs::Permissions::from_mode(0o4751)).expect("a mode");
    fs::set_permissions(from.join("deep"), fs::Permissions::from_mode(0o1770)).expect("a mode");
    fs::hard_link(from.join("deep/er/file"), from.join("deep/again")).expect("a hard link");
    symlink("/etc/passwd", from.join("link")).expect("a link");
    symlink("nowhere", from.join("dangling")).expect("a link");
    nix::unistd::mkfifo(
        &from.join("pipe"),
        nix::sys::stat::Mode::from_bits_truncate(0o640),
    )
    .expect("a pipe");
    let _socket = std::os::unix::net::UnixListener::bind(from.join("socket")).expect("a socket");
    let sparse = fs::File::create(from.join("sparse")).expect("a file");
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", 8 << 20).expect("written");
    sparse.set_len(16 << 20).expect("longer");
    let has_attributes = set_attribute(&from.join("program"), c"user.colour", b"red")
        && set_attribute(&from.join("deep"), c"user.side", b"left");
    let root = nix::unistd::geteuid().is_root();
    if root {
        lchown(from.join("deep/er/file"), Some(1234), Some(2345)).expect("an owner");
        lchown(from.join("link"), Some(1234), Some(2345)).expect("an owner");
    }
    for path in ["deep/er/file", "program", "link", "deep", "."] {
        let touched = Command::new("touch")
            .args(["-h", "-m", "-d", "2001-02-03 04:05:06.789"])
            .arg(from.join(path))
            .status();
        assert!(touched.expect("touch runs").success());
    }

    copy_tree(&from, &to).expect("a copy");
    for path in [
        "deep/er/file",
        "deep/again",
        "program",
        "link",
        "dangling",
        "pipe",
        "deep",
        "sparse",
        ".",
    ] {
        let (was, is) = (from.join(path), to.join(path));
        let (was, is) = (
            was.symlink_metadata().expect(path),
            is.symlink_metadata().expect(path),
        );
        assert_eq!(is.mode(), was.mode(), "{path}");
        assert_eq!(
            (is.mtime(), is.mtime_nsec()),
            (was.mtime(), was.mtime_nsec()),
            "{path}"
        );
        assert_eq!((is.uid(), is.gid()), (was.uid(), was.gid()), "{path}");
        if !was.is_dir() {
            assert_eq!(is.len(), was.len(), "{path}");
        }
    }
    assert_eq!(
        fs::read_link(to.join("link")).expect("a link"),
        Path::new("/etc/passwd")
    );
    assert_eq!(
        fs::read_to_string(to.join("deep/again")).expect("read"),
        "content"
    );
    let inode = |path: &str| to.join(path).metadata().expect(path).ino();
    assert_eq!(
        inode("deep/again"),
        inode("deep/er/file"),
        "one file with two names"
    );
    assert_ne!(
        inode("program"),
        from.join("program").metadata().expect("there").ino()
    );
    assert!(
        !to.join("socket").exists(),
        "a socket is somebody's place to listen"
    );
    let blocks = to.join("sparse").metadata().expect("there").blocks();
    let original = from.join("sparse").metadata().expect("there").blocks();
    assert!(
        blocks <= original.max(1024),
        "holes stay holes: {blocks} blocks of {original}"
    );
    assert_eq!(
        fs::read(to.join("sparse")).expect("read"),
        fs::read(from.join("sparse")).expect("read")
    );
    if has_attributes {
        assert_eq!(attribute(&to.join("program"), c"user.colour"), b"red");
        assert_eq!(attribute(&to.join("deep"), c"user.side"), b"left");
    }
}

#[test]
fn nothing_is_copied_over_what_is_there_and_nothing_without_end() {
    let dir = tempfile::tempdir().expect("a folder");
    let (from, to) = (dir.path().join("x1"), dir.path().join("x2"));
    fs::create_dir(&from).expect("a folder");
    fs::create_dir(&to).expect("a folder");
    let error = copy_tree(&from, &to).expect_err("it is there");
    assert!(error.in_full().contains("x2"), "{}", error.in_full());
    symlink("x1", dir.path().join("lead")).expect("a link");
    assert!(
        copy_tree(&dir.path().join("lead"), &dir.path().join("x3")).is_err(),
        "a link is no folder"
    );

    let mut deep = from.clone();
    for _ in 0..300 {
        deep.push("d");
    }
    fs::create_dir_all(&deep).expect("folders");
    let error = copy_tree(&from, &dir.path().join("x4")).expect_err("too deep");
    assert!(error.in_full().contains("cannot copy"), "{}", error.in_full());
}
