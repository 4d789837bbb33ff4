//! `custom-device`: nodes and files that a gadget hands out (contract: interfaces-and-hardware, section 5).

use super::matcher::clean;
use super::{DECLARED, Interface, Rule, plain, values};
use crate::domain::snap::EndInfo;
use serde_json::Value;

pub(super) const CUSTOM_DEVICE: Interface = plain("custom-device", "devices and files that the gadget chose")
    .slots(DECLARED)
    .manual(Rule::When(|pair| pair.agree("custom-device")))
    .plug(|plug| values::default_to_name(plug, "custom-device"))
    .slot(check_slot);

fn check_slot(slot: &mut EndInfo) -> Result<(), String> {
    values::default_to_name(slot, "custom-device")?;
    let devices = values::texts(slot, "devices")?;
    let readable = values::texts(slot, "read-devices")?;
    for device in devices.iter().chain(&readable) {
        check_path(device, "custom-device", |path| path.starts_with("/dev/"))
            .map_err(|reason| format!("{reason}; a device's path starts with /dev/"))?;
    }
    if let Some(both) = devices.iter().find(|device| readable.contains(device)) {
        return Err(format!(
            "custom-device cannot have {both:?} in both \"devices\" and \"read-devices\""
        ));
    }
    if let Some(files) = slot.attrs.get("files") {
        check_files(files)?;
    }
    let tags = match slot.attrs.get("udev-tagging") {
        None => return Ok(()),
        Some(Value::Array(tags)) => tags,
        Some(_) => return Err("custom-device \"udev-tagging\" attribute must be a list".into()),
    };
    tags.iter().try_for_each(check_tag)
}

fn check_files(files: &Value) -> Result<(), String> {
    let wrong =
        "custom-device \"files\" attribute must be a map with lists of strings \"read\" and \"write\"";
    for (name, list) in files.as_object().ok_or(wrong)? {
        if name != "read" && name != "write" {
            return Err(wrong.into());
        }
        for path in values::strings(list).ok_or(wrong)? {
            check_path(&path, "custom-device", |path| !path.starts_with("/dev/"))?;
        }
    }
    Ok(())
}

fn check_tag(tag: &Value) -> Result<(), String> {
    let kernel = tag.get("kernel").and_then(Value::as_str).unwrap_or_default();
    if kernel.is_empty() {
        return Err("custom-device \"udev-tagging\" item must have a \"kernel\" attribute".into());
    }
    for name in ["attributes", "environment"] {
        let Some(map) = tag.get(name) else { continue };
        let texts = map
            .as_object()
            .is_some_and(|map| map.values().all(Value::is_string));
        if !texts {
            return Err(format!(
                "custom-device \"udev-tagging\" {name:?} must be a map of strings"
            ));
        }
    }
    Ok(())
}

/// Absolute, clean, without the characters that a rule's syntax would read, and as `accepts` has it.
pub(super) fn check_path(path: &str, interface: &str, accepts: fn(&str) -> bool) -> Result<(), String> {
    let bare = path.trim_end_matches('/');
    if !path.starts_with('/') || clean(bare) != bare || path.contains(['"', '@', '^']) || !accepts(path) {
        return Err(format!("{interface} path {path:?} is not valid"));
    }
    Ok(())
}
