//! What an install from files comes to: a pure function from the files' content and the world to tasks or an error
//! (contract: v2, "Sideload" and section 6; v2-observed, section 3).

use super::aliases::rules::in_the_way;
use super::params::{Before, Flags, Prerequisites, Setup};
use super::{Device, Snaps, Upload, file, identity};
use crate::confine::tag_of_app;
use crate::domain::snap::{Confinement, SnapType};
use crate::domain::{
    ErrorKind, Fault, FileIdentity, Plan, PlannedTask, Revision, SnapInfo, SnapName, SnapRecord, kinds, sort,
};
use crate::drivers::cgroup::Tree;
use crate::managers::interfaces;
use crate::store::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How a request wants its files installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideloadFlags {
    /// Without signatures.
    pub dangerous: bool,
    pub devmode: bool,
    pub jailmode: bool,
    pub classic: bool,
    /// Even while apps of the snap run.
    pub ignore_running: bool,
    /// Its automatic aliases are not to be in force.
    pub unaliased: bool,
    /// All snaps or none (`transaction: all-snaps`); else each for itself.
    pub all_or_none: bool,
}

/// One file to install.
#[derive(Debug)]
pub struct Sideload<'a> {
    /// The complete upload.
    pub upload: &'a Upload,
    /// What the person calls the file.
    pub original: String,
}

/// One file with what it says.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub info: SnapInfo,
    /// Where it is: an upload, or the folder that is tried.
    pub path: PathBuf,
    pub file: FileIdentity,
    pub original: String,
}

/// What a file or folder says, once everything that it names is there.
fn candidate(path: &Path, file: FileIdentity, original: &str) -> Result<Candidate, Fault> {
    let info = file::read_checked(path).map_err(|error| error.fault(original))?;
    interfaces::check_installation(&info)?;
    Ok(Candidate {
        info,
        path: path.to_owned(),
        file,
        original: original.to_owned(),
    })
}

impl Snaps {
    /// The change that installs these files. Reads them: to be called where blocking is allowed.
    pub fn plan_sideload(&self, files: &[Sideload<'_>], flags: SideloadFlags) -> Result<Plan, Fault> {
        if files.is_empty() {
            return Err(Fault::bad(
                "cannot find a snap file in the form: send one as the part \"snap\" with a filename",
            ));
        }
        check_flags(flags)?;
        if !flags.dangerous && !flags.devmode {
            return Err(Fault::bad(format!(
                "cannot find signatures with metadata for snap {:?}",
                files[0].original
            )));
        }
        let candidates = files
            .iter()
            .map(|sideload| {
                let upload = sideload.upload;
                let identity = identity::present(upload.path(), &upload.sha3_384)
                    .map_err(|error| Fault::internal(error.in_full()))?;
                candidate(upload.path(), identity, &sideload.original)
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        self.plan_install(candidates, flags)
    }

    fn plan_install(&self, candidates: Vec<Candidate>, flags: SideloadFlags) -> Result<Plan, Fault> {
        let world = self.store.world();
        let present = candidates
            .iter()
            .filter_map(|one| world.snap(one.info.name.as_str()));
        for record in present.filter(|_| !flags.ignore_running) {
            self.check_idle(record)?;
        }
        install(&world, candidates, flags, &self.device)
    }

    /// Nobody uses the apps of a snap that is to be refreshed; services do not count, they are stopped (contract:
    /// confinement, section 1.6). Without control groups nobody can tell.
    fn check_idle(&self, record: &SnapRecord) -> Result<(), Fault> {
        let Some(tree) = Tree::find(self.dirs.root()) else {
            return Ok(());
        };
        let groups = tree.names();
        let (mut apps, mut pids) = (Vec::new(), Vec::new());
        for app in record.info().into_iter().flat_map(|info| info.apps.values()) {
            let tag = tag_of_app(&record.name, &app.name);
            if app.is_service() || app.refresh_mode == "ignore-running" || !groups.contains(&tag) {
                continue;
            }
            let running = tree.group(&tag).map(|group| group.pids()).unwrap_or_default();
            if !running.is_empty() {
                apps.push(app.name.as_str());
                pids.extend(running.iter().map(i32::to_string));
            }
        }
        if apps.is_empty() {
            return Ok(());
        }
        Err(Fault::bad(format!(
            "cannot install snap file: snap {:?} has running apps ({}), pids: {}",
            record.name.as_str(),
            apps.join(", "),
            pids.join(",")
        )))
    }

    /// The change that installs a folder as it stands and goes on changing (`try`). Reads it: to be called where
    /// blocking is allowed.
    pub fn plan_try(&self, folder: &str, flags: SideloadFlags) -> Result<Plan, Fault> {
        let path = Path::new(folder);
        let refuse = |text: &str| Err(Fault::bad(format!("cannot try {folder:?}: {text}")));
        if !path.is_absolute() {
            return refuse("need an absolute path");
        }
        if !path.is_dir() {
            return refuse("not a snap directory");
        }
        if !path.join("meta/snap.yaml").is_file() {
            return Err(Fault::new(
                ErrorKind::SnapNotASnap,
                format!(
                    "{folder:?} does not look like a snap: it has no meta/snap.yaml; give the folder that has it"
                ),
            ));
        }
        check_flags(flags)?;
        let real = path
            .canonicalize()
            .map_err(|error| Fault::bad(format!("cannot try {folder:?}: {error}")))?;
        let tried = FileIdentity {
            folder: Some(real.clone()),
            ..FileIdentity::default()
        };
        let one = candidate(&real, tried, folder)?;
        let summary = format!("Try {:?} snap from {folder}", one.info.name.as_str());
        let plan = self.plan_install(vec![one], flags)?;
        Ok(Plan {
            kind: "try-snap",
            summary,
            ..plan
        })
    }
}

/// Flags that exclude each other (contract: v2, Snaps).
fn check_flags(flags: SideloadFlags) -> Result<(), Fault> {
    if flags.devmode && flags.jailmode {
        return Err(Fault::bad("cannot use devmode and jailmode flags together"));
    }
    if flags.devmode && flags.classic {
        return Err(Fault::bad("cannot use classic and devmode flags together"));
    }
    Ok(())
}

/// The plan for these files in this world.
pub(super) fn install(
    world: &World,
    mut candidates: Vec<Candidate>,
    flags: SideloadFlags,
    device: &Device,
) -> Result<Plan, Fault> {
    check_together(world, &candidates)?;
    let names: Vec<SnapName> = candidates.iter().map(|one| one.info.name.clone()).collect();
    let mut plan = Plan::new("install-snap", summary(&candidates));
    plan.data.extend(if names.len() == 1 {
        [(String::from("snap-name"), Value::from(names[0].as_str()))]
    } else {
        let list: Vec<&str> = names.iter().map(SnapName::as_str).collect();
        [(String::from("snap-names"), json!(list))]
    });
    plan.snaps = names;
    // a base before the snaps that stand on it
    sort::by_key(&mut candidates, |one| {
        !matches!(one.info.kind, SnapType::Base | SnapType::Os | SnapType::Snapd)
    });
    let many = candidates.len() > 1;
    let mut linked: BTreeMap<String, usize> = BTreeMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let record = world.snap(candidate.info.name.as_str()).map(AsRef::as_ref);
        check_architecture(&candidate.info, device)?;
        let kept = confine(candidate, record, flags, device)?;
        check_successor(candidate, record)?;
        let lanes = match (many, flags.all_or_none) {
            (false, false) => Vec::new(),
            (_, true) => vec![1],
            (true, false) => vec![index + 1],
        };
        let after = candidate
            .info
            .needed_base()
            .and_then(|base| linked.get(base))
            .copied();
        let tasks = sequence(world, candidate, record, kept, device)?;
        let first = plan.tasks.len();
        for (position, mut task) in tasks.into_iter().enumerate() {
            task.waits = match position {
                0 => after.into_iter().collect(),
                _ => vec![first + position - 1],
            };
            task.lanes.clone_from(&lanes);
            if task.kind == kinds::SET_AUTO_ALIASES && flags.unaliased {
                task.params["unaliased"] = Value::Bool(true);
            }
            if task.kind == kinds::LINK_SNAP {
                linked.insert(candidate.info.name.to_string(), first + position);
            }
            plan.tasks.push(task);
        }
    }
    Ok(plan)
}

fn quoted<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts
        .map(|text| format!("{text:?}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn summary(candidates: &[Candidate]) -> String {
    match candidates {
        [one] => format!(
            "Install {:?} snap from file {:?}",
            one.info.name.as_str(),
            one.original
        ),
        all => format!(
            "Install snaps {} from files {}",
            quoted(all.iter().map(|one| one.info.name.as_str())),
            quoted(all.iter().map(|one| one.original.as_str()))
        ),
    }
}

fn check_together(world: &World, candidates: &[Candidate]) -> Result<(), Fault> {
    let mut seen: BTreeMap<&SnapName, &str> = BTreeMap::new();
    let mut gadget: Option<&SnapName> = world
        .snaps
        .values()
        .find(|record| record.info().is_some_and(|info| info.kind == SnapType::Gadget))
        .map(|record| &record.name);
    for one in candidates {
        if let Some(other) = seen.insert(&one.info.name, &one.original) {
            return Err(Fault::bad(format!(
                "the files {other:?} and {:?} are both snap {:?}: send one of them",
                one.original,
                one.info.name.as_str()
            )));
        }
        if let Some((alias, other)) = in_the_way(world, &one.info.name) {
            return Err(Fault::bad(format!(
                "snap {:?} command namespace conflicts with alias {alias:?} for {:?} snap: remove the alias first",
                one.info.name.as_str(),
                other.as_str()
            )));
        }
        if one.info.kind == SnapType::Gadget {
            match gadget {
                Some(present) if *present != one.info.name => {
                    return Err(Fault::bad(format!(
                        "cannot install gadget {:?}: a device has one gadget, and {:?} is it; remove that first",
                        one.info.name.as_str(),
                        present.as_str()
                    )));
                }
                _ => gadget = Some(&one.info.name),
            }
        }
    }
    Ok(())
}

/// The flags that the snap is kept with, if its confinement allows them.
fn confine(
    candidate: &Candidate,
    record: Option<&SnapRecord>,
    flags: SideloadFlags,
    device: &Device,
) -> Result<Flags, Fault> {
    let name = candidate.info.name.as_str();
    let refuse = |kind, text: &str| Err(Fault::new(kind, format!("snap {name:?} {text}")).with(name));
    let mut kept = Flags {
        devmode: flags.devmode,
        jailmode: flags.jailmode,
        classic: false,
    };
    match candidate.info.confinement {
        Confinement::Strict | Confinement::Devmode if flags.classic => {
            return refuse(
                ErrorKind::SnapNotClassic,
                "is not compatible with --classic: install it without",
            );
        }
        Confinement::Strict => {}
        Confinement::Devmode if flags.devmode || flags.jailmode => {}
        Confinement::Devmode => {
            return refuse(
                ErrorKind::SnapNeedsDevmode,
                "requires devmode or confinement override",
            );
        }
        Confinement::Classic if !device.on_classic => {
            return refuse(
                ErrorKind::SnapNeedsClassicSystem,
                "requires classic confinement which is only available on classic systems",
            );
        }
        Confinement::Classic if flags.jailmode => {
            return Err(Fault::bad(format!(
                "snap {name:?} has classic confinement and cannot run in jailmode: install it with --classic"
            )));
        }
        Confinement::Classic if flags.classic || record.is_some_and(|record| record.classic) => {
            kept.classic = true;
        }
        Confinement::Classic => {
            return refuse(ErrorKind::SnapNeedsClassic, "requires classic confinement");
        }
    }
    Ok(kept)
}

/// The snap is for this machine.
fn check_architecture(info: &SnapInfo, device: &Device) -> Result<(), Fault> {
    let here = device.architecture;
    if info
        .architectures
        .iter()
        .any(|name| name == "all" || name == here)
    {
        return Ok(());
    }
    Err(Fault::bad(format!(
        "snap {:?} supported architectures ({}) are incompatible with this system ({here}): use a file for this one",
        info.name.as_str(),
        info.architectures.join(", ")
    )))
}

/// What a new revision may not change.
fn check_successor(candidate: &Candidate, record: Option<&SnapRecord>) -> Result<(), Fault> {
    let Some(present) = record.and_then(SnapRecord::info) else {
        return Ok(());
    };
    let (name, new) = (candidate.info.name.as_str(), &candidate.info);
    if new.kind != present.kind {
        return Err(Fault::bad(format!(
            "cannot replace {name:?} of type {} with a file of type {}: remove the snap first",
            present.kind, new.kind
        )));
    }
    // one number in common is enough (contract: snaps-and-assertions, section 1, epoch)
    if !present
        .epoch
        .write
        .iter()
        .any(|written| new.epoch.read.contains(written))
    {
        return Err(Fault::bad(format!(
            "cannot refresh {name:?}: its file cannot read the data of the installed epoch {:?}; install a revision between them first",
            present.epoch.write
        )));
    }
    Ok(())
}

/// How many revisions of a snap stay (contract: refresh.retain, 3 on Ubuntu Core, 2 elsewhere).
fn retain(world: &World, device: &Device) -> usize {
    let given = world
        .config
        .get("core")
        .and_then(|document| document.get("refresh")?.get("retain").cloned());
    let number = match given {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    let default = if device.on_classic { 2 } else { 3 };
    number
        .and_then(|number| usize::try_from(number).ok())
        .filter(|number| (2..=20).contains(number))
        .unwrap_or(default)
}

/// The next local revision: one more than the highest that is installed.
fn next_local(record: Option<&SnapRecord>) -> Result<Revision, Fault> {
    let highest = record
        .into_iter()
        .flat_map(|record| &record.sequence)
        .filter_map(|one| one.revision.local_number())
        .max()
        .unwrap_or(0);
    Revision::local(highest.saturating_add(1))
        .ok_or_else(|| Fault::bad("there are no local revisions left: remove the snap and install it again"))
}

/// A task that runs a hook if the snap has it; its kind belongs to the settings manager.
pub(super) fn hook(snap: &SnapName, hook: &str, summary: String) -> PlannedTask {
    PlannedTask::new(
        kinds::RUN_HOOK,
        summary,
        json!({"snap": snap, "hook": hook, "optional": true, "ignore-error": hook == "remove"}),
    )
}

/// A configure hook is looked for: not in bases and the agent's own snap.
pub(super) fn is_configured(info: &SnapInfo) -> bool {
    !matches!(info.kind, SnapType::Base | SnapType::Snapd)
}

/// The two tasks that take a revision away for good.
pub(super) fn discard(snap: &SnapName, revision: Revision) -> [PlannedTask; 2] {
    let params = json!({"snap": snap, "revision": revision});
    [
        PlannedTask::new(
            kinds::CLEAR_SNAP,
            format!("Remove data for snap {:?} ({revision})", snap.as_str()),
            params.clone(),
        ),
        PlannedTask::new(
            kinds::DISCARD_SNAP,
            format!("Remove snap {:?} ({revision}) from the system", snap.as_str()),
            params,
        ),
    ]
}

/// Everything that is done for one file, in the contract's order. Each task waits for the one before.
fn sequence(
    world: &World,
    candidate: &Candidate,
    record: Option<&SnapRecord>,
    flags: Flags,
    device: &Device,
) -> Result<Vec<PlannedTask>, Fault> {
    let info = &candidate.info;
    let name = info.name.as_str();
    let tries = candidate.file.folder.is_some();
    let lean = Setup {
        snap: info.name.clone(),
        revision: next_local(record)?,
        upload: None,
        file: None,
        tries,
        flags,
        before: record.map(|record| Before {
            current: record.current,
            flags: Flags::of(record),
        }),
    };
    let whole = Setup {
        upload: (!tries).then(|| candidate.path.clone()),
        file: Some(candidate.file.clone()),
        ..lean.clone()
    };
    let own = |kind, summary: String, setup: &Setup| PlannedTask::new(kind, summary, json!(setup));
    let mut tasks = vec![
        PlannedTask::new(
            kinds::PREREQUISITES,
            format!("Ensure prerequisites for {name:?} are available"),
            json!(Prerequisites::of(info)),
        ),
        // the contract's daemon names the upload and has no revision yet
        own(
            kinds::PREPARE_SNAP,
            format!("Prepare snap {:?} (unset)", candidate.path.to_string_lossy()),
            &whole,
        ),
        own(kinds::MOUNT_SNAP, format!("Mount snap {name:?} (unset)"), &whole),
    ];
    if record.is_some_and(|record| record.active) {
        tasks.extend([
            hook(
                &info.name,
                "pre-refresh",
                format!("Run pre-refresh hook of {name:?} snap if present"),
            ),
            own(
                kinds::STOP_SNAP_SERVICES,
                format!("Stop snap {name:?} services"),
                &lean,
            ),
            own(
                kinds::REMOVE_ALIASES,
                format!("Remove aliases for snap {name:?}"),
                &lean,
            ),
            own(
                kinds::UNLINK_CURRENT_SNAP,
                format!("Make current revision for snap {name:?} unavailable"),
                &lean,
            ),
        ]);
    }
    tasks.extend([
        own(kinds::COPY_SNAP_DATA, format!("Copy snap {name:?} data"), &lean),
        own(
            kinds::SETUP_PROFILES,
            format!("Setup snap {name:?} (unset) security profiles"),
            &lean,
        ),
        own(
            kinds::LINK_SNAP,
            format!("Make snap {name:?} (unset) available to the system"),
            &whole,
        ),
        own(
            kinds::AUTO_CONNECT,
            format!("Automatically connect eligible plugs and slots of snap {name:?}"),
            &lean,
        ),
        own(
            kinds::SET_AUTO_ALIASES,
            format!("Set automatic aliases for snap {name:?}"),
            &lean,
        ),
        own(
            kinds::SETUP_ALIASES,
            format!("Setup snap {name:?} aliases"),
            &lean,
        ),
    ]);
    let first_hook = if record.is_some() {
        "post-refresh"
    } else {
        "install"
    };
    tasks.push(hook(
        &info.name,
        first_hook,
        format!("Run {first_hook} hook of {name:?} snap if present"),
    ));
    tasks.push(own(
        kinds::START_SNAP_SERVICES,
        format!("Start snap {name:?} (unset) services"),
        &lean,
    ));
    if let Some(record) = record {
        for revision in surplus(record, retain(world, device)) {
            tasks.extend(discard(&record.name, revision));
        }
        tasks.push(own(
            kinds::CLEANUP,
            format!("Clean up {name:?} (unset) install"),
            &lean,
        ));
    }
    if is_configured(info) {
        let mut configure = hook(
            &info.name,
            "configure",
            format!("Run configure hook of {name:?} snap if present"),
        );
        configure.params["use-defaults"] = Value::Bool(record.is_none());
        tasks.push(configure);
    }
    tasks.push(hook(
        &info.name,
        "check-health",
        format!("Run health check of {name:?} snap"),
    ));
    Ok(tasks)
}

/// Revisions that go when another one is added and `retain` stay: those after the current one (it was reverted to),
/// then the oldest.
fn surplus(record: &SnapRecord, retain: usize) -> Vec<Revision> {
    let revisions: Vec<Revision> = record.sequence.iter().map(|one| one.revision).collect();
    let current = revisions
        .iter()
        .position(|revision| *revision == record.current)
        .unwrap_or(0);
    let old = (current + 1).saturating_sub(retain.saturating_sub(1));
    revisions[current + 1..]
        .iter()
        .chain(&revisions[..old.min(current)])
        .copied()
        .collect()
}
