//! Who asks.

use super::SnapName;

/// What a requester may do at most; the order is the order of rights (decision 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Nobody we know.
    Nobody,
    /// What the contract calls open.
    Viewer,
    /// What the contract calls authenticated, less the dangerous parts.
    Operator,
    /// Root.
    Admin,
}

/// The way a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// The main unix socket.
    MainSocket,
    /// The socket for snaps.
    SnapSocket,
    /// The TLS listener.
    Tls,
}

/// Who sent a request, decided once when its connection was accepted and its headers read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requester {
    /// For people and the audit: `uid=0`, `snap=keyboard-lights`, a certificate's name.
    pub identity: String,
    /// The peer's user, on unix sockets.
    pub uid: Option<u32>,
    /// The peer's process, on unix sockets.
    pub pid: Option<i32>,
    /// What it may do.
    pub role: Role,
    /// The way it came.
    pub transport: Transport,
    /// The snap that it is, on the snap socket, when it proved to be one (decision 2).
    pub snap: Option<SnapName>,
}
