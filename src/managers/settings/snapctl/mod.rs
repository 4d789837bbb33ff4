//! `snapctl`: what a snap's own processes may ask for, with the outputs that scripts know (contract: confinement,
//! section 7).

mod attributes;
mod commands;
mod connected;
mod device;
mod flags;
mod hardware;
mod health;
mod options;
mod refresh;
mod services;

use super::Settings;
use super::context::HookContext;
use crate::domain::requester::Role;
use crate::domain::{ErrorKind, Fault, Plan, Requester, SnapName};
use commands::{COMMANDS, Command};
use flags::Flags;
use std::sync::Arc;

/// What a command printed, and how it ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SnapctlOutput {
    pub stdout: String,
    pub stderr: String,
    pub code: u8,
    /// The change that has to come to its end before the command does.
    pub change: Option<Plan>,
}

impl SnapctlOutput {
    fn printed(stdout: impl Into<String>) -> Self {
        Self {
            stdout: stdout.into(),
            ..Self::default()
        }
    }

    fn exit(code: u8) -> Self {
        Self {
            code,
            ..Self::default()
        }
    }
}

/// Who calls: a process of a snap, perhaps within a hook.
pub(super) struct Caller<'a> {
    pub snap: SnapName,
    pub hook: Option<Arc<HookContext>>,
    pub who: &'a Requester,
}

impl Caller<'_> {
    /// The hook of that name calls.
    fn is_hook(&self, name: &str) -> bool {
        self.hook.as_ref().is_some_and(|hook| hook.hook == name)
    }
}

impl Settings {
    /// Does what a snap's process asks for. `who` must have been recognised by `cookie`.
    ///
    /// # Errors
    /// `BadRequest` with the contract's text; `Forbidden` for a command that the user may not use.
    pub async fn snapctl(
        &self,
        who: &Requester,
        cookie: &str,
        args: &[String],
    ) -> Result<SnapctlOutput, Fault> {
        let (name, rest) = args
            .split_first()
            .ok_or_else(|| Fault::bad("snapctl cannot run without args"))?;
        let command = COMMANDS.iter().find(|command| command.name == name);
        if let Some(output) = help(name, rest, command) {
            return Ok(output);
        }
        check_user(who, name, command)?;
        let snap = who.snap.clone().ok_or_else(|| {
            Fault::bad(format!(
                "cannot invoke snapctl operation commands (here {name:?}) from outside of a snap"
            ))
        })?;
        let Some(command) = command else {
            return Err(unknown(name));
        };
        let hook = self.context(cookie).filter(|context| context.snap == snap);
        let caller = Caller { snap, hook, who };
        let flags = Flags::read(rest, command.flags)?;
        match command.name {
            "get" => self.get(&caller, &flags),
            "set" => self.set(&caller, &flags).await,
            "unset" => self.unset(&caller, &flags).await,
            "is-connected" => self.is_connected(&caller, &flags),
            "services" => self.list_services(&caller, &flags),
            "start" | "stop" | "restart" => self.control(&caller, command.name, &flags),
            "set-health" => self.set_health(&caller, &flags).await,
            "refresh" => refresh::refresh(&caller, &flags),
            "line" => self.line(&caller, &flags),
            "led" => self.led(&caller, &flags),
            "system-mode" => Ok(self.system_mode()),
            "model" => Err(device::model(&caller)),
            "mount" => Err(device::mount(&caller, &flags)),
            "umount" => Err(device::umount(&flags)),
            "kmod" => Err(device::kmod(&flags)),
            "reboot" => Err(device::reboot()),
            "fde-setup-request" | "fde-setup-result" => Err(device::encryption(command.name)),
            // The client reads the stream itself.
            _ => Err(Fault::bad("events are read from the event stream, not by a call")),
        }
    }
}

/// A word that must be there.
fn required(what: &str) -> Fault {
    Fault::bad(format!("the required argument `{what}` was not provided"))
}

/// Usage needs neither a context nor rights.
fn help(name: &str, rest: &[String], command: Option<&Command>) -> Option<SnapctlOutput> {
    let asks = |word: &str| word == "-h" || word == "--help";
    if asks(name) {
        let mut text = String::from("Usage: snapctl COMMAND [ARGS]\n\nCommands:\n");
        for command in &COMMANDS {
            let line = command.usage.lines().next().unwrap_or_default();
            text.push_str(&format!("  {line}\n"));
        }
        return Some(SnapctlOutput::printed(text));
    }
    let command = command?;
    rest.iter()
        .take_while(|word| *word != "--")
        .any(|word| asks(word))
        .then(|| SnapctlOutput::printed(format!("Usage: snapctl {}", command.usage)))
}

/// The user is looked at before the command is.
fn check_user(who: &Requester, name: &str, command: Option<&Command>) -> Result<(), Fault> {
    if command.is_some_and(|command| command.for_all) {
        return Ok(());
    }
    check_rights(who, name)
}

/// Who acts for a snap: root, and the agent's own user. Everybody else may only look.
fn check_rights(who: &Requester, name: &str) -> Result<(), Fault> {
    if who.role == Role::Admin || who.uid == Some(0) || is_own_user(who) {
        return Ok(());
    }
    let uid = who
        .uid
        .map_or_else(|| String::from("unknown"), |uid| uid.to_string());
    Err(Fault::new(
        ErrorKind::Forbidden,
        format!("cannot use {name:?} with uid {uid}, try with sudo"),
    ))
}

/// Developer mode: the agent's own user has root's rights (decision 1).
fn is_own_user(who: &Requester) -> bool {
    who.uid == Some(nix::unistd::Uid::effective().as_raw())
}

fn unknown(name: &str) -> Fault {
    if let Some(flag) = name.strip_prefix("--").or_else(|| name.strip_prefix('-')) {
        return flags::unknown(flag);
    }
    let listed = COMMANDS.iter().filter(|command| command.listed);
    let mut names: Vec<&str> = listed.map(|command| command.name).collect();
    let last = names.pop().unwrap_or_default();
    Fault::bad(format!(
        "Unknown command `{name}'. Please specify one command of: {} or {last}",
        names.join(", ")
    ))
}
