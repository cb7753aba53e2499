//! The journal's tables, and what each version of them added.

use super::StoreError;
use rusqlite::Connection;
use std::path::Path;

pub(super) const VERSION: i64 = 4;

const SCHEMA: &str = "
    CREATE TABLE batch (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        plan TEXT NOT NULL,
        operator TEXT NOT NULL,
        opened_at TEXT NOT NULL,
        completed_at TEXT,
        tracking_sheet TEXT,
        -- it lies on the desk: 1 from its opening until somebody closes it
        on_desk INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE page (
        batch INTEGER NOT NULL REFERENCES batch(id),
        volume INTEGER NOT NULL,
        number INTEGER NOT NULL,
        file TEXT NOT NULL UNIQUE,
        master TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        -- everything known of the page, as in its file
        record TEXT NOT NULL,
        kept_at TEXT NOT NULL,
        -- what the sheet is recognised by; null in pages of version 1
        signature BLOB,
        PRIMARY KEY (batch, volume, number)
    ) STRICT;
    CREATE TABLE void (
        id INTEGER PRIMARY KEY,
        batch INTEGER NOT NULL REFERENCES batch(id),
        volume INTEGER NOT NULL,
        number INTEGER NOT NULL,
        fault TEXT NOT NULL,
        text TEXT NOT NULL,
        at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE event (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        body TEXT NOT NULL,
        -- the same moment by a clock that nobody sets; null in events of versions 1 and 2
        monotonic TEXT
    ) STRICT;
    CREATE TABLE identity (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL) STRICT;
    INSERT INTO identity VALUES (1, lower(hex(randomblob(8))));
    -- faults that were raised and not cleared
    CREATE TABLE standing (fault TEXT PRIMARY KEY) STRICT;
";

/// What each version added to the one before it.
const MIGRATIONS: [&str; 3] = [
    "ALTER TABLE page ADD COLUMN signature BLOB;",
    "ALTER TABLE batch ADD COLUMN on_desk INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE event ADD COLUMN monotonic TEXT;
     CREATE TABLE identity (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL) STRICT;
     INSERT INTO identity VALUES (1, lower(hex(randomblob(8))));",
    "CREATE TABLE standing (fault TEXT PRIMARY KEY) STRICT;
     INSERT INTO standing SELECT fault FROM (
        SELECT json_extract(body, '$.data.fault') AS fault, json_extract(body, '$.type') AS type, max(id)
        FROM event WHERE json_extract(body, '$.type') IN ('platen.fault.raised', 'platen.fault.cleared') GROUP BY 1
     ) WHERE type = 'platen.fault.raised';",
];

/// Makes the tables, or brings those of an earlier version to this one.
pub(super) fn prepare(db: &mut Connection, file: &Path) -> Result<(), StoreError> {
    let sqlite = |source| StoreError::Sqlite { file: file.into(), source };
    db.pragma_update(None, "journal_mode", "WAL").map_err(sqlite)?;
    db.pragma_update(None, "synchronous", "FULL").map_err(sqlite)?;
    // KiB: rows are written once and read in order. A larger cache fills for half an hour, and looks like a leak.
    db.pragma_update(None, "cache_size", -64).map_err(sqlite)?;
    db.pragma_update(None, "foreign_keys", true).map_err(sqlite)?;
    let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sqlite)?;
    let steps: &[&str] = match found {
        0 => &[SCHEMA],
        1..VERSION => &MIGRATIONS[found as usize - 1..],
        VERSION => &[],
        _ => return Err(StoreError::Version { file: file.into(), found }),
    };
    if !steps.is_empty() {
        let tx = db.transaction().map_err(sqlite)?;
        steps.iter().try_for_each(|step| tx.execute_batch(step)).map_err(sqlite)?;
        tx.pragma_update(None, "user_version", VERSION).map_err(sqlite)?;
        tx.commit().map_err(sqlite)?;
    }
    Ok(())
}
