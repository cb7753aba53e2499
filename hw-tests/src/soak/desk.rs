//! One desk of the shift: scans batch after batch, puts right what goes wrong, and counts what came of it.

use super::Shift;
use crate::{
    bad_disk::{BadDisk, Way},
    board::EmulatedBoard,
    chance::Chance,
    pages,
    process::wait_for,
    scanner::VirtualScanner,
    station::{Operator, Setup, Station},
    supervisor::Supervisor,
};
use anyhow::{Context, ensure};
use serde_json::json;
use std::{
    collections::{HashSet, VecDeque},
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};
use virtual_scanner::desk::Settings;

/// Sheets of a batch from the feeder, and from the glass.
const SHEETS: (u32, u32) = (40, 8);
/// With everything around it failing, a batch ends within this.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A feeder whose scanner and disk fail.
    Feeder,
    /// A feeder whose station is killed.
    KilledFeeder,
    /// A glass with a board whose lid is opened.
    Glass,
}

#[derive(Debug)]
pub(super) struct Desk {
    kind: Kind,
    name: &'static str,
    sheets: u32,
    folder: PathBuf,
    chance: Chance,
    scanner: VirtualScanner,
    board: Option<EmulatedBoard>,
    disk: BadDisk,
    station: Station,
    /// Batches whose pages the supervisor was not seen to have yet.
    uncounted: VecDeque<String>,
}

impl Desk {
    pub(super) fn new(folder: &Path, kind: Kind, ppm: f64, seed: u64, broker: &str, ups: &str) -> anyhow::Result<Self> {
        let (name, sheets) = match kind {
            Kind::Feeder => ("feeder", SHEETS.0),
            Kind::KilledFeeder => ("killed", SHEETS.0),
            Kind::Glass => ("glass", SHEETS.1),
        };
        let folder = folder.join(name);
        pages::write_numbered(&folder.join("pages"), sheets)?;
        let ppm = if kind == Kind::Glass { 120.0 } else { ppm };
        let settings =
            Settings { dpi: 200, ppm, adf: kind != Kind::Glass, ..Settings::new(&folder.join("pages"), sheets) };
        let scanner = VirtualScanner::create(&folder, settings)?;
        let board = (kind == Kind::Glass).then(|| EmulatedBoard::plug_in(&folder.join("board"))).transpose()?;
        let disk = BadDisk::new(&folder.join("disk"), &[folder.join("images"), folder.join("state")])?;
        let setup = Setup {
            source: if kind == Kind::Glass { "flatbed" } else { "adf" }.into(),
            board: board.as_ref().map(|board| board.path().into()),
            ups: Some(ups.into()),
            broker: Some(broker.into()),
            environment: disk.environment()?,
            ..Setup::flatbed(name)
        };
        let station = Station::start(&folder, &scanner, &setup)?;
        Ok(Self {
            kind,
            name,
            sheets,
            folder,
            chance: Chance::new(seed),
            scanner,
            board,
            disk,
            station,
            uncounted: VecDeque::new(),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.station.id()
    }

    /// Scans until the shift is over, and the last batch to its end.
    pub(super) fn work(&mut self, shift: &Shift, supervisor: &Supervisor) -> anyhow::Result<()> {
        let mut n = 0;
        while !shift.is_over() {
            n += 1;
            let batch = format!("{n}/{n}-1-1");
            self.batch(shift, &batch).with_context(|| format!("desk {}, batch {batch}", self.name))?;
            self.uncounted.push_back(batch);
            // A desk does not wait for the network.
            self.count_told(shift, supervisor)?;
        }
        wait_for(PATIENCE, "the supervisor", || {
            self.count_told(shift, supervisor)?;
            Ok(self.uncounted.is_empty().then_some(()))
        })
        .with_context(|| format!("desk {}: {:?}", self.name, self.uncounted))
    }

    fn count_told(&mut self, shift: &Shift, supervisor: &Supervisor) -> anyhow::Result<()> {
        while let Some(batch) = self.uncounted.front().cloned() {
            if supervisor.pages(self.name, &batch)?.len() < self.station.journal(&batch)?.len() {
                break;
            }
            self.count(shift, supervisor, &batch).with_context(|| format!("desk {}, batch {batch}", self.name))?;
            self.uncounted.pop_front();
        }
        Ok(())
    }

    fn batch(&mut self, shift: &Shift, batch: &str) -> anyhow::Result<()> {
        self.script(shift)?;
        self.station.plan(batch, &[("A-1", "One", self.sheets)])?;
        self.scanner.desk.set_position(0)?;
        wait_for(PATIENCE, "the batch to be opened", || match self.station.open(batch) {
            Ok(()) => Ok(Some(())),
            // A low battery has closed the desk for the moment.
            Err(_) if self.station.view()?["batch"]["batch"] == batch => Ok(Some(())),
            Err(error) => Err(error),
        })?;
        let mut began = std::time::Instant::now();
        let mut kept = 0;
        while !self.done(batch)? {
            match self.kind {
                Kind::Glass => self.glass(shift)?,
                Kind::Feeder | Kind::KilledFeeder => self.feeder(shift)?,
            }
            let now = self.station.kept()?;
            if now != kept {
                (kept, began) = (now, std::time::Instant::now());
            }
            ensure!(began.elapsed() < PATIENCE, "it stands still: {}", self.station.view()?);
            thread::sleep(Duration::from_millis(20));
        }
        self.disk.becomes(Way::Well)?;
        // A low battery may have closed it already.
        let closed = self.station.ask("close", &json!({}))?.0 == 200 || self.station.view()?["batch"].is_null();
        ensure!(closed, "the batch cannot be closed");
        fs::remove_file(self.folder.join("plans").join(format!("{batch}.csv")))?;
        Ok(())
    }

    fn done(&self, batch: &str) -> anyhow::Result<bool> {
        let view = self.station.view()?;
        // A low battery closes a batch that is complete for good, and one that is not until the mains are back.
        let closed = || Ok(view["batch"].is_null() && self.station.journal(batch)?.len() as u32 == self.sheets);
        if view["batch"]["batch"] == batch { Ok(view["batch"]["completed"] == true) } else { closed() }
    }

    /// What the scanner will do wrong in this batch.
    fn script(&mut self, shift: &Shift) -> anyhow::Result<()> {
        const FAULTS: [(&str, &str); 5] = [
            ("paper jam", "300 jam"),
            ("double feed", "300 double-feed"),
            ("scanner error", "300 io"),
            ("driver crashed", "300 segv"),
            ("page cut short", "300 eof"),
        ];
        let mut script = String::new();
        if self.kind == Kind::Feeder && self.chance.once_in(2) {
            let (name, act) = FAULTS[self.chance.below(FAULTS.len() as u64) as usize];
            script = format!("{} {act}\n", self.chance.between(1, u64::from(self.sheets)));
            shift.fault(name);
        }
        Ok(self.scanner.desk.write_faults(&script)?)
    }

    /// Somebody looks at the feeder: puts right what is wrong, lays the sheets that are asked for, and presses start.
    fn feeder(&mut self, shift: &Shift) -> anyhow::Result<()> {
        if self.kind == Kind::KilledFeeder && self.chance.once_in(600) {
            shift.kill("station");
            self.station.kill_and_restart(&self.scanner)?;
        }
        if self.kind == Kind::Feeder && self.chance.once_in(400) {
            let ways = [
                (Way::Full, "disk full"),
                (Way::ReadOnly, "disk read-only"),
                (Way::Broken, "disk errors"),
                (Way::Slow, "disk slow"),
            ];
            let (way, name) = ways[self.chance.below(4) as usize];
            shift.fault(name);
            self.disk.becomes(way)?;
            thread::sleep(Duration::from_millis(self.chance.between(500, 4_000)));
            self.disk.becomes(Way::Well)?;
        }
        let view = self.station.view()?;
        let idle = view["desk"] == "waiting" && view["saving"] == 0 && view["holds"] == json!([]);
        if idle && !view["batch"].is_null() {
            for flag in ["jammed", "unplugged", "double-feed"] {
                self.scanner.desk.set_flag(flag, false)?;
            }
            // Which sheets lie in the feeder is only known while nothing moves.
            let kept = view["batch"]["pages"].as_u64().unwrap_or(0);
            self.scanner.desk.set_position(u32::try_from(kept)?)?;
            // Refused if something has come in between; then it is looked at again.
            self.station.ask("start", &json!({}))?;
        }
        Ok(())
    }

    /// Lays the page that is asked for and presses start; now and then the lid is opened too early.
    fn glass(&mut self, shift: &Shift) -> anyhow::Result<()> {
        let Some(board) = &self.board else { return Ok(()) };
        let view = self.station.view()?;
        let Some(next) = view["next"]["number"].as_u64().filter(|_| view["desk"] == "waiting" && view["saving"] == 0)
        else {
            return Ok(());
        };
        let troubles = |view: &serde_json::Value| view["holds"].as_array().map_or(0, Vec::len);
        let power = |view: &serde_json::Value| {
            view["holds"]
                .as_array()
                .is_some_and(|h| h.iter().any(|h| h["name"] == "on-battery" || h["name"] == "battery-low"))
        };
        if power(&view) {
            return Ok(());
        }
        if self.chance.once_in(30) {
            shift.fault("board unplugged");
            board.plugged(false);
            self.station.wait("the board's absence", |v| troubles(v) > 0)?;
            board.plugged(true);
        }
        let operator = Operator { station: &self.station, board, desk: &self.scanner.desk };
        board.lid(false);
        board.corner(false, false);
        operator.desk.lay(u32::try_from(next - 1)?)?;
        // The hand takes its time, so that the board sees the lid move.
        thread::sleep(Duration::from_millis(120));
        board.corner(true, true);
        board.lid(true);
        let ready = |v: &serde_json::Value| v["holds"] == json!([]) || power(v) || v["batch"].is_null();
        self.station.wait("the desk to be ready", ready)?;
        let opens = self.chance.once_in(6);
        board.press();
        if opens {
            shift.fault("lid opened");
            thread::sleep(Duration::from_millis(self.chance.between(20, 400)));
            board.open_for(Duration::from_millis(self.chance.between(8, 300)));
        }
        // Kept, void, or never begun: the next look at the desk tells.
        thread::sleep(Duration::from_millis(250));
        self.station.wait("the pass to end", |v| {
            v["desk"] != "scanning" && v["desk"] != "arming" && v["desk"] != "certifying"
        })?;
        Ok(())
    }

    /// Every image is what it should be, the supervisor has every page once, and the images make room for the next batch.
    fn count(&self, shift: &Shift, supervisor: &Supervisor, batch: &str) -> anyhow::Result<()> {
        let journal = self.station.journal(batch)?;
        let mut wrong = u64::from(journal.len() as u32 != self.sheets);
        for (n, (file, _)) in (1..).zip(&journal) {
            let image = pages::number_of(&self.station.out.join(file)).unwrap_or(0);
            wrong += u64::from(image != n || !file.ends_with(&format!("/{n:04}.jpg")));
        }
        let told = supervisor.pages(self.name, batch)?;
        let lost = told.iter().zip(&journal).filter(|(told, kept)| told.2 != kept.1).count() as u64;
        // Each page was told in one event, however often that was sent.
        let events: u64 = supervisor.database()?.query_row(
            "SELECT count(*) FROM event WHERE station = ?1 AND type = 'platen.page.accepted' AND json_extract(body, '$.batch') = ?2",
            [self.name, batch],
            |row| row.get(0),
        )?;
        let different: HashSet<_> = told.iter().map(|page| (&page.0, page.1)).collect();
        let doubled = events.saturating_sub(different.len() as u64);
        shift.note(|ledger| {
            ledger.pages += journal.len() as u64;
            ledger.batches += 1;
            ledger.lost += lost + wrong;
            ledger.doubled += doubled;
        });
        let large = batch.split('/').next().context("a batch has a large batch")?;
        Ok(fs::remove_dir_all(self.station.out.join(large))?)
    }
}
