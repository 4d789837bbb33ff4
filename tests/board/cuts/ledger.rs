//! What the agent has acknowledged, written down outside its machine, and what is held against it after a cut.

use std::collections::{BTreeMap, BTreeSet};

/// Something on its way.
#[derive(Clone, Debug)]
struct Pending {
    value: String,
    /// The change that was named for it.
    change: Option<u64>,
}

/// One thing that one client alone changes.
#[derive(Clone, Debug, Default)]
struct Thing {
    /// Unknown until it was seen once.
    value: Option<String>,
    pending: Option<Pending>,
}

/// What a machine says of itself once everything has settled.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub changes: BTreeMap<u64, String>,
    pub things: BTreeMap<String, String>,
    /// Of `pinion check --deep`, and of the program in the machine.
    pub findings: Vec<String>,
}

#[derive(Default)]
pub struct Ledger {
    things: BTreeMap<String, Thing>,
    accepted: BTreeSet<u64>,
    /// How changes ended, as far as somebody was told.
    told: BTreeMap<u64, String>,
    /// Settings that were acknowledged without a change.
    pub kept: u64,
}

impl Ledger {
    /// How many changes were acknowledged.
    pub fn accepted(&self) -> usize {
        self.accepted.len()
    }

    /// Of how many the end was told.
    pub fn told(&self) -> usize {
        self.told.len()
    }

    /// Takes a line of the load.
    pub fn hear(&mut self, line: &str) {
        let mut words = line.splitn(3, ' ');
        let (word, name, rest) = (words.next(), words.next(), words.next().unwrap_or_default());
        let (Some(word), Some(name)) = (word, name) else {
            return;
        };
        let thing = self.things.entry(name.to_owned()).or_default();
        match word {
            "send" => {
                thing.pending = Some(Pending {
                    value: rest.to_owned(),
                    change: None,
                });
            }
            "ack" => {
                let id = rest.parse().ok();
                self.accepted.extend(id);
                if let Some(pending) = &mut thing.pending {
                    pending.change = id;
                }
            }
            "done" => {
                let (id, status) = rest.split_once(' ').unwrap_or((rest, ""));
                if let Ok(id) = id.parse() {
                    self.told.insert(id, status.to_owned());
                }
                let pending = thing.pending.take();
                if status == "Done" {
                    thing.value = pending.map(|pending| pending.value);
                }
            }
            "kept" => {
                self.kept += 1;
                thing.value = thing.pending.take().map(|pending| pending.value);
            }
            "no" => thing.pending = None,
            _ => {}
        }
    }

    /// What the report owes. From then on its values count.
    pub fn settle(&mut self, report: &Report) -> Vec<String> {
        let mut problems = report.findings.clone();
        // Only the newest 500 changes are kept (contract: v2, section 5).
        let oldest = report.changes.keys().next().copied().unwrap_or(u64::MAX);
        for id in &self.accepted {
            match report.changes.get(id).map(String::as_str) {
                Some("Done" | "Undone" | "Error" | "Hold") => {}
                Some(status) => problems.push(format!("change {id} is {status}")),
                None if *id < oldest && report.changes.len() >= 500 => {}
                None => problems.push(format!("change {id} was acknowledged and is gone")),
            }
        }
        for (id, told) in &self.told {
            if let Some(status) = report.changes.get(id).filter(|status| *status != told) {
                problems.push(format!("change {id} was told to be {told} and is {status}"));
            }
        }
        for (name, value) in &report.things {
            let thing = self.things.entry(name.clone()).or_default();
            if let Some(before) = thing.value.take() {
                let mut right = vec![before];
                if let Some(Pending { value, change }) = thing.pending.take() {
                    match change.and_then(|id| report.changes.get(&id)).map(String::as_str) {
                        Some("Done") => right = vec![value],
                        Some(_) => {}
                        None => right.push(value),
                    }
                }
                if !right.contains(value) {
                    problems.push(format!("{name} is {value:?}, not {}", right.join(" or ")));
                }
            }
            thing.pending = None;
            thing.value = Some(value.clone());
        }
        problems
    }
}
