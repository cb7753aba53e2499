#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use super::*;
use platen_protocol::uplink::{SiteId, StationId, parse, write};

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
    store.take(arrivals, 1).unwrap()[0].1.seq
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
    let state = State { online: true, software: "x".into(), since, time: Some(since), waiting: 0 };
    let arrival = |live| Arrival::State { station: "desk-1".into(), state: state.clone(), live };
    store.take(&[arrival(false)], 5).unwrap();
    assert_eq!(count(&store, "SELECT heard_ms IS NULL FROM station"), 1);
    store.take(&[arrival(true)], 7).unwrap();
    assert_eq!(count(&store, "SELECT heard_ms FROM station"), 7);
}
