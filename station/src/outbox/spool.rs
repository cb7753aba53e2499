//! The spool: events that the supervisor has not acknowledged yet. Its own SQLite file, `synchronous=FULL`, one writer.
//!
//! Sequence numbers begin at 1 with an epoch and never restart within it. Events come from the journal, each once: how far the
//! journal was copied stands in the same transaction. So the k-th event of an epoch is the k-th one in the journal after its
//! beginning, and one that was forgotten can still be found. If the journal was replaced, or put back from an older copy, a new
//! epoch begins; what waited and is in no journal any more comes first in it.

mod past;
mod readings;
mod schema;

use super::letter;
use crate::{
    batch::store::{Journal, StoreError},
    durable::create_folders,
    moment::Moment,
};
use jiff::Timestamp;
use past::LANDMARKS;
pub(crate) use readings::Kept;
use rusqlite::{Connection, Transaction, params};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    #[error("outbox {file}: {source}", file = .file.display())]
    Sqlite { file: PathBuf, source: rusqlite::Error },
    #[error("outbox {file}: {source}", file = .file.display())]
    Io { file: PathBuf, source: std::io::Error },
    #[error("outbox {file}: it is of version {found}; this program writes version {own}", file = .file.display(), own = schema::VERSION)]
    Version { file: PathBuf, found: i64 },
    #[error(transparent)]
    Journal(#[from] StoreError),
}

/// Events copied from the journal in one transaction.
const GROUP: u64 = 1_000;
/// What an event takes in the file beside its text, in bytes.
const ROW: u64 = 96;

/// An event as it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) seq: u64,
    /// RFC 3339.
    pub(crate) at: String,
    /// `<boot>:<milliseconds>`.
    pub(crate) monotonic: Option<String>,
    /// When the event before it happened; `None` for an epoch's first, and for those copied by version 1.
    pub(crate) previous: Option<String>,
    /// The event as JSON.
    pub(crate) body: String,
}

impl Waiting {
    /// How long ago it happened, in milliseconds: by the machine's own time, or over its restart by the wall clock.
    pub(crate) fn waited(&self, now: &Moment) -> Option<u64> {
        let happened = self.monotonic.as_deref().and_then(|m| m.parse().ok());
        happened.and_then(|happened| now.monotonic.since(&happened)).or_else(|| {
            let at: Timestamp = self.at.parse().ok()?;
            u64::try_from(now.at.as_millisecond().saturating_sub(at.as_millisecond())).ok()
        })
    }
}

#[derive(Debug)]
pub(crate) struct Spool {
    file: PathBuf,
    db: Connection,
    meta: Meta,
    /// Bytes that events and readings take.
    bytes: u64,
}

/// Which numbers mean what.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Meta {
    epoch: String,
    /// The last number given.
    last: u64,
    /// The journal's event before the epoch's first.
    base: i64,
    /// The journal's event that was copied last, and when that happened.
    copied: i64,
    copied_at: Option<String>,
    /// Events that no journal has: the first of the epoch.
    orphans: u64,
}

impl Spool {
    /// Opens or makes the file. `fresh_epoch` is used if a new epoch begins: with a new file, or with another journal.
    pub(crate) fn open(file: &Path, journal: &Journal, fresh_epoch: &str) -> Result<Self, SpoolError> {
        if let Some(folder) = file.parent() {
            create_folders(folder).map_err(|source| SpoolError::Io { file: file.into(), source })?;
        }
        let sqlite = |source| SpoolError::Sqlite { file: file.into(), source };
        let mut db = Connection::open(file).map_err(sqlite)?;
        schema::prepare(&mut db, file)?;
        let identity = journal.identity()?;
        let known: Option<Option<String>> = schema::optional(&db, "SELECT journal_name FROM meta").map_err(sqlite)?;
        match &known {
            // A file of version 1 did not know its journal; it has never had another.
            Some(None) => _ = db.execute("UPDATE meta SET journal_name = ?1", [&identity]).map_err(sqlite)?,
            Some(Some(_)) => {}
            None => {
                let tx = db.transaction().map_err(sqlite)?;
                begin(&tx, fresh_epoch, 0, &identity).map_err(sqlite)?;
                tx.commit().map_err(sqlite)?;
            }
        }
        let (meta, bytes) = schema::read(&db).map_err(sqlite)?;
        let mut spool = Self { file: file.into(), db, meta, bytes };
        let other = known.flatten().is_some_and(|name| name != identity);
        if other || spool.journal_is_older(journal)? {
            tracing::warn!(other, "the journal is not the one that was copied: a new epoch begins");
            spool.begin_anew(journal, fresh_epoch)?;
        }
        spool.set_landmarks(journal)?;
        Ok(spool)
    }

    /// Whether the journal does not have what was copied last: it was put back from an older copy.
    fn journal_is_older(&self, journal: &Journal) -> Result<bool, SpoolError> {
        Ok(self.meta.copied_at.is_some() && journal.time_of(self.meta.copied)? != self.meta.copied_at)
    }

    /// Begins a new epoch with the whole journal, after what waits and is in no journal any more.
    fn begin_anew(&mut self, journal: &Journal, epoch: &str) -> Result<(), SpoolError> {
        let identity = journal.identity()?;
        let waiting = self.waiting(0, i64::MAX as u64)?;
        let known = journal.times_among(&waiting.iter().map(|event| event.at.as_str()).collect())?;
        let orphans: Vec<_> = waiting.into_iter().filter(|event| !known.contains(&event.at)).collect();
        self.change(|tx| {
            begin(tx, epoch, 0, &identity)?;
            orphans.iter().try_for_each(|orphan| adopt(tx, orphan))
        })?;
        self.recount()
    }

    pub(crate) fn epoch(&self) -> &str {
        &self.meta.epoch
    }

    /// The last number given.
    pub(crate) fn last(&self) -> u64 {
        self.meta.last
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn named(&self) -> impl Fn(rusqlite::Error) -> SpoolError + use<> {
        let file = self.file.clone();
        move |source| SpoolError::Sqlite { file: file.clone(), source }
    }

    fn change<T>(&mut self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, SpoolError> {
        let named = self.named();
        let tx = self.db.transaction().map_err(&named)?;
        let done = change(&tx).map_err(&named)?;
        tx.commit().map_err(&named)?;
        Ok(done)
    }

    /// Everything up to here was acknowledged.
    pub(crate) fn stored(&self) -> Result<u64, SpoolError> {
        let first: Option<u64> =
            self.db.query_row("SELECT min(seq) FROM waiting", [], |row| row.get(0)).map_err(self.named())?;
        Ok(first.map_or(self.meta.last, |first| first - 1))
    }

    /// Copies one group of what the journal has said since the last time. Answers whether there may be more.
    pub(crate) fn copy_from(&mut self, journal: &Journal) -> Result<bool, SpoolError> {
        let events = journal.events_after(self.meta.copied, 0, GROUP)?;
        let Some(last) = events.last() else { return Ok(false) };
        let (count, copied_at) = (events.len() as u64, Some(last.at.clone()));
        let to = Meta { last: self.meta.last + count, copied: last.id, copied_at, ..self.meta.clone() };
        let first = self.meta.last + 1;
        let before = match self.meta.copied == self.meta.base {
            true => self.orphans(first - 1, first - 1)?.pop().map(|orphan| orphan.at),
            false => journal.time_of(self.meta.copied)?,
        };
        self.change(|tx| {
            let mut insert = tx.prepare_cached(
                "INSERT INTO waiting (seq, at, monotonic, body, previous) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            let mut previous = before.as_ref();
            for (seq, event) in (first..).zip(&events) {
                insert.execute(params![seq, event.at, event.monotonic, event.body, previous])?;
                previous = Some(&event.at);
                if seq % LANDMARKS == 0 {
                    tx.execute("INSERT INTO landmark VALUES (?1, ?2)", params![seq, event.id])?;
                }
            }
            tx.execute(
                "UPDATE meta SET last_seq = ?1, journal = ?2, copied_at = ?3",
                params![to.last, to.copied, to.copied_at],
            )?;
            Ok(())
        })?;
        self.meta = to;
        self.bytes += events.iter().map(|event| weight(&event.body)).sum::<u64>();
        Ok(events.len() as u64 == GROUP)
    }

    /// Events that wait, from one number to another.
    pub(crate) fn waiting(&self, from: u64, to: u64) -> Result<Vec<Waiting>, SpoolError> {
        let query = || -> rusqlite::Result<Vec<Waiting>> {
            self.db
                .prepare_cached(
                    "SELECT seq, at, monotonic, previous, body FROM waiting WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq",
                )?
                .query_map(params![from, to], |row| {
                    let (at, monotonic, previous) = (row.get(1)?, row.get(2)?, row.get(3)?);
                    Ok(Waiting { seq: row.get(0)?, at, monotonic, previous, body: row.get(4)? })
                })?
                .collect()
        };
        query().map_err(self.named())
    }

    fn orphans(&self, from: u64, to: u64) -> Result<Vec<Waiting>, SpoolError> {
        let query = || -> rusqlite::Result<Vec<Waiting>> {
            self.db
                .prepare_cached("SELECT seq, at, monotonic, body FROM orphan WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq")?
                .query_map(params![from, to], |row| {
                    let (at, monotonic) = (row.get(1)?, row.get(2)?);
                    Ok(Waiting { seq: row.get(0)?, at, monotonic, previous: None, body: row.get(3)? })
                })?
                .collect()
        };
        query().map_err(self.named())
    }

    /// The supervisor has stored everything up to and including `seq`.
    pub(crate) fn forget(&mut self, seq: u64) -> Result<(), SpoolError> {
        let freed = self.change(|tx| {
            let freed: u64 = tx
                .prepare_cached(
                    "SELECT coalesce(sum(length(CAST(body AS BLOB)) + ?2), 0) FROM waiting WHERE seq <= ?1",
                )?
                .query_row(params![seq, ROW], |row| row.get(0))?;
            tx.prepare_cached("DELETE FROM waiting WHERE seq <= ?1")?.execute([seq])?;
            Ok(freed)
        })?;
        self.bytes = self.bytes.saturating_sub(freed);
        Ok(())
    }

    /// Keeps an event that no receiver takes aside, and puts a note in its place, so that the stream has no gap.
    pub(crate) fn quarantine(
        &mut self,
        journal: &Journal,
        seq: u64,
        reason: &str,
        now: &str,
    ) -> Result<(), SpoolError> {
        let (epoch, note) = (self.meta.epoch.clone(), letter::note(reason));
        // As it was, also if it was forgotten already.
        let Some(event) = self.again(journal, seq, seq)?.pop() else { return Ok(()) };
        self.change(|tx| {
            tx.execute(
                "INSERT OR IGNORE INTO quarantine VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![epoch, seq, event.at, event.body, reason, now],
            )?;
            tx.execute("UPDATE waiting SET body = ?2 WHERE seq = ?1", params![seq, note]).map(|_| ())
        })?;
        self.recount()
    }

    /// How many events were kept aside.
    pub(crate) fn quarantined(&self) -> Result<u64, SpoolError> {
        self.db.query_row("SELECT count(*) FROM quarantine", [], |row| row.get(0)).map_err(self.named())
    }

    /// Begins a new epoch with what was event `from` of this one: everything from it on is copied once more.
    pub(crate) fn begin(&mut self, journal: &Journal, from: u64, epoch: &str) -> Result<(), SpoolError> {
        let orphans = self.orphans(from, self.meta.orphans)?;
        let base = if from <= self.meta.orphans + 1 {
            self.meta.base
        } else {
            self.of_journal(journal, from - 1, 1)?.first().map_or(self.meta.copied, |event| event.id)
        };
        let identity = journal.identity()?;
        self.change(|tx| {
            begin(tx, epoch, base, &identity)?;
            orphans.iter().try_for_each(|orphan| adopt(tx, orphan))
        })?;
        self.recount()
    }

    fn recount(&mut self) -> Result<(), SpoolError> {
        (self.meta, self.bytes) = schema::read(&self.db).map_err(self.named())?;
        Ok(())
    }
}

fn weight(body: &str) -> u64 {
    body.len() as u64 + ROW
}

fn begin(tx: &Transaction<'_>, epoch: &str, base: i64, identity: &str) -> rusqlite::Result<()> {
    for table in ["waiting", "orphan", "landmark", "meta"] {
        tx.execute(&format!("DELETE FROM {table}"), [])?;
    }
    tx.execute(
        "INSERT INTO meta (one, epoch, last_seq, journal, base, journal_name) VALUES (1, ?1, 0, ?2, ?2, ?3)",
        params![epoch, base, identity],
    )?;
    Ok(())
}

/// Puts an event that no journal has next in the new epoch.
fn adopt(tx: &Transaction<'_>, orphan: &Waiting) -> rusqlite::Result<()> {
    tx.execute("UPDATE meta SET last_seq = last_seq + 1", [])?;
    let Waiting { at, monotonic, body, .. } = orphan;
    tx.execute(
        "INSERT INTO waiting (seq, at, monotonic, body, previous)
         SELECT last_seq, ?1, ?2, ?3, (SELECT at FROM orphan WHERE seq = last_seq - 1) FROM meta",
        params![at, monotonic, body],
    )?;
    tx.execute(
        "INSERT INTO orphan (seq, at, monotonic, body) SELECT last_seq, ?1, ?2, ?3 FROM meta",
        params![at, monotonic, body],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests;
