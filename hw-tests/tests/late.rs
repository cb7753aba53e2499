//! What is late is shown as late: an hour without a broker, readings that nobody heard, and a clock that lies.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a story that cannot go on has failed

use hw_tests::{
    board::EmulatedBoard,
    browser::Browser,
    losses::{LIMITS, write_events},
    mosquitto::Mosquitto,
    pages,
    process::{PATIENCE, wait, wait_for},
    scanner::VirtualScanner,
    station::{Setup, Station},
    supervisor::{self, Supervisor},
};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant, SystemTime},
};
use virtual_scanner::desk::Settings;

const DESK: &str = "desk-1";
const BATCH: &str = "1/1-1-1";
/// An hour at 60 pages a minute.
const HOUR: u64 = 3_600;

/// Writes an hour of pages into a journal: one each second until now, by the machine's own time since its start.
fn write_hour(journal: &Path) {
    let boot: String = fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap()
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(8)
        .collect();
    let up: f64 = fs::read_to_string("/proc/uptime").unwrap().split(' ').next().unwrap().parse().unwrap();
    let up_ms = (up * 1e3) as u64;
    // On a machine that was started less than an hour ago the pages lie closer together.
    let step = (up_ms / HOUR).min(1_000);
    let mut db = Connection::open(journal).unwrap();
    let tx = db.transaction().unwrap();
    let volumes = json!([{ "code": "A-1", "title": "One", "expected": HOUR }]);
    let opened =
        json!({ "type": "platen.batch.opened", "data": { "batch": BATCH, "operator": "li-na", "volumes": volumes } });
    let insert = |n: u64, body: &Value| {
        let ms = up_ms.saturating_sub((HOUR - n) * step);
        tx.execute(
            "INSERT INTO event (at, body, monotonic) VALUES (?1, ?2, ?3)",
            params![format!("2026-11-21T09:30:00.{n:08}1Z"), body.to_string(), format!("{boot}:{ms}")],
        )
        .unwrap();
    };
    insert(0, &opened);
    for n in 1..=HOUR {
        let page = json!({
            "batch": BATCH, "volume": "A-1", "number": n, "file": format!("1/1-1-1/A-1/{n:04}.jpg"), "bytes": 812_345,
            "sha256": format!("{n:064x}"), "dpi": 300, "mode": "colour", "source": "flatbed", "width": 2480, "height": 3508,
            "angle": -1.25, "applied": -1.25, "confidence": 0.97, "flags": [], "interlock": "certified", "took_ms": 6120,
        });
        insert(n, &json!({ "type": "platen.page.accepted", "data": page }));
    }
    tx.commit().unwrap();
}

#[test]
fn an_hour_without_a_broker_fits_into_the_outbox_comes_in_quickly_and_is_shown_as_late() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    pages::write_numbered(&path.join("pages"), 1).unwrap();
    let scanner = VirtualScanner::create(path, Settings { dpi: 200, ..Settings::new(&path.join("pages"), 1) }).unwrap();
    let board = EmulatedBoard::plug_in(&path.join("board")).unwrap();
    let mut broker = Mosquitto::start(&path.join("mosquitto"), LIMITS).unwrap();
    let setup = supervisor::Setup { broker: Some(format!("url = \"{}\"\n", broker.url())), ..Default::default() };
    let supervisor = Supervisor::start_with(&path.join("supervisor"), &setup).unwrap();
    broker.kill();
    let setup = Setup { board: Some(board.path().into()), broker: Some(broker.url()), ..Setup::flatbed(DESK) };
    let station = Station::start(path, &scanner, &setup).unwrap();
    board.climate(Ok((19_500, 44_000)));
    write_hour(&station.state().join("journal.db"));
    station.wait("what waits", |v| v["network"]["waiting"].as_u64() > Some(HOUR)).unwrap();
    let kept = || -> u64 {
        let outbox = Connection::open(station.state().join("outbox.db")).unwrap();
        outbox.query_row("SELECT count(*) FROM reading", [], |row| row.get(0)).unwrap()
    };
    wait("readings to wait", || Ok((kept() >= 2).then_some(()))).unwrap();
    let size: u64 = ["outbox.db", "outbox.db-wal"]
        .iter()
        .map(|name| fs::metadata(station.state().join(name)).map_or(0, |m| m.len()))
        .sum();
    println!("outbox after an hour without a broker: {:.2} MiB", size as f64 / 1_048_576.0);
    assert!(size < 64 << 20, "{size}");

    let (began, back) = (Instant::now(), SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap());
    broker.kill_and_restart().unwrap();
    // From the broker's return on, whatever is shown of the past is said to be late.
    let browser = Browser::open(&path.join("browser"), (1600, 1000), "en").unwrap();
    browser.go(&format!("{}/#/", supervisor.url)).unwrap();
    let stored = |supervisor: &Supervisor| supervisor.pages(DESK, BATCH).unwrap().len() as u64;
    let shown = wait("the station to be shown as late", || {
        let snapshot = supervisor.snapshot()?;
        let card = snapshot["stations"][0].clone();
        let late = card["late_ms"].is_number() || card["catching_up"] == true;
        Ok((card["online"] == true && late).then_some(card))
    });
    shown.unwrap_or_else(|e| panic!("{e:#}: {}", supervisor.snapshot().unwrap()));
    wait("every page", || Ok((stored(&supervisor) == HOUR).then_some(()))).unwrap();
    let took = began.elapsed();
    println!("{HOUR} pages caught up in {:.1} s", took.as_secs_f64());
    assert!(took.as_secs() < 60);
    // The newest pages happened just now; most of them long ago, and are not counted as if they were of this minute.
    let database = supervisor.database().unwrap();
    let (span, received): (i64, i64) = database
        .query_row(
            "SELECT max(happened_ms) - min(happened_ms), max(received_ms) - min(received_ms) FROM page",
            [],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )
        .unwrap();
    assert!(span > 60_000 && received < 60_000 && span > received, "{span} {received}");
    browser.wait_for("station-card", "catching up").unwrap();

    // The readings come in with the time at which they were read: before the broker's return.
    wait("the readings", || {
        let late: u64 = supervisor.database()?.query_row(
            "SELECT count(*) FROM room WHERE happened_ms < ?1 AND received_ms > ?1 AND celsius = 19.5",
            [back.as_millis() as i64],
            |row| row.get(0),
        )?;
        Ok((late >= 1 && kept() == 0).then_some(()))
    })
    .unwrap();
    wait("the present", || {
        let card = supervisor.snapshot()?["stations"][0].clone();
        Ok((card["late_ms"].is_null() && card["catching_up"] == false && card["waiting"] == 0).then_some(()))
    })
    .unwrap();
}

#[test]
fn what_is_read_while_no_supervisor_listens_comes_in_when_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    pages::write_numbered(&path.join("pages"), 1).unwrap();
    let scanner = VirtualScanner::create(path, Settings { dpi: 200, ..Settings::new(&path.join("pages"), 1) }).unwrap();
    let board = EmulatedBoard::plug_in(&path.join("board")).unwrap();
    board.climate(Ok((17_500, 44_000)));
    let broker = Mosquitto::start(&path.join("mosquitto"), LIMITS).unwrap();
    let setup = Setup { board: Some(board.path().into()), broker: Some(broker.url()), ..Setup::flatbed(DESK) };
    let station = Station::start(path, &scanner, &setup).unwrap();
    station.wait("the broker", |v| v["network"]["connected"] == true).unwrap();
    let kept = || -> u64 {
        let outbox = Connection::open(station.state().join("outbox.db")).unwrap();
        outbox.query_row("SELECT count(*) FROM reading", [], |row| row.get(0)).unwrap()
    };
    // The broker would take them, and drop them.
    wait("readings to wait", || Ok((kept() >= 1).then_some(()))).unwrap();
    let setup = supervisor::Setup { broker: Some(format!("url = \"{}\"\n", broker.url())), ..Default::default() };
    let mut supervisor = Supervisor::start_with(&path.join("supervisor"), &setup).unwrap();
    let come_in = |supervisor: &Supervisor, celsius: f64| {
        wait("the readings", || {
            let room = "SELECT count(*) FROM room WHERE celsius = ?1 AND received_ms - happened_ms > 1000";
            let late: u64 = supervisor.database()?.query_row(room, [celsius], |row| row.get(0))?;
            Ok((late >= 1 && kept() == 0).then_some(()))
        })
        .unwrap();
    };
    come_in(&supervisor, 17.5);

    // One that dies while the broker lives answers no heartbeat any more.
    supervisor.kill();
    board.climate(Ok((16_500, 44_000)));
    wait_for(2 * PATIENCE, "readings to wait again", || Ok((kept() >= 1).then_some(()))).unwrap();
    supervisor.revive().unwrap();
    come_in(&supervisor, 16.5);
}

#[test]
fn a_full_outbox_pauses_the_desk_and_an_emptied_one_lets_it_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    pages::write_numbered(&path.join("pages"), 2).unwrap();
    let settings = Settings { dpi: 200, adf: true, ..Settings::new(&path.join("pages"), 2) };
    let scanner = VirtualScanner::create(path, settings).unwrap();
    let mut broker = Mosquitto::start(&path.join("mosquitto"), LIMITS).unwrap();
    let setup = supervisor::Setup { broker: Some(format!("url = \"{}\"\n", broker.url())), ..Default::default() };
    let supervisor = Supervisor::start_with(&path.join("supervisor"), &setup).unwrap();
    broker.kill();
    let uplink = "outbox_mib = 1\n".into();
    let setup = Setup { source: "adf".into(), broker: Some(broker.url()), uplink, ..Setup::flatbed(DESK) };
    let station = Station::start(path, &scanner, &setup).unwrap();
    station.plan(BATCH, &[("A-1", "One", 2)]).unwrap();
    station.open(BATCH).unwrap();
    let events = 2_500;
    write_events(&station.state().join("journal.db"), 0, events, 500, Duration::ZERO).unwrap();
    let names =
        |view: &Value| view["holds"].as_array().map_or(Vec::new(), |h| h.iter().map(|h| h["name"].clone()).collect());
    let held = station.wait("the full outbox", |v| names(v) == ["outbox-full"]).unwrap();
    assert!(held["holds"][0]["text"]["en"].as_str().is_some_and(|text| text.contains("no room for more")), "{held}");
    let (status, answer) = station.ask("start", &json!({})).unwrap();
    assert!(status == 409 && answer.to_string().contains("outbox-full"), "{answer}");
    broker.kill_and_restart().unwrap();
    station.wait("the emptied outbox", |v| names(v).is_empty() && v["network"]["waiting"] == 0).unwrap();
    assert_eq!(station.ask("start", &json!({})).unwrap().0, 200);
    wait("the pages", || {
        Ok((supervisor.pages(DESK, BATCH)?.iter().filter(|page| page.0 == "A-1").count() == 2).then_some(()))
    })
    .unwrap();
    let told: u64 = supervisor
        .database()
        .unwrap()
        .query_row("SELECT count(*) FROM event WHERE time LIKE '2026-11-21T09:30:00.%'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(told, events, "what was too much has not been dropped");
}

#[test]
fn a_clock_that_is_set_is_told_of_and_makes_no_page_older_than_it_is() {
    let faketime = Path::new("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1");
    let faketime =
        if faketime.exists() { faketime } else { Path::new("/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1") };
    assert!(faketime.exists(), "libfaketime is not installed");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    pages::write_numbered(&path.join("pages"), 2).unwrap();
    let settings = Settings { dpi: 200, adf: true, ..Settings::new(&path.join("pages"), 2) };
    let scanner = VirtualScanner::create(path, settings).unwrap();
    let supervisor = Supervisor::start(&path.join("supervisor"), 0, 0).unwrap();
    let clock = path.join("clock");
    fs::write(&clock, "+0").unwrap();
    let environment = vec![
        ("LD_PRELOAD", faketime.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".into()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
    ];
    let setup =
        Setup { source: "adf".into(), broker: Some(supervisor.broker.clone()), environment, ..Setup::flatbed(DESK) };
    let station = Station::start(path, &scanner, &setup).unwrap();
    let shown = |what: &str, seen: &dyn Fn(&Value) -> bool| {
        let found = wait(what, || Ok(Some(supervisor.snapshot()?["stations"][0].clone()).filter(|s| seen(s))));
        found.unwrap_or_else(|e| panic!("{e:#}: {}", supervisor.snapshot().unwrap()))
    };
    shown("a right clock", &|s| s["clock_off_ms"].as_i64().is_some_and(|off| off.abs() < 1_000));
    fs::write(&clock, "-2h").unwrap();
    shown("a clock two hours slow", &|s| s["clock_off_ms"].as_i64().is_some_and(|off| (off + 7_200_000).abs() < 2_000));
    wait("the alarm", || {
        let alarms = supervisor.snapshot()?["alarms"].clone();
        let wrong = |a: &Value| a["kind"] == "clock-wrong" && a["text"].as_str().is_some_and(|t| t.contains("slow"));
        Ok(alarms.as_array().is_some_and(|list| list.iter().any(wrong)).then_some(()))
    })
    .unwrap();
    wait("the event", || {
        let jump: Option<i64> = supervisor
            .database()?
            .query_row("SELECT json_extract(body, '$.by_ms') FROM event WHERE type = 'platen.clock.jumped'", [], |r| {
                r.get(0)
            })
            .ok();
        Ok(jump.filter(|by| (by + 7_200_000).abs() < 2_000).map(drop))
    })
    .unwrap();
    station.plan(BATCH, &[("A-1", "One", 2)]).unwrap();
    station.open(BATCH).unwrap();
    assert_eq!(station.ask("start", &json!({})).unwrap().0, 200);
    let card = shown("the pages", &|s| s["batch"]["pages"] == 2);
    assert_eq!(card["pages_last_hour"], 2, "by the lying clock they would be two hours old: {card}");
    let page = &card["batch"]["last_page"];
    assert!(page["age_ms"].as_u64() < Some(30_000) && page["late_by_ms"].is_null(), "{page}");
}
