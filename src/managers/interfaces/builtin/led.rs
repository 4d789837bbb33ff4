//! `led`: an LED of the board by its name, with its trigger (ours: decision 7; snapd has no such interface).

use super::{GADGET_OR_CORE, Interface, plain, values};
use crate::domain::Attrs;
use crate::domain::hardware::Target;
use crate::domain::snap::EndInfo;

pub(super) const LED: Interface = plain("led", "one LED of the board")
    .slots(GADGET_OR_CORE)
    .slot(check)
    .aims(aim);

fn check(slot: &mut EndInfo) -> Result<(), String> {
    let name = values::text(slot, "slot", "led")?;
    if name.contains('/') || name == "." || name == ".." {
        return Err(format!(
            "led slot led attribute must be an LED's name, found {name:?}"
        ));
    }
    Ok(())
}

fn aim(slot: &Attrs) -> Result<Option<Target>, String> {
    let name = slot.get("led").and_then(|name| name.as_str());
    let name = name.ok_or("led slot must have a led attribute")?;
    Ok(Some(Target::Led(name.to_owned())))
}
