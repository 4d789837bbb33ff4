//! Hooks: what a snap runs at the steps of its life (contract: snaps-and-assertions, section 3; confinement,
//! section 1.6).

use super::context::HookContext;
use super::{Settings, config, cookies, defaults, system};
use crate::confine::tag_of_hook;
use crate::domain::record::{Health, HealthStatus};
use crate::domain::{SnapName, kinds};
use crate::drivers::process::{self, End, Job, Reason};
use crate::engine::{Outcome, Probe, Registry, TaskContext, TaskError, TaskKind};
use crate::managers::interfaces::SET_BY_HOOK;
use crate::store::{StoreError, Tx};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// Under which name the configuration before a hook is kept for its undo.
pub(super) const BEFORE: &str = "config-before";

/// The hook that says how its snap is.
const CHECK_HEALTH: &str = "check-health";

/// What a run-hook task is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HookParams {
    pub snap: SnapName,
    pub hook: String,
    /// A snap without the hook is fine.
    #[serde(default)]
    pub optional: bool,
    /// The hook's failure is told and then forgotten.
    #[serde(default)]
    pub ignore_error: bool,
    /// The hook that takes it back.
    #[serde(default)]
    pub undo_hook: Option<String>,
    /// Configuration that the hook sees, and that is kept if it succeeds.
    #[serde(default)]
    pub patch: Map<String, Value>,
    /// The snap is new: it starts with what the gadget has for it.
    #[serde(default)]
    pub use_defaults: bool,
}

/// How long a hook may run, unless the configuration file says it (contract: confinement, section 1.6).
fn usual_limit(hook: &str) -> Duration {
    Duration::from_secs(match hook {
        "configure" => 5 * 60,
        "check-health" => 30,
        _ => 10 * 60,
    })
}

/// The contract lets these fail without harm.
fn is_forgiven(params: &HookParams) -> bool {
    params.ignore_error || params.hook == "remove" || params.hook.starts_with("disconnect-")
}

impl Settings {
    /// Adds the task kinds of hooks.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        registry.add(RunHook(self.clone()));
    }

    /// Gives a snap its cookie at the first step of its life that runs its code; kept with the task's next status.
    fn give_cookie(&self, task: &TaskContext, snap: &SnapName) -> Result<(), TaskError> {
        let world = task.world();
        if world.snap(snap.as_str()).is_none() || world.cookies.values().any(|owner| owner == snap) {
            return Ok(());
        }
        let cookie = self.prepare_cookie(&world, snap)?;
        let snap = snap.clone();
        task.with_commit(move |tx| tx.put_cookie(&cookie, &snap));
        Ok(())
    }

    /// Runs a hook of a snap's current revision to its end, on this thread.
    fn run_hook(
        &self,
        task: &TaskContext,
        params: &HookParams,
        hook: &str,
    ) -> Result<Arc<HookContext>, TaskError> {
        let world = task.world();
        let snap = &params.snap;
        let document = config::document(&world, snap);
        let ends = task
            .change()
            .and_then(|change| self.interfaces.hook_attributes(&change, snap, hook));
        let has_hook = world
            .snap(snap.as_str())
            .and_then(|record| record.info())
            .is_some_and(|info| info.hooks.contains_key(hook));
        let context = HookContext::new(snap.clone(), hook, document)
            .about(ends)
            .within(task.change_id());
        let context = Arc::new(context.that_runs(has_hook));
        context
            .patch(&params.patch)
            .map_err(|error| TaskError::new(error.to_string()))?;
        if !has_hook {
            if params.optional || hook != params.hook {
                return Ok(context);
            }
            return Err(TaskError::new(format!(
                "snap {:?} has no {hook:?} hook",
                snap.as_str()
            )));
        }
        self.services.write_launch(&world, snap)?;
        let cookie = cookies::new()?;
        self.enter(&cookie, context.clone());
        let limit = self.hook_limit.unwrap_or_else(|| usual_limit(hook));
        let run = self.hook_job(snap, hook, &cookie).and_then(|job| {
            let aborted = || task.is_aborted();
            process::run(&job, limit, Some(&aborted))
        });
        self.leave(&cookie);
        let run = run.map_err(|error| TaskError::new(format!("run hook {hook:?}: {error}")))?;
        match failure(&run, limit) {
            None => Ok(context),
            Some(text) => Err(TaskError::new(format!("run hook {hook:?}: {text}"))),
        }
    }

    fn hook_job(&self, snap: &SnapName, hook: &str, cookie: &str) -> std::io::Result<Job> {
        let name = tag_of_hook(snap, hook);
        let group = match self.services.groups() {
            Some(tree) => Some(tree.group(&name)?),
            None => None,
        };
        Ok(Job {
            program: self.services.launcher().to_owned(),
            args: vec![
                "run".into(),
                "--root".into(),
                self.dirs.root().into(),
                "--hook".into(),
                hook.into(),
                snap.as_str().into(),
            ],
            env: vec![
                process::variable("LANG", "C.UTF-8"),
                process::variable("SNAP_COOKIE", cookie),
                process::variable("SNAP_CONTEXT", cookie),
            ],
            cwd: "/".into(),
            group,
            owner: self.services.process_owner(),
            name,
            passed: Vec::new(),
        })
    }
}

/// What a failed run is told by: its output, in the contract's form, or its end.
fn failure(run: &process::Run, limit: Duration) -> Option<String> {
    let mut output = process::text(&run.output).trim().to_owned();
    if run.dropped > 0 {
        output.push_str(&format!("\n<{} bytes more were printed>", run.dropped));
    }
    let end = match run.reason {
        Reason::Ended(End::Exited(0)) => return None,
        Reason::Ended(end) => end.to_string(),
        Reason::TimedOut => {
            output.push_str(&format!("\n<exceeded maximum runtime of {}>", go_duration(limit)));
            String::new()
        }
        Reason::Aborted => {
            output.push_str("\n<aborted>");
            String::new()
        }
    };
    let output = output.trim();
    Some(if output.is_empty() {
        end
    } else if output.contains('\n') {
        format!("\n-----\n{output}\n-----")
    } else {
        output.to_owned()
    })
}

/// A duration as the contract writes it: `10m0s`, `30s`, `0.5s`.
fn go_duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 60, seconds % 60) {
        (0, 0) => format!("{}ms", time.as_millis()),
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

/// What is known of a snap whose check-health hook did not say it (contract: the code and the text are its).
fn unsaid(task: &TaskContext, code: &str, message: &str) -> Health {
    Health {
        status: HealthStatus::Unknown,
        message: message.to_owned(),
        code: code.to_owned(),
        time: task.now(),
        by_hook: true,
    }
}

/// Keeps the health of a snap's current revision.
pub(super) fn put_health(tx: &mut Tx<'_>, snap: &SnapName, health: Health) -> Result<(), StoreError> {
    match tx.world().snap(snap.as_str()).map(|record| record.current) {
        Some(revision) => tx.put_health(snap, revision, health),
        None => Ok(()),
    }
}

/// `run-hook`. A hook cannot be promised to run only once: after a kill of the agent it runs again from its start.
struct RunHook(Arc<Settings>);

impl RunHook {
    /// Keeps what the hook has configured, and orders what it has asked for.
    fn keep(task: &TaskContext, params: &HookParams, context: &HookContext) -> Result<(), TaskError> {
        if let Some((given, made)) = context.changed() {
            if task.memory::<Value>(BEFORE).is_none() {
                task.remember_with_commit(BEFORE, config::document(&task.world(), &params.snap))?;
            }
            let snap = params.snap.clone();
            // A service may have set something while the hook ran.
            task.with_commit(move |tx| {
                let merged = config::merge(&given, &made, &config::document(tx.world(), &snap));
                let merged = config::patch(snap.as_str(), &merged, &Map::new())
                    .map_err(|error| StoreError::Refused(error.to_string()))?;
                tx.put_config(&snap, merged)
            });
        }
        let health = match (context.health(), context.runs, params.hook.as_str()) {
            (Some(said), ..) => Some(said),
            (None, true, CHECK_HEALTH) => Some(unsaid(
                task,
                "snapd-hook-no-health-set",
                "hook did not call set-health",
            )),
            _ => None,
        };
        if let Some(health) = health {
            let snap = params.snap.clone();
            task.with_commit(move |tx| put_health(tx, &snap, health));
        }
        let attributes = context.attributes();
        if !attributes.is_empty() {
            task.remember_with_commit(SET_BY_HOOK, attributes)?;
        }
        task.inject(context.queued());
        Ok(())
    }
}

impl TaskKind for RunHook {
    fn kind(&self) -> &'static str {
        kinds::RUN_HOOK
    }

    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        let mut params: HookParams = task.params()?;
        if params.snap == *system::STORED {
            return system::perform(task, &params, &self.0.dirs).map(|()| Outcome::Done);
        }
        self.0.give_cookie(task, &params.snap)?;
        // Only what a request has set asks for the hook.
        params.optional |= params.hook == "configure" && params.patch.is_empty();
        if params.use_defaults {
            let (own, of_system) = defaults::of(&task.world(), &params.snap);
            params.patch.extend(own);
            task.inject(of_system.into_iter().collect());
        }
        match self.0.run_hook(task, &params, &params.hook) {
            Ok(context) => Self::keep(task, &params, &context)?,
            Err(error) if params.hook == CHECK_HEALTH && !task.is_aborted() => {
                let health = unsaid(task, "snapd-hook-failed", "hook failed");
                let snap = params.snap.clone();
                task.store().commit(move |tx| put_health(tx, &snap, health))?;
                return Err(error);
            }
            Err(error) if is_forgiven(&params) && !task.is_aborted() => {
                task.error(format!("ignoring failure in hook {:?}: {error}", params.hook));
            }
            Err(error) => return Err(error),
        }
        Ok(Outcome::Done)
    }

    fn can_undo(&self) -> bool {
        true
    }

    fn undo(&self, task: &TaskContext) -> Result<(), TaskError> {
        let params: HookParams = task.params()?;
        if let Some(before) = task.memory::<Value>(BEFORE) {
            if params.snap == *system::STORED {
                system::undo(task, &self.0.dirs)?;
            }
            let snap = params.snap.clone();
            task.with_commit(move |tx| match before {
                Value::Null => tx.delete_config(&snap),
                before => tx.put_config(&snap, before),
            });
        }
        if let Some(hook) = &params.undo_hook
            && let Err(error) = self.0.run_hook(task, &params, hook)
        {
            task.error(format!("ignoring failure in hook {hook:?}: {error}"));
        }
        Ok(())
    }

    fn probe(&self, _task: &TaskContext) -> Probe {
        Probe::NoEffect
    }

    fn cleanup(&self, task: &TaskContext) {
        if let Ok(params) = task.params::<HookParams>() {
            self.0.forget(&task.world(), &params.snap);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(reason: Reason, output: &str) -> process::Run {
        process::Run {
            reason,
            output: output.as_bytes().to_vec(),
            dropped: 0,
        }
    }

    #[test]
    fn failures_have_the_contracts_form() {
        // contract: confinement, section 1.6
        let limit = Duration::from_secs(600);
        let failed = Reason::Ended(End::Exited(3));
        let text = |reason, output| failure(&run(reason, output), limit);
        assert_eq!(text(Reason::Ended(End::Exited(0)), "x"), None);
        assert_eq!(
            text(failed, "out-text\nerr-text\n").as_deref(),
            Some("\n-----\nout-text\nerr-text\n-----")
        );
        assert_eq!(text(failed, "one line\n").as_deref(), Some("one line"));
        assert_eq!(text(failed, "").as_deref(), Some("exit status 3"));
        assert_eq!(
            text(Reason::TimedOut, "").as_deref(),
            Some("<exceeded maximum runtime of 10m0s>")
        );
        assert_eq!(go_duration(Duration::from_secs(30)), "30s");
        assert_eq!(go_duration(Duration::from_millis(500)), "500ms");
    }
}
