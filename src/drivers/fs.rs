//! Files: the one atomic write, and what goes with it. Every error names the path.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// An I/O error with the file and what was being done to it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}", path = .path.display())]
pub struct FileError {
    /// The verb: `write`, `remove`, `link`, …
    pub action: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What the kernel said.
    #[source]
    pub source: io::Error,
}

impl FileError {
    /// The error with its cause in one line, for people.
    pub fn in_full(&self) -> String {
        format!("{self}: {}", self.source)
    }
}

/// Puts path and verb to an I/O error.
pub trait Named<T> {
    /// Names the file and the verb of a failed operation.
    fn named(self, action: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> Named<T> for io::Result<T> {
    fn named(self, action: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError {
            action,
            path: path.to_owned(),
            source,
        })
    }
}

impl<T> Named<T> for nix::Result<T> {
    fn named(self, action: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|errno| FileError {
            action,
            path: path.to_owned(),
            source: errno.into(),
        })
    }
}

/// Makes what a folder holds durable.
pub fn sync_dir(dir: &Path) -> Result<(), FileError> {
    File::open(dir)
        .and_then(|file| file.sync_all())
        .named("sync", dir)
}

/// Writes a file so that after a crash either the old or the new content is there: temporary file beside it with
/// its final mode, sync, rename, sync of the folder.
pub fn write_atomic(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    write_renamed(path, content, mode, true)
}

/// The same without the syncs: for files that are made anew at the next start (below `/run`).
pub fn write_volatile(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    write_renamed(path, content, mode, false)
}

/// A name beside `path` that nobody else uses: two tasks may replace one file at the same time.
fn temporary_beside(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let dir = path.parent().unwrap_or(Path::new("/"));
    dir.join(format!(".{name}.{}-{number}~", std::process::id()))
}

fn write_renamed(path: &Path, content: &[u8], mode: u32, durable: bool) -> Result<(), FileError> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let temporary = temporary_beside(path);
    let result = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&temporary)
            .named("create", &temporary)?;
        file.set_permissions(fs::Permissions::from_mode(mode))
            .named("set the mode of", &temporary)?;
        file.write_all(content).named("write", &temporary)?;
        if durable {
            file.sync_all().named("sync", &temporary)?;
        }
        fs::rename(&temporary, path).named("rename to", path)
    })();
    if result.is_err() {
        // The temporary file may not exist; the first error is the one that tells.
        let _ = fs::remove_file(&temporary);
    }
    result?;
    if durable { sync_dir(dir) } else { Ok(()) }
}

/// Makes a folder and those above it.
pub fn make_dir(path: &Path, mode: u32) -> Result<(), FileError> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).named("create", path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).named("set the mode of", path)
}

/// Removes a file or link; one that is not there is fine.
pub fn remove_file(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).named("remove", path),
        _ => Ok(()),
    }
}

/// Removes a folder with all it holds; one that is not there is fine.
pub fn remove_tree(path: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).named("remove", path),
        _ => Ok(()),
    }
}

/// Removes a folder if it is empty; says whether it is gone.
pub fn remove_empty_dir(path: &Path) -> bool {
    match fs::remove_dir(path) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Removes what a killed agent left of [`write_atomic`] and [`link_atomic`] in a folder.
pub fn remove_unfinished(dir: &Path) -> Result<(), FileError> {
    for entry in fs::read_dir(dir).named("list", dir)? {
        let entry = entry.named("list", dir)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with('~') {
            remove_file(&entry.path())?;
        }
    }
    Ok(())
}

/// Points a symbolic link at `target`, replacing what stood there in one step.
pub fn link_atomic(target: &Path, link: &Path) -> Result<(), FileError> {
    if fs::read_link(link).is_ok_and(|present| present == target) {
        return Ok(());
    }
    let temporary = temporary_beside(link);
    remove_file(&temporary)?;
    symlink(target, &temporary).named("link", &temporary)?;
    fs::rename(&temporary, link).named("rename to", link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_may_replace_one_file_at_the_same_time() {
        let dir = tempfile::tempdir().expect("a folder");
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        std::thread::scope(|scope| {
            for text in ["one", "two", "three", "four"] {
                let (file, link) = (&file, &link);
                scope.spawn(move || {
                    for _ in 0..50 {
                        write_volatile(file, text.as_bytes(), 0o600).expect("a write");
                        link_atomic(Path::new(text), link).expect("a link");
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(dir.path()).expect("a list").count(), 2);
    }

    #[test]
    fn a_write_replaces_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("f");
        write_atomic(&path, b"one", 0o600).expect("first");
        write_atomic(&path, b"two", 0o640).expect("second");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        assert_eq!(
            fs::metadata(&path).expect("stat").permissions().mode() & 0o7777,
            0o640
        );
        assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 1);
    }

    #[test]
    fn a_failed_write_names_the_file_and_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("none/f");
        let error = write_atomic(&path, b"x", 0o600).expect_err("no folder");
        assert!(error.in_full().contains("none"), "{}", error.in_full());
    }

    #[test]
    fn links_move_in_one_step() {
        let dir = tempfile::tempdir().expect("a folder");
        let link = dir.path().join("current");
        link_atomic(Path::new("x1"), &link).expect("first");
        link_atomic(Path::new("x2"), &link).expect("second");
        assert_eq!(fs::read_link(&link).expect("read"), Path::new("x2"));
        assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 1);
    }
}
