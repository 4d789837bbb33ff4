//! `set-health`: how a snap says that it is (contract: confinement, section 7; shown in `/v2/snaps`). What is said in
//! a hook counts once the hook has succeeded.

use super::{Caller, Flags, SnapctlOutput, required};
use crate::domain::record::{Health, HealthStatus};
use crate::domain::{Fault, Timestamp};
use crate::managers::settings::{Settings, hooks};

/// How long a message must be, and how much of it is kept, in characters.
const SHORTEST: usize = 7;
const LONGEST: usize = 70;

/// How long a code may be, in characters.
const CODE: std::ops::RangeInclusive<usize> = 3..=30;

impl Settings {
    pub(super) async fn set_health(
        &self,
        caller: &Caller<'_>,
        flags: &Flags,
    ) -> Result<SnapctlOutput, Fault> {
        let health = read(flags, self.store.clock().now(), caller.hook.is_some())?;
        if let Some(hook) = &caller.hook {
            hook.set_health(health);
            return Ok(SnapctlOutput::default());
        }
        let snap = caller.snap.clone();
        let said = self
            .store
            .commit_async(move |tx| hooks::put_health(tx, &snap, health));
        said.await.map_err(|error| Fault::internal(error.to_string()))?;
        Ok(SnapctlOutput::default())
    }
}

/// What the words say at `time`, in a hook or elsewhere.
fn read(flags: &Flags, time: Timestamp, by_hook: bool) -> Result<Health, Fault> {
    let word = flags.words.first().ok_or_else(|| required("<status>"))?;
    let message = flags.words.get(1).map_or("", String::as_str);
    let code = flags.value("code").unwrap_or_default();
    let Some(status) = HealthStatus::parse(word) else {
        let known: Vec<String> = HealthStatus::WORDS
            .iter()
            .map(|(_, word)| format!("{word:?}"))
            .collect();
        return Err(Fault::bad(format!(
            "invalid status {word:?}, must be one of {}",
            known.join(", ")
        )));
    };
    match status {
        HealthStatus::Unknown => return Err(Fault::bad("status cannot be manually set to \"unknown\"")),
        HealthStatus::Okay if !message.is_empty() || !code.is_empty() => {
            return Err(Fault::bad(
                "when status is \"okay\", message and code must be empty",
            ));
        }
        HealthStatus::Okay => {}
        _ if message.is_empty() => {
            return Err(Fault::bad("when status is not \"okay\", message is required"));
        }
        _ => check_texts(message, code)?,
    }
    Ok(Health {
        status,
        message: shortened(message),
        code: code.to_owned(),
        time,
        by_hook,
    })
}

fn check_texts(message: &str, code: &str) -> Result<(), Fault> {
    let length = message.chars().count();
    if length < SHORTEST {
        return Err(Fault::bad(format!(
            "message must be at least {SHORTEST} characters long (got {length})"
        )));
    }
    if code.is_empty() {
        return Ok(());
    }
    let length = code.chars().count();
    if !CODE.contains(&length) {
        return Err(Fault::bad(format!(
            "code must have between {} and {} characters, got {length}",
            CODE.start(),
            CODE.end()
        )));
    }
    let fits = code.starts_with(|first: char| first.is_ascii_lowercase())
        && !code.ends_with('-')
        && !code.contains("--")
        && code
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if fits {
        return Ok(());
    }
    Err(Fault::bad(format!(
        "invalid code {code:?} (code must start with lowercase ASCII letters, and contain only ASCII letters and numbers, optionally separated by single dashes)"
    )))
}

/// A message that fits, cut with an ellipsis if need be.
fn shortened(message: &str) -> String {
    if message.chars().count() <= LONGEST {
        return message.to_owned();
    }
    let mut kept: String = message.chars().take(LONGEST - 1).collect();
    kept.push('…');
    kept
}
