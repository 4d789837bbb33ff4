//! The one launcher: it builds an app's environment and sandbox from its snap and its connections and becomes the
//! app. Services, hooks and people start apps through it (`pinion run`); it needs no running agent, only the launch
//! description that the agent keeps for each active snap.

mod admission;
mod base;
mod command;
mod environment;
mod landlock;
mod launch;
pub mod layout;
mod parts;
mod sandbox;
mod seccomp;
#[cfg(test)]
mod tests;
mod view;

pub use command::Which;
pub use launch::{BY_PERSON, Launch, LaunchPlug, group_of_person, tag_of_app, tag_of_hook};
pub use parts::forget;
pub use sandbox::enforced;

use crate::domain::{Dirs, Revision, Schedule, SnapName};
use crate::drivers::cgroup::Tree;
use crate::drivers::clock::Clock;
use crate::drivers::fs;
use jiff::tz::TimeZone;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The command that a program of this name stands for: a wrapper in `/snap/bin` is a link to the agent, an alias one to
/// a wrapper beside it. `None` when the name is the agent's own.
pub fn called_as(dirs: &Dirs, name: &OsStr) -> Option<String> {
    if name == "pinion" {
        return None;
    }
    let target = std::fs::read_link(dirs.snap_bin().join(name)).ok()?;
    let command = if target.is_absolute() {
        name
    } else {
        target.file_name()?
    };
    command.to_str().map(str::to_owned)
}

/// What `pinion run` was asked for.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// `/` when not given.
    pub root: Option<PathBuf>,
    /// `SNAP` or `SNAP.APP`; for a hook the snap.
    pub target: String,
    /// `--hook NAME`.
    pub hook: Option<String>,
    /// `--command stop|reload|post-stop`.
    pub command: Option<String>,
    /// `--service`: started by the supervisor.
    pub service: bool,
    /// `--timer SCHEDULE`: only at its times.
    pub timer: Option<String>,
    /// What the person added.
    pub args: Vec<OsString>,
}

/// What a snap's process cannot be started for, in the words that clients know.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("need the application to run as argument")]
    NoTarget,
    #[error("cannot find current revision for snap {snap}: {reason}")]
    NoSnap { snap: String, reason: String },
    #[error("cannot find app {app:?} in {snap:?}")]
    NoApp { app: String, snap: String },
    #[error("cannot find hook {hook:?} in {snap:?}")]
    NoHook { hook: String, snap: String },
    #[error("cannot run hooks / applications with base \"none\"")]
    NoBase,
    #[error("no {command:?} command found for {app:?}")]
    NoCommand { command: String, app: String },
    #[error("cannot use {0:?} command")]
    BadCommand(String),
    #[error("cannot locate base snap {0}: No such file or directory")]
    NoSuchBase(String),
    #[error("cannot show {part} to the process: {source}")]
    Part { part: String, source: std::io::Error },
    #[error("cannot change to {path}: {source}", path = .path.display())]
    NoFolder { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Layout(#[from] layout::LayoutError),
    #[error("cannot confine the process ({what}): {source}")]
    Sandbox {
        what: &'static str,
        source: std::io::Error,
    },
    #[error("cannot exec {program:?}: {source}")]
    Exec {
        program: PathBuf,
        source: std::io::Error,
    },
}

/// Becomes the app. Returns only when that cannot be: 1, or 127 when the command cannot be executed.
pub fn run(run: &Run) -> ExitCode {
    if run.timer.as_deref().is_some_and(|timer| !is_time(timer)) {
        // systemd's times are sometimes more than the schedule has.
        return ExitCode::SUCCESS;
    }
    let error = match start(run) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "error: {error}");
    match error {
        LaunchError::Exec { .. } => ExitCode::from(127),
        _ => ExitCode::FAILURE,
    }
}

/// It is the time of a schedule, or was within the two minutes by which a start may be late.
fn is_time(timer: &str) -> bool {
    let now = Clock::system().now();
    let zone = TimeZone::system();
    Schedule::parse(timer).is_ok_and(|schedule| {
        [0, -60, -120]
            .into_iter()
            .any(|late| schedule.includes(now.plus_seconds(late), &zone))
    })
}

fn start(run: &Run) -> Result<std::convert::Infallible, LaunchError> {
    if run.target.is_empty() {
        return Err(LaunchError::NoTarget);
    }
    let dirs = Dirs::new(run.root.clone().unwrap_or_else(|| PathBuf::from("/")));
    let (snap, app) = run.target.split_once('.').unwrap_or((&run.target, &run.target));
    let launch = read_launch(&dirs, snap)?;
    let which = Which::choose(&launch.info, app, run.hook.as_deref(), run.command.as_deref())?;
    let user = environment::User::current(&dirs);
    make_user_folders(&user, &launch.info.name, launch.revision);
    let mut inherited = environment::inherited(
        std::env::vars_os(),
        (run.service || run.hook.is_some()) && !environment::is_of_systemd(std::env::vars_os()),
        launch.confinement,
    );
    if run.service && run.command.is_none() {
        inherited.extend(environment::passed_sockets(std::env::vars_os()));
    }
    let by_person = which.hook_name().is_none() && !run.service;
    let cookie = match cookie(&dirs, &launch.info.name, &inherited) {
        // Others than root can neither read it nor track themselves.
        None if by_person && !nix::unistd::Uid::effective().is_root() => admission::ask(&dirs, &run.target),
        known => known,
    };
    let base = base::find(&dirs, &launch)?;
    // In a base everything stands where it is on a board.
    let seen = if base.is_some() {
        Dirs::new("/")
    } else {
        dirs.clone()
    };
    let env = environment::build(&environment::Facts {
        dirs: &seen,
        launch: &launch,
        which: &which,
        user: &environment::User {
            uid: user.uid,
            home: match &base {
                Some(_) => parts::inside(&dirs, &user.home),
                None => user.home.clone(),
            },
        },
        cookie,
        inherited,
    });
    let argv = command::argv(&seen, &launch, &which, &env, &run.args);
    if by_person && let Which::App { app, .. } = &which {
        join_group(&dirs, &group_of_person(&launch.info.name, app));
    }
    match &base {
        Some(base) => base::enter(&dirs, base, &launch, &which, &user)?,
        None => layout::apply(&dirs, &launch)?,
    }
    let folder = if run.hook.is_some() {
        Some(PathBuf::from("/"))
    } else if run.service {
        Some(seen.snap_data(&launch.info.name, launch.revision))
    } else {
        None
    };
    if let Some(path) = folder {
        std::env::set_current_dir(&path).map_err(|source| LaunchError::NoFolder { path, source })?;
    }
    sandbox::enter(&launch, &which, run.service && run.command.is_none())?;
    let (program, args) = argv
        .split_first()
        .map_or((OsString::new(), &[][..]), |(program, args)| {
            (program.clone(), args)
        });
    let source = Command::new(&program).args(args).env_clear().envs(env).exec();
    Err(LaunchError::Exec {
        program: program.into(),
        source,
    })
}

fn read_launch(dirs: &Dirs, snap: &str) -> Result<Launch, LaunchError> {
    let failed = |reason: String| LaunchError::NoSnap {
        snap: snap.to_owned(),
        reason,
    };
    let name = SnapName::new(snap).map_err(|error| failed(error.to_string()))?;
    let current = dirs.snap_mount_dir(&name).join("current");
    match Launch::read(dirs, &name) {
        Ok(launch) => Ok(launch),
        Err(reason) => match std::fs::read_link(&current) {
            Ok(_) => Err(failed(reason)),
            Err(_) => Err(failed(format!(
                "readlink {}: no such file or directory",
                current.display()
            ))),
        },
    }
}

/// The cookie: a hook keeps the one that it was given; else the snap's, for those who may read it.
fn cookie(dirs: &Dirs, snap: &SnapName, inherited: &[(OsString, OsString)]) -> Option<String> {
    let given = inherited.iter().find(|(name, _)| name == "SNAP_COOKIE");
    match given {
        Some((_, value)) => value.to_str().map(str::to_owned),
        None => std::fs::read_to_string(dirs.cookies().join(format!("snap.{snap}"))).ok(),
    }
}

/// `~/snap/NAME/REV`, `common`, `current`. As the contract has it, failure does not stop the app.
fn make_user_folders(user: &environment::User, snap: &SnapName, revision: Revision) {
    let base = user.snap_folder(snap);
    let made = fs::make_dir(&user.home.join("snap"), 0o700)
        .and_then(|()| fs::make_dir(&base.join(revision.to_string()), 0o755))
        .and_then(|()| fs::make_dir(&base.join("common"), 0o755))
        .and_then(|()| fs::link_atomic(Path::new(&revision.to_string()), &base.join("current")));
    if let Err(error) = made {
        let _ = writeln!(std::io::stderr(), "warning: {}", error.in_full());
    }
}

/// Moves this process to the group of its app, so that it is known as the snap's on the snap socket. Others than root
/// have asked the agent for it.
fn join_group(dirs: &Dirs, tag: &str) {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let joined = Tree::open(dirs.root())
        .and_then(|tree| tree.group(tag).ok())
        .and_then(|group| group.entry().ok())
        .map(|mut entry| entry.write_all(b"0"));
    if let Some(Err(error)) = joined {
        let _ = writeln!(std::io::stderr(), "warning: cannot track this process: {error}");
    }
}
