//! What can be connected to what at one moment: the plugs and slots of active snaps, the slots that the system offers,
//! and the connections between them. Nothing is kept: it is a way to look at the [`World`].
//!
//! The system snap is always called `system` in the store, whatever it is called on the device, as the contract's
//! state calls it `core`: what was connected to it stays so when `snapd` or `core` comes or goes.

use super::builtin::{self, Interface};
use crate::domain::snap::{EndInfo, GadgetInfo, SnapType};
use crate::domain::{
    Attrs, ConnRef, ConnectionRecord, PlugRef, SlotRef, SnapInfo, SnapName, SnapRecord, sort,
};
use crate::store::World;
use std::sync::{Arc, LazyLock};

static NO_ATTRIBUTES: LazyLock<Attrs> = LazyLock::new(Attrs::new);

/// A plug or a slot.
#[derive(Clone)]
pub struct End<'w> {
    /// The snap's name as people see it.
    pub snap: SnapName,
    pub name: &'w str,
    pub interface: &'static Interface,
    /// What its snap says of it; `None` for a slot that the system offers unsaid.
    pub info: Option<&'w EndInfo>,
}

impl<'w> End<'w> {
    fn declared(snap: &SnapName, end: &'w EndInfo) -> Option<Self> {
        Some(Self {
            snap: snap.clone(),
            name: &end.name,
            interface: builtin::find(&end.interface)?,
            info: Some(end),
        })
    }

    /// The attributes that its snap gives it.
    pub fn attrs(&self) -> &'w Attrs {
        self.info.map_or(&NO_ATTRIBUTES, |info| &info.attrs)
    }

    /// The apps bound to it.
    pub fn apps(&self) -> &'w [String] {
        self.info.map_or(&[], |info| &info.apps)
    }

    /// What people read beside its name.
    pub fn label(&self) -> &'w str {
        self.info.map_or("", |info| &info.label)
    }
}

/// A remembered connection and its two ends.
pub struct Connection<'w> {
    /// Its key in the store.
    pub key: &'w ConnRef,
    pub record: &'w ConnectionRecord,
    pub plug: End<'w>,
    pub slot: End<'w>,
}

/// One moment.
pub struct Repository<'w> {
    world: &'w World,
    classic: bool,
    system: Option<SnapName>,
}

impl<'w> Repository<'w> {
    /// A look at the world; `classic` is decision 13.
    pub fn new(world: &'w World, classic: bool) -> Self {
        Self {
            world,
            classic,
            system: system_snap(world),
        }
    }

    /// The system is a classic one.
    pub fn is_classic(&self) -> bool {
        self.classic
    }

    /// The snap that offers the system's slots; nobody does before the first snap is installed (decision 14).
    pub fn system(&self) -> Option<&SnapName> {
        self.system.as_ref()
    }

    /// What a requester means by a snap's name: `system` and `core` are the system snap, whatever it is here.
    pub fn meant(&self, name: &str) -> Option<SnapName> {
        match (name, &self.system) {
            (SnapName::SYSTEM | "core", Some(system)) => Some(system.clone()),
            _ => SnapName::new(name).ok(),
        }
    }

    /// The name in the store of a snap as people see it.
    pub fn stored(&self, name: &SnapName) -> SnapName {
        if self.system.as_ref() == Some(name) {
            stored_system()
        } else {
            name.clone()
        }
    }

    /// The name that people see for a snap's name in the store.
    pub fn shown(&self, name: &SnapName) -> SnapName {
        match &self.system {
            Some(system) if name == SnapName::SYSTEM => system.clone(),
            _ => name.clone(),
        }
    }

    /// The key in the store of a connection of two ends.
    pub fn key(&self, plug: &End, slot: &End) -> ConnRef {
        ConnRef {
            plug: PlugRef::new(self.stored(&plug.snap), plug.name),
            slot: SlotRef::new(self.stored(&slot.snap), slot.name),
        }
    }

    fn active(&self, snap: &SnapName) -> Option<&'w SnapInfo> {
        let record = self.world.snaps.get(snap)?;
        active_info(record)
    }

    /// It is a snap of this device, and not the name under which pinion offers the system's slots.
    pub fn is_installed(&self, snap: &SnapName) -> bool {
        self.world.snaps.contains_key(snap)
    }

    /// The gadget, and what it asks for.
    pub fn gadget(&self) -> Option<(&'w SnapName, &'w GadgetInfo)> {
        self.world.gadget()
    }

    /// An active snap has a hook of that name.
    pub fn has_hook(&self, snap: &SnapName, hook: &str) -> bool {
        self.active(snap)
            .is_some_and(|info| info.hooks.contains_key(hook))
    }

    /// The plug of that name of an active snap.
    pub fn plug(&self, snap: &SnapName, name: &str) -> Option<End<'w>> {
        let info = self.active(snap)?;
        End::declared(snap, info.plugs.get(name)?)
    }

    /// The slot of that name of an active snap, or one that the system offers.
    pub fn slot(&self, snap: &SnapName, name: &str) -> Option<End<'w>> {
        let declared = self
            .active(snap)
            .and_then(|info| End::declared(snap, info.slots.get(name)?));
        declared.or_else(|| self.plugged(snap, name)).or_else(|| {
            let interface = builtin::find(name)?;
            self.implicit(snap, interface)
        })
    }

    /// The slot of a device that was plugged in.
    fn plugged(&self, snap: &SnapName, name: &str) -> Option<End<'w>> {
        let slot = self.world.plugged.get(name)?;
        let offers = self.system.as_ref() == Some(snap);
        End::declared(snap, &slot.end).filter(|_| offers)
    }

    /// What the device of a slot is known by, when the slot comes and goes with it.
    pub fn hotplug_key(&self, slot: &End) -> Option<&'w str> {
        let plugged = self.world.plugged.get(slot.name)?;
        let same = slot.info.is_some_and(|info| std::ptr::eq(info, &plugged.end));
        same.then_some(plugged.key.as_str())
    }

    fn implicit(&self, snap: &SnapName, interface: &'static Interface) -> Option<End<'w>> {
        let offers = self.system.as_ref() == Some(snap) && interface.offered.here(self.classic);
        offers.then(|| End {
            snap: snap.clone(),
            name: interface.name,
            interface,
            info: None,
        })
    }

    /// All plugs, by snap and name.
    pub fn plugs(&self) -> impl Iterator<Item = End<'w>> + '_ {
        self.snaps().flat_map(|(name, info)| {
            info.plugs
                .values()
                .filter_map(move |end| End::declared(name, end))
        })
    }

    /// All slots, declared and offered, by snap and name.
    pub fn slots(&self) -> Vec<End<'w>> {
        let declared = self.snaps().flat_map(|(name, info)| {
            info.slots
                .values()
                .filter_map(move |end| End::declared(name, end))
        });
        let mut slots: Vec<End<'w>> = declared.collect();
        if let Some(system) = &self.system {
            let said = self.active(system).map(|info| &info.slots);
            let offered = builtin::all()
                .iter()
                .filter(|interface| said.is_none_or(|said| !said.contains_key(interface.name)))
                .filter_map(|interface| self.implicit(system, interface));
            slots.extend(offered);
            let plugged = self.world.plugged.keys();
            let plugged = plugged.filter(|name| said.is_none_or(|said| !said.contains_key(*name)));
            slots.extend(plugged.filter_map(|name| self.plugged(system, name)));
        }
        sort::by(&mut slots, |a, b| (&a.snap, a.name).cmp(&(&b.snap, b.name)));
        slots
    }

    fn snaps(&self) -> impl Iterator<Item = (&'w SnapName, &'w SnapInfo)> + 'w {
        self.world
            .snaps
            .iter()
            .filter_map(|(name, record)| active_info(record).map(|info| (name, info)))
    }

    /// The slots of one snap, declared and offered.
    pub fn slots_of(&self, snap: &SnapName) -> Vec<End<'w>> {
        if self.system.as_ref() == Some(snap) {
            let all = self.slots();
            return all.into_iter().filter(|slot| slot.snap == *snap).collect();
        }
        let info = self.active(snap);
        info.into_iter()
            .flat_map(|info| info.slots.values().filter_map(|end| End::declared(snap, end)))
            .collect()
    }

    /// The plugs of one snap.
    pub fn plugs_of(&self, snap: &SnapName) -> Vec<End<'w>> {
        let info = self.active(snap);
        info.into_iter()
            .flat_map(|info| info.plugs.values().filter_map(|end| End::declared(snap, end)))
            .collect()
    }

    /// What is remembered of a connection.
    pub fn record(&self, key: &ConnRef) -> Option<&'w ConnectionRecord> {
        self.world.connections.get(key).map(Arc::as_ref)
    }

    /// Everything that is remembered, in the order of the keys.
    pub fn records(&self) -> impl Iterator<Item = (&'w ConnRef, &'w ConnectionRecord)> + 'w {
        self.world
            .connections
            .iter()
            .map(|(key, record)| (key, record.as_ref()))
    }

    /// A remembered connection, when both of its ends are there.
    pub fn connection(&self, key: &'w ConnRef, record: &'w ConnectionRecord) -> Option<Connection<'w>> {
        let plug = self.plug(&self.shown(&key.plug.snap), &key.plug.name)?;
        let slot = self.slot(&self.shown(&key.slot.snap), &key.slot.name)?;
        let same = plug.interface.name == slot.interface.name && plug.interface.name == record.interface;
        same.then_some(Connection {
            key,
            record,
            plug,
            slot,
        })
    }

    /// Every remembered connection whose ends are both there. One whose snap is disabled, or that a new revision no
    /// longer has, is remembered but not seen.
    pub fn connections(&self) -> impl Iterator<Item = Connection<'w>> + '_ {
        self.world
            .connections
            .iter()
            .filter_map(|(key, record)| self.connection(key, record))
    }
}

fn active_info(record: &SnapRecord) -> Option<&SnapInfo> {
    record.active.then(|| record.info().map(Arc::as_ref)).flatten()
}

/// The system snap's name in the store.
#[allow(clippy::expect_used)] // a constant that obeys the rules of names
pub fn stored_system() -> SnapName {
    SnapName::new(SnapName::SYSTEM).expect("the constant is a snap name")
}

/// The snap that offers the system's slots: snapd, else core, else pinion itself by the name `system` once any snap is
/// installed (decision 14).
pub fn system_snap(world: &World) -> Option<SnapName> {
    let installed = |name: &str, kind: SnapType| {
        let record = world.snaps.get(name)?;
        let is = record.active && record.info().is_some_and(|info| info.kind == kind);
        is.then(|| record.name.clone())
    };
    installed("snapd", SnapType::Snapd)
        .or_else(|| installed("core", SnapType::Os))
        .or_else(|| (!world.snaps.is_empty()).then(stored_system))
}
