//! The bus of volatile events: an edge, a line that was set, a step of a change.
//!
//! A bounded ring with sequence numbers. A reader that is too slow loses the oldest events and is told how many. What
//! must not be lost is a notice in the store, not an event (decision 25). Rights are applied here, for each event and
//! each reader.

use crate::domain::requester::Transport;
use crate::domain::{PlugRef, Requester, SnapName, Timestamp};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How many events are kept for readers.
const RING: usize = 512;

/// Who may see an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// Everyone who may look at the main socket or has a role.
    pub open: bool,
    /// The snaps whose plugs these are.
    pub plugs: Vec<PlugRef>,
}

impl Audience {
    /// Everyone but snaps.
    pub fn open() -> Self {
        Self {
            open: true,
            plugs: Vec::new(),
        }
    }

    /// Everyone, and the snaps of these plugs.
    pub fn plugs(plugs: Vec<PlugRef>) -> Self {
        Self { open: true, plugs }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Counts up from 1 since the agent started.
    pub seq: u64,
    pub time: Timestamp,
    /// Dotted: `hardware.edge`, `change.update`, …
    pub kind: &'static str,
    pub audience: Audience,
    pub data: Value,
}

/// What a reader wants to see.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Kinds, or their first parts (`hardware` takes `hardware.edge`); none means all.
    pub kinds: Vec<String>,
    /// Only what this snap may see.
    pub snap: Option<SnapName>,
}

impl Filter {
    /// What `requester` may see of `kinds`.
    pub fn of(requester: &Requester, kinds: &[&str]) -> Self {
        let snap = match requester.transport {
            Transport::SnapSocket => requester.snap.clone(),
            Transport::MainSocket | Transport::Tls => None,
        };
        Self {
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            snap,
        }
    }

    fn takes(&self, event: &Event) -> bool {
        let wanted = self.kinds.is_empty()
            || self.kinds.iter().any(|kind| {
                event
                    .kind
                    .strip_prefix(kind.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            });
        let allowed = match &self.snap {
            Some(snap) => event.audience.plugs.iter().any(|plug| plug.snap == *snap),
            None => event.audience.open,
        };
        wanted && allowed
    }
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Arc<Event>>,
    last: u64,
}

/// The bus itself, shared by all.
#[derive(Debug, Default)]
pub struct Bus {
    ring: Mutex<Ring>,
    wake: Notify,
    clock: Option<crate::events::Now>,
}

/// The bus's source of time.
pub type Now = fn() -> Timestamp;

impl Bus {
    /// A bus that stamps its events by `now`.
    pub fn new(now: Now) -> Arc<Self> {
        Arc::new(Self {
            ring: Mutex::default(),
            wake: Notify::new(),
            clock: Some(now),
        })
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present moment as events are stamped with it.
    pub fn now(&self) -> Timestamp {
        self.clock.map_or(Timestamp(0), |now| now())
    }

    /// Tells the readers.
    pub fn publish(&self, kind: &'static str, audience: Audience, data: Value) -> u64 {
        let time = self.now();
        let mut ring = self.ring();
        ring.last += 1;
        let seq = ring.last;
        if ring.events.len() == RING {
            ring.events.pop_front();
        }
        ring.events.push_back(Arc::new(Event {
            seq,
            time,
            kind,
            audience,
            data,
        }));
        drop(ring);
        self.wake.notify_waiters();
        seq
    }

    /// The number of the newest event.
    pub fn last(&self) -> u64 {
        self.ring().last
    }

    /// A reader of what comes from now on, or of what came after `since` as far as it is still there.
    pub fn subscribe(self: &Arc<Self>, filter: Filter, since: Option<u64>) -> Reader {
        let next = since.map_or_else(|| self.last() + 1, |since| since + 1);
        Reader {
            bus: self.clone(),
            filter,
            next,
        }
    }
}

/// One reader of the bus.
#[derive(Debug)]
pub struct Reader {
    bus: Arc<Bus>,
    filter: Filter,
    next: u64,
}

impl Reader {
    /// The next event that this reader may see, and how many it lost before it because it was too slow.
    pub async fn next(&mut self) -> (Arc<Event>, u64) {
        let mut dropped = 0;
        loop {
            let bus = self.bus.clone();
            let woken = bus.wake.notified();
            tokio::pin!(woken);
            // Registered before looking, so that nothing is missed in between.
            woken.as_mut().enable();
            if let Some(event) = self.take(&mut dropped) {
                return (event, dropped);
            }
            woken.await;
        }
    }

    /// The same without waiting.
    pub fn try_next(&mut self) -> Option<(Arc<Event>, u64)> {
        let mut dropped = 0;
        self.take(&mut dropped).map(|event| (event, dropped))
    }

    fn take(&mut self, dropped: &mut u64) -> Option<Arc<Event>> {
        let bus = self.bus.clone();
        let ring = bus.ring();
        let oldest = ring.events.front().map_or(ring.last + 1, |event| event.seq);
        if self.next < oldest {
            *dropped += oldest - self.next;
            self.next = oldest;
        }
        let skip = usize::try_from(self.next - oldest).unwrap_or(usize::MAX);
        for event in ring.events.iter().skip(skip) {
            self.next = event.seq + 1;
            if self.filter.takes(event) {
                return Some(event.clone());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SnapName;

    fn bus() -> Arc<Bus> {
        Bus::new(|| Timestamp(1))
    }

    #[test]
    fn readers_see_what_is_theirs_in_order() {
        let bus = bus();
        let snap = SnapName::new("lights").expect("a name");
        let mut all = bus.subscribe(Filter::default(), None);
        let mut of_snap = bus.subscribe(
            Filter {
                kinds: vec!["hardware".into()],
                snap: Some(snap.clone()),
            },
            None,
        );
        bus.publish("hardware.edge", Audience::open(), 1.into());
        bus.publish(
            "hardware.edge",
            Audience::plugs(vec![PlugRef::new(snap.clone(), "p")]),
            2.into(),
        );
        bus.publish(
            "hardwarex",
            Audience::plugs(vec![PlugRef::new(snap, "p")]),
            3.into(),
        );
        let seen: Vec<u64> = std::iter::from_fn(|| all.try_next())
            .map(|(event, _)| event.seq)
            .collect();
        assert_eq!(seen, [1, 2, 3]);
        let seen: Vec<u64> = std::iter::from_fn(|| of_snap.try_next())
            .map(|(event, _)| event.seq)
            .collect();
        assert_eq!(seen, [2]);
    }

    #[test]
    fn a_slow_reader_is_told_what_it_lost() {
        let bus = bus();
        let mut reader = bus.subscribe(Filter::default(), None);
        for _ in 0..RING + 7 {
            bus.publish("change.update", Audience::open(), Value::Null);
        }
        let (event, dropped) = reader.try_next().expect("an event");
        assert_eq!((event.seq, dropped), (8, 7));
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken_and_replay_works() {
        let bus = bus();
        bus.publish("a", Audience::open(), Value::Null);
        let mut replay = bus.subscribe(Filter::default(), Some(0));
        assert_eq!(replay.next().await.0.seq, 1);
        let other = bus.clone();
        let publisher = tokio::spawn(async move { other.publish("b", Audience::open(), Value::Null) });
        assert_eq!(replay.next().await.0.kind, "b");
        publisher.await.expect("published");
    }
}
