//! What people look at: connections, plugs and slots, interfaces.

use super::builtin;
use super::repository::{Connection, End, Repository};
use crate::domain::attrs::merged;
use crate::domain::{Attrs, ConnRef, ErrorKind, Fault, PlugRef, SlotRef, SnapName};
use std::collections::BTreeMap;

/// Which connections are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionFilter {
    /// Those with this snap at either end; empty for all.
    pub snap: String,
    /// Those of this interface; empty for all.
    pub interface: String,
    /// Also ends without a connection, and connections that are not wanted any more.
    pub all: bool,
}

/// One connection.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionView {
    pub connection: ConnRef,
    pub interface: String,
    /// Someone made it by hand.
    pub manual: bool,
    /// The gadget asked for it.
    pub gadget: bool,
    /// Static and dynamic together.
    pub plug_attrs: Attrs,
    pub slot_attrs: Attrs,
}

/// One plug, with the slots that it is in.
#[derive(Clone, Debug, PartialEq)]
pub struct PlugView {
    pub plug: PlugRef,
    pub about: EndView,
    pub connections: Vec<SlotRef>,
}

/// One slot, with the plugs that are in it.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotView {
    pub slot: SlotRef,
    pub about: EndView,
    pub connections: Vec<PlugRef>,
}

/// What is said of an end beside its name.
#[derive(Clone, Debug, PartialEq)]
pub struct EndView {
    pub interface: &'static str,
    pub attrs: Attrs,
    pub apps: Vec<String>,
    pub label: String,
}

/// Connections and ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectionsView {
    pub established: Vec<ConnectionView>,
    pub undesired: Vec<ConnectionView>,
    pub plugs: Vec<PlugView>,
    pub slots: Vec<SlotView>,
}

/// Which interfaces are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceFilter {
    /// These only; empty for all.
    pub names: Vec<String>,
    /// Those with a connection only.
    pub connected: bool,
    /// With their plugs.
    pub plugs: bool,
    /// With their slots.
    pub slots: bool,
}

/// One interface.
#[derive(Clone, Debug, PartialEq)]
pub struct InterfaceView {
    pub name: &'static str,
    pub summary: &'static str,
    pub plugs: Vec<PlugView>,
    pub slots: Vec<SlotView>,
}

fn about(end: &End) -> EndView {
    EndView {
        interface: end.interface.name,
        attrs: end.attrs().clone(),
        apps: end.apps().to_vec(),
        label: end.label().to_owned(),
    }
}

fn plug_of(end: &End) -> PlugRef {
    PlugRef::new(end.snap.clone(), end.name)
}

fn slot_of(end: &End) -> SlotRef {
    SlotRef::new(end.snap.clone(), end.name)
}

fn connection_view(connection: &Connection) -> ConnectionView {
    let record = connection.record;
    ConnectionView {
        connection: ConnRef {
            plug: plug_of(&connection.plug),
            slot: slot_of(&connection.slot),
        },
        interface: record.interface.clone(),
        manual: !record.auto,
        gadget: record.by_gadget,
        // What the snaps say now; a refresh may have changed it since the connection was made.
        plug_attrs: merged(connection.plug.attrs(), &record.plug_dynamic),
        slot_attrs: merged(connection.slot.attrs(), &record.slot_dynamic),
    }
}

/// What is in what at one moment.
struct Wiring<'w> {
    connections: Vec<Connection<'w>>,
    slots_of: BTreeMap<PlugRef, Vec<SlotRef>>,
    plugs_of: BTreeMap<SlotRef, Vec<PlugRef>>,
}

impl<'w> Wiring<'w> {
    fn new(view: &Repository<'w>) -> Self {
        let connections: Vec<Connection> = view.connections().collect();
        let mut slots_of: BTreeMap<PlugRef, Vec<SlotRef>> = BTreeMap::new();
        let mut plugs_of: BTreeMap<SlotRef, Vec<PlugRef>> = BTreeMap::new();
        for connection in connections
            .iter()
            .filter(|connection| connection.record.is_established())
        {
            let (plug, slot) = (plug_of(&connection.plug), slot_of(&connection.slot));
            slots_of.entry(plug.clone()).or_default().push(slot.clone());
            plugs_of.entry(slot).or_default().push(plug);
        }
        Self {
            connections,
            slots_of,
            plugs_of,
        }
    }

    fn plug(&self, end: &End) -> PlugView {
        let plug = plug_of(end);
        PlugView {
            about: about(end),
            connections: self.slots_of.get(&plug).cloned().unwrap_or_default(),
            plug,
        }
    }

    fn slot(&self, end: &End) -> SlotView {
        let slot = slot_of(end);
        SlotView {
            about: about(end),
            connections: self.plugs_of.get(&slot).cloned().unwrap_or_default(),
            slot,
        }
    }
}

/// The connections that fit, and the ends (contract: v2, Interfaces / connections). A snap that is not installed is
/// an error.
pub fn connections(view: &Repository, filter: &ConnectionFilter) -> Result<ConnectionsView, Fault> {
    let snap = match filter.snap.as_str() {
        "" => None,
        name => Some(known_snap(view, name)?),
    };
    let snap = snap.as_ref();
    let interface_fits = |name: &str| filter.interface.is_empty() || filter.interface == name;
    let wiring = Wiring::new(view);
    let mut answer = ConnectionsView::default();
    for connection in &wiring.connections {
        let record = connection.record;
        let fits = snap.is_none_or(|snap| connection.plug.snap == *snap || connection.slot.snap == *snap);
        if !fits || !interface_fits(&record.interface) {
            continue;
        }
        if record.is_established() {
            answer.established.push(connection_view(connection));
        } else if record.undesired && filter.all {
            answer.undesired.push(connection_view(connection));
        }
    }
    answer.plugs = view
        .plugs()
        .filter(|end| interface_fits(end.interface.name))
        .map(|end| wiring.plug(&end))
        .filter(|plug| filter.all || !plug.connections.is_empty())
        .filter(|plug| {
            let at_slot = |snap: &SnapName| plug.connections.iter().any(|slot| slot.snap == *snap);
            snap.is_none_or(|snap| plug.plug.snap == *snap || at_slot(snap))
        })
        .collect();
    answer.slots = view
        .slots()
        .iter()
        .filter(|end| interface_fits(end.interface.name))
        .map(|end| wiring.slot(end))
        .filter(|slot| filter.all || !slot.connections.is_empty())
        .filter(|slot| {
            let at_plug = |snap: &SnapName| slot.connections.iter().any(|plug| plug.snap == *snap);
            snap.is_none_or(|snap| slot.slot.snap == *snap || at_plug(snap))
        })
        .collect();
    Ok(answer)
}

fn known_snap(view: &Repository, name: &str) -> Result<SnapName, Fault> {
    let meant = view.meant(name);
    meant
        .filter(|snap| view.is_installed(snap) || view.system() == Some(snap))
        .ok_or_else(|| Fault::new(ErrorKind::SnapNotFound, "snap not installed").with(name))
}

/// All ends, connected or not: the older form of the list.
pub fn ends(view: &Repository) -> (Vec<PlugView>, Vec<SlotView>) {
    let wiring = Wiring::new(view);
    let plugs = view.plugs().map(|end| wiring.plug(&end)).collect();
    let slots = view.slots().iter().map(|end| wiring.slot(end)).collect();
    (plugs, slots)
}

/// The interfaces that fit, by name.
pub fn interfaces(view: &Repository, filter: &InterfaceFilter) -> Vec<InterfaceView> {
    let (plugs, slots) = ends(view);
    let connected = |name: &str| {
        let in_use = |plug: &PlugView| plug.about.interface == name && !plug.connections.is_empty();
        plugs.iter().any(in_use)
    };
    builtin::all()
        .iter()
        .filter(|interface| filter.names.is_empty() || filter.names.iter().any(|name| name == interface.name))
        .filter(|interface| !filter.connected || connected(interface.name))
        .map(|interface| InterfaceView {
            name: interface.name,
            summary: interface.summary,
            plugs: plugs
                .iter()
                .filter(|plug| filter.plugs && plug.about.interface == interface.name)
                .cloned()
                .collect(),
            slots: slots
                .iter()
                .filter(|slot| filter.slots && slot.about.interface == interface.name)
                .cloned()
                .collect(),
        })
        .collect()
}
