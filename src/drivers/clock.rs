//! The wall clock: what time it is, and waiting for a moment of it (decision 26).

use crate::domain::Timestamp;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// How a wait for a moment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The moment has come.
    Reached,
    /// Somebody has set the clock: the caller looks what time it is now.
    Jumped,
}

/// Where the agent gets the time from; a test gives another source.
#[derive(Clone)]
pub struct Clock {
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// A clock that is set by hand.
    hand: Option<watch::Receiver<Hand>>,
}

/// The hand of a [`Clock::manual`]: the time, and how often it was set instead of going on.
#[derive(Clone, Copy, Debug)]
struct Hand {
    now: Timestamp,
    sets: u32,
}

/// What moves a clock that is set by hand.
#[derive(Debug)]
pub struct ManualClock(watch::Sender<Hand>);

impl ManualClock {
    /// Time goes on until this moment.
    pub fn advance(&self, now: Timestamp) {
        self.0.send_modify(|hand| hand.now = now);
    }

    /// Somebody sets the clock.
    pub fn set(&self, now: Timestamp) {
        self.0.send_modify(|hand| {
            hand.now = now;
            hand.sets += 1;
        });
    }
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::from_fn(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
        })
    }

    /// A clock of the caller's.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self {
            now: Arc::new(now),
            hand: None,
        }
    }

    /// A clock that only moves by hand.
    pub fn manual(now: Timestamp) -> (Self, ManualClock) {
        let (sender, hand) = watch::channel(Hand { now, sets: 0 });
        let shown = hand.clone();
        let clock = Self {
            now: Arc::new(move || shown.borrow().now),
            hand: Some(hand),
        };
        (clock, ManualClock(sender))
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// Waits for a moment, or until somebody sets the clock. Nothing ticks meanwhile: the kernel wakes the caller once.
    pub async fn until(&self, moment: Timestamp) -> io::Result<Waited> {
        match &self.hand {
            Some(hand) => Ok(until_by_hand(hand.clone(), moment).await),
            None => until_by_kernel(moment).await,
        }
    }
}

async fn until_by_hand(mut hand: watch::Receiver<Hand>, moment: Timestamp) -> Waited {
    let sets = hand.borrow().sets;
    match hand
        .wait_for(|hand| hand.sets != sets || hand.now >= moment)
        .await
    {
        Ok(hand) if hand.sets == sets => Waited::Reached,
        _ => Waited::Jumped,
    }
}

async fn until_by_kernel(moment: Timestamp) -> io::Result<Waited> {
    let timer = TimerFd::new(
        ClockId::CLOCK_REALTIME,
        TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK,
    )?;
    // A moment before 1970 has come, too; the kernel takes 0 for "never".
    let nanoseconds = u64::try_from(moment.0).unwrap_or_default().max(1);
    timer.set(
        Expiration::OneShot(TimeSpec::from_duration(std::time::Duration::from_nanos(
            nanoseconds,
        ))),
        TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET,
    )?;
    let timer = super::watch::readable(Arc::new(OwnedFd::from(timer)))?;
    loop {
        let mut guard = timer.readable().await?;
        let mut expired = [0; 8];
        match nix::unistd::read(timer.get_ref(), &mut expired) {
            Ok(_) => return Ok(Waited::Reached),
            Err(nix::errno::Errno::ECANCELED) => return Ok(Waited::Jumped),
            Err(nix::errno::Errno::EAGAIN) => guard.clear_ready(),
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// CLOCK_MONOTONIC now, in nanoseconds.
pub fn monotonic_ns() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .map_or_else(|_| std::time::Duration::ZERO, std::time::Duration::from);
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_moment_of_the_system_comes() {
        let clock = Clock::system();
        let moment = Timestamp(clock.now().0 + 20_000_000);
        assert_eq!(clock.until(moment).await.expect("a timer"), Waited::Reached);
        assert!(clock.now() >= moment);
        assert_eq!(
            clock.until(Timestamp(-5)).await.expect("a timer"),
            Waited::Reached
        );
    }

    #[tokio::test]
    async fn a_clock_by_hand_goes_on_and_jumps() {
        let (clock, hand) = Clock::manual(Timestamp(10));
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { (clock.until(Timestamp(20)).await, clock.until(Timestamp(30)).await) }
        });
        tokio::task::yield_now().await;
        hand.advance(Timestamp(20));
        tokio::task::yield_now().await;
        hand.set(Timestamp(5));
        let (first, second) = waiting.await.expect("it ends");
        assert_eq!(first.expect("a wait"), Waited::Reached);
        assert_eq!(second.expect("a wait"), Waited::Jumped);
    }
}
