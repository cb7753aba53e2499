//! What the journal has to tell: its events and its pages, in order.

use super::{Inner, Journal, StoreError};
use crate::moment::Moment;
use platen_protocol::uplink::Event;
use rusqlite::{OptionalExtension, Transaction, params};
use std::collections::HashSet;

/// An event as it was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    /// RFC 3339.
    pub(crate) at: String,
    /// `<boot>:<milliseconds>`.
    pub(crate) monotonic: Option<String>,
    /// The event as JSON.
    pub(crate) body: String,
}

/// A page as the journal has it.
#[derive(Debug, Clone)]
pub(crate) struct JournalPage {
    /// Its place in the journal: batch, volume, number.
    pub(crate) place: (i64, i64, i64),
    /// As the supervisor was told of it, JSON.
    pub(crate) told: String,
    pub(crate) file: String,
    pub(crate) master: String,
    pub(crate) sha256: String,
}

impl Journal {
    /// Other for each journal ever made.
    pub(crate) fn identity(&self) -> Result<String, StoreError> {
        self.read(|db| db.query_row("SELECT name FROM identity", [], |row| row.get(0)))
    }

    /// Faults whose last event raised them.
    pub(crate) fn standing_faults(&self) -> Result<Vec<String>, StoreError> {
        self.read(|db| {
            db.prepare("SELECT fault FROM standing ORDER BY fault")?.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// Events after `id`, less the first `skip`, at most `limit`. What is skipped is gone through: `skip` is to be small.
    pub(crate) fn events_after(&self, id: i64, skip: u64, limit: u64) -> Result<Vec<Entry>, StoreError> {
        self.read(|db| {
            db.prepare_cached("SELECT id, at, monotonic, body FROM event WHERE id > ?1 ORDER BY id LIMIT ?3 OFFSET ?2")?
                .query_map(params![id, skip, limit], |row| {
                    Ok(Entry { id: row.get(0)?, at: row.get(1)?, monotonic: row.get(2)?, body: row.get(3)? })
                })?
                .collect()
        })
    }

    /// The events after `id`, by their own numbers.
    pub(crate) fn ids_after(&self, id: i64) -> Result<Vec<i64>, StoreError> {
        self.read(|db| {
            db.prepare("SELECT id FROM event WHERE id > ?1 ORDER BY id")?.query_map([id], |row| row.get(0))?.collect()
        })
    }

    /// The next kept pages after a place, of every batch: never years of them at once. None are left when it answers none.
    pub(crate) fn pages_after(&self, place: (i64, i64, i64)) -> Result<Vec<JournalPage>, StoreError> {
        self.read(|db| {
            db.prepare_cached(
                "SELECT batch, volume, number, json_extract(record, '$.page'), file, master, sha256 FROM page
                 WHERE (batch, volume, number) > (?1, ?2, ?3) ORDER BY batch, volume, number LIMIT 1000",
            )?
            .query_map(<[i64; 3]>::from(place), |row| {
                let place = (row.get(0)?, row.get(1)?, row.get(2)?);
                let (told, file, master, sha256) = (row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?);
                Ok(JournalPage { place, told, file, master, sha256 })
            })?
            .collect()
        })
    }

    /// When an event happened.
    pub(crate) fn time_of(&self, id: i64) -> Result<Option<String>, StoreError> {
        self.read(|db| {
            db.prepare_cached("SELECT at FROM event WHERE id = ?1")?.query_row([id], |row| row.get(0)).optional()
        })
    }

    /// Which of these times are an event's.
    pub(crate) fn times_among(&self, wanted: &HashSet<&str>) -> Result<HashSet<String>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare("SELECT at FROM event")?;
            let times = query.query_map([], |row| row.get::<_, String>(0))?;
            times.filter(|time| time.as_ref().map_or(true, |time| wanted.contains(time.as_str()))).collect()
        })
    }

    /// When something was written down last.
    pub(crate) fn last_moment(&self) -> Result<Option<Moment>, StoreError> {
        let last: Option<(String, Option<String>)> = self.read(|db| {
            db.query_row("SELECT at, monotonic FROM event ORDER BY id DESC LIMIT 1", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
        })?;
        Ok(last.and_then(|(at, monotonic)| Some(Moment { at: at.parse().ok()?, monotonic: monotonic?.parse().ok()? })))
    }
}

/// Writes an event down in the transaction of what it tells of.
pub(super) fn say(tx: &Transaction<'_>, now: &Moment, event: &Event) -> Result<(), Inner> {
    let body = serde_json::to_string(event).map_err(StoreError::from)?;
    tx.execute(
        "INSERT INTO event (at, monotonic, body) VALUES (?1, ?2, ?3)",
        params![now.at.to_string(), now.monotonic.to_string(), body],
    )?;
    match event {
        Event::FaultRaised { fault, .. } => tx.execute("INSERT OR IGNORE INTO standing VALUES (?1)", [fault])?,
        Event::FaultCleared { fault } => tx.execute("DELETE FROM standing WHERE fault = ?1", [fault])?,
        _ => 0,
    };
    Ok(())
}
