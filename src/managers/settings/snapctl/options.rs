//! `get`, `set` and `unset`.

use super::super::config::{self, ConfigError};
use super::{Caller, Flags, SnapctlOutput, attributes};
use crate::domain::{Fault, SnapName};
use crate::managers::settings::Settings;
use crate::store::StoreError;
use serde_json::{Map, Value};

fn refused(error: &ConfigError) -> Fault {
    Fault::bad(error.to_string())
}

/// A plug or slot, written with a colon; its attributes are for interface hooks.
fn is_end(word: &str) -> bool {
    word.starts_with(':')
}

impl Settings {
    fn document(&self, caller: &Caller<'_>) -> Value {
        match &caller.hook {
            Some(hook) => hook.document(),
            None => config::document(&self.store.world(), &caller.snap),
        }
    }

    pub(super) fn get(&self, caller: &Caller<'_>, flags: &Flags) -> Result<SnapctlOutput, Fault> {
        let (as_document, typed) = (flags.has("d"), flags.has("t"));
        flags.not_both("d", "t")?;
        let keys = &flags.words;
        match keys.first() {
            None => return Err(Fault::bad("get which option?")),
            Some(first) if first.is_empty() => return Err(Fault::bad("get which option?")),
            Some(first) if is_end(first) => return attributes::get(caller, flags, first),
            Some(_) => {}
        }
        let document = self.document(caller);
        let mut found = Map::new();
        for key in keys {
            let value = config::get(caller.snap.as_str(), &document, key).map_err(|error| refused(&error))?;
            if let Some(value) = value {
                found.insert(key.clone(), value.clone());
            }
        }
        let text = if as_document || keys.len() > 1 {
            config::with_tabs(&Value::Object(found))
        } else {
            shown(found.into_iter().next().map(|(_, value)| value), typed)
        };
        Ok(SnapctlOutput::printed(text + "\n"))
    }

    pub(super) async fn set(&self, caller: &Caller<'_>, flags: &Flags) -> Result<SnapctlOutput, Fault> {
        let (as_string, typed) = (flags.has("s"), flags.has("t"));
        flags.not_both("t", "s")?;
        if flags.words.is_empty() {
            return Err(Fault::bad("set which option?"));
        }
        if is_end(&flags.words[0]) {
            let set = assignments(&flags.words[1..], as_string, typed)?;
            return attributes::set(caller, flags, &flags.words[0], set);
        }
        let patch = assignments(&flags.words, as_string, typed)?;
        self.store_patch(caller, patch).await
    }

    pub(super) async fn unset(&self, caller: &Caller<'_>, flags: &Flags) -> Result<SnapctlOutput, Fault> {
        if flags.words.is_empty() {
            return Err(Fault::bad("unset which option?"));
        }
        let patch = flags.words.iter().map(|key| (key.clone(), Value::Null)).collect();
        self.store_patch(caller, patch).await
    }

    /// Keeps a patch, whole or not at all: in the hook until it succeeds, else at once.
    async fn store_patch(
        &self,
        caller: &Caller<'_>,
        patch: Map<String, Value>,
    ) -> Result<SnapctlOutput, Fault> {
        if let Some(hook) = &caller.hook {
            hook.patch(&patch).map_err(|error| refused(&error))?;
            return Ok(SnapctlOutput::default());
        }
        let snap: SnapName = caller.snap.clone();
        let patched = self
            .store
            .commit_async(move |tx| {
                let document = config::document(tx.world(), &snap);
                match config::patch(snap.as_str(), &document, &patch) {
                    Ok(patched) if patched == document => Ok(()),
                    Ok(patched) => tx.put_config(&snap, patched),
                    Err(error) => Err(StoreError::Refused(error.to_string())),
                }
            })
            .await;
        match patched {
            Ok(()) => Ok(SnapctlOutput::default()),
            Err(StoreError::Refused(reason)) => Err(Fault::bad(reason)),
            Err(error) => Err(Fault::internal(error.to_string())),
        }
    }
}

/// `key=value` words; `key!` is null.
fn assignments(words: &[String], as_string: bool, typed: bool) -> Result<Map<String, Value>, Fault> {
    let mut patch = Map::new();
    for word in words {
        if let Some(key) = word.strip_suffix('!').filter(|key| !key.is_empty()) {
            patch.insert(key.to_owned(), Value::Null);
            continue;
        }
        let (key, text) = word
            .split_once('=')
            .ok_or_else(|| Fault::bad(format!("invalid parameter: {word:?} (want key=value)")))?;
        patch.insert(key.to_owned(), parsed(text, as_string, typed)?);
    }
    Ok(patch)
}

/// One value as `get` prints it: text as it is, everything else as JSON; nothing for what is not there.
pub(super) fn shown(value: Option<Value>, typed: bool) -> String {
    match value {
        None if typed => String::from("null"),
        None => String::new(),
        Some(Value::String(text)) if !typed => text,
        Some(value) => config::with_tabs(&value),
    }
}

fn parsed(text: &str, as_string: bool, typed: bool) -> Result<Value, Fault> {
    if as_string {
        return Ok(Value::String(text.to_owned()));
    }
    match serde_json::from_slice(text.as_bytes()) {
        Ok(value) => Ok(value),
        Err(_) if !typed => Ok(Value::String(text.to_owned())),
        Err(error) => Err(Fault::bad(format!(
            "failed to parse JSON: {}",
            reason(text, &error)
        ))),
    }
}

/// What is wrong with a text that should be JSON, in the words that scripts know.
fn reason(text: &str, error: &serde_json::Error) -> String {
    if error.is_eof() {
        return String::from("unexpected end of JSON input");
    }
    let line = text
        .lines()
        .nth(error.line().saturating_sub(1))
        .unwrap_or_default();
    let at = error.column().saturating_sub(1);
    let found = line.get(at..).and_then(|rest| rest.chars().next());
    let told = error.to_string();
    match found {
        Some(found) if told.starts_with("trailing characters") => {
            format!("invalid character {found:?} after top-level value")
        }
        Some(found) if told.starts_with("expected value") => {
            format!("invalid character {found:?} looking for beginning of value")
        }
        _ => told,
    }
}
