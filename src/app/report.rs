//! `pinion report`: one file for whoever helps, with what is needed to understand an agent and nothing that is secret.
//!
//! Everything is read from the store and the files of the root, as `pinion check` does, so it works beside a running
//! agent and without one. What is left out stands in `redact.rs`.

mod redact;
mod tar;

use super::check;
use crate::client::Client;
use crate::domain::record::{ConnectionRecord, SnapRecord};
use crate::domain::{Change, Dirs, Task, Timestamp};
use crate::drivers::clock::Clock;
use crate::drivers::fs;
use crate::managers::system::System;
use crate::store::{self, World};
use redact::Secrets;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use tar::Archive;

/// What is asked of a report.
pub struct Asked {
    /// The file to write; one named after the time, here, when it is not said.
    pub out: Option<PathBuf>,
    /// Also values of configuration and environment, but those that are called secret.
    pub values: bool,
    /// Where a running agent is asked for its board, when its socket is not at its place below the root.
    pub socket: Option<PathBuf>,
}

/// How many changes are told, the newest.
const CHANGES: usize = 200;

/// How many lines of the agent's journal, and of each service, are told, the newest.
const LINES: usize = 500;

/// One file of the report is not longer than this, in bytes.
const FILE_LIMIT: usize = 512 << 10;

/// Writes the report and prints where it is.
pub fn report(root: &Path, asked: &Asked, json: bool) -> ExitCode {
    match write(root, asked) {
        Ok((path, size)) if json => println!("{}", json!({"path": path, "size": size})),
        Ok((path, size)) => println!(
            "{} ({size} bytes): look into it with tar before you give it to anybody",
            path.display()
        ),
        Err(sentence) => {
            eprintln!("error: {sentence}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn write(root: &Path, asked: &Asked) -> Result<(PathBuf, usize), String> {
    let root = std::path::absolute(root).map_err(|error| format!("{}: {error}", root.display()))?;
    let dirs = Dirs::new(root);
    let now = Clock::system().now();
    let out = asked.out.clone().unwrap_or_else(|| {
        let stamp: String = now
            .rfc3339()
            .chars()
            .filter(char::is_ascii_digit)
            .take(14)
            .collect();
        PathBuf::from(format!("pinion-report-{stamp}.tar"))
    });
    let out = std::path::absolute(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    if out.exists() {
        return Err(format!("{} exists already: name another file", out.display()));
    }
    let database = dirs.database();
    if !database.exists() {
        return Err(format!(
            "there is no state database at {}: give the root of an agent by --root",
            database.display()
        ));
    }
    if let Err(error) = std::fs::File::open(&database) {
        return Err(format!(
            "{}: {error}: run as the agent's user",
            database.display()
        ));
    }
    // A damaged state is a reason for a report, not against one: the check says what is wrong with it.
    let world = store::verify(&database)
        .map(|(world, _)| world)
        .unwrap_or_default();
    let content = bundle(&dirs, &world, asked, now);
    fs::write_atomic(&out, &content, 0o600).map_err(|error| error.in_full())?;
    Ok((out, content.len()))
}

fn bundle(dirs: &Dirs, world: &World, asked: &Asked, now: Timestamp) -> Vec<u8> {
    let secrets = Secrets::of(world, asked.values);
    let mut archive = Archive::new("pinion-report", now);
    let mut add = |name: &str, value: Value| {
        let mut value = value;
        secrets.hide_in(&mut value);
        archive.add(name, cut(format!("{value:#}\n")).as_bytes());
    };
    add("about.json", about(dirs, now, asked));
    let findings = check::findings(dirs, asked.socket.as_deref(), false);
    let findings = findings
        .iter()
        .map(|one| json!({"rule": one.rule.to_string(), "text": one.text}));
    add("check.json", findings.collect());
    let mut changes: Vec<_> = world.changes.values().collect();
    changes.sort_by_key(|change| std::cmp::Reverse(change.spawn));
    add(
        "changes.json",
        changes.iter().take(CHANGES).map(|one| change(one)).collect(),
    );
    add(
        "snaps.json",
        world
            .snaps
            .values()
            .map(|one| snap(world, one, &secrets))
            .collect(),
    );
    add(
        "connections.json",
        world.connections.values().map(|one| connection(one)).collect(),
    );
    let config = world
        .config
        .iter()
        .map(|(snap, values)| (snap.to_string(), secrets.masked("", values)));
    add("configuration.json", Value::Object(config.collect()));
    add(
        "warnings.json",
        world.warnings.keys().map(|text| json!(text)).collect(),
    );
    add("hardware.json", hardware(dirs, world, asked));
    let mut add_lines = |name: &str, lines: Vec<String>| {
        let lines: String = lines.iter().map(|line| secrets.hidden(line) + "\n").collect();
        archive.add(name, cut(lines).as_bytes());
    };
    add_lines("config.toml", settings(dirs));
    add_lines("journal.txt", journal(dirs));
    for record in world.snaps.values() {
        for service in record.info().into_iter().flat_map(|info| info.services()) {
            let name = format!("{}.{}.log", record.name, service.name);
            let lines = last_lines(&dirs.logs().join(&name));
            if !lines.is_empty() {
                add_lines(&format!("services/{name}"), lines);
            }
        }
    }
    archive.finish()
}

/// The end of a text is what matters.
fn cut(text: String) -> String {
    if text.len() <= FILE_LIMIT {
        return text;
    }
    let mut start = text.len() - FILE_LIMIT;
    while !text.is_char_boundary(start) {
        start += 1;
    }
    format!("(what came before is left out)\n{}", &text[start..])
}

fn about(dirs: &Dirs, now: Timestamp, asked: &Asked) -> Value {
    let user = nix::unistd::geteuid();
    let system = System::new(dirs, !user.is_root());
    let facts = system.facts();
    json!({
        "time": now.rfc3339(),
        "version": facts.version,
        "os": {"id": facts.os_release.id, "version-id": facts.os_release.version_id},
        "kernel": facts.kernel_version,
        "architecture": facts.architecture,
        "enforced": facts.enforced,
        "root": dirs.root(),
        "user": user.as_raw(),
        "agent-runs": check::agent_runs(dirs),
        "with-values": asked.values,
    })
}

fn change(change: &Change) -> Value {
    json!({
        "id": change.id.0,
        "kind": change.kind,
        "summary": change.summary,
        "status": change.shown_status().to_string(),
        "requester": change.requester,
        "spawn-time": change.spawn.rfc3339(),
        "ready-time": change.ready.map(Timestamp::rfc3339),
        "tasks": change.tasks.iter().map(task).collect::<Vec<_>>(),
    })
}

fn task(task: &Task) -> Value {
    let log: Vec<_> = task.log.iter().map(|line| redact::without_hook(line)).collect();
    json!({
        "id": task.id.0,
        "kind": task.kind,
        "summary": task.summary,
        "status": task.status.to_string(),
        "waits": task.waits.iter().map(|wait| wait.0).collect::<Vec<_>>(),
        "log": log,
        "spawn-time": task.spawn.rfc3339(),
        "ready-time": task.ready.map(Timestamp::rfc3339),
    })
}

fn snap(world: &World, record: &SnapRecord, secrets: &Secrets) -> Value {
    let revisions = record.sequence.iter().map(|one| {
        json!({
            "revision": one.revision.to_string(),
            "version": one.info.version,
            "installed": one.installed.rfc3339(),
            "size": one.file.size,
            "sha3-384": one.file.sha3_384,
            "health": world.health_of(&record.name, one.revision).map(|health| health.status.word()),
        })
    });
    let environment = record.info().map(|info| {
        let of_apps = info.apps.values().flat_map(|app| &app.environment);
        let of_hooks = info.hooks.values().flat_map(|hook| &hook.environment);
        let all = info.environment.iter().chain(of_apps).chain(of_hooks);
        all.map(|(name, value)| (name.clone(), secrets.masked(name, &json!(value))))
            .collect::<serde_json::Map<_, _>>()
    });
    let apps = record.info().map(|info| {
        info.apps
            .values()
            .map(|app| json!({"name": app.name, "daemon": app.daemon}))
            .collect::<Vec<_>>()
    });
    json!({
        "name": record.name,
        "type": record.info().map(|info| info.kind),
        "base": record.info().and_then(|info| info.base.clone()),
        "confinement": record.info().map(|info| info.confinement),
        "active": record.active,
        "current": record.current.to_string(),
        "devmode": record.devmode,
        "jailmode": record.jailmode,
        "classic": record.classic,
        "disabled-services": record.disabled_services,
        "apps": apps,
        "environment": environment,
        "revisions": revisions.collect::<Vec<_>>(),
    })
}

fn connection(record: &ConnectionRecord) -> Value {
    json!({
        "connection": record.connection.to_string(),
        "interface": record.interface,
        "auto": record.auto,
        "by-gadget": record.by_gadget,
        "undesired": record.undesired,
        "gone": record.gone,
    })
}

/// What the running agent sees, or what is kept of lines and LEDs.
fn hardware(dirs: &Dirs, world: &World, asked: &Asked) -> Value {
    let socket = asked.socket.clone().unwrap_or_else(|| dirs.main_socket());
    if let Ok(live) = check::ask_hardware(Client::new(socket)) {
        return live;
    }
    let lines = world.lines.values().map(|one| {
        json!({"line": one.line, "direction": one.direction, "safe-value": one.safe_value, "active-low": one.active_low})
    });
    let leds = world
        .leds
        .values()
        .map(|one| json!({"led": one.led, "brightness": one.brightness, "trigger": one.trigger}));
    json!({"configured": {"lines": lines.collect::<Vec<_>>(), "leds": leds.collect::<Vec<_>>()}})
}

/// The configuration file without the values of what is called secret.
fn settings(dirs: &Dirs) -> Vec<String> {
    let lines = last_lines(&dirs.config_file());
    lines.iter().map(|line| redact::setting(line)).collect()
}

/// The last lines of a text file, at most [`LINES`] of them from at most [`FILE_LIMIT`] bytes.
fn last_lines(path: &Path) -> Vec<String> {
    use std::io::{Read, Seek, SeekFrom};
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(FILE_LIMIT as u64)))?;
        let mut bytes = Vec::new();
        file.take(FILE_LIMIT as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    // What cannot be read is not there for this purpose.
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(LINES);
    lines[first..].iter().map(|line| (*line).to_owned()).collect()
}

/// The newest lines that the agent wrote to the journal; it has none under another root than the machine's own.
fn journal(dirs: &Dirs) -> Vec<String> {
    if !dirs.is_host() {
        return Vec::new();
    }
    let output = Command::new("journalctl")
        .args([
            "-t",
            "pinion",
            "-o",
            "json",
            "--no-pager",
            "-n",
            &LINES.to_string(),
        ])
        .output();
    let Ok(output) = output else { return Vec::new() };
    let records = output.stdout.split(|byte| *byte == b'\n');
    records
        .filter_map(|record| serde_json::from_slice::<Value>(record).ok())
        .filter_map(|record| {
            let micros = record["__REALTIME_TIMESTAMP"].as_str()?.parse::<i64>().ok()?;
            let message = redact::without_hook(record["MESSAGE"].as_str()?);
            Some(format!(
                "{} {message}",
                Timestamp(micros.saturating_mul(1000)).rfc3339()
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests;
