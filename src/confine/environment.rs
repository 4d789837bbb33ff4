//! The environment of an app or hook (contract: confinement, section 1.4; snaps-and-assertions, section 2).

use super::command::expand;
use super::{Launch, Which};
use crate::domain::snap::Confinement;
use crate::domain::{Dirs, SnapName};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The fixed search path of confined apps; the folder with `snapctl` stands before it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games:/usr/local/games";

/// What a service or hook takes over from its starter; all else of the agent's environment stays out.
const KEPT: [&str; 7] = [
    "LANG",
    "NOTIFY_SOCKET",
    crate::drivers::process::MARK,
    "SNAP_CONTEXT",
    "SNAP_COOKIE",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// Who runs the app.
#[derive(Clone, Debug)]
pub struct User {
    pub uid: u32,
    /// The home folder, below the root directory.
    pub home: PathBuf,
}

impl User {
    /// The user of this process. Its home is that of the user database, not `$HOME`; below another root than `/` it
    /// is below that root too, so that nothing outside is touched.
    pub fn current(dirs: &Dirs) -> Self {
        let uid = nix::unistd::Uid::current();
        let home = nix::unistd::User::from_uid(uid)
            .ok()
            .flatten()
            .map_or_else(|| PathBuf::from("/nonexistent"), |user| user.dir);
        let home = match home.strip_prefix("/") {
            Ok(inner) if !dirs.is_host() => dirs.root().join(inner),
            _ => home,
        };
        Self {
            uid: uid.as_raw(),
            home,
        }
    }

    /// `~/snap/NAME`.
    pub fn snap_folder(&self, snap: &SnapName) -> PathBuf {
        self.home.join("snap").join(snap.as_str())
    }
}

/// Everything that the environment is made of.
pub struct Facts<'a> {
    pub dirs: &'a Dirs,
    pub launch: &'a Launch,
    pub which: &'a Which,
    pub user: &'a User,
    pub cookie: Option<String>,
    pub inherited: Vec<(OsString, OsString)>,
}

/// What of the starter's environment reaches the app: all of a person's, less what would change how programs are
/// loaded; only [`KEPT`] of the agent's.
pub fn inherited(
    all: impl Iterator<Item = (OsString, OsString)>,
    clean: bool,
    confinement: Confinement,
) -> Vec<(OsString, OsString)> {
    all.filter(|(name, _)| match (clean, name.to_str()) {
        (true, Some(name)) => KEPT.contains(&name),
        (true, None) => false,
        (false, _) => confinement == Confinement::Classic || !name.as_bytes().starts_with(b"LD_"),
    })
    // A person's shell may come from another snap, whose names must not stick.
    .filter(|(name, _)| clean || !name.as_bytes().starts_with(b"SNAP_"))
    .collect()
}

/// systemd has started this process itself, with what it means for the service and with `/etc/environment`.
pub fn is_of_systemd(mut all: impl Iterator<Item = (OsString, OsString)>) -> bool {
    let own = std::process::id().to_string();
    all.any(|(name, value)| name == "SYSTEMD_EXEC_PID" && value == own.as_str())
}

/// What tells a service of the sockets that were passed to it. This process becomes the service, so they are its own
/// whoever passed them.
pub fn passed_sockets(all: impl Iterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    let mut passed: Vec<_> = all
        .filter(|(name, _)| name == "LISTEN_FDS" || name == "LISTEN_FDNAMES")
        .collect();
    if lookup(&passed, "LISTEN_FDS").is_none() {
        return Vec::new();
    }
    set(&mut passed, "LISTEN_PID", std::process::id().to_string());
    passed
}

/// The value of a variable.
pub fn lookup(env: &[(OsString, OsString)], name: &str) -> Option<OsString> {
    env.iter()
        .rev()
        .find(|(other, _)| other == name)
        .map(|(_, value)| value.clone())
}

fn set(env: &mut Vec<(OsString, OsString)>, name: &str, value: impl AsRef<OsStr>) {
    env.retain(|(other, _)| other != name);
    env.push((OsString::from(name), value.as_ref().to_owned()));
}

/// The whole environment, in its order: basic, then the snap's, then the app's or hook's, where what stands before
/// can be used.
pub fn build(facts: &Facts<'_>) -> Vec<(OsString, OsString)> {
    let mut env = facts.inherited.clone();
    set_snap(&mut env, facts);
    set_user(&mut env, facts);
    set_agent(&mut env, facts);
    set_grants(&mut env, facts);
    let own = facts
        .launch
        .info
        .environment
        .iter()
        .chain(facts.which.environment());
    for (name, value) in own {
        let value = expand(value, |name| lookup(&env, name));
        set(&mut env, name, value);
    }
    env
}

fn set_snap(env: &mut Vec<(OsString, OsString)>, facts: &Facts<'_>) {
    let (dirs, launch) = (facts.dirs, facts.launch);
    let (snap, revision) = (&launch.info.name, launch.revision);
    set(env, "SNAP", dirs.snap_mount(snap, revision));
    set(env, "SNAP_DATA", dirs.snap_data(snap, revision));
    set(env, "SNAP_COMMON", dirs.snap_common(snap));
    set(env, "SNAP_NAME", snap.as_str());
    set(env, "SNAP_INSTANCE_NAME", snap.as_str());
    set(env, "SNAP_INSTANCE_KEY", "");
    set(env, "SNAP_VERSION", &launch.info.version);
    set(env, "SNAP_REVISION", revision.to_string());
    set(env, "SNAP_ARCH", crate::domain::snap::architecture());
    set(env, "SNAP_REEXEC", "");
    let snapd = dirs.snapd();
    let library = ["lib/gl", "lib/gl32", "void"].map(|part| snapd.join(part).display().to_string());
    set(env, "SNAP_LIBRARY_PATH", library.join(":"));
    let save = snapd.join("save/snap").join(snap.as_str());
    if save.is_dir() {
        set(env, "SNAP_SAVE_DATA", save);
    }
}

fn set_user(env: &mut Vec<(OsString, OsString)>, facts: &Facts<'_>) {
    let snap = &facts.launch.info.name;
    let folder = facts.user.snap_folder(snap);
    let data = folder.join(facts.launch.revision.to_string());
    set(env, "SNAP_USER_DATA", &data);
    set(env, "SNAP_USER_COMMON", folder.join("common"));
    set(env, "SNAP_REAL_HOME", &facts.user.home);
    set(env, "SNAP_UID", facts.user.uid.to_string());
    set(env, "SNAP_EUID", facts.user.uid.to_string());
    if facts.launch.confinement != Confinement::Classic {
        set(env, "HOME", data);
        let runtime = format!("/run/user/{}/snap.{snap}", facts.user.uid);
        set(env, "XDG_RUNTIME_DIR", runtime);
        set(env, "TMPDIR", "/tmp");
        set(env, "TEMPDIR", "/tmp");
    }
}

/// What lets the app reach the agent: the cookie, `snapctl` on the path, and where its socket is if it is not in its
/// usual place.
fn set_agent(env: &mut Vec<(OsString, OsString)>, facts: &Facts<'_>) {
    if let Some(cookie) = &facts.cookie {
        set(env, "SNAP_COOKIE", cookie);
        set(env, "SNAP_CONTEXT", cookie);
    }
    let mut path = facts.dirs.tools().into_os_string();
    path.push(":");
    match (facts.launch.confinement, lookup(env, "PATH")) {
        (Confinement::Classic, Some(own)) => path.push(own),
        _ => path.push(PATH),
    }
    set(env, "PATH", path);
    if !facts.dirs.is_host() {
        set(env, "PINION_SNAP_SOCKET", facts.dirs.snap_socket());
    }
}

/// `SNAP_PLUG_<NAME>_…` for each connected plug that is bound to the app.
fn set_grants(env: &mut Vec<(OsString, OsString)>, facts: &Facts<'_>) {
    for plug in facts.which.plugs() {
        let Some(connected) = facts.launch.plugs.get(plug) else {
            continue;
        };
        let name = plug.to_ascii_uppercase().replace('-', "_");
        for (part, value) in &connected.grants {
            set(env, &format!("SNAP_PLUG_{name}_{part}"), value);
        }
    }
}
