//! Opening, migrating, checking, backing up; what happens when the database is damaged (R13, R14).

use super::{Store, StoreError};
use crate::domain::Dirs;
use crate::drivers::fs::{self, Named};
use rusqlite::Connection;
use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The schema's steps; a database of version n needs those after the n-th.
const SCHEMA: &[&str] = &[
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
];

/// Above this size a database that was closed properly is not checked at start, so that the start stays quick.
const CHECK_ALWAYS_BELOW: u64 = 8 << 20;

/// What was found when the database was opened.
#[derive(Debug, Default)]
pub struct OpenReport {
    /// Sentences for the operator.
    pub warnings: Vec<String>,
    /// The state is a backup or empty, now or since an earlier start, and the damaged file is still kept: what the
    /// system holds may be newer than what the store knows.
    pub restored: bool,
}

/// Why no backup could be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot back up the state: {0}")]
pub struct BackupError(pub String);

fn backup_path(database: &Path) -> PathBuf {
    database.with_extension("backup")
}

/// The file that says that the last agent closed the database in order.
fn closed_marker(database: &Path) -> PathBuf {
    database.with_extension("closed")
}

/// Opens the database of `dirs`, or what is left of it.
pub fn open(dirs: &Dirs) -> Result<(Connection, OpenReport), StoreError> {
    let path = dirs.database();
    fs::make_dir(&dirs.state(), 0o700)?;
    let mut report = OpenReport::default();
    match open_checked(&path) {
        Ok(connection) => {
            report.restored = keeps_damaged(&dirs.state());
            return Ok((connection, report));
        }
        Err(StoreError::Damaged(reason)) => {
            let aside = set_aside(&path)?;
            log::error!(
                "the state database is damaged ({reason}); it was set aside as {}",
                aside.display()
            );
            report.restored = true;
            let backup = backup_path(&path);
            if backup.exists() {
                std::fs::copy(&backup, &path).named("restore", &path)?;
                match open_checked(&path) {
                    Ok(connection) => {
                        report.warnings.push(format!(
                            "the state database was damaged; the last backup was restored and the damaged file kept as {}: compare what is installed with what you expect; what the backup does not know stays on the disk until that file is removed",
                            aside.display()
                        ));
                        return Ok((connection, report));
                    }
                    Err(StoreError::Damaged(_)) => set_aside(&path).map(drop)?,
                    Err(other) => return Err(other),
                }
            }
            report.warnings.push(format!(
                "the state database was damaged and there is no usable backup; the agent started empty and kept the damaged file as {}: install the snaps again; their old files stay on the disk until that file is removed",
                aside.display()
            ));
        }
        Err(other) => return Err(other),
    }
    Ok((open_checked(&path)?, report))
}

/// A database that was set aside lies there still: nobody has looked into it and removed it.
fn keeps_damaged(state: &Path) -> bool {
    let entries = std::fs::read_dir(state).into_iter().flatten().flatten();
    entries
        .into_iter()
        .any(|entry| entry.file_name().to_string_lossy().contains(".damaged-"))
}

fn open_checked(path: &Path) -> Result<Connection, StoreError> {
    let marker = closed_marker(path);
    let was_closed = marker.exists();
    // The file gets its final mode when it is made.
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .named("open", path)?;
    let size = std::fs::metadata(path).named("look at", path)?.len();
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.execute_batch(
        "PRAGMA busy_timeout = 5000;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA cache_size = -512;
         PRAGMA journal_size_limit = 1048576;
         PRAGMA wal_autocheckpoint = 256;
         PRAGMA temp_store = MEMORY;",
    )?;
    if size > 0 && (!was_closed || size < CHECK_ALWAYS_BELOW) {
        check(&connection)?;
    }
    migrate(&connection)?;
    fs::remove_file(&marker)?;
    Ok(connection)
}

/// The database's own check of its structure.
pub fn check(connection: &Connection) -> Result<(), StoreError> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(StoreError::Damaged(verdict))
    }
}

fn migrate(connection: &Connection) -> Result<(), StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = SCHEMA.len() as i64;
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for (version, step) in (1..).zip(SCHEMA).skip(found as usize) {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {step}; PRAGMA user_version = {version}; COMMIT"
        ))?;
    }
    Ok(())
}

fn set_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let stamp = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map(|since| since.as_nanos())
        .unwrap_or_default();
    let aside = path.with_extension(format!("damaged-{stamp}"));
    std::fs::rename(path, &aside).named("set aside", path)?;
    for suffix in ["-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        fs::remove_file(Path::new(&name))?;
    }
    Ok(aside)
}

/// Closes the database and leaves the mark that it was closed in order.
pub fn close(connection: Connection) {
    let path = connection.path().map(PathBuf::from);
    if let Err((_, error)) = connection.close() {
        log::error!("cannot close the state database: {error}");
        return;
    }
    if let Some(path) = path
        && let Err(error) = File::create(closed_marker(&path))
    {
        log::warn!("cannot mark the state database as closed: {error}");
    }
}

impl Store {
    /// How old the last backup is; `None` when there is none.
    pub fn backup_age(&self) -> Option<std::time::Duration> {
        let about = std::fs::metadata(backup_path(self.path())).ok()?;
        about.modified().ok()?.elapsed().ok()
    }

    /// Writes a copy of the database beside it; the one before is replaced only when the new one is whole. Blocks.
    pub fn backup(&self) -> Result<(), BackupError> {
        let target = backup_path(self.path());
        let fresh = target.with_extension("backup-new");
        let result = (|| -> Result<(), StoreError> {
            fs::remove_file(&fresh)?;
            let reader = Connection::open(self.path())?;
            reader.execute_batch("PRAGMA busy_timeout = 5000; PRAGMA cache_size = -256")?;
            reader.execute("VACUUM INTO ?1", [fresh.to_string_lossy().as_ref()])?;
            let file = File::open(&fresh).named("open", &fresh)?;
            file.set_permissions(Permissions::from_mode(0o600))
                .named("set the mode of", &fresh)?;
            file.sync_all().named("sync", &fresh)?;
            std::fs::rename(&fresh, &target).named("rename to", &target)?;
            fs::sync_dir(target.parent().unwrap_or(Path::new("/")))?;
            Ok(())
        })();
        result.map_err(|error| BackupError(error.to_string()))
    }

    /// The state of a database as it lies there, without a writer (for `pinion check`).
    pub fn read_file(path: &Path) -> Result<super::World, StoreError> {
        let connection = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        super::load::world(&connection)
    }
}
