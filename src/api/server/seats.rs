//! The budget of connections of one socket.

use super::pace::Pace;
use crate::domain::SnapName;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The connections of one socket. When there are as many as the budget says, the one that has waited longest for its
/// client goes first; while all are busy a new one is refused. Everyone but the one who is free gets a quarter of them
/// at most, so that nobody can keep the others out.
pub struct Seats {
    budget: usize,
    free: Option<Client>,
    taken: Mutex<HashMap<u64, Taken>>,
    next: AtomicU64,
    freed: Notify,
}

/// Whose connections are counted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// A user; `None` when the kernel does not say which.
    User(Option<u32>),
    /// A snap, by the control group of its process.
    Snap(SnapName),
}

struct Taken {
    client: Client,
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
    /// `free` may take all of the `budget`.
    pub fn new(budget: usize, free: Option<Client>) -> Arc<Self> {
        Arc::new(Self {
            budget,
            free,
            taken: Mutex::new(HashMap::new()),
            next: AtomicU64::new(0),
            freed: Notify::new(),
        })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<u64, Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for a new connection of a client, at the cost of another's if need be.
    pub fn take(self: &Arc<Self>, client: Client) -> Option<Seat> {
        let mut taken = self.taken();
        let own = taken.values().filter(|other| other.client == client).count();
        let crowd = self.free.as_ref() != Some(&client) && own >= self.budget / 4;
        if crowd || taken.len() >= self.budget {
            let longest = taken
                .iter()
                .filter(|(_, other)| !crowd || other.client == client)
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
                client,
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

    fn user(user: u32) -> Client {
        Client::User(Some(user))
    }

    #[test]
    fn the_one_that_waits_longest_goes_first() {
        let seats = Seats::new(2, Some(user(0)));
        let first = seats.take(user(0)).expect("a seat");
        let second = seats.take(user(0)).expect("a seat");
        first.pace.begin(Some(0));
        let third = seats.take(user(0)).expect("the idle one's seat");
        assert_eq!(second.pace.waiting_since(), None, "it was cut");
        assert!(first.pace.deadline().is_none());
        third.pace.begin(Some(0));
        assert!(seats.take(user(0)).is_none(), "all are busy");
        drop(first);
        assert!(seats.take(user(0)).is_some());
    }

    #[test]
    fn others_cannot_take_all() {
        let seats = Seats::new(8, Some(user(0)));
        let mut held = Vec::new();
        let thief = Client::Snap(SnapName::new("thief").expect("a name"));
        for client in [user(1000), thief, Client::User(None)] {
            let before = held.len();
            for _ in 0..10 {
                if let Some(seat) = seats.take(client.clone()) {
                    seat.pace.begin(Some(0));
                    held.push(seat);
                }
            }
            assert_eq!(held.len() - before, 2, "{client:?}");
        }
        assert!(seats.take(user(0)).is_some());
    }
}
