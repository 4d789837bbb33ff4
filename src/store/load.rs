//! Reading the whole state into memory at start.

use super::tx::LAST_NOTICE;
use super::world::READY_IN_MEMORY;
use super::{Counters, StoreError, World};
use crate::domain::record::{Health, LedSetting, LineSetting, Notice, Warning};
use crate::domain::{
    Change, ChangeId, ConnectionRecord, Revision, SnapName, SnapRecord, Task, Timestamp, json,
};
use rusqlite::Connection;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A record from its text.
pub fn decode<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    json::decode(text.as_bytes())
        .map_err(|error| StoreError::Damaged(format!("a record is unreadable: {error}")))
}

fn records<T: DeserializeOwned>(connection: &Connection, sql: &str) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(decode(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?);
    }
    Ok(all)
}

fn pairs(connection: &Connection, sql: &str) -> Result<Vec<(String, String)>, StoreError> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn name(text: &str) -> Result<SnapName, StoreError> {
    SnapName::new(text).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// The health of all revisions.
fn health(connection: &Connection) -> Result<BTreeMap<SnapName, BTreeMap<Revision, Health>>, StoreError> {
    let mut statement = connection.prepare("SELECT snap, revision, record FROM health")?;
    let mut rows = statement.query([])?;
    let mut all: BTreeMap<SnapName, BTreeMap<Revision, Health>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (snap, revision, record): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let revision = revision
            .parse()
            .map_err(|error| StoreError::Damaged(format!("{error}")))?;
        all.entry(name(&snap)?)
            .or_default()
            .insert(revision, decode(&record)?);
    }
    Ok(all)
}

/// A change with its tasks.
pub fn change(connection: &Connection, record: &str) -> Result<Change, StoreError> {
    let mut change: Change = decode(record)?;
    let mut statement =
        connection.prepare_cached("SELECT record FROM tasks WHERE change_id = ?1 ORDER BY id")?;
    let mut rows = statement.query([change.id.0.cast_signed()])?;
    while let Some(row) = rows.next()? {
        let task: Task = decode(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?;
        change.tasks.push(task);
    }
    Ok(change)
}

fn changes(connection: &Connection) -> Result<(BTreeMap<ChangeId, Arc<Change>>, bool), StoreError> {
    let mut statement = connection.prepare(
        "SELECT record FROM changes WHERE ready IS NULL UNION ALL
         SELECT * FROM (SELECT record FROM changes WHERE ready IS NOT NULL ORDER BY ready DESC LIMIT ?1)",
    )?;
    let texts: Vec<String> = statement
        .query_map([READY_IN_MEMORY as i64], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut all = BTreeMap::new();
    for text in texts {
        let change = change(connection, &text)?;
        all.insert(change.id, Arc::new(change));
    }
    let more: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM changes WHERE ready IS NOT NULL LIMIT 1 OFFSET ?1)",
        [READY_IN_MEMORY as i64],
        |row| row.get(0),
    )?;
    Ok((all, more))
}

fn counters(connection: &Connection) -> Result<(Counters, Option<Timestamp>), StoreError> {
    let meta: BTreeMap<String, String> = pairs(connection, "SELECT key, value FROM meta")?
        .into_iter()
        .collect();
    let last_notice = meta.get(LAST_NOTICE).and_then(|text| text.parse().ok());
    let number = |key: &str| meta.get(key).and_then(|text| text.parse().ok()).unwrap_or(0);
    let counters = Counters {
        change: number("last-change-id"),
        task: number("last-task-id"),
        lane: number("last-lane-id"),
        notice: number("last-notice-id"),
    };
    Ok((counters, last_notice.map(Timestamp)))
}

/// The state that the database holds.
pub fn world(connection: &Connection) -> Result<World, StoreError> {
    let snaps = records::<SnapRecord>(connection, "SELECT record FROM snaps")?;
    let connections = records::<ConnectionRecord>(connection, "SELECT record FROM connections")?;
    let warnings = records::<Warning>(connection, "SELECT record FROM warnings")?;
    let notices = records::<Notice>(connection, "SELECT record FROM notices")?;
    let lines = records::<LineSetting>(connection, "SELECT record FROM lines")?;
    let leds = records::<LedSetting>(connection, "SELECT record FROM leds")?;
    let mut config = BTreeMap::new();
    for (snap, document) in pairs(connection, "SELECT snap, document FROM config")? {
        config.insert(name(&snap)?, Arc::new(decode::<Value>(&document)?));
    }
    let mut cookies = BTreeMap::new();
    for (cookie, snap) in pairs(connection, "SELECT cookie, snap FROM cookies")? {
        cookies.insert(cookie, name(&snap)?);
    }
    let (counters, last_notice) = counters(connection)?;
    let (changes, has_history) = changes(connection)?;
    Ok(World {
        snaps: Arc::new(
            snaps
                .into_iter()
                .map(|snap| (snap.name.clone(), Arc::new(snap)))
                .collect(),
        ),
        connections: Arc::new(
            connections
                .into_iter()
                .map(|record| (record.connection.clone(), Arc::new(record)))
                .collect(),
        ),
        changes: Arc::new(changes),
        config: Arc::new(config),
        health: Arc::new(health(connection)?),
        cookies: Arc::new(cookies),
        warnings: Arc::new(
            warnings
                .into_iter()
                .map(|warning| (warning.message.clone(), Arc::new(warning)))
                .collect(),
        ),
        // A database of an older release has only the notices themselves.
        last_notice: notices
            .iter()
            .map(|notice| notice.last_repeated)
            .max()
            .max(last_notice),
        notices: Arc::new(
            notices
                .into_iter()
                .map(|notice| (notice.id, Arc::new(notice)))
                .collect(),
        ),
        lines: Arc::new(
            lines
                .into_iter()
                .map(|line| (line.line.clone(), Arc::new(line)))
                .collect(),
        ),
        leds: Arc::new(
            leds.into_iter()
                .map(|led| (led.led.clone(), Arc::new(led)))
                .collect(),
        ),
        plugged: Arc::default(),
        counters,
        has_history,
    })
}
