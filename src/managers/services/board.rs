//! What every service is doing, in memory, and the events that tell of it.

use crate::domain::SnapName;
use crate::events::{Audience, Bus};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a service is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activity {
    #[default]
    Inactive,
    Starting,
    Active,
    /// A oneshot that has done its work and has a command to undo it.
    Exited,
    Stopping,
    /// It ended and waits to be started again.
    Restarting,
    Failed,
}

impl Activity {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Starting => "starting",
            Self::Active | Self::Exited => "active",
            Self::Stopping => "stopping",
            Self::Restarting => "restarting",
            Self::Failed => "failed",
        }
    }

    /// It runs, or its effect is there.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Active | Self::Exited)
    }
}

/// What is known of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    pub activity: Activity,
    /// Its first process, while there is one.
    pub pid: Option<i32>,
    /// How often it was started again by itself since it was last asked to start.
    pub restarts: u32,
    /// Why it failed or is started again.
    pub reason: Option<String>,
    /// Its sockets and timer are at work.
    pub armed: bool,
}

impl Live {
    /// It runs or is about to.
    pub fn is_at_work(&self) -> bool {
        !matches!(self.activity, Activity::Inactive | Activity::Failed)
    }
}

/// All services.
#[derive(Debug)]
pub struct StatusBoard {
    bus: Arc<Bus>,
    services: Mutex<BTreeMap<(SnapName, String), Live>>,
}

impl StatusBoard {
    /// An empty board that tells `bus`.
    pub fn new(bus: Arc<Bus>) -> Arc<Self> {
        Arc::new(Self {
            bus,
            services: Mutex::default(),
        })
    }

    fn services(&self) -> MutexGuard<'_, BTreeMap<(SnapName, String), Live>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a service; one that was never started is inactive.
    pub fn get(&self, snap: &SnapName, app: &str) -> Live {
        let services = self.services();
        services
            .get(&(snap.clone(), app.to_owned()))
            .cloned()
            .unwrap_or_default()
    }

    /// Notes what a service is doing now, and tells if that is new.
    pub fn note(
        &self,
        snap: &SnapName,
        app: &str,
        activity: Activity,
        pid: Option<i32>,
        reason: Option<&str>,
    ) {
        let restarts = {
            let mut services = self.services();
            let live = services.entry((snap.clone(), app.to_owned())).or_default();
            if live.activity == activity && live.pid == pid {
                return;
            }
            live.activity = activity;
            live.pid = pid;
            live.reason = reason.map(str::to_owned);
            live.restarts
        };
        let mut data = json!({
            "snap": snap.as_str(),
            "service": app,
            "status": activity.word(),
            "restarts": restarts,
        });
        if let Some(reason) = reason {
            data["reason"] = reason.into();
        }
        if let Some(pid) = pid {
            data["pid"] = pid.into();
        }
        self.bus.publish("service.status", Audience::open(), data);
    }

    /// It is started again by itself.
    pub fn restarted(&self, snap: &SnapName, app: &str) {
        let mut services = self.services();
        let live = services.entry((snap.clone(), app.to_owned())).or_default();
        live.restarts = live.restarts.saturating_add(1);
    }

    /// Its sockets and timer begin or end their work.
    pub fn armed(&self, snap: &SnapName, app: &str, armed: bool) {
        let mut services = self.services();
        let live = services.entry((snap.clone(), app.to_owned())).or_default();
        live.armed = armed;
    }

    /// Forgets the services of a snap.
    pub fn forget(&self, snap: &SnapName) {
        self.services().retain(|(name, _), _| name != snap);
    }
}
