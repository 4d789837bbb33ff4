//! `pinion check`: the dry run of reconcile, and the rules that the store itself must keep. Works beside a running
//! daemon and without one.

use crate::domain::{Dirs, Finding, SnapName};
use crate::drivers::clock::Clock;
use crate::store::{self, Store, World};
use nix::fcntl::{Flock, FlockArg};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::ExitCode;

/// How much of a log is read at most, in bytes.
const LOG_LIMIT: u64 = 16 << 20;

/// Looks at everything below a root and prints what is wrong; `deep` also hashes every snap file again.
pub fn check(root: &Path, deep: bool, json: bool) -> ExitCode {
    let root = match std::path::absolute(root) {
        Ok(root) => root,
        Err(error) => {
            eprintln!("error: {}: {error}", root.display());
            return ExitCode::FAILURE;
        }
    };
    let dirs = Dirs::new(root);
    let findings = findings(&dirs, deep);
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

fn findings(dirs: &Dirs, deep: bool) -> Vec<Finding> {
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
    match super::house::inspect(dirs, &store, deep, agent_runs(dirs)) {
        Ok(more) => findings.extend(more),
        Err(error) => findings.push(Finding::system(format!(
            "the system cannot be looked at: {error}"
        ))),
    }
    findings
}

/// A daemon has the root: it holds the lock.
fn agent_runs(dirs: &Dirs) -> bool {
    let Ok(file) = std::fs::File::open(dirs.state().join("lock")) else {
        return false;
    };
    Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err()
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
