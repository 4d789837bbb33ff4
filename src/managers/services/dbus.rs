//! Names on the system's message bus: who may own them, and what the bus does when somebody calls one that nobody owns
//! (dbus-daemon(1)). The contract names no paths; these are those where snapd's users look.

use super::unit::Surroundings;
use crate::domain::snap::AppInfo;
use crate::domain::{Dirs, Finding, SnapInfo, SnapName, SnapRecord, names};
use crate::drivers::{fs, units};
use crate::store::World;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The line of a service file that says whose it is; the bus does not know it.
const OWNER: &str = "X-Pinion=";

const STRAY: &str = "belongs to no enabled service";

/// The bus name of a slot; nothing when it is none. It becomes a part of a path and of the bus's own files, and what an
/// interface refuses still stands in the snap's description.
pub fn name_of<'a>(info: &'a SnapInfo, slot: &str) -> Option<&'a str> {
    let name = info.slots.get(slot)?.attrs.get("name")?.as_str()?;
    names::is_bus_name(name).then_some(name)
}

/// The names that start a service.
fn activating<'a>(info: &'a SnapInfo, app: &'a AppInfo) -> impl Iterator<Item = &'a str> {
    app.activates_on.iter().filter_map(|slot| name_of(info, slot))
}

/// The names that a service may own.
fn owned<'a>(info: &'a SnapInfo, app: &AppInfo) -> Vec<&'a str> {
    let slots = info.slots.iter().filter(|(name, slot)| {
        let is_its = app.slots.contains(*name) || app.activates_on.contains(*name);
        let bus = slot.attrs.get("bus").and_then(serde_json::Value::as_str);
        is_its && slot.interface == "dbus" && bus == Some("system")
    });
    slots.filter_map(|(name, _)| name_of(info, name)).collect()
}

/// What the bus is to do for a name: our own client starts the service, or systemd does.
fn service_file(around: &Around<'_>, snap: &SnapName, app: &str, name: &str) -> String {
    let mut text = format!(
        "[D-BUS Service]\n{}\nName={name}\nExec={} --socket {} start {snap}.{app}\n",
        units::MADE,
        around.launcher.display(),
        around.dirs.main_socket().display()
    );
    if around.user == 0 {
        text.push_str("User=root\n");
    }
    if around.has_systemd {
        text.push_str(&format!("SystemdService=snap.{snap}.{app}.service\n"));
    }
    text.push_str(&format!("{OWNER}{snap}.{app}\n"));
    text
}

/// Who may own names, and that everybody may send to them.
fn policy(user: u32, names: &[&str]) -> String {
    let user = if user == 0 {
        String::from("root")
    } else {
        user.to_string()
    };
    let lines = |what: &str| {
        let lines = names
            .iter()
            .map(|name| format!("    <allow {what}=\"{name}\"/>\n"));
        lines.collect::<String>()
    };
    format!(
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN\"\n \
         \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n<!-- Made by pinion; it is written again -->\n\
         <busconfig>\n  <policy user=\"{user}\">\n{}  </policy>\n  <policy context=\"default\">\n{}  </policy>\n</busconfig>\n",
        lines("own"),
        lines("send_destination")
    )
}

/// What the texts say of the agent.
struct Around<'a> {
    dirs: &'a Dirs,
    launcher: &'a Path,
    /// The user of the agent and of the services.
    user: u32,
    has_systemd: bool,
}

impl<'a> Around<'a> {
    fn new(dirs: &'a Dirs, launcher: &'a Path) -> Self {
        // Whose the state is, whoever looks.
        let state = std::fs::metadata(dirs.state());
        Self {
            dirs,
            launcher,
            user: state.map_or_else(|_| nix::unistd::geteuid().as_raw(), |state| state.uid()),
            has_systemd: units::is_here(dirs.root()),
        }
    }

    fn service_path(&self, name: &str) -> PathBuf {
        self.dirs.bus_services().join(format!("{name}.service"))
    }

    /// The service files of a service.
    fn service_files(&self, info: &SnapInfo, app: &AppInfo) -> BTreeMap<PathBuf, String> {
        let files = activating(info, app).map(|name| {
            let text = service_file(self, &info.name, &app.name, name);
            (self.service_path(name), text)
        });
        files.collect()
    }

    /// The policies of a snap.
    fn policies(&self, record: &SnapRecord) -> BTreeMap<PathBuf, String> {
        let mut files = BTreeMap::new();
        for (info, app) in services(record) {
            let names = owned(info, app);
            if !names.is_empty() {
                let file = format!("snap.{}.{}.conf", record.name, app.name);
                files.insert(self.dirs.bus_policies().join(file), policy(self.user, &names));
            }
        }
        files
    }

    /// Files that are not as the store says, with what is wrong. A service that was stopped waits for no name: a service
    /// file may be missing. While the agent runs, a disabled one that was started may wait for its own. Snaps in unready
    /// changes are left to their change.
    fn differences(&self, world: &World, agent_runs: bool) -> Vec<(PathBuf, &'static str)> {
        let is_busy = |snap: &SnapName| world.change_in_progress(std::slice::from_ref(snap)).is_some();
        let (mut files, mut policies) = (BTreeMap::new(), BTreeMap::new());
        for record in world.snaps.values().filter(|record| record.active) {
            policies.extend(self.policies(record));
            for (info, app) in services(record) {
                if agent_runs || !record.disabled_services.contains(&app.name) {
                    files.extend(self.service_files(info, app));
                }
            }
        }
        let mut wrong = Vec::new();
        for (path, owner) in present(self.dirs) {
            let busy = owner.is_some_and(|(snap, _)| is_busy(&snap));
            match files.get(&path).or_else(|| policies.get(&path)) {
                _ if busy => {}
                None => wrong.push((path, STRAY)),
                Some(text) if !is_written(&path, text) => wrong.push((path, "is not as it should be")),
                Some(_) => {}
            }
        }
        for path in policies.into_keys().filter(|path| !path.exists()) {
            if !policy_owner(&path).is_some_and(|(snap, _)| is_busy(&snap)) {
                wrong.push((path, "is missing"));
            }
        }
        wrong
    }
}

/// The services of the system of a snap.
fn services(record: &SnapRecord) -> impl Iterator<Item = (&SnapInfo, &AppInfo)> {
    let infos = record.info().into_iter();
    let services = infos.flat_map(|info| info.services().map(move |app| (info.as_ref(), app)));
    services.filter(|(_, app)| !app.daemon_scope_user)
}

fn is_written(path: &Path, text: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|present| present == text)
}

/// Writes a file that is not so yet; says whether it did.
fn write(path: &Path, text: &str) -> Result<bool, String> {
    if is_written(path, text) {
        return Ok(false);
    }
    let folder = path.parent().unwrap_or(path);
    fs::make_dir(folder, 0o755)
        .and_then(|()| fs::write_atomic(path, text.as_bytes(), 0o644))
        .map_err(|error| error.in_full())?;
    Ok(true)
}

type Owner = (SnapName, String);

fn parse_owner(text: &str) -> Option<Owner> {
    let (snap, app) = text.split_once('.')?;
    Some((SnapName::new(snap).ok()?, app.to_owned()))
}

/// Whose a service file is.
fn file_owner(path: &Path) -> Option<Owner> {
    let text = std::fs::read_to_string(path).ok()?;
    parse_owner(text.lines().find_map(|line| line.strip_prefix(OWNER))?)
}

/// Whose a policy is.
fn policy_owner(path: &Path) -> Option<Owner> {
    let name = path.file_name()?.to_str()?;
    parse_owner(name.strip_prefix("snap.")?.strip_suffix(".conf")?)
}

/// All service files and policies of snaps, with whose they are.
fn present(dirs: &Dirs) -> Vec<(PathBuf, Option<Owner>)> {
    let entries = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries(dirs.bus_services()).map(|entry| entry.path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "service"));
    let policies = entries(dirs.bus_policies()).map(|entry| entry.path());
    let policies = policies.filter_map(|path| Some((policy_owner(&path)?, path)));
    files
        .map(|path| (path.clone(), file_owner(&path)))
        .chain(policies.map(|(owner, path)| (path, Some(owner))))
        .collect()
}

/// Removes what is there of a snap and fits.
fn remove(dirs: &Dirs, snap: &SnapName, which: impl Fn(&Path, &str) -> bool) -> Result<bool, String> {
    let mut removed = false;
    for (path, owner) in present(dirs) {
        if owner.is_some_and(|(whose, app)| whose == *snap && which(&path, &app)) {
            fs::remove_file(&path).map_err(|error| error.in_full())?;
            removed = true;
        }
    }
    Ok(removed)
}

fn is_policy(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "conf")
}

/// Lets the services of an active snap own their names; says whether that changed anything.
pub fn prepare(dirs: &Dirs, launcher: &Path, record: &SnapRecord) -> Result<bool, String> {
    let wanted = Around::new(dirs, launcher).policies(record);
    let is_old = |path: &Path, _: &str| is_policy(path) && !wanted.contains_key(path);
    let mut changed = remove(dirs, &record.name, is_old)?;
    for (path, text) in &wanted {
        changed |= write(path, text)?;
    }
    Ok(changed)
}

/// Lets no call start the services of a snap.
pub fn disarm_all(dirs: &Dirs, snap: &SnapName) -> Result<(), String> {
    remove(dirs, snap, |path, _| !is_policy(path)).map(|_| ())
}

/// Takes the names away again.
pub fn withdraw(dirs: &Dirs, snap: &SnapName) -> Result<bool, String> {
    remove(dirs, snap, |path, _| is_policy(path))
}

/// Lets calls of its names start a service; says whether that changed anything.
pub fn arm(around: &Surroundings, snap: &SnapName, app: &AppInfo) -> Result<bool, String> {
    let world = around.store.world();
    let info = world.snap(snap.as_str()).and_then(|record| record.info());
    let Some(info) = info.filter(|_| !app.activates_on.is_empty()) else {
        return Ok(false);
    };
    let texts = Around::new(&around.dirs, &around.launcher);
    let mut changed = false;
    for (path, text) in texts.service_files(info, app) {
        let other = file_owner(&path).filter(|(whose, _)| whose != snap);
        if let Some((snap, app)) = other {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            return Err(format!("the bus name {name} starts {snap}.{app} already"));
        }
        changed |= write(&path, &text)?;
    }
    Ok(changed)
}

/// Lets nothing start it any more. The bus looks at a file before it does what it says.
pub fn disarm(dirs: &Dirs, snap: &SnapName, app: &AppInfo) {
    if app.activates_on.is_empty() {
        return;
    }
    if let Err(why) = remove(dirs, snap, |path, whose| !is_policy(path) && whose == app.name) {
        log::error!("a service is still started by its bus name: {why}");
    }
}

/// Removes what belongs to no service; what is wrong is written anew when its service is prepared.
pub fn remove_strays(dirs: &Dirs, launcher: &Path, world: &World) {
    for (path, what) in (Around::new(dirs, launcher)).differences(world, false) {
        if what == STRAY {
            log::warn!("{} {what}: it is removed", path.display());
            if let Err(error) = fs::remove_file(&path) {
                log::error!("{}", error.in_full());
            }
        }
    }
}

/// The dry run of what a start mends.
pub fn inspect(dirs: &Dirs, launcher: &Path, world: &World, agent_runs: bool) -> Vec<Finding> {
    let wrong = Around::new(dirs, launcher).differences(world, agent_runs);
    wrong
        .into_iter()
        .map(|(path, what)| Finding::system(format!("{} {what}", path.display())))
        .collect()
}

#[cfg(test)]
mod tests;
