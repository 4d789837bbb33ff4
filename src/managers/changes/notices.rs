//! Notices as a requester may see them, and the wait for the next one (contract: v2-newer, section 1).

use super::{Changes, unreadable};
use crate::domain::record::Notice;
use crate::domain::{ErrorKind, Fault, SnapName, Timestamp, sort};
use crate::store::NOTICE_EXPIRE;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every type that there can be (contract: v2-newer, section 1).
const KINDS: [&str; 6] = [
    "change-update",
    "warning",
    "refresh-inhibit",
    "snap-run-inhibit",
    "interfaces-requests-prompt",
    "interfaces-requests-rule-update",
];

/// There can be notices of this type.
pub fn is_notice_kind(kind: &str) -> bool {
    KINDS.contains(&kind)
}

/// The notice that a snap's app waits for a refresh to end.
pub const RUN_INHIBIT: &str = "snap-run-inhibit";

/// Whose notices are asked for; public ones are always among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Of one user.
    User(Option<u32>),
    /// Of all users.
    All,
}

/// Which notices are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeFilter {
    pub audience: Audience,
    /// None means all. Unknown ones match nothing.
    pub kinds: Vec<String>,
    /// None means all.
    pub keys: Vec<String>,
    /// Only those that were repeated later.
    pub after: Option<Timestamp>,
}

impl NoticeFilter {
    fn takes(&self, notice: &Notice, now: Timestamp) -> bool {
        let visible = match self.audience {
            Audience::All => true,
            Audience::User(user) => notice.user.is_none() || notice.user == user,
        };
        visible
            && (self.kinds.is_empty() || (self.kinds.contains(&notice.kind) && is_notice_kind(&notice.kind)))
            && (self.keys.is_empty() || self.keys.contains(&notice.key))
            && self.after.is_none_or(|after| notice.last_repeated > after)
            && notice.last_occurred.plus_seconds(NOTICE_EXPIRE) >= now
    }
}

impl Changes {
    /// The notices that fit, by the time of their last repetition.
    pub fn notices(&self, filter: &NoticeFilter) -> Vec<Arc<Notice>> {
        let now = self.store.clock().now();
        let world = self.store.world();
        let mut fitting: Vec<_> = world
            .notices
            .values()
            .filter(|notice| filter.takes(notice, now))
            .cloned()
            .collect();
        sort::by_key(&mut fitting, |notice| (notice.last_repeated, notice.id));
        fitting
    }

    /// The same, and when there are none, waits until there are.
    pub async fn next_notices(&self, filter: &NoticeFilter) -> Vec<Arc<Notice>> {
        let mut noticed = self.store.noticed();
        loop {
            // Marked as seen before looking, so that nothing is missed in between.
            noticed.borrow_and_update();
            let fitting = self.notices(filter);
            if !fitting.is_empty() {
                return fitting;
            }
            if noticed.changed().await.is_err() {
                // The store has gone: nothing will come.
                return Vec::new();
            }
        }
    }

    /// Records that an app of a snap waits for a refresh, for the user who started it; answers the notice's id.
    pub async fn note_run_inhibit(&self, snap: &SnapName, user: u32) -> Result<u64, Fault> {
        let key = snap.to_string();
        let added = self
            .store
            .commit_async(move |tx| tx.add_notice(RUN_INHIBIT, &key, Some(user), BTreeMap::new()));
        added.await.map_err(unreadable)
    }

    /// One notice, if `user` may see it; `all` for who may see everyone's.
    pub fn notice(&self, id: &str, user: Option<u32>, all: bool) -> Result<Arc<Notice>, Fault> {
        let world = self.store.world();
        let now = self.store.clock().now();
        let found = id
            .parse()
            .ok()
            .and_then(|number: u64| world.notices.get(&number))
            .filter(|notice| notice.last_occurred.plus_seconds(NOTICE_EXPIRE) >= now);
        match found {
            None => Err(Fault::new(
                ErrorKind::NotFound,
                format!("cannot find notice with id {id:?}"),
            )),
            Some(notice) if all || notice.user.is_none() || notice.user == user => Ok(Arc::clone(notice)),
            Some(_) => Err(Fault::new(
                ErrorKind::Forbidden,
                format!("not allowed to access notice with id {id:?}"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn notice(id: u64, user: Option<u32>, kind: &str, repeated: i64) -> Notice {
        Notice {
            id,
            user,
            kind: kind.into(),
            key: id.to_string(),
            first_occurred: Timestamp(1),
            last_occurred: Timestamp(repeated),
            last_repeated: Timestamp(repeated),
            occurrences: 1,
            last_data: BTreeMap::new(),
        }
    }

    #[test]
    fn who_sees_what() {
        let filter = |audience, kinds: &[&str], after| NoticeFilter {
            audience,
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            keys: Vec::new(),
            after,
        };
        let public = notice(1, None, "change-update", 10);
        let own = notice(2, Some(7), "snap-run-inhibit", 10);
        let odd = notice(3, None, "bogus", 10);
        let expired = Timestamp(10).plus_seconds(NOTICE_EXPIRE + 1);
        let table = [
            (
                &public,
                filter(Audience::User(Some(0)), &[], None),
                Timestamp(11),
                true,
            ),
            (
                &own,
                filter(Audience::User(Some(7)), &[], None),
                Timestamp(11),
                true,
            ),
            (
                &own,
                filter(Audience::User(Some(0)), &[], None),
                Timestamp(11),
                false,
            ),
            (&own, filter(Audience::All, &[], None), Timestamp(11), true),
            (
                &public,
                filter(Audience::All, &["warning"], None),
                Timestamp(11),
                false,
            ),
            (
                &odd,
                filter(Audience::All, &["bogus"], None),
                Timestamp(11),
                false,
            ),
            (
                &public,
                filter(Audience::All, &[], Some(Timestamp(9))),
                Timestamp(11),
                true,
            ),
            (
                &public,
                filter(Audience::All, &[], Some(Timestamp(10))),
                Timestamp(11),
                false,
            ),
            (&public, filter(Audience::All, &[], None), expired, false),
        ];
        for (notice, filter, now, seen) in table {
            assert_eq!(filter.takes(notice, now), seen, "{notice:?} by {filter:?}");
        }
    }
}
