//! Whether the disk is as the store says, and how to make it so. Start runs it, `pinion check` is its dry run
//! (decision 24).

use super::Snaps;
use super::identity;
use super::params::Setup;
use crate::domain::{Revision, RevisionRecord, SnapName, SnapRecord, TaskStatus, kinds, sort};
use crate::drivers::fs;
use crate::drivers::mount::State;
use crate::store::World;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One thing that is not as the store says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discrepancy {
    /// For people: one sentence.
    pub what: String,
    /// What makes it right.
    pub repair: Repair,
}

/// What makes a discrepancy right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Mounts a snap file.
    Mount { file: PathBuf, target: PathBuf },
    /// Unmounts, and removes the mount point.
    Unmount(PathBuf),
    /// Unmounts what was mounted over a mount of the same file.
    ThinOut(PathBuf),
    /// Points a link.
    Link { link: PathBuf, target: PathBuf },
    /// Writes a wrapper.
    Wrapper { path: PathBuf, command: String },
    /// Installs the desktop files of a snap.
    Desktop(SnapName),
    /// Removes a file or link.
    Remove(PathBuf),
    /// Makes a folder.
    Folder(PathBuf),
    /// Nothing that an agent can do.
    Person,
}

impl Repair {
    /// It mounts a snap.
    pub fn mounts(&self) -> bool {
        matches!(self, Self::Mount { .. })
    }

    /// It makes what was there before.
    fn gives_back(&self) -> bool {
        match self {
            Self::Mount { .. }
            | Self::Link { .. }
            | Self::Wrapper { .. }
            | Self::Desktop(_)
            | Self::Folder(_) => true,
            Self::Unmount(_) | Self::ThinOut(_) | Self::Remove(_) | Self::Person => false,
        }
    }

    /// Which letter of the reliability invariant is broken: something happened twice, or it is not as the store says.
    pub fn rule(&self) -> char {
        if matches!(self, Self::ThinOut(_)) {
            'e'
        } else {
            'c'
        }
    }

    /// It removes something that the store does not know.
    pub fn takes_away(&self) -> bool {
        matches!(self, Self::Unmount(_) | Self::Remove(_))
    }
}

impl Snaps {
    /// Everything that differs. Snaps in unready changes are left to their change. `deep` hashes every file again.
    pub fn inspect(&self, world: &World, deep: bool) -> Vec<Discrepancy> {
        let busy = sort::set(
            world
                .changes
                .values()
                .filter(|change| !change.is_ready())
                .flat_map(|change| &change.snaps),
        );
        let mut found = Vec::new();
        for record in world.snaps.values().filter(|record| !busy.contains(&record.name)) {
            for revision in &record.sequence {
                self.inspect_revision(record, revision, deep, &mut found);
            }
            self.inspect_links(record, &mut found);
            self.inspect_aliases(record, &mut found);
        }
        self.stray_mounts(world, &busy, &mut found);
        self.stray_wrappers(world, &busy, &mut found);
        self.stray_desktop_files(world, &busy, &mut found);
        self.stray_files(world, &busy, &mut found);
        found
    }

    /// What unready changes go on with and what is gone, as mounts are after a start of the machine, and after a power cut
    /// what was not on the disk yet: of what the store knows, and mounts of those whose `mount-snap` is done.
    pub fn missing_in_changes(&self, world: &World) -> Vec<Discrepancy> {
        let mut found = Vec::new();
        for change in world.changes.values().filter(|change| !change.is_ready()) {
            let known = change.snaps.iter().filter_map(|snap| world.snap(snap.as_str()));
            for record in known {
                for revision in &record.sequence {
                    self.inspect_revision(record, revision, false, &mut found);
                }
                // Aliases go before their snap's links do, and nothing but the change knows it.
                self.inspect_links(record, &mut found);
            }
            let mounted = change.tasks.iter().filter(|task| {
                task.kind == kinds::MOUNT_SNAP && matches!(task.status, TaskStatus::Done | TaskStatus::Undo)
            });
            for setup in mounted.filter_map(|task| Setup::deserialize(&task.params).ok()) {
                let target = self.dirs.snap_mount(&setup.snap, setup.revision);
                let missing = Discrepancy {
                    what: format!(
                        "snap {:?} ({}) is not mounted",
                        setup.snap.as_str(),
                        setup.revision
                    ),
                    repair: Repair::Mount {
                        file: self.file_of(&setup),
                        target: target.clone(),
                    },
                };
                if matches!(self.mounts.state(&target), Ok(State::Absent)) && !found.contains(&missing) {
                    found.push(missing);
                }
            }
        }
        found.retain(|discrepancy| discrepancy.repair.gives_back());
        found
    }

    /// Makes one discrepancy right.
    pub fn repair(&self, discrepancy: &Discrepancy) -> Result<(), String> {
        let disk = |result: Result<(), fs::FileError>| result.map_err(|error| error.in_full());
        match &discrepancy.repair {
            Repair::Mount { file, target } => self
                .mounts
                .mount(file, target)
                .map(drop)
                .map_err(|error| error.to_string()),
            Repair::Unmount(target) => {
                self.mounts.unmount(target).map_err(|error| error.to_string())?;
                if let Some(dir) = target.parent() {
                    fs::remove_empty_dir(dir);
                }
                Ok(())
            }
            Repair::ThinOut(target) => self.mounts.thin_out(target).map_err(|error| error.to_string()),
            Repair::Link { link, target } => {
                disk(fs::make_dir(link.parent().unwrap_or(Path::new("/")), 0o755))?;
                disk(fs::link_atomic(target, link))
            }
            Repair::Wrapper { path, command } => {
                disk(fs::make_dir(&self.dirs.snap_bin(), 0o755))?;
                disk(self.put_wrapper(path, command))
            }
            Repair::Desktop(snap) => {
                let world = self.store.world();
                let record = world.snap(snap.as_str());
                match record.and_then(|record| Some((record.info()?, record.current))) {
                    Some((info, current)) => disk(self.put_desktop_files(info, current)),
                    None => Ok(()),
                }
            }
            Repair::Remove(path) => disk(fs::remove_file(path)),
            Repair::Folder(path) => disk(fs::make_dir(path, 0o755)),
            Repair::Person => Err(discrepancy.what.clone()),
        }
    }

    /// Tells people what they have to see to. Blocks.
    pub fn warn(&self, text: String) {
        log::error!("{text}");
        if let Err(error) = self.store.commit(move |tx| tx.add_warning(&text)) {
            log::error!("{error}");
        }
    }

    fn inspect_revision(
        &self,
        record: &SnapRecord,
        revision: &RevisionRecord,
        deep: bool,
        found: &mut Vec<Discrepancy>,
    ) {
        let (name, number) = (&record.name, revision.revision);
        let file = self.dirs.snap_file(name, number);
        let person = |text: &str| Discrepancy {
            what: format!(
                "the file of snap {:?} ({number}) {text}: install the snap again",
                name.as_str()
            ),
            repair: Repair::Person,
        };
        if let Some(folder) = revision.file.folder.as_ref().filter(|folder| !folder.is_dir()) {
            found.push(Discrepancy {
                what: format!(
                    "the folder {} that snap {:?} ({number}) is tried from is missing: put it back or remove the snap",
                    folder.display(),
                    name.as_str()
                ),
                repair: Repair::Person,
            });
            return;
        }
        if !file.exists() {
            found.push(person("is missing"));
            return;
        }
        if !identity::is_same(&file, &revision.file) {
            found.push(person("is not the one that was checked"));
            // It may have been mounted before anybody looked: by systemd, at the start of the machine.
            let target = self.dirs.snap_mount(name, number);
            let mounted = matches!(self.mounts.state(&target), Ok(State::Mounted(_)));
            if mounted || self.mounts.leaves_a_trace(&target) {
                found.push(Discrepancy {
                    what: format!(
                        "snap {:?} ({number}) is mounted from a file that was not checked",
                        name.as_str()
                    ),
                    repair: Repair::Unmount(target),
                });
            }
            return;
        }
        if deep && identity::hash_file(&file).is_ok_and(|hash| hash != revision.file.sha3_384) {
            found.push(person("has changed since it was checked"));
            return;
        }
        let target = self.dirs.snap_mount(name, number);
        match self.mounts.state(&target) {
            Ok(State::Absent) => found.push(Discrepancy {
                what: format!("snap {:?} ({number}) is not mounted", name.as_str()),
                repair: Repair::Mount { file, target },
            }),
            Ok(State::Mounted(point))
                if point.backing.is_some()
                    && point.backing.as_deref() != file.canonicalize().ok().as_deref() =>
            {
                found.push(Discrepancy {
                    what: format!(
                        "another file than that of snap {:?} ({number}) is mounted in its place",
                        name.as_str()
                    ),
                    repair: Repair::Unmount(target.clone()),
                });
                found.push(Discrepancy {
                    what: format!("snap {:?} ({number}) is not mounted", name.as_str()),
                    repair: Repair::Mount { file, target },
                });
            }
            Ok(State::Mounted(_)) if self.mounts.depth(&target).is_ok_and(|depth| depth > 1) => {
                found.push(Discrepancy {
                    what: format!("snap {:?} ({number}) is mounted twice", name.as_str()),
                    repair: Repair::ThinOut(target),
                });
            }
            Ok(State::Mounted(_)) if !self.mounts.is_kept(&file, &target) => found.push(Discrepancy {
                what: format!(
                    "snap {:?} ({number}) would not be mounted after a start of the machine",
                    name.as_str()
                ),
                repair: Repair::Mount { file, target },
            }),
            Ok(_) => {}
            Err(error) => found.push(Discrepancy {
                what: format!("cannot tell whether snap {:?} is mounted: {error}", name.as_str()),
                repair: Repair::Person,
            }),
        }
        let data = self.dirs.snap_data(name, number);
        if record.current == number && !data.is_dir() {
            found.push(Discrepancy {
                what: format!("snap {:?} ({number}) has no data folder", name.as_str()),
                repair: Repair::Folder(data),
            });
        }
    }

    fn inspect_links(&self, record: &SnapRecord, found: &mut Vec<Discrepancy>) {
        let name = &record.name;
        if !record.active {
            for link in self.link_places(name) {
                if link.symlink_metadata().is_ok() {
                    found.push(Discrepancy {
                        what: format!(
                            "snap {:?} is disabled, but {} is there",
                            name.as_str(),
                            link.display()
                        ),
                        repair: Repair::Remove(link),
                    });
                }
            }
            return;
        }
        for (link, target) in self.missing_links(name, record.current) {
            found.push(Discrepancy {
                what: format!("{} does not lead to {}", link.display(), target.display()),
                repair: Repair::Link { link, target },
            });
        }
        let desktop = record.info().map(|info| self.desktop_places(info));
        for (path, _) in desktop.into_iter().flatten() {
            if !path.is_file() {
                found.push(Discrepancy {
                    what: format!("the desktop file {} is missing", path.display()),
                    repair: Repair::Desktop(name.clone()),
                });
            }
        }
        if let Some(info) = record.info() {
            for (path, command) in self.wrapper_paths(info) {
                if !self.has_wrapper(&path, &command) {
                    found.push(Discrepancy {
                        what: format!("the wrapper {} is missing", path.display()),
                        repair: Repair::Wrapper { path, command },
                    });
                }
            }
        }
    }

    fn inspect_aliases(&self, record: &SnapRecord, found: &mut Vec<Discrepancy>) {
        if !record.active {
            return;
        }
        for link in self.alias_links(record) {
            if !Self::has_alias_link(&link) {
                let (link, command) = link;
                found.push(Discrepancy {
                    what: format!("the alias {} does not lead to {command}", link.display()),
                    repair: Repair::Link {
                        link,
                        target: PathBuf::from(command),
                    },
                });
            }
        }
    }

    fn stray_mounts(&self, world: &World, busy: &BTreeSet<&SnapName>, found: &mut Vec<Discrepancy>) {
        let root = self.dirs.snap_mounts();
        let real = root.canonicalize().unwrap_or_else(|_| root.clone());
        let mut strays: BTreeSet<PathBuf> = BTreeSet::new();
        let known = |below: &Path| {
            let mut parts = below.iter().filter_map(|part| part.to_str());
            let (Some(name), Some(revision), None) = (parts.next(), parts.next(), parts.next()) else {
                return false;
            };
            busy.iter().any(|snap| snap.as_str() == name)
                || world.snap(name).is_some_and(|record| {
                    record
                        .sequence
                        .iter()
                        .any(|known| known.revision.to_string() == revision)
                })
        };
        let kept = self.mounts.kept().into_iter();
        strays.extend(kept.filter(|target| target.strip_prefix(&root).is_ok_and(|below| !known(below))));
        for point in self.mounts.below(&root).unwrap_or_default() {
            if let Ok(below) = point.target.strip_prefix(&real)
                && !known(below)
            {
                strays.insert(root.join(below));
            }
        }
        // folders that are no mounts: unpacked ones, and mount points that were left
        for snap in folders(&root)
            .into_iter()
            .filter(|dir| *dir != self.dirs.snap_bin())
        {
            for revision in folders(&snap).into_iter().chain(tried(&snap)) {
                if revision.strip_prefix(&root).is_ok_and(|below| !known(below)) {
                    strays.insert(revision);
                }
            }
        }
        found.extend(strays.into_iter().map(|path| Discrepancy {
            what: format!("{} belongs to no installed snap", path.display()),
            repair: Repair::Unmount(path),
        }));
    }

    fn stray_wrappers(&self, world: &World, busy: &BTreeSet<&SnapName>, found: &mut Vec<Discrepancy>) {
        let active = || world.snaps.values().filter(|record| record.active);
        let wrappers = active()
            .filter_map(|record| record.info())
            .flat_map(|info| self.wrapper_paths(info));
        let aliases = active().flat_map(|record| self.alias_links(record));
        let known = sort::set(wrappers.chain(aliases).map(|(path, _)| path));
        for path in entries(&self.dirs.snap_bin()) {
            // An alias leads to the command that it stands for.
            let command = std::fs::read_link(&path)
                .ok()
                .filter(|target| target.is_relative());
            let command = command.as_deref().or(path.file_name().map(Path::new));
            let command = command.unwrap_or(Path::new("")).to_string_lossy();
            let snap = command.split('.').next().unwrap_or_default();
            if !known.contains(&path) && !busy.iter().any(|busy| busy.as_str() == snap) {
                found.push(Discrepancy {
                    what: format!("the wrapper {} belongs to no enabled snap", path.display()),
                    repair: Repair::Remove(path),
                });
            }
        }
    }

    fn stray_desktop_files(&self, world: &World, busy: &BTreeSet<&SnapName>, found: &mut Vec<Discrepancy>) {
        let active = world.snaps.values().filter(|record| record.active);
        let known: BTreeSet<PathBuf> = active
            .filter_map(|record| record.info())
            .flat_map(|info| self.desktop_places(info))
            .map(|(path, _)| path)
            .collect();
        for path in entries(&self.dirs.desktop_files()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let Some((snap, _)) = name.split_once('_').filter(|_| name.ends_with(".desktop")) else {
                continue;
            };
            if !known.contains(&path) && !busy.iter().any(|busy| busy.as_str() == snap) {
                found.push(Discrepancy {
                    what: format!("the desktop file {} belongs to no enabled snap", path.display()),
                    repair: Repair::Remove(path),
                });
            }
        }
    }

    fn stray_files(&self, world: &World, busy: &BTreeSet<&SnapName>, found: &mut Vec<Discrepancy>) {
        let known = sort::set(world.snaps.values().flat_map(|record| {
            record
                .sequence
                .iter()
                .map(|known| self.dirs.snap_file(&record.name, known.revision))
        }));
        for path in entries(&self.dirs.snap_files()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let Some((snap, _)) = name.strip_suffix(".snap").and_then(|stem| stem.rsplit_once('_')) else {
                continue;
            };
            if !known.contains(&path) && !busy.iter().any(|busy| busy.as_str() == snap) {
                found.push(Discrepancy {
                    what: format!("the snap file {} belongs to no installed snap", path.display()),
                    repair: Repair::Remove(path),
                });
            }
        }
    }
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    sort::by(&mut paths, Ord::cmp);
    paths
}

/// The real folders in a folder.
pub(super) fn folders(dir: &Path) -> Vec<PathBuf> {
    entries(dir)
        .into_iter()
        .filter(|path| path.symlink_metadata().is_ok_and(|file| file.is_dir()))
        .collect()
}

/// The links in a folder that stand in place of a mount.
fn tried(dir: &Path) -> Vec<PathBuf> {
    entries(dir)
        .into_iter()
        .filter(|path| path.is_symlink())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.parse::<Revision>().is_ok())
        })
        .collect()
}
