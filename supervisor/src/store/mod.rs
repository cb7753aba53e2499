//! The database: events exactly once, and tables that follow from them. SQLite, one writer.

pub(crate) mod live;

use platen_protocol::uplink::{Ack, Envelope, Event, Reading, State};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Deserialize;
use std::path::{Path, PathBuf};

const VERSION: i64 = 1;

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
        reading: Reading,
    },
    /// `live` is false for what the broker had kept from before.
    State {
        station: String,
        state: State,
        live: bool,
    },
}

/// `type` and `data` as they came.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AnyBody {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) data: serde_json::Value,
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
        db.pragma_update(None, "journal_mode", "WAL").map_err(sqlite)?;
        db.pragma_update(None, "synchronous", "FULL").map_err(sqlite)?;
        match db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sqlite)? {
            0i64 => {
                let tx = db.transaction().map_err(sqlite)?;
                tx.execute_batch(include_str!("../../migrations/0001.sql")).map_err(sqlite)?;
                tx.pragma_update(None, "user_version", VERSION).map_err(sqlite)?;
                tx.commit().map_err(sqlite)?;
            }
            VERSION => {}
            found => return Err(StoreError::Version { file: file.into(), found }),
        }
        // What was live before the last stop is not live now.
        db.execute("UPDATE station SET heard_ms = NULL", []).map_err(sqlite)?;
        Ok(Self { file: file.into(), db })
    }

    /// Stores a group of arrivals in one transaction. Answers what may be acknowledged once it has returned.
    pub(crate) fn take(&mut self, arrivals: &[Arrival], now_ms: i64) -> Result<Vec<(String, Ack)>, StoreError> {
        let file = self.file.clone();
        self.take_inner(arrivals, now_ms).map_err(|source| StoreError::Sqlite { file, source })
    }

    fn take_inner(&mut self, arrivals: &[Arrival], now_ms: i64) -> rusqlite::Result<Vec<(String, Ack)>> {
        let tx = self.db.transaction()?;
        let mut streams: Vec<(&str, &str)> = Vec::new();
        for arrival in arrivals {
            match arrival {
                Arrival::Event { station, envelope } => {
                    if store_event(&tx, station, envelope, now_ms)? {
                        project(&tx, station, envelope, now_ms)?;
                    }
                    let stream = (station.as_str(), envelope.epoch.as_str());
                    if !streams.contains(&stream) {
                        streams.push(stream);
                    }
                }
                Arrival::Reading { station, reading } => store_reading(&tx, station, reading, now_ms)?,
                Arrival::State { station, state, live } => store_state(&tx, station, state, live.then_some(now_ms))?,
            }
        }
        let acks = streams.into_iter().map(|(station, epoch)| Ok((station.into(), advance(&tx, station, epoch)?)));
        let acks = acks.collect::<rusqlite::Result<_>>()?;
        tx.commit()?;
        Ok(acks)
    }
}

/// Whether the event was new.
fn store_event(tx: &Transaction<'_>, station: &str, e: &Envelope<AnyBody>, now_ms: i64) -> rusqlite::Result<bool> {
    let stored = tx
        .prepare_cached("INSERT OR IGNORE INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![station, e.epoch, e.seq, e.body.kind, e.time.to_string(), now_ms, e.body.data.to_string()])?;
    Ok(stored == 1)
}

/// Moves the end of the contiguous prefix as far as it goes.
fn advance(tx: &Transaction<'_>, station: &str, epoch: &str) -> rusqlite::Result<Ack> {
    let known: Option<u64> = tx
        .prepare_cached("SELECT through FROM stream WHERE station = ?1 AND epoch = ?2")?
        .query_row([station, epoch], |row| row.get(0))
        .optional()?;
    let mut through = known.unwrap_or(0);
    {
        let mut after =
            tx.prepare_cached("SELECT seq FROM event WHERE station = ?1 AND epoch = ?2 AND seq > ?3 ORDER BY seq")?;
        let mut rows = after.query(params![station, epoch, through])?;
        while let Some(row) = rows.next()? {
            if row.get::<_, u64>(0)? != through + 1 {
                break;
            }
            through += 1;
        }
    }
    tx.prepare_cached("INSERT INTO stream VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET through = excluded.through")?
        .execute(params![station, epoch, through])?;
    Ok(Ack { epoch: epoch.into(), seq: through })
}

/// What follows from a new event. Order does not matter: every statement gives the same rows in any order.
fn project(tx: &Transaction<'_>, station: &str, e: &Envelope<AnyBody>, now_ms: i64) -> rusqlite::Result<()> {
    let whole = serde_json::json!({ "type": e.body.kind, "data": e.body.data });
    let Ok(event) = serde_json::from_value::<Event>(whole) else {
        tracing::warn!(
            station,
            kind = e.body.kind,
            "an event that this version does not know; it is stored as it came"
        );
        return Ok(());
    };
    let time = e.time.to_string();
    match event {
        Event::BatchOpened(b) => {
            let volumes = serde_json::to_string(&b.volumes).unwrap_or_default();
            tx.prepare_cached(
                "INSERT INTO batch (station, name, operator, volumes, opened_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET operator = excluded.operator, volumes = excluded.volumes, opened_at = excluded.opened_at",
            )?
            .execute(params![station, b.batch, b.operator, volumes, time])?;
        }
        Event::PageAccepted(p) => {
            tx.prepare_cached("INSERT OR REPLACE INTO page VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(
                params![station, p.batch, p.volume, p.number, time, now_ms, p.sha256, e.body.data.to_string()],
            )?;
        }
        Event::PageVoided(v) => {
            tx.prepare_cached("INSERT OR IGNORE INTO void VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
                .execute(params![station, e.epoch, e.seq, v.batch, v.volume, v.number, v.fault, v.text])?;
        }
        Event::BatchCompleted { batch, tracking_sheet, .. } => {
            tx.prepare_cached(
                "INSERT INTO batch (station, name, completed_at, tracking_sheet) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET completed_at = excluded.completed_at, tracking_sheet = excluded.tracking_sheet",
            )?
            .execute(params![station, batch, time, tracking_sheet])?;
        }
        Event::FaultRaised { fault, text, action, severity } => {
            let severity = serde_json::to_value(severity).unwrap_or_default();
            let severity = severity.as_str().unwrap_or_default();
            last_word(tx, (station, &fault), e, (true, &text, &action, severity, &time))?;
        }
        Event::FaultCleared { fault } => last_word(tx, (station, &fault), e, (false, "", "", "operator", &time))?,
        // Its history is the event itself; what is true now comes with the readings.
        Event::PowerChanged { .. } => {}
    }
    Ok(())
}

fn last_word(
    tx: &Transaction<'_>,
    (station, fault): (&str, &str),
    e: &Envelope<AnyBody>,
    (raised, text, action, severity, since): (bool, &str, &str, &str, &str),
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO fault VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, raised = excluded.raised, text = excluded.text,
             action = excluded.action, severity = excluded.severity, since = excluded.since
         WHERE excluded.epoch <> fault.epoch OR excluded.seq > fault.seq",
    )?
    .execute(params![station, fault, e.epoch, e.seq, raised, text, action, severity, since])?;
    Ok(())
}

fn store_reading(tx: &Transaction<'_>, station: &str, reading: &Reading, now_ms: i64) -> rusqlite::Result<()> {
    match reading {
        Reading::Room { celsius, humidity } => {
            tx.prepare_cached("INSERT INTO room VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![station, now_ms, celsius, humidity])?;
        }
        // A worn battery is a fault of the station, told as an event.
        Reading::Power { state, charge, runtime_s, replace_battery: _ } => {
            let state = serde_json::to_value(state).unwrap_or_default();
            tx.prepare_cached("INSERT INTO power VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
                station,
                now_ms,
                state.as_str(),
                charge,
                runtime_s
            ])?;
        }
    }
    Ok(())
}

fn store_state(tx: &Transaction<'_>, station: &str, s: &State, heard_ms: Option<i64>) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO station VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET online = excluded.online, software = excluded.software, since = excluded.since,
             waiting = excluded.waiting, heard_ms = coalesce(excluded.heard_ms, station.heard_ms)",
    )?
    .execute(params![
        station,
        s.online,
        s.software,
        s.since.to_string(),
        s.waiting.min(i64::MAX as u64),
        heard_ms
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests;
