//! The agent's own supervisor: an actor for each service that was ever started.

use super::backend::{Backend, Done};
use super::logs::{LogStream, Logs};
use super::unit::{How, Leave, Order, Reply, Surroundings, Unit};
use crate::domain::snap::AppInfo;
use crate::domain::{Fault, SnapName, work};
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

type Units = BTreeMap<(SnapName, String), mpsc::UnboundedSender<Order>>;

/// Runs services as children of the agent.
pub struct Supervisor {
    around: Surroundings,
    logs: Arc<Logs>,
    runtime: Handle,
    units: Mutex<Units>,
}

impl Supervisor {
    /// One that runs nothing yet; `runtime` is that of the main thread, on which all services hang.
    pub fn new(around: Surroundings, runtime: Handle) -> Self {
        let logs = Logs::new(around.dirs.clone(), around.store.clock().clone());
        Self {
            around,
            logs,
            runtime,
            units: Mutex::default(),
        }
    }

    fn units(&self) -> MutexGuard<'_, Units> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line of orders to a service; its unit is made when it is first needed.
    fn unit(&self, snap: &SnapName, app: &AppInfo) -> mpsc::UnboundedSender<Order> {
        let mut units = self.units();
        units
            .entry((snap.clone(), app.name.clone()))
            .or_insert_with(|| {
                let (sender, orders) = mpsc::unbounded_channel();
                let log = self.logs.writer(snap.clone(), &app.name);
                let unit = Unit::new(
                    self.around.clone(),
                    snap.clone(),
                    Arc::new(app.clone()),
                    log,
                    orders,
                );
                work::spawn_on(&self.runtime, Box::pin(unit.live()));
                sender
            })
            .clone()
    }

    fn tell(&self, unit: &mpsc::UnboundedSender<Order>, order: impl FnOnce(Reply) -> Order) -> Done<'static> {
        let (reply, answer) = oneshot::channel();
        let sent = unit.send(order(reply)).is_ok();
        Box::pin(async move {
            match (sent, answer.await) {
                (true, Ok(result)) => result,
                _ => Err(Fault::internal("the agent stops; ask again when it runs")),
            }
        })
    }
}

impl Backend for Supervisor {
    fn start(&self, snap: &SnapName, app: &AppInfo, how: How) -> Done<'_> {
        let order = Arc::new(app.clone());
        self.tell(&self.unit(snap, app), |reply| Order::Start {
            app: order,
            how,
            reply,
        })
    }

    fn stop(&self, snap: &SnapName, app: &AppInfo, leave: Leave) -> Done<'_> {
        let unit = self.units().get(&(snap.clone(), app.name.clone())).cloned();
        match unit {
            Some(unit) => self.tell(&unit, |reply| Order::Stop { leave, reply }),
            // One that was never started does not run.
            None => Box::pin(async { Ok(()) }),
        }
    }

    fn reload(&self, snap: &SnapName, app: &AppInfo) -> Done<'_> {
        let order = Arc::new(app.clone());
        self.tell(&self.unit(snap, app), |reply| Order::Reload { app: order, reply })
    }

    fn read_logs(
        &self,
        services: Vec<(SnapName, String)>,
        count: Option<usize>,
        follow: bool,
    ) -> BoxFuture<'_, Result<LogStream, Fault>> {
        Box::pin(Arc::clone(&self.logs).stream(services, count, follow))
    }

    fn knows(&self, snap: &SnapName) -> bool {
        self.units().keys().any(|(known, _)| known == snap)
    }

    fn ending(&self) -> BTreeSet<SnapName> {
        self.units().keys().map(|(snap, _)| snap.clone()).collect()
    }

    fn forget(&self, snap: &SnapName) -> Result<(), Fault> {
        self.units().retain(|(name, _), _| name != snap);
        self.logs.forget(snap);
        Ok(())
    }

    fn leave(&self) {
        self.units().clear();
    }
}
