//! A desk with a flatbed, a board and an open batch of numbered pages: where most stories of the glass begin.

use crate::{
    board::{EmulatedBoard, Kind},
    pages,
    scanner::VirtualScanner,
    station::{Operator, Setup, Station},
};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;
use virtual_scanner::desk::Settings;

/// The open batch.
pub const BATCH: &str = "1/1-6-2";
/// Its only volume.
pub const VOLUME: &str = "1997-民-0014-0025";

/// The desk.
#[derive(Debug)]
pub struct FlatbedDesk {
    /// Everything that was written.
    pub folder: TempDir,
    /// The scanner.
    pub scanner: VirtualScanner,
    /// The sensor board.
    pub board: EmulatedBoard,
    /// The station.
    pub station: Station,
}

impl FlatbedDesk {
    /// A batch of `pages` pages, scanned at `ppm` pages a minute (0: as fast as memory).
    pub fn new(pages: u32, ppm: f64) -> anyhow::Result<Self> {
        Self::with(pages, ppm, |_, _| Ok(()))
    }

    /// The same with a board of this kind.
    pub fn of(kind: Kind, pages: u32, ppm: f64) -> anyhow::Result<Self> {
        Self::build(kind, pages, ppm, |_, _| Ok(()))
    }

    /// The same on a station that `change` sets up; it is given the desk's folder.
    pub fn with(
        pages: u32,
        ppm: f64,
        change: impl FnOnce(&mut Setup, &Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        Self::build(Kind::Core, pages, ppm, change)
    }

    fn build(
        kind: Kind,
        pages: u32,
        ppm: f64,
        change: impl FnOnce(&mut Setup, &Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        pages::write_numbered(&folder.path().join("pages"), pages)?;
        let settings = Settings { ppm, dpi: 200, ..Settings::new(&folder.path().join("pages"), pages) };
        let scanner = VirtualScanner::create(folder.path(), settings)?;
        let board = EmulatedBoard::plug_in_a(kind, &folder.path().join("board"))?;
        let mut setup = Setup { board: Some(board.path().into()), ..Setup::flatbed("desk-1") };
        change(&mut setup, folder.path())?;
        let station = Station::start(folder.path(), &scanner, &setup)?;
        station.plan(BATCH, &[(VOLUME, "婚姻登记", pages)])?;
        station.open(BATCH)?;
        Ok(Self { folder, scanner, board, station })
    }

    /// Who works at it.
    #[must_use]
    pub fn operator(&self) -> Operator<'_> {
        Operator { station: &self.station, board: &self.board, desk: &self.scanner.desk }
    }

    /// The numbers that the kept images carry, in the order of their names.
    pub fn numbers(&self) -> anyhow::Result<Vec<u32>> {
        let files = self.station.journal(BATCH)?;
        files.iter().map(|(file, _)| pages::number_of(&self.station.out.join(file))).collect()
    }

    /// Does something, and waits until it stands against a start: the page says why in both languages, and a start is
    /// refused.
    pub fn hold_after(&self, change: impl Fn(), name: &str) -> anyhow::Result<()> {
        change();
        let has = |list: &Value| list.as_array().is_some_and(|holds| holds.iter().any(|hold| hold["name"] == name));
        self.station.wait(name, |v| has(&v["holds"]))?;
        let (status, answer) = self.station.ask("start", &json!({}))?;
        anyhow::ensure!(status == 409 && has(&answer["refused"]), "{name}: {status} {answer}");
        for words in answer["refused"].as_array().into_iter().flatten() {
            for text in [&words["text"]["en"], &words["text"]["zh"], &words["action"]["en"], &words["action"]["zh"]] {
                anyhow::ensure!(text.as_str().is_some_and(|t| t.len() > 3), "{answer}");
            }
        }
        let desk = &self.station.view()?["desk"];
        anyhow::ensure!(desk == "waiting", "{desk}");
        Ok(())
    }

    /// Waits until a fault with this name is shown, or until it is not.
    pub fn fault(&self, name: &str, shown: bool) -> anyhow::Result<Value> {
        let has = |v: &Value| v["faults"].as_array().is_some_and(|faults| faults.iter().any(|f| f["name"] == name));
        self.station.wait(name, |v| has(v) == shown)
    }
}
