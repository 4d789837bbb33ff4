//! What each interface is: one row in [`table::TABLE`], and one file for each family with attributes or an effect.
//!
//! A row says who may offer its slots, where the system offers one, what connects by itself and what by hand, which
//! attributes an end must have, and what a connection asks the hardware for. To add an interface, add its row.

mod bool_file;
mod content;
mod custom_device;
mod devices;
mod files;
mod flags;
mod gpio;
pub mod gpio_chardev;
mod led;
mod matcher;
mod modules;
mod mounts;
mod pwm;
mod serial_port;
mod shared;
mod table;
mod values;

#[cfg(test)]
mod tests;

use crate::domain::hardware::Target;
use crate::domain::snap::{EndInfo, SnapType};
use crate::domain::{Attrs, SnapInfo};

/// On which systems the system snap has a slot of the interface without declaring it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    Nowhere,
    Core,
    Classic,
    Everywhere,
}

impl Offered {
    /// Whether it is, on a system that is classic or not (decision 13).
    pub fn here(self, classic: bool) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Core => !classic,
            Self::Classic => classic,
            Self::Everywhere => true,
        }
    }
}

/// Which snaps may declare a slot of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotTypes {
    /// Snaps of these types.
    Of(&'static [SnapType]),
    /// Snaps whose declaration says so. A sideloaded snap has none, and its slots are not held against one.
    Declared,
}

/// Only the system.
pub const CORE: SlotTypes = SlotTypes::Of(&[SnapType::Os, SnapType::Snapd]);
/// Only apps.
pub const APP: SlotTypes = SlotTypes::Of(&[SnapType::App]);
/// Apps and the system.
pub const APP_OR_CORE: SlotTypes = SlotTypes::Of(&[SnapType::App, SnapType::Os, SnapType::Snapd]);
/// The board's gadget and the system.
pub const GADGET_OR_CORE: SlotTypes = SlotTypes::Of(&[SnapType::Gadget, SnapType::Os, SnapType::Snapd]);
/// Only the board's gadget.
pub const GADGET: SlotTypes = SlotTypes::Of(&[SnapType::Gadget]);
/// Only with a declaration.
pub const DECLARED: SlotTypes = SlotTypes::Declared;

/// Both ends of a connection that is asked about.
#[derive(Debug)]
pub struct Pair<'a> {
    /// All attributes of the plug, static and dynamic.
    pub plug: &'a Attrs,
    /// All attributes of the slot, static and dynamic.
    pub slot: &'a Attrs,
    /// The account that published the plug's snap; nobody is known for a sideloaded one.
    pub plug_publisher: Option<&'a str>,
    /// The account that published the slot's snap.
    pub slot_publisher: Option<&'a str>,
    /// The system is a classic one.
    pub classic: bool,
}

impl Pair<'_> {
    /// Both ends have the attribute, with one value.
    pub fn agree(&self, attribute: &str) -> bool {
        self.plug.get(attribute).is_some() && self.plug.get(attribute) == self.slot.get(attribute)
    }

    /// One known publisher made both snaps. Two unknown ones are not one.
    pub fn same_publisher(&self) -> bool {
        self.plug_publisher.is_some() && self.plug_publisher == self.slot_publisher
    }
}

/// A rule of the base declaration.
#[derive(Clone, Copy)]
pub enum Rule {
    Always,
    Never,
    /// When the pair fulfils it.
    When(fn(&Pair) -> bool),
}

impl Rule {
    /// Whether it lets the pair connect.
    pub fn allows(self, pair: &Pair) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::When(condition) => condition(pair),
        }
    }
}

/// Checks an end's attributes and completes them (a default, a cleaned path); the error is the reason to drop it.
pub type Check = fn(&mut EndInfo) -> Result<(), String>;

/// What a slot's attributes ask the hardware for.
pub type Aim = fn(&Attrs) -> Result<Option<Target>, String>;

/// One interface.
pub struct Interface {
    pub name: &'static str,
    /// What a connected plug may do, in a few words.
    pub summary: &'static str,
    pub offered: Offered,
    pub slot_types: SlotTypes,
    /// Whether two ends connect by themselves.
    pub auto: Rule,
    /// Whether two ends may be connected by hand.
    pub manual: Rule,
    /// Its plug needs a declaration: it gives rights over the whole device.
    pub privileged: bool,
    pub check_plug: Check,
    pub check_slot: Check,
    pub aim: Aim,
}

const fn plain(name: &'static str, summary: &'static str) -> Interface {
    Interface {
        name,
        summary,
        offered: Offered::Nowhere,
        slot_types: CORE,
        auto: Rule::Never,
        manual: Rule::Always,
        privileged: false,
        check_plug: accept,
        check_slot: accept,
        aim: no_target,
    }
}

fn accept(_: &mut EndInfo) -> Result<(), String> {
    Ok(())
}

fn no_target(_: &Attrs) -> Result<Option<Target>, String> {
    Ok(None)
}

impl Interface {
    const fn offered(mut self, offered: Offered) -> Self {
        self.offered = offered;
        self
    }

    const fn slots(mut self, types: SlotTypes) -> Self {
        self.slot_types = types;
        self
    }

    const fn auto(mut self) -> Self {
        self.auto = Rule::Always;
        self
    }

    const fn auto_when(mut self, condition: fn(&Pair) -> bool) -> Self {
        self.auto = Rule::When(condition);
        self
    }

    const fn manual(mut self, rule: Rule) -> Self {
        self.manual = rule;
        self
    }

    const fn privileged(mut self) -> Self {
        self.privileged = true;
        self
    }

    const fn plug(mut self, check: Check) -> Self {
        self.check_plug = check;
        self
    }

    const fn slot(mut self, check: Check) -> Self {
        self.check_slot = check;
        self
    }

    const fn aims(mut self, aim: Aim) -> Self {
        self.aim = aim;
        self
    }

    /// What a connection of two such ends asks the hardware for.
    pub fn target(&self, slot: &Attrs) -> Result<Option<Target>, String> {
        (self.aim)(slot)
    }
}

/// Every interface, sorted by name.
pub fn all() -> &'static [Interface] {
    table::TABLE
}

/// The interface of that name.
pub fn find(name: &str) -> Option<&'static Interface> {
    let at = table::TABLE
        .binary_search_by(|interface| interface.name.cmp(name))
        .ok()?;
    table::TABLE.get(at)
}

/// What must hold over all ends of a snap together; the error refuses the whole snap.
pub fn check_snap(info: &SnapInfo) -> Result<(), String> {
    gpio_chardev::check_overlaps(info)
}

/// The level that a slot of a line says is safe: our attribute `safe-value`, 0 or 1 (decision 10).
pub fn safe_value(slot: &Attrs) -> Option<u8> {
    match slot.get("safe-value").and_then(serde_json::Value::as_u64) {
        Some(0) => Some(0),
        Some(1) => Some(1),
        _ => None,
    }
}
