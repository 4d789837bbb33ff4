//! `meta/snap.yaml`: one pure function from bytes to [`SnapInfo`] that holds every rule of the contract
//! (snaps-and-assertions, section 1). Bounded in size, depth, aliases and nodes.

mod apps;
mod ends;
mod gadget;
mod layout;
mod node;
mod raw;
#[cfg(test)]
mod tests;
mod words;

use crate::domain::error::shortened;
use crate::domain::snap::{Confinement, Epoch, SnapType};
use crate::domain::{SnapInfo, SnapName, names};
use ends::Side;
use raw::Raw;
use serde_json::Value;
use std::collections::BTreeMap;

/// The largest snap.yaml that is read, in bytes.
pub const MAX_SIZE: usize = 1 << 20;

/// The files that are read here.
const SNAP: &str = "meta/snap.yaml";
const GADGET: &str = "meta/gadget.yaml";

pub use gadget::parse_gadget_yaml;

/// Names that no snap may have: the system's own, and the folder of the wrappers in `/snap`.
const RESERVED: [&str; 2] = [SnapName::SYSTEM, "bin"];

/// What is wrong with a snap.yaml or a gadget.yaml: one sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapYamlError {
    /// It is larger than [`MAX_SIZE`].
    #[error("{0} is larger than {MAX_SIZE} bytes: make it smaller")]
    TooLarge(&'static str),
    /// It is no YAML, has a value of the wrong type, or is nested or repeated beyond reason.
    #[error("{0} cannot be read: {1}")]
    NotYaml(&'static str, String),
    /// A key that must be there is not.
    #[error("meta/snap.yaml has no {0}: add one")]
    Missing(&'static str),
    /// A rule is broken.
    #[error("{0}: {1}")]
    Rule(&'static str, String),
}

fn rule(text: impl Into<String>) -> SnapYamlError {
    SnapYamlError::Rule(SNAP, shortened(text.into()))
}

/// What a snap says of itself, without the hooks that are only files.
pub fn parse_snap_yaml(bytes: &[u8]) -> Result<SnapInfo, SnapYamlError> {
    parse_with_hooks(bytes, &[])
}

/// The same, where `hook_files` are the names of the executable files in `meta/hooks`.
pub fn parse_with_hooks(bytes: &[u8], hook_files: &[String]) -> Result<SnapInfo, SnapYamlError> {
    let raw = read(SNAP, bytes, Raw::read)?.unwrap_or_default();
    let name = name(raw.name.as_deref())?;
    let kind = kind(raw.kind.as_deref())?;
    if raw.layouts.is_some() {
        return Err(rule("there is no key layouts: write layout"));
    }
    let version = raw
        .version
        .filter(|text| !text.is_empty())
        .ok_or(SnapYamlError::Missing("version"))?;
    if !words::is_version(&version) {
        return Err(rule(format!(
            "the version {version:?} is not valid: use up to 32 letters, digits and :.+~-, ending in a letter, digit, + or ~"
        )));
    }
    texts(&raw.title, &raw.description, &raw.provenance)?;

    let mut apps = BTreeMap::new();
    for (app, entry) in raw.apps.unwrap_or_default() {
        let info = apps::app(name.as_str(), &app, entry.unwrap_or_default())?;
        apps.insert(app, info);
    }
    let mut hooks = BTreeMap::new();
    for (hook, entry) in raw.hooks.unwrap_or_default() {
        if !names::is_interface_word(&hook) {
            return Err(rule(format!(
                "hook {hook:?} is not a name: use a-z, 0-9 and single dashes, a letter first"
            )));
        }
        if words::is_hook(&hook) {
            let info = apps::hook(&hook, entry.unwrap_or_default())?;
            hooks.insert(hook, info);
        }
    }
    for hook in hook_files.iter().filter(|hook| words::is_hook(hook)) {
        if !hooks.contains_key(hook) {
            hooks.insert(hook.clone(), apps::hook(hook, raw::RawHook::default())?);
        }
    }
    let plugs = ends::all(Side::Plug, raw.plugs.unwrap_or_default(), &mut apps, &mut hooks)?;
    let slots = ends::all(Side::Slot, raw.slots.unwrap_or_default(), &mut apps, &mut hooks)?;
    ends::apart(&plugs, &slots)?;
    let base = base(raw.base, kind, apps.is_empty() && hooks.is_empty())?;

    let info = SnapInfo {
        version,
        kind,
        architectures: architectures(raw.architectures)?,
        assumes: assumes(raw.assumes)?,
        title: raw.title.unwrap_or_default(),
        summary: raw.summary.unwrap_or_default(),
        description: raw.description.unwrap_or_default(),
        license: raw.license.unwrap_or_default(),
        epoch: epoch(raw.epoch)?,
        base,
        confinement: confinement(raw.confinement.as_deref())?,
        grade: grade(raw.grade),
        environment: raw.environment,
        plugs,
        slots,
        apps,
        hooks,
        layout: layout::all(raw.layout.unwrap_or_default())?,
        links: links(raw.links.unwrap_or_default())?,
        dropped: Vec::new(),
        gadget: None,
        name,
        desktop_files: Vec::new(),
    };
    apps::together(&info)?;
    Ok(info)
}

/// The YAML part: bounded, and no value of a wrong type gets through.
fn read<T>(
    file: &'static str,
    bytes: &[u8],
    shape: fn(node::Node) -> Result<T, node::Wrong>,
) -> Result<T, SnapYamlError> {
    if bytes.len() > MAX_SIZE {
        return Err(SnapYamlError::TooLarge(file));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
        SnapYamlError::NotYaml(file, format!("line {line} is not UTF-8: save it as UTF-8"))
    })?;
    node::parse(text)
        .and_then(shape)
        .map_err(|wrong| SnapYamlError::NotYaml(file, shortened(wrong.to_string())))
}

fn name(text: Option<&str>) -> Result<SnapName, SnapYamlError> {
    let text = text
        .filter(|text| !text.is_empty())
        .ok_or(SnapYamlError::Missing("name"))?;
    if RESERVED.contains(&text) {
        return Err(rule(format!(
            "the name {text:?} is reserved: give the snap another one"
        )));
    }
    SnapName::new(text).map_err(|_| {
        rule(format!(
            "the name {text:?} is not valid: use 2 to 40 of a-z, 0-9 and single dashes, with at least one letter"
        ))
    })
}

fn kind(text: Option<&str>) -> Result<SnapType, SnapYamlError> {
    Ok(match text {
        None | Some("" | "app" | "application") => SnapType::App,
        Some("gadget") => SnapType::Gadget,
        Some("kernel") => SnapType::Kernel,
        Some("base") => SnapType::Base,
        Some("os") => SnapType::Os,
        Some("snapd") => SnapType::Snapd,
        Some(other) => {
            return Err(rule(format!(
                "the type {other:?} is unknown: use app, gadget, kernel, base, os or snapd"
            )));
        }
    })
}

fn texts(
    title: &Option<String>,
    description: &Option<String>,
    provenance: &Option<String>,
) -> Result<(), SnapYamlError> {
    let longer =
        |text: &Option<String>, limit: usize| text.as_ref().is_some_and(|text| text.chars().count() > limit);
    if longer(title, 40) {
        return Err(rule("the title is too long: use at most 40 characters"));
    }
    if longer(description, 4096) {
        return Err(rule("the description is too long: use at most 4096 characters"));
    }
    match provenance.as_deref() {
        Some("global-upload") => Err(rule("the provenance global-upload is the default: leave it out")),
        Some(text) if !names::is_app_name(text) => Err(rule(format!(
            "the provenance {text:?} is not valid: use letters, digits and single dashes"
        ))),
        _ => Ok(()),
    }
}

fn architectures(given: Option<Vec<String>>) -> Result<Vec<String>, SnapYamlError> {
    let list = given.unwrap_or_default();
    match list.iter().find(|name| !names::is_app_name(name)) {
        Some(name) => Err(rule(format!(
            "the architecture {name:?} is not a name: use all, amd64, arm64, armhf or another one"
        ))),
        None if list.is_empty() => Ok(vec![String::from("all")]),
        None => Ok(list),
    }
}

fn assumes(given: Option<Vec<String>>) -> Result<Vec<String>, SnapYamlError> {
    let list = given.unwrap_or_default();
    let fits = |word: &String| {
        !word.is_empty()
            && word.starts_with(|c: char| c.is_ascii_lowercase())
            && word
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b))
    };
    match list.iter().find(|word| !fits(word)) {
        Some(word) => Err(rule(format!(
            "assumes has {word:?}: use names of features, or snapdX.Y"
        ))),
        None => Ok(list),
    }
}

fn confinement(text: Option<&str>) -> Result<Confinement, SnapYamlError> {
    match text {
        None | Some("" | "strict") => Ok(Confinement::Strict),
        Some("devmode") => Ok(Confinement::Devmode),
        Some("classic") => Ok(Confinement::Classic),
        Some(other) => Err(rule(format!(
            "the confinement {other:?} is unknown: use strict, devmode or classic"
        ))),
    }
}

/// `grade` is snapcraft's; what it does not know is taken as stable.
fn grade(text: Option<String>) -> String {
    match text.as_deref() {
        Some("devel") => String::from("devel"),
        _ => String::from("stable"),
    }
}

fn base(text: Option<String>, kind: SnapType, nothing_runs: bool) -> Result<Option<String>, SnapYamlError> {
    let Some(base) = text.filter(|base| !base.is_empty()) else {
        return Ok(None);
    };
    if base == "none" {
        return if nothing_runs {
            Ok(Some(base))
        } else {
            Err(rule(
                "with base: none there can be no apps and no hooks: name a base",
            ))
        };
    }
    if matches!(kind, SnapType::Os | SnapType::Base) {
        return Err(rule(format!(
            "a snap of type {kind} has no base itself: remove base"
        )));
    }
    if SnapName::new(&base).is_err() {
        return Err(rule(format!(
            "the base {base:?} is not the name of a snap: write one such as core22"
        )));
    }
    Ok(Some(base))
}

/// `N`, `"N*"` or `{read: [...], write: [...]}`.
fn epoch(value: Option<Value>) -> Result<Epoch, SnapYamlError> {
    let wrong = || {
        rule(
            "the epoch is not valid: write a number, \"N*\", or increasing lists read and write that share a number",
        )
    };
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()),
        Value::String(text) if !text.starts_with('+') && (text == "0" || !text.starts_with('0')) => {
            text.parse().ok()
        }
        _ => None,
    };
    let epoch = match &value {
        None | Some(Value::Null) => return Ok(Epoch::default()),
        Some(Value::Object(map)) => {
            let list = |key: &str| -> Result<Option<Vec<u32>>, SnapYamlError> {
                match map.get(key) {
                    None | Some(Value::Null) => Ok(None),
                    Some(Value::Array(items)) => items
                        .iter()
                        .map(|item| number(item).ok_or_else(wrong))
                        .collect::<Result<_, _>>()
                        .map(Some),
                    Some(_) => Err(wrong()),
                }
            };
            match (list("read")?, list("write")?) {
                (None, None) => Epoch::default(),
                (Some(one), None) | (None, Some(one)) => Epoch {
                    read: one.clone(),
                    write: one,
                },
                (Some(read), Some(write)) => Epoch { read, write },
            }
        }
        Some(Value::String(text)) if text.ends_with('*') => {
            let n = number(&Value::String(text[..text.len() - 1].to_owned()))
                .filter(|n| *n > 0)
                .ok_or_else(wrong)?;
            Epoch {
                read: vec![n - 1, n],
                write: vec![n],
            }
        }
        Some(value) => {
            let n = number(value).ok_or_else(wrong)?;
            Epoch {
                read: vec![n],
                write: vec![n],
            }
        }
    };
    let fits =
        |list: &[u32]| !list.is_empty() && list.len() <= 10 && list.windows(2).all(|pair| pair[0] < pair[1]);
    if fits(&epoch.read) && fits(&epoch.write) && epoch.read.iter().any(|n| epoch.write.contains(n)) {
        Ok(epoch)
    } else {
        Err(wrong())
    }
}

fn links(raw: BTreeMap<String, Value>) -> Result<BTreeMap<String, Vec<String>>, SnapYamlError> {
    let mut links = BTreeMap::new();
    for (name, value) in raw {
        if !names::is_app_name(&name) {
            return Err(rule(format!(
                "links has the key {name:?}: use letters, digits and dashes"
            )));
        }
        let targets: Vec<String> = match value {
            Value::String(one) => vec![one],
            Value::Array(items) => items
                .into_iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect(),
            _ => Vec::new(),
        };
        let fits = |target: &String| {
            ["http://", "https://", "mailto:"]
                .iter()
                .any(|scheme| target.starts_with(scheme) && target.len() > scheme.len())
                || (target.contains('@') && !target.contains("://") && !target.contains(char::is_whitespace))
        };
        if targets.is_empty() || !targets.iter().all(fits) {
            return Err(rule(format!(
                "the link {name:?} leads nowhere: use http, https or mail addresses"
            )));
        }
        links.insert(name, targets);
    }
    Ok(links)
}
