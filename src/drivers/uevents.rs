//! Devices that come and go, by their nodes: the kernel makes and removes them in the folder of devices, whoever looks.

use super::watch;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use tokio::io::unix::AsyncFd;

/// A folder whose nodes are followed.
pub struct Nodes {
    inotify: Inotify,
    ready: AsyncFd<Arc<OwnedFd>>,
}

impl Nodes {
    /// Follows a folder from now on.
    pub fn follow(folder: &Path) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        // A node gets its owner and mode after it was made.
        let what = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_ATTRIB;
        inotify.add_watch(folder, what | AddWatchFlags::IN_ONLYDIR)?;
        let ready = watch::readable(Arc::new(inotify.as_fd().try_clone_to_owned()?))?;
        Ok(Self { inotify, ready })
    }

    /// Waits until a node whose name begins so came, went or was given to somebody.
    pub async fn changed(&self, start: &str) -> io::Result<()> {
        loop {
            let mut ready = self.ready.readable().await?;
            match self.inotify.read_events() {
                Ok(events) => {
                    let concerns = |name: &Option<std::ffi::OsString>| match name {
                        Some(name) => name.as_bytes().starts_with(start.as_bytes()),
                        // More happened than the kernel kept.
                        None => true,
                    };
                    if events.iter().any(|event| concerns(&event.name)) {
                        return Ok(());
                    }
                }
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn nodes_of_a_name_are_told_and_others_are_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let nodes = Nodes::follow(dir.path()).expect("followed");
        let long = Duration::from_secs(20);
        std::fs::write(dir.path().join("loop7"), "").expect("a node");
        let other = tokio::time::timeout(Duration::from_millis(50), nodes.changed("gpiochip"));
        assert!(other.await.is_err(), "another device");
        for _ in 0..2 {
            std::fs::write(dir.path().join("gpiochip3"), "").expect("a node");
            let came = tokio::time::timeout(long, nodes.changed("gpiochip")).await;
            came.expect("it was told").expect("it can be read");
            std::fs::remove_file(dir.path().join("gpiochip3")).expect("removed");
            let went = tokio::time::timeout(long, nodes.changed("gpiochip")).await;
            went.expect("it was told").expect("it can be read");
        }
    }
}
