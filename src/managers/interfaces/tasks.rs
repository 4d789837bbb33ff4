//! What the steps of a change do to connections.

mod connect;
mod disconnect;
mod passes;
mod profiles;

#[cfg(test)]
mod tests;

use super::Interfaces;
use super::repository::Repository;
use crate::domain::{ConnRef, ConnectionRecord, Revision, SnapName, SnapRecord};
use crate::engine::{Registry, TaskContext, TaskError};
use crate::events::Audience;
use crate::store::{StoreError, Tx, World};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// The key under which a task remembers what was there before it.
const BEFORE: &str = "before";

impl Interfaces {
    /// Adds the task kinds of connections.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        registry.add(connect::Connect(Arc::clone(self)));
        registry.add(disconnect::Disconnect(Arc::clone(self)));
        registry.add(passes::AutoConnect(Arc::clone(self)));
        registry.add(passes::AutoDisconnect(Arc::clone(self)));
        registry.add(profiles::SetupProfiles(Arc::clone(self)));
        registry.add(profiles::RemoveProfiles(Arc::clone(self)));
    }

    /// Takes from the hardware what an established connection stands for.
    pub(super) fn attach(&self, view: &Repository, record: &ConnectionRecord) -> Result<bool, TaskError> {
        let key = &record.connection;
        let Some(connection) = view.connection(key, record) else {
            return Ok(false);
        };
        let Some(target) = super::target(&connection).map_err(TaskError::new)? else {
            return Ok(false);
        };
        let safe = super::safe_value(&connection);
        let grants = self.hardware.attach(key, &target, safe)?;
        Ok(grants
            .iter()
            .any(|grant| matches!(grant, crate::domain::hardware::Grant::Api { .. })))
    }

    /// Leaves what an established connection stands for to the day when it is there.
    pub(super) fn wait_for(&self, view: &Repository, record: &ConnectionRecord, why: &str) {
        let key = &record.connection;
        if let Some(connection) = view.connection(key, record)
            && let Ok(Some(target)) = super::target(&connection)
        {
            let safe = super::safe_value(&connection);
            self.hardware.wait_for(key, &target, safe, why);
        }
    }

    /// Makes the hardware equal to the remembered connections of one snap, at either end: what is established and has
    /// both ends is held, everything else is not. Answers the snaps whose plugs may have gained or lost something. A
    /// line that cannot be had is told and left: the connection stays remembered.
    fn settle_hardware(
        &self,
        world: &World,
        snap: &SnapName,
        task: &TaskContext,
    ) -> Result<Vec<SnapName>, TaskError> {
        let view = self.view(world);
        let stored = view.stored(snap);
        let mut touched = vec![snap.clone()];
        for (key, record) in view.records() {
            if key.plug.snap != stored && key.slot.snap != stored {
                continue;
            }
            if !touched.contains(&key.plug.snap) {
                touched.push(key.plug.snap.clone());
            }
            if record.is_established() && view.connection(key, record).is_some() {
                if let Err(error) = self.attach(&view, record) {
                    task.info(format!("{key} waits for its hardware: {error}"));
                    self.wait_for(&view, record, &error.to_string());
                }
            } else {
                self.hardware.detach(key)?;
            }
        }
        Ok(touched)
    }

    /// Writes the launch descriptions of snaps as they are in a world.
    fn write_launches(&self, world: &World, snaps: &[SnapName]) -> Result<(), TaskError> {
        for snap in snaps {
            if world.snaps.get(snap).is_some_and(|record| record.active) {
                self.services.write_launch(world, snap)?;
            }
        }
        Ok(())
    }

    /// Commits what becomes of a connection's record, and writes the launch description of its plug's snap in the same
    /// turn of the store's only writer: two connections of one snap that change at once never lose each other's part.
    fn commit_connection(&self, task: &TaskContext, key: ConnRef, record: Option<ConnectionRecord>) {
        let services = Arc::clone(&self.services);
        task.with_commit(move |tx| {
            put_back(tx, &key, record)?;
            let snap = &key.plug.snap;
            if tx.world().snaps.get(snap).is_some_and(|record| record.active) {
                services
                    .write_launch(tx.world(), snap)
                    .map_err(|fault| StoreError::Refused(fault.message))?;
            }
            Ok(())
        });
    }

    /// Tells on the bus what became of a connection.
    pub(super) fn tell(&self, world: &World, key: &ConnRef) {
        let view = self.view(world);
        let established = world
            .connections
            .get(key)
            .is_some_and(|record| record.is_established());
        let plug_snap = view.shown(&key.plug.snap);
        let audience = Audience {
            plugs: vec![crate::domain::PlugRef::new(plug_snap.clone(), &key.plug.name)],
            open: true,
        };
        let data = json!({
            "action": if established { "connect" } else { "disconnect" },
            "plug": {"snap": plug_snap, "plug": key.plug.name},
            "slot": {"snap": view.shown(&key.slot.snap), "slot": key.slot.name},
        });
        self.bus.publish("connection", audience, data);
    }
}

/// What every task about a snap is given.
#[derive(Deserialize)]
struct SnapParams {
    snap: SnapName,
    #[serde(default)]
    revision: Option<Revision>,
    /// The second `setup-profiles` of an install: nothing of it has to be taken back by itself.
    #[serde(default)]
    again: bool,
}

/// The world as it will be once a connection is remembered so.
fn with_record(world: &World, key: &ConnRef, record: Option<ConnectionRecord>) -> World {
    let mut world = world.clone();
    let connections = Arc::make_mut(&mut world.connections);
    match record {
        Some(record) => connections.insert(key.clone(), Arc::new(record)),
        None => connections.remove(key),
    };
    world
}

/// The world as it will be once a revision of a snap is linked; `None` when the snap has no such revision.
fn with_linked(world: &World, snap: &SnapName, revision: Option<Revision>) -> Option<World> {
    let known = world.snaps.get(snap)?;
    let revision = revision.unwrap_or(known.current);
    known.revision(revision)?;
    let mut record = SnapRecord::clone(known);
    record.current = revision;
    record.active = true;
    let mut world = world.clone();
    Arc::make_mut(&mut world.snaps).insert(snap.clone(), Arc::new(record));
    Some(world)
}

/// Puts a connection back as it was, or takes it out.
fn put_back(tx: &mut Tx<'_>, key: &ConnRef, before: Option<ConnectionRecord>) -> Result<(), StoreError> {
    match before {
        Some(record) => tx.put_connection(record),
        None => tx.delete_connection(key),
    }
}
