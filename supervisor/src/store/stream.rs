//! A stream: the events of one station and epoch, numbered from 1 without a gap, each naming its predecessor.

use super::{AnyBody, Refused, Reply};
use platen_protocol::uplink::{Ack, Command, Envelope, State, kept_readings};
use rusqlite::{OptionalExtension, Transaction, params};

/// Moves the end of the contiguous prefix as far as it goes, along a chain in which each event names its predecessor rightly.
pub(super) fn advance(tx: &Transaction<'_>, station: &str, epoch: &str) -> rusqlite::Result<Ack> {
    let known: Option<u64> = tx
        .prepare_cached("SELECT through FROM stream WHERE station = ?1 AND epoch = ?2")?
        .query_row([station, epoch], |row| row.get(0))
        .optional()?;
    let mut through = known.unwrap_or(0);
    let mut time: Option<String> = tx
        .prepare_cached("SELECT time FROM event WHERE station = ?1 AND epoch = ?2 AND seq = ?3")?
        .query_row(params![station, epoch, through], |row| row.get(0))
        .optional()?;
    let mut broken = false;
    {
        let mut after = tx.prepare_cached(
            "SELECT seq, time, previous FROM event WHERE station = ?1 AND epoch = ?2 AND seq > ?3 ORDER BY seq",
        )?;
        let mut rows = after.query(params![station, epoch, through])?;
        while let Some(row) = rows.next()? {
            if row.get::<_, u64>(0)? != through + 1 {
                break;
            }
            let previous: Option<String> = row.get(2)?;
            // Stations of before name no predecessor.
            broken = previous.is_some() && previous != time;
            if broken {
                break;
            }
            through += 1;
            time = Some(row.get(1)?);
        }
    }
    tx.prepare_cached(
        "INSERT INTO stream (station, epoch, through) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET through = excluded.through",
    )?
    .execute(params![station, epoch, through])?;
    Ok(Ack { epoch: epoch.into(), seq: through, time: time.and_then(|time| time.parse().ok()), broken, readings: None })
}

/// An event whose number another one has, if it is not the same that came twice.
pub(super) fn other_event(
    tx: &Transaction<'_>,
    station: &str,
    e: &Envelope<AnyBody>,
) -> rusqlite::Result<Option<Refused>> {
    let stored: String = tx
        .prepare_cached("SELECT time FROM event WHERE station = ?1 AND epoch = ?2 AND seq = ?3")?
        .query_row(params![station, e.epoch, e.seq], |row| row.get(0))?;
    let time = e.time.to_string();
    Ok((stored != time).then(|| Refused {
        topic: format!("{}/event", e.source),
        station: Some(station.into()),
        number: Some((e.epoch.clone(), e.seq)),
        reason: format!("its number has an event of {stored} already: the station's files were put back from a copy"),
        excerpt: e.body.data.to_string().chars().take(200).collect(),
    }))
}

/// Notes what a station says of its outbox. Answers what it must be told or asked for: events that it takes for stored and
/// that are not here, or else an acknowledgement. A station that hears none keeps its readings: nobody listens.
pub(super) fn heard(
    tx: &Transaction<'_>,
    station: &str,
    state: &State,
    now_ms: i64,
) -> rusqlite::Result<Option<Reply>> {
    let Some(outbox) = &state.outbox else { return Ok(None) };
    let ack = advance(tx, station, &outbox.epoch)?;
    tx.prepare_cached(
        "UPDATE stream SET told_first = ?3, told_last = ?4, told_ms = ?5 WHERE station = ?1 AND epoch = ?2",
    )?
    .execute(params![
        station,
        outbox.epoch,
        outbox.first.min(i64::MAX as u64),
        outbox.last.min(i64::MAX as u64),
        now_ms
    ])?;
    if ack.seq + 1 < outbox.first && !ack.broken {
        let (epoch, seq, to) = (outbox.epoch.clone(), ack.seq + 1, Some(outbox.first - 1));
        return Ok(Some(Reply::Command(Command::Resend { epoch, seq, to })));
    }
    let readings = tx
        .prepare_cached(
            "SELECT max(seq) FROM (SELECT max(seq) AS seq FROM room WHERE station = ?1 AND run = ?2
                UNION ALL SELECT max(seq) FROM power WHERE station = ?1 AND run = ?2)",
        )?
        .query_row([station, &kept_readings(&outbox.epoch)], |row| row.get(0))?;
    Ok(Some(Reply::Ack(Ack { readings, ..ack })))
}
