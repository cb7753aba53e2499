//! The station is killed with SIGKILL at every step of a page, and started again. After each kill: what was told is in the
//! journal, image numbers run 1..n, and the batch is finished by running the same command again, with every page there
//! once and every event at the supervisor once.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a story that cannot go on has failed

use hw_tests::{
    pages,
    process::artifact,
    scanner::VirtualScanner,
    station::{events_in, journal},
    supervisor::{SITE, Supervisor},
    terminal::{Said, feeder, run},
};
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst},
};
use virtual_scanner::desk::Settings;

const PAGES: u32 = 3;
const BATCH: &str = "1/1-1-1";
/// Points of the default sweep; `PLATEN_SWEEP=all` takes every single one.
const POINTS: u32 = 240;

struct Sweep<'a> {
    folder: &'a Path,
    supervisor: &'a Supervisor,
}

impl Sweep<'_> {
    fn scanner(&self, hand: usize) -> VirtualScanner {
        let settings = Settings { dpi: 200, adf: true, ..Settings::new(&self.folder.join("pages"), PAGES) };
        VirtualScanner::create(&self.folder.join(format!("scanner-{hand}")), settings).unwrap()
    }

    fn scan(&self, scanner: &VirtualScanner, name: &str, kill_at: Option<u32>) -> Said {
        let mut command = scanner.command(artifact("platen-station").unwrap());
        command.args(feeder(PAGES, &self.folder.join(name))).args(["--site", SITE, "--station", name]);
        command.args(["--broker", &self.supervisor.broker]);
        if let Some(point) = kill_at {
            let switch = artifact("libkill_switch.so").unwrap();
            command.env("LD_PRELOAD", switch).env("KILL_AT", point.to_string());
        }
        run(&mut command).unwrap()
    }

    /// Kills at `point`, looks, goes on, looks again. Answers whether the point was reached.
    fn kill_at(&self, scanner: &VirtualScanner, hand: usize, point: u32) -> bool {
        let name = format!("hand-{hand}-{point}");
        let out = self.folder.join(&name);
        scanner.desk.set_position(0).unwrap();
        let said = self.scan(scanner, &name, Some(point));
        let killed = said.code.is_none();
        let kept = if out.join(".platen/journal.db").exists() { check_numbers(&out, point) } else { 0 };
        for told in said.err.lines().filter(|l| l.contains("turned")) {
            let file = told.split_whitespace().next().unwrap();
            let journal = journal(&out.join(".platen/journal.db"), BATCH).unwrap();
            assert!(journal.iter().any(|(f, _)| f == file), "point {point}: {file} was told but is not kept");
        }
        // The operator puts back what the screen asks for, and runs the same command again.
        scanner.desk.set_position(kept).unwrap();
        if kept < PAGES || killed {
            let said = self.scan(scanner, &name, None);
            assert_eq!(said.code, Some(0), "point {point}: {} {}", said.out, said.err);
        }
        self.check_whole(&name, point);
        fs::remove_dir_all(&out).unwrap();
        killed
    }

    /// Truths 1, 2 and 5 on a finished batch.
    fn check_whole(&self, name: &str, point: u32) {
        let out = self.folder.join(name);
        assert_eq!(check_numbers(&out, point), PAGES, "point {point}");
        let folder = out.join(BATCH).join("volume-0001");
        for (folder, extension) in [(folder.clone(), "jpg"), (folder.join("master"), "tif")] {
            let names: BTreeSet<_> = fs::read_dir(folder)
                .unwrap()
                .map(|e| e.unwrap())
                .filter(|e| e.path().is_file())
                .map(|e| e.file_name().into_string().unwrap())
                .collect();
            let expected = (1..=PAGES).map(|n| format!("{n:04}.{extension}")).collect();
            assert_eq!(names, expected, "point {point}");
        }
        assert!(out.join(BATCH).join("tracking-sheet.xlsx").is_file(), "point {point}");
        let told = hw_tests::process::wait("the supervisor", || {
            let told = self.supervisor.pages(name, BATCH)?;
            Ok((told.len() == PAGES as usize).then_some(told))
        });
        let told: Vec<_> = told.unwrap_or_else(|e| panic!("point {point}: {e:#}")).into_iter().map(|p| p.2).collect();
        let kept: Vec<_> = journal(&out.join(".platen/journal.db"), BATCH).unwrap().into_iter().map(|p| p.1).collect();
        assert_eq!(told, kept, "point {point}");
        let written = events_in(&out.join(".platen/journal.db")).unwrap();
        let stored = hw_tests::process::wait("the last event", || {
            let stored: (u32, u32, u32) = self.supervisor.database()?.query_row(
                "SELECT count(*), max(seq), count(*) FILTER (WHERE type = 'platen.page.accepted') FROM event WHERE station = ?1",
                [name],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?;
            Ok((stored.1 >= written).then_some(stored))
        });
        let stored = stored.unwrap_or_else(|e| panic!("point {point}: {e:#}"));
        assert_eq!(stored, (written, written, PAGES), "point {point}: every event once, without a gap");
    }
}

/// The journal's pages are 1..n, each with a whole file that carries its own number. Answers n.
fn check_numbers(out: &Path, point: u32) -> u32 {
    let Ok(kept) = journal(&out.join(".platen/journal.db"), BATCH) else {
        // Killed before the tables were made.
        return 0;
    };
    for (n, (file, _)) in (1..).zip(&kept) {
        assert!(file.ends_with(&format!("/{n:04}.jpg")), "point {point}: {kept:?}");
        assert_eq!(pages::number_of(&out.join(file)).unwrap(), n, "point {point}: {file}");
    }
    kept.len() as u32
}

#[test]
fn no_page_is_lost_doubled_or_renumbered_wherever_the_station_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    pages::write_numbered(&folder.path().join("pages"), PAGES).unwrap();
    let supervisor = Supervisor::start(&folder.path().join("supervisor"), 0, 0).unwrap();
    let sweep = Sweep { folder: folder.path(), supervisor: &supervisor };

    // How many points there are: the first that is not reached, found by doubling and halving.
    let probe = sweep.scanner(0);
    let mut end = 64;
    while sweep.kill_at(&probe, 0, end) {
        end *= 2;
    }
    let (mut reached, mut missed) = (end / 2, end);
    while missed - reached > 8 {
        let middle = (reached + missed) / 2;
        if sweep.kill_at(&probe, 0, middle) { reached = middle } else { missed = middle }
    }
    let step = match std::env::var("PLATEN_SWEEP") {
        Ok(all) if all == "all" => 1,
        _ => (reached / POINTS).max(1),
    };
    let (next, killed) = (AtomicU32::new(1), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for hand in 1..=2 {
            let (sweep, next, killed) = (&sweep, &next, &killed);
            scope.spawn(move || {
                let scanner = sweep.scanner(hand);
                loop {
                    let point = next.fetch_add(step, SeqCst);
                    if point > reached {
                        return;
                    }
                    killed.fetch_add(usize::from(sweep.kill_at(&scanner, hand, point)), SeqCst);
                }
            });
        }
    });
    let killed = killed.load(SeqCst);
    println!("killed at {killed} points of {reached}");
    assert!(killed >= 200, "only {killed} kills of {reached} points");
}
