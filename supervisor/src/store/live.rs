//! The live picture: what the dashboards show, asked from the database. Reading only, on a connection of its own.

use super::StoreError;
use crate::config::Rooms;
use jiff::{Timestamp, tz::TimeZone};
use platen_protocol::uplink::NEWS;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A station that was not heard for longer is offline, in milliseconds: three heartbeats.
const OFFLINE_MS: i64 = 15_000;
/// A reading older than this is not live, in milliseconds.
const OLD_MS: i64 = 30_000;
/// What happened longer ago when it arrived, or still waits, is late, in milliseconds.
const LATE_MS: i64 = NEWS.as_millis() as i64;
/// A clock that is off by more is wrong, in milliseconds.
const CLOCK_MS: i64 = 2_000;
/// Nothing happens later than now: what seems to is of before our own clock was set back, and its age is unknown.
const AHEAD_MS: i64 = 2_000;
/// Who is meant by an alarm of our own.
const SUPERVISOR: &str = "supervisor";
/// Batches listed.
const BATCHES: u32 = 20;

#[derive(Debug)]
pub(crate) struct Live {
    file: PathBuf,
    db: Connection,
    rooms: Rooms,
    /// When each alarm that follows from readings was first seen.
    since: BTreeMap<(String, &'static str), String>,
}

/// One alarm.
struct Alarm {
    station: String,
    kind: &'static str,
    text: String,
}

impl Live {
    pub(crate) fn open(file: &Path, rooms: Rooms) -> Result<Self, StoreError> {
        let sqlite = |source| StoreError::Sqlite { file: file.into(), source };
        let db = Connection::open(file).map_err(sqlite)?;
        db.pragma_update(None, "query_only", true).map_err(sqlite)?;
        db.pragma_update(None, "cache_size", super::READING_CACHE_KIB).map_err(sqlite)?;
        Ok(Self { file: file.into(), db, rooms, since: BTreeMap::new() })
    }

    /// The snapshot of docs/PROTOCOL.md, without what only the wiring knows (site, broker).
    pub(crate) fn snapshot(&mut self, now: Timestamp, database: Option<&str>) -> Result<Value, StoreError> {
        let file = self.file.clone();
        self.build(now, database).map_err(|source| StoreError::Sqlite { file, source })
    }

    /// A room's readings of the last hours, one each minute.
    pub(crate) fn history(&self, station: &str, hours: i64, now: Timestamp) -> Result<Value, StoreError> {
        let query = || -> rusqlite::Result<Value> {
            let (mut t, mut celsius, mut humidity) = (Vec::new(), Vec::new(), Vec::new());
            let mut statement = self.db.prepare_cached(
                "SELECT happened_ms / 60000 * 60, round(avg(celsius), 2), round(avg(humidity), 2) FROM room
                 WHERE station = ?1 AND happened_ms >= ?2 GROUP BY 1 ORDER BY 1",
            )?;
            let mut rows = statement.query(params![station, now.as_millisecond() - hours * 3_600_000])?;
            while let Some(row) = rows.next()? {
                t.push(row.get::<_, i64>(0)?);
                celsius.push(row.get::<_, f64>(1)?);
                humidity.push(row.get::<_, f64>(2)?);
            }
            Ok(json!({ "t": t, "celsius": celsius, "humidity": humidity }))
        };
        query().map_err(|source| StoreError::Sqlite { file: self.file.clone(), source })
    }

    fn build(&mut self, now: Timestamp, database: Option<&str>) -> rusqlite::Result<Value> {
        let mut alarms = Vec::new();
        if let Some(error) = database {
            let text = format!("nothing can be stored: {error}");
            alarms.push(Alarm { station: SUPERVISOR.into(), kind: "database", text });
        }
        let mut stations = Vec::new();
        let mut rooms = Vec::new();
        let mut fault_alarms = Vec::new();
        for name in self.station_names()? {
            let faults = self.faults(&name)?;
            for fault in &faults {
                let mut alarm = fault.clone();
                alarm["station"] = json!(name);
                alarm["kind"] = json!("fault");
                fault_alarms.push(alarm);
            }
            let station = self.station(&name, faults, now)?;
            if station["stale"] == json!(true) {
                let text = "the station was not heard for more than 15 s".into();
                alarms.push(Alarm { station: name.clone(), kind: "station-offline", text });
            }
            self.lag_alarms(&name, &station, now, &mut alarms)?;
            stations.push(station);
            if let Some(room) = self.room(&name, now, &mut alarms)? {
                rooms.push(room);
            }
        }
        let derived = self.with_since(alarms, now);
        let alarms: Vec<_> = derived.into_iter().chain(fault_alarms).collect();
        let batches = self.batches("1 = 1", BATCHES, now, "")?;
        Ok(
            json!({ "now": now.to_string(), "stations": stations, "rooms": rooms, "batches": batches, "alarms": alarms }),
        )
    }

    fn station_names(&self) -> rusqlite::Result<Vec<String>> {
        self.db
            .prepare_cached("SELECT name FROM station UNION SELECT station FROM batch ORDER BY 1")?
            .query_map([], |row| row.get(0))?
            .collect()
    }

    fn station(&self, name: &str, faults: Vec<Value>, now: Timestamp) -> rusqlite::Result<Value> {
        let known = self
            .db
            .prepare_cached(
                "SELECT online, software, since, waiting, heard_ms, oldest_ms, clock_off_ms, history_ms FROM station WHERE name = ?1",
            )?
            .query_row([name], |row| {
                let since = |at: i64| age(now, at);
                let age = row.get::<_, Option<i64>>(4)?.and_then(since);
                let online = row.get::<_, bool>(0)? && age.is_some_and(|age| age <= OFFLINE_MS);
                // What had waited so long when the station was heard has waited since.
                let late = row.get::<_, Option<i64>>(5)?.zip(age).map(|(oldest, age)| oldest.saturating_add(age));
                let history = row.get::<_, Option<i64>>(7)?.and_then(since);
                Ok(json!({
                    "online": online, "software": row.get::<_, String>(1)?, "since": row.get::<_, String>(2)?,
                    "waiting": row.get::<_, u64>(3)?, "age_ms": age, "stale": !online,
                    "late_ms": late.filter(|&late| late > LATE_MS),
                    "catching_up": history.is_some_and(|age| age < OFFLINE_MS),
                    "clock_off_ms": row.get::<_, Option<i64>>(6)?,
                }))
            })
            .optional()?;
        let unknown = || json!({ "online": false, "software": "", "since": now.to_string(), "waiting": 0, "age_ms": null, "stale": true, "late_ms": null, "catching_up": false, "clock_off_ms": null });
        let mut station = known.unwrap_or_else(unknown);
        let midnight = now.to_zoned(TimeZone::system()).start_of_day().map_or(now, |day| day.timestamp());
        station["station"] = json!(name);
        station["faults"] = Value::Array(faults);
        station["pages_today"] = json!(self.pages_since(name, midnight)?);
        station["pages_last_hour"] = json!(self.pages_since(name, now - jiff::SignedDuration::from_hours(1))?);
        station["batch"] = self.batches("batch.station = ?1", 1, now, name)?.pop().unwrap_or(Value::Null);
        Ok(station)
    }

    /// What says that the picture of a station is not the present, or not whole.
    fn lag_alarms(&self, name: &str, station: &Value, now: Timestamp, alarms: &mut Vec<Alarm>) -> rusqlite::Result<()> {
        let mut alarm = |kind, text| alarms.push(Alarm { station: name.into(), kind, text });
        if let Some(ms) = station["late_ms"].as_i64() {
            alarm("late", format!("events wait at the station, the first for {} s", ms / 1_000));
        }
        if let Some(off) = station["clock_off_ms"].as_i64().filter(|off| off.abs() > CLOCK_MS) {
            let (seconds, way) = (off.abs() as f64 / 1e3, if off > 0 { "fast" } else { "slow" });
            alarm("clock-wrong", format!("the station's clock is {seconds:.1} s {way}"));
        }
        // What the station takes for stored and is not here; its next heartbeat but one finds it mended, or not.
        let gap: Option<u64> = self
            .db
            .prepare_cached(
                "SELECT told_first - 1 - through FROM stream
                 WHERE station = ?1 AND epoch = (SELECT epoch FROM station WHERE name = ?1)
                     AND told_first - 1 > through AND told_ms > ?2",
            )?
            .query_row(params![name, now.as_millisecond() - OFFLINE_MS], |row| row.get(0))
            .optional()?;
        if let Some(gap) = gap {
            alarm("gap", format!("{gap} events are missing here; the station is asked for them"));
        }
        Ok(())
    }

    fn pages_since(&self, station: &str, since: Timestamp) -> rusqlite::Result<u32> {
        self.db
            .prepare_cached("SELECT count(*) FROM page WHERE happened_ms >= ?2 AND station = ?1")?
            .query_row(params![station, since.as_millisecond()], |row| row.get(0))
    }

    fn faults(&self, station: &str) -> rusqlite::Result<Vec<Value>> {
        self.db
            .prepare_cached("SELECT fault, text, action, severity, since FROM fault WHERE station = ?1 AND raised ORDER BY since")?
            .query_map([station], |row| {
                Ok(json!({
                    "fault": row.get::<_, String>(0)?, "text": row.get::<_, String>(1)?, "action": row.get::<_, String>(2)?,
                    "severity": row.get::<_, String>(3)?, "since": row.get::<_, String>(4)?,
                }))
            })?
            .collect()
    }

    fn batches(&self, filter: &str, limit: u32, now: Timestamp, station: &str) -> rusqlite::Result<Vec<Value>> {
        let query = format!(
            "SELECT station, name, operator, volumes, opened_at, completed_at,
                (SELECT count(*) FROM void v WHERE v.station = batch.station AND v.batch = batch.name)
             FROM batch WHERE {filter} AND ?1 = ?1 ORDER BY opened_at DESC, name DESC LIMIT ?2"
        );
        let mut statement = self.db.prepare_cached(&query)?;
        let mut rows = statement.query(params![station, limit])?;
        let mut batches = Vec::new();
        while let Some(row) = rows.next()? {
            let (station, name): (String, String) = (row.get(0)?, row.get(1)?);
            let mut volumes: Vec<Value> = serde_json::from_str(&row.get::<_, String>(3)?).unwrap_or_default();
            let mut expected = 0;
            let mut pages = 0;
            for volume in &mut volumes {
                let kept: u64 = self
                    .db
                    .prepare_cached("SELECT count(*) FROM page WHERE station = ?1 AND batch = ?2 AND volume = ?3")?
                    .query_row(params![station, name, volume["code"].as_str()], |row| row.get(0))?;
                expected += volume["expected"].as_u64().unwrap_or(0);
                pages += kept;
                volume["pages"] = json!(kept);
            }
            let last_page = self.last_page(&station, &name, now)?;
            batches.push(json!({
                "station": station, "batch": name, "operator": row.get::<_, String>(2)?, "opened_at": row.get::<_, String>(4)?,
                "completed": row.get::<_, Option<String>>(5)?.is_some(), "voided": row.get::<_, u32>(6)?,
                "volumes": volumes, "expected": expected, "pages": pages, "last_page": last_page,
            }));
        }
        Ok(batches)
    }

    fn last_page(&self, station: &str, batch: &str, now: Timestamp) -> rusqlite::Result<Option<Value>> {
        self.db
            .prepare_cached(
                "SELECT body, happened_ms, received_ms FROM page WHERE station = ?1 AND batch = ?2 ORDER BY happened_ms DESC, number DESC LIMIT 1",
            )?
            .query_row([station, batch], |row| {
                let body: Value = serde_json::from_str(&row.get::<_, String>(0)?).unwrap_or_default();
                let age = age(now, row.get(1)?);
                let keep = ["volume", "number", "angle", "applied", "flags", "interlock", "dpi", "mode"];
                let mut page: serde_json::Map<_, _> = keep.into_iter().map(|k| (k.into(), body[k].clone())).collect();
                page.insert("age_ms".into(), json!(age));
                page.insert("late_by_ms".into(), json!(late_by(row.get(1)?, row.get(2)?)));
                Ok(Value::Object(page))
            })
            .optional()
    }

    fn room(&self, station: &str, now: Timestamp, alarms: &mut Vec<Alarm>) -> rusqlite::Result<Option<Value>> {
        let climate = self
            .db
            .prepare_cached(
                "SELECT celsius, humidity, happened_ms, received_ms FROM room WHERE station = ?1 AND happened_ms <= ?2
                 ORDER BY happened_ms DESC LIMIT 1",
            )?
            .query_row(params![station, now.as_millisecond() + AHEAD_MS], |row| {
                let late = late_by(row.get(2)?, row.get(3)?);
                Ok((row.get::<_, f64>(0)?, row.get::<_, f64>(1)?, age(now, row.get(2)?).unwrap_or(0), late))
            })
            .optional()?;
        let late_by_ms = climate.and_then(|(_, _, _, late)| late);
        let climate = climate.map(|(celsius, humidity, age, _)| (celsius, humidity, age));
        let power = self.power(station, now, alarms)?;
        if climate.is_none() && power.is_null() {
            return Ok(None);
        }
        let mut judge = |value: Option<f64>, [low, high]: [f64; 2], kind, unit: &str| match (value, climate) {
            (Some(_), Some((_, _, age))) if age > OLD_MS => "old",
            (Some(value), _) if value < low || value > high => {
                let text = format!("{value:.1} {unit}; the limits are {low} to {high} {unit}");
                alarms.push(Alarm { station: station.into(), kind, text });
                if value < low { "low" } else { "high" }
            }
            (Some(_), _) => "ok",
            (None, _) => "none",
        };
        let celsius = climate.map(|(c, _, _)| c);
        let humidity = climate.map(|(_, h, _)| h);
        let celsius_state = judge(celsius, self.rooms.celsius, "room-temperature", "°C");
        let humidity_state = judge(humidity, self.rooms.humidity, "room-humidity", "%RH");
        let age = climate.map(|(_, _, age)| age);
        Ok(Some(json!({
            "station": station, "celsius": celsius, "humidity": humidity, "age_ms": age,
            "stale": age.is_none_or(|age| age > OLD_MS), "celsius_limits": self.rooms.celsius,
            "humidity_limits": self.rooms.humidity, "celsius_state": celsius_state, "humidity_state": humidity_state,
            "late_by_ms": late_by_ms, "power": power,
        })))
    }

    fn power(&self, station: &str, now: Timestamp, alarms: &mut Vec<Alarm>) -> rusqlite::Result<Value> {
        let power = self
            .db
            .prepare_cached("SELECT state, charge, runtime_s, happened_ms FROM power WHERE station = ?1 AND happened_ms <= ?2 ORDER BY happened_ms DESC LIMIT 1")?
            .query_row(params![station, now.as_millisecond() + AHEAD_MS], |row| {
                let age = age(now, row.get(3)?).unwrap_or(0);
                Ok(json!({
                    "state": row.get::<_, String>(0)?, "charge": row.get::<_, Option<f64>>(1)?,
                    "runtime_s": row.get::<_, Option<f64>>(2)?, "age_ms": age, "stale": age > OLD_MS,
                }))
            })
            .optional()?
            .unwrap_or(Value::Null);
        let text = match (power["state"].as_str(), power["stale"].as_bool()) {
            (Some("on_battery"), Some(false)) => "the mains has failed, the UPS is on battery",
            (Some("low_battery"), Some(false)) => "the UPS battery is low",
            (Some("forced_shutdown"), Some(false)) => "the UPS shuts everything down",
            (Some("stale"), Some(false)) => "the UPS server has lost the UPS",
            (Some("unreachable"), Some(false)) => "the UPS server does not answer",
            _ => return Ok(power),
        };
        alarms.push(Alarm { station: station.into(), kind: "power", text: text.into() });
        Ok(power)
    }

    /// Remembers when each alarm began, and forgets those that are over.
    fn with_since(&mut self, alarms: Vec<Alarm>, now: Timestamp) -> Vec<Value> {
        let mut still = BTreeMap::new();
        let told = alarms.into_iter().map(|alarm| {
            let key = (alarm.station.clone(), alarm.kind);
            let since = self.since.get(&key).cloned().unwrap_or_else(|| now.to_string());
            still.insert(key, since.clone());
            json!({ "station": alarm.station, "kind": alarm.kind, "text": alarm.text, "since": since, "severity": "alarm" })
        });
        let told = told.collect();
        self.since = still;
        told
    }
}

/// How long ago that was, in milliseconds, unless it is later than now.
fn age(now: Timestamp, at_ms: i64) -> Option<i64> {
    let age = now.as_millisecond().saturating_sub(at_ms);
    (age >= -AHEAD_MS).then_some(age.max(0))
}

/// By how much something arrived late, if it did.
fn late_by(happened_ms: i64, received_ms: i64) -> Option<i64> {
    Some(received_ms.saturating_sub(happened_ms)).filter(|&late| late > LATE_MS)
}
