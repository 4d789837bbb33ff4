//! The command line: speaks to the agent only through the client.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage.

pub mod args;
mod board;
mod commands;
mod completions;
mod demo;
mod live;
mod progress;
mod session;
pub mod snapctl;
mod table;
mod terminal;
mod time;
mod tree;
mod words;

use crate::client::Client;
use crate::domain::Dirs;
use args::{Ask, Common};
use commands::{aliases, changes, connections, hardware, revisions, services, settings, snaps, system};
use serde_json::json;
use session::{Failure, Outcome, Session};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
pub use words::Stop;

/// Tells why there is no command to run, and gives the exit code.
pub fn stopped(stop: &Stop) -> ExitCode {
    let (written, code) = match stop {
        Stop::Asked(text) => (std::io::stdout().write_all(text.as_bytes()), 0),
        Stop::Wrong(text) => (std::io::stderr().write_all(text.as_bytes()), 2),
    };
    // Who closed the stream does not want to read.
    drop(written);
    ExitCode::from(code)
}

/// Tells what was packed.
pub fn packed(common: &Common, path: &Path, size: u64, warnings: &[String]) -> ExitCode {
    let session = session(common);
    for warning in warnings {
        session.remark(format_args!("warning: {warning}"));
    }
    let outcome = match common.json {
        true => session.print_json(&json!({"path": path, "size": size, "warnings": warnings})),
        false => session.say(format_args!("built: {}", path.display())),
    };
    ended(&session, common, outcome)
}

/// Tells why something was not done.
pub fn failed(common: &Common, error: &dyn std::error::Error) -> ExitCode {
    ended(&session(common), common, Err(Failure::new(error.to_string())))
}

/// Runs a command that talks to the agent.
pub fn run(common: &Common, command: &Ask) -> ExitCode {
    let session = session(common);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(&session, command)),
        Err(error) => Err(Failure::new(format!("cannot start: {error}"))),
    };
    if outcome.is_ok() && !matches!(command, Ask::Warnings { .. } | Ask::Okay) {
        session.remind_of_warnings();
    }
    ended(&session, common, outcome)
}

/// The last words and the exit code of a command.
fn ended(session: &Session, common: &Common, outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) | Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(Failure::Absent(text)) => {
            let said = maintenance(&common.root)
                .map_or(String::new(), |said| format!(" (before it went it said: {said})"));
            session.remark(format_args!("error: {text}{said}"));
            ExitCode::from(1)
        }
        Err(Failure::Failed(text)) => {
            session.remark(format_args!("error: {text}"));
            ExitCode::from(1)
        }
        Err(Failure::Usage(text)) => {
            session.remark(format_args!("error: {text}"));
            ExitCode::from(2)
        }
    }
}

/// Why the agent is away, when it said so before it went (contract: v2, section 1).
fn maintenance(root: &Path) -> Option<String> {
    let text = std::fs::read(Dirs::new(root).maintenance()).ok()?;
    let said: serde_json::Value = serde_json::from_slice(&text).ok()?;
    Some(format!(
        "{}; try again in a moment",
        said.get("message")?.as_str()?
    ))
}

fn session(common: &Common) -> Session {
    let socket = common
        .socket
        .clone()
        .unwrap_or_else(|| Dirs::new(&common.root).main_socket());
    Session {
        client: Client::new(socket),
        json: common.json,
    }
}

async fn dispatch(session: &Session, command: &Ask) -> Outcome {
    match command {
        Ask::List(args) => snaps::list(session, args).await,
        Ask::Info { snaps: names } => snaps::info(session, names).await,
        Ask::Install(args) => snaps::install(session, args).await,
        Ask::Remove(args) => snaps::remove(session, args).await,
        Ask::Act(args) => revisions::act(session, args).await,
        Ask::Refresh { snaps: names, wait } => revisions::refresh(session, names, wait.no_wait).await,
        Ask::Try(args) => revisions::try_folder(session, args).await,
        Ask::Connections { all, snap } => connections::connections(session, *all, snap.as_deref()).await,
        Ask::Connect { plug, slot, wait } => {
            connections::connect(session, plug, slot.as_deref(), wait.no_wait).await
        }
        Ask::Disconnect {
            first,
            slot,
            forget,
            wait,
        } => connections::disconnect(session, first, slot.as_deref(), *forget, wait.no_wait).await,
        Ask::Interface { all, attrs, name } => {
            connections::interface(session, *all, *attrs, name.as_deref()).await
        }
        Ask::Services { names } => services::list(session, names).await,
        Ask::Start { names, enable, wait } => {
            control(session, "start", names, enable.then_some("enable"), wait.no_wait).await
        }
        Ask::Stop { names, disable, wait } => {
            control(session, "stop", names, disable.then_some("disable"), wait.no_wait).await
        }
        Ask::Restart { names, reload, wait } => {
            control(
                session,
                "restart",
                names,
                reload.then_some("reload"),
                wait.no_wait,
            )
            .await
        }
        Ask::Logs { names, lines, follow } => services::logs(session, names, lines.as_deref(), *follow).await,
        Ask::Changes { abs_time, snap } => changes::list(session, snap.as_deref(), *abs_time).await,
        Ask::Tasks { abs_time, which } => changes::tasks(session, which, *abs_time).await,
        Ask::Watch { which } => changes::watch(session, which).await,
        Ask::Abort { which } => changes::abort(session, which).await,
        Ask::Get(wanted) => settings::get(session, wanted).await,
        Ask::Set(wanted) => settings::set(session, wanted).await,
        Ask::Unset { snap, keys, wait } => settings::unset(session, snap, keys, wait.no_wait).await,
        Ask::Warnings { all } => system::warnings(session, *all).await,
        Ask::Okay => system::okay(session).await,
        Ask::Aliases { snap } => aliases::list(session, snap.as_deref()).await,
        Ask::Alias { command, alias, wait } => aliases::alias(session, command, alias, wait.no_wait).await,
        Ask::Unalias { name, wait } => aliases::unalias(session, name, wait.no_wait).await,
        Ask::Prefer { snap, wait } => aliases::prefer(session, snap, wait.no_wait).await,
        Ask::Notices { kinds, after, wait } => {
            system::notices(session, kinds.as_deref(), after.as_deref(), wait.as_deref()).await
        }
        Ask::Debug { what, text } => system::debug(session, what, text.as_deref()).await,
        Ask::Board { watch } => hardware::board(session, *watch).await,
        Ask::Line(args) => hardware::line(session, args).await,
        Ask::Led(args) => hardware::led(session, args).await,
        Ask::Events => hardware::follow(session, None).await,
        Ask::Sim(what) => hardware::sim(session, what).await,
        Ask::Demo { stay } => demo::run(session, *stay).await,
        Ask::Completions { shell } => session.print(completions::script(*shell)),
        Ask::Version => system::version(session).await,
        Ask::Help { topic } => system::help(session, topic),
    }
}

async fn control(
    session: &Session,
    action: &str,
    names: &[String],
    option: Option<&str>,
    no_wait: bool,
) -> Outcome {
    let order = services::Order {
        action,
        names,
        option,
        no_wait,
    };
    services::control(session, order).await
}
