//! The socket on which a service says that it is ready (`daemon: notify`).

use crate::domain::SnapName;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram as StdDatagram};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::UnixDatagram;

/// One start's socket. Its name is abstract: nothing stays behind, and the path's length does not matter.
pub struct ReadySocket {
    socket: UnixDatagram,
    name: String,
}

impl ReadySocket {
    /// A new socket for a service.
    pub fn bind(snap: &SnapName, app: &str) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pinion/{}/{count}/{snap}.{app}", std::process::id());
        let socket = StdDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: UnixDatagram::from_std(socket)?,
            name,
        })
    }

    /// The value of `NOTIFY_SOCKET`.
    pub fn address(&self) -> String {
        format!("@{}", self.name)
    }

    /// Waits until the service says so.
    pub async fn ready(&self) -> io::Result<()> {
        let mut message = [0; 4096];
        loop {
            let length = self.socket.recv(&mut message).await?;
            if message[..length]
                .split(|byte| *byte == b'\n')
                .any(|line| line == b"READY=1")
            {
                return Ok(());
            }
        }
    }
}
