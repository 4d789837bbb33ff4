//! The disk below the agent, by a shim in front of the C library (`disk.c`): what was written may be there in part and
//! in another order after a power cut (R4), and each call that changes something may fail (R5).

use crate::agent::{Agent, Faults, check};
use crate::random::Dice;
use crate::scenario::{Scenario, install};
use crate::snaps::Snaps;
use nix::errno::Errno;
use pinion::client::Client;
use pinion::client::types::Change;
use pinion::domain::Dirs;
use pinion::drivers::clock::Clock;
use pinion::store::{Store, verify};
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What a disk writes as a whole.
const SECTOR: usize = 512;

/// How long a change may take on a machine that has much else to do. Only a failure takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

fn count(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The shim with its files, and the snaps.
struct Bench {
    dir: tempfile::TempDir,
    snaps: Snaps,
    control: File,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/disk.c");
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(dir.path().join("disk.so"))
            .arg(source)
            .args(["-ldl", "-lpthread"])
            .status();
        assert!(made.is_ok_and(|made| made.success()), "the shim is made");
        std::fs::create_dir(dir.path().join("root")).expect("a folder");
        std::fs::write(dir.path().join("log"), b"").expect("a log");
        std::fs::write(dir.path().join("control"), [0; 16]).expect("a control");
        let control = OpenOptions::new()
            .read(true)
            .write(true)
            .open(dir.path().join("control"));
        Self {
            snaps: Snaps::pack(dir.path()),
            control: control.expect("the control"),
            dir,
        }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn start(&self, logs: bool) -> Agent {
        let at = |name: &str| self.dir.path().join(name).to_string_lossy().into_owned();
        let mut env = vec![
            ("LD_PRELOAD", at("disk.so")),
            ("DISK_ROOT", at("root")),
            ("DISK_CONTROL", at("control")),
        ];
        if logs {
            env.push(("DISK_LOG", at("log")));
        }
        let faults = Faults {
            env,
            ..Faults::default()
        };
        Agent::start(&self.root(), &faults).expect("the agent")
    }

    /// Calls `from` to `until` fail, counted from now.
    fn arm(&self, from: u32, until: u32, error: Errno) {
        let words = [0, from, until, error as u32];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        self.control.write_all_at(&bytes, 0).expect("the control");
    }

    /// No call fails any more; answers how many there were.
    fn disarm(&self) -> u32 {
        self.control.write_all_at(&[0; 4], 12).expect("the control");
        let mut seen = [0; 4];
        self.control.read_exact_at(&mut seen, 0).expect("the control");
        u32::from_ne_bytes(seen)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let below = self.root();
        for at in mounts.lines().filter_map(|line| line.split(' ').nth(1)) {
            if Path::new(at).starts_with(&below) {
                // What stays mounted shows in the folder that stays.
                let _ = nix::mount::umount2(at, nix::mount::MntFlags::MNT_DETACH);
            }
        }
        crate::boundaries::open_up(&below);
    }
}

async fn order(bench: &Bench, client: &Client, what: Scenario) -> Option<Change> {
    let id = what.act(client, &bench.snaps, &bench.root()).await?;
    let waited = tokio::time::timeout(PATIENCE, client.wait(&id)).await;
    Some(waited.expect("a change ends by itself").expect("its end"))
}

// ---------------------------------------------------------------------- R4

/// Something that happened to a file of the state, or that a client was told. A file that is removed is cut to nothing.
enum Step {
    Write(usize, u64, Vec<u8>),
    Truncate(usize, u64),
    Sync(usize),
    /// A change was acknowledged, or its end was told.
    Told(u64, Option<String>),
}

const FILES: [&str; 3] = ["state.db", "state.db-wal", "state.db-journal"];
const JOURNAL: usize = 2;

fn steps(log: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = log;
    while let Some((head, more)) = rest.split_at_checked(16) {
        let length = u32::from_ne_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let offset = u64::from_ne_bytes(head[8..16].try_into().expect("eight bytes"));
        let (data, more) = more.split_at(length);
        let file = b"dwj"
            .iter()
            .position(|file| *file == head[1])
            .unwrap_or_default();
        steps.push(match head[0] {
            b'W' => Step::Write(file, offset, data.to_vec()),
            b'T' => Step::Truncate(file, offset),
            b'S' => Step::Sync(file),
            _ => {
                let status = String::from_utf8_lossy(data).into_owned();
                Step::Told(offset, Some(status).filter(|status| !status.is_empty()))
            }
        });
        rest = more;
    }
    steps
}

/// What is on the medium, and what is on its way there.
#[derive(Clone, Default)]
struct Medium {
    durable: Vec<u8>,
    underway: Vec<(u64, Option<Vec<u8>>)>,
}

impl Medium {
    fn put(bytes: &mut Vec<u8>, at: u64, data: &[u8]) {
        let end = at as usize + data.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[at as usize..end].copy_from_slice(data);
    }

    fn settle(&mut self) {
        for (at, data) in self.underway.drain(..) {
            match data {
                Some(data) => Self::put(&mut self.durable, at, &data),
                None => self.durable.resize(at as usize, 0),
            }
        }
    }

    /// What a power cut leaves: nothing of what was underway, all but the end of the last write, or any sectors of it.
    fn cut(mut self, way: u64, dice: &mut Dice) -> Vec<u8> {
        let last = self.underway.len();
        for (number, (at, data)) in std::mem::take(&mut self.underway).into_iter().enumerate() {
            match (way, data) {
                (0, _) => {}
                (1 | 2, Some(data)) if number + 1 == last => {
                    let unit = if way == 1 { SECTOR } else { 8 * SECTOR };
                    let units = data.len().div_ceil(unit) as u64;
                    let kept = data.len().min(dice.next(units + 1) as usize * unit);
                    Self::put(&mut self.durable, at, &data[..kept]);
                }
                (1 | 2, Some(data)) => Self::put(&mut self.durable, at, &data),
                (_, Some(data)) => {
                    for (number, sector) in data.chunks(SECTOR).enumerate() {
                        if dice.next(2) == 0 {
                            Self::put(&mut self.durable, at + (number * SECTOR) as u64, sector);
                        }
                    }
                }
                (_, None) if way < 3 || dice.next(2) == 0 => self.durable.resize(at as usize, 0),
                _ => {}
            }
        }
        self.durable
    }
}

/// Writes into the log of the disk what a client was told.
fn told(bench: &Bench, change: &str, status: &str) {
    let mut record = vec![b'M', 0, 0, 0];
    record.extend((status.len() as u32).to_ne_bytes());
    record.extend(change.parse::<u64>().expect("a number").to_ne_bytes());
    record.extend(status.as_bytes());
    let log = OpenOptions::new().append(true).open(bench.dir.path().join("log"));
    log.expect("the log").write_all(&record).expect("a record");
}

async fn record(bench: &Bench) -> Vec<Step> {
    let agent = bench.start(true);
    let client = agent.client();
    let order = async |what: Option<Scenario>, file: Option<&Path>, n: u64| {
        let id = match (what, file) {
            (Some(what), _) => what.act(&client, &bench.snaps, &bench.root()).await,
            (_, Some(file)) => install(&client, file).await,
            _ => {
                let body = json!({"n": n});
                let put = client.put("/v2/snaps/board/conf", &body).await;
                put.ok().and_then(|answer| answer.change)
            }
        };
        let id = id.expect("a change");
        told(bench, &id, "");
        let change = client.wait(&id).await.expect("its end");
        told(bench, &id, &change.status);
    };
    for file in [&bench.snaps.base, &bench.snaps.gadget] {
        order(None, Some(file), 0).await;
    }
    for round in 0..3 {
        for what in [
            Scenario::Install,
            Scenario::Connect,
            Scenario::Update,
            Scenario::Disconnect,
            Scenario::Remove,
        ] {
            order(Some(what), None, 0).await;
            for n in 0..4 {
                order(None, None, round * 10 + n).await;
            }
        }
    }
    agent.kill();
    steps(&std::fs::read(bench.dir.path().join("log")).expect("the log"))
}

#[tokio::test]
async fn the_state_opens_from_whatever_of_it_reached_the_disk() {
    let states = count("PINION_DISK_STATES", 300);
    let bench = Bench::new();
    let steps = record(&bench).await;
    let mut dice = Dice(0x5eed_5eed);
    // Where the power goes, how many times there.
    let mut cuts = vec![0; steps.len() + 1];
    (0..states).for_each(|_| cuts[dice.next(steps.len() as u64 + 1) as usize] += 1);
    let mut media = [Medium::default(), Medium::default(), Medium::default()];
    let (mut known, mut writes, mut syncs): (Vec<(u64, Option<String>)>, u64, u64) = (Vec::new(), 0, 0);
    for (at, times) in cuts.into_iter().enumerate() {
        for _ in 0..times {
            let way = dice.next(5);
            let left = media.clone().map(|medium| medium.cut(way, &mut dice));
            let what = format!("cut off at step {at} of {}, way {way}", steps.len());
            holds(bench.dir.path(), &left, &known, &what);
        }
        match steps.get(at) {
            Some(Step::Write(file, offset, data)) => {
                writes += 1;
                media[*file].underway.push((*offset, Some(data.clone())));
            }
            Some(Step::Truncate(file, size)) => media[*file].underway.push((*size, None)),
            Some(Step::Sync(file)) => {
                syncs += 1;
                media[*file].settle();
                // It is removed; the folder is on the disk with what is made next in it.
                if matches!(media[JOURNAL].underway.last(), Some((0, None))) {
                    media[JOURNAL].settle();
                }
            }
            Some(Step::Told(change, status)) => known.push((*change, status.clone())),
            None => {}
        }
    }
    println!(
        "figure: {states} states of the database after torn, lost and reordered writes, of {writes} writes with {syncs} syncs, opened whole"
    );
    assert!(
        syncs > 100 && writes > syncs,
        "{writes} writes, {syncs} syncs: the log is not right"
    );
}

/// A state opens, is whole, and has what was told.
fn holds(dir: &Path, left: &[Vec<u8>; 3], known: &[(u64, Option<String>)], what: &str) {
    let root = tempfile::tempdir_in(dir).expect("a folder");
    let dirs = Dirs::new(root.path());
    let folder = dirs.database().parent().expect("a folder").to_owned();
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, bytes) in FILES.iter().zip(left) {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("a file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("a mode");
    }
    let (store, report) =
        Store::open(&dirs, Clock::system()).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(!report.restored, "{what}: {:?}", report.warnings);
    let world = store.world();
    for (change, status) in known {
        let Some(found) = world.change(pinion::domain::ChangeId(*change)) else {
            panic!("{what}: change {change} was acknowledged and is gone");
        };
        if let Some(status) = status {
            assert_eq!(
                &found.shown_status().to_string(),
                status,
                "{what}: change {change}"
            );
        }
    }
    store.close();
    let (_, findings) = verify(&dirs.database()).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(findings.is_empty(), "{what}: {findings:?}");
}

// ---------------------------------------------------------------------- R5

/// What is done while the disk fails.
const WORK: [Scenario; 5] = [
    Scenario::Install,
    Scenario::Connect,
    Scenario::Update,
    Scenario::Configure,
    Scenario::Remove,
];

#[tokio::test]
async fn a_disk_that_fails_spoils_nothing() {
    let faults = count("PINION_DISK_FAULTS", 24);
    let bench = Bench::new();
    let mut agent = bench.start(false);
    for file in [&bench.snaps.base, &bench.snaps.gadget] {
        let id = install(&agent.client(), file).await.expect("an install");
        assert_eq!(agent.client().wait(&id).await.expect("its end").status, "Done");
    }
    // How many calls there are to fail.
    bench.arm(0, 0, Errno::EIO);
    for what in WORK {
        let change = order(&bench, &agent.client(), what).await.expect("a change");
        assert_eq!(change.status, "Done", "{what:?}: {}", change.err);
    }
    let calls = bench.disarm();
    assert!(
        calls > 100,
        "only {calls} calls change something: the shim is not there"
    );
    let mut dice = Dice(0x0bad_d15c);
    let (mut refused, mut failed, mut restarts) = (0, 0, 0);
    for fault in 0..faults {
        // Evenly over all calls; some fail alone, some until the disk is mended.
        let from = 1 + (u64::from(calls) * fault / faults) as u32 + dice.next(3) as u32;
        let error = [Errno::ENOSPC, Errno::EIO, Errno::EROFS][dice.next(3) as usize];
        let for_good = dice.next(3) == 0;
        let until = if for_good { u32::MAX } else { from + 1 };
        let what = format!("fault {fault}: {error} from call {from} to {until}");
        bench.arm(from, until.min(i32::MAX as u32), error);
        for scenario in WORK {
            let client = agent.client();
            let Some(id) = scenario.act(&client, &bench.snaps, &bench.root()).await else {
                refused += 1;
                continue;
            };
            // A failure that cannot be written down is, once the disk is mended.
            let ended = tokio::time::timeout(Duration::from_secs(2), client.wait(&id)).await;
            for path in ["/v2/snaps", "/v2/changes?select=all", "/v2/system-info"] {
                client
                    .get(path)
                    .await
                    .unwrap_or_else(|error| panic!("{what}: {path}: {error}"));
            }
            let change = match ended {
                Ok(change) => change.expect("its end"),
                Err(_) => {
                    bench.disarm();
                    let waited = tokio::time::timeout(PATIENCE, client.wait(&id)).await;
                    waited
                        .unwrap_or_else(|_| panic!("{what}: {scenario:?} does not end"))
                        .expect("its end")
                }
            };
            match change.status.as_str() {
                "Done" => {}
                "Error" | "Undone" => failed += 1,
                status => panic!("{what}: {scenario:?} is {status}"),
            }
        }
        bench.disarm();
        agent.settle(PATIENCE).await;
        if check(&bench.root()).is_err() {
            // What could not be taken back is, by the next start.
            agent.stop();
            agent = bench.start(false);
            restarts += 1;
        }
        if let Err(findings) = check(&bench.root()) {
            panic!("{what}: pinion check --deep says\n{findings}");
        }
        // The same work again finds nothing in its way.
        let _ = order(&bench, &agent.client(), Scenario::Remove).await;
    }
    agent.stop();
    let log = std::fs::read_to_string(bench.root().join("agent.log")).expect("the log");
    assert!(!log.contains("panicked"), "{log}");
    println!(
        "figure: {faults} faults of the disk below {calls} calls: {refused} requests refused, {failed} changes failed, {restarts} times the next start mended the rest"
    );
}
