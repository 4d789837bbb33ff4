//! A store of a given size, written through the agent's own store.

use crate::agent::Result;
use pinion::domain::record::{ConnectionRecord, FileIdentity, RevisionRecord, SnapRecord};
use pinion::domain::status::TaskStatus;
use pinion::domain::{
    Attrs, Change, ChangeId, ConnRef, Dirs, PlugRef, Revision, SlotRef, SnapName, Task, TaskId, Timestamp,
};
use pinion::drivers::clock::Clock;
use pinion::managers::snaps::yaml::parse_snap_yaml;
use pinion::store::Store;
use std::path::Path;
use std::sync::Arc;

pub struct Size {
    pub snaps: usize,
    /// Of each snap, all to the first.
    pub plugs: usize,
    pub changes: u64,
}

/// 1,000 snaps, 10,000 connections, 100,000 changes.
pub const SIZE: Size = Size {
    snaps: 1_000,
    plugs: 10,
    changes: 100_000,
};

pub fn snap_name(number: usize) -> String {
    format!("snap-number-{number}")
}

pub fn fill(root: &Path, size: &Size) -> Result<()> {
    let dirs = Dirs::new(root);
    std::fs::create_dir_all(root.join("etc/pinion"))?;
    std::fs::write(root.join("etc/pinion/config.toml"), "[history]\nchanges = 200000\n")?;
    let (store, _) = Store::open(&dirs, Clock::system())?;
    let now = Clock::system().now();
    let snaps = size.snaps;
    for batch in (0..snaps).collect::<Vec<_>>().chunks(100) {
        let records: Vec<SnapRecord> = batch.iter().map(|number| snap(*number, size, now)).collect::<Result<_>>()?;
        store.commit(move |tx| records.into_iter().try_for_each(|record| tx.put_snap(record)))?;
    }
    for number in 0..snaps {
        let records: Vec<ConnectionRecord> =
            (0..size.plugs).map(|plug| connection(number, plug)).collect::<Result<_>>()?;
        store.commit(move |tx| records.into_iter().try_for_each(|record| tx.put_connection(record)))?;
    }
    let mut id = 0;
    while id < size.changes {
        let first = id + 1;
        let last = (id + 1_000).min(size.changes);
        store.commit(move |tx| {
            for _ in first..=last {
                let id = tx.next_change()?;
                let task = tx.next_tasks(5)?;
                tx.put_change(change(id, task, snaps, now))?;
            }
            Ok(())
        })?;
        id = last;
    }
    store.close();
    Ok(())
}

/// Not active, so that nothing is mounted for it.
fn snap(number: usize, size: &Size, now: Timestamp) -> Result<SnapRecord> {
    let mut yaml = format!("name: {}\nversion: 1.{number}\nsummary: One of many\nbase: none\n", snap_name(number));
    yaml.push_str(if number == 0 { "slots:\n" } else { "plugs:\n" });
    let ends = if number == 0 { 1 } else { size.plugs };
    for end in 0..ends {
        yaml.push_str(&format!("  end-{end}: {{interface: content, content: things, target: $SNAP/things}}\n"));
    }
    let info = parse_snap_yaml(yaml.replace("target: $SNAP/things", if number == 0 { "read: [/]" } else { "target: $SNAP/t" }).as_bytes())?;
    let revision: Revision = "x1".parse().map_err(|_| "x1 is no revision")?;
    Ok(SnapRecord {
        name: info.name.clone(),
        active: false,
        current: revision,
        sequence: vec![RevisionRecord {
            revision,
            installed: now,
            file: FileIdentity::default(),
            info: Arc::new(info),
        }],
        devmode: false,
        jailmode: false,
        classic: false,
        tracking_channel: String::new(),
        cohort_key: String::new(),
        disabled_services: Vec::new(),
        aliases: Default::default(),
    })
}

fn name(number: usize) -> Result<SnapName> {
    snap_name(number).parse().map_err(|_| "a generated name is no snap name".into())
}

fn connection(number: usize, plug: usize) -> Result<ConnectionRecord> {
    Ok(ConnectionRecord {
        connection: ConnRef {
            plug: PlugRef::new(name(number)?, format!("end-{plug}")),
            slot: SlotRef::new(name(0)?, "end-0"),
        },
        interface: "content".into(),
        auto: false,
        by_gadget: false,
        undesired: false,
        gone: false,
        hotplug_key: None,
        plug_static: Attrs::default(),
        plug_dynamic: Attrs::default(),
        slot_static: Attrs::default(),
        slot_dynamic: Attrs::default(),
    })
}

fn change(id: u64, first_task: u64, snaps: usize, now: Timestamp) -> Change {
    let spawn = Timestamp(now.0 - 3_600_000_000_000 + i64::try_from(id).unwrap_or(0) * 1_000_000);
    let task = |number: u64| Task {
        id: TaskId(first_task + number),
        kind: "run-hook".into(),
        summary: format!("Run a hook of the snap number {number}, if there is one"),
        status: TaskStatus::Done,
        waits: (number > 0).then(|| TaskId(first_task + number - 1)).into_iter().collect(),
        lanes: vec![1],
        progress: None,
        log: Vec::new(),
        spawn,
        ready: Some(spawn),
        not_before: None,
        params: serde_json::json!({"snap": snap_name(usize::try_from(id).unwrap_or(0) % snaps), "hook": "configure"}),
        memory: serde_json::Map::new(),
    };
    Change {
        id: ChangeId(id),
        kind: "configure-snap".into(),
        summary: format!("Change configuration of \"{}\" snap", snap_name(usize::try_from(id).unwrap_or(0) % snaps)),
        spawn,
        ready: Some(spawn),
        status: None,
        data: serde_json::Map::new(),
        snaps: Vec::new(),
        requester: "uid:0".into(),
        noticed: Some(TaskStatus::Done),
        tasks: (0..5).map(task).collect(),
    }
}
