//! The socket on which a service says how it is (`daemon: notify`, `watchdog-timeout`).

use crate::domain::SnapName;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt::PassCred,
};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram as StdDatagram};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

/// Messages in a second; a service that sends more waits.
const RATE: u32 = 256;

/// What a service says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Ready,
    Stopping,
    /// It lives.
    Watchdog,
    /// It asks to be treated as one whose watchdog was silent.
    Trigger,
    MainPid(i32),
}

/// One start's socket. Its name is abstract: nothing stays behind, and the path's length does not matter.
pub struct NotifySocket {
    socket: UnixDatagram,
    name: String,
    /// How many messages came since when.
    count: u32,
    since: Instant,
}

impl NotifySocket {
    /// A new socket for a service.
    pub fn bind(snap: &SnapName, app: &str) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pinion/{}/{count}/{snap}.{app}", std::process::id());
        let socket = StdDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, PassCred, &true)?;
        Ok(Self {
            socket: UnixDatagram::from_std(socket)?,
            name,
            count: 0,
            since: Instant::now(),
        })
    }

    /// The value of `NOTIFY_SOCKET`.
    pub fn address(&self) -> String {
        format!("@{}", self.name)
    }

    /// The next message: the process that sent it, and what it says. May be dropped and called again.
    pub async fn next(&mut self) -> io::Result<(i32, Vec<Word>)> {
        if self.count >= RATE {
            tokio::time::sleep(Duration::from_secs(1).saturating_sub(self.since.elapsed())).await;
        }
        if self.since.elapsed() >= Duration::from_secs(1) {
            (self.since, self.count) = (Instant::now(), 0);
        }
        loop {
            self.socket.readable().await?;
            let fd = self.socket.as_raw_fd();
            match self.socket.try_io(Interest::READABLE, || receive(fd)) {
                Ok(message) => {
                    self.count += 1;
                    return Ok(message);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn receive(fd: RawFd) -> io::Result<(i32, Vec<Word>)> {
    let mut text = [0; 4096];
    let mut extra = nix::cmsg_space!(UnixCredentials, [RawFd; 4]);
    let mut parts = [IoSliceMut::new(&mut text)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(fd, &mut parts, Some(&mut extra), flags)?;
    let mut sender = 0;
    for part in message.cmsgs()? {
        match part {
            ControlMessageOwned::ScmCredentials(who) => sender = who.pid(),
            // Who sends a descriptor waits for us to close it (`BARRIER=1`).
            ControlMessageOwned::ScmRights(fds) => {
                for fd in fds {
                    let _ = nix::unistd::close(fd);
                }
            }
            _ => {}
        }
    }
    let length = message.bytes;
    Ok((sender, words(&text[..length])))
}

/// What a message says; what is not known is left out.
fn words(text: &[u8]) -> Vec<Word> {
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| match line {
            b"READY=1" => Some(Word::Ready),
            b"STOPPING=1" => Some(Word::Stopping),
            b"WATCHDOG=1" => Some(Word::Watchdog),
            b"WATCHDOG=trigger" => Some(Word::Trigger),
            _ => {
                let pid = std::str::from_utf8(line.strip_prefix(b"MAINPID=")?).ok()?;
                pid.parse().ok().filter(|pid| *pid > 1).map(Word::MainPid)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages() {
        assert_eq!(
            words(b"STATUS=fine\nREADY=1\nMAINPID=7\nMAINPID=-1\nMAINPID=1\nMAINPID=x\nWATCHDOG=1\nSTOPPING=1\nREADY=10"),
            [Word::Ready, Word::MainPid(7), Word::Watchdog, Word::Stopping]
        );
        assert_eq!(words(b""), []);
    }

    proptest! {
        #[test]
        fn any_message_is_read(text in prop::collection::vec(any::<u8>(), 0..200), number in prop_oneof![any::<i64>(), -9i64..9]) {
            let message = [&text[..], format!("\nMAINPID={number}\nMAINPID=").as_bytes(), &text].concat();
            let read = words(&message);
            prop_assert!(read.len() <= message.split(|byte| *byte == b'\n').count());
            let fits = i32::try_from(number).ok().filter(|pid| *pid > 1);
            prop_assert_eq!(read.contains(&Word::MainPid(fits.unwrap_or(-1))), fits.is_some());
            prop_assert!(read.iter().all(|word| !matches!(word, Word::MainPid(pid) if *pid <= 1)));
        }
    }

    #[tokio::test]
    async fn the_sender_is_known() {
        let snap = SnapName::new("web").expect("a name");
        let mut socket = NotifySocket::bind(&snap, "app").expect("a socket");
        let sender = StdDatagram::unbound().expect("a socket");
        let address =
            SocketAddr::from_abstract_name(socket.address().trim_start_matches('@')).expect("an address");
        sender.send_to_addr(b"READY=1", &address).expect("sent");
        let (pid, words) = socket.next().await.expect("a message");
        assert_eq!(u32::try_from(pid), Ok(std::process::id()));
        assert_eq!(words, [Word::Ready]);
    }
}
