//! The proof that no event is missing: counted anew from the stored events, trusting no counter.

use super::StoreError;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Ranges listed of one stream.
const RANGES: u32 = 20;
/// Refused messages listed.
const REFUSED: u32 = 50;

#[derive(Debug, Serialize)]
pub(crate) struct Audit {
    now: String,
    pub(crate) streams: Vec<Stream>,
    refused: Vec<RefusedView>,
    refused_count: u64,
}

/// One station's events of one epoch.
#[derive(Debug, Serialize)]
pub(crate) struct Stream {
    pub(crate) station: String,
    pub(crate) epoch: String,
    /// The station numbers its events in it now.
    pub(crate) current: bool,
    stored: u64,
    /// Everything up to here was acknowledged.
    through: u64,
    /// The highest number known, here or from the station; of an epoch that was given up, the last that was acknowledged.
    last: u64,
    /// First and last number of the first ranges that are missing.
    missing: Vec<(u64, u64)>,
    pub(crate) missing_count: u64,
    /// Some event names another predecessor than the one that is stored.
    pub(crate) broken: bool,
    first_time: Option<String>,
    last_time: Option<String>,
}

#[derive(Debug, Serialize)]
struct RefusedView {
    station: Option<String>,
    topic: String,
    epoch: Option<String>,
    seq: Option<u64>,
    reason: String,
    at: String,
}

/// Reads the database for the proof, on a connection of its own.
#[derive(Debug)]
pub(crate) struct Auditor {
    file: PathBuf,
    db: Connection,
}

impl Auditor {
    pub(crate) fn open(file: &Path) -> Result<Self, StoreError> {
        let sqlite = |source| StoreError::Sqlite { file: file.into(), source };
        let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sqlite)?;
        db.pragma_update(None, "cache_size", super::READING_CACHE_KIB).map_err(sqlite)?;
        Ok(Self { file: file.into(), db })
    }

    /// In which epoch a station numbers its events now, as far as it was heard.
    pub(crate) fn epoch_of(&self, station: &str) -> Result<Option<String>, StoreError> {
        let query =
            self.db.query_row("SELECT epoch FROM station WHERE name = ?1", [station], |row| row.get(0)).optional();
        query.map(Option::flatten).map_err(|source| StoreError::Sqlite { file: self.file.clone(), source })
    }

    pub(crate) fn audit(&self, now: Timestamp) -> Result<Audit, StoreError> {
        self.build(now).map_err(|source| StoreError::Sqlite { file: self.file.clone(), source })
    }

    /// Every page of a station: batch, volume, number, sha256.
    pub(crate) fn pages(&self, station: &str) -> Result<Vec<(String, String, u32, String)>, StoreError> {
        let query = || -> rusqlite::Result<Vec<_>> {
            self.db
                .prepare(
                    "SELECT batch, volume, number, sha256 FROM page WHERE station = ?1 ORDER BY batch, volume, number",
                )?
                .query_map([station], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
                .collect()
        };
        query().map_err(|source| StoreError::Sqlite { file: self.file.clone(), source })
    }

    fn build(&self, now: Timestamp) -> rusqlite::Result<Audit> {
        // One moment for all queries.
        let tx = self.db.unchecked_transaction()?;
        let mut statement = tx.prepare(
            "SELECT station, epoch, through, coalesce(told_last, 0),
                 epoch = (SELECT s.epoch FROM station s WHERE s.name = stream.station)
             FROM stream ORDER BY station, coalesce(told_ms, 0) DESC, epoch",
        )?;
        let streams = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?
            .collect::<rusqlite::Result<Vec<(String, String, u64, u64, Option<bool>)>>>()?;
        let streams = streams
            .into_iter()
            .map(|(station, epoch, through, told, current)| self.stream(station, epoch, (through, told), current))
            .collect::<rusqlite::Result<_>>()?;
        let refused = self
            .db
            .prepare("SELECT station, topic, epoch, seq, reason, received_ms FROM refused ORDER BY id DESC LIMIT ?1")?
            .query_map([REFUSED], |row| {
                let at = Timestamp::from_millisecond(row.get(5)?).map(|t| t.to_string()).unwrap_or_default();
                let (station, topic, epoch) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(RefusedView { station, topic, epoch, seq: row.get(3)?, reason: row.get(4)?, at })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let refused_count = self.db.query_row("SELECT count(*) FROM refused", [], |row| row.get(0))?;
        Ok(Audit { now: now.to_string(), streams, refused, refused_count })
    }

    fn stream(
        &self,
        station: String,
        epoch: String,
        (through, told): (u64, u64),
        current: Option<bool>,
    ) -> rusqlite::Result<Stream> {
        // What was not acknowledged of an epoch that a station has given up it has numbered again in the next one, if it still
        // had it: the same event, known by its time. Stations of before do not say which epoch is theirs.
        let given_up = current == Some(false) && {
            let left: u64 = self.db.query_row(
                "SELECT count(*) FROM (
                     SELECT time FROM event WHERE station = ?1 AND epoch = ?2 AND seq > ?3
                     EXCEPT SELECT time FROM event WHERE station = ?1 AND epoch <> ?2
                 )",
                params![station, epoch, through],
                |row| row.get(0),
            )?;
            left == 0
        };
        let until = if given_up { through } else { i64::MAX as u64 };
        let (stored, highest, first_time, last_time): (u64, u64, _, _) = self.db.query_row(
            "SELECT count(*), coalesce(max(seq), 0), min(time), max(time) FROM event
             WHERE station = ?1 AND epoch = ?2 AND seq <= ?3",
            params![station, epoch, until],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )?;
        let broken = self.db.query_row(
            "SELECT count(*) FROM event e JOIN event before
                 ON before.station = e.station AND before.epoch = e.epoch AND before.seq = e.seq - 1
             WHERE e.station = ?1 AND e.epoch = ?2 AND e.seq <= ?3 AND e.previous IS NOT NULL AND e.previous <> before.time",
            params![station, epoch, until],
            |row| Ok(row.get::<_, u64>(0)? > 0),
        )?;
        let last = if given_up { through } else { highest.max(told).max(through) };
        let mut missing: Vec<(u64, u64)> = self
            .db
            .prepare(
                "SELECT before + 1, seq - 1 FROM (
                     SELECT seq, lag(seq, 1, 0) OVER (ORDER BY seq) AS before FROM event WHERE station = ?1 AND epoch = ?2 AND seq <= ?4
                 ) WHERE seq > before + 1 ORDER BY seq LIMIT ?3",
            )?
            .query_map(params![station, epoch, RANGES, until], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        if last > highest && missing.len() < RANGES as usize {
            missing.push((highest + 1, last));
        }
        let missing_count = last - stored;
        Ok(Stream {
            station,
            epoch,
            current: current.unwrap_or(false),
            stored,
            through,
            last,
            missing,
            missing_count,
            broken,
            first_time,
            last_time,
        })
    }
}
