//! `bench start|line|scale|services PINION [FLOOR]`: figures that need a client of their own. tests/bench/run builds and
//! calls it.

mod agent;
mod fill;
mod http;
mod services;
mod table;

use agent::{Agent, QUESTION, Result};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use table::{Samples, row, shown};

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let what = arguments.next().unwrap_or_default();
    let paths: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    let result = match (what.to_str(), paths.as_slice()) {
        (Some("start"), [pinion, floor]) => start(pinion, floor),
        (Some("line"), [pinion]) => line(pinion),
        (Some("scale"), [pinion]) => scale(pinion),
        (Some("services"), [pinion]) => services::services(pinion),
        _ => Err("usage: bench start PINION FLOOR | line PINION | scale PINION | services PINION".into()),
    };
    if let Err(error) = result {
        eprintln!("bench: {error}");
        std::process::exit(1);
    }
}

const STARTS: usize = 30;
const REQUESTS: usize = 20_000;
const SETS: usize = 2_000;

/// Start to the first answer, then many answers on one connection; the agent beside the floor.
fn start(pinion: &Path, floor: &Path) -> Result<()> {
    let mut columns: [Vec<String>; 2] = Default::default();
    for (program, column) in [pinion, floor].into_iter().zip(&mut columns) {
        let is_floor = program == floor;
        let run = |root: &Path| {
            if is_floor { Agent::start(program, &[root], root) } else { Agent::pinion(program, root) }
        };
        let (mut first, mut later) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            let root = tempfile::tempdir()?;
            let agent = run(root.path())?;
            first.push(agent.ready);
            if is_floor { drop(agent) } else { agent.end()? }
            let agent = run(root.path())?;
            later.push(agent.ready);
            if is_floor { drop(agent) } else { agent.end()? }
        }
        column.push(Samples::new(first).shown());
        column.push(Samples::new(later).shown());

        let root = tempfile::tempdir()?;
        let agent = run(root.path())?;
        let mut http = agent.http()?;
        for _ in 0..500 {
            http.get(QUESTION)?;
        }
        let before = agent.cpu()?;
        let mut samples = Vec::with_capacity(REQUESTS);
        for _ in 0..REQUESTS {
            let begin = Instant::now();
            http.get(QUESTION)?;
            samples.push(begin.elapsed());
        }
        let used = agent.cpu()?.saturating_sub(before) / REQUESTS as u32;
        column.push(Samples::new(samples).shown());
        column.push(shown(used));
        let (resident, anonymous) = agent.memory()?;
        column.push(format!("{resident} KiB, {anonymous} KiB anonymous"));
        column.push(format!("{} B", std::fs::metadata(program)?.len()));
    }
    let names = [
        "first start to the first answer",
        "later starts to the first answer",
        "GET /v2/system-info, kept connection",
        "CPU of the server for one",
        "memory after it",
        "size of the program",
    ];
    let [agent, floor] = columns;
    row("", &["pinion".into(), "floor".into()]);
    for ((name, agent), floor) in names.into_iter().zip(agent).zip(floor) {
        row(name, &[agent, floor]);
    }
    Ok(())
}

const GADGET: &str = "name: bench-gadget\ntype: gadget\nversion: 1\nbase: none\nslots:\n  \
    out: {interface: gpio, number: 27}\n  in: {interface: gpio, number: 17}\n";

const APP: &str = "name: bench-app\nversion: 1\nbase: none\nplugs:\n  out: gpio\n  in: gpio\n";

/// Packs a snap that is only a snap.yaml and installs it.
fn install(agent: &Agent, name: &str, yaml: &str) -> Result<()> {
    let folder = agent.root.join(name);
    std::fs::create_dir_all(folder.join("meta"))?;
    std::fs::write(folder.join("meta/snap.yaml"), yaml)?;
    std::fs::write(folder.join("meta/gadget.yaml"), "volumes: {}\n")?;
    let file = agent.root.join(format!("{name}.snap"));
    let (folder, file) = (folder.to_string_lossy(), file.to_string_lossy());
    agent.client(&["pack", &folder, &file])?;
    agent.client(&["install", "--dangerous", &file])
}

/// From the order to its answer and to the event that another client sees, on the simulated board.
fn line(pinion: &Path) -> Result<()> {
    let root = tempfile::tempdir()?;
    let agent = Agent::pinion(pinion, root.path())?;
    install(&agent, "bench-gadget", GADGET)?;
    install(&agent, "bench-app", APP)?;
    agent.client(&["connect", "bench-app:out", "bench-gadget:out"])?;
    agent.client(&["connect", "bench-app:in", "bench-gadget:in"])?;
    agent.client(&["line", "GPIO27", "--direction", "output"])?;
    let set = orders(&agent, "/v2/hardware/lines/GPIO27", "set", "GPIO27")?;
    let drive = orders(&agent, "/v2/hardware/sim/lines/GPIO17", "drive", "GPIO17")?;
    row("a line is set: order to answer", &[set.0.shown()]);
    row("a line is set: order to event at a client", &[set.1.shown()]);
    row("an input is driven: order to event", &[drive.1.shown()]);
    agent.end()
}

/// Orders 1 and 0 in turn; the times to the answer and to the event of that line.
fn orders(agent: &Agent, path: &str, action: &str, line: &str) -> Result<(Samples, Samples)> {
    let mut events = agent.http()?.follow("/v2/hardware/events")?;
    let mut http = agent.http()?;
    let (mut answers, mut seen) = (Vec::new(), Vec::new());
    for i in 0..SETS {
        let body = format!(r#"{{"action":"{action}","value":{}}}"#, (i + 1) % 2);
        let begin = Instant::now();
        let (status, answer) = http.post(path, &body)?;
        let answered = begin.elapsed();
        if status != 200 {
            return Err(format!("{path} answered {status}: {}", String::from_utf8_lossy(&answer)).into());
        }
        while !events.next()?.contains(line) {}
        seen.push(begin.elapsed());
        answers.push(answered);
    }
    Ok((Samples::new(answers), Samples::new(seen)))
}

/// A large store: start, reads, memory.
fn scale(pinion: &Path) -> Result<()> {
    let root = tempfile::tempdir()?;
    let begin = Instant::now();
    fill::fill(root.path(), &fill::SIZE)?;
    row("filling it", &[shown(begin.elapsed())]);
    let size = std::fs::metadata(root.path().join("var/lib/pinion/state.db"))?.len();
    row("size of the database", &[format!("{size} B")]);
    let agent = Agent::pinion(pinion, root.path())?;
    row("start to the first answer", &[shown(agent.ready)]);
    let (resident, anonymous) = agent.memory()?;
    row("memory after the start", &[format!("{resident} KiB, {anonymous} KiB anonymous")]);
    let mut http = agent.http()?;
    let last = fill::SIZE.changes.to_string();
    let questions = [
        (QUESTION.to_owned(), 2_000),
        ("/v2/snaps".into(), 20),
        (format!("/v2/snaps/{}", fill::snap_name(500)), 1_000),
        ("/v2/connections".into(), 20),
        (format!("/v2/connections?snap={}", fill::snap_name(500)), 100),
        ("/v2/changes?select=all".into(), 20),
        (format!("/v2/changes/{last}"), 1_000),
        ("/v2/changes/1".into(), 200),
        ("/v2/hardware".into(), 200),
    ];
    for (question, times) in questions {
        let mut samples = Vec::with_capacity(times);
        let mut size = 0;
        for _ in 0..times {
            let begin = Instant::now();
            let (status, body) = http.get(&question)?;
            samples.push(begin.elapsed());
            if status != 200 {
                return Err(format!("{question} answered {status}: {}", String::from_utf8_lossy(&body)).into());
            }
            size = body.len();
        }
        row(&format!("GET {question}"), &[Samples::new(samples).shown(), format!("{size} B")]);
    }
    std::thread::sleep(Duration::from_secs(1));
    let (resident, anonymous) = agent.memory()?;
    row("memory after the questions", &[format!("{resident} KiB, {anonymous} KiB anonymous")]);
    agent.end()
}
