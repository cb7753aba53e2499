use super::{
    Plan, Volume,
    store::{Journal, StoreError},
};
use crate::moment::Moment;
use platen_protocol::uplink::{Event, Severity};

fn raised(fault: &str) -> Event {
    Event::FaultRaised { fault: fault.into(), text: String::new(), action: String::new(), severity: Severity::Operator }
}

fn cleared(fault: &str) -> Event {
    Event::FaultCleared { fault: fault.into() }
}

/// What an earlier run raised and could not clear is known at the next start, by a journal of the version before, too.
#[test]
fn faults_stand_until_they_are_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    let mut journal = Journal::open(&file).unwrap();
    for event in [raised("lid"), raised("lid"), raised("jam"), cleared("jam"), cleared("disk"), raised("board")] {
        journal.note(&event, &Moment::now()).unwrap();
    }
    assert_eq!(journal.standing_faults().unwrap(), ["board", "lid"]);
    drop(journal);
    let db = rusqlite::Connection::open(&file).unwrap();
    db.execute_batch("DROP TABLE standing; PRAGMA user_version = 3;").unwrap();
    drop(db);
    let mut journal = Journal::open(&file).unwrap();
    assert_eq!(journal.standing_faults().unwrap(), ["board", "lid"], "as its events tell");
    journal.note(&cleared("lid"), &Moment::now()).unwrap();
    assert_eq!(journal.standing_faults().unwrap(), ["board"]);
}

/// A journal as version 1 left it opens, keeps its pages, and is of the version of today.
#[test]
fn a_journal_of_the_version_before_is_carried_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    let volume = Volume { code: "1997-001".parse().unwrap(), title: "1997".into(), expected: 3 };
    let plan = Plan { batch: "1/1-1-1".parse().unwrap(), volumes: vec![volume] };
    {
        let mut journal = Journal::open(&file).unwrap();
        journal.open_batch(&plan, "li-na", &Moment::now()).unwrap();
    }
    {
        let db = rusqlite::Connection::open(&file).unwrap();
        db.execute_batch("DROP TABLE standing; ALTER TABLE page DROP COLUMN signature; ALTER TABLE batch DROP COLUMN on_desk; ALTER TABLE event DROP COLUMN monotonic;
             DROP TABLE identity; PRAGMA user_version = 1;").unwrap();
        db.execute(
            "INSERT INTO page (batch, volume, number, file, master, sha256, record, kept_at)
             VALUES (1, 0, 1, 'a.jpg', 'a.tif', '', '{}', '')",
            [],
        )
        .unwrap();
    }
    let journal = Journal::open(&file).unwrap();
    assert_eq!(journal.kept(&plan.batch).unwrap(), 1);
    assert_eq!(journal.signatures(&plan.batch).unwrap(), []);
    drop(journal);
    let db = rusqlite::Connection::open(&file).unwrap();
    db.execute_batch("PRAGMA user_version = 99;").unwrap();
    drop(db);
    assert!(matches!(Journal::open(&file), Err(StoreError::Version { found: 99, .. })));
}

/// Years of pages are read some at a time: each once, in their order, over batches and volumes.
#[test]
fn pages_are_read_some_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    let journal = Journal::open(&file).unwrap();
    let db = rusqlite::Connection::open(&file).unwrap();
    db.execute_batch(
        "INSERT INTO batch (name, plan, operator, opened_at) VALUES ('1/1-1-1', '', '', ''), ('1/1-1-2', '', '', '');
         WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2399)
         INSERT INTO page (batch, volume, number, file, master, sha256, record, kept_at)
         SELECT 2 - i % 2, i / 800, i % 800, i, '', '', '{\"page\":{\"n\":' || i || '}}', '' FROM n;",
    )
    .unwrap();
    let mut read = Vec::new();
    loop {
        let next = journal.pages_after(read.last().copied().unwrap_or_default()).unwrap();
        if next.is_empty() {
            break;
        }
        assert!(next.len() <= 1_000 && next.iter().all(|page| page.told == format!("{{\"n\":{}}}", page.file)));
        read.extend(next.into_iter().map(|page| page.place));
    }
    assert_eq!(read.len(), 2_400);
    assert!(read.is_sorted_by(|a, b| a < b), "in order, and none twice");
}
