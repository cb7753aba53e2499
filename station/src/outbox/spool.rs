//! The spool: events that the supervisor has not acknowledged yet. Its own SQLite file, `synchronous=FULL`.
//!
//! Sequence numbers begin at 1 with the file and never restart within it; the file's epoch says which file they mean.
//! Events come from the journal, each once: how far the journal was copied stands in the same transaction.

use crate::batch::store::{Journal, StoreError};
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    #[error("outbox {file}: {source}", file = .file.display())]
    Sqlite { file: PathBuf, source: rusqlite::Error },
    #[error("outbox {file}: {source}", file = .file.display())]
    Io { file: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Journal(#[from] StoreError),
}

/// Events copied from the journal in one transaction.
const GROUP: u32 = 500;

/// An event as it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) seq: u64,
    /// RFC 3339.
    pub(crate) at: String,
    /// The event as JSON.
    pub(crate) body: String,
}

#[derive(Debug)]
pub(crate) struct Spool {
    file: PathBuf,
    db: Connection,
    epoch: String,
}

impl Spool {
    /// Opens or makes the file. `fresh_epoch` is used only if it is made.
    pub(crate) fn open(file: &Path, fresh_epoch: &str) -> Result<Self, SpoolError> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|source| SpoolError::Io { file: file.into(), source })?;
        }
        let sqlite = |source| SpoolError::Sqlite { file: file.into(), source };
        let db = Connection::open(file).map_err(sqlite)?;
        db.pragma_update(None, "journal_mode", "WAL").map_err(sqlite)?;
        db.pragma_update(None, "synchronous", "FULL").map_err(sqlite)?;
        db.execute_batch(
            "CREATE TABLE IF NOT EXISTS waiting (seq INTEGER PRIMARY KEY, at TEXT NOT NULL, body TEXT NOT NULL) STRICT;
             CREATE TABLE IF NOT EXISTS meta (
                one INTEGER PRIMARY KEY CHECK (one = 1), epoch TEXT NOT NULL, last_seq INTEGER NOT NULL, journal INTEGER NOT NULL
             ) STRICT;",
        )
        .map_err(sqlite)?;
        db.execute("INSERT OR IGNORE INTO meta VALUES (1, ?1, 0, 0)", [fresh_epoch]).map_err(sqlite)?;
        let epoch = db.query_row("SELECT epoch FROM meta", [], |row| row.get(0)).map_err(sqlite)?;
        Ok(Self { file: file.into(), db, epoch })
    }

    pub(crate) fn epoch(&self) -> &str {
        &self.epoch
    }

    fn named(&self) -> impl Fn(rusqlite::Error) -> SpoolError + use<> {
        let file = self.file.clone();
        move |source| SpoolError::Sqlite { file: file.clone(), source }
    }

    /// Copies what the journal has said since the last time.
    pub(crate) fn copy_from(&mut self, journal: &Journal) -> Result<(), SpoolError> {
        let named = self.named();
        loop {
            let through: i64 = self.db.query_row("SELECT journal FROM meta", [], |row| row.get(0)).map_err(&named)?;
            let events = journal.events_after(through, GROUP)?;
            let Some((last, _, _)) = events.last() else { return Ok(()) };
            let tx = self.db.transaction().map_err(&named)?;
            {
                let mut insert = tx
                    .prepare_cached("INSERT INTO waiting VALUES ((SELECT last_seq FROM meta) + ?1, ?2, ?3)")
                    .map_err(&named)?;
                for (n, (_, at, body)) in (1i64..).zip(&events) {
                    insert.execute(params![n, at, body]).map_err(&named)?;
                }
            }
            let count = events.len() as i64;
            tx.execute("UPDATE meta SET last_seq = last_seq + ?1, journal = ?2", params![count, last])
                .map_err(&named)?;
            tx.commit().map_err(&named)?;
        }
    }

    /// Events from `seq` on.
    pub(crate) fn from(&self, seq: u64, limit: u32) -> Result<Vec<Waiting>, SpoolError> {
        let query = || -> rusqlite::Result<Vec<Waiting>> {
            self.db
                .prepare_cached("SELECT seq, at, body FROM waiting WHERE seq >= ?1 ORDER BY seq LIMIT ?2")?
                .query_map(params![seq, limit], |row| {
                    Ok(Waiting { seq: row.get(0)?, at: row.get(1)?, body: row.get(2)? })
                })?
                .collect()
        };
        query().map_err(self.named())
    }

    /// The supervisor has stored everything up to and including `seq`.
    pub(crate) fn acknowledge(&mut self, seq: u64) -> Result<(), SpoolError> {
        self.db.execute("DELETE FROM waiting WHERE seq <= ?1", [seq]).map(|_| ()).map_err(self.named())
    }

    /// How many events wait.
    pub(crate) fn waiting(&self) -> Result<u64, SpoolError> {
        let count = self.db.query_row("SELECT count(*) FROM waiting", [], |row| row.get(0));
        count.map_err(self.named())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platen_protocol::uplink::Event;

    #[test]
    fn events_keep_their_numbers_over_restarts_and_leave_only_when_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let now = "2026-11-21T09:30:00Z".parse().unwrap();
        let note = |journal: &mut Journal, name: &str| {
            journal.note(&Event::FaultCleared { fault: name.into() }, now).unwrap();
        };
        let mut journal = Journal::open(&folder.path().join("journal.db")).unwrap();
        let file = folder.path().join("outbox.db");
        note(&mut journal, "a");
        note(&mut journal, "b");
        let mut spool = Spool::open(&file, "first").unwrap();
        spool.copy_from(&journal).unwrap();
        spool.copy_from(&journal).unwrap();
        assert_eq!(spool.from(1, 10).unwrap().iter().map(|w| w.seq).collect::<Vec<_>>(), [1, 2]);
        spool.acknowledge(2).unwrap();
        drop(spool);
        note(&mut journal, "c");
        let mut spool = Spool::open(&file, "second").unwrap();
        assert_eq!(spool.epoch(), "first");
        spool.copy_from(&journal).unwrap();
        let left = spool.from(1, 10).unwrap();
        assert_eq!((left.len(), left[0].seq, spool.waiting().unwrap()), (1, 3, 1));
        assert!(left[0].body.contains("\"c\""));
    }
}
