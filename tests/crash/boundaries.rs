//! R1: the agent is killed at each point of each task kind, in both directions, and everything must come out as the
//! contract's rules say. `PINION_CRASH_ONLY=KIND` (or a scenario) leaves out the others, to look at one closely.

use crate::agent::{Agent, Faults, check};
use crate::model;
use crate::scenario::{AGAIN, SCENARIOS, Scenario, install};
use crate::snaps::Snaps;
use pinion::client::Client;
use pinion::client::types::Change;
use pinion::engine::fault::POINTS;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// Recovery within this time (R1).
const RECOVERY: Duration = Duration::from_secs(5);

/// How long a change may take on a machine that has much else to do. Only a failure takes that long.
const SLOW: Duration = Duration::from_secs(120);

/// How long a fault that should fire is waited for once the change is ready. Only a failure takes that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A root on which a scenario's needs have happened.
async fn prepared(scenario: Scenario, snaps: &Snaps) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    if scenario == Scenario::Seed {
        return root;
    }
    let agent = Agent::start(root.path(), &Faults::default()).expect("the agent");
    let client = agent.client();
    let gadget = (scenario != Scenario::Gadget).then_some(&snaps.gadget);
    for file in [&snaps.base].into_iter().chain(gadget) {
        let id = install(&client, file).await.expect("an install");
        let change = client.wait(&id).await.expect("its end");
        assert_eq!(change.status, "Done", "{}", change.err);
    }
    for need in scenario.needs().iter().filter(|need| **need != Scenario::Seed) {
        let id = need.act(&client, snaps, root.path()).await.expect("a change");
        let change = client.wait(&id).await.expect("its end");
        assert_eq!(change.status, "Done", "{need:?}: {}", change.err);
    }
    agent.stop();
    root
}

/// Removes what the agent left mounted below a root.
pub fn leave(root: tempfile::TempDir) {
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("the mounts");
    let below = root.path().to_string_lossy().into_owned();
    for mount in mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .filter(|at| at.starts_with(&below))
    {
        // The folder is removed all the same; what stays mounted shows there.
        let _ = nix::mount::umount2(mount, nix::mount::MntFlags::MNT_DETACH);
    }
    open_up(root.path());
    root.close().expect("the folder goes");
}

/// Makes unpacked snaps removable: those of an ordinary user are folders that cannot be written.
pub fn open_up(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if dir.symlink_metadata().is_ok_and(|about| about.is_dir()) {
        let _ = std::fs::set_permissions(dir, PermissionsExt::from_mode(0o755));
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            open_up(&entry.path());
        }
    }
}

/// The change as it is in the end, with its tasks in the order of their making.
fn in_order(mut change: Change) -> Change {
    change
        .tasks
        .sort_by_key(|task| task.id.parse::<u64>().unwrap_or(0));
    change
}

/// Tasks in the order in which they run: injected ones come behind the task that made them.
fn statuses(change: &Change) -> Vec<(String, String)> {
    change
        .tasks
        .iter()
        .map(|task| (task.kind.clone(), task.status.clone()))
        .collect()
}

struct Run<'a> {
    scenario: Scenario,
    snaps: &'a Snaps,
    faults: String,
}

struct Outcome {
    change: Change,
    killed: bool,
    recovery: Duration,
    probes: Vec<String>,
}

/// Aborts a change while its task stands at a pause, and lets the task go on.
async fn abort_in_the_pause(client: &Client, id: &str, root: &Path) {
    let stamp = root.join("stamp-0");
    let begin = Instant::now();
    while !stamp.exists() {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "the pause is not reached"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let path = format!("/v2/changes/{id}");
    client
        .post(&path, &json!({"action": "abort"}))
        .await
        .expect("the abort");
    std::fs::remove_file(stamp).expect("the pause ends");
}

impl Run<'_> {
    /// Starts the agent with the faults, makes the change, starts the agent again if it was killed, waits.
    async fn run(&self) -> Outcome {
        let root = prepared(self.scenario, self.snaps).await;
        let faults = Faults {
            faults: self.faults.clone(),
            stamp: root.path().join("stamp"),
            probes: root.path().join("probes"),
            ..Faults::default()
        };
        let mut killed = false;
        let mut id = (self.scenario == Scenario::Seed).then(|| String::from("1"));
        let before = match Agent::start(root.path(), &faults) {
            None => {
                killed = true;
                0
            }
            Some(mut agent) => {
                let client = agent.client();
                let before = client
                    .read::<Vec<Change>>("/v2/changes?select=all")
                    .await
                    .map_or(0, |changes| changes.len());
                id = self.scenario.act(&client, self.snaps, root.path()).await.or(id);
                if self.faults.contains(":pause") {
                    abort_in_the_pause(&client, id.as_deref().expect("a change"), root.path()).await;
                }
                self.watch(&mut agent, &client).await;
                killed |= agent.has_ended();
                assert!(
                    killed || id.is_some(),
                    "{:?} {}: the request was refused",
                    self.scenario,
                    self.faults
                );
                agent.kill();
                before
            }
        };
        let begin = Instant::now();
        let agent = Agent::start(
            root.path(),
            &Faults {
                faults: String::new(),
                ..faults.clone()
            },
        );
        let agent = agent.expect("the agent starts after the fault");
        let changes = agent.settle(RECOVERY).await;
        let recovery = begin.elapsed();
        let change = match id {
            Some(id) => changes.iter().find(|change| change.id == id).cloned(),
            None => changes
                .iter()
                .max_by_key(|change| change.id.parse::<u64>().unwrap_or(0))
                .cloned(),
        };
        let what = format!("{:?} {}", self.scenario, self.faults);
        let change =
            in_order(change.unwrap_or_else(|| panic!("{what}: the change is gone ({before} before)")));
        if let Err(findings) = check(root.path()) {
            panic!(
                "{what}: pinion check --deep says\n{findings}\n{:#?}",
                statuses(&change)
            );
        }
        if change.status == "Done" {
            self.scenario.left(&agent.client(), &what).await;
        }
        agent.stop();
        let probes = std::fs::read_to_string(root.path().join("probes")).unwrap_or_default();
        leave(root);
        Outcome {
            change,
            killed,
            recovery,
            probes: probes.lines().map(str::to_owned).collect(),
        }
    }
}

impl Run<'_> {
    /// Waits for the end of the agent, or of the change if no fault kills the agent. A fault behind the last commit
    /// fires after the change is seen to be ready.
    async fn watch(&self, agent: &mut Agent, client: &Client) {
        let begin = Instant::now();
        let mut ready: Option<Instant> = None;
        while !agent.has_ended() && begin.elapsed() < SLOW {
            if ready.is_none() {
                let looked: Result<Vec<Change>, _> = client.read("/v2/changes?select=in-progress").await;
                ready = looked.is_ok_and(|changes| changes.is_empty()).then(Instant::now);
            }
            if ready.is_some_and(|since| !self.faults.contains("kill") || since.elapsed() > PATIENCE) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// What every probe said: before the first `do` nothing is there, after it everything, after an undo nothing.
fn hold_against_probes(what: &str, probes: &[String]) {
    let mut started = BTreeSet::new();
    for line in probes {
        let mut words = line.split(' ');
        let (kind, task) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let (moment, verdict) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let expected: &[&str] = match moment {
            "do-before" if started.insert(task.to_owned()) => &["Absent"],
            "do-after" => &["Present"],
            "undo-after" => &["Absent"],
            _ => continue,
        };
        assert!(
            expected.contains(&verdict) || verdict == "NoEffect",
            "{what}: the probe of {kind} says {verdict} at {moment}"
        );
    }
}

#[tokio::test]
async fn every_kind_survives_a_kill_at_every_boundary() {
    let dir = tempfile::tempdir().expect("a folder");
    let snaps = Snaps::pack(dir.path());
    let (registered, can_undo) = kinds(dir.path()).await;

    // A run of each scenario without faults tells which kinds it has, and where.
    let mut plans: BTreeMap<Scenario, Vec<String>> = BTreeMap::new();
    let mut first: BTreeMap<String, Scenario> = BTreeMap::new();
    for scenario in SCENARIOS {
        let outcome = Run {
            scenario,
            snaps: &snaps,
            faults: String::new(),
        }
        .run()
        .await;
        assert_eq!(
            outcome.change.status, "Done",
            "{scenario:?}: {}",
            outcome.change.err
        );
        hold_against_probes(&format!("{scenario:?}"), &outcome.probes);
        let kinds: Vec<String> = outcome
            .change
            .tasks
            .iter()
            .map(|task| task.kind.clone())
            .collect();
        for kind in &kinds {
            first.entry(kind.clone()).or_insert(scenario);
        }
        plans.insert(scenario, kinds);
    }
    let covered: BTreeSet<String> = first.keys().cloned().collect();
    assert_eq!(covered, registered, "every registered kind is in some scenario");

    let mut slowest = Duration::ZERO;
    let mut runs = 0;
    let again = AGAIN.map(|(scenario, kind)| (kind.to_owned(), scenario));
    let only = std::env::var("PINION_CRASH_ONLY").ok();
    let all = first.into_iter().chain(again);
    let is_asked = |name: &str| only.as_ref().is_none_or(|only| only == name);
    for (kind, scenario) in
        all.filter(|(kind, scenario)| is_asked(kind) || is_asked(&format!("{scenario:?}")))
    {
        for point in POINTS {
            let faults = format!("{kind}:do-{point}:kill");
            let outcome = Run {
                scenario,
                snaps: &snaps,
                faults: faults.clone(),
            }
            .run()
            .await;
            assert!(outcome.killed, "{faults} was not reached in {scenario:?}");
            let expected = model::final_statuses(&plans[&scenario], &can_undo, None);
            let got: Vec<String> = statuses(&outcome.change)
                .into_iter()
                .map(|(_, status)| status)
                .collect();
            assert_eq!(got, expected, "{scenario:?} {faults}: {}", outcome.change.err);
            assert_eq!(outcome.change.status, model::change_status(None));
            hold_against_probes(&faults, &outcome.probes);
            slowest = slowest.max(outcome.recovery);
            runs += 1;
        }
        if can_undo.contains(&kind) {
            // The kind must not be the last task: one behind it fails. Elsewhere it may be.
            let Some(scenario) = [scenario]
                .into_iter()
                .chain(SCENARIOS)
                .find(|scenario| is_followed(&plans[scenario], &kind))
            else {
                runs += abort_runs(&snaps, &kind, scenario, &mut slowest).await;
                continue;
            };
            runs += undo_runs(
                &snaps,
                &kind,
                (scenario, &plans[&scenario]),
                &can_undo,
                &mut slowest,
            )
            .await;
        }
    }
    println!(
        "figure: {runs} kills at boundaries of {} kinds, slowest recovery {slowest:?}",
        covered.len()
    );
}

/// A kind is among these and not the last.
fn is_followed(kinds: &[String], kind: &str) -> bool {
    let position = kinds.iter().position(|one| one == kind);
    position.is_some_and(|position| position + 1 < kinds.len())
}

/// Kills in the undo of a kind: the last task of a scenario fails, and the agent dies while the kind is taken back.
async fn undo_runs(
    snaps: &Snaps,
    kind: &str,
    (scenario, kinds): (Scenario, &[String]),
    can_undo: &BTreeSet<String>,
    slowest: &mut Duration,
) -> u32 {
    let last = kinds.len() - 1;
    // Injected tasks are made last but do not run last: what runs last is a hook, in a removal the files' end.
    let ending = match scenario {
        Scenario::Remove | Scenario::RemoveTried => "discard-snap",
        Scenario::Ordered => "service-control",
        _ => "run-hook",
    };
    let failing = kinds.iter().rposition(|one| one == ending).unwrap_or(last);
    let nth = kinds[..=failing]
        .iter()
        .filter(|one| **one == kinds[failing])
        .count();
    let mut runs = 0;
    for point in POINTS {
        let faults = format!(
            "{}#{nth}:do-before:error,{kind}:undo-{point}:kill",
            kinds[failing]
        );
        let outcome = Run {
            scenario,
            snaps,
            faults: faults.clone(),
        }
        .run()
        .await;
        assert!(outcome.killed, "{faults} was not reached in {scenario:?}");
        let change = &outcome.change;
        for (position, task) in change.tasks.iter().enumerate() {
            let injected = position > failing;
            let expected = if position == failing {
                "Error"
            } else if can_undo.contains(&task.kind) {
                "Undone"
            } else {
                "Done"
            };
            // A task that has not run yet is held instead.
            assert!(
                task.status == expected || (injected && task.status == "Hold"),
                "{scenario:?} {faults}: {} is {} and not {expected}: {}",
                task.kind,
                task.status,
                change.err
            );
        }
        assert_eq!(change.status, model::change_status(Some(failing)));
        hold_against_probes(&faults, &outcome.probes);
        *slowest = (*slowest).max(outcome.recovery);
        runs += 1;
    }
    runs
}

/// Kills in the undo of a kind whose changes have no other task: the change is aborted while the task runs.
async fn abort_runs(snaps: &Snaps, kind: &str, scenario: Scenario, slowest: &mut Duration) -> u32 {
    for point in POINTS {
        let faults = format!("{kind}:do-after-effect:pause,{kind}:undo-{point}:kill");
        let outcome = Run {
            scenario,
            snaps,
            faults: faults.clone(),
        }
        .run()
        .await;
        assert!(outcome.killed, "{faults} was not reached in {scenario:?}");
        let got: Vec<String> = statuses(&outcome.change)
            .into_iter()
            .map(|(_, status)| status)
            .collect();
        assert_eq!(got, ["Undone"], "{scenario:?} {faults}: {}", outcome.change.err);
        hold_against_probes(&faults, &outcome.probes);
        *slowest = (*slowest).max(outcome.recovery);
    }
    POINTS.len() as u32
}

/// The registered kinds and those that can be undone, as the agent itself says.
async fn kinds(dir: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let root = dir.join("kinds");
    std::fs::create_dir(&root).expect("a folder");
    let agent = Agent::start(&root, &Faults::default()).expect("the agent");
    let features = agent
        .client()
        .get("/v2/debug?aspect=features")
        .await
        .expect("the features")
        .result;
    agent.stop();
    let mut all = BTreeSet::new();
    let mut can_undo = BTreeSet::new();
    for task in features["tasks"].as_array().expect("a list") {
        let kind = task["kind"].as_str().expect("a kind").to_owned();
        if task["has-undo"] == true {
            can_undo.insert(kind.clone());
        }
        all.insert(kind);
    }
    (all, can_undo)
}
