//! Configuration of snaps and of the system, hooks, cookies, and `snapctl`.

mod admission;
pub mod config;
mod context;
mod cookies;
mod defaults;
mod hooks;
mod snapctl;
mod system;

pub use hooks::HookParams;
pub use snapctl::SnapctlOutput;

use crate::domain::{Dirs, ErrorKind, Fault, Plan, PlannedTask, SnapName, kinds};
use crate::managers::hardware::Hardware;
use crate::managers::interfaces::Interfaces;
use crate::managers::services::Services;
use crate::store::Store;
use context::HookContext;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

type Contexts = BTreeMap<String, Arc<HookContext>>;

/// The manager of settings.
pub struct Settings {
    dirs: Dirs,
    store: Arc<Store>,
    services: Arc<Services>,
    interfaces: Arc<Interfaces>,
    hardware: Arc<Hardware>,
    /// How long any hook may run, when it is set.
    hook_limit: Option<Duration>,
    /// Running hooks by their cookies.
    contexts: Mutex<Contexts>,
}

impl Settings {
    /// Settings over the store; hooks use the launcher and the control groups of `services`.
    pub fn new(
        dirs: Dirs,
        store: Arc<Store>,
        services: Arc<Services>,
        interfaces: Arc<Interfaces>,
        hardware: Arc<Hardware>,
        hook_limit: Option<Duration>,
    ) -> Arc<Self> {
        Arc::new(Self {
            dirs,
            store,
            services,
            interfaces,
            hardware,
            hook_limit,
            contexts: Mutex::default(),
        })
    }

    fn contexts(&self) -> MutexGuard<'_, Contexts> {
        self.contexts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, cookie: &str, context: Arc<HookContext>) {
        self.contexts().insert(cookie.to_owned(), context);
    }

    fn leave(&self, cookie: &str) {
        self.contexts().remove(cookie);
    }

    fn context(&self, cookie: &str) -> Option<Arc<HookContext>> {
        self.contexts().get(cookie).cloned()
    }

    /// The configuration of a snap (`system` means the system): the values of `keys` by these keys, or the whole
    /// document when there are none.
    pub fn configuration(&self, snap: &str, keys: &[String]) -> Result<Map<String, Value>, Fault> {
        let stored = if snap == SnapName::SYSTEM {
            system::STORED.as_str()
        } else {
            snap
        };
        let world = self.store.world();
        let empty = Value::Null;
        let document = world.config.get(stored).map_or(&empty, |known| known);
        if keys.is_empty() {
            return Ok(document.as_object().cloned().unwrap_or_default());
        }
        let mut values = Map::new();
        for key in keys {
            let value =
                config::get(stored, document, key).map_err(|error| Fault::internal(error.to_string()))?;
            let value = value.ok_or_else(|| no_option(stored, key))?;
            values.insert(key.clone(), value.clone());
        }
        Ok(values)
    }

    /// The change that sets configuration; null takes a value away.
    pub fn plan_configure(&self, snap: &str, patch: Map<String, Value>) -> Result<Plan, Fault> {
        let world = self.store.world();
        let name = if snap == SnapName::SYSTEM || snap == system::STORED.as_str() {
            system::STORED.clone()
        } else {
            let record = world.snap(snap).ok_or_else(|| {
                Fault::new(ErrorKind::SnapNotFound, format!("snap {snap:?} is not installed")).with(snap)
            })?;
            record.name.clone()
        };
        config::check(name.as_str(), &patch).map_err(|error| Fault::bad(error.to_string()))?;
        let text = name.as_str();
        let mut plan = Plan::new("configure-snap", format!("Change configuration of {text:?} snap"));
        plan.then(PlannedTask::new(
            kinds::RUN_HOOK,
            format!("Run configure hook of {text:?} snap"),
            json!({"snap": name, "hook": "configure", "patch": patch}),
        ));
        plan.snaps.push(name);
        Ok(plan)
    }
}

fn no_option(snap: &str, key: &str) -> Fault {
    Fault::new(
        ErrorKind::OptionNotFound,
        format!("snap {snap:?} has no {key:?} configuration option"),
    )
    .with(json!({"SnapName": snap, "Key": key}))
}

#[cfg(test)]
mod tests;
