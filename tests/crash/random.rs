//! R2: the agent is killed at random moments under mixed load; nothing that was acknowledged may be lost.

use crate::agent::{Agent, Faults, check, install_form};
use crate::snaps::Snaps;
use pinion::client::Client;
use pinion::client::types::Change;
use pinion::store::Store;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A small generator of our own, so that a run can be repeated by its seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self, below: u64) -> u64 {
        // xorshift64: good enough to pick moments and actions.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// One client that keeps asking for changes until the agent dies; every id that it was told goes into `acknowledged`.
async fn load(client: Client, files: Vec<PathBuf>, seed: u64, acknowledged: Arc<Mutex<BTreeSet<u64>>>) {
    let mut dice = Dice(seed | 1);
    loop {
        let answer = match dice.next(6) {
            0 | 1 => {
                let file = &files[dice.next(files.len() as u64) as usize];
                client.upload("/v2/snaps", install_form(file)).await
            }
            2 => {
                client
                    .post("/v2/snaps/lights", &json!({"action": "remove"}))
                    .await
            }
            3 | 4 => {
                let action = if dice.next(2) == 0 {
                    "connect"
                } else {
                    "disconnect"
                };
                let body = json!({
                    "action": action,
                    "plugs": [{"snap": "lights", "plug": "pin"}],
                    "slots": [{"snap": "board", "slot": "bcm-gpio-17"}],
                });
                client.post("/v2/interfaces", &body).await
            }
            _ => {
                client
                    .put("/v2/snaps/lights/conf", &json!({"n": dice.next(1000)}))
                    .await
            }
        };
        match answer {
            Ok(answer) => {
                if let Some(id) = answer.change.and_then(|id| id.parse().ok()) {
                    acknowledged.lock().expect("unpoisoned").insert(id);
                }
            }
            // Refused (a conflict, nothing to remove): go on. A dead agent: the end.
            Err(error) if error.is_absence() => return,
            Err(_) => tokio::time::sleep(Duration::from_millis(3)).await,
        }
    }
}

/// Which kinds of tasks were running when the agent died.
fn running(root: &Path) -> Vec<String> {
    let world = Store::read_file(&root.join("var/lib/pinion/state.db")).expect("the state can be read");
    let tasks = world.changes.values().flat_map(|change| &change.tasks);
    tasks
        .filter(|task| task.status.is_running())
        .map(|task| task.kind.clone())
        .collect()
}

async fn setup(root: &Path, snaps: &Snaps) {
    let agent = Agent::start(root, &Faults::default()).expect("the agent");
    let client = agent.client();
    for file in [&snaps.base, &snaps.gadget] {
        let form = install_form(file);
        let id = client
            .upload("/v2/snaps", form)
            .await
            .expect("an answer")
            .change
            .expect("a change");
        assert_eq!(client.wait(&id).await.expect("its end").status, "Done");
    }
    agent.stop();
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_random_kills() {
    let kills: u64 = std::env::var("PINION_CRASH_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(60);
    let seed: u64 = std::env::var("PINION_CRASH_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.expect("a clock").as_nanos() as u64
        });
    println!("seed: PINION_CRASH_SEED={seed}");
    let mut dice = Dice(seed | 1);
    let dir = tempfile::tempdir().expect("a folder");
    let snaps = Snaps::pack(dir.path());
    let root = dir.path().join("root");
    std::fs::create_dir(&root).expect("a folder");
    setup(&root, &snaps).await;

    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let mut histogram: BTreeMap<String, u32> = BTreeMap::new();
    let mut while_doing = 0;
    for round in 0..kills {
        let agent = Agent::start(&root, &Faults::default()).expect("the agent");
        let clients: Vec<_> = (0..2)
            .map(|n| {
                tokio::spawn(load(
                    agent.client(),
                    snaps.lights.clone(),
                    dice.next(u64::MAX) + n,
                    acknowledged.clone(),
                ))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(20 + dice.next(400))).await;
        agent.kill();
        for client in clients {
            client.await.expect("a client");
        }
        let kinds = running(&root);
        while_doing += u64::from(!kinds.is_empty());
        for kind in kinds {
            *histogram.entry(kind).or_default() += 1;
        }
        // A start that is not killed: everything settles, and system and store agree.
        if round % 5 == 4 || round + 1 == kills {
            let agent = Agent::start(&root, &Faults::default()).expect("the agent");
            let changes: Vec<Change> = agent.settle(Duration::from_secs(20)).await;
            let known: BTreeSet<u64> = changes
                .iter()
                .filter_map(|change| change.id.parse().ok())
                .collect();
            let lost: Vec<u64> = acknowledged
                .lock()
                .expect("unpoisoned")
                .difference(&known)
                .copied()
                .collect();
            // Only the newest 500 changes are kept (contract: v2, section 5).
            let oldest = known.first().copied().unwrap_or(0);
            let lost: Vec<u64> = lost.into_iter().filter(|id| *id >= oldest).collect();
            assert!(lost.is_empty(), "acknowledged and gone: {lost:?}");
            if let Err(findings) = check(&root) {
                panic!("after kill {round}: pinion check --deep says\n{findings}");
            }
            agent.stop();
        }
    }
    println!("figure: {kills} random kills, {while_doing} while a task was running");
    for (kind, count) in &histogram {
        println!("figure:   {count:5} {kind}");
    }
    assert!(
        while_doing * 10 >= kills * 7,
        "only {while_doing} of {kills} kills hit a running task"
    );
}
