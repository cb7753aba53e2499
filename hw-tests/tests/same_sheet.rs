//! A sheet that is scanned twice in a volume is recognised, also when the station was started anew in between.

#![allow(clippy::unwrap_used)] // a story that cannot go on has failed

use hw_tests::{
    pages::samples,
    process::artifact,
    scanner::{DEVICE, VirtualScanner},
    terminal::{Said, run},
};
use serde_json::Value;
use std::{fs, path::Path};
use virtual_scanner::desk::Settings;

/// Feeds these sample pages into a batch of four.
fn feed(folder: &Path, hand: &str, pages: &[&str]) -> Said {
    let sheets = folder.join(hand);
    fs::create_dir_all(&sheets).unwrap();
    for (i, page) in pages.iter().enumerate() {
        fs::copy(samples().join(page), sheets.join(format!("{i}.jpg"))).unwrap();
    }
    let settings = Settings { adf: true, ..Settings::new(&sheets, pages.len() as u32) };
    let scanner = VirtualScanner::create(&folder.join(format!("scanner-{hand}")), settings).unwrap();
    let mut command = scanner.command(artifact("platen-station").unwrap());
    command.args(["scan", "--device", DEVICE, "--source", "adf", "--mode", "colour", "--dpi", "300", "--area", "a4"]);
    run(command.args(["--pages", "4", "--out"]).arg(folder.join("out"))).unwrap()
}

#[test]
fn the_same_sheet_again_is_flagged_with_the_page_that_shows_it_first() {
    let folder = tempfile::tempdir().unwrap();
    let first = feed(folder.path(), "first", &["dup_0004.jpg", "typical_0005.jpg", "blank_0000.jpg"]);
    assert!(first.out.contains("3 blank"), "{}", first.out);
    assert!(!first.out.contains("same-sheet"), "other sheets were taken for it: {}", first.out);
    let second = feed(folder.path(), "second", &["dup_0005.jpg"]);
    assert_eq!(second.code, Some(0), "{}{}", second.out, second.err);
    let flags = second.out.lines().find(|line| line.starts_with("flags:")).unwrap_or_default();
    assert!(flags.contains("  4 ") && flags.ends_with("same-sheet"), "{}", second.out);

    let db = rusqlite::Connection::open(folder.path().join("out/.platen/journal.db")).unwrap();
    let record: String = db.query_row("SELECT record FROM page WHERE number = 4", [], |row| row.get(0)).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    let flags = record["page"]["flags"].as_array().unwrap();
    assert!(record["page"]["same_as"] == 1 && flags.contains(&"same-sheet".into()), "{record}");
}
