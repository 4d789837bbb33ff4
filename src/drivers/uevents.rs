//! Devices that come and go: by what the kernel tells of them, and by their nodes, which it makes and removes in the
//! folder of devices, whoever looks.

use super::watch;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, socket,
};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use tokio::io::unix::AsyncFd;

/// The kernel's own group of listeners; what others send does not come here.
const KERNEL: u32 = 1;
/// The kernel's messages are shorter.
const LONGEST: usize = 8192;

/// What the kernel tells of its devices (netlink, kobject-uevent).
pub struct Uevents {
    ready: AsyncFd<Arc<OwnedFd>>,
}

impl Uevents {
    /// Listens from now on.
    pub fn open() -> io::Result<Self> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkKObjectUEvent,
        )?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, KERNEL))?;
        Ok(Self {
            ready: watch::readable(Arc::new(fd))?,
        })
    }

    /// Waits until something of these subsystems came, went or changed.
    pub async fn about(&self, subsystems: &[&str]) -> io::Result<()> {
        let mut buffer = [0; LONGEST];
        loop {
            let mut ready = self.ready.readable().await?;
            match recvfrom::<NetlinkAddr>(self.ready.as_raw_fd(), &mut buffer) {
                Ok((length, Some(sender))) if sender.pid() == 0 => {
                    let told = subsystem(&buffer[..length]);
                    if told.is_some_and(|told| subsystems.contains(&told)) {
                        return Ok(());
                    }
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => ready.clear_ready(),
                // More happened than the kernel kept.
                Err(Errno::ENOBUFS) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// The subsystem of a message: `ACTION@PATH`, then variables, each ended by a zero.
fn subsystem(message: &[u8]) -> Option<&str> {
    let mut words = message.split(|byte| *byte == 0).skip(1);
    words.find_map(|word| std::str::from_utf8(word).ok()?.strip_prefix("SUBSYSTEM="))
}

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

    /// Waits until a node whose name begins with one of these came, went or was given to somebody.
    pub async fn changed(&self, starts: &[&str]) -> io::Result<()> {
        loop {
            let mut ready = self.ready.readable().await?;
            match self.inotify.read_events() {
                Ok(events) => {
                    let concerns = |name: &Option<std::ffi::OsString>| match name {
                        Some(name) => starts
                            .iter()
                            .any(|start| name.as_bytes().starts_with(start.as_bytes())),
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

    #[test]
    fn the_subsystem_of_a_message() {
        let told = b"add@/devices/platform/gpio-sim.0/gpiochip1\0ACTION=add\0SUBSYSTEM=gpio\0SEQNUM=712\0";
        assert_eq!(subsystem(told), Some("gpio"));
        for other in [
            &b""[..],
            b"SUBSYSTEM=gpio",
            b"add@/x\0\xff\xfe\0ACTION=SUBSYSTEM=gpio",
        ] {
            assert_eq!(subsystem(other), None);
        }
    }

    #[tokio::test]
    async fn nodes_of_a_name_are_told_and_others_are_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let nodes = Nodes::follow(dir.path()).expect("followed");
        let long = Duration::from_secs(20);
        std::fs::write(dir.path().join("loop7"), "").expect("a node");
        let other = tokio::time::timeout(Duration::from_millis(50), nodes.changed(&["ttyUSB", "gpiochip"]));
        assert!(other.await.is_err(), "another device");
        for _ in 0..2 {
            std::fs::write(dir.path().join("gpiochip3"), "").expect("a node");
            let came = tokio::time::timeout(long, nodes.changed(&["ttyUSB", "gpiochip"])).await;
            came.expect("it was told").expect("it can be read");
            std::fs::remove_file(dir.path().join("gpiochip3")).expect("removed");
            let went = tokio::time::timeout(long, nodes.changed(&["ttyUSB", "gpiochip"])).await;
            went.expect("it was told").expect("it can be read");
        }
    }
}
