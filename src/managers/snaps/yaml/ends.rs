//! The rules for plugs and slots: their forms, and to which apps and hooks they are bound.

use super::SnapYamlError;
use crate::domain::names::is_interface_word;
use crate::domain::snap::{AppInfo, EndInfo, HookInfo};
use crate::domain::sort;
use serde_json::Value;
use std::collections::BTreeMap;

/// Which of the two it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Plug,
    Slot,
}

impl Side {
    fn word(self) -> &'static str {
        match self {
            Self::Plug => "plug",
            Self::Slot => "slot",
        }
    }

    fn of_app(self, app: &mut AppInfo) -> &mut Vec<String> {
        match self {
            Self::Plug => &mut app.plugs,
            Self::Slot => &mut app.slots,
        }
    }

    fn of_hook(self, hook: &mut HookInfo) -> &mut Vec<String> {
        match self {
            Self::Plug => &mut hook.plugs,
            Self::Slot => &mut hook.slots,
        }
    }
}

/// All plugs or all slots: those at the top, those that only an app or hook names, each bound to its apps and
/// hooks, or to all of them when none names it.
pub(super) fn all(
    side: Side,
    declared: BTreeMap<String, Value>,
    apps: &mut BTreeMap<String, AppInfo>,
    hooks: &mut BTreeMap<String, HookInfo>,
) -> Result<BTreeMap<String, EndInfo>, SnapYamlError> {
    let mut ends = BTreeMap::new();
    for (name, value) in declared {
        let end = one(side, &name, value)?;
        ends.insert(name, end);
    }
    for app in apps.values_mut() {
        let app_name = app.name.clone();
        let names = side.of_app(app);
        sort::by(names, Ord::cmp);
        names.dedup();
        for name in names.iter() {
            bind(side, &mut ends, name)?.apps.push(app_name.clone());
        }
    }
    for hook in hooks.values_mut() {
        let hook_name = hook.name.clone();
        let names = side.of_hook(hook);
        sort::by(names, Ord::cmp);
        names.dedup();
        for name in names.iter() {
            bind(side, &mut ends, name)?.hooks.push(hook_name.clone());
        }
    }
    for end in ends
        .values_mut()
        .filter(|end| end.apps.is_empty() && end.hooks.is_empty())
    {
        end.apps = apps.keys().cloned().collect();
        end.hooks = hooks.keys().cloned().collect();
        for app in apps.values_mut() {
            side.of_app(app).push(end.name.clone());
        }
        for hook in hooks.values_mut() {
            side.of_hook(hook).push(end.name.clone());
        }
    }
    for app in apps.values_mut() {
        sort::by(side.of_app(app), Ord::cmp);
    }
    for hook in hooks.values_mut() {
        sort::by(side.of_hook(hook), Ord::cmp);
    }
    Ok(ends)
}

/// The end that an app or hook names, made on the spot when the top does not know it.
fn bind<'a>(
    side: Side,
    ends: &'a mut BTreeMap<String, EndInfo>,
    name: &str,
) -> Result<&'a mut EndInfo, SnapYamlError> {
    if !ends.contains_key(name) {
        let end = one(side, name, Value::Null)?;
        ends.insert(name.to_owned(), end);
    }
    ends.get_mut(name)
        .ok_or_else(|| wrong(side, name, "it is unknown", "declare it"))
}

fn wrong(side: Side, name: &str, what: &str, advice: &str) -> SnapYamlError {
    super::rule(format!("{} {name:?} is wrong, {what}: {advice}", side.word()))
}

fn one(side: Side, name: &str, value: Value) -> Result<EndInfo, SnapYamlError> {
    if !is_interface_word(name) {
        return Err(wrong(
            side,
            name,
            "its name",
            "use a-z, 0-9 and single dashes, a letter first",
        ));
    }
    let mut end = EndInfo {
        name: name.to_owned(),
        interface: name.to_owned(),
        ..EndInfo::default()
    };
    match value {
        Value::Null => {}
        Value::String(interface) => end.interface = interface,
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("interface", Value::String(interface)) => end.interface = interface,
                    ("label", Value::String(label)) => end.label = label,
                    ("interface" | "label", _) => {
                        return Err(wrong(
                            side,
                            name,
                            &format!("its {key} is no text"),
                            "write a text",
                        ));
                    }
                    _ if key.starts_with('$') => {
                        return Err(wrong(
                            side,
                            name,
                            &format!("the attribute {key:?}"),
                            "attributes do not start with $",
                        ));
                    }
                    (_, value) => {
                        whole(side, name, &key, &value)?;
                        end.attrs.insert(key, value);
                    }
                }
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            return Err(wrong(
                side,
                name,
                "it is neither empty, nor the name of an interface, nor a map",
                "write interface and attributes below it",
            ));
        }
    }
    if !is_interface_word(&end.interface) {
        return Err(wrong(
            side,
            name,
            &format!("its interface {:?} is not a name", end.interface),
            "use a-z, 0-9 and single dashes, a letter first",
        ));
    }
    Ok(end)
}

/// Attributes are texts, numbers, booleans, lists and maps; nothing in them is left empty.
fn whole(side: Side, name: &str, key: &str, value: &Value) -> Result<(), SnapYamlError> {
    let empty = match value {
        Value::Null => true,
        Value::Array(items) => {
            for item in items {
                whole(side, name, key, item)?;
            }
            false
        }
        Value::Object(map) => {
            for item in map.values() {
                whole(side, name, key, item)?;
            }
            false
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if empty {
        return Err(wrong(
            side,
            name,
            &format!("the attribute {key:?} has no value"),
            "give it one or remove it",
        ));
    }
    Ok(())
}

/// Plugs and slots live in one space of names.
pub(super) fn apart(
    plugs: &BTreeMap<String, EndInfo>,
    slots: &BTreeMap<String, EndInfo>,
) -> Result<(), SnapYamlError> {
    match plugs.keys().find(|name| slots.contains_key(*name)) {
        Some(name) => Err(super::rule(format!(
            "{name:?} is a plug and a slot: give one of them another name"
        ))),
        None => Ok(()),
    }
}
