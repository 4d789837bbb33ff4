//! Mounts that systemd keeps as units of its own (contract: snaps-and-assertions, section 2): they are there after a
//! start of the machine before the services that need them.

use crate::domain::Dirs;
use crate::drivers::fs::{self, FileError};
use crate::drivers::units::{self, MADE, Text, mount_unit};
use std::path::{Path, PathBuf};

/// What starts the units with the machine.
const WANTS: &str = "multi-user.target.wants";

fn folder() -> PathBuf {
    Dirs::new("/").units()
}

/// The unit that shows a snap file, or a folder that somebody works on, at `target`.
pub(super) fn text(what: &Path, is_folder: bool, target: &Path) -> String {
    let part = |path: Option<&Path>| {
        let name = path.and_then(Path::file_name);
        name.unwrap_or_default().to_string_lossy().into_owned()
    };
    let mut text = Text::new(&format!(
        "Mount unit for {}, revision {}",
        part(target.parent()),
        part(Some(target))
    ));
    text.set("After", "zfs-mount.service");
    text.set("Before", "pinion.service");
    text.section("Mount");
    text.set("What", &what.to_string_lossy());
    text.set("Where", &target.to_string_lossy());
    let (kind, options) = if is_folder {
        ("none", "bind,nodev,ro")
    } else {
        ("squashfs", "nodev,ro,x-gdu.hide,x-gvfs-hide")
    };
    text.set("Type", kind);
    text.set("Options", options);
    text.set("LazyUnmount", "yes");
    text.section("Install");
    text.set("WantedBy", "multi-user.target");
    text.finish()
}

/// The unit's file and the link that starts it with the machine.
pub(super) fn places(folder: &Path, target: &Path) -> [PathBuf; 2] {
    let name = mount_unit(target);
    [folder.join(&name), folder.join(WANTS).join(name)]
}

/// Both are there and say the same as they would if they were written now.
pub(super) fn is_written(folder: &Path, what: &Path, target: &Path) -> bool {
    let [unit, link] = places(folder, target);
    let wanted = text(&source(what), what.is_dir(), target);
    std::fs::read_to_string(&unit).is_ok_and(|present| present == wanted)
        && std::fs::read_link(link).is_ok_and(|leads| leads == unit)
}

/// A folder that is tried stands behind a link.
fn source(what: &Path) -> PathBuf {
    if what.is_dir() {
        what.canonicalize().unwrap_or_else(|_| what.to_owned())
    } else {
        what.to_owned()
    }
}

/// Writes them.
pub(super) fn write(folder: &Path, what: &Path, target: &Path) -> Result<(), FileError> {
    let [unit, link] = places(folder, target);
    let text = text(&source(what), what.is_dir(), target);
    fs::write_atomic(&unit, text.as_bytes(), 0o644)?;
    fs::make_dir(link.parent().unwrap_or(folder), 0o755)?;
    fs::link_atomic(&unit, &link)
}

/// Removes them; says whether there were any.
pub(super) fn erase(folder: &Path, target: &Path) -> Result<bool, FileError> {
    let places = places(folder, target);
    let were = places.iter().any(|path| path.symlink_metadata().is_ok());
    for path in &places {
        fs::remove_file(path)?;
    }
    Ok(were)
}

/// The mount points of all our units.
pub(super) fn targets(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let units = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".mount"));
    units
        .filter_map(|entry| {
            let text = std::fs::read_to_string(entry.path()).ok()?;
            let ours = text.lines().any(|line| line == MADE);
            let place = text.lines().find_map(|line| line.strip_prefix("Where="))?;
            ours.then(|| PathBuf::from(place.replace("%%", "%")))
        })
        .collect()
}

/// Writes the unit and starts it; what is mounted already is taken over. The error is what systemd said.
pub(super) fn mount(what: &Path, target: &Path) -> Result<(), String> {
    let done = write(&folder(), what, target).map_err(|error| error.in_full());
    let done = done.and_then(|()| units::systemctl(&["daemon-reload"], units::PATIENCE));
    done.and_then(|()| units::systemctl(&["start", &mount_unit(target)], units::PATIENCE))
}

/// Stops the unit, if there is one, and removes it.
pub(super) fn unmount(target: &Path) -> Result<(), FileError> {
    let folder = folder();
    let name = mount_unit(target);
    if folder.join(&name).exists()
        && let Err(why) = units::systemctl(&["stop", &name], units::PATIENCE)
    {
        log::warn!("systemd does not unmount {}: {why}", target.display());
    }
    if erase(&folder, target)?
        && let Err(why) = units::systemctl(&["daemon-reload"], units::PATIENCE)
    {
        log::warn!("systemd does not read its units again: {why}");
    }
    Ok(())
}

/// [`is_written`] in systemd's folder.
pub(super) fn is_kept(what: &Path, target: &Path) -> bool {
    is_written(&folder(), what, target)
}

/// Something of a unit for this place is in systemd's folder.
pub(super) fn leaves_a_trace(target: &Path) -> bool {
    places(&folder(), target)
        .iter()
        .any(|path| path.symlink_metadata().is_ok())
}

/// [`targets`] of systemd's folder.
pub(super) fn all() -> Vec<PathBuf> {
    targets(&folder())
}
