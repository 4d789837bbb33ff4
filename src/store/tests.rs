use super::*;
use crate::domain::{Change, ChangeId, Revision, SnapName, Timestamp};
use serde_json::{Value, json};
use std::sync::atomic::AtomicI64;

fn open(root: &Path) -> (Arc<Store>, OpenReport) {
    let ticks = AtomicI64::new(1_000);
    let clock = Clock::from_fn(move || Timestamp(ticks.fetch_add(1, Ordering::Relaxed)));
    Store::open(&Dirs::new(root), clock).expect("the store opens")
}

fn change(id: u64, ready: Option<i64>) -> Change {
    Change {
        id: ChangeId(id),
        kind: "test".into(),
        summary: "Test".into(),
        spawn: Timestamp(1),
        ready: ready.map(Timestamp),
        status: None,
        data: serde_json::Map::new(),
        snaps: vec![],
        requester: String::new(),
        noticed: None,
        tasks: vec![],
    }
}

#[test]
fn what_was_committed_is_there_after_a_new_start() {
    let dir = tempfile::tempdir().expect("a folder");
    let snap = SnapName::new("pi").expect("a name");
    {
        let (store, _) = open(dir.path());
        let name = snap.clone();
        store
            .commit(move |tx| {
                tx.put_config(&name, serde_json::json!({"a": 1}))?;
                tx.add_warning("w")?;
                tx.next_change()
            })
            .expect("commit");
        // No close: the agent was killed.
    }
    let (store, report) = open(dir.path());
    assert!(report.warnings.is_empty());
    let world = store.world();
    assert_eq!(world.config[&snap]["a"], 1);
    assert_eq!(world.counters.change, 1);
    assert_eq!(world.warnings.len(), 1);
    store.close();
}

#[test]
fn a_refused_transaction_leaves_nothing_and_spoils_no_other() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    let refused = store.commit(|tx| -> Result<(), StoreError> {
        tx.add_warning("lost")?;
        Err(StoreError::Refused("no".into()))
    });
    assert!(matches!(refused, Err(StoreError::Refused(_))));
    store.commit(|tx| tx.add_warning("kept")).expect("commit");
    assert_eq!(store.world().warnings.keys().collect::<Vec<_>>(), ["kept"]);
    store.close();
    let (store, _) = open(dir.path());
    assert_eq!(store.world().warnings.keys().collect::<Vec<_>>(), ["kept"]);
}

#[test]
fn old_changes_leave_memory_but_not_the_history() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    let total = READY_IN_MEMORY as u64 + 20;
    store
        .commit(move |tx| (1..=total).try_for_each(|id| tx.put_change(change(id, Some(id as i64)))))
        .expect("commit");
    assert_eq!(store.world().changes.len(), READY_IN_MEMORY);
    assert_eq!(
        store.change(ChangeId(3)).expect("read").expect("it exists").id,
        ChangeId(3)
    );
    assert_eq!(store.history(100).expect("read").len(), 20);
    store.commit(|tx| tx.prune(Timestamp(0), 510)).expect("prune");
    assert_eq!(store.history(100).expect("read").len(), 10);
    assert!(store.change(ChangeId(3)).expect("read").is_none());
}

#[test]
fn a_damaged_database_is_set_aside_and_the_backup_restored() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    store.commit(|tx| tx.add_warning("before")).expect("commit");
    store.backup().expect("backup");
    store.close();
    let path = store.path().to_owned();
    for damage in [&b"this is not a database, not at all, no"[..], &[0u8; 4096]] {
        std::fs::write(&path, damage).expect("damage");
        let (store, report) = open(dir.path());
        assert!(report.restored);
        assert_eq!(report.warnings.len(), 1);
        assert!(store.world().warnings.contains_key("before"), "{damage:?}");
        store.close();
    }
    let kept = std::fs::read_dir(path.parent().expect("a folder"))
        .expect("list")
        .flatten();
    assert_eq!(
        kept.filter(|entry| entry.file_name().to_string_lossy().contains("damaged"))
            .count(),
        2
    );
}

#[test]
fn a_restore_that_was_cut_off_is_made_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    store.commit(|tx| tx.add_warning("before")).expect("commit");
    store.backup().expect("backup");
    store.commit(|tx| tx.add_warning("after")).expect("commit");
    let path = store.path().to_owned();
    // The log of another database, which must not be taken for the restored one's.
    let log = std::fs::read(path.with_extension("db-wal")).expect("the log");
    store.close();
    let gone: fn(&Path) = |path| std::fs::remove_file(path).expect("gone");
    let begun: fn(&Path) = |path| std::fs::write(path, b"").expect("begun");
    for cut in [gone, begun] {
        cut(&path);
        std::fs::write(path.with_extension("db-wal"), &log).expect("the log");
        let (store, report) = open(dir.path());
        assert!(report.restored);
        assert!(report.warnings[0].contains("the last backup was restored"));
        let world = store.world();
        assert!(world.warnings.contains_key("before") && !world.warnings.contains_key("after"));
        store.close();
    }
}

#[test]
fn a_record_that_cannot_be_read_is_damage_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    store
        .commit(|tx| tx.put_change(change(1, Some(1))))
        .expect("commit");
    store.backup().expect("backup");
    store.close();
    let connection = Connection::open(store.path()).expect("the database");
    let spoil = "UPDATE changes SET record = replace(record, '{', '[')";
    connection.execute_batch(spoil).expect("damage");
    drop(connection);
    let (store, report) = open(dir.path());
    assert!(report.restored);
    assert!(store.world().changes.contains_key(&ChangeId(1)));
    store.close();
}

#[test]
fn a_missing_database_starts_empty() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, report) = open(dir.path());
    assert!(!report.restored && report.warnings.is_empty());
    assert!(store.world().snaps.is_empty());
}

#[test]
fn a_newer_schema_is_refused_untouched() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    store.close();
    Connection::open(store.path())
        .expect("open")
        .execute_batch("PRAGMA user_version = 99")
        .expect("set");
    let error = Store::open(&Dirs::new(dir.path()), Clock::system())
        .err()
        .expect("refused");
    assert!(matches!(error, StoreError::TooNew { found: 99, .. }), "{error}");
    assert!(store.path().exists());
}

#[test]
fn every_older_schema_opens() {
    for (index, dump) in [include_str!("../../tests/fixtures/store/schema-1.sql")]
        .iter()
        .enumerate()
    {
        let dir = tempfile::tempdir().expect("a folder");
        let path = Dirs::new(dir.path()).database();
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("make");
        Connection::open(&path)
            .expect("open")
            .execute_batch(dump)
            .expect("fill");
        let (store, report) = open(dir.path());
        assert!(report.warnings.is_empty(), "schema {}", index + 1);
        let world = store.world();
        assert_eq!(world.counters.change, 7);
        assert_eq!(world.snaps.len(), 1);
        assert_eq!(world.change(ChangeId(7)).expect("the change").tasks.len(), 1);
        store
            .commit(|tx| tx.add_audit("uid=0", "test"))
            .expect("the new tables are there");
    }
}

#[test]
fn warnings_are_okayed_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    store.commit(|tx| tx.add_warning(" a ")).expect("commit");
    let shown = store.world().warnings["a"].last_added;
    assert_eq!(store.commit(move |tx| tx.okay_warnings(shown)).expect("okay"), 1);
    assert_eq!(store.commit(move |tx| tx.okay_warnings(shown)).expect("okay"), 0);
}

#[test]
fn notices_are_coalesced_and_their_times_increase() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    let ids = store
        .commit(|tx| {
            let a = tx.add_notice("change-update", "1", None, Default::default())?;
            let b = tx.add_notice("change-update", "2", None, Default::default())?;
            let again = tx.add_notice("change-update", "1", None, Default::default())?;
            Ok((a, b, again))
        })
        .expect("commit");
    assert_eq!(ids.0, ids.2);
    assert_ne!(ids.0, ids.1);
    let world = store.world();
    assert_eq!(world.notices[&ids.0].occurrences, 2);
    assert!(world.notices[&ids.0].last_repeated > world.notices[&ids.1].last_repeated);
}

#[test]
fn a_revision_keeps_its_configuration_and_its_health() {
    use crate::domain::record::{Health, HealthStatus};
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    let snap = SnapName::new("pi").expect("a name");
    let [one, two]: [Revision; 2] = ["x1", "x2"].map(|text| text.parse().expect("a revision"));
    let health = Health {
        status: HealthStatus::Waiting,
        message: "for the tide".into(),
        code: String::new(),
        time: Timestamp(5),
        by_hook: true,
    };
    let config = |store: &Store| store.world().config.get("pi").map(|known| Value::clone(known));
    let with = |edit: fn(&mut Tx<'_>, &SnapName, [Revision; 2]) -> Result<(), StoreError>| {
        let name = snap.clone();
        store
            .commit(move |tx| edit(tx, &name, [one, two]))
            .expect("commit");
        config(&store)
    };
    // a refresh from x1 to x2, a change, a revert, and the revert undone
    with(|tx, snap, _| tx.put_config(snap, json!({"a": 1})));
    let after = with(|tx, snap, [one, _]| tx.keep_config(snap, one));
    assert_eq!(after, Some(json!({"a": 1})), "a refresh changes nothing");
    with(|tx, snap, _| tx.put_config(snap, json!({"a": 2})));
    let reverted = with(|tx, snap, [one, two]| {
        tx.keep_config(snap, two)?;
        tx.restore_config(snap, one)
    });
    assert_eq!(reverted, Some(json!({"a": 1})));
    let again = with(|tx, snap, [one, _]| tx.restore_config(snap, one));
    assert_eq!(
        again,
        Some(json!({"a": 1})),
        "nothing is kept for the current one"
    );
    let undone = with(|tx, snap, [one, two]| {
        tx.keep_config(snap, one)?;
        tx.restore_config(snap, two)
    });
    assert_eq!(undone, Some(json!({"a": 2})));
    // a revision that had no configuration
    with(|tx, snap, [one, two]| {
        tx.delete_config(snap)?;
        tx.keep_config(snap, one)?;
        tx.put_config(snap, json!({"b": 1}))?;
        tx.keep_config(snap, two)
    });
    assert_eq!(with(|tx, snap, [one, _]| tx.restore_config(snap, one)), None);
    let (name, said) = (snap.clone(), health.clone());
    store
        .commit(move |tx| tx.put_health(&name, two, said))
        .expect("commit");
    store.close();
    let (store, _) = open(dir.path());
    assert_eq!(store.world().health_of(&snap, two), Some(&health));
    assert_eq!(store.world().health_of(&snap, one), None);
    let name = snap.clone();
    store
        .commit(move |tx| {
            tx.forget_revision(&name, two)?;
            tx.restore_config(&name, two)
        })
        .expect("commit");
    assert_eq!(store.world().health_of(&snap, two), None);
    assert_eq!(config(&store), None, "what was kept went with the revision");
}
