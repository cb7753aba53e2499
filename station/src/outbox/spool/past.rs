//! Events of an epoch that were forgotten, found again in the journal.
//!
//! An epoch's numbers follow the journal's order and are not the journal's own. Of each so-many-th number it is noted which event
//! of the journal it is, so that no range is far from a landmark.

use super::{Spool, SpoolError, Waiting};
use crate::{
    batch::store::{Entry, Journal},
    outbox::letter,
};
use rusqlite::{OptionalExtension, params};
use std::collections::HashMap;

/// Numbers between two landmarks.
pub(super) const LANDMARKS: u64 = 1_000;

impl Spool {
    /// Events of this epoch that may be forgotten already, from the journal.
    pub(crate) fn again(&self, journal: &Journal, from: u64, to: u64) -> Result<Vec<Waiting>, SpoolError> {
        let (from, to) = (from.max(1), to.min(self.meta.last));
        if from > to {
            return Ok(Vec::new());
        }
        let mut events = self.orphans(from, to)?;
        let first = from.max(self.meta.orphans + 1);
        let of_journal = self.of_journal(journal, first, (to + 1).saturating_sub(first))?;
        let waiting = |(seq, Entry { at, monotonic, body, .. }): (u64, Entry)| Waiting {
            seq,
            at,
            monotonic,
            previous: None,
            body,
        };
        events.extend((first..).zip(of_journal).map(waiting));
        let reasons = self.reasons(from, to)?;
        let mut previous = self.time_before(journal, from)?;
        for event in &mut events {
            if let Some(reason) = reasons.get(&event.seq) {
                event.body = letter::note(reason);
            }
            event.previous = previous.replace(event.at.clone());
        }
        Ok(events)
    }

    /// When the event before a number happened; `None` before the first.
    fn time_before(&self, journal: &Journal, seq: u64) -> Result<Option<String>, SpoolError> {
        let Some(before) = seq.checked_sub(1).filter(|&before| before > 0) else { return Ok(None) };
        if before <= self.meta.orphans {
            return Ok(self.orphans(before, before)?.pop().map(|orphan| orphan.at));
        }
        Ok(self.of_journal(journal, before, 1)?.pop().map(|event| event.at))
    }

    /// The journal's events from number `from` on, which is no orphan's.
    pub(super) fn of_journal(&self, journal: &Journal, from: u64, count: u64) -> Result<Vec<Entry>, SpoolError> {
        let near: Option<(u64, i64)> = self
            .db
            .prepare_cached("SELECT seq, journal FROM landmark WHERE seq < ?1 ORDER BY seq DESC LIMIT 1")
            .and_then(|mut query| query.query_row([from], |row| Ok((row.get(0)?, row.get(1)?))).optional())
            .map_err(self.named())?;
        let (seq, id) = near.unwrap_or((self.meta.orphans, self.meta.base));
        Ok(journal.events_after(id, from - seq - 1, count)?)
    }

    /// Sets the landmarks of what was copied by a version that knew none. That goes through the journal, once.
    pub(super) fn set_landmarks(&mut self, journal: &Journal) -> Result<(), SpoolError> {
        let known: u64 =
            self.db.query_row("SELECT count(*) FROM landmark", [], |row| row.get(0)).map_err(self.named())?;
        if known > 0 || self.meta.last < self.meta.orphans + LANDMARKS {
            return Ok(());
        }
        let seqs = self.meta.orphans + 1..=self.meta.last;
        let mut marks: Vec<(u64, i64)> = seqs.zip(journal.ids_after(self.meta.base)?).collect();
        marks.retain(|(seq, _)| seq % LANDMARKS == 0);
        self.change(|tx| {
            let mut insert = tx.prepare("INSERT INTO landmark VALUES (?1, ?2)")?;
            marks.iter().try_for_each(|mark| insert.execute(*mark).map(|_| ()))
        })
    }

    /// Why events of this epoch were kept aside, by number.
    fn reasons(&self, from: u64, to: u64) -> Result<HashMap<u64, String>, SpoolError> {
        let query = || -> rusqlite::Result<HashMap<u64, String>> {
            self.db
                .prepare_cached("SELECT seq, reason FROM quarantine WHERE epoch = ?1 AND seq BETWEEN ?2 AND ?3")?
                .query_map(params![self.meta.epoch, from, to], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        };
        query().map_err(self.named())
    }
}
