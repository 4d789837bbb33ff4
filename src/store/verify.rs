//! What can be said of a database as it lies there, without an agent (`pinion check`).

use super::{StoreError, World, load};
use crate::domain::status::TaskStatus;
use crate::domain::{Change, Finding, Task, kinds};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A database that is only read. Where nothing can be written, and nobody has left anything beside the file, it cannot
/// change either.
fn open(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch("PRAGMA busy_timeout = 5000")?;
    let tried = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    let log = path.with_extension("db-wal");
    match tried {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) && !log.exists() => {
            let escaped = path.to_string_lossy().replace('%', "%25");
            let escaped = escaped.replace('?', "%3f").replace('#', "%23");
            let address = format!("file:{escaped}?immutable=1");
            Ok(Connection::open_with_flags(
                address,
                flags | OpenFlags::SQLITE_OPEN_URI,
            )?)
        }
        _ => Ok(connection),
    }
}

/// The state of a database file, and everything about it that breaks a rule.
pub fn verify(path: &Path) -> Result<(World, Vec<Finding>), StoreError> {
    let connection = open(path)?;
    let mut findings = integrity(&connection)?;
    findings.extend(mode(path));
    let world = load::world(&connection)?;
    findings.extend(orphans(&connection, &world)?);
    for change in world.changes.values() {
        findings.extend(stuck(change));
        findings.extend(planned_twice(change));
    }
    findings.extend(happened_twice(&world));
    for snap in world.snaps.values() {
        if snap.current_revision().is_none() {
            findings.push(Finding::new(
                'a',
                format!(
                    "snap {:?} is at revision {}, which is not among its revisions",
                    snap.name, snap.current
                ),
            ));
        }
    }
    for (key, record) in world.connections.iter() {
        for snap in [&key.plug.snap, &key.slot.snap] {
            if *snap != *"system" && record.is_established() && !world.snaps.contains_key(snap) {
                findings.push(Finding::new(
                    'a',
                    format!("connection {key} names snap {snap}, which is not installed"),
                ));
            }
        }
    }
    for (cookie, snap) in world.cookies.iter() {
        if !world.snaps.contains_key(snap) && world.change_in_progress(std::slice::from_ref(snap)).is_none() {
            let end = cookie.len().min(4);
            findings.push(Finding::new(
                'a',
                format!(
                    "cookie {}… belongs to snap {snap}, which is not installed",
                    &cookie[..end]
                ),
            ));
        }
    }
    Ok((world, findings))
}

fn integrity(connection: &Connection) -> Result<Vec<Finding>, StoreError> {
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let lines: Vec<String> = statement
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let bad = lines.into_iter().filter(|line| line != "ok");
    Ok(bad
        .map(|line| Finding::new('d', format!("the state database: {line}")))
        .collect())
}

/// The database holds cookies: nobody but its owner may read it.
fn mode(path: &Path) -> Option<Finding> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let text = || {
        format!(
            "{} has mode {mode:o}: it holds secrets and must be 600",
            path.display()
        )
    };
    (mode & 0o077 != 0).then(|| Finding::new('f', text()))
}

fn orphans(connection: &Connection, world: &World) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::new();
    let lost: i64 = connection.query_row(
        "SELECT count(*) FROM tasks WHERE change_id NOT IN (SELECT id FROM changes)",
        [],
        |row| row.get(0),
    )?;
    if lost > 0 {
        findings.push(Finding::new(
            'a',
            format!("{lost} tasks belong to changes that are gone"),
        ));
    }
    let newest: Option<i64> = connection.query_row("SELECT max(id) FROM changes", [], |row| row.get(0))?;
    if newest.is_some_and(|newest| newest.cast_unsigned() > world.counters.change) {
        findings.push(Finding::new(
            'a',
            format!(
                "the change counter stands at {} and there is a newer change",
                world.counters.change
            ),
        ));
    }
    let mut statement =
        connection.prepare("SELECT id, status, json_extract(record, '$.status') FROM tasks")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, column, record): (i64, u8, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if TaskStatus::from_code(column).is_none_or(|status| status.to_string() != record) {
            findings.push(Finding::new(
                'a',
                format!("task {id} has two statuses: {column} and {record}"),
            ));
        }
    }
    Ok(findings)
}

/// Rule (e) within a change: a task that adds others and was run again by a new agent must not have added them twice.
fn planned_twice(change: &Change) -> Option<Finding> {
    let once = |task: &&Task| kinds::ONCE.contains(&task.kind.as_str());
    let once: Vec<&Task> = change.tasks.iter().filter(once).collect();
    let (one, other) = once.iter().enumerate().find_map(|(position, task)| {
        let mut later = once[position + 1..].iter();
        let same = later.find(|other| other.kind == task.kind && other.params == task.params)?;
        Some((task.id, same.id))
    })?;
    let text = format!(
        "tasks {one} and {other} of change {} have the same effect, which may happen once",
        change.id
    );
    Some(Finding::new('e', text))
}

/// Rule (e) in what installs leave behind: one entry for a revision, one cookie for a snap.
fn happened_twice(world: &World) -> Vec<Finding> {
    let mut findings = Vec::new();
    for snap in world.snaps.values() {
        let mut seen = BTreeSet::new();
        for revision in snap.sequence.iter().map(|entry| entry.revision) {
            if !seen.insert(revision) {
                let text = format!(
                    "snap {:?} has revision {revision} twice: it was linked twice",
                    snap.name
                );
                findings.push(Finding::new('e', text));
            }
        }
    }
    let mut owners = BTreeSet::new();
    for owner in world.cookies.values().filter(|owner| !owners.insert(*owner)) {
        findings.push(Finding::new('e', format!("snap {owner} was given two cookies")));
    }
    findings
}

/// A change that is not ready and has nothing that runs or could start would never end by itself.
fn stuck(change: &Change) -> Option<Finding> {
    if change.is_ready() {
        let open = change.tasks.iter().find(|task| !task.status.is_ready())?;
        let text = format!(
            "change {} is ready and its task {} is {}",
            change.id, open.id, open.status
        );
        return Some(Finding::new('b', text));
    }
    let moves = change
        .tasks
        .iter()
        .any(|task| task.status.is_running() || change.may_start(task));
    (!moves).then(|| {
        Finding::new(
            'b',
            format!("change {} is not ready and nothing of it can run", change.id),
        )
    })
}
