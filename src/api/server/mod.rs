//! The accept loops: budgets, time-outs and the end. Not `axum::serve`, which has no time limit for a request's head.

mod body;
mod connection;
mod pace;
mod seats;

use crate::access::{Peer, Policy, Process};
use crate::api::v2::V2;
use crate::domain::requester::Transport;
use crate::domain::work;
use crate::managers::Managers;
use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt};
use seats::{Client, Seats};
use std::os::unix::net;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long requests that run at the end may take to finish.
const DRAIN: Duration = Duration::from_secs(5);

/// The longest pause after an accept that failed (no descriptors left, for example).
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Serves /v2 on the sockets until `stop` turns true, then lets requests that run finish for a few seconds.
///
/// Each socket has its own budget of connections: a crowd on one leaves the other alone.
pub async fn serve(
    managers: Arc<Managers>,
    policy: Policy,
    sockets: Vec<(net::UnixListener, Transport)>,
    stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let dialect = V2::new(managers, policy.clone(), stop.clone());
    let mut loops = JoinSet::new();
    for (socket, transport) in sockets {
        socket.set_nonblocking(true)?;
        let listener = UnixListener::from_std(socket)?;
        let free = match transport {
            Transport::MainSocket | Transport::Tls => Some(Client::User(Some(policy.agent()))),
            Transport::SnapSocket => None,
        };
        let seats = Seats::new(budget(transport), free);
        loops.spawn(accept(listener, transport, dialect.clone(), seats, stop.clone()));
    }
    while let Some(ended) = loops.join_next().await {
        if let Err(error) = ended {
            log::error!("an accept loop ended: {error}");
        }
    }
    Ok(())
}

/// How many connections a socket holds at once.
fn budget(transport: Transport) -> usize {
    match transport {
        Transport::MainSocket | Transport::Tls => 256,
        Transport::SnapSocket => 128,
    }
}

/// One accept loop, until the end.
async fn accept(
    listener: UnixListener,
    transport: Transport,
    dialect: V2,
    seats: Arc<Seats>,
    mut stop: watch::Receiver<bool>,
) {
    let mut pause = Duration::ZERO;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // An error means that the sender is gone, which is an end as well.
            _ = stop.wait_for(|stopped| *stopped) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                pause = Duration::ZERO;
                let peer = peer(&stream, transport);
                // Without a seat the stream is dropped here, which closes it.
                if let Some(seat) = seats.take(client(&peer)) {
                    work::spawn(Box::pin(connection::attend(
                        stream,
                        Arc::new(peer),
                        dialect.clone(),
                        seat,
                    )));
                } else {
                    log::debug!("a connection of {:?} was refused: all are busy", peer.uid);
                }
            }
            Err(error) => {
                log::warn!("cannot accept a connection: {error}");
                pause = (pause * 2).clamp(Duration::from_millis(10), LONGEST_PAUSE);
                tokio::time::sleep(pause).await;
            }
        }
    }
    drop(listener);
    seats.wind_down();
    if tokio::time::timeout(DRAIN, seats.emptied()).await.is_err() {
        log::warn!("requests that still ran after {} s were cut", DRAIN.as_secs());
        seats.cut_all();
    }
}

/// Whose budget a connection counts against. On the socket for snaps most are root's: there each snap counts alone.
fn client(peer: &Peer) -> Client {
    let snap = match peer.transport {
        Transport::SnapSocket => peer.process.as_ref().and_then(Process::snap),
        Transport::MainSocket | Transport::Tls => None,
    };
    snap.map_or(Client::User(peer.uid), Client::Snap)
}

/// What the kernel says of the other end. Process 0 or user 2^32-1 means that it says nothing (contract: v2,
/// section 1). Only on the socket for snaps the process is taken hold of: only there it proves something.
fn peer(stream: &UnixStream, transport: Transport) -> Peer {
    let credentials = getsockopt(stream, sockopt::PeerCredentials)
        .ok()
        .filter(|credentials| credentials.pid() != 0 && credentials.uid() != u32::MAX);
    let Some(credentials) = credentials else {
        return Peer {
            transport,
            uid: None,
            process: None,
        };
    };
    let pid = credentials.pid();
    let process = match transport {
        Transport::SnapSocket => match getsockopt(stream, sockopt::PeerPidfd) {
            Ok(descriptor) => Process::hold(pid, Some(descriptor)),
            Err(Errno::ENOPROTOOPT) => Process::hold(pid, None),
            // The process is gone.
            Err(_) => None,
        },
        Transport::MainSocket | Transport::Tls => Some(Process::seen(pid)),
    };
    Peer {
        transport,
        uid: Some(credentials.uid()),
        process,
    }
}

#[cfg(test)]
mod tests;
