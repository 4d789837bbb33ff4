//! Who asks, and what the route table lets them do: peer credentials and proofs become a [`Requester`], once, before
//! any handler runs (invariant 3; contract: v2, section 2; decisions 1 to 3).

mod process;

use crate::domain::SnapName;
use crate::domain::requester::{Requester, Role, Transport};
use std::sync::Arc;

pub use process::Process;

/// Who may use a route with a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Every user on the main socket, every role over TLS.
    Open,
    /// Root (in developer mode: the agent's own user) on the main socket, operators over TLS.
    Authenticated,
    /// Root only (in developer mode: the agent's own user), admins over TLS.
    Root,
    /// Anyone on the socket for snaps, and nobody elsewhere; the handler asks for the snap's proof.
    SnapOnly,
    /// Open, and a proven snap on the socket for snaps, which then sees its own part.
    OpenOrSnap,
    /// Authenticated, and a proven snap on the socket for snaps, for its own part.
    AuthenticatedOrSnap,
    /// Open, and a proven snap on the socket for snaps that has a connected plug of one of these interfaces.
    OpenOrPlug(&'static [&'static str]),
}

impl Access {
    /// Every class, for tables.
    pub const ALL: [Self; 7] = [
        Self::Open,
        Self::Authenticated,
        Self::Root,
        Self::SnapOnly,
        Self::OpenOrSnap,
        Self::AuthenticatedOrSnap,
        Self::OpenOrPlug(&[]),
    ];
}

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Other credentials could open it.
    Unauthorized,
    /// Not on this way, or not by any login.
    Forbidden,
}

/// The other end of a connection on a unix socket.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The way it came.
    pub transport: Transport,
    /// Its user; `None` when the kernel did not say.
    pub uid: Option<u32>,
    /// Its process, so that what is read of it later is of the same process and not of one that got its number.
    pub process: Option<Process>,
}

/// Finds the snap that a cookie was given to.
pub type CookieOwner = Arc<dyn Fn(&str) -> Option<SnapName> + Send + Sync>;

/// Whether a snap has a connected plug of an interface.
pub type HasPlug = Arc<dyn Fn(&SnapName, &str) -> bool + Send + Sync>;

/// How this agent recognises people and snaps.
#[derive(Clone)]
pub struct Policy {
    /// The user that the agent runs as.
    agent: u32,
    /// Apps live in control groups of their own, so a snap can be known by its process.
    cgroups: bool,
    cookies: CookieOwner,
    plugs: HasPlug,
}

impl Policy {
    /// `agent` is the effective user of the agent, `cgroups` whether apps get control groups here, `cookies` who owns
    /// a cookie at the time of asking.
    pub fn new(
        agent: u32,
        cgroups: bool,
        cookies: impl Fn(&str) -> Option<SnapName> + Send + Sync + 'static,
    ) -> Self {
        Self {
            agent,
            cgroups,
            cookies: Arc::new(cookies),
            plugs: Arc::new(|_, _| false),
        }
    }

    /// The same, with what is known of connections.
    pub fn with_plugs(mut self, has_plug: impl Fn(&SnapName, &str) -> bool + Send + Sync + 'static) -> Self {
        self.plugs = Arc::new(has_plug);
        self
    }

    /// The interfaces of the list of which a snap has a connected plug.
    pub fn plugs_of(&self, snap: &SnapName, interfaces: &[&'static str]) -> Vec<&'static str> {
        let connected = interfaces
            .iter()
            .filter(|interface| (self.plugs)(snap, interface));
        connected.copied().collect()
    }

    /// The user that the agent runs as.
    pub fn agent(&self) -> u32 {
        self.agent
    }

    /// The agent is not root: its own user has root's rights on its sockets and no other user has (decision 1).
    pub fn is_developer_mode(&self) -> bool {
        self.agent != 0
    }

    /// Who a peer is, with the cookie that its request carries, if any.
    pub fn identify(&self, peer: &Peer, cookie: Option<&str>) -> Requester {
        let mut who = Requester {
            identity: String::from("nobody"),
            uid: peer.uid,
            pid: peer.process.as_ref().map(Process::pid),
            role: Role::Nobody,
            transport: peer.transport,
            snap: None,
        };
        let Some(uid) = peer.uid else { return who };
        who.identity = format!("uid={uid}");
        match peer.transport {
            Transport::MainSocket if uid == self.agent => who.role = Role::Admin,
            Transport::MainSocket | Transport::Tls => who.role = Role::Viewer,
            Transport::SnapSocket => {
                if let Some(snap) = cookie.and_then(|cookie| self.prove(peer, cookie)) {
                    who.identity = format!("snap={snap} uid={uid}");
                    who.role = Role::Viewer;
                    who.snap = Some(snap);
                }
            }
        }
        who
    }

    /// The snap that both the cookie and, where there are control groups, the process say (decision 2): a cookie that
    /// was stolen from another snap proves nothing.
    fn prove(&self, peer: &Peer, cookie: &str) -> Option<SnapName> {
        let named = (self.cookies)(cookie)?;
        if self.is_developer_mode() || !self.cgroups {
            return Some(named);
        }
        let lived = peer.process.as_ref()?.snap()?;
        (lived == named).then_some(named)
    }

    /// Whether the class lets the requester in, by the contract's order: the way first, then the credentials.
    pub fn permit(&self, access: Access, who: &Requester) -> Result<(), Denied> {
        let snap = who.transport == Transport::SnapSocket;
        let needed = match access {
            Access::SnapOnly if snap && who.uid.is_some() => return Ok(()),
            Access::OpenOrSnap if snap && who.snap.is_some() => return Ok(()),
            // Any user may become a process of a snap by running its app; only root's and the agent's act for it.
            Access::AuthenticatedOrSnap if snap && who.snap.is_some() => {
                let acts = who.uid.is_some_and(|uid| uid == 0 || uid == self.agent);
                return if acts { Ok(()) } else { Err(Denied::Unauthorized) };
            }
            Access::OpenOrPlug(interfaces) if snap => {
                let known = who.snap.as_ref();
                let has = known.is_some_and(|snap| !self.plugs_of(snap, interfaces).is_empty());
                return if has { Ok(()) } else { Err(Denied::Forbidden) };
            }
            Access::SnapOnly => return Err(Denied::Forbidden),
            Access::Open | Access::OpenOrSnap | Access::OpenOrPlug(_) => Role::Viewer,
            Access::Authenticated | Access::AuthenticatedOrSnap => Role::Operator,
            Access::Root => Role::Admin,
        };
        match who.transport {
            Transport::SnapSocket => Err(Denied::Forbidden),
            Transport::Tls if who.role == Role::Nobody => Err(Denied::Unauthorized),
            _ if who.role >= needed => Ok(()),
            Transport::MainSocket if who.role == Role::Nobody => Err(Denied::Forbidden),
            _ if access == Access::Root => Err(Denied::Forbidden),
            _ => Err(Denied::Unauthorized),
        }
    }
}

#[cfg(test)]
mod tests;
