//! Commands about the whole device. What asks for an interface that this agent gives no such right by is refused in
//! the contract's words.

use super::{Caller, Flags, SnapctlOutput, required};
use crate::domain::Fault;
use crate::managers::settings::Settings;

impl Settings {
    /// The mode of the system: an installed one runs.
    pub(super) fn system_mode(&self) -> SnapctlOutput {
        let world = self.store.world();
        let seeded = world
            .config
            .get("core")
            .is_some_and(|core| core["seed"]["loaded"] == true);
        let mut text = String::from("system-mode: run\n");
        if seeded {
            text.push_str("seed-loaded: true\n");
        }
        SnapctlOutput::printed(text)
    }
}

/// Only the gadget, or who shares the publisher of the model, may see it: nobody without assertions.
pub(super) fn model(caller: &Caller<'_>) -> Fault {
    Fault::bad(format!(
        "insufficient permissions to get model assertion for snap {:?}",
        caller.snap.as_str()
    ))
}

pub(super) fn mount(caller: &Caller<'_>, flags: &Flags) -> Fault {
    match flags.words.len() {
        0 => Fault::bad("the required arguments `<what>` and `<where>` were not provided"),
        1 => required("<where>"),
        _ => Fault::bad(format!(
            "snap {:?} lacks permissions to create the requested mount: no matching mount-control connection found",
            caller.snap.as_str()
        )),
    }
}

pub(super) fn umount(flags: &Flags) -> Fault {
    match flags.words.first() {
        None => required("<where>"),
        Some(_) => Fault::bad("cannot find the given mount"),
    }
}

pub(super) fn kmod(flags: &Flags) -> Fault {
    let (verb, module) = match flags.words.as_slice() {
        [verb, rest @ ..] if verb == "insert" => ("load", rest.first()),
        [verb, rest @ ..] if verb == "remove" => ("unload", rest.first()),
        [] => return Fault::bad("Please specify one command of: insert or remove"),
        [other, ..] => {
            return Fault::bad(format!(
                "Unknown command `{other}'. Please specify one command of: insert or remove"
            ));
        }
    };
    match module {
        None => required("<module>"),
        Some(module) => Fault::bad(format!(
            "cannot {verb} module {module:?}: required interface not connected"
        )),
    }
}

pub(super) fn reboot() -> Fault {
    Fault::bad("cannot use reboot command outside of gadget install-device hook")
}

pub(super) fn encryption(name: &str) -> Fault {
    Fault::bad(format!("cannot use {name} outside of the fde-setup hook"))
}
