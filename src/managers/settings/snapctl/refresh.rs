//! `refresh`: what a snap may say about its own refreshes. There is no gate-auto-refresh hook without a store, so
//! nothing is pending and nothing can be held or gone on with.

use super::{Caller, Flags, SnapctlOutput};
use crate::domain::Fault;

pub(super) fn refresh(caller: &Caller<'_>, flags: &Flags) -> Result<SnapctlOutput, Fault> {
    if flags.has("show-lock") {
        // Nothing holds a snap back from being run.
        return Ok(SnapctlOutput::default());
    }
    if caller.hook.is_some() {
        return Err(Fault::bad("can only be used from gate-auto-refresh hook"));
    }
    flags.not_both("proceed", "hold")?;
    if flags.has("hold") {
        return Err(Fault::bad("cannot hold outside of gate-auto-refresh hook"));
    }
    if flags.has("proceed") {
        return Err(Fault::bad(
            "cannot proceed: requires snap-refresh-control interface",
        ));
    }
    Ok(match flags.has("pending") {
        true => SnapctlOutput::printed("pending: none\nbase: false\nrestart: false\n"),
        false => SnapctlOutput::default(),
    })
}
