//! Interfaces whose two ends must name the same thing: a queue, a memory, a bus name, a netlink family
//! (contract: interfaces-and-hardware, section 5).

use super::matcher::{Piece, fits};
use super::{APP, DECLARED, GADGET_OR_CORE, Interface, Pair, Rule, SlotTypes, plain, values};
use crate::domain::names::{self, is_interface_word};
use crate::domain::snap::{EndInfo, SnapType};

pub(super) const POSIX_MQ: Interface = plain("posix-mq", "one POSIX message queue")
    .slots(DECLARED)
    .manual(Rule::When(|pair| pair.agree("posix-mq")))
    .plug(|plug| values::default_to_name(plug, "posix-mq"))
    .slot(check_queue);

const SHARERS: SlotTypes = SlotTypes::Of(&[SnapType::App, SnapType::Gadget, SnapType::Os, SnapType::Snapd]);

pub(super) const SHARED_MEMORY: Interface =
    plain("shared-memory", "shared memory of another snap, or a private one")
        .offered(super::Offered::Everywhere)
        .slots(SHARERS)
        .manual(Rule::When(private_or_same_memory))
        .plug(check_memory_plug)
        .slot(check_memory_slot);

pub(super) const NETLINK_DRIVER: Interface = plain("netlink-driver", "one family of kernel netlink")
    .slots(GADGET_OR_CORE)
    .manual(Rule::When(|pair| pair.agree("family-name")))
    .plug(|plug| check_family(plug, "plug"))
    .slot(|slot| {
        values::integer(slot, "slot", "family")?;
        check_family(slot, "slot")
    });

pub(super) const DBUS: Interface = plain("dbus", "one name on a D-Bus bus")
    .slots(APP)
    .manual(Rule::When(|pair| pair.agree("bus") && pair.agree("name")))
    .plug(|plug| check_bus(plug, "plug"))
    .slot(|slot| check_bus(slot, "slot"));

fn check_queue(slot: &mut EndInfo) -> Result<(), String> {
    values::default_to_name(slot, "posix-mq")?;
    let path = values::text(slot, "slot", "path")?;
    if !fits(path, &[Piece::Text("/"), Piece::Segment]) || path.len() > 255 {
        return Err(format!(
            "posix-mq \"path\" must be one name after a slash, found {path:?}"
        ));
    }
    let known = ["open", "read", "write", "create", "delete"];
    let permissions = values::texts(slot, "permissions")?;
    match permissions.iter().find(|word| !known.contains(&word.as_str())) {
        Some(word) => Err(format!(
            "posix-mq slot permission {word:?} is not one of {known:?}"
        )),
        None => Ok(()),
    }
}

fn check_memory_plug(plug: &mut EndInfo) -> Result<(), String> {
    let private = values::flag(plug, "plug", "private")?;
    if private && plug.attrs.contains_key("shared-memory") {
        return Err("shared-memory plug cannot have both \"private\" and \"shared-memory\"".into());
    }
    if private {
        return Ok(());
    }
    values::default_to_name(plug, "shared-memory")
}

fn check_memory_slot(slot: &mut EndInfo) -> Result<(), String> {
    values::default_to_name(slot, "shared-memory")?;
    let paths = [values::texts(slot, "read")?, values::texts(slot, "write")?].concat();
    if paths.is_empty() {
        return Err(
            "shared memory interface requires at least a valid \"read\" or \"write\" attribute".into(),
        );
    }
    match paths.iter().find(|path| !fits(path, &[Piece::Segment])) {
        Some(path) => Err(format!("shared-memory path {path:?} should not contain '/'")),
        None => Ok(()),
    }
}

/// A private memory is between a plug and the system's slot; a shared one between two of one name.
fn private_or_same_memory(pair: &Pair) -> bool {
    let private = pair.plug.get("private").and_then(serde_json::Value::as_bool) == Some(true);
    if private {
        return !pair.slot.contains_key("shared-memory");
    }
    pair.agree("shared-memory")
}

fn check_family(end: &mut EndInfo, side: &str) -> Result<(), String> {
    let name = values::text(end, side, "family-name")?;
    if is_interface_word(name) {
        return Ok(());
    }
    Err(format!("netlink-driver family-name {name:?} is not valid"))
}

fn check_bus(end: &mut EndInfo, side: &str) -> Result<(), String> {
    let bus = values::text(end, side, "bus")?;
    if bus != "session" && bus != "system" {
        return Err(format!(
            "dbus \"bus\" must be \"session\" or \"system\", found {bus:?}"
        ));
    }
    let name = values::text(end, side, "name")?;
    if names::is_bus_name(name) {
        return Ok(());
    }
    Err(format!("dbus \"name\" is not a bus name: {name:?}"))
}
