//! `get :PLUG NAME` and `set :PLUG NAME=VALUE`: attributes of the connection that an interface hook is about
//! (contract: snaps-and-assertions, section 2).

use super::{Caller, Flags, SnapctlOutput};
use crate::domain::{Fault, assignment};
use crate::managers::interfaces::HookAttributes;
use serde_json::{Map, Value};

/// The ends of the hook's connection, when `word` (`:NAME`) is the hook's own end.
fn ends<'c>(caller: &'c Caller<'_>, word: &str, refusal: &str) -> Result<&'c HookAttributes, Fault> {
    let hook = caller.hook.as_ref();
    let ends = hook.and_then(|hook| hook.ends.as_ref());
    let ends = ends.ok_or_else(|| Fault::bad(refusal))?;
    let name = word.trim_start_matches(':');
    if name != ends.end {
        return Err(Fault::bad(format!("unknown plug or slot {name:?}")));
    }
    Ok(ends)
}

/// The word behind `:NAME`; `--plug` and `--slot` say which end is meant, the hook's own if neither.
pub(super) fn get(caller: &Caller<'_>, flags: &Flags, word: &str) -> Result<SnapctlOutput, Fault> {
    let refusal = "interface attributes can only be read during the execution of interface hooks";
    let ends = ends(caller, word, refusal)?;
    flags.not_both("plug", "slot")?;
    let own = match (flags.has("plug"), flags.has("slot")) {
        (false, false) => true,
        (plug, _) => plug == ends.is_plug,
    };
    let mut attrs = if own { ends.own.clone() } else { ends.other.clone() };
    if let Some(hook) = caller.hook.as_ref().filter(|_| own) {
        attrs.extend(hook.attributes());
    }
    let names = flags.words.get(1..).unwrap_or_default();
    if names.is_empty() {
        return Err(Fault::bad("get which attribute?"));
    }
    let mut found = Map::new();
    for name in names {
        let value = attrs
            .get(name)
            .ok_or_else(|| Fault::bad(format!("no {name:?} attribute")))?;
        found.insert(name.clone(), value.clone());
    }
    let text = if flags.has("d") || names.len() > 1 {
        assignment::with_tabs(&Value::Object(found))
    } else {
        assignment::shown(found.into_iter().next().map(|(_, value)| value), flags.has("t"))
    };
    Ok(SnapctlOutput::printed(text + "\n"))
}

/// Only the hook's own end can be given attributes, only while it is prepared, and only names that the snap has not.
pub(super) fn set(
    caller: &Caller<'_>,
    flags: &Flags,
    word: &str,
    set: Map<String, Value>,
) -> Result<SnapctlOutput, Fault> {
    let refusal = "interface attributes can only be set during the execution of prepare hooks";
    let ends = ends(caller, word, refusal)?;
    if !ends.settable {
        return Err(Fault::bad(refusal));
    }
    if flags.has("plug") || flags.has("slot") {
        return Err(Fault::bad(
            "cannot use --plug or --slot with set: a hook sets its own end",
        ));
    }
    if let Some(name) = set.keys().find(|name| ends.fixed.contains_key(*name)) {
        return Err(Fault::bad(format!(
            "cannot set attribute: attribute {name:?} cannot be overwritten"
        )));
    }
    if let Some(hook) = &caller.hook {
        hook.set_attributes(set)
            .map_err(|error| Fault::bad(error.to_string()))?;
    }
    Ok(SnapctlOutput::default())
}
