//! What a running hook has done so far: what it configured, and what it asked to be done after it.

use super::config::{self, ConfigError};
use crate::domain::{Attrs, PlannedTask, SnapName};
use crate::managers::interfaces::HookAttributes;
use serde_json::{Map, Value};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One running hook.
#[derive(Debug)]
pub struct HookContext {
    pub snap: SnapName,
    pub hook: String,
    /// The ends of the connection that it is about, if it is about one.
    pub ends: Option<HookAttributes>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    before: Value,
    document: Value,
    queued: Vec<PlannedTask>,
    attributes: Attrs,
}

impl HookContext {
    /// A hook that starts with this configuration of its snap.
    pub fn new(snap: SnapName, hook: &str, document: Value) -> Self {
        Self {
            snap,
            hook: hook.to_owned(),
            ends: None,
            state: Mutex::new(State {
                before: document.clone(),
                document,
                queued: Vec::new(),
                attributes: Attrs::new(),
            }),
        }
    }

    /// The same, about a connection.
    pub fn about(mut self, ends: Option<HookAttributes>) -> Self {
        self.ends = ends;
        self
    }

    /// Gives the hook's own end attributes.
    pub fn set_attributes(&self, set: Attrs) {
        self.state().attributes.extend(set);
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

    /// The configuration, if the hook has changed it.
    pub fn changed(&self) -> Option<Value> {
        let state = self.state();
        (state.document != state.before).then(|| state.document.clone())
    }

    /// Asks for a task after the hook.
    pub fn queue(&self, task: PlannedTask) {
        self.state().queued.push(task);
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
