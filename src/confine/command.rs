//! Which command of a snap is meant and what its arguments are (contract: confinement, section 1.3).

use super::environment::lookup;
use super::{Launch, LaunchError, tag_of_app, tag_of_hook};
use crate::domain::snap::{AppInfo, HookInfo};
use crate::domain::{Dirs, SnapInfo, SnapName};
use std::ffi::OsString;

/// A command of an app, or a hook.
#[derive(Clone, Debug, PartialEq)]
pub enum Which {
    App { app: Box<AppInfo>, command: String },
    Hook(HookInfo),
}

impl Which {
    /// The one that was asked for.
    pub fn choose(
        info: &SnapInfo,
        app: &str,
        hook: Option<&str>,
        command: Option<&str>,
    ) -> Result<Self, LaunchError> {
        let snap = || info.name.to_string();
        if info.base.as_deref() == Some("none") {
            return Err(LaunchError::NoBase);
        }
        if let Some(hook) = hook {
            let found = info.hooks.get(hook).ok_or_else(|| LaunchError::NoHook {
                hook: hook.to_owned(),
                snap: snap(),
            })?;
            return Ok(Self::Hook(found.clone()));
        }
        let found = info.apps.get(app).ok_or_else(|| LaunchError::NoApp {
            app: app.to_owned(),
            snap: snap(),
        })?;
        let text = match command {
            None => Some(&found.command),
            Some("stop") => found.stop_command.as_ref(),
            Some("reload") => found.reload_command.as_ref(),
            Some("post-stop") => found.post_stop_command.as_ref(),
            Some(other) => return Err(LaunchError::BadCommand(other.to_owned())),
        };
        let text = text.ok_or_else(|| LaunchError::NoCommand {
            command: command.unwrap_or_default().to_owned(),
            app: app.to_owned(),
        })?;
        Ok(Self::App {
            app: Box::new(found.clone()),
            command: text.clone(),
        })
    }

    /// The name of the hook, if it is one.
    pub fn hook_name(&self) -> Option<&str> {
        match self {
            Self::App { .. } => None,
            Self::Hook(hook) => Some(&hook.name),
        }
    }

    /// Its security tag.
    pub fn tag(&self, snap: &SnapName) -> String {
        match self {
            Self::App { app, .. } => tag_of_app(snap, &app.name),
            Self::Hook(hook) => tag_of_hook(snap, &hook.name),
        }
    }

    /// Its own part of the environment.
    pub fn environment(&self) -> &[(String, String)] {
        match self {
            Self::App { app, .. } => &app.environment,
            Self::Hook(hook) => &hook.environment,
        }
    }

    /// The plugs that are bound to it.
    pub fn plugs(&self) -> &[String] {
        match self {
            Self::App { app, .. } => &app.plugs,
            Self::Hook(hook) => &hook.plugs,
        }
    }

    fn chain(&self) -> &[String] {
        match self {
            Self::App { app, .. } => &app.command_chain,
            Self::Hook(hook) => &hook.command_chain,
        }
    }
}

/// Program and arguments: the command chain, the command, its own words with variables expanded (those that come out
/// empty are dropped), and what the person added.
pub fn argv(
    dirs: &Dirs,
    launch: &Launch,
    which: &Which,
    env: &[(OsString, OsString)],
    args: &[OsString],
) -> Vec<OsString> {
    let base = dirs.snap_mount(&launch.info.name, launch.revision);
    let mut argv: Vec<OsString> = which
        .chain()
        .iter()
        .map(|part| base.join(part).into_os_string())
        .collect();
    match which {
        Which::Hook(hook) => argv.push(base.join("meta/hooks").join(&hook.name).into_os_string()),
        Which::App { command, .. } => {
            let mut words = command.split(' ').filter(|word| !word.is_empty());
            argv.push(base.join(words.next().unwrap_or_default()).into_os_string());
            argv.extend(
                words
                    .map(|word| expand(word, |name| lookup(env, name)))
                    .filter(|word| !word.is_empty()),
            );
            argv.extend_from_slice(args);
        }
    }
    argv
}

/// The kernel starts no program with a longer variable or word, in bytes.
const LONGEST: usize = 128 * 1024;

/// Replaces `$NAME` and `${NAME}`; an unknown name becomes nothing, a lone `$` stays. What is too long for the kernel
/// is cut where it is too long already: variables that use each other twice would double without end.
pub fn expand(text: &str, value: impl Fn(&str) -> Option<OsString>) -> OsString {
    let mut out = OsString::new();
    let mut rest = text;
    while let Some(position) = rest.find('$') {
        if out.len() > LONGEST {
            return out;
        }
        out.push(&rest[..position]);
        let after = &rest[position + 1..];
        let (name, length) = variable_name(after);
        if length == 0 {
            out.push("$");
        } else if let Some(value) = value(name) {
            out.push(value);
        }
        rest = &after[length..];
    }
    out.push(rest);
    out
}

/// The name at the start of a text that followed a `$`, and how many bytes it takes.
fn variable_name(text: &str) -> (&str, usize) {
    if let Some(inner) = text.strip_prefix('{') {
        return match inner.find('}') {
            Some(end) => (&inner[..end], end + 2),
            // Never closed: the brace is eaten, as the contract's implementation does.
            None => ("", 1),
        };
    }
    let word = text
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count();
    // A digit is a name of its own ($1), like the shell's other positional ones.
    let length = match text.bytes().next() {
        Some(first) if first.is_ascii_digit() => 1,
        _ => word,
    };
    (&text[..length], length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expanded(text: &str) -> String {
        expand(text, |name| match name {
            "A" => Some("one".into()),
            "LONG_1" => Some("two".into()),
            _ => None,
        })
        .into_string()
        .expect("text")
    }

    #[test]
    fn variables_are_replaced() {
        for (text, result) in [
            ("$A", "one"),
            ("${A}x$LONG_1/", "onextwo/"),
            ("x${NOSUCH}y", "xy"),
            ("$NOSUCH", ""),
            ("a$", "a$"),
            ("$-x", "$-x"),
            ("${A", "A"),
            ("$1x", "x"),
            ("plain", "plain"),
        ] {
            assert_eq!(expanded(text), result, "{text}");
        }
    }

    #[test]
    fn variables_that_double_each_other_stay_bounded() {
        let mut last = OsString::from("x".repeat(1000));
        for _ in 0..64 {
            last = expand("$A$A$A$A", |_| Some(last.clone()));
        }
        // Too long for the kernel, so that its refusal is seen, and no longer than two such values and a bit.
        assert!((LONGEST..4 * LONGEST).contains(&last.len()), "{}", last.len());
    }

    proptest! {
        #[test]
        fn any_text_is_expanded(text in "[$\\{\\}A1_ä-]{0,30}") {
            let out = expanded(&text);
            prop_assert!(out.len() <= 3 * text.len());
            if !text.contains('$') {
                prop_assert_eq!(out, text);
            }
        }
    }
}
