//! What a running hook has done so far: what it configured, and what it asked to be done after it.

use super::config::{self, ConfigError};
use crate::domain::record::Health;
use crate::domain::{Attrs, ChangeId, Fault, PlannedTask, SnapName};
use crate::managers::interfaces::HookAttributes;
use serde_json::{Map, Value};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many tasks one hook may ask for.
const QUEUE: usize = 100;

/// One running hook.
#[derive(Debug)]
pub struct HookContext {
    pub snap: SnapName,
    pub hook: String,
    /// The ends of the connection that it is about, if it is about one.
    pub ends: Option<HookAttributes>,
    /// The snap has the hook, so it was run.
    pub runs: bool,
    /// The change that runs it.
    pub change: Option<ChangeId>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    before: Value,
    document: Value,
    queued: Vec<PlannedTask>,
    attributes: Attrs,
    health: Option<Health>,
}

impl HookContext {
    /// A hook that starts with this configuration of its snap.
    pub fn new(snap: SnapName, hook: &str, document: Value) -> Self {
        Self {
            snap,
            hook: hook.to_owned(),
            ends: None,
            runs: false,
            change: None,
            state: Mutex::new(State {
                before: document.clone(),
                document,
                queued: Vec::new(),
                attributes: Attrs::new(),
                health: None,
            }),
        }
    }

    /// The same, about a connection.
    pub fn about(mut self, ends: Option<HookAttributes>) -> Self {
        self.ends = ends;
        self
    }

    /// The same, of a snap that has the hook or not.
    pub fn that_runs(mut self, runs: bool) -> Self {
        self.runs = runs;
        self
    }

    /// The same, run by a change.
    pub fn within(mut self, change: ChangeId) -> Self {
        self.change = Some(change);
        self
    }

    /// Gives the hook's own end attributes, within the bounds of a configuration.
    pub fn set_attributes(&self, set: Attrs) -> Result<(), ConfigError> {
        let mut state = self.state();
        let mut attributes = state.attributes.clone();
        attributes.extend(set);
        config::check_bounds(self.snap.as_str(), &attributes)?;
        state.attributes = attributes;
        Ok(())
    }

    /// The attributes that the hook has set.
    pub fn attributes(&self) -> Attrs {
        self.state().attributes.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration as the hook sees it.
    pub fn document(&self) -> Value {
        self.state().document.clone()
    }

    /// Changes it, all or nothing.
    pub fn patch(&self, patch: &Map<String, Value>) -> Result<(), ConfigError> {
        let mut state = self.state();
        state.document = config::patch(self.snap.as_str(), &state.document, patch)?;
        Ok(())
    }

    /// What the hook was given and what it has made of it, if it has changed anything.
    pub fn changed(&self) -> Option<(Value, Value)> {
        let state = self.state();
        (state.document != state.before).then(|| (state.before.clone(), state.document.clone()))
    }

    /// Says how the snap is; the last word counts.
    pub fn set_health(&self, health: Health) {
        self.state().health = Some(health);
    }

    /// What the hook has said of the snap's health.
    pub fn health(&self) -> Option<Health> {
        self.state().health.clone()
    }

    /// Asks for tasks after the hook.
    pub fn queue(&self, tasks: Vec<PlannedTask>) -> Result<(), Fault> {
        let mut state = self.state();
        if state.queued.len() + tasks.len() > QUEUE {
            return Err(Fault::bad(format!(
                "hook {:?} has asked for {QUEUE} actions on services already: name several services in one command",
                self.hook
            )));
        }
        state.queued.extend(tasks);
        Ok(())
    }

    /// The tasks that were asked for, one after the other.
    pub fn queued(&self) -> Vec<PlannedTask> {
        let mut tasks = std::mem::take(&mut self.state().queued);
        for (position, task) in tasks.iter_mut().enumerate().skip(1) {
            task.waits.push(position - 1);
        }
        tasks
    }
}
