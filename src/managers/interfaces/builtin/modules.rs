//! `kernel-module-load`: modules that the plug wants loaded (contract: interfaces-and-hardware, section 5).

use super::Offered::Everywhere;
use super::matcher::{Piece, fits};
use super::{Interface, plain};
use crate::domain::snap::EndInfo;
use serde_json::Value;

pub(super) const KERNEL_MODULE_LOAD: Interface = plain("kernel-module-load", "loading listed kernel modules")
    .offered(Everywhere)
    .privileged()
    .plug(check);

fn check(plug: &mut EndInfo) -> Result<(), String> {
    let list = match plug.attrs.get("modules") {
        Some(Value::Array(list)) if !list.is_empty() => list,
        _ => return Err("kernel-module-load \"modules\" attribute must be a list of maps".into()),
    };
    for module in list {
        let name = module.get("name").and_then(Value::as_str).unwrap_or_default();
        if !fits(name, &[Piece::Name]) {
            return Err(format!(
                "kernel-module-load \"name\" is not a module's name: {name:?}"
            ));
        }
        let load = module.get("load").map(|load| load.as_str().unwrap_or_default());
        if load.is_some_and(|load| !["on-boot", "denied", "dynamic"].contains(&load)) {
            return Err(format!(
                "kernel-module-load \"load\" of {name:?} can only be \"on-boot\", \"denied\" or \"dynamic\""
            ));
        }
        let options = module.get("options").map(|options| options.as_str());
        if options == Some(None) {
            return Err(format!(
                "kernel-module-load \"options\" of {name:?} must be a string"
            ));
        }
        if load.is_none() && options.is_none() {
            return Err(format!(
                "kernel-module-load {name:?} must have \"load\" or \"options\""
            ));
        }
    }
    Ok(())
}
