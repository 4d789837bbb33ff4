use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with what a snap has, and what is hard about squashfs: empty, small, exactly one block, many blocks, a
/// hole, copies, links, odd modes, a folder with many names.
fn sample(dir: &Path) {
    fs::create_dir_all(dir.join("meta/hooks")).expect("meta");
    fs::create_dir_all(dir.join("bin")).expect("bin");
    fs::create_dir_all(dir.join("empty")).expect("empty");
    fs::create_dir_all(dir.join("many")).expect("many");
    fs::write(dir.join("meta/snap.yaml"), "name: sample\nversion: 1\n").expect("yaml");
    fs::write(dir.join("meta/hooks/install"), "#!/bin/sh\n").expect("hook");
    fs::write(dir.join("bin/run"), "#!/bin/sh\necho hello\n").expect("run");
    fs::set_permissions(dir.join("bin/run"), fs::Permissions::from_mode(0o755)).expect("mode");
    fs::set_permissions(dir.join("meta/hooks/install"), fs::Permissions::from_mode(0o755)).expect("mode");
    fs::write(dir.join("nothing"), "").expect("empty file");
    fs::write(dir.join("block"), vec![7u8; 128 * 1024]).expect("a block");
    let long: Vec<u8> = (0..700_001u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    fs::write(dir.join("long"), &long).expect("long");
    fs::write(dir.join("copy"), &long).expect("copy");
    fs::write(dir.join("zeros"), vec![0u8; 300_000]).expect("zeros");
    for n in 0..600 {
        fs::write(dir.join(format!("many/file-with-a-name-{n:04}")), n.to_string()).expect("one of many");
    }
    symlink("run", dir.join("bin/link")).expect("link");
    symlink("/nowhere", dir.join("dangling")).expect("link");
}

fn mksquashfs(dir: &Path, out: &Path, options: &[&str]) -> bool {
    let done = Command::new("mksquashfs")
        .arg(dir)
        .arg(out)
        .args(["-noappend", "-quiet", "-no-progress", "-all-root"])
        .args(options)
        .output()
        .expect("mksquashfs is installed");
    done.status.success()
}

/// Every path below a folder with its kind, its content and its right to run.
fn contents(dir: &Path) -> Vec<(PathBuf, String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder).expect("list") {
            let path = entry.expect("entry").path();
            let metadata = fs::symlink_metadata(&path).expect("stat");
            let below = path.strip_prefix(dir).expect("below").to_owned();
            if metadata.is_symlink() {
                let target = fs::read_link(&path).expect("target");
                found.push((
                    below,
                    String::from("link"),
                    target.into_os_string().into_encoded_bytes(),
                ));
            } else if metadata.is_dir() {
                found.push((below, String::from("folder"), Vec::new()));
                left.push(path);
            } else {
                let runs = metadata.permissions().mode() & 0o111 != 0;
                found.push((below, format!("file {runs}"), fs::read(&path).expect("read")));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn images_of_mksquashfs_read_as_they_were() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = dir.path().join("source");
    sample(&source);
    let forms: [(&str, &[&str]); 7] = [
        ("gzip", &["-comp", "gzip"]),
        ("xz", &["-comp", "xz"]),
        ("xz-bcj", &["-comp", "xz", "-Xbcj", "x86"]),
        ("zstd", &["-comp", "zstd"]),
        ("plain", &["-noI", "-noD", "-noF", "-noX"]),
        ("small-blocks", &["-comp", "gzip", "-b", "4096", "-no-fragments"]),
        (
            "large-blocks",
            &["-comp", "zstd", "-b", "1M", "-always-use-fragments"],
        ),
    ];
    let wanted = contents(&source);
    for (name, options) in forms {
        let file = dir.path().join(format!("{name}.snap"));
        assert!(mksquashfs(&source, &file, options), "{name}");
        let image = Image::open(&file).expect(name);
        let dest = dir.path().join(name);
        unpack(&image, &dest).expect(name);
        assert!(contents(&dest) == wanted, "{name} differs");
        let mode = fs::metadata(dest.join("bin/run"))
            .expect("stat")
            .permissions()
            .mode();
        assert_eq!(mode & 0o222, 0, "read-only");
        discard(&dest).expect("clean");
    }
}

#[test]
fn single_files_are_found_and_bounded() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = dir.path().join("source");
    sample(&source);
    let file = dir.path().join("a.snap");
    assert!(mksquashfs(&source, &file, &[]));
    let image = Image::open(&file).expect("open");
    assert_eq!(
        image.read("meta/snap.yaml", 100).expect("read"),
        b"name: sample\nversion: 1\n"
    );
    assert!(matches!(image.read("long", 1000), Err(ImageError::TooMuch(_))));
    assert!(matches!(
        image.read("meta/none", 1000),
        Err(ImageError::NotFound(_))
    ));
    assert!(matches!(image.read("meta", 1000), Err(ImageError::NotFound(_))));
    let run = image.find("bin/run").expect("find").expect("there");
    assert_eq!((run.mode, run.uid, &run.kind), (0o755, 0, &EntryKind::File(21)));
    let link = image.find("/bin/link").expect("find").expect("there");
    assert_eq!(link.kind, EntryKind::Link(b"run".to_vec()));
    assert!(image.find("bin/link/x").expect("find").is_none());
    assert!(image.find("bin/../bin").expect("find").is_none());
    let hooks = image.find("meta/hooks").expect("find").expect("there");
    let names: Vec<Vec<u8>> = image
        .list(&hooks)
        .expect("list")
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, [b"install"]);
}

#[test]
fn other_compressions_are_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = dir.path().join("source");
    sample(&source);
    for (id, name) in [(2u8, "lzma"), (3, "lzo"), (5, "lz4"), (9, "method 9")] {
        let file = dir.path().join("x.snap");
        assert!(mksquashfs(&source, &file, &[]));
        let mut bytes = fs::read(&file).expect("read");
        bytes[20] = id;
        fs::write(&file, bytes).expect("write");
        let error = Image::open(&file).err().expect(name).to_string();
        assert!(
            error.contains(name) && error.contains("xz, gzip or zstd"),
            "{error}"
        );
    }
}

#[test]
fn what_is_no_image_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = dir.path().join("source");
    sample(&source);
    let file = dir.path().join("a.snap");
    for content in [&b""[..], b"hsqs", b"PK\x03\x04 a zip", &[0u8; 4096]] {
        fs::write(&file, content).expect("write");
        assert!(
            matches!(Image::open(&file), Err(ImageError::NotSquashfs)),
            "{content:?}"
        );
    }
    assert!(mksquashfs(&source, &file, &[]));
    let whole = fs::read(&file).expect("read");
    fs::write(&file, &whole[..whole.len() / 2]).expect("cut");
    assert!(matches!(Image::open(&file), Err(ImageError::Truncated { .. })));
}

#[test]
fn names_that_lead_out_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = dir.path().join("source");
    fs::create_dir_all(source.join("QQ")).expect("source");
    fs::write(source.join("QQ/evil"), "x").expect("file");
    let file = dir.path().join("a.snap");
    for bad in [&b".."[..], b"./", b"a/", b"a\0"] {
        assert!(mksquashfs(&source, &file, &["-noI", "-noD", "-noF", "-noX"]));
        let mut bytes = fs::read(&file).expect("read");
        let at = bytes.windows(2).position(|pair| pair == b"QQ").expect("the name");
        bytes[at..at + 2].copy_from_slice(bad);
        fs::write(&file, bytes).expect("write");
        let image = Image::open(&file).expect("open");
        let error = unpack(&image, &dir.path().join("out")).expect_err("refused");
        assert!(matches!(error, ImageError::Damaged(_)), "{error}");
        assert!(!dir.path().join("evil").exists());
        discard(&dir.path().join("out")).expect("clean");
    }
}

#[test]
fn a_bomb_is_refused_before_it_fills_the_disk() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = dir.path().join("source");
    fs::create_dir_all(&source).expect("source");
    let hole = fs::File::create(source.join("hole")).expect("hole");
    hole.set_len(200 << 20).expect("a file with nothing in it");
    let file = dir.path().join("a.snap");
    assert!(mksquashfs(&source, &file, &[]));
    let image = Image::open(&file).expect("open");
    let error = unpack(&image, &dir.path().join("out")).expect_err("refused");
    assert!(matches!(error, ImageError::TooMuch(_)), "{error}");

    let mut deep = dir.path().join("deep");
    for _ in 0..MAX_DEPTH + 2 {
        deep.push("d");
    }
    fs::create_dir_all(&deep).expect("deep");
    let file = dir.path().join("deep.snap");
    assert!(mksquashfs(&dir.path().join("deep"), &file, &[]));
    let image = Image::open(&file).expect("open");
    let error = unpack(&image, &dir.path().join("out-deep")).expect_err("refused");
    assert!(matches!(error, ImageError::TooMuch(_)), "{error}");
}

/// Damage at every place that matters: no panic, no endless loop; what still reads may differ.
#[test]
fn damaged_images_do_no_harm() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = dir.path().join("source");
    fs::create_dir_all(source.join("meta/hooks")).expect("source");
    fs::write(source.join("meta/snap.yaml"), "name: sample\nversion: 1\n").expect("yaml");
    fs::write(source.join("meta/hooks/install"), "x").expect("hook");
    fs::write(source.join("long"), vec![1u8; 10_000]).expect("file");
    for options in [
        &["-noI", "-noId", "-noF", "-noX", "-noD", "-b", "4096"][..],
        &["-comp", "zstd"],
    ] {
        let file = dir.path().join("a.snap");
        assert!(mksquashfs(&source, &file, options));
        let good = fs::read(&file).expect("read");
        let used = good.len().min(20_000);
        // the head and the tables byte by byte, with four values each; the data between them more coarsely
        let mut seed = 1u64;
        for at in (0..96).chain((96..used).filter(|at| at % 11 == 0)) {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let mut bytes = good.clone();
            bytes[at] ^= (seed >> 33) as u8 | 1;
            fs::write(&file, &bytes).expect("write");
            if let Ok(image) = Image::open(&file) {
                let _ = image.read("meta/snap.yaml", 1 << 20);
                if let Ok(Some(hooks)) = image.find("meta/hooks") {
                    let _ = image.list(&hooks);
                }
                if at % 4 == 0 {
                    let out = dir.path().join("out");
                    let _ = unpack(&image, &out);
                    discard(&out).expect("clean");
                }
            }
        }
    }
}

#[test]
fn packing_gives_what_was_there_and_the_same_bytes() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = dir.path().join("source");
    sample(&source);
    let first = dir.path().join("first.snap");
    let packed = pack(&source, &first).expect("pack");
    assert!(packed.warnings.is_empty(), "{:?}", packed.warnings);
    let size = fs::metadata(&first).expect("stat").len();
    assert_eq!((size, size % 4096), (packed.size, 0));

    let image = Image::open(&first).expect("open");
    let dest = dir.path().join("ours");
    unpack(&image, &dest).expect("unpack");
    assert!(
        contents(&dest) == contents(&source),
        "our own reader sees something else"
    );
    discard(&dest).expect("clean");

    let theirs = dir.path().join("theirs");
    let done = Command::new("unsquashfs")
        .args(["-quiet", "-no-progress", "-dest"])
        .arg(&theirs)
        .arg(&first)
        .output()
        .expect("unsquashfs is installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(
        contents(&theirs) == contents(&source),
        "unsquashfs sees something else"
    );

    // the same folder, made at another time
    let again = dir.path().join("again");
    sample(&again);
    let second = dir.path().join("second.snap");
    pack(&again, &second).expect("pack");
    assert!(
        fs::read(&first).expect("read") == fs::read(&second).expect("read"),
        "bytes differ"
    );
}

#[test]
fn packing_warns_of_what_it_does_not_keep() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = dir.path().join("source");
    sample(&source);
    fs::hard_link(source.join("bin/run"), source.join("bin/again")).expect("hard link");
    nix::unistd::mkfifo(&source.join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("pipe");
    let packed = pack(&source, &dir.path().join("a.snap")).expect("pack");
    let all = packed.warnings.join("\n");
    assert!(all.contains("bin/again is a hard link"), "{all}");
    assert!(all.contains("pipe is a device, pipe or socket"), "{all}");
}

/// A file's list of blocks can be long and is packed tightly; each name of a folder may lead to the same file.
#[test]
fn a_folder_of_large_files_takes_no_memory_for_their_blocks() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = dir.path().join("source");
    fs::create_dir_all(&source).expect("source");
    let hole = fs::File::create(source.join("hole")).expect("hole");
    hole.set_len(1 << 30).expect("a file with nothing in it");
    for n in 0..600 {
        fs::hard_link(source.join("hole"), source.join(format!("name-{n}"))).expect("another name");
    }
    let file = dir.path().join("a.snap");
    assert!(mksquashfs(&source, &file, &["-b", "4096"]));
    assert!(fs::metadata(&file).expect("stat").len() < 64 << 10);
    let image = Image::open(&file).expect("open");
    let before = peak_memory();
    let listed = image.list(&image.root().expect("root")).expect("list");
    assert_eq!(listed.len(), 601);
    let grown = peak_memory() - before;
    assert!(grown < 300 << 10, "{grown} kB");
}

/// Of this process, in kB.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.expect("a peak").trim().trim_end_matches(" kB");
    number.parse().expect("a number")
}
