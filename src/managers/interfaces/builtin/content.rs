//! `content`: folders that one snap shares with another (contract: interfaces-and-hardware, section 5).

use super::matcher::clean;
use super::{Interface, Pair, Rule, SlotTypes, plain, values};
use crate::domain::snap::{EndInfo, SnapType};
use serde_json::Value;

const SLOTS: SlotTypes = SlotTypes::Of(&[SnapType::App, SnapType::Gadget]);

pub(super) const CONTENT: Interface = plain("content", "folders of another snap")
    .slots(SLOTS)
    .manual(Rule::When(|pair| pair.agree("content")))
    .auto_when(same_content_and_publisher)
    .plug(check_plug)
    .slot(check_slot);

/// Contacts of two apps are shared by hand unless one publisher made both.
fn same_content_and_publisher(pair: &Pair) -> bool {
    pair.agree("content") && pair.same_publisher()
}

fn check_plug(plug: &mut EndInfo) -> Result<(), String> {
    values::default_to_name(plug, "content")?;
    let target = match plug.attrs.get("target") {
        Some(Value::String(target)) if !target.is_empty() => target,
        _ => return Err("content plug must contain target path".into()),
    };
    check_path(target)
}

fn check_slot(slot: &mut EndInfo) -> Result<(), String> {
    values::default_to_name(slot, "content")?;
    let (read, write) = match slot.attrs.get("source") {
        None => (values::texts(slot, "read")?, values::texts(slot, "write")?),
        Some(Value::Object(source)) => {
            for name in ["read", "write"] {
                if slot.attrs.contains_key(name) {
                    return Err(format!(
                        "move the {name:?} attribute into the \"source\" section of the content slot"
                    ));
                }
            }
            let list = |name: &str| match source.get(name) {
                None => Ok(Vec::new()),
                Some(value) => {
                    values::strings(value).ok_or(format!("{name:?} attribute must be a list of strings"))
                }
            };
            (list("read")?, list("write")?)
        }
        Some(_) => return Err("\"source\" attribute of a content slot must be a map".into()),
    };
    if read.is_empty() && write.is_empty() {
        return Err("read or write path must be set".into());
    }
    read.iter().chain(&write).try_for_each(|path| check_path(path))
}

/// Within the snap: relative, or below one of the variables that stand for the snap's folders.
fn check_path(path: &str) -> Result<(), String> {
    let bare = if path == "/" {
        path
    } else {
        path.trim_end_matches('/')
    };
    if bare.is_empty() || clean(bare) != bare || bare.split('/').any(|part| part == "..") {
        return Err(format!("content interface path is not clean: {path:?}"));
    }
    Ok(())
}
