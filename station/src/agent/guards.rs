//! What stands against a start, what somebody must look at, and who answers for a broken sensor.

use super::{Agent, No};
use crate::{
    batch::machine::{Guard, Input},
    sensors::overrides::{Asked, Sensor},
    view::OverrideView,
    words::Trouble,
};
use platen_protocol::{
    board::{Sound, ToBoard},
    uplink::{Event, Severity},
};
use std::time::{Duration, Instant};

/// Two sources that tell different things of the lid for so long are no moving lid.
const DISAGREE: Duration = Duration::from_secs(3);

/// What the UPS has said of the power. Silence is no good news: it stays until the UPS says something else.
#[derive(Debug, Default)]
pub(super) struct Supply {
    pub(super) mains_failed: bool,
    pub(super) battery_low: bool,
    pub(super) battery_worn: bool,
}

/// What the scanner's own sensors say.
#[derive(Debug)]
pub(super) struct ScannerSays {
    /// Its cover, if it has a sensor.
    pub(super) cover_open: Option<bool>,
    /// The cover was seen open with the lid: it is one.
    pub(super) cover_follows_lid: bool,
    /// Since when the board says something else.
    pub(super) differs_since: Option<Instant>,
    /// It has just fed no sheet: what its feeder's sensor says next is held against that.
    pub(super) fed_none: bool,
    /// That sensor sees paper all the same.
    pub(super) feeds_none: bool,
    /// Its button was down when it was looked at last, or may have been pressed during a pass: devices keep a press until it
    /// is read, and that one is for no page.
    pub(super) button: bool,
}

impl Default for ScannerSays {
    fn default() -> Self {
        Self {
            cover_open: None,
            cover_follows_lid: false,
            differs_since: None,
            fed_none: false,
            feeds_none: false,
            button: true,
        }
    }
}

const ONE_IS_BROKEN: (&str, &str) = (
    "open and close the lid; if this stays, one of both sensors is broken",
    "请重新开合盖板；如仍提示，其中一个传感器有故障",
);

impl Agent {
    /// Everything that stands against a start now.
    pub(super) fn holds(&self) -> Vec<Trouble> {
        let mut holds = match self.config.guard {
            Guard::Board => {
                let said = self.interlock.holds(self.board_now());
                // Of sensors that are not heard it need not be said that they do not move.
                let stuck = if self.interlock.inputs().is_some() { self.plausible.holds() } else { Vec::new() };
                self.overrides.lift([said, self.lid_against_the_scanner(), stuck].concat())
            }
            Guard::Scanner | Guard::None => Vec::new(),
        };
        // No override lifts what the scanner itself says: it would not scan.
        holds.extend(self.scanner_lid());
        holds.extend(self.power_holds());
        holds.extend(self.storage_holds());
        holds
    }

    /// The time by which the board is silent or not: a busy station must not take its own lag for the board's.
    pub(super) fn board_now(&self) -> Instant {
        self.interlock.heard().filter(|_| self.board_waits).unwrap_or_else(Instant::now)
    }

    /// Whether board and scanner have told different things of the lid for long.
    fn lids_disagree(&self) -> bool {
        self.scanner_says.differs_since.is_some_and(|since| since.elapsed() > DISAGREE)
    }

    /// The board alone says for long that the lid is open.
    fn lid_against_the_scanner(&self) -> Vec<Trouble> {
        let alone = self.scanner_says.cover_open == Some(false) && self.lids_disagree();
        let text =
            ("the board says that the lid is open, the scanner that it is closed", "传感器板显示开盖，扫描仪显示合盖");
        if alone { vec![Trouble::new("lid-disagrees", text, ONE_IS_BROKEN).alarm()] } else { Vec::new() }
    }

    /// The scanner's own cover sensor: whoever says open wins.
    fn scanner_lid(&self) -> Option<Trouble> {
        if self.scanner_says.cover_open != Some(true) {
            return None;
        }
        if self.lids_disagree() {
            let text = (
                "the scanner says that its lid is open, the board that it is closed",
                "扫描仪显示开盖，传感器板显示合盖",
            );
            return Some(Trouble::new("cover-disagrees", text, ONE_IS_BROKEN).alarm());
        }
        let text = ("the scanner says that its lid is open", "扫描仪显示盖板未合上");
        Some(Trouble::new("cover-open", text, ("close the lid", "请合上盖板")))
    }

    fn power_holds(&self) -> Option<Trouble> {
        if self.supply.battery_low {
            return Some(battery_low());
        }
        self.supply.mains_failed.then(|| {
            Trouble::new(
                "on-battery",
                ("the mains has failed, the UPS is on battery", "市电中断，UPS 正在用电池供电"),
                ("wait until the mains is back", "请等待市电恢复"),
            )
            .between_pages()
        })
    }

    /// What somebody must look at, whether or not the desk can go on.
    pub(super) fn faults(&self) -> Vec<Trouble> {
        let alarms = self.machine.holds().iter().filter(|hold| hold.severity == Severity::Alarm).cloned();
        let guard = if self.out.board.is_some() { self.plausible.faults() } else { Vec::new() };
        let own = self.overrides.faults().into_iter().chain(self.feeder_fault()).chain(self.power_faults());
        alarms.chain(guard).chain(own).chain(self.disk.fault()).collect()
    }

    /// The feeder's sensor sees paper, and the feeder takes none.
    fn feeder_fault(&self) -> Option<Trouble> {
        self.scanner_says.feeds_none.then(|| {
            Trouble::new(
                "feeder-disagrees",
                ("the scanner says that paper lies in its feeder, and feeds none", "扫描仪显示进纸器有纸，但没有进纸"),
                (
                    "push the sheets in until they touch; if this stays, clean the feeder's sensor and rollers",
                    "请将纸张推到底；如仍提示，请清洁进纸传感器和搓纸轮",
                ),
            )
            .alarm()
        })
    }

    /// A UPS that is lost or on battery the supervisor sees in the readings.
    fn power_faults(&self) -> Option<Trouble> {
        self.supply.battery_worn.then(|| {
            Trouble::new(
                "ups-battery-worn",
                ("the UPS asks for a new battery", "UPS 电池需更换"),
                ("have the battery replaced", "请更换 UPS 电池"),
            )
            .alarm()
        })
    }

    /// Writes down which faults have come and which have gone.
    pub(super) fn compare_faults(&mut self) {
        let now = self.faults();
        let of_desk = self.machine.picture().fault.map(|fault| fault.name);
        let before = std::mem::replace(&mut self.standing, now.clone());
        let has = |list: &[Trouble], name| list.iter().any(|fault| fault.name == name);
        for gone in before.iter().filter(|fault| !has(&now, fault.name) && of_desk != Some(fault.name)) {
            self.write_down(&Event::FaultCleared { fault: gone.name.into() });
        }
        for fault in now.iter().filter(|fault| !has(&before, fault.name) && of_desk != Some(fault.name)) {
            self.raise(fault);
            self.send_board(ToBoard::Sound(Sound::Attention));
        }
    }

    pub(super) fn raise(&mut self, why: &Trouble) {
        self.write_down(&Event::FaultRaised {
            fault: why.name.into(),
            text: why.text.en.clone(),
            action: why.action.en.clone(),
            severity: why.severity,
        });
    }

    /// On a nearly empty battery the pass is void, what was scanned is kept, and the batch is closed: it can be opened again.
    pub(super) fn wind_down(&mut self) {
        if self.supply.battery_low {
            self.close_down();
        }
        let over = self.supply.battery_low && self.machine.picture().plan.is_none() && self.ledger.error().is_none();
        self.out.wound_down.send_if_modified(|was| std::mem::replace(was, over) != over);
    }

    fn close_down(&mut self) {
        let now = Instant::now();
        // Refused if there is no pass, or no batch.
        let _ = self.machine.handle(now, Input::BreakOff { why: battery_low() });
        let picture = self.machine.picture();
        if picture.plan.is_some() && picture.saving == 0 {
            // Refused while a pass ends; then it is tried again with what comes next.
            let _ = self.close();
        }
    }

    pub(super) fn override_sensor(&mut self, asked: Asked) -> Result<(), No> {
        if self.config.guard != Guard::Board {
            return Err(No::Because("this station has no lid and corner sensors to override".into()));
        }
        self.overrides.begin(Instant::now(), asked).map_err(No::Because)
    }

    pub(super) fn end_override(&mut self, sensor: Sensor) -> Result<(), No> {
        let ended = self.overrides.end(sensor);
        ended.then_some(()).ok_or_else(|| No::Because("this sensor is not overridden".into()))
    }

    pub(super) fn override_views(&self) -> Vec<OverrideView> {
        let view = |o: &crate::sensors::overrides::Override| OverrideView {
            sensor: o.asked.sensor,
            by: o.asked.by.clone(),
            reason: o.asked.reason.clone(),
            left_s: o.until.saturating_duration_since(Instant::now()).as_secs(),
            pages: o.pages,
        };
        self.overrides.active().iter().map(view).collect()
    }
}

fn battery_low() -> Trouble {
    Trouble::new(
        "battery-low",
        ("the UPS's battery is nearly empty; the batch is closed", "UPS 电池即将耗尽，批次已关闭"),
        ("wait until the mains is back; the batch goes on by itself", "请等待市电恢复，批次将自动继续"),
    )
    .between_pages()
}
