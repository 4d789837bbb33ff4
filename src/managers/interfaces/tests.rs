use super::plan::{self, ConnectParams, DisconnectParams, Named};
use super::repository::{Repository, system_snap};
use super::views::{self, ConnectionFilter, InterfaceFilter};
use super::{check_installation, policy, validate};
use crate::domain::requester::{Role, Transport};
use crate::domain::snap::{AppInfo, EndInfo, HookInfo, SnapType};
use crate::domain::{
    ConnRef, ConnectionRecord, ErrorKind, Plan, PlugRef, Requester, Revision, RevisionRecord, SlotRef,
    SnapInfo, SnapName, SnapRecord, Timestamp, kinds,
};
use crate::store::World;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn name(text: &str) -> SnapName {
    SnapName::new(text).unwrap()
}

fn end(name: &str, interface: &str, attrs: Value) -> EndInfo {
    EndInfo {
        name: name.into(),
        interface: interface.into(),
        attrs: attrs.as_object().cloned().unwrap_or_default(),
        ..EndInfo::default()
    }
}

/// A snap's description in the making.
pub(super) struct Maker(pub SnapInfo);

impl Maker {
    pub fn new(snap: &str, kind: SnapType) -> Self {
        let mut info = SnapInfo::named(name(snap));
        info.kind = kind;
        Self(info)
    }

    pub fn plug(mut self, name: &str, interface: &str, attrs: Value) -> Self {
        self.0.plugs.insert(name.into(), end(name, interface, attrs));
        self
    }

    pub fn slot(mut self, name: &str, interface: &str, attrs: Value) -> Self {
        self.0.slots.insert(name.into(), end(name, interface, attrs));
        self
    }

    pub fn hook(mut self, name: &str) -> Self {
        let hook = HookInfo {
            name: name.into(),
            ..HookInfo::default()
        };
        self.0.hooks.insert(name.into(), hook);
        self
    }
}

/// The record of a snap that was installed from a file.
pub(super) fn record_of(maker: Maker) -> SnapRecord {
    let mut info = maker.0;
    validate(&mut info);
    assert_eq!(info.dropped, Vec::<String>::new());
    let revision = Revision::local(1).unwrap();
    SnapRecord {
        name: info.name.clone(),
        active: true,
        current: revision,
        sequence: vec![RevisionRecord {
            revision,
            installed: Timestamp(0),
            file: Default::default(),
            info: Arc::new(info),
        }],
        devmode: false,
        jailmode: false,
        classic: false,
        tracking_channel: String::new(),
        cohort_key: String::new(),
        disabled_services: Vec::new(),
        aliases: Default::default(),
    }
}

fn installed(world: &mut World, maker: Maker) {
    let record = record_of(maker);
    Arc::make_mut(&mut world.snaps).insert(record.name.clone(), Arc::new(record));
}

/// The board's gadget, and an app with plugs for it.
fn board() -> World {
    let mut world = World::default();
    installed(
        &mut world,
        Maker::new("pi", SnapType::Gadget)
            .slot(
                "pin-13",
                "bool-file",
                json!({"path": "/sys/class/leds/USER/brightness"}),
            )
            .slot("bcm-gpio-4", "gpio", json!({"number": 4, "safe-value": 1}))
            .slot("bcm-gpio-5", "gpio", json!({"number": 5})),
    );
    installed(
        &mut world,
        Maker::new("keyboard-lights", SnapType::App)
            .plug("capslock-led", "bool-file", json!({}))
            .plug("button", "gpio", json!({}))
            .plug("net", "network", json!({}))
            .plug("snaps", "snapd-control", json!({})),
    );
    world
}

fn record(plug: (&str, &str), slot: (&str, &str), interface: &str) -> ConnectionRecord {
    ConnectionRecord {
        connection: ConnRef {
            plug: PlugRef::new(name(plug.0), plug.1),
            slot: SlotRef::new(name(slot.0), slot.1),
        },
        interface: interface.into(),
        auto: false,
        by_gadget: false,
        undesired: false,
        gone: false,
        hotplug_key: None,
        plug_static: Default::default(),
        plug_dynamic: Default::default(),
        slot_static: Default::default(),
        slot_dynamic: Default::default(),
    }
}

fn connected(world: &mut World, record: ConnectionRecord) {
    Arc::make_mut(&mut world.connections).insert(record.connection.clone(), Arc::new(record));
}

pub(super) fn named(snap: &str, name: &str) -> Vec<Named> {
    vec![Named {
        snap: snap.into(),
        name: name.into(),
    }]
}

pub(super) fn root() -> Requester {
    Requester {
        identity: "uid=0".into(),
        uid: Some(0),
        pid: None,
        role: Role::Admin,
        transport: Transport::MainSocket,
        snap: None,
    }
}

fn connect(world: &World, plug: (&str, &str), slot: (&str, &str)) -> Result<Plan, crate::domain::Fault> {
    let view = Repository::new(world, true);
    plan::connect(&view, &named(plug.0, plug.1), &named(slot.0, slot.1), &root())
}

fn disconnect(
    world: &World,
    plug: (&str, &str),
    slot: (&str, &str),
    forget: bool,
) -> Result<Plan, crate::domain::Fault> {
    let view = Repository::new(world, true);
    let (plugs, slots) = (named(plug.0, plug.1), named(slot.0, slot.1));
    plan::disconnect(&view, &plugs, &slots, forget, &root())
}

fn kinds_of(plan: &Plan) -> Vec<&str> {
    plan.tasks.iter().map(|task| task.kind).collect()
}

mod plans;
mod rules;
mod seen;
