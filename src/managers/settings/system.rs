//! The system's own configuration, kept under `core` (contract: snaps-and-assertions, section 4). Only options that
//! this agent acts on are taken.

use super::config;
use super::hooks::HookParams;
use crate::domain::SnapName;
use crate::engine::{TaskContext, TaskError};
use serde_json::Value;
use std::sync::LazyLock;

/// The name under which it is stored.
#[allow(clippy::expect_used)] // "core" is a snap's name by the rules of names.
pub static STORED: LazyLock<SnapName> = LazyLock::new(|| SnapName::new("core").expect("a name"));

/// One option: its key, and what is wrong with a value for it.
struct SystemOption {
    key: &'static str,
    check: fn(&Value) -> Option<String>,
}

const OPTIONS: &[SystemOption] = &[SystemOption {
    key: "refresh.retain",
    check: check_retain,
}];

/// How many revisions of a snap are kept: 2 to 20.
fn check_retain(value: &Value) -> Option<String> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    match number {
        Some(2..=20) => None,
        _ => Some(String::from("retain must be a number between 2 and 20")),
    }
}

/// What is wrong with setting this option.
fn check(key: &str, value: &Value) -> Result<(), String> {
    let option = OPTIONS
        .iter()
        .find(|option| option.key == key)
        .ok_or_else(|| format!("cannot set \"core.{key}\": unsupported system option"))?;
    if value.is_null() {
        return Ok(());
    }
    (option.check)(value).map_or(Ok(()), Err)
}

/// What a run-hook task does for the system: there is no hook, the agent acts on the options itself.
pub(super) fn perform(task: &TaskContext, params: &HookParams) -> Result<(), TaskError> {
    for (key, value) in &params.patch {
        check(key, value).map_err(TaskError::new)?;
    }
    let world = task.world();
    let document = world
        .config
        .get(&*STORED)
        .map_or(Value::Null, |known| Value::clone(known));
    let document = config::patch(STORED.as_str(), &document, &params.patch)
        .map_err(|error| TaskError::new(error.to_string()))?;
    task.with_commit(move |tx| tx.put_config(&STORED, document));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn options() {
        assert_eq!(check("refresh.retain", &json!(3)), Ok(()));
        assert_eq!(check("refresh.retain", &json!("20")), Ok(()));
        assert_eq!(check("refresh.retain", &Value::Null), Ok(()));
        assert!(check("refresh.retain", &json!(21)).is_err());
        assert_eq!(
            check("no.such", &json!(1)),
            Err(String::from(
                "cannot set \"core.no.such\": unsupported system option"
            ))
        );
    }
}
