//! How far a connection is, and until when it may stay there (decision 30).

use futures_util::task::AtomicWaker;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

/// From the first byte of a request's head (or from the connect) to its end.
pub const HEAD: Duration = Duration::from_secs(10);

/// Between two pieces of a request's body, and between two writes that the other end takes.
pub const PROGRESS: Duration = Duration::from_secs(10);

/// Between two requests.
pub const IDLE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Connected, nothing said yet.
    Fresh,
    /// A part of a request's head is here.
    Head,
    /// A request is being answered.
    Busy,
    /// Between requests.
    Idle,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// The body of the present request is here in full.
    body_ended: bool,
    /// Bytes came after it: the next head may have begun.
    read_on: bool,
    /// The other end takes nothing since then.
    blocked: Option<Instant>,
    /// No further request will be taken.
    closing: bool,
    cut: bool,
}

/// The pace of one connection, shared by its stream, its bodies and the one who watches it.
#[derive(Debug)]
pub struct Pace {
    state: Mutex<State>,
    watcher: AtomicWaker,
}

impl Pace {
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State {
                phase: Phase::Fresh,
                since: Instant::now(),
                body_ended: true,
                read_on: false,
                blocked: None,
                closing: false,
                cut: false,
            }),
            watcher: AtomicWaker::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes came in.
    pub fn read(&self) {
        let mut state = self.state();
        match state.phase {
            Phase::Fresh | Phase::Idle => {
                state.phase = Phase::Head;
                state.since = Instant::now();
            }
            Phase::Busy if state.body_ended => state.read_on = true,
            Phase::Head | Phase::Busy => {}
        }
    }

    /// A write was taken, or not.
    pub fn wrote(&self, taken: bool) {
        let mut state = self.state();
        if taken {
            state.blocked = None;
        } else if state.blocked.is_none() {
            state.blocked = Some(Instant::now());
        }
    }

    /// A request's head is complete.
    pub fn begin(&self, without_body: bool) {
        let mut state = self.state();
        state.phase = Phase::Busy;
        state.since = Instant::now();
        state.body_ended = without_body;
        state.read_on = false;
    }

    /// The body of the request is here in full.
    pub fn body_ended(&self) {
        self.state().body_ended = true;
    }

    /// The answer is written. What came in meanwhile may be the beginning of the next head.
    pub fn end(&self) {
        let mut state = self.state();
        state.phase = if state.read_on { Phase::Head } else { Phase::Idle };
        state.since = Instant::now();
    }

    /// When the connection is to be cut if nothing moves until then.
    pub fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        if state.cut {
            return Some(state.since);
        }
        let phase = match state.phase {
            Phase::Fresh | Phase::Head => Some(state.since + HEAD),
            Phase::Idle => Some(state.since + IDLE),
            Phase::Busy => None,
        };
        let write = state.blocked.map(|since| since + PROGRESS);
        match (phase, write) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        }
    }

    /// Since when the connection waits for its client to ask something; `None` while it is busy.
    pub fn waiting_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.phase != Phase::Busy && !state.cut).then_some(state.since)
    }

    /// Who is to be woken when the connection is told to end.
    pub fn watch(&self, waker: &Waker) {
        self.watcher.register(waker);
    }

    /// Ends the connection now.
    pub fn cut(&self) {
        self.state().cut = true;
        self.watcher.wake();
    }

    /// Ends the connection after the present request.
    pub fn close(&self) {
        self.state().closing = true;
        self.watcher.wake();
    }

    /// No further request is to be taken.
    pub fn is_closing(&self) -> bool {
        self.state().closing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(pace: &Pace) -> Option<u64> {
        pace.deadline()
            .map(|at| at.saturating_duration_since(Instant::now()).as_secs_f64().round() as u64)
    }

    #[test]
    fn each_phase_has_its_limit() {
        let pace = Pace::new();
        assert_eq!(left(&pace), Some(10), "silent from the start");
        pace.read();
        assert_eq!(left(&pace), Some(10), "a head begun");
        pace.begin(true);
        assert_eq!(left(&pace), None, "the answer takes what it takes");
        assert_eq!(pace.waiting_since(), None);
        pace.wrote(false);
        assert_eq!(left(&pace), Some(10), "a reader that does not read");
        pace.wrote(true);
        pace.end();
        assert_eq!(left(&pace), Some(60), "idle");
        assert!(pace.waiting_since().is_some());
        pace.begin(false);
        pace.read();
        pace.body_ended();
        pace.end();
        assert_eq!(left(&pace), Some(60), "what came was the body");
        pace.begin(true);
        pace.read();
        pace.end();
        assert_eq!(left(&pace), Some(10), "what came may be half a head");
        pace.cut();
        assert!(pace.deadline().is_some_and(|at| at <= Instant::now()));
    }
}
