//! Plugs, slots and the connections between them: who may connect to whom, what is connected, and what that gives.

mod attributes;
pub mod builtin;
mod plan;
mod plugged;
mod policy;
mod repository;
mod tasks;
mod views;

#[cfg(test)]
mod tests;

pub use attributes::{HookAttributes, SET_BY_HOOK};
pub use plan::Named;
pub use policy::{check_installation, validate};
pub use repository::system_snap;
pub use views::{
    ConnectionFilter, ConnectionView, ConnectionsView, EndView, InterfaceFilter, InterfaceView, PlugView,
    SlotView,
};

use crate::domain::hardware::Target;
use crate::domain::{ConnRef, Fault, Plan, Requester, SnapName};
use crate::events::Bus;
use crate::managers::hardware::Hardware;
use crate::managers::services::Services;
use crate::store::{Store, World};
use repository::{Connection, Repository};
use std::sync::Arc;

/// The manager of connections.
pub struct Interfaces {
    store: Arc<Store>,
    hardware: Arc<Hardware>,
    services: Arc<Services>,
    bus: Arc<Bus>,
    /// Decision 13: os-release says something else than ubuntu-core.
    classic: bool,
}

impl Interfaces {
    /// A manager over a store; it reads nothing yet.
    pub fn new(
        store: Arc<Store>,
        hardware: Arc<Hardware>,
        services: Arc<Services>,
        bus: Arc<Bus>,
        classic: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            hardware,
            services,
            bus,
            classic,
        })
    }

    /// Connections and their ends.
    pub fn connections(&self, filter: &ConnectionFilter) -> Result<ConnectionsView, Fault> {
        views::connections(&self.view(&self.store.world()), filter)
    }

    /// All plugs and all slots.
    pub fn ends(&self) -> (Vec<PlugView>, Vec<SlotView>) {
        views::ends(&self.view(&self.store.world()))
    }

    /// The interfaces that there are.
    pub fn interface_list(&self, filter: &InterfaceFilter) -> Vec<InterfaceView> {
        views::interfaces(&self.view(&self.store.world()), filter)
    }

    /// The names of all interfaces.
    pub fn names(&self) -> Vec<&'static str> {
        builtin::all().iter().map(|interface| interface.name).collect()
    }

    /// What a request to connect comes to.
    pub fn plan_connect(&self, plugs: &[Named], slots: &[Named], who: &Requester) -> Result<Plan, Fault> {
        plan::connect(&self.view(&self.store.world()), plugs, slots, who)
    }

    /// What a request to disconnect comes to; `forget` leaves no memory of an automatic connection.
    pub fn plan_disconnect(
        &self,
        plugs: &[Named],
        slots: &[Named],
        forget: bool,
        who: &Requester,
    ) -> Result<Plan, Fault> {
        plan::disconnect(&self.view(&self.store.world()), plugs, slots, forget, who)
    }

    /// A plug or slot of a snap is connected to something (`snapctl is-connected`); `None` when the snap has none of
    /// that name.
    pub fn is_connected(&self, snap: &SnapName, name: &str) -> Option<bool> {
        let world = self.store.world();
        let view = self.view(&world);
        if view.plug(snap, name).is_none() && view.slot(snap, name).is_none() {
            return None;
        }
        let stored = view.stored(snap);
        Some(view.connections().any(|connection| {
            let (plug, slot) = (&connection.key.plug, &connection.key.slot);
            let named =
                (plug.snap == stored && plug.name == name) || (slot.snap == stored && slot.name == name);
            named && connection.record.is_established()
        }))
    }

    /// A plug of a snap is connected by an interface (contract: v2-newer, section 6: such a snap may ask for more).
    pub fn has_plug(&self, snap: &SnapName, interface: &str) -> bool {
        let world = self.store.world();
        let mut connections = world.connections.iter();
        connections.any(|(key, record)| {
            key.plug.snap == *snap && record.interface == interface && record.is_established()
        })
    }

    /// What the established connections ask the hardware for, and the level that each slot calls safe.
    pub fn targets(&self, world: &World) -> Vec<(ConnRef, Target, Option<u8>)> {
        targets(world, self.classic)
    }

    fn view<'w>(&self, world: &'w World) -> Repository<'w> {
        Repository::new(world, self.classic)
    }
}

/// What every established connection asks the hardware for, with its slot's safe value.
pub fn targets(world: &World, classic: bool) -> Vec<(ConnRef, Target, Option<u8>)> {
    Repository::new(world, classic)
        .connections()
        .filter(|connection| connection.record.is_established())
        .filter_map(|connection| {
            let target = target(&connection).ok().flatten()?;
            Some((connection.key.clone(), target, safe_value(&connection)))
        })
        .collect()
}

/// The same of a state that is looked at from outside, where nobody tells of devices that came.
pub fn remembered_targets(world: &World, classic: bool) -> Vec<(ConnRef, Target, Option<u8>)> {
    targets(&plugged::with_remembered(world), classic)
}

/// What a connection asks the hardware for.
fn target(connection: &Connection) -> Result<Option<Target>, String> {
    let record = connection.record;
    let slot = crate::domain::attrs::merged(connection.slot.attrs(), &record.slot_dynamic);
    connection.slot.interface.target(&slot)
}

/// The level that the slot says is safe (ours: the slot's attribute `safe-value`).
fn safe_value(connection: &Connection) -> Option<u8> {
    builtin::safe_value(connection.slot.attrs())
}
