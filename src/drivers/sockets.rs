//! Sockets that listen: the agent's own, made with their final mode or taken over from systemd, and those that are
//! kept for services.
#![allow(unsafe_code)] // descriptors that systemd passed are only numbers until they are taken over

use super::fs::{self, FileError, Named};
use crate::domain::requester::Transport;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sched::CloneFlags;
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr};
use nix::sys::stat::{Mode, SFlag};
use nix::unistd::UnlinkatFlags;
use std::fs::Permissions;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// Where a service's socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Below a folder. What stands on the way there may be the service's own, so no link is followed.
    Path {
        below: PathBuf,
        path: PathBuf,
        mode: u32,
    },
    /// An abstract name.
    Abstract(String),
    /// These addresses, of which the first one that the machine has is taken.
    Tcp(Vec<SocketAddr>),
}

/// A socket that is kept for a service. Dropping it removes its file.
#[derive(Debug)]
pub struct Kept {
    fd: Arc<OwnedFd>,
    file: Option<(OwnedFd, PathBuf)>,
}

impl Kept {
    /// Listens at a place.
    pub fn listen(place: &Place) -> io::Result<Self> {
        let alone = |fd: OwnedFd| Self {
            fd: Arc::new(fd),
            file: None,
        };
        match place {
            Place::Abstract(name) => {
                let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
                Ok(alone(UnixListener::bind_addr(&address)?.into()))
            }
            Place::Tcp(addresses) => Ok(alone(TcpListener::bind(addresses.as_slice())?.into())),
            Place::Path { below, path, mode } => {
                let (folder, name) = open_folder(below, path)?;
                clear(&folder, &name)?;
                let fd = bind_in(&folder, &name, *mode)?;
                Ok(Self {
                    fd: Arc::new(fd),
                    file: Some((folder, name)),
                })
            }
        }
    }

    /// The socket, to be passed to the service.
    pub fn fd(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.fd)
    }

    /// Waits until somebody wants to connect.
    pub async fn wanted(&self) -> io::Result<()> {
        let watched = super::watch::readable(self.fd())?;
        watched.readable().await?.retain_ready();
        Ok(())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some((folder, name)) = &self.file {
            // The service may have removed or replaced it: only a socket goes.
            let _ = clear(folder, name);
        }
    }
}

/// The folder that a path below another leads to, made as far as it is missing, and the last name of the path.
fn open_folder(below: &Path, path: &Path) -> io::Result<(OwnedFd, PathBuf)> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut folder = nix::fcntl::open(below, flags, Mode::empty())?;
    let outside = || io::Error::new(io::ErrorKind::InvalidInput, "the path leads out of its folder");
    let name = path.file_name().ok_or_else(outside)?;
    for part in path.parent().into_iter().flat_map(Path::components) {
        let std::path::Component::Normal(part) = part else {
            return Err(outside());
        };
        match nix::sys::stat::mkdirat(&folder, part, Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        folder = nix::fcntl::openat(&folder, part, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::ELOOP | Errno::ENOTDIR => outside(),
            errno => errno.into(),
        })?;
    }
    Ok((folder, PathBuf::from(name)))
}

/// Removes a socket; anything else in its place is somebody's file and stays.
fn clear(folder: &OwnedFd, name: &Path) -> io::Result<()> {
    let found = nix::sys::stat::fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW);
    match found.map(|file| SFlag::from_bits_truncate(file.st_mode) & SFlag::S_IFMT) {
        Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
        Ok(kind) if kind == SFlag::S_IFSOCK => {
            Ok(nix::unistd::unlinkat(folder, name, UnlinkatFlags::NoRemoveDir)?)
        }
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is no socket in its place",
        )),
    }
}

/// Binds in a folder with the mode that the file is to have, from the moment at which it can be found. The mode of a
/// socket's file comes from the socket, less the mask of the thread: so it is done on a thread with a mask of its own.
fn bind_in(folder: &OwnedFd, name: &Path, mode: u32) -> io::Result<OwnedFd> {
    let path = Path::new("/proc/self/fd")
        .join(folder.as_raw_fd().to_string())
        .join(name);
    let bind = move || -> io::Result<OwnedFd> {
        let socket = socket::socket(
            AddressFamily::Unix,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC,
            None,
        )?;
        nix::sched::unshare(CloneFlags::CLONE_FS)?;
        nix::sys::stat::umask(Mode::empty());
        nix::sys::stat::fchmod(&socket, Mode::from_bits_truncate(mode))?;
        socket::bind(socket.as_raw_fd(), &UnixAddr::new(&path)?)?;
        socket::listen(&socket, Backlog::MAXCONN)?;
        Ok(socket)
    };
    let bound = std::thread::spawn(bind).join();
    bound.unwrap_or_else(|_| Err(io::Error::other("the thread that listens ended early")))
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

    fn below(folder: &Path, path: &str, mode: u32) -> Place {
        Place::Path {
            below: folder.to_owned(),
            path: PathBuf::from(path),
            mode,
        }
    }

    #[tokio::test]
    async fn a_kept_socket_has_its_mode_and_tells_who_comes() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a/b/s");
        for mode in [0o600, 0o666] {
            let kept = Kept::listen(&below(dir.path(), "a/b/s", mode)).expect("a socket");
            let found = std::fs::metadata(&path).expect("stat").permissions();
            assert_eq!(found.mode() & 0o7777, mode);
            let caller = UnixStream::connect(&path).expect("a call");
            kept.wanted().await.expect("somebody");
            // What a kill leaves behind is replaced.
            let again = Kept::listen(&below(dir.path(), "a/b/s", mode)).expect("a second socket");
            drop((kept, caller));
            drop(again);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_kept_socket_does_not_leave_its_folder() {
        let dir = tempfile::tempdir().expect("a folder");
        let (inside, outside) = (dir.path().join("inside"), dir.path().join("outside"));
        std::fs::create_dir(&inside).expect("a folder");
        std::fs::create_dir(&outside).expect("a folder");
        std::os::unix::fs::symlink(&outside, inside.join("link")).expect("a link");
        std::fs::write(inside.join("file"), "mine").expect("a file");
        std::os::unix::fs::symlink(outside.join("s"), inside.join("s")).expect("a link");
        for path in ["link/s", "../outside/s", "file/s", "file", "s", ".."] {
            let refused = Kept::listen(&below(&inside, path, 0o666));
            assert!(refused.is_err(), "{path}");
        }
        assert_eq!(std::fs::read_dir(&outside).expect("a list").count(), 0);
        assert_eq!(
            std::fs::read_to_string(inside.join("file")).expect("a file"),
            "mine"
        );
    }
}
