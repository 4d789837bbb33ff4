//! A base as the root of an app's files (contract: confinement, sections 1.2 and 2; decision 40).
//!
//! Root enters it with every strict or devmode app; others have no right to and see the host's files. One namespace for
//! each start: it needs no keeping, no rebuilding when the base or a connection changes, and ends with its processes. What
//! the apps of a snap share (`/tmp`, `/dev/shm`) are folders that all their views show.

use super::environment::User;
use super::view::{self, View};
use super::{Launch, LaunchError, Which, layout, parts};
use crate::domain::Dirs;
use crate::domain::snap::Confinement;
use nix::unistd::geteuid;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The base of snaps that name none.
const CORE: &str = "core";

/// Where a process is whose folder its view lacks (contract: confinement, section 1.2).
const VOID: &str = "/var/lib/snapd/void";

/// The files of the base that an app is to enter. None: for classic snaps, for a user without rights, where a snap names
/// no base and there is no core, and below another root than `/` for a base with nothing in it, which is how test
/// fixtures say that the machine's programs will do.
pub fn find(dirs: &Dirs, launch: &Launch) -> Result<Option<PathBuf>, LaunchError> {
    if launch.confinement == Confinement::Classic || !geteuid().is_root() {
        return Ok(None);
    }
    let named = launch.info.base.as_deref();
    let name = named.unwrap_or(CORE);
    match fs::canonicalize(dirs.snap_mounts().join(name).join("current")) {
        Ok(base) if dirs.is_host() || has_files(&base) => Ok(Some(base)),
        Ok(_) => Ok(None),
        Err(_) if named.is_none() => Ok(None),
        Err(_) => Err(LaunchError::NoSuchBase(name.to_owned())),
    }
}

/// It has more than its description.
fn has_files(base: &Path) -> bool {
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).any(|name| name != "meta")
}

/// Makes the base the root of this process, with what the app may see of the host. The process stays in its folder if
/// the view has it.
pub fn enter(
    dirs: &Dirs,
    base: &Path,
    launch: &Launch,
    which: &Which,
    user: &User,
) -> Result<(), LaunchError> {
    let failed = |what: &'static str| move |source: io::Error| LaunchError::Sandbox { what, source };
    let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from(VOID));
    let steps = parts::steps(dirs, launch, which, base, &user.snap_folder(&launch.info.name))
        .map_err(failed("the places of its own"))?;
    view::part().map_err(failed("a mount namespace"))?;
    let mut view = View::of_base(base, &dirs.run().join("view")).map_err(failed("the base as root"))?;
    for step in &steps {
        view.take(step).map_err(|source| LaunchError::Part {
            part: format!("{step:?}"),
            source,
        })?;
    }
    layout::show_all(&mut view, &Dirs::new("/"), launch)?;
    if std::env::set_current_dir(&folder).is_err() {
        view.make_folder(Path::new(VOID))
            .and_then(|()| std::env::set_current_dir(VOID))
            .map_err(failed(VOID))?;
    }
    view.end().map_err(failed("the end of its view"))
}
