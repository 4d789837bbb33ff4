//! A transaction: typed writes that reach the database and the next world together.

use super::{StoreError, World};
use crate::domain::hardware::PluggedSlot;
use crate::domain::record::{Health, LedSetting, LineSetting, Notice, Warning};
use crate::domain::{
    Change, ChangeId, ConnRef, ConnectionRecord, Revision, SnapName, SnapRecord, Timestamp, sort,
};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A warning is shown again after this many seconds (contract: 24 h).
const WARNING_REPEAT: i64 = 24 * 3600;
/// A warning is forgotten this many seconds after it was last raised (contract: 28 days).
const WARNING_EXPIRE: i64 = 28 * 24 * 3600;
/// A notice is forgotten this many seconds after it last occurred (contract: 7 days).
pub const NOTICE_EXPIRE: i64 = 7 * 24 * 3600;
/// The newest time stamp of a notice, which outlives the notice.
pub(super) const LAST_NOTICE: &str = "last-notice-timestamp";
/// How many notices are kept; the oldest go first.
const NOTICES: usize = 5_000;
/// How many rows the audit table keeps (decision 22: bounded).
const AUDIT_ROWS: i64 = 10_000;

/// One transaction of the writer.
pub struct Tx<'a> {
    connection: &'a Connection,
    world: World,
    now: Timestamp,
}

fn json(record: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(|error| StoreError::Encoding(error.to_string()))
}

/// The map of a world, to be changed.
macro_rules! map {
    ($tx:ident . $field:ident) => {
        Arc::make_mut(&mut $tx.world.$field)
    };
}

impl<'a> Tx<'a> {
    pub(super) fn new(connection: &'a Connection, world: World, now: Timestamp) -> Self {
        Self {
            connection,
            world,
            now,
        }
    }

    pub(super) fn into_world(self) -> World {
        self.world
    }

    /// The state as this transaction has it so far.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The moment of this transaction.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.execute(values)?)
    }

    fn put_meta(&self, key: &str, value: impl ToString) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
            params![key, value.to_string()],
        )
        .map(drop)
    }

    /// Keeps or replaces a snap's record.
    pub fn put_snap(&mut self, record: SnapRecord) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO snaps (name, record) VALUES (?1, ?2)",
            params![record.name.as_str(), json(&record)?],
        )?;
        map!(self.snaps).insert(record.name.clone(), Arc::new(record));
        Ok(())
    }

    /// Forgets a snap with its configuration and cookies.
    pub fn delete_snap(&mut self, name: &SnapName) -> Result<(), StoreError> {
        self.execute("DELETE FROM snaps WHERE name = ?1", [name.as_str()])?;
        self.execute("DELETE FROM revision_config WHERE snap = ?1", [name.as_str()])?;
        self.execute("DELETE FROM health WHERE snap = ?1", [name.as_str()])?;
        map!(self.health).remove(name);
        map!(self.snaps).remove(name);
        self.delete_config(name)?;
        self.delete_cookies(name)
    }

    /// Keeps or replaces a connection.
    pub fn put_connection(&mut self, record: ConnectionRecord) -> Result<(), StoreError> {
        let ConnRef { plug, slot } = &record.connection;
        self.execute(
            "INSERT OR REPLACE INTO connections (plug_snap, plug, slot_snap, slot, record) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![plug.snap.as_str(), plug.name, slot.snap.as_str(), slot.name, json(&record)?],
        )?;
        map!(self.connections).insert(record.connection.clone(), Arc::new(record));
        Ok(())
    }

    /// Sets the slots of the devices that are there. In memory only: a start finds them again.
    pub fn set_plugged(&mut self, slots: BTreeMap<String, PluggedSlot>) {
        self.world.plugged = Arc::new(slots);
    }

    /// Forgets a connection.
    pub fn delete_connection(&mut self, connection: &ConnRef) -> Result<(), StoreError> {
        let ConnRef { plug, slot } = connection;
        self.execute(
            "DELETE FROM connections WHERE plug_snap = ?1 AND plug = ?2 AND slot_snap = ?3 AND slot = ?4",
            params![plug.snap.as_str(), plug.name, slot.snap.as_str(), slot.name],
        )?;
        map!(self.connections).remove(connection);
        Ok(())
    }

    /// Keeps a snap's configuration document.
    pub fn put_config(&mut self, snap: &SnapName, document: Value) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO config (snap, document) VALUES (?1, ?2)",
            params![snap.as_str(), json(&document)?],
        )?;
        map!(self.config).insert(snap.clone(), Arc::new(document));
        Ok(())
    }

    /// Forgets a snap's configuration.
    pub fn delete_config(&mut self, snap: &SnapName) -> Result<(), StoreError> {
        self.execute("DELETE FROM config WHERE snap = ?1", [snap.as_str()])?;
        map!(self.config).remove(snap);
        Ok(())
    }

    /// Keeps the configuration that a snap has now as the one of `revision`, for [`Self::restore_config`]: called when
    /// another revision takes over. A snap without configuration is kept as such.
    pub fn keep_config(&mut self, snap: &SnapName, revision: Revision) -> Result<(), StoreError> {
        let document = self
            .world
            .config
            .get(snap)
            .map_or(Value::Null, |known| Value::clone(known));
        self.execute(
            "INSERT OR REPLACE INTO revision_config (snap, revision, document) VALUES (?1, ?2, ?3)",
            params![snap.as_str(), revision.to_string(), json(&document)?],
        )
        .map(drop)
    }

    /// Gives a snap the configuration that it had when `revision` was its current one (contract:
    /// snaps-and-assertions, section 4): for a revert to it, and when a refresh from it is undone. Where nothing was
    /// kept, nothing changes. What was kept is used up: nothing is kept for a current revision.
    pub fn restore_config(&mut self, snap: &SnapName, revision: Revision) -> Result<(), StoreError> {
        let kept = self.revision_config(snap, revision)?;
        self.execute(
            "DELETE FROM revision_config WHERE snap = ?1 AND revision = ?2",
            params![snap.as_str(), revision.to_string()],
        )?;
        match kept {
            None => Ok(()),
            Some(Value::Null) => self.delete_config(snap),
            Some(document) => self.put_config(snap, document),
        }
    }

    /// The configuration that a revision had; null is none.
    fn revision_config(&self, snap: &SnapName, revision: Revision) -> Result<Option<Value>, StoreError> {
        let text: Option<String> = self
            .connection
            .prepare_cached("SELECT document FROM revision_config WHERE snap = ?1 AND revision = ?2")?
            .query_row(params![snap.as_str(), revision.to_string()], |row| row.get(0))
            .optional()?;
        text.as_deref().map(super::load::decode).transpose()
    }

    /// Forgets what is kept for one revision of a snap: its configuration and its health.
    pub fn forget_revision(&mut self, snap: &SnapName, revision: Revision) -> Result<(), StoreError> {
        let key = params![snap.as_str(), revision.to_string()];
        self.execute(
            "DELETE FROM revision_config WHERE snap = ?1 AND revision = ?2",
            key,
        )?;
        self.execute("DELETE FROM health WHERE snap = ?1 AND revision = ?2", key)?;
        if self.world.health_of(snap, revision).is_some() {
            map!(self.health)
                .get_mut(snap)
                .map(|known| known.remove(&revision));
        }
        Ok(())
    }

    /// Keeps what a revision of a snap says of its health (`snapctl set-health`, or its check-health hook); the last
    /// word counts.
    pub fn put_health(
        &mut self,
        snap: &SnapName,
        revision: Revision,
        health: Health,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO health (snap, revision, record) VALUES (?1, ?2, ?3)",
            params![snap.as_str(), revision.to_string(), json(&health)?],
        )?;
        map!(self.health)
            .entry(snap.clone())
            .or_default()
            .insert(revision, health);
        Ok(())
    }

    /// Gives a snap a cookie.
    pub fn put_cookie(&mut self, cookie: &str, snap: &SnapName) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO cookies (cookie, snap) VALUES (?1, ?2)",
            params![cookie, snap.as_str()],
        )?;
        map!(self.cookies).insert(cookie.to_owned(), snap.clone());
        Ok(())
    }

    /// Takes a snap's cookies away.
    pub fn delete_cookies(&mut self, snap: &SnapName) -> Result<(), StoreError> {
        self.execute("DELETE FROM cookies WHERE snap = ?1", [snap.as_str()])?;
        map!(self.cookies).retain(|_, owner| owner != snap);
        Ok(())
    }

    /// Keeps what was configured for a line.
    pub fn put_line(&mut self, setting: LineSetting) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO lines (line, record) VALUES (?1, ?2)",
            params![setting.line, json(&setting)?],
        )?;
        map!(self.lines).insert(setting.line.clone(), Arc::new(setting));
        Ok(())
    }

    /// Keeps what was configured for an LED.
    pub fn put_led(&mut self, setting: LedSetting) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO leds (led, record) VALUES (?1, ?2)",
            params![setting.led, json(&setting)?],
        )?;
        map!(self.leds).insert(setting.led.clone(), Arc::new(setting));
        Ok(())
    }

    fn put_warning(&mut self, warning: Warning) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO warnings (message, record) VALUES (?1, ?2)",
            params![warning.message, json(&warning)?],
        )?;
        map!(self.warnings).insert(warning.message.clone(), Arc::new(warning));
        Ok(())
    }

    /// Raises a warning; one with the same text is renewed (contract: keyed by message).
    pub fn add_warning(&mut self, message: &str) -> Result<(), StoreError> {
        let message = message.trim();
        if message.is_empty() {
            return Ok(());
        }
        let now = self.now;
        let warning = match self.world.warnings.get(message) {
            Some(known) => Warning {
                last_added: now,
                ..Warning::clone(known)
            },
            None => Warning {
                message: message.to_owned(),
                first_added: now,
                last_added: now,
                last_shown: None,
                expire_after: WARNING_EXPIRE,
                repeat_after: WARNING_REPEAT,
            },
        };
        self.put_warning(warning)
    }

    /// Acknowledges the warnings that were pending at `moment`; answers how many.
    pub fn okay_warnings(&mut self, moment: Timestamp) -> Result<usize, StoreError> {
        let pending: Vec<Warning> = self
            .world
            .warnings
            .values()
            .filter(|warning| warning.first_added <= moment && warning.is_pending(moment))
            .map(|warning| Warning {
                last_shown: Some(moment),
                ..Warning::clone(warning)
            })
            .collect();
        let count = pending.len();
        for warning in pending {
            self.put_warning(warning)?;
        }
        Ok(count)
    }

    /// Makes every warning pending again, for those who try things out.
    pub fn unshow_warnings(&mut self) -> Result<(), StoreError> {
        let shown: Vec<Arc<Warning>> = self.world.warnings.values().cloned().collect();
        for warning in shown.iter().filter(|warning| warning.last_shown.is_some()) {
            self.put_warning(Warning {
                last_shown: None,
                ..Warning::clone(warning)
            })?;
        }
        Ok(())
    }

    /// Records that something happened; the same `(user, kind, key)` is counted up instead of added.
    pub fn add_notice(
        &mut self,
        kind: &str,
        key: &str,
        user: Option<u32>,
        data: BTreeMap<String, String>,
    ) -> Result<u64, StoreError> {
        // Strictly increasing time stamps, so that `after` never skips one of two in the same instant.
        let moment = match self.world.last_notice {
            Some(last) if last >= self.now => Timestamp(last.0 + 1),
            _ => self.now,
        };
        self.world.last_notice = Some(moment);
        self.put_meta(LAST_NOTICE, moment.0)?;
        let known = self
            .world
            .notices
            .values()
            .find(|notice| notice.user == user && notice.kind == kind && notice.key == key)
            .cloned();
        let notice = match known {
            Some(known) => Notice {
                last_occurred: moment,
                last_repeated: moment,
                occurrences: known.occurrences + 1,
                last_data: data,
                ..Notice::clone(&known)
            },
            None => {
                self.world.counters.notice += 1;
                self.put_meta("last-notice-id", self.world.counters.notice)?;
                Notice {
                    id: self.world.counters.notice,
                    user,
                    kind: kind.to_owned(),
                    key: key.to_owned(),
                    first_occurred: moment,
                    last_occurred: moment,
                    last_repeated: moment,
                    occurrences: 1,
                    last_data: data,
                }
            }
        };
        let id = notice.id;
        self.execute(
            "INSERT OR REPLACE INTO notices (id, record) VALUES (?1, ?2)",
            params![id.cast_signed(), json(&notice)?],
        )?;
        map!(self.notices).insert(id, Arc::new(notice));
        Ok(id)
    }

    /// Writes down who did what.
    pub fn add_audit(&mut self, requester: &str, action: &str) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO audit (time, requester, action) VALUES (?1, ?2, ?3)",
            params![self.now.0, requester, action],
        )?;
        let newest = self.connection.last_insert_rowid();
        self.execute("DELETE FROM audit WHERE id <= ?1", [newest - AUDIT_ROWS])
            .map(drop)
    }

    /// The next change's id.
    pub fn next_change(&mut self) -> Result<u64, StoreError> {
        self.world.counters.change += 1;
        self.put_meta("last-change-id", self.world.counters.change)?;
        Ok(self.world.counters.change)
    }

    /// The first of `count` new task ids that follow each other.
    pub fn next_tasks(&mut self, count: usize) -> Result<u64, StoreError> {
        let first = self.world.counters.task + 1;
        self.world.counters.task += count as u64;
        self.put_meta("last-task-id", self.world.counters.task)?;
        Ok(first)
    }

    /// The first of `count` new lanes that follow each other.
    pub fn next_lanes(&mut self, count: usize) -> Result<u64, StoreError> {
        let first = self.world.counters.lane + 1;
        self.world.counters.lane += count as u64;
        self.put_meta("last-lane-id", self.world.counters.lane)?;
        Ok(first)
    }

    /// Keeps a change; only tasks that differ from what is kept are written.
    pub fn put_change(&mut self, change: Change) -> Result<(), StoreError> {
        let known = self.world.changes.get(&change.id).cloned();
        let bare = Change {
            tasks: Vec::new(),
            ..change.clone()
        };
        let known_bare = known.as_ref().map(|known| Change {
            tasks: Vec::new(),
            ..Change::clone(known)
        });
        if known_bare.as_ref() != Some(&bare) {
            self.execute(
                "INSERT OR REPLACE INTO changes (id, ready, record) VALUES (?1, ?2, ?3)",
                params![
                    change.id.0.cast_signed(),
                    change.ready.map(|ready| ready.0),
                    json(&bare)?
                ],
            )?;
        }
        for task in &change.tasks {
            if known.as_ref().and_then(|known| known.task(task.id)) != Some(task) {
                self.execute(
                    "INSERT OR REPLACE INTO tasks (id, change_id, status, record) VALUES (?1, ?2, ?3, ?4)",
                    params![
                        task.id.0.cast_signed(),
                        change.id.0.cast_signed(),
                        task.status.code(),
                        json(task)?
                    ],
                )?;
            }
        }
        let became_ready = change.is_ready() && !known.is_some_and(|known| known.is_ready());
        map!(self.changes).insert(change.id, Arc::new(change));
        if became_ready {
            self.limit_ready_in_memory();
        }
        Ok(())
    }

    fn limit_ready_in_memory(&mut self) {
        let mut ready: Vec<(Timestamp, ChangeId)> = self
            .world
            .changes
            .values()
            .filter_map(|change| change.ready.map(|ready| (ready, change.id)))
            .collect();
        if ready.len() <= super::world::READY_IN_MEMORY {
            return;
        }
        sort::by(&mut ready, Ord::cmp);
        let surplus = ready.len() - super::world::READY_IN_MEMORY;
        self.world.has_history = true;
        for (_, id) in ready.into_iter().take(surplus) {
            map!(self.changes).remove(&id);
        }
    }

    /// Forgets a change with its tasks.
    pub fn delete_change(&mut self, id: ChangeId) -> Result<(), StoreError> {
        let number = id.0.cast_signed();
        self.execute("DELETE FROM changes WHERE id = ?1", [number])?;
        self.execute("DELETE FROM tasks WHERE change_id = ?1", [number])?;
        map!(self.changes).remove(&id);
        Ok(())
    }

    /// Forgets ready changes that became ready before `before`, and the oldest ones beyond `keep`; expired warnings
    /// and notices too. Answers how many changes went.
    pub fn prune(&mut self, before: Timestamp, keep: usize) -> Result<usize, StoreError> {
        let doomed: Vec<i64> = {
            let mut statement = self.connection.prepare_cached(
                "SELECT id FROM changes WHERE ready IS NOT NULL AND (ready < ?1 OR id IN
                   (SELECT id FROM changes WHERE ready IS NOT NULL ORDER BY ready DESC LIMIT -1 OFFSET ?2))",
            )?;
            let rows = statement.query_map(params![before.0, keep as i64], |row| row.get(0))?;
            rows.collect::<Result<_, _>>()?
        };
        for id in &doomed {
            self.delete_change(ChangeId(id.cast_unsigned()))?;
        }
        let now = self.now;
        let stale: Vec<String> = self
            .world
            .warnings
            .values()
            .filter(|warning| warning.last_added.plus_seconds(warning.expire_after) < now)
            .map(|warning| warning.message.clone())
            .collect();
        for message in stale {
            self.execute("DELETE FROM warnings WHERE message = ?1", [&message])?;
            map!(self.warnings).remove(&message);
        }
        let mut kept: Vec<(Timestamp, u64)> = Vec::new();
        let mut stale: Vec<u64> = Vec::new();
        for notice in self.world.notices.values() {
            if notice.last_occurred.plus_seconds(NOTICE_EXPIRE) < now {
                stale.push(notice.id);
            } else {
                kept.push((notice.last_occurred, notice.id));
            }
        }
        kept.sort_unstable();
        let surplus = kept.len().saturating_sub(NOTICES);
        stale.extend(kept.into_iter().take(surplus).map(|(_, id)| id));
        for id in stale {
            self.execute("DELETE FROM notices WHERE id = ?1", [id.cast_signed()])?;
            map!(self.notices).remove(&id);
        }
        Ok(doomed.len())
    }
}
