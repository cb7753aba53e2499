#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use super::*;
use jiff::Timestamp;
use platen_protocol::uplink::{Event, Monotonic, Outbox, SiteId, StationId, parse, write};
use serde_json::json;

fn event(seq: u64, body: &Event) -> Arrival {
    let (site, station): (SiteId, StationId) = ("north".parse().unwrap(), "desk-1".parse().unwrap());
    let time = "2026-11-21T09:30:00Z".parse().unwrap();
    let bytes = write(&Envelope::new(&site, &station, "e1", seq, time, body)).unwrap();
    Arrival::Event { station: "desk-1".into(), envelope: parse(&bytes).unwrap() }
}

fn raised(seq: u64) -> Arrival {
    let severity = platen_protocol::uplink::Severity::Operator;
    event(seq, &Event::FaultRaised { fault: "jam".into(), text: "t".into(), action: "a".into(), severity })
}

fn cleared(seq: u64) -> Arrival {
    event(seq, &Event::FaultCleared { fault: "jam".into() })
}

fn open() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("s.db")).unwrap();
    (folder, store)
}

fn acked(store: &mut Store, arrivals: &[Arrival]) -> u64 {
    ack(store, arrivals).seq
}

fn ack(store: &mut Store, arrivals: &[Arrival]) -> Ack {
    match store.take(arrivals, 1).unwrap().pop() {
        Some((_, Reply::Ack(ack))) => ack,
        other => panic!("no acknowledgement: {other:?}"),
    }
}

fn count(store: &Store, query: &str) -> i64 {
    store.db.query_row(query, [], |row| row.get(0)).unwrap()
}

#[test]
fn events_in_any_order_and_any_number_of_times_are_stored_once_and_acknowledged_up_to_the_gap() {
    let (_folder, mut store) = open();
    assert_eq!(acked(&mut store, &[raised(2), raised(3)]), 0);
    assert_eq!(acked(&mut store, &[raised(1), raised(3), raised(1)]), 3);
    assert_eq!(acked(&mut store, &[raised(5)]), 3);
    assert_eq!(acked(&mut store, &[raised(2), raised(4)]), 5);
    assert_eq!(count(&store, "SELECT count(*) FROM event"), 5);
}

#[test]
fn a_fault_that_was_cleared_stays_cleared_when_its_raising_arrives_late() {
    let (_folder, mut store) = open();
    acked(&mut store, &[cleared(2)]);
    acked(&mut store, &[raised(1)]);
    assert_eq!(count(&store, "SELECT raised FROM fault"), 0);
    acked(&mut store, &[raised(3)]);
    assert_eq!(count(&store, "SELECT raised FROM fault"), 1);
}

#[test]
fn an_event_of_a_newer_station_is_kept_as_it_came() {
    let (_folder, mut store) = open();
    let newer = br#"{"specversion":"1.0","id":"e1:1","source":"/north/desk-1","time":"2026-11-21T09:30:00Z","epoch":"e1","seq":1,"type":"platen.page.polished","data":{"shine":3}}"#;
    let arrival = Arrival::Event { station: "desk-1".into(), envelope: parse(newer).unwrap() };
    assert_eq!(acked(&mut store, &[arrival]), 1);
    assert_eq!(count(&store, "SELECT count(*) FROM event WHERE body = '{\"shine\":3}'"), 1);
}

#[test]
fn what_the_broker_kept_from_before_does_not_make_a_station_live() {
    let (_folder, mut store) = open();
    let since = "2026-11-21T09:30:00Z".parse().unwrap();
    let (time, outbox, monotonic) = (Some(since), None, None);
    let state = State { online: true, software: "x".into(), since, time, waiting: 0, outbox, monotonic };
    let arrival = |heard| Arrival::State { station: "desk-1".into(), state: state.clone(), heard };
    store.take(&[arrival(None)], 5).unwrap();
    assert_eq!(count(&store, "SELECT heard_ms IS NULL FROM station"), 1);
    store.take(&[arrival(Some(Instant::now()))], 7).unwrap();
    assert_eq!(count(&store, "SELECT heard_ms FROM station"), 7);
}

/// An event that names its predecessor and its time.
fn chained(seq: u64, time: &str, previous: Option<&str>) -> Arrival {
    let Arrival::Event { station, mut envelope } = raised(seq) else { unreachable!() };
    (envelope.time, envelope.previous) = (time.parse().unwrap(), previous.map(|p| p.parse().unwrap()));
    Arrival::Event { station, envelope }
}

const T: [&str; 4] = ["2026-11-21T09:30:01Z", "2026-11-21T09:30:02Z", "2026-11-21T09:30:03Z", "2026-11-21T09:30:04Z"];

#[test]
fn a_number_that_two_events_have_is_told_apart_by_the_chain_and_noted_once() {
    let (_folder, mut store) = open();
    assert_eq!(ack(&mut store, &[chained(1, T[0], None), chained(3, T[2], Some(T[1]))]).seq, 1);
    // The station's files were put back: its second event is another one now.
    let told = ack(&mut store, &[chained(2, T[3], Some(T[0]))]);
    assert_eq!((told.seq, told.broken, told.time), (2, true, Some(T[3].parse().unwrap())));
    for _ in 0..2 {
        ack(&mut store, &[chained(3, T[0], Some(T[3]))]);
    }
    assert_eq!(count(&store, "SELECT count(*) FROM refused"), 1);
    assert_eq!(count(&store, "SELECT count(*) FROM event"), 3);
    let auditor = audit::Auditor::open(&store.file).unwrap();
    let audit = serde_json::to_value(auditor.audit(Timestamp::UNIX_EPOCH).unwrap()).unwrap();
    assert_eq!(audit["streams"][0]["broken"], true);
    assert!(audit["refused"][0]["reason"].as_str().unwrap().contains("put back from a copy"));
}

#[test]
fn what_a_station_says_happens_by_our_clock_also_when_its_own_lies() {
    let (_folder, mut store) = open();
    let now = 1_800_000_000_000;
    let opened = |seq: u64, batch: &str, wall: &str, ms: u64| {
        let body =
            platen_protocol::uplink::BatchOpened { batch: batch.into(), operator: "li-na".into(), volumes: vec![] };
        let Arrival::Event { station, mut envelope } = event(seq, &Event::BatchOpened(body)) else { unreachable!() };
        envelope.monotonic = Some(Monotonic { boot: "b00".into(), ms });
        envelope.time = wall.parse().unwrap();
        Arrival::Event { station, envelope }
    };
    store.take(&[heard((1, 0), 100_000, T[0])], now).unwrap();
    // The clock was set back by a day between two batches.
    let late =
        [opened(1, "1/1-1-1", "2027-01-15T08:00:00Z", 99_000), opened(2, "1/1-1-2", "2027-01-14T08:00:00Z", 99_900)];
    store.take(&late, now).unwrap();
    let mut live = live::Live::open(&store.file, crate::config::Rooms::default()).unwrap();
    let shown = live.snapshot(Timestamp::from_millisecond(now).unwrap(), None).unwrap();
    assert_eq!(shown["stations"][0]["batch"]["batch"], "1/1-1-2", "{shown}");
    assert_eq!(shown["stations"][0]["batch"]["opened_at"], "2027-01-15T07:59:59.900Z", "{shown}");
}

#[test]
fn what_was_heard_before_our_own_clock_was_set_back_is_not_live() {
    let (_folder, mut store) = open();
    let now = 1_800_000_000_000;
    let reading = |seq: u64, celsius: f64| {
        let (site, station): (SiteId, StationId) = ("north".parse().unwrap(), "desk-1".parse().unwrap());
        let body = Reading::Room { celsius, humidity: 45.0 };
        let envelope = Envelope::new(&site, &station, "run", seq, T[0].parse().unwrap(), body);
        Arrival::Reading {
            station: "desk-1".into(),
            envelope: envelope.timed(None, Monotonic { boot: "b00".into(), ms: 5 }),
        }
    };
    store.take(&[heard((1, 0), 100_000, T[0]), reading(1, 21.0)], now).unwrap();
    store.take(&[reading(2, 22.0)], now).unwrap();
    store.db.execute("UPDATE room SET happened_ms = received_ms", []).unwrap();
    let mut live = live::Live::open(&store.file, crate::config::Rooms::default()).unwrap();
    let mut shown = |ms: i64| live.snapshot(Timestamp::from_millisecond(ms).unwrap(), None).unwrap();
    assert_eq!(shown(now)["stations"][0]["online"], true);
    assert_eq!(shown(now)["rooms"][0]["stale"], false);
    let back = now - 8 * 3_600_000;
    let after = shown(back);
    assert_eq!(
        (&after["stations"][0]["online"], &after["stations"][0]["age_ms"]),
        (&json!(false), &json!(null)),
        "{after}"
    );
    assert_eq!(after["rooms"], json!([]), "no reading is of now: {after}");
    // What comes then is live at once, although what is of later is stored.
    store.take(&[heard((1, 0), 101_000, T[0]), reading(3, 23.0)], back + 1_000).unwrap();
    store.db.execute("UPDATE room SET happened_ms = received_ms", []).unwrap();
    let after = shown(back + 1_500);
    assert_eq!(
        (&after["stations"][0]["online"], &after["rooms"][0]["celsius"]),
        (&json!(true), &json!(23.0)),
        "{after}"
    );
}

#[test]
fn a_heartbeat_behind_events_that_wait_moves_no_clock_and_a_will_is_not_heard() {
    let (_folder, mut store) = open();
    let now = 1_800_000_000_000;
    store.take(&[heard((1, 0), 100_000, "2027-01-15T08:00:00Z")], now).unwrap();
    let base = |store: &Store| count(store, "SELECT base_ms FROM clock");
    assert_eq!(base(&store), now - 100_000);
    let Arrival::State { state, .. } = heard((1, 9), 105_000, "2027-01-15T08:00:05Z") else { unreachable!() };
    let of = |state: State| Arrival::State { station: "desk-1".into(), state, heard: Some(Instant::now()) };
    store.take(&[of(State { waiting: 9, ..state.clone() })], now + 25_000).unwrap();
    assert_eq!(
        (base(&store), count(&store, "SELECT clock_off_ms FROM station")),
        (now - 100_000, 0),
        "it waited for 20 s"
    );
    let was = count(&store, "SELECT heard_ms FROM station");
    store
        .take(&[of(State { online: false, outbox: None, monotonic: None, time: None, ..state })], now + 60_000)
        .unwrap();
    assert_eq!(count(&store, "SELECT heard_ms FROM station"), was);
    assert_eq!(count(&store, "SELECT online FROM station"), 0);
}

#[test]
fn a_heartbeat_is_told_which_of_the_readings_that_waited_are_stored() {
    let (_folder, mut store) = open();
    let kept = |seq: u64| {
        let (site, station): (SiteId, StationId) = ("north".parse().unwrap(), "desk-1".parse().unwrap());
        let body = Reading::Room { celsius: 21.0, humidity: 45.0 };
        let run = platen_protocol::uplink::kept_readings("e1");
        let envelope = Envelope::new(&site, &station, &run, seq, T[0].parse().unwrap(), body);
        Arrival::Reading { station: "desk-1".into(), envelope }
    };
    let told = |store: &mut Store| ack(store, &[heard((1, 0), 100_000, T[0])]).readings;
    assert_eq!(told(&mut store), None);
    store.take(&[kept(4), kept(7)], 1).unwrap();
    assert_eq!(told(&mut store), Some(7));
}

fn heard(seq: (u64, u64), monotonic_ms: u64, time: &str) -> Arrival {
    let (first, last) = seq;
    let outbox = Outbox { epoch: "e1".into(), first, last, oldest_ms: None, bytes: 0, limit: 1, quarantined: 0 };
    let monotonic = Some(Monotonic { boot: "b00".into(), ms: monotonic_ms });
    let since = T[0].parse().unwrap();
    let (time, outbox) = (Some(time.parse().unwrap()), Some(outbox));
    let state = State { online: true, software: "x".into(), since, time, waiting: 0, outbox, monotonic };
    Arrival::State { station: "desk-1".into(), state, heard: Some(Instant::now()) }
}

#[test]
fn what_the_station_takes_for_stored_and_is_not_here_is_asked_for() {
    let (_folder, mut store) = open();
    acked(&mut store, &[raised(1), raised(2), raised(5)]);
    let asked = store.take(&[heard((6, 5), 0, T[0])], 1).unwrap();
    let resend = Command::Resend { epoch: "e1".into(), seq: 3, to: Some(5) };
    assert_eq!(asked, [("desk-1".to_string(), Reply::Command(resend))]);
    let auditor = audit::Auditor::open(&store.file).unwrap();
    let stream = &serde_json::to_value(auditor.audit(Timestamp::UNIX_EPOCH).unwrap()).unwrap()["streams"][0];
    assert_eq!((&stream["missing"], &stream["missing_count"]), (&json!([[3, 4]]), &json!(2)));
    acked(&mut store, &[raised(4), raised(3)]);
    // With nothing to ask for, it says where it stands, so that the station knows that somebody listens.
    let answer = store.take(&[heard((6, 5), 0, T[0])], 1).unwrap();
    assert!(matches!(&answer[..], [(_, Reply::Ack(Ack { seq: 5, broken: false, .. }))]), "{answer:?}");
    // Of events that nobody has sent yet only the numbers are known.
    store.take(&[heard((6, 7), 0, T[0])], 1).unwrap();
    let stream = &serde_json::to_value(auditor.audit(Timestamp::UNIX_EPOCH).unwrap()).unwrap()["streams"][0];
    assert_eq!((&stream["missing"], &stream["last"]), (&json!([[6, 7]]), &json!(7)));
}

#[test]
fn when_something_happened_is_told_by_the_clock_that_nobody_sets() {
    let (_folder, mut store) = open();
    let now = 1_800_000_000_000;
    // Its wall clock is a year behind; its machine has run for 100 s.
    store.take(&[heard((1, 0), 100_000, "2026-01-01T00:00:00Z")], now).unwrap();
    let happened = |store: &mut Store, seq: u64, boot: &str, ms: u64, sent: u64, at: &str| {
        let Arrival::Event { station, mut envelope } = raised(seq) else { unreachable!() };
        let of = |ms| Some(Monotonic { boot: boot.into(), ms });
        (envelope.monotonic, envelope.sent, envelope.time) = (of(ms), of(sent), at.parse().unwrap());
        store.take(&[Arrival::Event { station, envelope }], now + 500).unwrap();
        now + 500
            - store
                .db
                .query_row("SELECT happened_ms FROM event WHERE seq = ?1", [seq], |row| row.get::<_, i64>(0))
                .unwrap()
    };
    let wall = "2026-01-01T00:00:00Z";
    assert_eq!(happened(&mut store, 1, "b00", 40_000, 99_000, wall), 60_500, "by the start that was heard");
    assert_eq!(happened(&mut store, 2, "b00", 900_000, 900_001, wall), 0, "never in the future");
    assert_eq!(happened(&mut store, 3, "c11", 5_000, 25_000, wall), 20_000, "by how long it waited");
    assert_eq!(happened(&mut store, 4, "c11", 5_000, 4_000, "2025-12-31T23:59:50Z"), 0, "sent before it happened: now");
    let Arrival::Event { station, mut envelope } = raised(5) else { unreachable!() };
    envelope.time = "2025-12-31T23:59:50Z".parse().unwrap();
    store.take(&[Arrival::Event { station, envelope }], now + 500).unwrap();
    assert_eq!(
        count(&store, "SELECT happened_ms FROM event WHERE seq = 5"),
        now - 10_000,
        "by the wall clock, corrected"
    );
}

#[test]
fn a_message_that_can_never_be_stored_is_refused_and_holds_up_no_other() {
    let (_folder, mut store) = open();
    let never = "CREATE TRIGGER never BEFORE INSERT ON fault WHEN NEW.seq = 2 BEGIN SELECT RAISE(ABORT, 'no'); END";
    store.db.execute_batch(never).unwrap();
    let replies = store.take(&[raised(1), raised(2), raised(3)], 1).unwrap();
    let Reply::Command(Command::Refused { epoch, seq, reason }) = &replies[0].1 else { panic!("{replies:?}") };
    assert_eq!((epoch.as_str(), *seq, reason.as_str()), ("e1", 2, "it cannot be stored: no"));
    assert!(matches!(&replies[1..], [(_, Reply::Ack(Ack { seq: 1, .. }))]), "{replies:?}");
    assert_eq!(count(&store, "SELECT sum(seq) FROM event"), 1 + 3, "nothing of it is left behind");
    assert_eq!(count(&store, "SELECT count(*) FROM refused WHERE seq = 2"), 1);
    // What lies with the database is an error, and nothing is stored of the group.
    store.db.execute_batch("ALTER TABLE fault RENAME TO away").unwrap();
    assert!(store.take(&[raised(4)], 1).is_err());
    assert_eq!(count(&store, "SELECT count(*) FROM event"), 2);
}

/// A page that was void, told under a number of an epoch.
fn voided(epoch: &str, seq: u64, time: &str) -> Arrival {
    let (batch, volume, fault, text) = ("1/1-1-1".into(), "A".into(), "lid-opened".into(), "t".into());
    let body = platen_protocol::uplink::PageVoided { batch, volume, number: 3, fault, text };
    let Arrival::Event { station, mut envelope } = event(seq, &Event::PageVoided(body)) else { unreachable!() };
    (envelope.epoch, envelope.time) = (epoch.into(), time.parse().unwrap());
    Arrival::Event { station, envelope }
}

#[test]
fn a_void_page_that_is_told_under_two_epochs_is_one() {
    let (_folder, mut store) = open();
    store.take(&[voided("e1", 1, T[0]), voided("e2", 7, T[0])], 1).unwrap();
    assert_eq!(count(&store, "SELECT count(*) FROM void"), 1);
    // The same page was void a second time.
    store.take(&[voided("e2", 8, T[1])], 1).unwrap();
    assert_eq!(count(&store, "SELECT count(*) FROM void"), 2);
}

/// An empty database of an earlier version, and its file.
fn of_version(version: usize) -> (tempfile::TempDir, PathBuf, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.db");
    let db = Connection::open(&file).unwrap();
    MIGRATIONS[..version].iter().for_each(|migration| db.execute_batch(migration).unwrap());
    db.pragma_update(None, "user_version", version).unwrap();
    (folder, file, db)
}

#[test]
fn a_database_of_version_2_keeps_its_void_pages_and_counts_each_once() {
    let (_folder, file, db) = of_version(2);
    let tell = |epoch: &str, seq: u64, time: &str| {
        let event = "INSERT INTO event (station, epoch, seq, type, time, received_ms, body)
                     VALUES ('desk-1', ?1, ?2, 'platen.page.voided', ?3, 7, '{}')";
        db.execute(event, params![epoch, seq, time]).unwrap();
        let void = "INSERT INTO void VALUES ('desk-1', ?1, ?2, '1/1-1-1', 'A', 3, 'lid-opened', 't')";
        db.execute(void, params![epoch, seq]).unwrap();
    };
    tell("e1", 1, T[0]);
    tell("e1", 2, T[1]);
    tell("e2", 1, T[0]);
    drop(db);
    let mut store = Store::open(&file).unwrap();
    assert_eq!(count(&store, "SELECT count(*) FROM void"), 2);
    store.take(&[voided("e3", 1, T[1]), voided("e3", 2, T[2])], 1).unwrap();
    assert_eq!(count(&store, "SELECT count(*) FROM void"), 3);
}

#[test]
fn a_database_of_version_1_is_carried_on() {
    let (_folder, file, db) = of_version(1);
    db.execute_batch(
        "INSERT INTO event VALUES ('desk-1', 'e1', 1, 'platen.fault.cleared', '2026-11-21T09:30:00Z', 7, '{}');
         INSERT INTO stream VALUES ('desk-1', 'e1', 1);
         INSERT INTO page VALUES ('desk-1', '1/1', 'A', 1, '2026-11-21T09:30:00Z', 7, 'ab', '{}');
         INSERT INTO room VALUES ('desk-1', 7, 21.5, 50.0);",
    )
    .unwrap();
    drop(db);
    let mut store = Store::open(&file).unwrap();
    assert_eq!(
        count(
            &store,
            "SELECT sum(happened_ms) FROM (SELECT happened_ms FROM page UNION ALL SELECT happened_ms FROM room)"
        ),
        14
    );
    assert_eq!(acked(&mut store, &[raised(2)]), 2);
    drop(store);
    Connection::open(&file).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    assert!(matches!(Store::open(&file), Err(StoreError::Version { found: 99, .. })));
}
