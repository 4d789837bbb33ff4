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
    set_timer(&timer, nanoseconds)?;
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

/// Sets a timer to a moment of the wall clock, in nanoseconds since 1970.
fn set_timer(timer: &TimerFd, nanoseconds: u64) -> io::Result<()> {
    let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
    #[cfg(target_pointer_width = "32")]
    match set_timer_64(timer, nanoseconds, flags) {
        Err(nix::errno::Errno::ENOSYS) => {} // Linux before 5.1
        done => return Ok(done?),
    }
    let moment = TimeSpec::from_duration(std::time::Duration::from_nanos(nanoseconds));
    Ok(timer.set(Expiration::OneShot(moment), flags)?)
}

/// The times of the C library have 32 bits here and end in 2038; those of this call have 64.
#[cfg(target_pointer_width = "32")]
#[allow(unsafe_code)]
fn set_timer_64(timer: &TimerFd, nanoseconds: u64, flags: TimerSetTimeFlags) -> nix::Result<()> {
    use std::os::fd::{AsFd, AsRawFd};
    /// `timerfd_settime64`, which has this number on every architecture of 32 bits.
    const CALL: nix::libc::c_long = 411;
    const SECOND: u64 = 1_000_000_000;
    // Interval and value, each seconds and nanoseconds.
    let setting: [i64; 4] = [0, 0, (nanoseconds / SECOND) as i64, (nanoseconds % SECOND) as i64];
    let timer = timer.as_fd().as_raw_fd();
    // SAFETY: the kernel reads 32 bytes of `setting`, writes nothing, and the descriptor is open.
    let done = unsafe {
        let old = std::ptr::null_mut::<i64>();
        nix::libc::syscall(CALL, timer, flags.bits(), setting.as_ptr(), old)
    };
    nix::errno::Errno::result(done).map(drop)
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

    /// Times of 32 bits end in 2038.
    #[tokio::test]
    async fn a_moment_of_the_next_century_does_not_come() {
        let clock = Clock::system();
        let wait = clock.until(Timestamp(4_102_444_800_000_000_000));
        let waited = tokio::time::timeout(std::time::Duration::from_millis(100), wait).await;
        assert!(waited.is_err(), "{waited:?}");
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
