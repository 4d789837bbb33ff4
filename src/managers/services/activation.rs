//! What starts a service when it is needed: sockets on which the agent listens for it, the times of its timer, and calls
//! of its names on the bus, which are not heard here (see `dbus`).

use crate::domain::snap::AppInfo;
use crate::domain::{Dirs, Revision, Schedule, SnapName, Timestamp};
use crate::drivers::clock::{Clock, Waited};
use crate::drivers::random;
use crate::drivers::sockets::{Kept, Place};
use futures_util::future::{pending, select_all};
use jiff::tz::TimeZone;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

/// The mode of a socket's file when its snap does not say (systemd's default, which snaps are written for).
const MODE: u32 = 0o666;

/// An event that a jump of the clock leapt over still counts when it is no older than this many nanoseconds. After a
/// greater jump, such as the first setting of a board without a battery, the times in between have never been.
const CATCH_UP: i64 = 600 * 1_000_000_000;

/// Something else than the snap's start starts it.
pub fn is_activated(app: &AppInfo) -> bool {
    !app.sockets.is_empty() || app.timer.is_some() || !app.activates_on.is_empty()
}

/// The activators of one service while they are at work.
#[derive(Debug)]
pub struct Armed {
    sockets: Vec<(String, Kept)>,
    timer: Option<Timer>,
}

#[derive(Debug)]
struct Timer {
    schedule: Schedule,
    due: Option<Timestamp>,
}

impl Armed {
    /// Listens on the sockets of a service and looks up its times. The error is a sentence.
    pub fn open(dirs: &Dirs, snap: &SnapName, revision: Revision, app: &AppInfo) -> Result<Self, String> {
        let mut sockets = Vec::new();
        for (name, socket) in &app.sockets {
            let mode = socket.mode.unwrap_or(MODE);
            let place = place(dirs, snap, revision, &socket.listen_stream, mode);
            let place = place.ok_or_else(|| format!("{:?} is no address", socket.listen_stream))?;
            if let Place::Path { below, .. } = &place {
                // Of these only the folder below /run may be missing.
                crate::drivers::fs::make_dir(below, 0o755).map_err(|error| error.in_full())?;
            }
            let kept = Kept::listen(&place)
                .map_err(|error| format!("cannot listen on {:?}: {error}", socket.listen_stream))?;
            sockets.push((name.clone(), kept));
        }
        let schedule = app.timer.as_deref().map(Schedule::parse).transpose();
        let schedule = schedule.map_err(|error| error.to_string())?;
        Ok(Self {
            sockets,
            timer: schedule.map(|schedule| Timer { schedule, due: None }),
        })
    }

    /// The sockets, for the service.
    pub fn sockets(&self) -> Vec<Arc<OwnedFd>> {
        self.sockets.iter().map(|(_, kept)| kept.fd()).collect()
    }

    /// The names of the sockets in the same order.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.sockets.iter().map(|(name, _)| name.as_str()).collect();
        names.join(":")
    }

    /// Waits until the service is needed. May be dropped and called again.
    pub async fn needed(&mut self, clock: &Clock) {
        let Self { sockets, timer } = self;
        let called = async {
            if sockets.is_empty() {
                return pending().await;
            }
            let waits = sockets.iter().map(|(_, kept)| Box::pin(kept.wanted()));
            let (woken, _, _) = select_all(waits).await;
            if let Err(error) = woken {
                log::error!("cannot watch a socket of a service: {error}");
                pending::<()>().await;
            }
        };
        let due = async {
            match timer {
                Some(timer) => timer.due(clock).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = called => {}
            () = due => {}
        }
    }
}

impl Timer {
    async fn due(&mut self, clock: &Clock) {
        loop {
            let next = self.due.or_else(|| {
                let zone = TimeZone::system();
                self.schedule.next(clock.now(), &zone, &random::below)
            });
            let Some(next) = next else {
                return pending().await;
            };
            self.due = Some(next);
            match clock.until(next).await {
                Ok(Waited::Reached) => {
                    self.due = None;
                    return;
                }
                Ok(Waited::Jumped) => {
                    self.due = None;
                    let late = clock.now().0.saturating_sub(next.0);
                    if (0..=CATCH_UP).contains(&late) {
                        return;
                    }
                }
                Err(error) => {
                    log::error!("cannot wait for the time of a timer: {error}");
                    return pending().await;
                }
            }
        }
    }
}

/// Where a socket is that a snap names (contract: snaps-and-assertions, section 1).
pub fn place(dirs: &Dirs, snap: &SnapName, revision: Revision, text: &str, mode: u32) -> Option<Place> {
    if let Some(name) = text.strip_prefix('@') {
        return Some(Place::Abstract(name.to_owned()));
    }
    let below = |below: PathBuf, path: &str| Place::Path {
        below,
        path: PathBuf::from(path),
        mode,
    };
    if let Some(path) = text.strip_prefix("$SNAP_DATA/") {
        return Some(below(dirs.snap_data(snap, revision), path));
    }
    if let Some(path) = text.strip_prefix("$SNAP_COMMON/") {
        return Some(below(dirs.snap_common(snap), path));
    }
    if let Some(path) = text.strip_prefix("$XDG_RUNTIME_DIR/") {
        return Some(below(dirs.user_run(nix::unistd::geteuid().as_raw(), snap), path));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port: u16 = port.parse().ok()?;
    let four = |ip: Ipv4Addr| SocketAddr::from((ip, port));
    let six = |ip: Ipv6Addr| SocketAddr::from((ip, port));
    Some(Place::Tcp(match host {
        "127.0.0.1" => vec![four(Ipv4Addr::LOCALHOST)],
        "[::1]" => vec![six(Ipv6Addr::LOCALHOST)],
        "[::]" => vec![six(Ipv6Addr::UNSPECIFIED)],
        // Every address of the machine, which may know only one of the two kinds.
        "" => vec![six(Ipv6Addr::UNSPECIFIED), four(Ipv4Addr::UNSPECIFIED)],
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let dirs = Dirs::new("/r");
        let snap = SnapName::new("web").expect("a name");
        let revision: Revision = "x2".parse().expect("a revision");
        let at = |text: &str| place(&dirs, &snap, revision, text, 0o600);
        let path = |below: &str, path: &str| {
            Some(Place::Path {
                below: below.into(),
                path: path.into(),
                mode: 0o600,
            })
        };
        assert_eq!(at("$SNAP_DATA/a/b"), path("/r/var/snap/web/x2", "a/b"));
        assert_eq!(at("$SNAP_COMMON/s"), path("/r/var/snap/web/common", "s"));
        assert_eq!(
            at("@snap.web.s"),
            Some(Place::Abstract(String::from("snap.web.s")))
        );
        let tcp = |all: &[&str]| {
            Some(Place::Tcp(
                all.iter().map(|one| one.parse().expect("one")).collect(),
            ))
        };
        assert_eq!(at("80"), tcp(&["[::]:80", "0.0.0.0:80"]));
        assert_eq!(at("127.0.0.1:80"), tcp(&["127.0.0.1:80"]));
        assert_eq!(at("[::1]:80"), tcp(&["[::1]:80"]));
        assert_eq!(at("8.8.8.8:80"), None);
        assert_eq!(at("x"), None);
    }

    fn timer(text: &str) -> Timer {
        Timer {
            schedule: Schedule::parse(text).expect("a schedule"),
            due: None,
        }
    }

    #[tokio::test]
    async fn a_timer_outlives_the_jumps_of_its_clock() {
        const MINUTE: i64 = 60_000_000_000;
        let (clock, hand) = Clock::manual(Timestamp(0));
        let mut timer = timer("0:00-24:00/1440");
        let fired = tokio::time::timeout(std::time::Duration::from_millis(20), timer.due(&clock)).await;
        assert!(fired.is_err(), "no minute has begun");
        hand.advance(Timestamp(MINUTE));
        timer.due(&clock).await;
        // A small jump over an event: it counts.
        hand.set(Timestamp(3 * MINUTE));
        let (due, ()) = tokio::join!(timer.due(&clock), async {
            tokio::task::yield_now().await;
            hand.set(Timestamp(5 * MINUTE));
        });
        let () = due;
        // Ten years, and back: nothing of them is made up for.
        for now in [Timestamp(10 * 365 * 24 * 60 * MINUTE), Timestamp(7 * MINUTE)] {
            let jump = async {
                tokio::task::yield_now().await;
                hand.set(now);
                pending::<()>().await;
            };
            let fired = async {
                tokio::select! {
                    () = timer.due(&clock) => {}
                    () = jump => {}
                }
            };
            let waited = tokio::time::timeout(std::time::Duration::from_millis(20), fired);
            assert!(waited.await.is_err(), "it fired after a jump to {now:?}");
        }
        hand.advance(Timestamp(8 * MINUTE));
        timer.due(&clock).await;
    }
}
