//! Who may connect to whom, and who connects by himself (contract: interfaces-and-hardware, section 2).
//!
//! The rules are those of the base declaration, kept with each interface. Snaps from files have no declaration and no
//! publisher: conditions that ask for one publisher do not hold for them.

use super::builtin::{self, Pair, SlotTypes};
use super::repository::{End, Repository};
use crate::domain::attrs::merged;
use crate::domain::error::shortened;
use crate::domain::requester::{Role, Transport};
use crate::domain::snap::EndInfo;
use crate::domain::{Attrs, ErrorKind, Fault, Requester, SnapInfo};

/// Attributes that hooks added to the ends of a connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dynamic {
    pub plug: Attrs,
    pub slot: Attrs,
}

/// Drops the plugs and slots that cannot be used, each with its reason in [`SnapInfo::dropped`]; the snap still
/// installs (contract: section 1). Completes the others with defaults and cleaned paths.
pub fn validate(info: &mut SnapInfo) {
    let bad_plugs = sift(&mut info.plugs, |interface| interface.check_plug);
    let bad_slots = sift(&mut info.slots, |interface| interface.check_slot);
    for (name, _) in &bad_plugs {
        for app in info.apps.values_mut() {
            app.plugs.retain(|plug| plug != name);
        }
        for hook in info.hooks.values_mut() {
            hook.plugs.retain(|plug| plug != name);
        }
    }
    for (name, _) in &bad_slots {
        for app in info.apps.values_mut() {
            app.slots.retain(|slot| slot != name);
        }
        for hook in info.hooks.values_mut() {
            hook.slots.retain(|slot| slot != name);
        }
    }
    let reasons = bad_plugs.into_iter().chain(bad_slots);
    info.dropped
        .extend(reasons.map(|(name, reason)| format!("{name} ({reason})")));
}

type Dropped = Vec<(String, String)>;

fn sift(
    ends: &mut std::collections::BTreeMap<String, EndInfo>,
    check: fn(&builtin::Interface) -> builtin::Check,
) -> Dropped {
    let mut dropped = Dropped::new();
    ends.retain(|name, end| {
        let outcome = match builtin::find(&end.interface) {
            Some(interface) => check(interface)(end),
            None => Err(format!("unknown interface {:?}", end.interface)),
        };
        if let Err(reason) = outcome {
            dropped.push((name.clone(), shortened(reason)));
            return false;
        }
        true
    });
    dropped
}

/// Refuses a snap that may not have the slots it has, or whose slots contradict each other. A sideloaded snap is held
/// against the types of snap that may have a slot only (contract: section 2).
pub fn check_installation(info: &SnapInfo) -> Result<(), Fault> {
    builtin::check_snap(info).map_err(Fault::bad)?;
    for slot in info.slots.values() {
        let Some(interface) = builtin::find(&slot.interface) else {
            continue;
        };
        let SlotTypes::Of(types) = interface.slot_types else {
            continue;
        };
        if !types.contains(&info.kind) {
            let names: Vec<String> = types.iter().map(ToString::to_string).collect();
            return Err(Fault::bad(format!(
                "installation not allowed by {:?} slot rule of interface {:?}: only a snap of type {} may have such a slot",
                slot.name,
                interface.name,
                names.join(", ")
            )));
        }
    }
    Ok(())
}

/// Refuses a connection that the base declaration does not let anyone make by hand.
pub fn check_connection(view: &Repository, plug: &End, slot: &End, dynamic: &Dynamic) -> Result<(), String> {
    let allowed = with_pair(view, plug, slot, dynamic, |pair| {
        plug.interface.manual.allows(pair)
    });
    if allowed {
        return Ok(());
    }
    Err(format!(
        "connection not allowed by slot rule of interface {:?}: the attributes of {}:{} and {}:{} do not fit, or a declaration is needed that a snap from a file does not have",
        plug.interface.name, plug.snap, plug.name, slot.snap, slot.name
    ))
}

/// Whether two ends connect by themselves.
pub fn connects_itself(view: &Repository, plug: &End, slot: &End) -> bool {
    plug.interface.name == slot.interface.name
        && with_pair(view, plug, slot, &Dynamic::default(), |pair| {
            plug.interface.auto.allows(pair) && plug.interface.manual.allows(pair)
        })
}

fn with_pair<T>(
    view: &Repository,
    plug: &End,
    slot: &End,
    dynamic: &Dynamic,
    ask: impl FnOnce(&Pair) -> T,
) -> T {
    ask(&Pair {
        plug: &merged(plug.attrs(), &dynamic.plug),
        slot: &merged(slot.attrs(), &dynamic.slot),
        // Nothing here has an assertion yet.
        plug_publisher: None,
        slot_publisher: None,
        classic: view.is_classic(),
    })
}

/// Refuses a remote operator the interfaces that give rights over the whole device (decision 3).
pub fn check_requester(who: &Requester, plug: &End) -> Result<(), Fault> {
    let remote = who.transport == Transport::Tls;
    if plug.interface.privileged && remote && who.role < Role::Admin {
        return Err(Fault::new(
            ErrorKind::Forbidden,
            format!(
                "interface {:?} gives rights over the whole device: connect it as an admin",
                plug.interface.name
            ),
        ));
    }
    Ok(())
}
