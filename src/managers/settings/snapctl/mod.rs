//! `snapctl`: what a snap's own processes may ask for, with the outputs that scripts know (contract: confinement,
//! section 7).

mod attributes;
mod flags;
mod hardware;
mod options;
mod services;

use super::Settings;
use super::context::HookContext;
use crate::domain::requester::Role;
use crate::domain::{ErrorKind, Fault, Requester, SnapName};
use flags::Flags;
use std::sync::Arc;

/// What a command printed, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapctlOutput {
    pub stdout: String,
    pub stderr: String,
    pub code: u8,
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

/// One command.
struct Command {
    name: &'static str,
    /// Users other than root may use it.
    for_all: bool,
    usage: &'static str,
}

const COMMANDS: [Command; 11] = [
    Command {
        name: "events",
        for_all: true,
        usage: "events [PLUG]\n\nPrint what happens at the hardware that is connected to the snap's plugs.\n",
    },
    Command {
        name: "get",
        for_all: true,
        usage: "get [-d] [-t] KEY...\n\nPrint configuration of the snap.\n",
    },
    Command {
        name: "is-connected",
        for_all: true,
        usage: "is-connected PLUG|SLOT\n\nEnd with 0 if the plug or slot is connected, else with 1.\n",
    },
    Command {
        name: "led",
        for_all: true,
        usage: "led NAME [on|off|BRIGHTNESS|blink [ON-MS OFF-MS]]\n\nShow or light a connected LED, by its plug or its own name.\n",
    },
    Command {
        name: "line",
        for_all: true,
        usage: "line NAME [0|1|watch]\n\nShow, set or watch a connected line, by its plug or its own name.\n",
    },
    Command {
        name: "restart",
        for_all: false,
        usage: "restart [--reload] SERVICE...\n\nRestart services of the snap.\n",
    },
    Command {
        name: "services",
        for_all: true,
        usage: "services [SERVICE...]\n\nList services of the snap.\n",
    },
    Command {
        name: "set",
        for_all: false,
        usage: "set [-s] [-t] KEY=VALUE... [KEY!...]\n\nSet configuration of the snap.\n",
    },
    Command {
        name: "start",
        for_all: false,
        usage: "start [--enable] SERVICE...\n\nStart services of the snap.\n",
    },
    Command {
        name: "stop",
        for_all: false,
        usage: "stop [--disable] SERVICE...\n\nStop services of the snap.\n",
    },
    Command {
        name: "unset",
        for_all: false,
        usage: "unset KEY...\n\nTake configuration of the snap away.\n",
    },
];

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
        match command.name {
            "get" => self.get(&caller, &Flags::read(rest, &["d", "t"], &["slot", "plug"])?),
            "set" => {
                self.set(&caller, &Flags::read(rest, &["s", "t"], &["slot", "plug"])?)
                    .await
            }
            "unset" => self.unset(&caller, &Flags::read(rest, &[], &[])?).await,
            "is-connected" => self.is_connected(&caller, &Flags::read(rest, &[], &[])?),
            "services" => self.list_services(&caller, &Flags::read(rest, &[], &[])?),
            "start" => {
                self.control(&caller, "start", &Flags::read(rest, &[], &["enable"])?)
                    .await
            }
            "stop" => {
                self.control(&caller, "stop", &Flags::read(rest, &[], &["disable"])?)
                    .await
            }
            "restart" => {
                self.control(&caller, "restart", &Flags::read(rest, &[], &["reload"])?)
                    .await
            }
            "line" => self.line(&caller, &Flags::read(rest, &[], &[])?),
            "led" => self.led(&caller, &Flags::read(rest, &[], &[])?),
            // The client reads the stream itself.
            _ => Err(Fault::bad("events are read from the event stream, not by a call")),
        }
    }

    fn is_connected(&self, caller: &Caller<'_>, flags: &Flags) -> Result<SnapctlOutput, Fault> {
        let [name] = flags.words.as_slice() else {
            return Err(Fault::bad("the required argument `<plug|slot>` was not provided"));
        };
        match self.interfaces.is_connected(&caller.snap, name) {
            Some(true) => Ok(SnapctlOutput::default()),
            Some(false) => Ok(SnapctlOutput::exit(1)),
            None => Err(Fault::bad(format!(
                "snap {:?} has no plug or slot named {name:?}",
                caller.snap.as_str()
            ))),
        }
    }
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
    let is_root = who.role == Role::Admin || who.uid == Some(0) || is_own_user(who);
    if is_root || command.is_some_and(|command| command.for_all) {
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
    let mut names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    let last = names.pop().unwrap_or_default();
    Fault::bad(format!(
        "Unknown command `{name}'. Please specify one command of: {} or {last}",
        names.join(", ")
    ))
}
