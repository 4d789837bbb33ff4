//! The unmodified `snap` command on the root of a daemon.

use super::TestDaemon;
use super::snaps::packed;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// True where there is a `snap` to drive; says why not otherwise.
pub fn has_snap(test: &str) -> bool {
    let found = Command::new("snap").arg("help").output().is_ok();
    if !found {
        println!("skipped: {test}: there is no snap command; tests/run fetches it by apt");
    }
    found
}

/// `snap` on the root of a daemon.
pub struct Snap {
    pub daemon: TestDaemon,
}

impl Snap {
    /// On a daemon of its own.
    pub fn new() -> Self {
        Self {
            daemon: TestDaemon::start(),
        }
    }

    /// What the daemon said.
    pub fn log(&self) -> String {
        self.daemon.log().join("\n")
    }

    /// Runs `snap` with the words of `arguments`; its exit code and both outputs.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.on(&self.daemon.root(), arguments).output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (status.code().unwrap_or(-1), text(&stdout), text(&stderr))
    }

    /// `snap` with these words, for the socket below a root.
    pub fn on(&self, root: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("snap");
        command
            .args(arguments)
            .env("SNAPPY_GLOBAL_ROOT", root)
            .env("HOME", self.daemon.scratch())
            // Else it looks below the home that the user database names.
            .env("SNAP_GNUPG_HOME", self.daemon.scratch().join("gnupg"))
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "dumb")
            .stdin(Stdio::null());
        command
    }

    /// Runs `snap`, which must succeed; its standard output.
    pub fn good(&self, line: &str) -> String {
        let (code, stdout, stderr) = self.run(&words(line));
        assert_eq!(code, 0, "snap {line}: {stdout}{stderr}\n{}", self.log());
        stdout
    }

    /// Runs `snap`, which must end with 1 and say `text` on standard error.
    pub fn refused(&self, line: &str, text: &str) {
        let (code, stdout, stderr) = self.run(&words(line));
        assert_eq!(code, 1, "snap {line}: {stdout}{stderr}");
        assert!(
            one_line(&stderr).contains(text),
            "snap {line}: no {text:?} in {stderr:?}"
        );
    }

    /// Packs a snap of these files and answers where it is.
    pub fn pack(&self, name: &str, files: &[(&str, &str)]) -> String {
        let folder = self.daemon.scratch().join("sources").join(name);
        for (path, text) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            if !text.starts_with("name:") {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        let file = self.daemon.scratch().join(format!("{name}.snap"));
        std::fs::write(&file, packed(&folder)).unwrap();
        file.to_string_lossy().into_owned()
    }

    /// There is something at a path below the root.
    pub fn exists(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// A path below the root.
    pub fn path(&self, path: &str) -> PathBuf {
        self.daemon.root().join(path)
    }
}

/// The words of a line.
pub fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// `snap` breaks its sentences at the width of the terminal.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A table without its spacing, one text per row.
pub fn rows(text: &str) -> Vec<String> {
    text.lines().map(one_line).filter(|row| !row.is_empty()).collect()
}
