//! `pinion check`: the dry run of reconcile, and the rules that the store itself must keep. Works beside a running
//! daemon and without one.

use crate::client::types::{End, Hardware};
use crate::client::{Client, ClientError};
use crate::domain::{ConnRef, Dirs, Finding, SnapName};
use crate::drivers::clock::Clock;
use crate::store::{self, Store, World};
use nix::fcntl::{Flock, FlockArg};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How long the daemon may take to tell what it holds.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of a log is read at most, in bytes.
const LOG_LIMIT: u64 = 16 << 20;

/// Looks at everything below a root and prints what is wrong; `deep` also hashes every snap file again. A daemon with
/// its socket elsewhere is found by `socket`.
pub fn check(root: &Path, socket: Option<&Path>, deep: bool, json: bool) -> ExitCode {
    let root = match std::path::absolute(root) {
        Ok(root) => root,
        Err(error) => {
            eprintln!("error: {}: {error}", root.display());
            return ExitCode::FAILURE;
        }
    };
    let dirs = Dirs::new(root);
    let findings = findings(&dirs, socket, deep);
    if json {
        let list: Vec<_> = findings
            .iter()
            .map(|finding| serde_json::json!({"rule": finding.rule.to_string(), "text": finding.text}))
            .collect();
        println!("{}", serde_json::Value::Array(list));
    } else if findings.is_empty() {
        println!("ok");
    } else {
        for finding in &findings {
            println!("({}) {}", finding.rule, finding.text);
        }
    }
    if findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

pub(super) fn findings(dirs: &Dirs, socket: Option<&Path>, deep: bool) -> Vec<Finding> {
    let path = dirs.database();
    if !path.exists() {
        return vec![Finding::new(
            'd',
            format!(
                "there is no state database at {}: give the root of an agent by --root",
                path.display()
            ),
        )];
    }
    let (world, mut findings) = match store::verify(&path) {
        Ok(verified) => verified,
        Err(error) => return vec![Finding::new('d', error.to_string())],
    };
    findings.extend(secrets_in_logs(dirs, &world));
    let store = Store::frozen(&path, world, Clock::system());
    let agent_runs = agent_runs(dirs);
    if agent_runs {
        let socket = socket.map_or_else(|| dirs.main_socket(), Path::to_owned);
        findings.extend(lines(dirs, &store.world(), socket));
    }
    match super::house::inspect(dirs, &store, deep, agent_runs) {
        Ok(more) => findings.extend(more),
        Err(error) => findings.push(Finding::system(format!(
            "the system cannot be looked at: {error}"
        ))),
    }
    findings
}

/// A daemon has the root: it holds the lock.
pub(super) fn agent_runs(dirs: &Dirs) -> bool {
    let Ok(file) = std::fs::File::open(dirs.state().join("lock")) else {
        return false;
    };
    Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err()
}

/// The lines and LEDs that the agent gives to plugs are those of the connections. Only the agent can tell: on a real
/// chip the kernel names it, on the simulated one nobody else sees them.
fn lines(dirs: &Dirs, world: &World, socket: PathBuf) -> Vec<Finding> {
    match ask_hardware::<Hardware>(Client::new(socket)) {
        Ok(hardware) => differences(&hardware, &super::house::wired(dirs, world), world),
        // It starts or ends just now, or its socket is elsewhere.
        Err(ClientError::Unreachable { .. }) => Vec::new(),
        Err(error) => vec![Finding::system(format!(
            "the daemon cannot be asked for its lines: {error}"
        ))],
    }
}

/// What the agent says of its board, within some seconds.
pub(super) fn ask_hardware<T: DeserializeOwned>(client: Client) -> Result<T, ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| ClientError::Answer(error.to_string()))?;
    runtime.block_on(async {
        let asked = tokio::time::timeout(PATIENCE, client.read("/v2/hardware"));
        asked
            .await
            .unwrap_or_else(|_| Err(ClientError::Answer(String::from("it does not answer"))))
    })
}

/// What is held without a connection, and connections without anything. Snaps in unready changes are on their way.
fn differences(hardware: &Hardware, wired: &[ConnRef], world: &World) -> Vec<Finding> {
    let lines = hardware.lines.iter();
    let leds = hardware.leds.iter();
    let held: Vec<(&str, &End, &End)> = lines
        .map(|line| (line.name.as_str(), &line.plug, &line.slot))
        .chain(leds.map(|led| (led.name.as_str(), &led.plug, &led.slot)))
        .filter_map(|(name, plug, slot)| Some((name, plug.as_ref()?, slot.as_ref()?)))
        .collect();
    let is_busy = |end: &str| {
        let snap = end.split(':').next().unwrap_or_default();
        let mut live = world.changes.values().filter(|change| !change.is_ready());
        live.any(|change| change.snaps.iter().any(|name| name.as_str() == snap))
    };
    // What is not there cannot be held; the agent says so.
    let waits = |key: &ConnRef| {
        let waiting = hardware.board.get("waiting").and_then(Value::as_array);
        waiting.into_iter().flatten().any(|wait| {
            wait["plug"]["snap"] == key.plug.snap.as_str() && wait["plug"]["plug"] == key.plug.name.as_str()
        })
    };
    let mut findings = Vec::new();
    for (name, plug, slot) in &held {
        let (plug, slot) = (plug.to_string(), slot.to_string());
        let mut known = wired.iter();
        let known = known.any(|key| key.plug.to_string() == plug && key.slot.to_string() == slot);
        if !known && !is_busy(&plug) && !is_busy(&slot) {
            findings.push(Finding::system(format!(
                "{name} is held for {plug}, which is not connected to {slot}"
            )));
        }
    }
    for key in wired {
        let slot = key.slot.to_string();
        let has = held.iter().any(|(_, _, end)| end.to_string() == slot);
        if !has && !waits(key) && !is_busy(&slot) && !is_busy(&key.plug.to_string()) {
            findings.push(Finding::system(format!(
                "connection {key} holds nothing of the board"
            )));
        }
    }
    findings
}

/// Rule (f): no cookie stands in a log of a service or of the agent.
fn secrets_in_logs(dirs: &Dirs, world: &World) -> Vec<Finding> {
    let Ok(entries) = std::fs::read_dir(dirs.run().join("logs")) else {
        return Vec::new();
    };
    let logs = entries.flatten().map(|entry| entry.path());
    logs.filter_map(|log| {
        let owner = secret_in(&log, world)?;
        Some(Finding::new(
            'f',
            format!("{} holds a cookie of snap {owner}", log.display()),
        ))
    })
    .collect()
}

fn secret_in<'w>(log: &Path, world: &'w World) -> Option<&'w SnapName> {
    let file = std::fs::File::open(log).ok()?;
    let mut lines = BufReader::new(std::io::Read::take(file, LOG_LIMIT));
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&line);
        if let Some((_, owner)) = world
            .cookies
            .iter()
            .find(|(cookie, _)| text.contains(cookie.as_str()))
        {
            return Some(owner);
        }
    }
}
