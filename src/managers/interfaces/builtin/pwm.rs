//! `pwm`: one channel of a PWM chip (contract: interfaces-and-hardware, section 3, pwm).

use super::{GADGET_OR_CORE, Interface, plain, values};
use crate::domain::snap::EndInfo;

pub(super) const PWM: Interface = plain("pwm", "one PWM channel").slots(GADGET_OR_CORE).slot(check);

fn check(slot: &mut EndInfo) -> Result<(), String> {
    values::integer(slot, "slot", "chip-number")?;
    values::integer(slot, "slot", "channel")?;
    Ok(())
}
