//! The agent's unix sockets: made with their final mode, or taken over from systemd.
#![allow(unsafe_code)] // descriptors that systemd passed are only numbers until they are taken over

use super::fs::{self, FileError, Named};
use crate::domain::requester::Transport;
use std::fs::Permissions;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Why there is no socket to listen on.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another process answers there.
    #[error(
        "another daemon answers on {path}: stop it first (for snapd: systemctl stop snapd.socket snapd.service), or give another --root", path = .0.display()
    )]
    InUse(PathBuf),
    /// The file could not be made.
    #[error("{}", .0.in_full())]
    File(#[from] FileError),
    /// What systemd passed is not what its variables say.
    #[error("cannot take over the sockets that systemd passed: {0}")]
    Passed(String),
}

/// Sockets that listen, and the files that go when the agent ends.
pub struct Sockets {
    /// The listeners and what comes in through them.
    pub listeners: Vec<(UnixListener, Transport)>,
    /// Keeps the files; dropping it removes those that the agent made itself.
    pub files: SocketFiles,
}

/// The socket files that the agent made.
#[derive(Default)]
pub struct SocketFiles(Vec<(PathBuf, u64)>);

impl Drop for SocketFiles {
    fn drop(&mut self) {
        for (path, inode) in &self.0 {
            // Another daemon may have put its own there by now.
            if std::fs::symlink_metadata(path).is_ok_and(|file| file.ino() == *inode)
                && let Err(error) = fs::remove_file(path)
            {
                log::warn!("{}", error.in_full());
            }
        }
    }
}

/// Listens for each transport: on the sockets that systemd passed, else on new ones at these places.
pub fn listen(places: &[(PathBuf, Transport)]) -> Result<Sockets, SocketError> {
    let mut sockets = Sockets {
        listeners: passed()?,
        files: SocketFiles::default(),
    };
    for (path, transport) in places {
        if sockets.listeners.iter().all(|(_, present)| present != transport) {
            let (listener, inode) = bind(path, 0o666)?;
            sockets.listeners.push((listener, *transport));
            sockets.files.0.push((path.clone(), inode));
        }
    }
    Ok(sockets)
}

/// A socket with its final mode from the moment at which it can be found: it is made in a folder that only the agent
/// may enter, and moved from there over whatever dead socket is left at its place. Answers its inode, too.
pub fn bind(path: &Path, mode: u32) -> Result<(UnixListener, u64), SocketError> {
    match UnixStream::connect(path) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) => {}
        // A full queue is a live daemon as well.
        Ok(_) => return Err(SocketError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return Err(SocketError::InUse(path.to_owned()));
        }
        Err(error) => return Err(error).named("connect to", path)?,
    }
    let parent = path.parent().unwrap_or(Path::new("/"));
    fs::make_dir(parent, 0o755)?;
    let private = parent.join(format!(".pinion-{}", std::process::id()));
    fs::remove_tree(&private)?;
    std::fs::create_dir(&private).named("create", &private)?;
    let made = (|| {
        std::fs::set_permissions(&private, Permissions::from_mode(0o700))
            .named("set the mode of", &private)?;
        let place = private.join("s");
        let listener = UnixListener::bind(&place).named("listen on", path)?;
        std::fs::set_permissions(&place, Permissions::from_mode(mode)).named("set the mode of", path)?;
        let inode = std::fs::symlink_metadata(&place).named("look at", path)?.ino();
        std::fs::rename(&place, path).named("rename to", path)?;
        Ok::<_, FileError>((listener, inode))
    })();
    fs::remove_tree(&private)?;
    Ok(made?)
}

/// The sockets that systemd passed by LISTEN_FDS, told apart by the names of their files.
fn passed() -> Result<Vec<(UnixListener, Transport)>, SocketError> {
    let numbers = sd_notify::listen_fds().map_err(|error| SocketError::Passed(error.to_string()))?;
    let mut listeners = Vec::new();
    for number in numbers {
        // SAFETY: LISTEN_PID named this process, so the descriptors from 3 on are ours, nobody else in this process
        // has taken them, and each number comes once.
        let listener = UnixListener::from(unsafe { OwnedFd::from_raw_fd(number) });
        let address = listener
            .local_addr()
            .map_err(|error| SocketError::Passed(format!("descriptor {number}: {error}")))?;
        let name = address.as_pathname().and_then(Path::file_name);
        match name.and_then(|name| name.to_str()) {
            Some("snapd.socket") => listeners.push((listener, Transport::MainSocket)),
            Some("snapd-snap.socket") => listeners.push((listener, Transport::SnapSocket)),
            other => {
                return Err(SocketError::Passed(format!(
                    "descriptor {number} is {}, not snapd.socket or snapd-snap.socket",
                    other.unwrap_or("a socket without a name")
                )));
            }
        }
    }
    Ok(listeners)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let main = dir.path().join("run/main");
        let places = [
            (main.clone(), Transport::MainSocket),
            (dir.path().join("run/snap"), Transport::SnapSocket),
        ];
        let first = listen(&places).expect("sockets");
        let mode = std::fs::metadata(&main).expect("stat").permissions();
        assert_eq!(mode.mode() & 0o7777, 0o666);
        let Err(SocketError::InUse(path)) = listen(&places) else {
            panic!("a second daemon got the socket");
        };
        assert_eq!(path, main);
        // A kill leaves the files behind.
        std::mem::forget(first.files);
        drop(first.listeners);
        assert!(main.exists());
        let second = listen(&places).expect("the sockets of a dead daemon");
        UnixStream::connect(&places[1].0).expect("a live socket");
        drop(second);
        let left: Vec<_> = std::fs::read_dir(dir.path().join("run")).expect("list").collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
