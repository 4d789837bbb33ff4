//! `bench services`: what services cost: a read of all snaps with and without them, memory for each one that is
//! supervised and for each reader of their logs.

use crate::agent::{Agent, Result};
use crate::table::{Samples, row, shown};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

const SNAPS: usize = 6;
const WITH_SERVICE: usize = 3;
const READS: usize = 5_000;
const SUPERVISED: u64 = 50;
const FOLLOWERS: u64 = 100;

/// Packs a snap whose apps all run one script, and installs it.
fn install(agent: &Agent, name: &str, yaml: &str) -> Result<()> {
    let folder = agent.root.join(format!("source-{name}"));
    std::fs::create_dir_all(folder.join("meta"))?;
    std::fs::create_dir_all(folder.join("bin"))?;
    std::fs::write(folder.join("meta/snap.yaml"), yaml)?;
    let script = folder.join("bin/run");
    std::fs::write(&script, "#!/bin/sh\ntrap 'echo told; exit 0' TERM\nsleep 100000 &\nwait\n")?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    let file = agent.root.join(format!("{name}.snap"));
    let (folder, file) = (folder.to_string_lossy(), file.to_string_lossy());
    agent.client(&["pack", &folder, &file])?;
    agent.client(&["install", "--dangerous", &file])
}

fn snap(name: &str, services: u64) -> String {
    let mut yaml = format!("name: {name}\nversion: 1\nsummary: One of a few\nbase: bench-base\napps:\n");
    for service in 0..services {
        yaml.push_str(&format!("  svc-{service}: {{command: bin/run, daemon: simple}}\n"));
    }
    // The same number of apps in any case.
    if services == 0 {
        yaml.push_str("  svc-0: {command: bin/run}\n");
    }
    yaml
}

const BASE: &str = "name: bench-base\nversion: 1\ntype: base\n";

/// Anonymous memory, once it does not change any more.
fn settled(agent: &Agent) -> Result<u64> {
    let mut before = u64::MAX;
    for _ in 0..20 {
        // Threads that did the work end after two seconds.
        std::thread::sleep(Duration::from_millis(2_500));
        let (_, anonymous) = agent.memory()?;
        if anonymous == before {
            break;
        }
        before = anonymous;
    }
    Ok(before)
}

pub fn services(pinion: &Path) -> Result<()> {
    row("", &["no services".into(), format!("{WITH_SERVICE} services")]);
    reads(pinion)?;
    let root = tempfile::tempdir()?;
    let agent = Agent::pinion(pinion, root.path())?;
    install(&agent, "bench-base", BASE)?;
    // What a first service needs once is not counted for the others.
    install(&agent, "first", &snap("first", 1))?;
    let before = settled(&agent)?;
    install(&agent, "many", &snap("many", SUPERVISED))?;
    let after = settled(&agent)?;
    let each = |more: u64, count: u64| format!("{:.1} KiB anonymous", more as f64 / count as f64);
    row(
        &format!("memory of the agent for each of {SUPERVISED} services"),
        &[each(after.saturating_sub(before), SUPERVISED)],
    );
    let mut readers = Vec::new();
    for _ in 0..FOLLOWERS {
        readers.push(agent.http()?.follow("/v2/logs?follow=true&n=0&names=first")?);
    }
    let followed = settled(&agent)?;
    row(
        &format!("memory of the agent for each of {FOLLOWERS} followers"),
        &[each(followed.saturating_sub(after), FOLLOWERS)],
    );
    let begin = Instant::now();
    agent.client(&["stop", "first"])?;
    for reader in &mut readers {
        while !reader.next()?.contains("told") {}
    }
    row("from an order to stop until all of them were told", &[shown(begin.elapsed())]);
    drop(readers);
    agent.end()
}

/// GET /v2/snaps by two agents in turn, so that both meet the same machine.
fn reads(pinion: &Path) -> Result<()> {
    let roots = [tempfile::tempdir()?, tempfile::tempdir()?];
    let mut agents = Vec::new();
    for (root, with_service) in roots.iter().zip([0, WITH_SERVICE]) {
        let agent = Agent::pinion(pinion, root.path())?;
        install(&agent, "bench-base", BASE)?;
        for number in 1..SNAPS {
            let name = format!("bench-{number}");
            let services = u64::from(number <= with_service);
            install(&agent, &name, &snap(&name, services))?;
        }
        agents.push(agent);
    }
    let mut connections = agents.iter().map(Agent::http).collect::<Result<Vec<_>>>()?;
    let mut samples = [Vec::with_capacity(READS), Vec::with_capacity(READS)];
    let before = agents.iter().map(Agent::cpu).collect::<Result<Vec<_>>>()?;
    for _ in 0..READS {
        for (http, samples) in connections.iter_mut().zip(&mut samples) {
            let begin = Instant::now();
            let (status, _) = http.get("/v2/snaps")?;
            samples.push(begin.elapsed());
            if status != 200 {
                return Err(format!("/v2/snaps answered {status}").into());
            }
        }
    }
    let used = agents
        .iter()
        .zip(before)
        .map(|(agent, before)| Ok(shown(agent.cpu()?.saturating_sub(before) / READS as u32)))
        .collect::<Result<Vec<_>>>()?;
    let columns: Vec<String> = samples.into_iter().map(|samples| Samples::new(samples).shown()).collect();
    row(&format!("GET /v2/snaps of {SNAPS} snaps"), &columns);
    row("CPU of the server for one", &used);
    agents.into_iter().try_for_each(Agent::end)
}
