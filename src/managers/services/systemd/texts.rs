//! The units of services (contract: snaps-and-assertions, section 2), as pure functions. What starts is our launcher,
//! which reads commands and environments from the launch description: no text of a snap's stands in a command line.

use crate::domain::schedule::{Events, Schedule};
use crate::domain::snap::{AppInfo, Daemon, RestartCondition};
use crate::domain::{Dirs, Revision, SnapInfo, SnapName, names};
use crate::drivers::sockets::Place;
use crate::drivers::units::{Text, mount_unit};
use crate::managers::services::activation::{is_activated, place};
use std::path::Path;

/// The limit that the contract writes when a service says none, in milliseconds.
const STOP: u64 = 30_000;

/// One file below the folder of units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitFile {
    pub name: String,
    pub text: String,
}

/// What the units of a snap are made of.
pub struct Facts<'a> {
    pub dirs: &'a Dirs,
    pub snap: &'a SnapName,
    pub revision: Revision,
    /// The agent's own program.
    pub launcher: &'a Path,
    /// systemd keeps the snap's mount as a unit.
    pub has_mount: bool,
    /// The snap, where it is confined.
    pub confined: Option<&'a SnapInfo>,
}

/// The interface whose plugs have a node of their own.
const CHARDEV: &str = "gpio-chardev";

/// Interfaces that come without device nodes: a service that has no others needs the standard ones only.
const NODELESS: [&str; 18] = [
    "bool-file",
    "content",
    "daemon-notify",
    "dbus",
    "gpio",
    "home",
    "led",
    "log-observe",
    "mount-observe",
    "network",
    "network-bind",
    "network-observe",
    "network-status",
    "personal-files",
    "snapd-control",
    "system-files",
    "system-observe",
    "timezone-control",
];

/// The agent, which prepares what the launcher needs.
const AGENT: &str = "pinion.service";

/// The name of a service's unit.
pub fn service_name(snap: &SnapName, app: &str) -> String {
    format!("snap.{snap}.{app}.service")
}

/// The names of the units that start a service when it is needed.
pub fn activator_names(snap: &SnapName, app: &AppInfo) -> Vec<String> {
    let sockets = app
        .sockets
        .keys()
        .map(|name| format!("snap.{snap}.{}.{name}.socket", app.name));
    let timer = app
        .timer
        .iter()
        .map(|_| format!("snap.{snap}.{}.timer", app.name));
    sockets.chain(timer).collect()
}

/// The units of one service. `pick` answers a number from 0 up to its own, to spread times.
pub fn units(facts: &Facts<'_>, app: &AppInfo, pick: &dyn Fn(u32) -> u32) -> Vec<UnitFile> {
    let mut files = vec![service(facts, app)];
    for (name, socket) in &app.sockets {
        let mut text = facts.head(&format!("Socket {name} for snap application {}", facts.full(app)));
        text.section("Socket");
        text.set("Service", &service_name(facts.snap, &app.name));
        text.set("FileDescriptorName", name);
        text.set("ListenStream", &facts.address(&socket.listen_stream));
        if let Some(mode) = socket.mode {
            text.set("SocketMode", &format!("{mode:04o}"));
        }
        text.section("Install");
        text.set("WantedBy", "sockets.target");
        files.push(file(
            text,
            format!("snap.{}.{}.{name}.socket", facts.snap, app.name),
        ));
    }
    if let Some(Ok(schedule)) = app.timer.as_deref().map(Schedule::parse) {
        let mut text = facts.head(&format!(
            "Timer {} for snap application {}",
            app.name,
            facts.full(app)
        ));
        text.section("Timer");
        text.set("Unit", &service_name(facts.snap, &app.name));
        for times in calendar(&schedule, pick) {
            text.set("OnCalendar", &times);
        }
        text.section("Install");
        text.set("WantedBy", "timers.target");
        files.push(file(text, format!("snap.{}.{}.timer", facts.snap, app.name)));
    }
    files
}

fn service(facts: &Facts<'_>, app: &AppInfo) -> UnitFile {
    let mut text = Text::new(&format!("Service for snap application {}", facts.full(app)));
    let mut after = facts.require_mount(&mut text);
    text.set("Wants", &format!("network.target {AGENT}"));
    let units = |apps: &[String]| {
        apps.iter()
            .map(|app| service_name(facts.snap, app))
            .collect::<Vec<_>>()
    };
    after.extend(["network.target", "snapd.apparmor.service", AGENT].map(String::from));
    after.extend(units(&app.after));
    text.set("After", &after.join(" "));
    if !app.before.is_empty() {
        text.set("Before", &units(&app.before).join(" "));
    }
    text.set("X-Snappy", "yes");

    text.section("Service");
    text.set("EnvironmentFile", "-/etc/environment");
    let run = |more: &str| {
        let name = names::app_command(facts.snap.as_str(), &app.name);
        format!("{} run --service {more}{name}", facts.launcher.display())
    };
    match &app.timer {
        Some(timer) => text.set("ExecStart", &run(&format!("--timer=\"{timer}\" "))),
        None => text.set("ExecStart", &run("")),
    }
    text.set("SyslogIdentifier", &facts.full(app));
    text.set("Restart", restart(app.restart_condition));
    if let Some(delay) = app.restart_delay {
        text.set("RestartSec", &seconds(delay));
    }
    text.set(
        "WorkingDirectory",
        &facts.dirs.snap_data(facts.snap, facts.revision).to_string_lossy(),
    );
    for (key, given, command) in [
        ("ExecStop", &app.stop_command, "stop"),
        ("ExecReload", &app.reload_command, "reload"),
        ("ExecStopPost", &app.post_stop_command, "post-stop"),
    ] {
        if given.is_some() {
            text.set(key, &run(&format!("--command={command} ")));
        }
    }
    limit_devices(facts, app, &mut text);
    text.set("TimeoutStopSec", &seconds(app.stop_timeout.unwrap_or(STOP)));
    if let Some(limit) = app.start_timeout {
        text.set("TimeoutStartSec", &seconds(limit));
    }
    let daemon = app.daemon.unwrap_or(Daemon::Simple);
    text.set("Type", &daemon.to_string());
    if daemon == Daemon::Oneshot && app.stop_command.is_some() {
        text.set("RemainAfterExit", "yes");
    }
    if let Some(bus) = &app.bus_name {
        text.set("BusName", bus);
    }
    if let Some(limit) = app.watchdog_timeout {
        text.set("WatchdogSec", &seconds(limit));
    }
    let (signal, all) = match app.stop_mode.strip_suffix("-all") {
        Some(signal) => (signal, true),
        None => (app.stop_mode.as_str(), app.stop_mode.is_empty()),
    };
    if !all {
        text.set("KillMode", "process");
    }
    if !signal.is_empty() {
        text.set("KillSignal", &signal.to_ascii_uppercase());
    }
    if !is_activated(app) {
        text.section("Install");
        text.set("WantedBy", "multi-user.target");
    }
    file(text, service_name(facts.snap, &app.name))
}

/// Refuses all device nodes but the standard ones and the chips of the app's plugs. systemd looks for these nodes when
/// the service starts: one that is connected later, or comes back under another number, is there from its next start on.
fn limit_devices(facts: &Facts<'_>, app: &AppInfo, text: &mut Text) {
    let Some(info) = facts.confined else { return };
    let interface = |name: &String| info.plugs.get(name).map_or("", |plug| plug.interface.as_str());
    let needs_nodes = |name: &String| {
        let interface = interface(name);
        interface != CHARDEV && !NODELESS.contains(&interface)
    };
    if app.plugs.iter().any(needs_nodes) {
        return;
    }
    text.set("DevicePolicy", "closed");
    for plug in app.plugs.iter().filter(|name| interface(name) == CHARDEV) {
        let node = facts
            .dirs
            .snap_devices()
            .join(CHARDEV)
            .join(facts.snap.as_str())
            .join(plug);
        text.set("DeviceAllow", &format!("{} rwm", node.display()));
    }
}

impl Facts<'_> {
    fn full(&self, app: &AppInfo) -> String {
        format!("{}.{}", self.snap, app.name)
    }

    /// Says that the unit goes with its snap's mount, as far as there is a unit of it; its name.
    fn require_mount(&self, text: &mut Text) -> Vec<String> {
        let mount = mount_unit(&self.dirs.snap_mount(self.snap, self.revision));
        let mount: Vec<String> = self.has_mount.then_some(mount).into_iter().collect();
        for name in &mount {
            text.set("Requires", name);
        }
        mount
    }

    /// The first section of a unit that goes with its snap's mount.
    fn head(&self, description: &str) -> Text {
        let mut text = Text::new(description);
        for mount in self.require_mount(&mut text) {
            text.set("After", &mount);
        }
        text.set("X-Snappy", "yes");
        text
    }

    /// An address as systemd writes it.
    fn address(&self, text: &str) -> String {
        match place(self.dirs, self.snap, self.revision, text, 0) {
            Some(Place::Path { below, path, .. }) => below.join(path).to_string_lossy().into_owned(),
            _ => text.to_owned(),
        }
    }
}

fn file(text: Text, name: String) -> UnitFile {
    UnitFile {
        name,
        text: text.finish(),
    }
}

fn restart(condition: RestartCondition) -> &'static str {
    match condition {
        RestartCondition::Never => "no",
        RestartCondition::OnSuccess => "on-success",
        RestartCondition::OnFailure => "on-failure",
        RestartCondition::OnAbnormal => "on-abnormal",
        RestartCondition::OnAbort => "on-abort",
        RestartCondition::OnWatchdog => "on-watchdog",
        RestartCondition::Always => "always",
    }
}

/// Milliseconds as seconds.
fn seconds(milliseconds: u64) -> String {
    match milliseconds % 1000 {
        0 => (milliseconds / 1000).to_string(),
        rest => format!("{}.{rest:03}", milliseconds / 1000)
            .trim_end_matches('0')
            .to_owned(),
    }
}

/// The times of a schedule as systemd writes them (systemd.time(7)). Days of certain weeks become more days than are
/// meant where there is no exact form; the launcher looks at the schedule itself (`--timer`).
fn calendar(schedule: &Schedule, pick: &dyn Fn(u32) -> u32) -> Vec<String> {
    let mut all = Vec::new();
    for events in &schedule.events {
        for window in events.windows() {
            let offset = if window.spread {
                pick(u32::from(window.length.saturating_sub(5).max(1)))
            } else {
                0
            };
            let minutes = u32::from(window.start) + offset;
            for days in days(events, minutes >= 1440) {
                all.push(format!("{days} {:02}:{:02}", minutes / 60 % 24, minutes % 60));
            }
        }
    }
    all.dedup();
    all
}

/// The days of events, each a day later when their time is past midnight.
fn days(events: &Events, later: bool) -> Vec<String> {
    const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    if events.days.is_empty() {
        return vec![String::from("*-*-*")];
    }
    let shown = events.days.iter().map(|days| {
        let first = days.first.weekday.unsigned_abs().into();
        let length = usize::try_from(days.length()).unwrap_or_default().min(6);
        let weekdays: Vec<&str> = (first..=first + length)
            .map(|day: usize| NAMES[(day + usize::from(later)) % 7])
            .collect();
        let dates = match (days.first == days.last, days.first.week) {
            (true, week @ 1..=4) if !later => {
                let first = i32::from(week - 1) * 7 + 1;
                (first..first + 7)
                    .map(|day| day.to_string())
                    .collect::<Vec<_>>()
                    .join(",")
            }
            (true, 5) if !later => (22..=31).map(|day| day.to_string()).collect::<Vec<_>>().join(","),
            _ => String::from("*"),
        };
        format!("{} *-*-{dates}", weekdays.join(","))
    });
    shown.collect()
}

#[cfg(test)]
mod tests;
