//! Slots that come and go with their devices (contract: interfaces-and-hardware, section 1). What is connected to one
//! is remembered with what the device is known by: its slot has the same name whenever that is back.

use super::repository::{stored_system, system_snap};
use super::{Interfaces, builtin};
use crate::config::gadget::slot_name;
use crate::domain::attrs::merged;
use crate::domain::hardware::{Device, PluggedSlot};
use crate::domain::snap::EndInfo;
use crate::domain::{ConnRef, ConnectionRecord, SnapInfo};
use crate::store::{StoreError, World};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long a slot's name becomes before its number, in characters.
const LONGEST: usize = 40;

type Slots = BTreeMap<String, PluggedSlot>;

impl Interfaces {
    /// Offers the devices that are there as slots of the system, and no others: what is connected to one that went
    /// waits, and is in force again when it is back. Blocks.
    pub fn follow(&self, devices: Vec<Device>) {
        self.await_gone();
        let world = self.store.world();
        let now = slots(&world, &devices);
        if *world.plugged == now && moved(&world, &now).is_empty() {
            return;
        }
        let moved = self.store.commit(move |tx| {
            let slots = slots(tx.world(), &devices);
            let moved = moved(tx.world(), &slots);
            if *tx.world().plugged != slots {
                tx.set_plugged(slots);
            }
            moved
                .iter()
                .try_for_each(|record| tx.put_connection(record.clone()))?;
            Ok(moved)
        });
        match moved {
            Ok(moved) => {
                self.await_gone();
                moved.iter().for_each(|record| self.moved(&record.connection));
            }
            Err(error) => log::error!("the slots of devices that came or went are not up to date: {error}"),
        }
    }

    /// Connections whose device is away wait for it, as all do whose hardware is not there.
    fn await_gone(&self) {
        for (key, record) in self.store.world().connections.iter() {
            if !record.gone || record.undesired || self.hardware.is_attached(key) {
                continue;
            }
            let slot = merged(&record.slot_static, &record.slot_dynamic);
            let target = builtin::find(&record.interface).map(|interface| interface.target(&slot));
            if let Some(Ok(Some(target))) = target {
                let why = format!("the device of slot {} is not there", key.slot);
                let safe = builtin::safe_value(&record.slot_static);
                self.hardware.wait_for(key, &target, safe, &why);
            }
        }
    }

    /// Takes what a connection stands for when its device is back, and tells the plug's snap what it has.
    fn moved(&self, key: &ConnRef) {
        let world = self.store.world();
        let Some(record) = world.connections.get(key) else {
            return;
        };
        let view = self.view(&world);
        if record.is_established()
            && let Err(error) = self.attach(&view, record)
        {
            log::warn!("{key} waits for its hardware: {error}");
            self.wait_for(&view, record, &error.to_string());
        }
        log::info!(
            "{key}: its device {}",
            if record.gone { "went" } else { "is back" }
        );
        let (services, snap) = (Arc::clone(&self.services), key.plug.snap.clone());
        let written = self.store.commit(move |tx| {
            let active = tx.world().snaps.get(&snap).is_some_and(|record| record.active);
            match active {
                true => services
                    .write_launch(tx.world(), &snap)
                    .map_err(|fault| StoreError::Refused(fault.message)),
                false => Ok(()),
            }
        });
        if let Err(error) = written {
            log::error!("{key}: {error}");
        }
        // Who disconnected it meanwhile found nothing to give back.
        if !self.store.world().connections.contains_key(key)
            && let Err(fault) = self.hardware.detach(key)
        {
            log::error!("{key}: {fault}");
        }
        self.tell(&self.store.world(), key);
    }
}

/// The slots of the devices, by name. A device has the name that a connection remembers of it, or that it had a moment
/// ago; a new one is named after what it calls itself.
fn slots(world: &World, devices: &[Device]) -> Slots {
    let system = system_snap(world);
    let system = system.and_then(|name| world.snap(name.as_str())?.info());
    let mut slots = Slots::new();
    let mut rest = Vec::new();
    for device in devices {
        match known_name(world, device) {
            Some(name) if !slots.contains_key(&name) => add(&mut slots, name, device),
            _ => rest.push(device),
        }
    }
    for device in rest {
        if slots.values().any(|slot| is_of(slot, device)) {
            continue;
        }
        let base = base_name(device);
        let names = (1..).map(|number| format!("{base}-{number}"));
        let mut names = std::iter::once(base.clone()).chain(names);
        if let Some(name) = names.find(|name| is_free(world, system, &slots, name)) {
            add(&mut slots, name, device);
        }
    }
    slots
}

fn add(slots: &mut Slots, name: String, device: &Device) {
    let end = EndInfo {
        name: name.clone(),
        interface: device.interface.to_owned(),
        label: device.name.clone(),
        attrs: device.attrs.clone(),
        ..EndInfo::default()
    };
    let key = device.key.clone();
    slots.insert(name, PluggedSlot { key, end });
}

fn is_of(slot: &PluggedSlot, device: &Device) -> bool {
    slot.key == device.key && slot.end.interface == device.interface
}

fn known_name(world: &World, device: &Device) -> Option<String> {
    let remembered = world.connections.values().find(|record| {
        record.hotplug_key.as_ref() == Some(&device.key) && record.interface == device.interface
    });
    let before = || world.plugged.values().find(|slot| is_of(slot, device));
    remembered
        .map(|record| record.connection.slot.name.clone())
        .or_else(|| before().map(|slot| slot.end.name.clone()))
}

/// What a slot is called after its device: the interface where that says nothing.
fn base_name(device: &Device) -> String {
    let said: String = device.name.chars().filter(char::is_ascii).take(LONGEST).collect();
    let said = said.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    match said.chars().next() {
        None => device.interface.to_owned(),
        Some(first) if first.is_ascii_digit() => slot_name(&format!("{}-{said}", device.interface)),
        Some(_) => slot_name(said),
    }
}

/// Nothing else of the system has the name, and nothing is remembered by it.
fn is_free(world: &World, system: Option<&Arc<SnapInfo>>, slots: &Slots, name: &str) -> bool {
    let said = system.is_some_and(|info| info.slots.contains_key(name) || info.plugs.contains_key(name));
    let stored = stored_system();
    let mut keys = world.connections.keys();
    let remembered = keys.any(|key| key.slot.snap == stored && key.slot.name == name);
    !said && !remembered && !slots.contains_key(name) && builtin::find(name).is_none()
}

/// The connections that are other now than they are remembered: their device went, is back, or is another node.
fn moved(world: &World, slots: &Slots) -> Vec<ConnectionRecord> {
    let records = world.connections.values();
    records
        .filter_map(|record| {
            let key = record.hotplug_key.as_ref()?;
            let slot = slots.get(&record.connection.slot.name);
            let slot = slot.filter(|slot| slot.key == *key && slot.end.interface == record.interface);
            let mut now = ConnectionRecord::clone(record);
            now.gone = slot.is_none();
            if let Some(slot) = slot {
                now.slot_static.clone_from(&slot.end.attrs);
            }
            (now != **record).then_some(now)
        })
        .collect()
}

/// The world as it is for who cannot see the devices: every connection that is in force has its slot.
pub(super) fn with_remembered(world: &World) -> World {
    let mut slots = Slots::new();
    for record in world.connections.values().filter(|record| !record.gone) {
        if let Some(key) = &record.hotplug_key {
            let device = Device {
                key: key.clone(),
                interface: builtin::find(&record.interface).map_or("", |interface| interface.name),
                name: String::new(),
                attrs: record.slot_static.clone(),
            };
            add(&mut slots, record.connection.slot.name.clone(), &device);
        }
    }
    World {
        plugged: Arc::new(slots),
        ..world.clone()
    }
}
