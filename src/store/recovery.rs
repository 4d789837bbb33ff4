//! Opening, migrating, checking, backing up; what happens when the database is damaged (R13, R14).

use super::{Store, StoreError, World, load};
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
pub fn open(dirs: &Dirs) -> Result<(Connection, World, OpenReport), StoreError> {
    let path = dirs.database();
    fs::make_dir(&dirs.state(), 0o700)?;
    let backup = backup_path(&path);
    // Where there is a backup there was a database: a start that was cut off may have taken it away.
    let is_gone = backup.exists() && std::fs::metadata(&path).map_or(0, |about| about.len()) == 0;
    let opened = if is_gone {
        Err(StoreError::Damaged(String::from("it is gone")))
    } else {
        open_checked(&path)
    };
    let reason = match opened {
        Ok((connection, world)) => {
            let report = OpenReport {
                restored: keeps_damaged(&dirs.state()),
                ..OpenReport::default()
            };
            return Ok((connection, world, report));
        }
        Err(StoreError::Damaged(reason)) => reason,
        Err(other) => return Err(other),
    };
    let aside = set_aside(&path)?;
    let kept = aside.display();
    log::error!("the state database is damaged ({reason}); it was set aside as {kept}");
    let restored = if backup.exists() {
        restore(&backup, &path)?;
        open_checked(&path)
    } else {
        Err(StoreError::Damaged(String::new()))
    };
    let (warning, (connection, world)) = match restored {
        Ok(opened) => (
            format!(
                "the state database was damaged; the last backup was restored and the damaged file kept as {kept}: compare what is installed with what you expect; what the backup does not know stays on the disk until that file is removed"
            ),
            opened,
        ),
        Err(StoreError::Damaged(_)) => {
            if path.exists() {
                set_aside(&path)?;
            }
            let warning = format!(
                "the state database was damaged and there is no usable backup; the agent started empty and kept the damaged file as {kept}: install the snaps again; their old files stay on the disk until that file is removed"
            );
            (warning, open_checked(&path)?)
        }
        Err(other) => return Err(other),
    };
    let report = OpenReport {
        warnings: vec![warning],
        restored: true,
    };
    Ok((connection, world, report))
}

/// Puts a copy of the backup in the database's place, whole or not at all.
fn restore(backup: &Path, path: &Path) -> Result<(), StoreError> {
    let fresh = path.with_extension("restored");
    std::fs::copy(backup, &fresh).named("restore", &fresh)?;
    let file = File::open(&fresh).named("open", &fresh)?;
    file.sync_all().named("sync", &fresh)?;
    std::fs::rename(&fresh, path).named("rename to", path)?;
    Ok(fs::sync_dir(path.parent().unwrap_or(Path::new("/")))?)
}

/// A database that was set aside lies there still: nobody has looked into it and removed it.
fn keeps_damaged(state: &Path) -> bool {
    let entries = std::fs::read_dir(state).into_iter().flatten().flatten();
    entries
        .into_iter()
        .any(|entry| entry.file_name().to_string_lossy().contains(".damaged-"))
}

fn open_checked(path: &Path) -> Result<(Connection, World), StoreError> {
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
    let world = load::world(&connection)?;
    if was_closed {
        // For good, before anything is written: it must not come back by a power cut.
        fs::remove_file(&marker)?;
        fs::sync_dir(path.parent().unwrap_or(Path::new("/")))?;
    }
    Ok((connection, world))
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
    // First what would be taken for a part of the next database.
    for suffix in ["-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        fs::remove_file(Path::new(&name))?;
    }
    if path.exists() {
        std::fs::rename(path, &aside).named("set aside", path)?;
    } else {
        File::create(&aside).named("create", &aside)?;
    }
    fs::sync_dir(path.parent().unwrap_or(Path::new("/")))?;
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
