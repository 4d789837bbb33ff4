//! What makes a revision the current one: two links called `current`, and a wrapper for each command.

use super::Snaps;
use crate::domain::{Revision, SnapInfo, SnapName, names};
use crate::drivers::fs::{self, FileError};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A wrapper in `/snap/bin`: on the host a link to the agent, which knows by its name what to run; below another root
/// a script that says the root.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrapper {
    Link(PathBuf),
    Script(String),
}

impl Snaps {
    /// Where the two `current` links of a snap are.
    pub(super) fn link_places(&self, snap: &SnapName) -> [PathBuf; 2] {
        [self.dirs.snap_mount_dir(snap), self.dirs.snap_data_dir(snap)].map(|dir| dir.join("current"))
    }

    /// The same with where they should point.
    fn current_links(&self, snap: &SnapName, revision: Revision) -> [(PathBuf, PathBuf); 2] {
        self.link_places(snap)
            .map(|link| (link, PathBuf::from(revision.to_string())))
    }

    fn wrapper(&self, command: &str) -> Wrapper {
        if self.dirs.is_host() {
            return Wrapper::Link(self.device.executable.clone());
        }
        let quoted = |path: &Path| format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"));
        Wrapper::Script(format!(
            "#!/bin/sh\nexec {} --root {} run {command} \"$@\"\n",
            quoted(&self.device.executable),
            quoted(self.dirs.root()),
        ))
    }

    /// The wrappers of a snap: one for each app that is no service.
    pub(super) fn wrapper_paths(&self, info: &SnapInfo) -> Vec<(PathBuf, String)> {
        info.apps
            .values()
            .filter(|app| !app.is_service())
            .map(|app| {
                let command = names::app_command(info.name.as_str(), &app.name);
                (self.dirs.snap_bin().join(&command), command)
            })
            .collect()
    }

    /// Makes a revision the current one on disk.
    pub(super) fn link(&self, info: &SnapInfo, revision: Revision) -> Result<(), FileError> {
        for (link, target) in self.current_links(&info.name, revision) {
            if let Some(dir) = link.parent() {
                fs::make_dir(dir, 0o755)?;
            }
            fs::link_atomic(&target, &link)?;
        }
        let wrappers = self.wrapper_paths(info);
        if !wrappers.is_empty() {
            fs::make_dir(&self.dirs.snap_bin(), 0o755)?;
        }
        for (path, command) in wrappers {
            self.put_wrapper(&path, &command)?;
        }
        self.put_desktop_files(info, revision)
    }

    pub(super) fn put_wrapper(&self, path: &Path, command: &str) -> Result<(), FileError> {
        match self.wrapper(command) {
            Wrapper::Link(target) => fs::link_atomic(&target, path),
            Wrapper::Script(text) => fs::write_volatile(path, text.as_bytes(), 0o755),
        }
    }

    /// The wrapper is there as it should be.
    pub(super) fn has_wrapper(&self, path: &Path, command: &str) -> bool {
        match self.wrapper(command) {
            Wrapper::Link(target) => std::fs::read_link(path).is_ok_and(|present| present == target),
            Wrapper::Script(text) => {
                std::fs::read(path).is_ok_and(|present| present == text.as_bytes())
                    && std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o111 == 0o111)
            }
        }
    }

    /// Takes the links and wrappers of a snap away.
    pub(super) fn unlink(&self, info: &SnapInfo, revision: Revision) -> Result<(), FileError> {
        for (path, _) in self.wrapper_paths(info) {
            fs::remove_file(&path)?;
        }
        for (path, _) in self.desktop_places(info) {
            fs::remove_file(&path)?;
        }
        for (link, _) in self.current_links(&info.name, revision) {
            fs::remove_file(&link)?;
        }
        Ok(())
    }

    /// How many of the links and wrappers of a revision are there, and how many there should be.
    pub(super) fn linked(&self, info: &SnapInfo, revision: Revision) -> (usize, usize) {
        let links = self.current_links(&info.name, revision);
        let wrappers = self.wrapper_paths(info);
        let desktop = self.desktop_places(info);
        let all = links.len() + wrappers.len() + desktop.len();
        let there = links
            .iter()
            .filter(|(link, target)| std::fs::read_link(link).is_ok_and(|present| present == *target))
            .count()
            + wrappers
                .iter()
                .filter(|(path, command)| self.has_wrapper(path, command))
                .count()
            + desktop.iter().filter(|(path, _)| path.is_file()).count();
        (there, all)
    }

    /// The `current` links that do not point where they should.
    pub(super) fn missing_links(&self, snap: &SnapName, revision: Revision) -> Vec<(PathBuf, PathBuf)> {
        self.current_links(snap, revision)
            .into_iter()
            .filter(|(link, target)| !std::fs::read_link(link).is_ok_and(|present| present == *target))
            .collect()
    }
}
