use super::*;
use crate::moment::Moment;
use platen_protocol::uplink::{Event, Reading};

fn note(journal: &mut Journal, name: &str) {
    journal.note(&Event::FaultCleared { fault: name.into() }, &Moment::now()).unwrap();
}

struct Desk {
    folder: tempfile::TempDir,
    journal: Journal,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&folder.path().join("journal.db")).unwrap();
        Self { folder, journal }
    }

    fn spool(&self, epoch: &str) -> Spool {
        Spool::open(&self.folder.path().join("outbox.db"), &self.journal, epoch).unwrap()
    }
}

fn said(waiting: &[Waiting]) -> Vec<(u64, String)> {
    let fault = |w: &Waiting| serde_json::from_str::<serde_json::Value>(&w.body).unwrap()["data"]["fault"].clone();
    waiting.iter().map(|w| (w.seq, fault(w).as_str().unwrap_or("note").to_owned())).collect()
}

fn pairs(list: &[(u64, &str)]) -> Vec<(u64, String)> {
    list.iter().map(|&(seq, name)| (seq, name.to_owned())).collect()
}

#[test]
fn events_keep_their_numbers_over_restarts_and_leave_only_when_acknowledged() {
    let mut desk = Desk::new();
    note(&mut desk.journal, "a");
    note(&mut desk.journal, "b");
    let mut spool = desk.spool("first");
    spool.copy_from(&desk.journal).unwrap();
    spool.copy_from(&desk.journal).unwrap();
    assert_eq!(said(&spool.waiting(1, 10).unwrap()), pairs(&[(1, "a"), (2, "b")]));
    assert_eq!((spool.stored().unwrap(), spool.last()), (0, 2));
    spool.forget(2).unwrap();
    assert_eq!((spool.stored().unwrap(), spool.bytes()), (2, 0));
    drop(spool);
    note(&mut desk.journal, "c");
    let mut spool = desk.spool("second");
    assert_eq!(spool.epoch(), "first");
    spool.copy_from(&desk.journal).unwrap();
    assert_eq!(said(&spool.waiting(1, 10).unwrap()), pairs(&[(3, "c")]));
    assert_eq!((spool.stored().unwrap(), spool.last()), (2, 3));
    assert!(spool.waiting(3, 3).unwrap()[0].monotonic.is_some());
    let bytes = spool.bytes();
    assert_eq!(desk.spool("third").bytes(), bytes, "counted and kept count agree");
}

#[test]
fn what_was_forgotten_is_found_again_in_the_journal() {
    let mut desk = Desk::new();
    ["a", "b", "c", "d"].iter().for_each(|name| note(&mut desk.journal, name));
    let mut spool = desk.spool("first");
    spool.copy_from(&desk.journal).unwrap();
    let waiting = spool.waiting(1, 4).unwrap();
    spool.forget(4).unwrap();
    assert_eq!(spool.again(&desk.journal, 1, 4).unwrap(), waiting, "as it was, with its place in the chain");
    assert_eq!((&waiting[0].previous, waiting[2].previous.as_ref()), (&None, Some(&waiting[1].at)));
    assert_eq!(spool.again(&desk.journal, 3, 4).unwrap(), waiting[2..]);
    note(&mut desk.journal, "e");
    spool.copy_from(&desk.journal).unwrap();
    assert_eq!(spool.waiting(5, 5).unwrap()[0].previous.as_ref(), Some(&waiting[3].at));
    assert_eq!(said(&spool.again(&desk.journal, 2, 3).unwrap()), pairs(&[(2, "b"), (3, "c")]));
    assert_eq!(spool.again(&desk.journal, 4, 99).unwrap().len(), 2);
}

#[test]
fn any_range_of_a_long_journal_is_found_without_going_through_it() {
    let mut desk = Desk::new();
    let mut spool = desk.spool("first");
    // Copied in groups of any size, as a desk and its broker go.
    let mut told = Vec::new();
    for group in [1u64, 700, 1, 998, 1_000, 1_500] {
        (0..group).for_each(|_| note(&mut desk.journal, "x"));
        while spool.copy_from(&desk.journal).unwrap() {}
        told.extend(spool.waiting(told.len() as u64 + 1, u64::from(u32::MAX)).unwrap());
    }
    let last = told.len() as u64;
    spool.forget(last).unwrap();
    for from in (1..=last).step_by(97).chain([1_000, 1_001, 2_000, 2_001, last]) {
        let to = (from + 130).min(last);
        assert_eq!(spool.again(&desk.journal, from, to).unwrap(), told[from as usize - 1..to as usize], "{from}");
    }
    let landmarks = |spool: &Spool| -> Vec<(u64, i64)> {
        let mut query = spool.db.prepare("SELECT seq, journal FROM landmark").unwrap();
        query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().flatten().collect()
    };
    let set = landmarks(&spool);
    assert_eq!(set.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1_000, 2_000, 3_000, 4_000]);
    spool.db.execute_batch("DROP TABLE landmark; PRAGMA user_version = 2;").unwrap();
    drop(spool);
    let mut spool = desk.spool("second");
    assert_eq!(landmarks(&spool), set, "those of a file that knew none");
    spool.begin(&desk.journal, 1_500, "third").unwrap();
    while spool.copy_from(&desk.journal).unwrap() {}
    let at = |seq: u64| spool.again(&desk.journal, seq, seq).unwrap().remove(0).at;
    for seq in [1, 999, 1_000, 1_001, last - 1_499] {
        assert_eq!(at(seq), told[seq as usize + 1_498].at, "{seq} of the new epoch");
    }
}

#[test]
fn a_new_epoch_begins_with_the_event_it_is_told_to() {
    let mut desk = Desk::new();
    ["a", "b", "c", "d"].iter().for_each(|name| note(&mut desk.journal, name));
    let mut spool = desk.spool("first");
    spool.copy_from(&desk.journal).unwrap();
    spool.forget(3).unwrap();
    spool.begin(&desk.journal, 3, "second").unwrap();
    assert_eq!((spool.epoch(), spool.last()), ("second", 0));
    spool.copy_from(&desk.journal).unwrap();
    assert_eq!(said(&spool.waiting(1, 9).unwrap()), pairs(&[(1, "c"), (2, "d")]));
    assert_eq!(said(&spool.again(&desk.journal, 1, 1).unwrap()), pairs(&[(1, "c")]));
    spool.begin(&desk.journal, 1, "third").unwrap();
    spool.copy_from(&desk.journal).unwrap();
    assert_eq!(said(&spool.waiting(1, 9).unwrap()), pairs(&[(1, "c"), (2, "d")]));
}

#[test]
fn with_another_journal_a_new_epoch_begins_and_what_waited_comes_first() {
    let mut desk = Desk::new();
    ["a", "b", "c"].iter().for_each(|name| note(&mut desk.journal, name));
    let mut spool = desk.spool("first");
    spool.copy_from(&desk.journal).unwrap();
    spool.forget(1).unwrap();
    drop(spool);
    let folder = tempfile::tempdir().unwrap();
    desk.journal = Journal::open(&folder.path().join("journal.db")).unwrap();
    note(&mut desk.journal, "z");
    let mut spool = desk.spool("second");
    spool.copy_from(&desk.journal).unwrap();
    let waiting = spool.waiting(1, 9).unwrap();
    assert_eq!((spool.epoch(), said(&waiting)), ("second", pairs(&[(1, "b"), (2, "c"), (3, "z")])));
    assert_eq!((&waiting[0].previous, waiting[2].previous.as_ref()), (&None, Some(&waiting[1].at)));
    spool.forget(3).unwrap();
    assert_eq!(spool.again(&desk.journal, 1, 9).unwrap(), waiting, "found again although no journal has them");
    assert_eq!(spool.again(&desk.journal, 3, 3).unwrap(), waiting[2..]);
    assert_eq!(spool.again(&desk.journal, 2, 2).unwrap(), waiting[1..2]);
    spool.begin(&desk.journal, 2, "third").unwrap();
    spool.copy_from(&desk.journal).unwrap();
    assert_eq!(said(&spool.waiting(1, 9).unwrap()), pairs(&[(1, "c"), (2, "z")]));
    assert_eq!(desk.spool("fourth").epoch(), "third");
}

#[test]
fn a_journal_that_was_put_back_alone_loses_no_new_event() {
    let mut desk = Desk::new();
    ["a", "b"].iter().for_each(|name| note(&mut desk.journal, name));
    let file = desk.folder.path().join("journal.db");
    let copy = desk.folder.path().join("copy.db");
    rusqlite::Connection::open(&file).unwrap().execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    ["c", "d"].iter().for_each(|name| note(&mut desk.journal, name));
    let mut spool = desk.spool("first");
    spool.copy_from(&desk.journal).unwrap();
    spool.forget(3).unwrap();
    drop(spool);
    desk.journal = Journal::open(&copy).unwrap();
    ["x", "y", "z"].iter().for_each(|name| note(&mut desk.journal, name));
    let mut spool = desk.spool("second");
    spool.copy_from(&desk.journal).unwrap();
    assert_eq!(
        said(&spool.waiting(1, 9).unwrap()),
        pairs(&[(1, "d"), (2, "a"), (3, "b"), (4, "x"), (5, "y"), (6, "z")]),
        "what waited comes first, and everything of the journal again"
    );
}

#[test]
fn what_nobody_takes_is_kept_aside_and_its_number_has_a_note() {
    let mut desk = Desk::new();
    ["a", "b"].iter().for_each(|name| note(&mut desk.journal, name));
    let mut spool = desk.spool("first");
    spool.copy_from(&desk.journal).unwrap();
    for _ in 0..2 {
        spool.quarantine(&desk.journal, 1, "too large", "now").unwrap();
    }
    assert_eq!(said(&spool.waiting(1, 9).unwrap()), pairs(&[(1, "note"), (2, "b")]));
    assert_eq!(spool.quarantined().unwrap(), 1);
    spool.forget(2).unwrap();
    assert_eq!(said(&spool.again(&desk.journal, 1, 2).unwrap()), pairs(&[(1, "note"), (2, "b")]));
    let kept: String = spool.db.query_row("SELECT body FROM quarantine", [], |row| row.get(0)).unwrap();
    assert!(kept.contains("\"a\""), "the first word, not the note: {kept}");
}

#[test]
fn readings_wait_in_order_and_never_take_more_than_their_share() {
    let desk = Desk::new();
    let mut spool = desk.spool("first");
    for n in 0..2_000 {
        let reading = (Moment::now(), Reading::Room { celsius: f64::from(n), humidity: 50.0 });
        spool.keep_readings(&[reading], 20_000).unwrap();
        assert!(spool.bytes() <= 20_000 + 200, "{n}: {}", spool.bytes());
    }
    let kept = spool.readings(10_000).unwrap();
    let ids: Vec<_> = kept.iter().map(|k| k.id).collect();
    assert!(ids.is_sorted() && ids[0] == 1 && ids.last() == Some(&2_000), "{ids:?}");
    spool.forget_readings(2_000).unwrap();
    assert_eq!((spool.readings(9).unwrap(), spool.bytes()), (vec![], 0));
}

#[test]
fn a_file_of_version_1_is_carried_on() {
    let mut desk = Desk::new();
    ["a", "b", "c"].iter().for_each(|name| note(&mut desk.journal, name));
    let file = desk.folder.path().join("outbox.db");
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch(
            "CREATE TABLE waiting (seq INTEGER PRIMARY KEY, at TEXT NOT NULL, body TEXT NOT NULL) STRICT;
             CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), epoch TEXT NOT NULL, last_seq INTEGER NOT NULL, journal INTEGER NOT NULL) STRICT;
             INSERT INTO meta VALUES (1, 'old', 2, 2);
             INSERT INTO waiting VALUES (2, 'then', '{\"data\":{\"fault\":\"b\"}}');",
        )
        .unwrap();
    let mut spool = desk.spool("new");
    spool.copy_from(&desk.journal).unwrap();
    assert_eq!((spool.epoch(), spool.stored().unwrap()), ("old", 1));
    assert_eq!(said(&spool.waiting(1, 9).unwrap()), pairs(&[(2, "b"), (3, "c")]));
}
