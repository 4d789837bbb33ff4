//! The budget of connections of one socket.

use super::pace::Pace;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The connections of one socket. When there are as many as the budget says, the one that has waited longest for its
/// client goes first; while all are busy a new one is refused. A user that is not the agent's own gets half of them
/// at most, so that nobody can keep the others out.
pub struct Seats {
    budget: usize,
    agent: u32,
    taken: Mutex<HashMap<u64, Taken>>,
    next: AtomicU64,
    freed: Notify,
}

struct Taken {
    user: Option<u32>,
    pace: Arc<Pace>,
}

/// One connection's place; free again when it is dropped.
pub struct Seat {
    seats: Arc<Seats>,
    number: u64,
    /// The pace of the connection.
    pub pace: Arc<Pace>,
}

impl Seats {
    pub fn new(budget: usize, agent: u32) -> Arc<Self> {
        Arc::new(Self {
            budget,
            agent,
            taken: Mutex::new(HashMap::new()),
            next: AtomicU64::new(0),
            freed: Notify::new(),
        })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<u64, Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for a new connection of a user, at the cost of another's if need be.
    pub fn take(self: &Arc<Self>, user: Option<u32>) -> Option<Seat> {
        let mut taken = self.taken();
        let own = taken.values().filter(|other| other.user == user).count();
        let crowd = user != Some(self.agent) && own >= self.budget / 2;
        if crowd || taken.len() >= self.budget {
            let longest = taken
                .iter()
                .filter(|(_, other)| !crowd || other.user == user)
                .filter_map(|(number, other)| Some((other.pace.waiting_since()?, *number)))
                .min()?;
            if let Some(other) = taken.remove(&longest.1) {
                other.pace.cut();
            }
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let pace = Arc::new(Pace::new());
        taken.insert(
            number,
            Taken {
                user,
                pace: Arc::clone(&pace),
            },
        );
        Some(Seat {
            seats: Arc::clone(self),
            number,
            pace,
        })
    }

    /// Every connection ends after its present request.
    pub fn wind_down(&self) {
        for other in self.taken().values() {
            other.pace.close();
        }
    }

    /// Every connection ends now.
    pub fn cut_all(&self) {
        for other in self.taken().values() {
            other.pace.cut();
        }
    }

    /// Comes back when no seat is taken.
    pub async fn emptied(&self) {
        loop {
            let freed = self.freed.notified();
            if self.taken().is_empty() {
                return;
            }
            freed.await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken().remove(&self.number);
        self.seats.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_waits_longest_goes_first() {
        let seats = Seats::new(2, 0);
        let first = seats.take(Some(0)).expect("a seat");
        let second = seats.take(Some(0)).expect("a seat");
        first.pace.begin(true);
        let third = seats.take(Some(0)).expect("the idle one's seat");
        assert_eq!(second.pace.waiting_since(), None, "it was cut");
        assert!(first.pace.deadline().is_none());
        third.pace.begin(true);
        assert!(seats.take(Some(0)).is_none(), "all are busy");
        drop(first);
        assert!(seats.take(Some(0)).is_some());
    }

    #[test]
    fn other_users_cannot_take_all() {
        let seats = Seats::new(4, 0);
        let mut held = Vec::new();
        for _ in 0..10 {
            if let Some(seat) = seats.take(Some(1000)) {
                seat.pace.begin(true);
                held.push(seat);
            }
        }
        assert_eq!(held.len(), 2);
        assert!(seats.take(Some(0)).is_some());
    }
}
