//! When something happened, by our own clock: a station's wall clock may lie.

use platen_protocol::uplink::{Envelope, Monotonic, State};
use rusqlite::{OptionalExtension, Transaction, params};

/// Notes when the station's machine was started and how far its wall clock is off. Between a heartbeat's sending and its being
/// heard lies only the way; but behind events that wait it may have waited, too, and then it tells nothing new.
pub(super) fn hear(tx: &Transaction<'_>, station: &str, state: &State, heard_ms: i64) -> rusqlite::Result<()> {
    if let Some(Monotonic { boot, ms }) = &state.monotonic {
        let base = heard_ms.saturating_sub(i64::try_from(*ms).unwrap_or(i64::MAX));
        let known = base_of(tx, station, boot)?;
        if state.waiting > 0 && known.is_some_and(|known| base > known) {
            return Ok(());
        }
        tx.prepare_cached(
            "INSERT INTO clock VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET base_ms = excluded.base_ms",
        )?
        .execute(params![station, boot, base])?;
    }
    let off = state.time.map(|time| time.as_millisecond().saturating_sub(heard_ms));
    tx.prepare_cached("UPDATE station SET clock_off_ms = ?2 WHERE name = ?1")?.execute(params![station, off])?;
    Ok(())
}

/// When what the envelope tells of happened, by our clock, never later than now.
///
/// The machine's time since its start tells it best. If its start is not known, the time that the message waited is subtracted.
/// What an earlier start of the machine left behind has only a wall clock, less what that is off now.
pub(super) fn happened<B>(tx: &Transaction<'_>, station: &str, e: &Envelope<B>, now_ms: i64) -> rusqlite::Result<i64> {
    let happened = match &e.monotonic {
        Some(monotonic) => by_start(tx, station, monotonic)?.or_else(|| by_waiting(e, now_ms)),
        None => None,
    };
    let happened = match happened {
        Some(happened) => happened,
        None => e.time.as_millisecond().saturating_sub(offset(tx, station)?),
    };
    Ok(happened.min(now_ms))
}

fn by_start(tx: &Transaction<'_>, station: &str, monotonic: &Monotonic) -> rusqlite::Result<Option<i64>> {
    let base = base_of(tx, station, &monotonic.boot)?;
    Ok(base.map(|base| base.saturating_add(i64::try_from(monotonic.ms).unwrap_or(i64::MAX))))
}

/// When the machine was started, as far as it was heard.
fn base_of(tx: &Transaction<'_>, station: &str, boot: &str) -> rusqlite::Result<Option<i64>> {
    tx.prepare_cached("SELECT base_ms FROM clock WHERE station = ?1 AND boot = ?2")?
        .query_row([station, boot], |row| row.get(0))
        .optional()
}

fn by_waiting<B>(e: &Envelope<B>, now_ms: i64) -> Option<i64> {
    let waited = e.sent.as_ref()?.since(e.monotonic.as_ref()?)?;
    Some(now_ms.saturating_sub(i64::try_from(waited).ok()?))
}

fn offset(tx: &Transaction<'_>, station: &str) -> rusqlite::Result<i64> {
    let off: Option<Option<i64>> = tx
        .prepare_cached("SELECT clock_off_ms FROM station WHERE name = ?1")?
        .query_row([station], |row| row.get(0))
        .optional()?;
    Ok(off.flatten().unwrap_or(0))
}
