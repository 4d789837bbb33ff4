//! Power cuts (R3): a machine with the real agent is cut off its power in the middle of its work, starts again from what
//! is left on its disk, and must be as it has acknowledged to be.
//!
//!   tests/board/run cuts, or: cargo test --test cuts -- [--cuts N] [--seed SEED]
//!
//! Four clients in the machine install, refresh and remove an app with hooks and a service, connect and disconnect a
//! line, set configuration and a line's safe value; what they send, what is acknowledged and how it ended is told over
//! a serial line and kept out here. Most cuts come in the load, some while a former cut is being recovered from. What of
//! the writes that were not flushed survives is left to chance (`disk`).
//!
//! PINION=FILE takes that agent. Prints `ok …` for each cut that was survived, `FAILED …` with the folder of disk and
//! consoles when one was not. SIGTERM lets the cut that is on its way be the last one: the machine is judged as after
//! all of them.

#[path = "../../crash/shell_base.rs"]
mod shell_base;
#[path = "../../crash/snaps.rs"]
#[expect(dead_code, reason = "the kills need more of it")]
mod snaps;

mod dice;
mod disk;
mod guest;
mod ledger;
mod machine;

use dice::Dice;
use disk::{Disk, Survivors};
use ledger::{Ledger, Report};
use machine::{Bench, Machine, Parts};
use nix::sys::signal::{SigSet, Signal};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a machine may take until everything has settled. Only a failure takes that long.
const PATIENCE: Duration = Duration::from_secs(240);

/// How long a machine may take until its first word, and how often it is started anew without one: on a host that has
/// much else to do an emulated kernel does not always get over its first second.
const BIRTH: Duration = Duration::from_secs(90);
const BIRTHS: u32 = 3;

/// How long the load goes on at most before the cut.
const LOAD: u64 = 8_000;

/// No further cut is asked for.
static ENOUGH: AtomicBool = AtomicBool::new(false);

/// Before there is another thread: all of them leave the signal to the one that waits for it.
fn end_by_signal() -> nix::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    std::thread::spawn(move || {
        let _ = signals.wait();
        ENOUGH.store(true, Ordering::Relaxed);
    });
    Ok(())
}

struct Options {
    cuts: u64,
    seed: u64,
}

fn options() -> Result<Options, String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let mut options = Options {
        cuts: 5,
        seed: now.map_or(1, |now| u64::from(now.subsec_micros())),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let text = words.next().unwrap_or_default();
            text.parse::<u64>()
                .map_err(|_| format!("{word} is followed by a number, not {text:?}"))
        };
        match word.as_str() {
            "--cuts" => options.cuts = number()?,
            "--seed" => options.seed = number()?,
            _ => {
                return Err(format!(
                    "unknown word {word:?}: --cuts N and --seed SEED are known"
                ));
            }
        }
    }
    Ok(options)
}

/// The agent, this program and the snaps, as the machine gets them.
fn files(dir: &Path) -> Result<Vec<(&'static str, PathBuf)>, std::io::Error> {
    let agent = std::env::var_os("PINION").map_or_else(|| env!("CARGO_BIN_EXE_pinion").into(), PathBuf::from);
    let mut files = Vec::new();
    for (name, from) in [("pinion", agent), ("cuts", std::env::current_exe()?)] {
        let to = dir.join(name);
        // Without what a debugger needs it is a quarter of the size.
        let stripped = Command::new("strip").arg("-o").arg(&to).arg(&from).status();
        if !stripped.is_ok_and(|status| status.success()) {
            std::fs::copy(&from, &to)?;
        }
        files.push((name, to));
    }
    let snaps = snaps::Snaps::pack(dir);
    // On a whole machine root's apps have only what their base has.
    std::fs::remove_file(&snaps.base)?;
    shell_base::fill(&dir.join("bare.tree"), &["dash", "sleep"], &files[0].1);
    snaps::pack(dir, "bare", &[]);
    let plain = |name: &str, more: &str, files: snaps::Files| {
        let yaml = format!(
            "name: {name}\nversion: '1'\nsummary: s\ndescription: d\nbase: bare\narchitectures: [all]\n{more}"
        );
        let mut files = files.to_vec();
        files.push(("meta/snap.yaml", &yaml, false));
        snaps::pack(dir, name, &files)
    };
    let lamp = plain("lamp", "plugs: {pin: {interface: gpio}}\n", &[]);
    files.push(("lamp.snap", lamp));
    let configure = ("meta/hooks/configure", "#!/bin/sh\nexit 0\n", true);
    files.push(("clock.snap", plain("clock", "", &[configure])));
    files.push(("bare.snap", snaps.base));
    files.push(("board.snap", snaps.gadget));
    let mut lights = snaps.lights.into_iter();
    for name in ["lights-1.snap", "lights-2.snap", "lights-3.snap"] {
        files.extend(lights.next().map(|file| (name, file)));
    }
    Ok(files)
}

/// What a run has seen.
#[derive(Default)]
struct Tally {
    while_running: u64,
    while_recovering: u64,
    kinds: BTreeMap<String, u32>,
    unflushed: usize,
    lost: usize,
    ready: Vec<u64>,
    settled: Vec<u64>,
    /// Starts in which nothing came of the emulated machine.
    stillborn: u64,
}

impl Tally {
    fn hear(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "running" if !rest.is_empty() => {
                self.while_running += 1;
                for kind in rest.split(' ') {
                    *self.kinds.entry(kind.to_owned()).or_default() += 1;
                }
            }
            "ready" => self.ready.extend(rest.parse::<u64>()),
            "settled" => self.settled.extend(rest.parse::<u64>()),
            _ => {}
        }
    }
}

fn middle(list: &[u64]) -> u64 {
    let mut sorted = list.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Listens until the machine says `word`; everything goes to `hear`.
fn until(machine: &Machine, word: &str, mut hear: impl FnMut(&str)) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match machine.line(deadline) {
            Ok(line) if line == word => return Ok(()),
            Ok(line) => match line.strip_prefix("problem ") {
                Some(problem) => return Err(problem.to_owned()),
                None => hear(&line),
            },
            Err(late) => {
                let how = if late { "is silent" } else { "has ended" };
                return Err(format!("the machine {how} before {word:?}"));
            }
        }
    }
}

/// Listens for a while.
fn listen(machine: &Machine, time: Duration, mut hear: impl FnMut(&str)) -> Result<(), String> {
    let deadline = Instant::now() + time;
    loop {
        match machine.line(deadline) {
            Ok(line) => match line.strip_prefix("problem ") {
                Some(problem) => return Err(problem.to_owned()),
                None => hear(&line),
            },
            Err(true) => return Ok(()),
            Err(false) => return Err(String::from("the machine has ended")),
        }
    }
}

fn note(report: &mut Report, line: &str) {
    let mut words = line.splitn(3, ' ');
    let (word, name, rest) = (words.next(), words.next(), words.next().unwrap_or_default());
    match (word, name) {
        (Some("change"), Some(id)) => {
            if let Ok(id) = id.parse() {
                report.changes.insert(id, rest.to_owned());
            }
        }
        (Some("thing"), Some(name)) => {
            report.things.insert(name.to_owned(), rest.to_owned());
        }
        (Some("finding"), Some(_)) => report.findings.push(line["finding ".len()..].to_owned()),
        _ => {}
    }
}

struct Run {
    bench: Bench,
    disk: Disk,
    dice: Dice,
    ledger: Ledger,
    tally: Tally,
    boots: u64,
    survived: u64,
}

impl Run {
    fn boot(&mut self) -> Result<Machine, String> {
        let in_short = |error: std::io::Error| format!("QEMU: {error}");
        for _ in 0..BIRTHS {
            let mut machine = self.bench.boot(&self.disk, self.boots).map_err(in_short)?;
            if let Ok(word) = machine.line(Instant::now() + BIRTH) {
                self.boots += 1;
                self.tally.hear(&word);
                return Ok(machine);
            }
            self.tally.stillborn += 1;
            machine.cut(&self.disk).map_err(in_short)?;
            self.disk
                .restore(Survivors::All, &mut self.dice)
                .map_err(in_short)?;
        }
        Err(format!("the machine did not start {BIRTHS} times"))
    }

    /// The machine has settled, and is as it must be.
    fn settle(&mut self, machine: &Machine) -> Result<(), String> {
        let mut report = Report::default();
        let tally = &mut self.tally;
        until(machine, "whole", |line| {
            tally.hear(line);
            note(&mut report, line);
        })?;
        let problems = self.ledger.settle(&report);
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.join("\n  "))
        }
    }

    fn cut(&mut self, machine: &mut Machine) -> Result<String, String> {
        let in_short = |error: std::io::Error| error.to_string();
        for line in machine.cut(&self.disk).map_err(in_short)? {
            self.ledger.hear(&line);
        }
        let survivors = match self.dice.below(4) {
            0 | 1 => Survivors::None,
            2 => Survivors::Some,
            _ => Survivors::All,
        };
        let loss = self.disk.restore(survivors, &mut self.dice).map_err(in_short)?;
        self.tally.unflushed += loss.unflushed;
        self.tally.lost += loss.lost;
        Ok(format!(
            "{} of {} unflushed sectors lost, {} flushes before",
            loss.lost, loss.unflushed, loss.flushes
        ))
    }

    /// One start of the machine and one cut.
    fn round(&mut self) -> Result<String, String> {
        let mut machine = self.boot()?;
        if self.boots > 1 && self.dice.below(5) == 0 {
            let tally = &mut self.tally;
            until(&machine, "agent", |line| tally.hear(line))?;
            let time = Duration::from_millis(self.dice.below(3_000));
            listen(&machine, time, |_| ())?;
            tally.while_recovering += 1;
            let loss = self.cut(&mut machine)?;
            return Ok(format!("{time:?} into the recovery: {loss}"));
        }
        self.settle(&machine)?;
        let seed = self.dice.next();
        machine
            .say(&format!("load {seed}"))
            .map_err(|error| error.to_string())?;
        let time = Duration::from_millis(300 + self.dice.below(LOAD));
        let ledger = &mut self.ledger;
        listen(&machine, time, |line| ledger.hear(line))?;
        let loss = self.cut(&mut machine)?;
        Ok(format!("{time:?} into the load: {loss}"))
    }

    /// The last start: everything is right, and ends in order.
    fn end(&mut self) -> Result<(), String> {
        let mut machine = self.boot()?;
        self.settle(&machine)?;
        let in_short = |error: std::io::Error| error.to_string();
        machine.say("end").map_err(in_short)?;
        match machine.wait(Instant::now() + PATIENCE).map_err(in_short)? {
            Some(0) => Ok(()),
            other => Err(format!("QEMU ended with {other:?}")),
        }
    }

    fn run(&mut self, cuts: u64) -> Result<(), String> {
        for number in 1..=cuts {
            if ENOUGH.load(Ordering::Relaxed) {
                println!(
                    "figure: ended when asked to, {} cuts before the last",
                    cuts + 1 - number
                );
                break;
            }
            let told = self
                .round()
                .map_err(|error| format!("before cut {number}: {error}"))?;
            self.survived = number;
            println!("ok power cut {number}, {told}");
        }
        let number = self.survived;
        self.end()
            .map_err(|error| format!("after cut {number}: {error}"))?;
        println!("ok the machine is as it has acknowledged to be");
        Ok(())
    }
}

fn prepare(options: &Options, dir: &Path) -> Result<Run, std::io::Error> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/board/boot");
    let parts = Parts::fetch(&here)?;
    let bench = Bench::prepare(parts, dir, &files(dir)?)?;
    Ok(Run {
        disk: Disk::open(&bench.image(), &dir.join("disk.socket"))?,
        bench,
        dice: Dice::new(options.seed),
        ledger: Ledger::default(),
        tally: Tally::default(),
        boots: 0,
        survived: 0,
    })
}

fn figures(run: &Run, took: Duration) {
    let (tally, cuts) = (&run.tally, run.survived);
    println!(
        "figure: {cuts} power cuts in {} s, {} while a task was running, {} of them in the recovery from another",
        took.as_secs(),
        tally.while_running,
        tally.while_recovering
    );
    println!(
        "figure: acknowledged: {} changes ({} of them to their end) and {} settings; {} of {} unflushed sectors lost",
        run.ledger.accepted(),
        run.ledger.told(),
        run.ledger.kept,
        tally.lost,
        tally.unflushed
    );
    println!(
        "figure: under emulation the agent answered {} ms after its start and all was settled after {} ms (medians)",
        middle(&tally.ready),
        middle(&tally.settled)
    );
    if tally.stillborn > 0 {
        println!(
            "figure: {} starts of the emulator came to nothing and were made again",
            tally.stillborn
        );
    }
    for (kind, count) in &tally.kinds {
        println!("figure:   {count:5} {kind}");
    }
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("guest") {
        guest::run();
        return ExitCode::SUCCESS;
    }
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("cuts: {error}");
            return ExitCode::from(2);
        }
    };
    if let Err(error) = end_by_signal() {
        println!("FAILED SIGTERM cannot be waited for: {error}");
        return ExitCode::FAILURE;
    }
    println!("seed: --seed {}", options.seed);
    let dir = match tempfile::Builder::new().prefix("pinion-cuts-").tempdir() {
        Ok(dir) => dir,
        Err(error) => {
            println!("FAILED no folder to work in: {error}");
            return ExitCode::FAILURE;
        }
    };
    let begin = Instant::now();
    let outcome = match prepare(&options, dir.path()) {
        Ok(mut run) => {
            let outcome = run.run(options.cuts);
            figures(&run, begin.elapsed());
            outcome
        }
        Err(error) => Err(format!("the machine cannot be made: {error}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!(
                "FAILED {error}\n  disk and consoles are in {}",
                dir.keep().display()
            );
            ExitCode::FAILURE
        }
    }
}
