//! Changes that are no longer in memory, read by index without the writer.

use super::{Store, StoreError, load};
use crate::domain::{Change, ChangeId};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::sync::Arc;

impl Store {
    fn reader(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.path(), flags)?;
        connection.execute_batch("PRAGMA cache_size = -256")?;
        Ok(connection)
    }

    /// A change, from memory or from the history. Blocks when it is not in memory.
    pub fn change(&self, id: ChangeId) -> Result<Option<Arc<Change>>, StoreError> {
        let world = self.world();
        if let Some(change) = world.change(id) {
            return Ok(Some(change.clone()));
        }
        if !world.has_history {
            return Ok(None);
        }
        let reader = self.reader()?;
        let text: Option<String> = reader
            .query_row(
                "SELECT record FROM changes WHERE id = ?1",
                [id.0.cast_signed()],
                |row| row.get(0),
            )
            .optional()?;
        text.map(|text| load::change(&reader, &text).map(Arc::new))
            .transpose()
    }

    /// At most `limit` changes of the history (those not in memory), the newest first. Blocks.
    pub fn history(&self, limit: usize) -> Result<Vec<Arc<Change>>, StoreError> {
        let world = self.world();
        if !world.has_history {
            return Ok(Vec::new());
        }
        let reader = self.reader()?;
        let mut statement = reader.prepare(
            "SELECT id, record FROM changes WHERE ready IS NOT NULL ORDER BY ready DESC LIMIT ?1 OFFSET ?2",
        )?;
        let offset = world.changes.values().filter(|change| change.is_ready()).count();
        let rows = statement
            .query_map([limit as i64, offset as i64], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        let mut all = Vec::with_capacity(rows.len());
        for (id, text) in rows {
            if !world.changes.contains_key(&ChangeId(id.cast_unsigned())) {
                all.push(Arc::new(load::change(&reader, &text)?));
            }
        }
        Ok(all)
    }
}
