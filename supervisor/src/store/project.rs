//! What follows from what arrived: tables for the dashboards. Within an epoch the order does not
//! matter: every statement gives the same rows in any order.

use super::AnyBody;
use jiff::Timestamp;
use platen_protocol::uplink::{Envelope, Event, Reading, State};
use rusqlite::{Transaction, params};

/// When it happened, and now, by our clock in milliseconds.
type Times = (i64, i64);

pub(super) fn event(
    tx: &Transaction<'_>,
    station: &str,
    e: &Envelope<AnyBody>,
    (happened_ms, now_ms): Times,
) -> rusqlite::Result<()> {
    let whole = serde_json::json!({ "type": e.body.kind, "data": e.body.data });
    let Ok(event) = serde_json::from_value::<Event>(whole) else {
        tracing::warn!(
            station,
            kind = e.body.kind,
            "an event that this version does not know; it is stored as it came"
        );
        return Ok(());
    };
    // By our clock: a station's may lie. Of fixed length, so that texts are ordered as times are.
    let at = Timestamp::from_millisecond(happened_ms).unwrap_or(e.time);
    let happened = format!("{at:.3}");
    match event {
        Event::BatchOpened(b) => {
            let volumes = serde_json::to_string(&b.volumes).unwrap_or_default();
            tx.prepare_cached(
                "INSERT INTO batch (station, name, operator, volumes, opened_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET operator = excluded.operator, volumes = excluded.volumes, opened_at = excluded.opened_at",
            )?
            .execute(params![station, b.batch, b.operator, volumes, happened])?;
        }
        Event::PageAccepted(p) => {
            tx.prepare_cached(
                "INSERT OR REPLACE INTO page (station, batch, volume, number, time, received_ms, sha256, body, happened_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                station,
                p.batch,
                p.volume,
                p.number,
                e.time.to_string(),
                now_ms,
                p.sha256,
                e.body.data.to_string(),
                happened_ms
            ])?;
        }
        Event::PageVoided(v) => {
            // Not by its number in an epoch: a journal that is told again has others.
            tx.prepare_cached("INSERT OR IGNORE INTO void VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(params![
                station,
                v.batch,
                v.volume,
                v.number,
                e.time.to_string(),
                v.fault,
                v.text
            ])?;
        }
        Event::BatchCompleted { batch, tracking_sheet, .. } => {
            tx.prepare_cached(
                "INSERT INTO batch (station, name, completed_at, tracking_sheet) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET completed_at = excluded.completed_at, tracking_sheet = excluded.tracking_sheet",
            )?
            .execute(params![station, batch, happened, tracking_sheet])?;
        }
        Event::FaultRaised { fault, text, action, severity } => {
            let severity = serde_json::to_value(severity).unwrap_or_default();
            let severity = severity.as_str().unwrap_or_default();
            last_word(tx, (station, &fault), e, (true, &text, &action, severity, &happened))?;
        }
        Event::FaultCleared { fault } => last_word(tx, (station, &fault), e, (false, "", "", "operator", &happened))?,
        // Their history is the event itself; what is true now comes with readings and heartbeats.
        Event::PowerChanged { .. } | Event::ClockJumped { .. } | Event::Unsendable { .. } => {}
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

pub(super) fn reading(
    tx: &Transaction<'_>,
    station: &str,
    e: &Envelope<Reading>,
    (happened_ms, now_ms): Times,
) -> rusqlite::Result<()> {
    match &e.body {
        Reading::Room { celsius, humidity } => {
            tx.prepare_cached(
                "INSERT OR IGNORE INTO room (station, received_ms, celsius, humidity, happened_ms, run, seq)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![station, now_ms, celsius, humidity, happened_ms, e.epoch, e.seq])?;
        }
        // A worn battery is a fault of the station, told as an event.
        Reading::Power { state, charge, runtime_s, replace_battery: _ } => {
            let state = serde_json::to_value(state).unwrap_or_default();
            tx.prepare_cached(
                "INSERT OR IGNORE INTO power (station, received_ms, state, charge, runtime_s, happened_ms, run, seq)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                station,
                now_ms,
                state.as_str(),
                charge,
                runtime_s,
                happened_ms,
                e.epoch,
                e.seq
            ])?;
        }
    }
    Ok(())
}

pub(super) fn state(tx: &Transaction<'_>, station: &str, s: &State, heard_ms: Option<i64>) -> rusqlite::Result<()> {
    let oldest = s.outbox.as_ref().and_then(|outbox| outbox.oldest_ms).map(|ms| ms.min(i64::MAX as u64));
    tx.prepare_cached(
        "INSERT INTO station (name, online, software, since, waiting, heard_ms, epoch, oldest_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT DO UPDATE SET online = excluded.online, software = excluded.software, since = excluded.since,
             waiting = iif(excluded.online, excluded.waiting, station.waiting), heard_ms = coalesce(excluded.heard_ms, station.heard_ms),
             epoch = coalesce(excluded.epoch, station.epoch), oldest_ms = iif(excluded.online, excluded.oldest_ms, station.oldest_ms)",
    )?
    .execute(params![
        station,
        s.online,
        s.software,
        s.since.to_string(),
        s.waiting.min(i64::MAX as u64),
        heard_ms,
        s.outbox.as_ref().map(|outbox| &outbox.epoch),
        oldest
    ])?;
    Ok(())
}
