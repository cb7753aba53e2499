//! What a scanner can do wrong in the middle of a batch. Every time: the pages before are kept, the page is not, the reason
//! is said, and the same command goes on where it stopped.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a story that cannot go on has failed

use hw_tests::{
    pages,
    scanner::VirtualScanner,
    station::{Setup, Station, journal},
    terminal::{feeder, station},
};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;
use virtual_scanner::desk::Settings;

fn scanner(folder: &TempDir, more: impl Fn(&mut Settings)) -> VirtualScanner {
    pages::write_numbered(&folder.path().join("pages"), 4).unwrap();
    let mut settings = Settings { dpi: 200, adf: true, ..Settings::new(&folder.path().join("pages"), 4) };
    more(&mut settings);
    VirtualScanner::create(folder.path(), settings).unwrap()
}

fn scan(scanner: &VirtualScanner, out: &Path, more: &[&str]) -> hw_tests::terminal::Said {
    let mut args = feeder(4, out);
    for option in more.chunks_exact(2) {
        match args.iter().position(|a| a == option[0]) {
            Some(at) => args[at + 1] = option[1].into(),
            None => args.extend([option[0].into(), option[1].into()]),
        }
    }
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    station(scanner, &args).unwrap()
}

fn numbers(out: &Path) -> Vec<u32> {
    let files = journal(&out.join(".platen/journal.db"), "1/1-1-1").unwrap();
    files.iter().map(|(file, _)| pages::number_of(&out.join(file)).unwrap()).collect()
}

/// The third page meets `fault`; the run must end with `says`, and the next one must finish the batch.
fn third_page_meets(fault: &str, says: &str, more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let scanner = scanner(&folder, |_| {});
    let out = folder.path().join("out");
    scanner.desk.write_faults(&format!("3 {fault}\n")).unwrap();
    let said = scan(&scanner, &out, more);
    assert_eq!(said.code, Some(1), "{fault}: {} {}", said.out, said.err);
    assert!(said.out.contains("MISSING:  2 pages of volume-0001, from page 3 on"), "{fault}: {}", said.out);
    assert!(said.out.contains(says), "{fault}: {}", said.out);
    assert_eq!(numbers(&out), [1, 2], "{fault}");
    // What the operator was asked to do.
    for flag in ["jammed", "unplugged", "double-feed"] {
        scanner.desk.set_flag(flag, false).unwrap();
    }
    scanner.desk.set_position(2).unwrap();
    let said = scan(&scanner, &out, &[]);
    assert_eq!(said.code, Some(0), "{fault}: {} {}", said.out, said.err);
    assert_eq!(numbers(&out), [1, 2, 3, 4], "{fault}");
}

#[test]
fn paper_faults() {
    third_page_meets("300 jam", "paper is jammed", &[]);
    third_page_meets("start sticky-jam", "paper is jammed", &[]);
    third_page_meets("300 double-feed", "two sheets were pulled in at once", &[]);
    third_page_meets("start cover", "the scanner's cover is open", &[]);
    third_page_meets("300 cover", "the scanner's cover is open", &[]);
    third_page_meets("start no-docs", "the feeder is empty", &[]);
    third_page_meets("300 no-docs", "the feeder is empty", &[]);
}

#[test]
fn pages_that_are_not_whole() {
    third_page_meets("300 eof", "the page was cut short", &[]);
    third_page_meets("300 flat-tail", "filled with flat grey", &[]);
}

#[test]
fn devices_and_drivers_that_fail() {
    third_page_meets("300 io", "did not answer as it should", &[]);
    third_page_meets("300 unplug", "did not answer as it should", &[]);
    third_page_meets("300 status:99", "answered 99, which SANE does not know", &[]);
    third_page_meets("start status:12", "the lamp is warming up", &[]);
    third_page_meets("300 segv", "the scanner's driver crashed (signal: 11", &[]);
    third_page_meets("start abort", "the scanner's driver crashed (signal: 6", &[]);
    third_page_meets("300 negative", "gave -1 bytes", &[]);
}

#[test]
fn drivers_that_hang() {
    third_page_meets("start hang", "stood still for 2 s", &["--stall", "2"]);
    third_page_meets("300 hang", "stood still for 2 s", &["--stall", "2"]);
    third_page_meets("300 zero", "stood still for 2 s", &["--stall", "2"]);
}

#[test]
fn odd_but_sound_transfers_give_whole_pages() {
    for (name, odd) in [
        ("padding", (|s| s.padding = 13) as fn(&mut Settings)),
        ("unknown lines", |s| s.unknown_lines = true),
        ("reads of 7 bytes", |s| s.chunk = 7),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let scanner = scanner(&folder, odd);
        scanner.desk.write_faults("2 300 stale\n").unwrap();
        let said = scan(&scanner, &folder.path().join("out"), &[]);
        assert_eq!(said.code, Some(0), "{name}: {} {}", said.out, said.err);
        assert_eq!(numbers(&folder.path().join("out")), [1, 2, 3, 4], "{name}");
    }
}

#[test]
fn settings_that_the_scanner_does_not_have_are_refused_with_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let scanner = scanner(&folder, |s| s.three_pass = true);
    let out = folder.path().join("out");
    let said = scan(&scanner, &out, &["--mode", "colour"]);
    assert!(said.out.contains("three passes"), "{} {}", said.out, said.err);
    let said = scan(&scanner, &out, &["--area", "a3"]);
    assert!(said.out.contains("up to 240 × 330 mm"), "{} {}", said.out, said.err);
    let said = scan(&scanner, &out, &["--device", "platen:other"]);
    assert!(said.out.contains("SANE finds platen:desk"), "{} {}", said.out, said.err);
    let said = scan(&scanner, &out, &["--dpi", "240"]);
    assert!(said.code == Some(2) && said.err.contains("one of 200, 300, 600"), "{}", said.err);
}

/// Faults before the first line: nothing is scanned, the reason is said, and the batch is done once it is gone.
#[test]
fn scanners_that_cannot_be_opened() {
    for (flag, says) in [
        ("busy", "the scanner is busy with another program"),
        ("denied", "the user must be in the group scanner"),
        ("unplugged", "SANE"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let scanner = scanner(&folder, |_| {});
        let out = folder.path().join("out");
        scanner.desk.set_flag(flag, true).unwrap();
        let said = scan(&scanner, &out, &[]);
        assert_eq!(said.code, Some(1), "{flag}: {} {}", said.out, said.err);
        let both = format!("{} {}", said.out, said.err);
        assert!(both.contains(says), "{flag}: {both}");
        assert!(numbers(&out).is_empty(), "{flag}");
        scanner.desk.set_flag(flag, false).unwrap();
        let said = scan(&scanner, &out, &[]);
        assert_eq!(said.code, Some(0), "{flag}: {} {}", said.out, said.err);
        assert_eq!(numbers(&out), [1, 2, 3, 4], "{flag}");
    }
}

#[test]
fn both_sides_of_a_sheet_are_pages_of_their_own_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let scanner = scanner(&folder, |_| {});
    let out = folder.path().join("out");
    let said = scan(&scanner, &out, &["--source", "duplex"]);
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    assert_eq!(numbers(&out), [1, 2, 3, 4]);
}

/// Two programs that number pages in one journal would give one number twice.
#[test]
fn a_second_program_on_the_same_journal_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    // Slow enough that the first is still at work when the second is.
    let scanner = scanner(&folder, |s| s.ppm = 60.0);
    let out = folder.path().join("out");
    let first = feeder(4, &out);
    let mut running = scanner
        .command(hw_tests::process::artifact("platen-station").unwrap())
        .args(&first)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    hw_tests::process::wait("the first program's journal", || {
        Ok(out.join(".platen/journal.db").exists().then_some(()))
    })
    .unwrap();
    let said = scan(&scanner, &out, &[]);
    assert!(
        said.code != Some(0) && said.err.contains("another platen-station is running"),
        "{} {}",
        said.out,
        said.err
    );
    assert!(running.wait().unwrap().success());
    assert_eq!(numbers(&out), [1, 2, 3, 4]);
}

#[test]
fn a_feeder_that_sees_paper_and_feeds_none_is_told_apart_from_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let scanner = scanner(&folder, |_| {});
    scanner.desk.write_faults("3 start no-docs\n").unwrap();
    let station = Station::start(path, &scanner, &Setup { source: "adf".into(), ..Setup::flatbed("desk-1") }).unwrap();
    station.plan("1/1-1-1", &[("A-1", "One", 5)]).unwrap();
    station.open("1/1-1-1").unwrap();
    let start = || assert_eq!(station.ask("start", &json!({})).unwrap().0, 200);
    let disagrees =
        |v: &Value| v["faults"].as_array().is_some_and(|f| f.iter().any(|f| f["name"] == "feeder-disagrees"));
    start();
    station.wait("the fault", |v| v["fault"]["name"] == "feeder-empty" && disagrees(v)).unwrap();
    // Pushed in, they are taken; then the feeder is empty indeed.
    scanner.desk.set_position(2).unwrap();
    start();
    let view = station.wait("the end of the sheets", |v| v["batch"]["pages"] == 4 && v["desk"] == "waiting").unwrap();
    assert!(!disagrees(&view), "{view}");
    station.wait("an empty feeder", |v| v["fault"]["name"] == "feeder-empty" && !disagrees(v)).unwrap();
}
