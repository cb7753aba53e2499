//! A whole house: a supervisor with its own broker, and a flatbed desk with a board, a UPS and an open batch of numbered pages.

use crate::{
    board::EmulatedBoard,
    pages,
    process::wait,
    scanner::VirtualScanner,
    station::{Operator, Setup, Station},
    supervisor::{self, Supervisor},
    ups::Ups,
};
use anyhow::Context;
use serde_json::Value;
use tempfile::TempDir;
use virtual_scanner::desk::Settings;

/// Name of its station.
pub const DESK: &str = "desk-7";
/// The open batch: one page in its first volume, the others in the second.
pub const BATCH: &str = "2/2-1-1";

/// The house.
#[derive(Debug)]
pub struct House {
    /// Everything that was written.
    pub folder: TempDir,
    /// The supervisor.
    pub supervisor: Supervisor,
    /// The scanner.
    pub scanner: VirtualScanner,
    /// The sensor board.
    pub board: EmulatedBoard,
    /// The power.
    pub ups: Ups,
    /// The station.
    pub station: Station,
}

impl House {
    /// With so many pages to scan.
    pub fn new(pages: u32, setup: &supervisor::Setup) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        pages::write_numbered(&path.join("pages"), pages)?;
        let supervisor = Supervisor::start_with(&path.join("supervisor"), setup)?;
        let settings = Settings { dpi: 200, ..Settings::new(&path.join("pages"), pages) };
        let scanner = VirtualScanner::create(path, settings)?;
        let board = EmulatedBoard::plug_in(&path.join("board"))?;
        let ups = Ups::start(&path.join("nut"))?;
        let setup = Setup {
            board: Some(board.path().into()),
            ups: Some(ups.address.clone()),
            broker: Some(supervisor.broker.clone()),
            ..Setup::flatbed(DESK)
        };
        let station = Station::start(path, &scanner, &setup)?;
        station.plan(BATCH, &[("A-1", "One", 1), ("A-2", "Two", pages - 1)])?;
        station.open(BATCH)?;
        Ok(Self { folder, supervisor, scanner, board, ups, station })
    }

    /// Who works there.
    #[must_use]
    pub fn operator(&self) -> Operator<'_> {
        Operator { station: &self.station, board: &self.board, desk: &self.scanner.desk }
    }

    /// Lays an image, counted from 0, and scans it.
    pub fn scan(&self, image: u32) -> anyhow::Result<()> {
        self.operator().lay(image)?;
        self.operator().press_and_wait()
    }

    /// Waits until the dashboards show something.
    pub fn shown(&self, what: &str, seen: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let found = wait(what, || Ok(Some(self.supervisor.snapshot()?).filter(|s| seen(s))));
        found.with_context(|| format!("the dashboards show {}", self.supervisor.snapshot().unwrap_or_default()))
    }

    /// Every event of the station, number and type, from the supervisor's database.
    pub fn events(&self) -> anyhow::Result<Vec<(u64, String)>> {
        let db = self.supervisor.database()?;
        let mut query = db.prepare("SELECT seq, type FROM event ORDER BY epoch, seq")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
