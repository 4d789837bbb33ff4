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

/// What ends a head, and the chunks of a body.
const EMPTY_LINE: [u8; 4] = *b"\r\n\r\n";

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
    /// The last bytes that came in.
    tail: [u8; 4],
    /// How many bytes came behind the end of the present head; `None` before that end.
    behind: Option<u64>,
    /// The head was seen from its first byte, so that `behind` is right.
    exact: bool,
    /// How many bytes the body of the present request has; `None` when it comes in chunks.
    body: Option<u64>,
    /// The present request was answered before all of its body was read.
    unread: bool,
    /// The other end takes nothing since then.
    blocked: Option<Instant>,
    /// No further request will be taken.
    closing: bool,
    cut: bool,
}

impl State {
    fn take(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while self.behind.is_none()
            && let Some((byte, after)) = rest.split_first()
        {
            self.note(*byte);
            rest = after;
            if self.tail == EMPTY_LINE {
                self.behind = Some(0);
            }
        }
        if let Some(count) = &mut self.behind {
            *count += rest.len() as u64;
        }
        for byte in &rest[rest.len().saturating_sub(self.tail.len())..] {
            self.note(*byte);
        }
    }

    fn note(&mut self, byte: u8) {
        self.tail.rotate_left(1);
        self.tail[3] = byte;
    }

    /// Something came in behind the present request. One without a body, or with a body in chunks, ends with an empty
    /// line, and the part of a head never does.
    fn has_more(&self) -> bool {
        match self.body {
            Some(length) if length > 0 => !self.exact || self.behind.is_some_and(|count| count > length),
            _ => self.tail != EMPTY_LINE,
        }
    }
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
                tail: [0; 4],
                behind: None,
                exact: true,
                body: Some(0),
                unread: false,
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
    pub fn read(&self, bytes: &[u8]) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Fresh | Phase::Idle) {
            state.phase = Phase::Head;
            state.since = Instant::now();
            (state.tail, state.behind, state.exact) = ([0; 4], None, true);
        }
        state.take(bytes);
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
    pub fn begin(&self, body: Option<u64>) {
        let mut state = self.state();
        state.phase = Phase::Busy;
        state.since = Instant::now();
        (state.body, state.unread) = (body, false);
    }

    /// The rest of the present request's body is of no use any more.
    pub fn leave_unread(&self) {
        self.state().unread = true;
    }

    /// The client may still be sending what nobody wants.
    pub fn is_unread(&self) -> bool {
        self.state().unread
    }

    /// The answer is written. What came in behind the request is the beginning of the next head.
    pub fn end(&self) {
        let mut state = self.state();
        state.phase = if state.has_more() {
            (state.behind, state.exact) = (Some(0), false);
            Phase::Head
        } else {
            Phase::Idle
        };
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
        pace.read(b"GET / HTTP/1.1\r\n");
        assert_eq!(left(&pace), Some(10), "a head begun");
        pace.read(b"\r\n");
        pace.begin(Some(0));
        assert_eq!(left(&pace), None, "the answer takes what it takes");
        assert_eq!(pace.waiting_since(), None);
        pace.wrote(false);
        assert_eq!(left(&pace), Some(10), "a reader that does not read");
        pace.wrote(true);
        pace.end();
        assert_eq!(left(&pace), Some(60), "idle");
        assert!(pace.waiting_since().is_some());
        pace.cut();
        assert!(pace.deadline().is_some_and(|at| at <= Instant::now()));
    }

    #[test]
    fn half_a_head_behind_a_request_has_the_time_of_a_head() {
        // what comes in, in pieces; the length that its head says; the time that is left once it is answered
        let cases: [(&str, &[&str], Option<u64>, u64); 9] = [
            ("plain", &["GET / HTTP/1.1\r\n\r\n"], Some(0), 60),
            (
                "half a head with it",
                &["GET / HTTP/1.1\r\n\r\nGET /"],
                Some(0),
                10,
            ),
            (
                "half a head after it",
                &["GET / HTTP/1.1\r\n\r\n", "G"],
                Some(0),
                10,
            ),
            (
                "a body",
                &["POST / HTTP/1.1\r\n\r", "\n{\"a\"", ":1}"],
                Some(7),
                60,
            ),
            (
                "a body in one",
                &["POST / HTTP/1.1\r\n\r\n{\"a\":1}"],
                Some(7),
                60,
            ),
            (
                "half a head behind a body",
                &["POST / HTTP/1.1\r\n\r\n{\"a\":1}G"],
                Some(7),
                10,
            ),
            (
                "a body of empty lines",
                &["POST / HTTP/1.1\r\n\r\n\r\n\r\nG"],
                Some(4),
                10,
            ),
            (
                "chunks",
                &["POST / HTTP/1.1\r\n\r\n1\r\na\r\n", "0\r\n\r\n"],
                None,
                60,
            ),
            (
                "half a head behind chunks",
                &["POST / HTTP/1.1\r\n\r\n0\r\n\r\nGET"],
                None,
                10,
            ),
        ];
        for (what, pieces, body, time) in cases {
            let pace = Pace::new();
            let (first, rest) = pieces.split_first().expect("a piece");
            pace.read(first.as_bytes());
            pace.begin(body);
            for piece in rest {
                pace.read(piece.as_bytes());
            }
            pace.end();
            assert_eq!(left(&pace), Some(time), "{what}");
        }
        // The second of two that came together is counted from where it is known.
        let pace = Pace::new();
        pace.read(b"GET / HTTP/1.1\r\n\r\nGET / HT");
        pace.begin(Some(0));
        pace.end();
        pace.read(b"TP/1.1\r\n\r\n");
        pace.begin(Some(0));
        pace.end();
        assert_eq!(left(&pace), Some(60), "all that came is answered");
    }
}
