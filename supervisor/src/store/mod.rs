//! The database: events exactly once, and tables that follow from them. SQLite.
//!
//! One process writes, or a few that share the file on one machine: each change takes the lock at its beginning and waits for
//! it, so that no two work on what the other is changing.

pub(crate) mod audit;
mod clock;
pub(crate) mod live;
mod project;
mod stream;

use platen_protocol::uplink::{Ack, Command, Envelope, NEWS, Reading, State};
use rusqlite::{Connection, Error, ErrorCode, Transaction, TransactionBehavior, params};
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The tables of each version.
const MIGRATIONS: [&str; 3] = [
    include_str!("../../migrations/0001.sql"),
    include_str!("../../migrations/0002.sql"),
    include_str!("../../migrations/0003.sql"),
];
const VERSION: usize = MIGRATIONS.len();
/// Another process may write for so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Refused messages that are kept.
const REFUSED: u32 = 1_000;

#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("database {file}: {source}", file = .file.display())]
    Sqlite { file: PathBuf, source: rusqlite::Error },
    #[error("database {file}: {source}", file = .file.display())]
    Io { file: PathBuf, source: std::io::Error },
    #[error("database {file}: it is of version {found}; this program writes version {VERSION}", file = .file.display())]
    Version { file: PathBuf, found: i64 },
}

/// What arrived, already parsed at the edge.
#[derive(Debug, Clone)]
pub(crate) enum Arrival {
    /// An event of any type; types that this version does not know are stored too, so that their stream has no gap.
    Event {
        station: String,
        envelope: Envelope<AnyBody>,
    },
    Reading {
        station: String,
        envelope: Envelope<Reading>,
    },
    /// `heard` is when it came in; `None` for what the broker had kept from before.
    State {
        station: String,
        state: State,
        heard: Option<Instant>,
    },
    /// What was not taken.
    Refused(Refused),
}

/// SQLite's cache of a connection; negative are KiB. What is asked for lies in the system's cache, too, and a small one is full
/// from the beginning, so that memory does not grow with the database.
const CACHE_KIB: i32 = -256;
/// And of one that only reads.
const READING_CACHE_KIB: i32 = -64;

/// A message that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) topic: String,
    pub(crate) station: Option<String>,
    /// Epoch and number, if they could be read.
    pub(crate) number: Option<(String, u64)>,
    pub(crate) reason: String,
    pub(crate) excerpt: String,
}

/// `type` and `data` as they came.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AnyBody {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) data: serde_json::Value,
}

/// What is said to a station once a group is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Ack(Ack),
    Command(Command),
}

#[derive(Debug)]
pub(crate) struct Store {
    file: PathBuf,
    db: Connection,
}

impl Store {
    pub(crate) fn open(file: &Path) -> Result<Self, StoreError> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|source| StoreError::Io { file: file.into(), source })?;
        }
        let sqlite = |source| StoreError::Sqlite { file: file.into(), source };
        let mut db = Connection::open(file).map_err(sqlite)?;
        db.busy_timeout(PATIENCE).map_err(sqlite)?;
        db.pragma_update(None, "journal_mode", "WAL").map_err(sqlite)?;
        db.pragma_update(None, "synchronous", "FULL").map_err(sqlite)?;
        db.pragma_update(None, "cache_size", CACHE_KIB).map_err(sqlite)?;
        db.set_transaction_behavior(TransactionBehavior::Immediate);
        let tx = db.transaction().map_err(sqlite)?;
        let found: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sqlite)?;
        let done = usize::try_from(found).ok().filter(|&done| done <= VERSION);
        let done = done.ok_or_else(|| StoreError::Version { file: file.into(), found })?;
        for migration in &MIGRATIONS[done..] {
            tx.execute_batch(migration).map_err(sqlite)?;
        }
        tx.pragma_update(None, "user_version", VERSION as i64).map_err(sqlite)?;
        tx.commit().map_err(sqlite)?;
        Ok(Self { file: file.into(), db })
    }

    /// Stores a group of arrivals in one transaction. Answers what may be said to the stations once it has returned.
    ///
    /// A message that can never be stored is refused with the reason, so that an error is one of the database, and passes.
    pub(crate) fn take(&mut self, arrivals: &[Arrival], now_ms: i64) -> Result<Vec<(String, Reply)>, StoreError> {
        let file = self.file.clone();
        let taken = match self.take_inner(arrivals, now_ms, false) {
            // To find which it is, each is taken by itself, which costs too much to do always.
            Err(error) if is_of_the_message(&error) => self.take_inner(arrivals, now_ms, true),
            taken => taken,
        };
        taken.map_err(|source| StoreError::Sqlite { file, source })
    }

    fn take_inner(
        &mut self,
        arrivals: &[Arrival],
        now_ms: i64,
        singly: bool,
    ) -> rusqlite::Result<Vec<(String, Reply)>> {
        let tx = self.db.transaction()?;
        let mut told = Told::default();
        for arrival in arrivals {
            if singly {
                take_or_refuse(&tx, arrival, now_ms, &mut told)?;
            } else {
                take_one(&tx, arrival, now_ms, &mut told)?;
            }
        }
        let Told { streams, late, mut replies } = told;
        for station in late {
            tx.execute("UPDATE station SET history_ms = ?2 WHERE name = ?1", params![station, now_ms])?;
        }
        for (station, epoch) in streams {
            replies.push((station.into(), Reply::Ack(stream::advance(&tx, station, epoch)?)));
        }
        tx.commit()?;
        Ok(replies)
    }
}

/// What follows from a group once all of it is stored.
#[derive(Debug, Default)]
struct Told<'a> {
    /// Station and epoch of its events.
    streams: Vec<(&'a str, &'a str)>,
    /// Stations of whose events some were no news any more.
    late: Vec<&'a str>,
    replies: Vec<(String, Reply)>,
}

fn take_one<'a>(tx: &Transaction<'_>, arrival: &'a Arrival, now_ms: i64, told: &mut Told<'a>) -> rusqlite::Result<()> {
    match arrival {
        Arrival::Event { station, envelope } => {
            let happened = clock::happened(tx, station, envelope, now_ms)?;
            if u128::try_from(now_ms.saturating_sub(happened)).is_ok_and(|ms| ms > NEWS.as_millis())
                && !told.late.contains(&station.as_str())
            {
                told.late.push(station);
            }
            if store_event(tx, station, envelope, (happened, now_ms))? {
                project::event(tx, station, envelope, (happened, now_ms))?;
            } else if let Some(twice) = stream::other_event(tx, station, envelope)? {
                note(tx, &twice, now_ms)?;
            }
            let stream = (station.as_str(), envelope.epoch.as_str());
            if !told.streams.contains(&stream) {
                told.streams.push(stream);
            }
        }
        Arrival::Reading { station, envelope } => {
            let happened = clock::happened(tx, station, envelope, now_ms)?;
            project::reading(tx, station, envelope, (happened, now_ms))?;
        }
        Arrival::State { station, state, heard } => {
            // The database may have let it wait.
            let ago = |at: &Instant| i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX);
            // A will is the broker's word, not the station's.
            let heard_ms = heard.as_ref().filter(|_| state.online).map(|at| now_ms.saturating_sub(ago(at)));
            project::state(tx, station, state, heard_ms)?;
            if let Some(heard_ms) = heard_ms {
                clock::hear(tx, station, state, heard_ms)?;
                let asked = stream::heard(tx, station, state, heard_ms)?;
                told.replies.extend(asked.map(|reply| (station.clone(), reply)));
            }
        }
        Arrival::Refused(refused) => refuse(tx, refused, now_ms, told)?,
    }
    Ok(())
}

/// Takes one, or refuses it if it can never be stored, and leaves nothing of it behind.
fn take_or_refuse<'a>(
    tx: &Transaction<'_>,
    arrival: &'a Arrival,
    now_ms: i64,
    told: &mut Told<'a>,
) -> rusqlite::Result<()> {
    tx.execute_batch("SAVEPOINT one")?;
    match take_one(tx, arrival, now_ms, told) {
        Err(error) if is_of_the_message(&error) => {
            tracing::error!(%error, "a message that can never be stored is refused");
            tx.execute_batch("ROLLBACK TO one")?;
            if let Some(refused) = unstorable(arrival, &error) {
                refuse(tx, &refused, now_ms, told)?;
            }
        }
        taken => taken?,
    }
    tx.execute_batch("RELEASE one")
}

/// Whether it is the message that cannot be stored, now or later. All else lies with the database: a full disk, a lock, a file
/// that was taken away. There, refusing would be wrong, as a station puts aside what is refused.
fn is_of_the_message(error: &Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch))
        || matches!(error, Error::ToSqlConversionFailure(_) | Error::QueryReturnedNoRows)
}

/// What is noted of it. Of a refusal that cannot be stored, nothing.
fn unstorable(arrival: &Arrival, error: &Error) -> Option<Refused> {
    let (station, channel, number, excerpt) = match arrival {
        Arrival::Event { station, envelope: e } => {
            (station, "event", Some((e.epoch.clone(), e.seq)), e.body.data.to_string())
        }
        Arrival::Reading { station, envelope } => (station, "env", None, format!("{:?}", envelope.body)),
        Arrival::State { station, state, .. } => (station, "state", None, format!("{state:?}")),
        Arrival::Refused(_) => return None,
    };
    Some(Refused {
        topic: format!("{station}/{channel}"),
        station: Some(station.clone()),
        number,
        reason: format!("it cannot be stored: {error}"),
        excerpt: excerpt.chars().take(200).collect(),
    })
}

/// Notes a message that is not taken, and tells the station if its number is known.
fn refuse(tx: &Transaction<'_>, refused: &Refused, now_ms: i64, told: &mut Told<'_>) -> rusqlite::Result<()> {
    note(tx, refused, now_ms)?;
    if let (Some(station), Some((epoch, seq))) = (&refused.station, refused.number.clone()) {
        let refused = Command::Refused { epoch, seq, reason: refused.reason.clone() };
        told.replies.push((station.clone(), Reply::Command(refused)));
    }
    Ok(())
}

/// Whether the event was new.
fn store_event(
    tx: &Transaction<'_>,
    station: &str,
    e: &Envelope<AnyBody>,
    (happened_ms, now_ms): (i64, i64),
) -> rusqlite::Result<bool> {
    let stored = tx
        .prepare_cached(
            "INSERT OR IGNORE INTO event (station, epoch, seq, type, time, received_ms, body, previous, monotonic, happened_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            station,
            e.epoch,
            e.seq,
            e.body.kind,
            e.time.to_string(),
            now_ms,
            e.body.data.to_string(),
            e.previous.map(|time| time.to_string()),
            e.monotonic.as_ref().map(ToString::to_string),
            happened_ms
        ])?;
    Ok(stored == 1)
}

fn note(tx: &Transaction<'_>, r: &Refused, now_ms: i64) -> rusqlite::Result<()> {
    let (epoch, seq) = r.number.clone().unzip();
    // What a station says again and again is noted once.
    let known: bool = tx
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM refused WHERE topic = ?1 AND epoch IS ?2 AND seq IS ?3 AND reason = ?4)",
        )?
        .query_row(params![r.topic, epoch, seq, r.reason], |row| row.get(0))?;
    if known {
        return Ok(());
    }
    tx.prepare_cached(
        "INSERT INTO refused (received_ms, topic, station, epoch, seq, reason, excerpt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![now_ms, r.topic, r.station, epoch, seq, r.reason, r.excerpt])?;
    tx.prepare_cached("DELETE FROM refused WHERE id <= (SELECT max(id) FROM refused) - ?1")?.execute([REFUSED])?;
    Ok(())
}

#[cfg(test)]
mod tests;
