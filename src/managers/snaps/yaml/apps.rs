//! The rules for apps and hooks.

use super::raw::{RawApp, RawHook};
use super::{SnapYamlError, words};
use crate::domain::names::{self, is_app_name};
use crate::domain::snap::{AppInfo, Daemon, HookInfo, RestartCondition, SocketInfo};
use crate::domain::{Schedule, sort};
use std::collections::{BTreeMap, BTreeSet};

const STOP_MODES: [&str; 10] = [
    "sigterm",
    "sigterm-all",
    "sighup",
    "sighup-all",
    "sigusr1",
    "sigusr1-all",
    "sigusr2",
    "sigusr2-all",
    "sigint",
    "sigint-all",
];

/// One app, still without the plugs and slots that are bound to all.
pub(super) fn app(snap: &str, name: &str, raw: RawApp) -> Result<AppInfo, SnapYamlError> {
    if !is_app_name(name) {
        return Err(wrong(name, "its name", "use letters, digits and single dashes"));
    }
    let command = raw.command.unwrap_or_default();
    if command.trim().is_empty() {
        return Err(wrong(
            name,
            "it has no command",
            "say which file of the snap it runs",
        ));
    }
    for (what, text) in [
        ("command", Some(&command)),
        ("stop-command", raw.stop_command.as_ref()),
        ("reload-command", raw.reload_command.as_ref()),
        ("post-stop-command", raw.post_stop_command.as_ref()),
        ("completer", raw.completer.as_ref()),
    ] {
        if text.is_some_and(|text| !words::is_command(text)) {
            return Err(wrong(
                name,
                &format!("its {what} has characters that are not allowed"),
                "use letters, digits, spaces and /._#:$-",
            ));
        }
    }
    let command_chain = chain(name, raw.command_chain)?;
    for alias in raw.aliases.unwrap_or_default() {
        if !words::is_alias(&alias) {
            return Err(wrong(
                name,
                &format!("its alias {alias:?} is not a name"),
                "use letters, digits and -_.",
            ));
        }
    }
    let daemon = daemon(name, raw.daemon.as_deref())?;
    let user = scope(name, raw.daemon_scope.as_deref(), daemon)?;
    only_services(
        name,
        daemon,
        &[
            ("stop-command", raw.stop_command.is_some()),
            ("reload-command", raw.reload_command.is_some()),
            ("post-stop-command", raw.post_stop_command.is_some()),
            ("start-timeout", raw.start_timeout.is_some()),
            ("stop-timeout", raw.stop_timeout.is_some()),
            ("watchdog-timeout", raw.watchdog_timeout.is_some()),
            ("restart-condition", raw.restart_condition.is_some()),
            ("restart-delay", raw.restart_delay.is_some()),
            ("stop-mode", raw.stop_mode.is_some()),
            ("install-mode", raw.install_mode.is_some()),
            ("sockets", raw.sockets.is_some()),
            ("timer", raw.timer.is_some()),
            ("activates-on", raw.activates_on.is_some()),
            ("after", raw.after.is_some()),
            ("before", raw.before.is_some()),
        ],
    )?;
    let restart_condition = restart_condition(name, raw.restart_condition.as_deref(), daemon)?;
    let refresh_mode = refresh_mode(name, raw.refresh_mode, daemon)?;
    let stop_mode = one_of(name, "stop-mode", raw.stop_mode, &STOP_MODES)?;
    let install_mode = one_of(name, "install-mode", raw.install_mode, &["enable", "disable"])?;
    if let Some(Err(error)) = raw.timer.as_deref().map(Schedule::parse) {
        return Err(wrong(name, "its timer is not a schedule", &error.to_string()));
    }
    if raw
        .bus_name
        .as_deref()
        .is_some_and(|bus| !names::is_bus_name(bus))
    {
        return Err(wrong(
            name,
            "its bus-name is no name on a bus",
            "write parts of letters, digits, _ and - joined by dots, such as org.example.Lamp",
        ));
    }
    Ok(AppInfo {
        name: name.to_owned(),
        command,
        command_chain,
        daemon,
        daemon_scope_user: user,
        stop_command: raw.stop_command,
        reload_command: raw.reload_command,
        post_stop_command: raw.post_stop_command,
        start_timeout: milliseconds(name, "start-timeout", raw.start_timeout)?,
        stop_timeout: milliseconds(name, "stop-timeout", raw.stop_timeout)?,
        watchdog_timeout: milliseconds(name, "watchdog-timeout", raw.watchdog_timeout)?,
        restart_condition,
        restart_delay: milliseconds(name, "restart-delay", raw.restart_delay)?,
        refresh_mode,
        stop_mode,
        install_disabled: install_mode == "disable",
        plugs: raw.plugs.unwrap_or_default(),
        slots: raw.slots.unwrap_or_default(),
        bus_name: raw.bus_name,
        activates_on: raw.activates_on.unwrap_or_default(),
        common_id: raw.common_id,
        environment: raw.environment,
        sockets: sockets(snap, name, raw.sockets.unwrap_or_default())?,
        after: raw.after.unwrap_or_default(),
        before: raw.before.unwrap_or_default(),
        timer: raw.timer,
        autostart: raw.autostart,
        completer: raw.completer,
    })
}

/// One hook that the file declares.
pub(super) fn hook(name: &str, raw: RawHook) -> Result<HookInfo, SnapYamlError> {
    Ok(HookInfo {
        name: name.to_owned(),
        plugs: raw.plugs.unwrap_or_default(),
        slots: raw.slots.unwrap_or_default(),
        environment: raw.environment,
        command_chain: chain(name, raw.command_chain)?,
    })
}

fn wrong(app: &str, what: &str, advice: &str) -> SnapYamlError {
    super::rule(format!("app {app:?} is wrong, {what}: {advice}"))
}

fn chain(name: &str, items: Option<Vec<String>>) -> Result<Vec<String>, SnapYamlError> {
    let items = items.unwrap_or_default();
    match items.iter().find(|item| !words::is_chain_item(item)) {
        Some(item) => Err(wrong(
            name,
            &format!("its command-chain has {item:?}"),
            "use letters, digits and /._#:$-, no spaces",
        )),
        None => Ok(items),
    }
}

fn daemon(name: &str, text: Option<&str>) -> Result<Option<Daemon>, SnapYamlError> {
    Ok(match text {
        None | Some("") => None,
        Some("simple") => Some(Daemon::Simple),
        Some("forking") => Some(Daemon::Forking),
        Some("oneshot") => Some(Daemon::Oneshot),
        Some("dbus") => Some(Daemon::Dbus),
        Some("notify") => Some(Daemon::Notify),
        Some(other) => {
            return Err(wrong(
                name,
                &format!("its daemon is {other:?}"),
                "use simple, forking, oneshot, dbus or notify",
            ));
        }
    })
}

fn scope(name: &str, text: Option<&str>, daemon: Option<Daemon>) -> Result<bool, SnapYamlError> {
    match (text, daemon) {
        (None | Some("system"), Some(_)) | (None, None) => Ok(false),
        (Some("user"), Some(_)) => Ok(true),
        (Some(_), None) => Err(wrong(
            name,
            "it has a daemon-scope but is no daemon",
            "add a daemon or remove the scope",
        )),
        (Some(other), Some(_)) => Err(wrong(
            name,
            &format!("its daemon-scope is {other:?}"),
            "use system or user",
        )),
    }
}

fn only_services(
    name: &str,
    daemon: Option<Daemon>,
    given: &[(&'static str, bool)],
) -> Result<(), SnapYamlError> {
    if daemon.is_some() {
        return Ok(());
    }
    match given.iter().find(|(_, given)| *given) {
        Some((key, _)) => Err(wrong(
            name,
            &format!("{key} is for services only"),
            "add daemon: simple, or remove it",
        )),
        None => Ok(()),
    }
}

fn restart_condition(
    name: &str,
    text: Option<&str>,
    daemon: Option<Daemon>,
) -> Result<RestartCondition, SnapYamlError> {
    let given = match text {
        None => None,
        Some("no" | "never" | "false") => Some(RestartCondition::Never),
        Some("on-success") => Some(RestartCondition::OnSuccess),
        Some("on-failure") => Some(RestartCondition::OnFailure),
        Some("on-abnormal") => Some(RestartCondition::OnAbnormal),
        Some("on-abort") => Some(RestartCondition::OnAbort),
        Some("on-watchdog") => Some(RestartCondition::OnWatchdog),
        Some("always") => Some(RestartCondition::Always),
        Some(other) => {
            return Err(wrong(
                name,
                &format!("its restart-condition is {other:?}"),
                "use never, on-success, on-failure, on-abnormal, on-abort, on-watchdog or always",
            ));
        }
    };
    Ok(match daemon {
        Some(Daemon::Oneshot) => RestartCondition::Never,
        _ => given.unwrap_or_default(),
    })
}

fn refresh_mode(name: &str, text: Option<String>, daemon: Option<Daemon>) -> Result<String, SnapYamlError> {
    let allowed: &[&str] = match daemon {
        Some(_) => &["restart", "endure"],
        None => &["ignore-running"],
    };
    one_of(name, "refresh-mode", text, allowed)
}

fn one_of(name: &str, key: &str, text: Option<String>, allowed: &[&str]) -> Result<String, SnapYamlError> {
    match text {
        None => Ok(String::new()),
        Some(text) if text.is_empty() || allowed.contains(&text.as_str()) => Ok(text),
        Some(text) => Err(wrong(
            name,
            &format!("its {key} is {text:?}"),
            &format!("use {}", allowed.join(", ")),
        )),
    }
}

fn milliseconds(name: &str, key: &str, text: Option<String>) -> Result<Option<u64>, SnapYamlError> {
    let Some(text) = text else { return Ok(None) };
    match words::duration_ms(&text).map(u64::try_from) {
        Some(Ok(length)) => Ok(Some(length)),
        Some(Err(_)) => Err(wrong(
            name,
            &format!("its {key} {text:?} is negative"),
            "use a length from 0 up",
        )),
        None => Err(wrong(
            name,
            &format!("its {key} {text:?} is no length of time"),
            "write a number with a unit, such as 30s or 1m30s",
        )),
    }
}

fn sockets(
    snap: &str,
    app: &str,
    raw: BTreeMap<String, Option<super::raw::RawSocket>>,
) -> Result<BTreeMap<String, SocketInfo>, SnapYamlError> {
    let mut sockets = BTreeMap::new();
    for (name, socket) in raw {
        let socket = socket.unwrap_or_default();
        if !words::is_socket_name(&name) {
            return Err(wrong(
                app,
                &format!("its socket {name:?} is not a name"),
                "use a-z, 0-9 and single dashes",
            ));
        }
        let listen_stream = socket.listen_stream.unwrap_or_default();
        if !words::is_listen_stream(&listen_stream, snap) {
            return Err(wrong(
                app,
                &format!("its socket {name:?} cannot listen on {listen_stream:?}"),
                &format!(
                    "use a path below $SNAP_DATA, $SNAP_COMMON or $XDG_RUNTIME_DIR, @snap.{snap}.NAME, or a port"
                ),
            ));
        }
        let mode = match &socket.socket_mode {
            None => None,
            Some(text) => Some(words::octal_mode(text, 0o777).ok_or_else(|| {
                wrong(
                    app,
                    &format!("the mode {text:?} of its socket {name:?} is too large or no number"),
                    "use an octal number up to 0777",
                )
            })?),
        };
        sockets.insert(name, SocketInfo { listen_stream, mode });
    }
    Ok(sockets)
}

/// What only holds between the apps of a snap: order without cycles, sockets with their plug, D-Bus activation.
pub(super) fn together(info: &crate::domain::SnapInfo) -> Result<(), SnapYamlError> {
    for app in info.apps.values() {
        for other in app.after.iter().chain(&app.before) {
            let fits = other != &app.name
                && info
                    .apps
                    .get(other)
                    .is_some_and(|peer| peer.is_service() && peer.daemon_scope_user == app.daemon_scope_user);
            if !fits {
                return Err(wrong(
                    &app.name,
                    &format!("its before/after names {other:?}"),
                    "name other services of this snap with the same scope",
                ));
            }
        }
        let bound_to_network = app.plugs.iter().any(|plug| {
            info.plugs
                .get(plug)
                .is_some_and(|plug| plug.interface == "network-bind")
        });
        if !app.sockets.is_empty() && !bound_to_network {
            return Err(wrong(
                &app.name,
                "it has sockets",
                "add the plug network-bind to it",
            ));
        }
    }
    activation(info)?;
    no_cycle(info)
}

fn activation(info: &crate::domain::SnapInfo) -> Result<(), SnapYamlError> {
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for app in info.apps.values() {
        for slot in &app.activates_on {
            let bus = info
                .slots
                .get(slot)
                .filter(|end| end.interface == "dbus")
                .and_then(|end| end.attrs.get("bus"))
                .and_then(|bus| bus.as_str());
            let wanted = if app.daemon_scope_user {
                "session"
            } else {
                "system"
            };
            if bus != Some(wanted) {
                return Err(wrong(
                    &app.name,
                    &format!("activates-on names {slot:?}"),
                    &format!("name a dbus slot of this snap with bus: {wanted}"),
                ));
            }
            if let Some(first) = taken.insert(slot, &app.name) {
                return Err(wrong(
                    &app.name,
                    &format!("slot {slot:?} already starts {first:?}"),
                    "let each slot start one app",
                ));
            }
        }
    }
    Ok(())
}

fn no_cycle(info: &crate::domain::SnapInfo) -> Result<(), SnapYamlError> {
    // what must be started before an app
    let mut earlier: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for app in info.apps.values() {
        for other in &app.after {
            earlier.entry(&app.name).or_default().insert(other);
        }
        for other in &app.before {
            earlier.entry(other).or_default().insert(&app.name);
        }
    }
    let mut left = sort::set(earlier.keys().copied());
    loop {
        let free: Vec<&str> = left
            .iter()
            .filter(|app| earlier[*app].iter().all(|other| !left.contains(other)))
            .copied()
            .collect();
        if free.is_empty() {
            break;
        }
        for app in free {
            left.remove(app);
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = left.into_iter().collect();
    Err(super::rule(format!(
        "the services {} wait for each other: break the circle of before and after",
        names.join(", ")
    )))
}
