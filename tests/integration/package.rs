//! The Debian package (`gadget/debian/build`): what is in it, that it is the same each time, and that its parts are
//! those of the program. What it does on a machine is seen on the virtual board.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn said(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn has_dpkg() -> bool {
    let found = Command::new("dpkg-deb").arg("--version").output().is_ok();
    if !found {
        println!("skipped: package::package: there is no dpkg-deb");
    }
    found
}

/// Builds a package of a small program in `dir`; what the manual and the completions say is the real one's.
fn build(dir: &Path, words: &[&str], umask: &str) -> PathBuf {
    std::fs::create_dir_all(dir).expect("a folder");
    let program = dir.join("program");
    std::fs::write(&program, "#!/bin/sh\n# GLIBC_2.9 GLIBC_2.34 GLIBC_2.4\nexit 1\n").expect("written");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("a program");
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"])
        .arg(repo("gadget/debian/build"))
        .args(["--help-of", env!("CARGO_BIN_EXE_pinion"), "--program"])
        .arg(&program)
        .arg("--out")
        .arg(dir.join("out"))
        .args(words)
        .env("TMPDIR", dir)
        .env_remove("SOURCE_DATE_EPOCH");
    said(&mut command).trim().into()
}

/// The fields of a control file; what goes on over several lines is one value.
fn fields(package: &Path) -> BTreeMap<String, String> {
    let text = said(Command::new("dpkg-deb").arg("--field").arg(package));
    let mut fields = BTreeMap::new();
    let mut last = String::new();
    for line in text.lines() {
        match line.split_once(": ") {
            Some((name, value)) if !line.starts_with(' ') => {
                last = name.to_owned();
                fields.insert(last.clone(), value.to_owned());
            }
            _ => *fields.entry(last.clone()).or_default() += line,
        }
    }
    fields
}

#[test]
fn a_package_is_the_same_each_time() {
    if !has_dpkg() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let first = build(&dir.path().join("a"), &["amd64"], "022");
    let second = build(&dir.path().join("b"), &["amd64"], "077");
    assert_eq!(first.file_name(), second.file_name());
    let read = |path| std::fs::read(path).expect("a package");
    assert!(read(first) == read(second), "two builds differ");
}

#[test]
fn a_package_says_what_it_is() {
    if !has_dpkg() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let package = build(dir.path(), &["arm64"], "022");
    let name = format!("pinion_{}_arm64.deb", env!("CARGO_PKG_VERSION"));
    assert!(package.ends_with(&name), "{}", package.display());
    let fields = fields(&package);
    for (field, value) in [
        ("Package", "pinion"),
        ("Version", env!("CARGO_PKG_VERSION")),
        ("Architecture", "arm64"),
        ("Conflicts", "snapd"),
        ("Depends", "libc6 (>= 2.34)"),
    ] {
        assert_eq!(fields.get(field).map(String::as_str), Some(value), "{field}");
    }
    assert!(!fields.contains_key("Provides"), "it is not all that snapd is");
    let newer = fields_of_version(dir.path(), "2:9.9-1");
    assert_eq!(newer.get("Version").map(String::as_str), Some("2:9.9-1"));
}

fn fields_of_version(dir: &Path, version: &str) -> BTreeMap<String, String> {
    fields(&build(
        &dir.join("newer"),
        &["--version", version, "armhf"],
        "022",
    ))
}

#[test]
fn a_package_holds_what_belongs_to_the_agent() {
    if !has_dpkg() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let package = build(dir.path(), &["amd64"], "077");
    let list = said(
        Command::new("dpkg-deb")
            .arg("--contents")
            .arg(&package)
            .env("TZ", "UTC"),
    );
    for line in list.lines() {
        let mode = line.split(' ').next().unwrap_or_default();
        let is_program = line.ends_with(" ./usr/bin/pinion");
        assert!(
            mode == "drwxr-xr-x" || mode == if is_program { "-rwxr-xr-x" } else { "-rw-r--r--" },
            "{line}"
        );
        assert!(line.contains(" root/root "), "{line}");
    }
    let tree = dir.path().join("tree");
    said(
        Command::new("dpkg-deb")
            .arg("--raw-extract")
            .arg(&package)
            .arg(&tree),
    );
    let read = |path: &str| {
        std::fs::read_to_string(tree.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    for (place, source) in [
        (
            "usr/lib/systemd/system/pinion.service",
            "gadget/agent/pinion.service",
        ),
        (
            "usr/lib/systemd/system/pinion.socket",
            "gadget/agent/pinion.socket",
        ),
        (
            "usr/share/dbus-1/system.d/pinion.conf",
            "gadget/agent/pinion-dbus.conf",
        ),
        ("etc/pinion/config.toml", "gadget/debian/config.toml"),
    ] {
        assert_eq!(
            read(place),
            std::fs::read_to_string(repo(source)).expect(source),
            "{place}"
        );
    }
    assert!(read("usr/lib/systemd/system/pinion.service").contains("ExecStart=/usr/bin/pinion daemon\n"));
    let conffiles = read("DEBIAN/conffiles");
    for file in conffiles.lines() {
        assert!(tree.join(&file[1..]).is_file(), "{file}");
    }
    let in_etc = list
        .lines()
        .filter(|line| line.starts_with('-') && line.contains(" ./etc/"));
    assert_eq!(
        in_etc.count(),
        conffiles.lines().count(),
        "all of /etc is the user's"
    );
    said(
        Command::new("md5sum")
            .args(["--check", "--strict", "DEBIAN/md5sums"])
            .current_dir(&tree),
    );
    let summed = read("DEBIAN/md5sums").lines().count();
    assert_eq!(summed, list.lines().filter(|line| line.starts_with('-')).count());
    for script in ["postinst", "prerm", "postrm"] {
        said(Command::new("sh").arg("-n").arg(tree.join("DEBIAN").join(script)));
    }
    // Each of the program's commands is in the manual and is completed.
    let help = said(Command::new(env!("CARGO_BIN_EXE_pinion")).arg("help"));
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<&str> = commands
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() > 40, "{help}");
    let page = said(
        Command::new("gzip")
            .arg("-dc")
            .arg(tree.join("usr/share/man/man1/pinion.1.gz")),
    );
    let fish = read("usr/share/fish/vendor_completions.d/pinion.fish");
    for command in commands {
        assert!(
            page.contains(&format!("\n.SS pinion {command}\n")),
            "no {command} in the manual"
        );
        assert!(
            fish.contains(&format!(" -a {command} ")),
            "no {command} is completed"
        );
    }
    assert!(
        read("usr/share/bash-completion/completions/pinion")
            .contains("complete -o filenames -F _pinion pinion")
    );
    assert!(read("usr/share/zsh/vendor-completions/_pinion").starts_with("#compdef pinion\n"));
    let settings = said(
        Command::new("gzip")
            .arg("-dc")
            .arg(tree.join("usr/share/man/man5/pinion-config.5.gz")),
    );
    assert!(
        settings.contains("\n.B changes = 500\nHow many changes"),
        "{settings}"
    );
}
