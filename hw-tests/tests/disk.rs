//! Disks that fail: scanning pauses between two pages with a plain word, nothing is lost, and it goes on by itself.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a story that cannot go on has failed

use hw_tests::{
    bad_disk::{BadDisk, Way},
    board::EmulatedBoard,
    pages,
    process::{PATIENCE, wait, wait_for},
    scanner::VirtualScanner,
    station::{Setup, Station},
    supervisor::Supervisor,
};
use serde_json::json;
use std::{
    fs::{self, File},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use virtual_scanner::desk::Settings;

const BATCH: &str = "3/3-1-1";

struct House {
    _folder: TempDir,
    supervisor: Supervisor,
    scanner: VirtualScanner,
    station: Station,
    disk: BadDisk,
}

/// A feeder with so many sheets, and a station whose disk can be made to fail.
fn house(sheets: u32) -> House {
    house_failing_at(sheets, &["images", "state"])
}

/// The same with a disk that fails in some of the station's folders only.
fn house_failing_at(sheets: u32, folders: &[&str]) -> House {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    pages::write_numbered(&path.join("pages"), sheets).unwrap();
    let supervisor = Supervisor::start(&path.join("supervisor"), 0, 0).unwrap();
    let settings = Settings { dpi: 200, ppm: 240.0, adf: true, ..Settings::new(&path.join("pages"), sheets) };
    let scanner = VirtualScanner::create(path, settings).unwrap();
    let disk = BadDisk::new(&path.join("disk"), &folders.iter().map(|f| path.join(f)).collect::<Vec<_>>()).unwrap();
    let setup = Setup {
        source: "adf".into(),
        broker: Some(supervisor.broker.clone()),
        more: "reserve_mib = 1\n".into(),
        environment: disk.environment().unwrap(),
        ..Setup::flatbed("desk-3")
    };
    let station = Station::start(path, &scanner, &setup).unwrap();
    station.plan(BATCH, &[("A-1", "One", sheets)]).unwrap();
    station.open(BATCH).unwrap();
    House { _folder: folder, supervisor, scanner, station, disk }
}

impl House {
    fn start_and_wait(&self, pages: u64) {
        assert_eq!(self.station.ask("start", &json!({})).unwrap().0, 200);
        self.station.wait("the first pages", |v| v["batch"]["pages"].as_u64() >= Some(pages)).unwrap();
    }

    /// The batch is whole: every number once, each with its own image, and the supervisor knows every page and every event.
    fn is_whole(&self, sheets: u32) {
        let done = wait_for(Duration::from_secs(60), "the batch", || {
            Ok((self.station.view()?["batch"]["completed"] == true).then_some(()))
        });
        done.unwrap_or_else(|e| panic!("{e:#}: {}", self.station.view().unwrap()));
        let journal = self.station.journal(BATCH).unwrap();
        for (n, (file, _)) in (1..).zip(&journal) {
            assert!(file.ends_with(&format!("/{n:04}.jpg")), "{journal:?}");
            assert_eq!(pages::number_of(&self.station.out.join(file)).unwrap(), n, "{file}");
        }
        assert_eq!(journal.len(), sheets as usize);
        let hashes: Vec<_> = journal.into_iter().map(|page| page.1).collect();
        wait("the supervisor", || {
            let told = self.supervisor.pages("desk-3", BATCH)?;
            Ok((told.into_iter().map(|page| page.2).collect::<Vec<_>>() == hashes).then_some(()))
        })
        .unwrap();
        let files = Command::new(hw_tests::process::artifact("platen-station").unwrap())
            .args(["journal", "--check-files", "--config"])
            .arg(self.station.config())
            .output()
            .unwrap();
        assert!(files.status.success(), "{}", String::from_utf8_lossy(&files.stderr));
    }
}

#[test]
fn a_disk_that_fails_pauses_the_feeder_between_two_sheets_and_every_sheet_is_kept_when_it_is_well_again() {
    for (way, name) in [(Way::Full, "disk-full"), (Way::ReadOnly, "disk-read-only"), (Way::Broken, "disk-error")] {
        let house = house(12);
        house.start_and_wait(3);
        house.disk.becomes(way).unwrap();
        let view = house.station.wait("the hold", |v| v["holds"][0]["name"] == name).unwrap();
        let action = view["holds"][0]["action"]["en"].as_str().unwrap();
        assert!(action.contains("goes on by itself"), "{view}");
        // The sheets on their way are scanned to their end and wait; no other is begun.
        house.station.wait("the feeder to stand still", |v| v["desk"] != "scanning").unwrap();
        let fed = house.scanner.desk.position();
        assert!(fed < 12, "the whole feeder ran through a dead disk");
        let (status, answer) = house.station.ask("start", &json!({})).unwrap();
        assert!(status == 409 && answer.to_string().contains(name), "{status} {answer}");
        assert_eq!(house.scanner.desk.position(), fed);
        house.disk.becomes(Way::Well).unwrap();
        house.is_whole(12);
        let faults = house.station.faults().unwrap();
        assert_eq!(faults.iter().filter(|fault| *fault == name).count(), 2, "raised and cleared: {faults:?}");
        let voids: u32 =
            house.supervisor.database().unwrap().query_row("SELECT count(*) FROM void", [], |row| row.get(0)).unwrap();
        assert_eq!(voids, 0, "no sheet had to be fed again");
    }
}

#[test]
fn a_folder_that_fails_on_a_disk_that_is_well_is_tried_again_until_it_takes_the_page() {
    let house = house_failing_at(6, &["images/3"]);
    house.start_and_wait(2);
    house.disk.becomes(Way::Broken).unwrap();
    house.station.wait("the hold", |v| v["holds"][0]["name"] == "disk-error").unwrap();
    house.station.wait("the feeder to stand still", |v| v["desk"] != "scanning").unwrap();
    // The probe of the disk finds nothing wrong all the while, and the hold stands.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        let view = house.station.view().unwrap();
        assert_eq!(view["holds"][0]["name"], "disk-error", "{view}");
    }
    house.disk.becomes(Way::Well).unwrap();
    house.is_whole(6);
}

#[test]
fn readings_that_a_broken_disk_does_not_take_are_told_on_the_spot_or_wait_until_somebody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    pages::write_numbered(&path.join("pages"), 1).unwrap();
    let mut supervisor = Supervisor::start(&path.join("supervisor"), 0, 0).unwrap();
    let scanner = VirtualScanner::create(path, Settings::new(&path.join("pages"), 1)).unwrap();
    let board = EmulatedBoard::plug_in(&path.join("board")).unwrap();
    let disk = BadDisk::new(&path.join("disk"), &[path.join("state")]).unwrap();
    let setup = Setup {
        board: Some(board.path().into()),
        broker: Some(supervisor.broker.clone()),
        environment: disk.environment().unwrap(),
        ..Setup::flatbed("desk-3")
    };
    let station = Station::start(path, &scanner, &setup).unwrap();
    let stored = |supervisor: &Supervisor, celsius: f64, times: u32| {
        wait_for(2 * PATIENCE, "the readings", || {
            let room = "SELECT count(*) FROM room WHERE celsius = ?1";
            let n: u32 = supervisor.database()?.query_row(room, [celsius], |row| row.get(0))?;
            Ok((n >= times).then_some(()))
        })
        .unwrap();
    };
    board.climate(Ok((18_500, 44_000)));
    stored(&supervisor, 18.5, 1);

    disk.becomes(Way::Broken).unwrap();
    station.wait("the hold", |v| v["holds"].to_string().contains("disk-error")).unwrap();
    board.climate(Ok((17_500, 44_000)));
    stored(&supervisor, 17.5, 2);
    assert_eq!(supervisor.snapshot().unwrap()["stations"][0]["online"], true);

    // Nobody listens, and nothing can be written down: what is read waits in memory.
    supervisor.kill();
    board.climate(Ok((16_500, 44_000)));
    station.wait("the reading", |v| v["room"]["celsius"] == 16.5).unwrap();
    board.climate(Ok((15_500, 44_000)));
    station.wait("the next", |v| v["room"]["celsius"] == 15.5).unwrap();
    supervisor.revive().unwrap();
    disk.becomes(Way::Well).unwrap();
    stored(&supervisor, 16.5, 1);
    stored(&supervisor, 15.5, 1);
}

#[test]
fn a_station_that_is_killed_on_a_dead_disk_goes_on_where_it_was() {
    let mut house = house(8);
    house.start_and_wait(2);
    house.disk.becomes(Way::Broken).unwrap();
    house.station.wait("the hold", |v| v["holds"][0]["name"] == "disk-error").unwrap();
    house.station.wait("the feeder to stand still", |v| v["desk"] != "scanning").unwrap();
    house.station.kill();
    let kept = house.station.journal(BATCH).unwrap().len() as u32;
    house.disk.becomes(Way::Well).unwrap();
    house.station.kill_and_restart(&house.scanner).unwrap();
    house.station.wait("the batch to go on by itself", |v| v["batch"]["batch"] == BATCH).unwrap();
    // Sheets that were scanned and not kept must be fed again: their numbers are asked for.
    let view = house.station.view().unwrap();
    assert_eq!(view["next"]["number"], json!(kept + 1));
    house.scanner.desk.set_position(kept).unwrap();
    assert_eq!(house.station.ask("start", &json!({})).unwrap().0, 200);
    house.is_whole(8);
}

#[test]
fn a_slow_disk_makes_pages_slow_says_so_and_loses_none() {
    let house = house(3);
    house.disk.becomes(Way::Slow).unwrap();
    assert_eq!(house.station.ask("start", &json!({})).unwrap().0, 200);
    let told = |shown: bool| {
        wait_for(Duration::from_secs(60), "the disk's fault", || {
            let view = house.station.view()?;
            let fault = view["faults"].as_array().and_then(|f| f.iter().find(|f| f["name"] == "disk-slow").cloned());
            Ok((fault.is_some() == shown).then(|| fault.unwrap_or_default()))
        })
    };
    let fault = told(true).unwrap();
    assert!(fault["text"]["en"].as_str().unwrap().starts_with("a write took 1."), "{fault}");
    house.is_whole(3);
    house.disk.becomes(Way::Well).unwrap();
    told(false).unwrap();
}

#[test]
fn a_disk_that_is_nearly_full_stops_the_next_page_before_it_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=96m", "tmpfs"]).arg(&small).status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: a small file system cannot be mounted here");
        return;
    }
    let _mounted = Mounted(&small);
    pages::write_numbered(&folder.path().join("pages"), 3).unwrap();
    let settings = Settings { dpi: 200, adf: true, ..Settings::new(&folder.path().join("pages"), 3) };
    let scanner = VirtualScanner::create(folder.path(), settings).unwrap();
    let setup = Setup { source: "adf".into(), more: "reserve_mib = 40\n".into(), ..Setup::flatbed("desk-3") };
    let station = Station::start(&small, &scanner, &setup).unwrap();
    station.plan(BATCH, &[("A-1", "One", 3)]).unwrap();
    station.open(BATCH).unwrap();
    let filler = small.join("filler");
    File::create(&filler).unwrap().set_len(0).unwrap();
    fs::write(&filler, vec![1; 60 << 20]).unwrap();
    let view = station.wait("the hold", |v| v["holds"][0]["name"] == "disk-full").unwrap();
    assert!(view["holds"][0]["text"]["en"].as_str().unwrap().contains("40 are needed"), "{view}");
    assert_eq!(station.ask("start", &json!({})).unwrap().0, 409);
    fs::remove_file(&filler).unwrap();
    station.wait("room", |v| v["holds"] == json!([])).unwrap();
    assert_eq!(station.ask("start", &json!({})).unwrap().0, 200);
    station.wait("a page", |v| v["batch"]["pages"].as_u64() >= Some(1)).unwrap();
}

struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
