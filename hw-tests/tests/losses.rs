//! Nothing lost: 50,000 events while broker, station and two supervisors are killed again and again. Ten such runs:
//! `make losses`.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a story that cannot go on has failed

use hw_tests::losses;

#[test]
fn fifty_thousand_events_survive_thirty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = losses::run(folder.path(), 1, 50_000, 30).unwrap_or_else(|e| panic!("{e:#}"));
    println!("{outcome:?}");
    assert_eq!((outcome.lost, outcome.doubled), (0, 0));
    assert!(outcome.kills.iter().sum::<u32>() >= 30 && outcome.kills.iter().all(|&kills| kills > 0), "{outcome:?}");
}
