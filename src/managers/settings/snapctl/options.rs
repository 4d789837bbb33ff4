//! `get`, `set` and `unset`.

use super::super::config::{self, ConfigError};
use super::{Caller, Flags, SnapctlOutput, attributes};
use crate::domain::assignment::{self, Typing};
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
            assignment::with_tabs(&Value::Object(found))
        } else {
            assignment::shown(found.into_iter().next().map(|(_, value)| value), typed)
        };
        Ok(SnapctlOutput::printed(text + "\n"))
    }

    pub(super) async fn set(&self, caller: &Caller<'_>, flags: &Flags) -> Result<SnapctlOutput, Fault> {
        flags.not_both("t", "s")?;
        if flags.words.is_empty() {
            return Err(Fault::bad("set which option?"));
        }
        if is_end(&flags.words[0]) {
            let set = assigned(flags, &flags.words[1..])?;
            return attributes::set(caller, flags, &flags.words[0], set);
        }
        let patch = assigned(flags, &flags.words)?;
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

/// The assignments among a command's words.
fn assigned(flags: &Flags, words: &[String]) -> Result<Map<String, Value>, Fault> {
    let typing = match (flags.has("s"), flags.has("t")) {
        (true, _) => Typing::Text,
        (_, true) => Typing::Strict,
        _ => Typing::Lenient,
    };
    assignment::read(words, typing).map_err(|error| Fault::bad(error.to_string()))
}
