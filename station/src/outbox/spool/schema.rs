//! The spool's tables.

use super::{Meta, ROW, SpoolError};
use rusqlite::{Connection, OptionalExtension, types::FromSql};
use std::path::Path;

pub(super) const VERSION: i64 = 3;

/// Files of version 1 have no `user_version`; what it made is made here as it was and then brought to today's.
const V1: &str = "
    CREATE TABLE IF NOT EXISTS waiting (seq INTEGER PRIMARY KEY, at TEXT NOT NULL, body TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS meta (
        one INTEGER PRIMARY KEY CHECK (one = 1), epoch TEXT NOT NULL, last_seq INTEGER NOT NULL, journal INTEGER NOT NULL
    ) STRICT;
";
const V2: &str = "
    ALTER TABLE waiting ADD COLUMN monotonic TEXT;
    -- When the event before it happened.
    ALTER TABLE waiting ADD COLUMN previous TEXT;
    -- The journal's event before the epoch's first, and which journal that is.
    ALTER TABLE meta ADD COLUMN base INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE meta ADD COLUMN journal_name TEXT;
    -- When the event that was copied last happened: by it an older journal is known.
    ALTER TABLE meta ADD COLUMN copied_at TEXT;
    -- Events that no journal has any more: the first of their epoch.
    CREATE TABLE orphan (seq INTEGER PRIMARY KEY, at TEXT NOT NULL, monotonic TEXT, body TEXT NOT NULL) STRICT;
    -- What no receiver takes, as it was, and why.
    CREATE TABLE quarantine (
        epoch TEXT NOT NULL,
        seq INTEGER NOT NULL,
        at TEXT NOT NULL,
        body TEXT NOT NULL,
        reason TEXT NOT NULL,
        refused_at TEXT NOT NULL,
        PRIMARY KEY (epoch, seq)
    ) STRICT;
    -- Readings that found no way out. They may be thinned.
    CREATE TABLE reading (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        at TEXT NOT NULL,
        monotonic TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
";
const V3: &str = "
    -- Which of the journal's events some numbers are, so that any other is found near one of them.
    CREATE TABLE landmark (seq INTEGER PRIMARY KEY, journal INTEGER NOT NULL) STRICT;
";

pub(super) fn prepare(db: &mut Connection, file: &Path) -> Result<(), SpoolError> {
    let sqlite = |source| SpoolError::Sqlite { file: file.into(), source };
    db.pragma_update(None, "journal_mode", "WAL").map_err(sqlite)?;
    db.pragma_update(None, "synchronous", "FULL").map_err(sqlite)?;
    // KiB: rows are written once and read in order. A larger cache fills for half an hour, and looks like a leak.
    db.pragma_update(None, "cache_size", -64).map_err(sqlite)?;
    let steps: &[&str] = match db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sqlite)? {
        0i64 => &[V1, V2, V3],
        2 => &[V3],
        VERSION => return Ok(()),
        found => return Err(SpoolError::Version { file: file.into(), found }),
    };
    let tx = db.transaction().map_err(sqlite)?;
    steps.iter().try_for_each(|step| tx.execute_batch(step)).map_err(sqlite)?;
    tx.pragma_update(None, "user_version", VERSION).map_err(sqlite)?;
    tx.commit().map_err(sqlite)
}

pub(super) fn optional<T: FromSql>(db: &Connection, query: &str) -> rusqlite::Result<Option<T>> {
    db.query_row(query, [], |row| row.get(0)).optional()
}

/// What the file says of itself, and the bytes that wait in it.
pub(super) fn read(db: &Connection) -> rusqlite::Result<(Meta, u64)> {
    let meta = db.query_row(
        "SELECT epoch, last_seq, base, journal, copied_at, (SELECT count(*) FROM orphan) FROM meta",
        [],
        |row| {
            let (epoch, copied_at) = (row.get(0)?, row.get(4)?);
            Ok(Meta {
                epoch,
                last: row.get(1)?,
                base: row.get(2)?,
                copied: row.get(3)?,
                copied_at,
                orphans: row.get(5)?,
            })
        },
    )?;
    let bytes = db.query_row(
        "SELECT coalesce(sum(length(CAST(body AS BLOB)) + ?1), 0) FROM
            (SELECT body FROM waiting UNION ALL SELECT body FROM reading)",
        [ROW],
        |row| row.get(0),
    )?;
    Ok((meta, bytes))
}
