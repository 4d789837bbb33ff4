//! `gpio`: one line of a GPIO chip (contract: interfaces-and-hardware, section 3, gpio; decision 7).
//!
//! The slot says `number`, the line's global number, or our `chip` and `line`, the chip's label and the offset,
//! which is the address that a new kernel does not move.

use super::{GADGET_OR_CORE, Interface, plain, safe_value, values};
use crate::domain::Attrs;
use crate::domain::hardware::{LineAddress, Target};
use crate::domain::snap::EndInfo;

pub(super) const GPIO: Interface = plain("gpio", "one GPIO line")
    .slots(GADGET_OR_CORE)
    .slot(check)
    .aims(aim);

fn check(slot: &mut EndInfo) -> Result<(), String> {
    if slot.attrs.contains_key("safe-value") && safe_value(&slot.attrs).is_none() {
        return Err("gpio slot safe-value attribute must be 0 or 1".into());
    }
    if slot.attrs.contains_key("number") || !slot.attrs.contains_key("chip") {
        if slot.attrs.contains_key("chip") {
            return Err("gpio slot must have either number, or chip and line attributes".into());
        }
        return values::integer(slot, "slot", "number").map(|_| ());
    }
    values::text(slot, "slot", "chip")?;
    let line = values::integer(slot, "slot", "line")?;
    u32::try_from(line)
        .map(|_| ())
        .map_err(|_| format!("gpio slot line attribute must not be negative, found {line}"))
}

fn aim(slot: &Attrs) -> Result<Option<Target>, String> {
    let number = |name: &str| -> Result<u32, String> {
        let value = slot.get(name).and_then(serde_json::Value::as_i64).unwrap_or(-1);
        u32::try_from(value).map_err(|_| format!("there is no GPIO {name} {value}"))
    };
    Ok(Some(match slot.get("chip").and_then(|chip| chip.as_str()) {
        Some(chip) => Target::Line(LineAddress {
            chip: chip.to_owned(),
            offset: number("line")?,
        }),
        None => Target::Number(number("number")?),
    }))
}
