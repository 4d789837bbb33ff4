//! Layouts: places in an app's view of the file system that are its snap's (contract: confinement, section 2.3).
//!
//! They are mounted in a namespace of the process that becomes the app, so nothing outside sees them. A place that is
//! not there is made in a copy of its folder in memory, into which everything else of the folder is bound again.

use super::Launch;
pub use super::view::{Inner, Place, What};
use super::view::{View, part};
use crate::domain::Dirs;
use crate::domain::snap::{Confinement, LayoutInfo};
use nix::errno::Errno;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Why a layout cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the layout {path:?} ({what}): {source}")]
pub struct LayoutError {
    /// As snap.yaml has it.
    pub path: String,
    pub what: &'static str,
    #[source]
    pub source: io::Error,
}

/// Whether an app that is started by this user gets its layouts.
pub fn is_possible() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The place that a path with `$SNAP`, `$SNAP_DATA` or `$SNAP_COMMON` in front means; nothing for any other path.
fn inner(dirs: &Dirs, launch: &Launch, path: &str) -> Option<Inner> {
    let snap = Path::new(launch.info.name.as_str());
    let revision = launch.revision.to_string();
    let starts = [
        ("$SNAP", dirs.snap_mounts(), snap.join(&revision), false),
        ("$SNAP_DATA", dirs.snap_data_all(), snap.join(&revision), true),
        ("$SNAP_COMMON", dirs.snap_data_all(), snap.join("common"), true),
    ];
    starts.into_iter().find_map(|(start, top, below, writable)| {
        let rest = path.strip_prefix(start)?;
        let rest = match rest.strip_prefix('/') {
            Some(rest) => rest,
            None if rest.is_empty() => rest,
            None => return None,
        };
        let clean = Path::new(rest)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        clean.then(|| Inner {
            top,
            below: below.join(rest),
            writable,
        })
    })
}

/// What one layout comes to below a root: a pure function; nothing for what no rule allows.
pub fn step(dirs: &Dirs, launch: &Launch, layout: &LayoutInfo) -> Option<(Place, What)> {
    let place = match inner(dirs, launch, &layout.path) {
        Some(inner) => Place::Snap(inner),
        None if layout.path.starts_with('/') => Place::Host(PathBuf::from(&layout.path)),
        None => return None,
    };
    let source = |path: &Option<String>| inner(dirs, launch, path.as_deref()?);
    let what = if let Some(folder) = source(&layout.bind) {
        What::Folder(folder)
    } else if let Some(file) = source(&layout.bind_file) {
        What::File(file)
    } else if let Some(target) = source(&layout.symlink) {
        What::Link(target.path())
    } else if layout.tmpfs {
        What::Memory(layout.mode, layout.user.clone(), layout.group.clone())
    } else {
        return None;
    };
    Some((place, what))
}

/// Gives this process a view of its own with the layouts of its snap. Only root can; others see the host's places.
pub(super) fn apply(dirs: &Dirs, launch: &Launch) -> Result<(), LayoutError> {
    let layouts = &launch.info.layout;
    if layouts.is_empty() || launch.confinement == Confinement::Classic || !is_possible() {
        return Ok(());
    }
    let failed = |what| move |source: io::Error| fault(&layouts[0], what, source);
    part().map_err(failed("its mount namespace"))?;
    let mut view = View::of_host(dirs.run().join("layout")).map_err(failed("its scratch folder"))?;
    show_all(&mut view, dirs, launch)?;
    view.end().map_err(failed("its namespace"))
}

fn fault(layout: &LayoutInfo, what: &'static str, source: io::Error) -> LayoutError {
    LayoutError {
        path: layout.path.clone(),
        what,
        source,
    }
}

/// Puts the layouts of a snap into a view.
pub(super) fn show_all(view: &mut View, dirs: &Dirs, launch: &Launch) -> Result<(), LayoutError> {
    for layout in &launch.info.layout {
        let (place, what) =
            step(dirs, launch, layout).ok_or_else(|| fault(layout, "its entry", Errno::EINVAL.into()))?;
        view.show(&place, &what)
            .map_err(|source| fault(layout, "its place or source", source))?;
    }
    Ok(())
}
