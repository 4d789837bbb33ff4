//! What runs services: the agent's own supervisor, or systemd (decision 15).

use super::logs::LogStream;
use super::unit::{How, Leave};
use crate::domain::snap::AppInfo;
use crate::domain::{Fault, SnapName, SnapRecord};
use crate::store::World;
use futures_util::future::BoxFuture;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What comes of an order.
pub type Done<'a> = BoxFuture<'a, Result<(), Fault>>;

/// The one choice between the two. What it does to a service it tells the status board.
pub trait Backend: Send + Sync {
    /// Makes ready what the services of an active snap need; asked before they are started.
    fn prepare(&self, _record: &SnapRecord) -> Done<'_> {
        Box::pin(async { Ok(()) })
    }

    /// Takes it away when the snap is not active any more.
    fn withdraw(&self, _snap: &SnapName) -> Result<(), Fault> {
        Ok(())
    }

    /// Whether a service starts with its snap. Who reads the store needs not be told.
    fn set_enabled(&self, _snap: &SnapName, _app: &AppInfo, _enabled: bool) -> Done<'_> {
        Box::pin(async { Ok(()) })
    }

    /// Starts a service; done when it is up, or waits for its activators.
    fn start(&self, snap: &SnapName, app: &AppInfo, how: How) -> Done<'_>;

    /// Stops a service; done when nothing of it lives.
    fn stop(&self, snap: &SnapName, app: &AppInfo, leave: Leave) -> Done<'_>;

    /// Lets a service read its configuration again; one without a command for it is started anew.
    fn reload(&self, snap: &SnapName, app: &AppInfo) -> Done<'_>;

    /// What services have printed, and with `follow` what they will print.
    fn read_logs(
        &self,
        services: Vec<(SnapName, String)>,
        count: Option<usize>,
        follow: bool,
    ) -> BoxFuture<'_, Result<LogStream, Fault>>;

    /// The status board tells what runs of the snap; else nothing of it was started by this agent.
    fn knows(&self, snap: &SnapName) -> bool;

    /// Takes away what belongs to no service of the store, and shows what runs; asked once at start.
    fn mend(&self, _world: Arc<World>) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// The snaps whose services end with the agent.
    fn ending(&self) -> BTreeSet<SnapName>;

    /// Forgets the services of a snap that is removed; they have been stopped.
    fn forget(&self, snap: &SnapName) -> Result<(), Fault>;

    /// The agent ends; what ends with it has been stopped.
    fn leave(&self);
}
