//! `mount-control`: file systems that the plug may mount (contract: interfaces-and-hardware, section 5).

use super::Offered::Everywhere;
use super::{Interface, plain, values};
use crate::domain::snap::EndInfo;
use serde_json::Value;

pub(super) const MOUNT_CONTROL: Interface = plain("mount-control", "mounting listed file systems")
    .offered(Everywhere)
    .privileged()
    .plug(check);

fn check(plug: &mut EndInfo) -> Result<(), String> {
    let list = match plug.attrs.get("mount") {
        Some(Value::Array(list)) if !list.is_empty() => list,
        _ => return Err("mount-control \"mount\" attribute must be a list of maps".into()),
    };
    for mount in list {
        for name in ["what", "where"] {
            if mount.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
                return Err(format!("mount-control {name:?} of a mount must be a string"));
            }
        }
        if mount.get("options").and_then(values::strings).is_none() {
            return Err("mount-control \"options\" of a mount must be a list of strings".into());
        }
        if mount.get("persistent").is_some_and(|flag| !flag.is_boolean()) {
            return Err("mount-control \"persistent\" of a mount must be true or false".into());
        }
    }
    Ok(())
}
