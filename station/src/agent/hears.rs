//! What the agent hears: scanner, board, UPS, and the blocking pool.

use super::{Agent, Note, Wish, cannot_keep, storage::Stalled};
use crate::{
    batch::machine::Input,
    keep::{self, Job, KeepError, Made},
    pages::Flag,
    scanner::{Fault, task},
    sensors::{interlock, link::BoardEvent, nut::Power},
    words::Trouble,
};
use platen_protocol::{
    board::{FromBoard, Lid},
    uplink::{Event, Interlock, Reading, UpsState},
};
use std::time::{Duration, Instant};

impl Agent {
    pub(super) fn scanner(&mut self, event: task::Event) {
        match event {
            task::Event::Ready(taken) => {
                self.note(Note::Ready(taken.clone()));
                self.taken = Some(taken);
                // A press that the device has kept from before is for no page.
                self.scanner_says.button = true;
            }
            task::Event::Progress { attempt, bytes, total } => {
                if self.passes.contains_key(&attempt) {
                    let share = total.map(|total| (bytes as f64 / total.max(1) as f64).min(1.0));
                    self.progress = share;
                }
            }
            task::Event::Page { attempt, page } => {
                (self.scanner_says.button, self.scanner_says.feeds_none) = (true, false);
                self.progress = None;
                if let Some(pass) = self.passes.get_mut(&attempt) {
                    pass.raw = Some(page);
                }
                self.tell(Input::Scanned { attempt });
            }
            task::Event::Sensors(sensors) => {
                self.scanner_says.cover_open = sensors.cover_open;
                let says = &mut self.scanner_says;
                says.feeds_none = (says.feeds_none || says.fed_none) && sensors.page_loaded == Some(true);
                says.fed_none = false;
                self.compare_lids(Instant::now());
                let down = sensors.start_button == Some(true);
                if down && !self.scanner_says.button {
                    self.pressed();
                }
                self.scanner_says.button = down;
            }
            task::Event::Failed { attempt, fault } => {
                self.scanner_says.button = true;
                self.progress = None;
                self.scanner_says.fed_none = fault == Fault::FeederEmpty;
                self.passes.remove(&attempt);
                self.tell(Input::ScanFailed { attempt, why: Trouble::from(&fault) });
            }
        }
    }

    pub(super) fn board(&mut self, event: BoardEvent) {
        let (message, at) = match event {
            BoardEvent::Connected => return self.interlock.connected(),
            BoardEvent::Lost { why } => {
                self.plausible.lost();
                self.clock.forget();
                return self.interlock.lost(why);
            }
            BoardEvent::Quiet => return self.interlock.quiet(),
            BoardEvent::Heard { message, at } => (message, at),
        };
        let pressed = self.interlock.hear(at, &message);
        if !self.interlock.is_understood() {
            return;
        }
        self.plausible.hear(at, &message);
        if let Some(inputs) = self.interlock.inputs() {
            self.plausible.see(inputs);
        }
        self.compare_lids(at);
        if pressed {
            self.pressed();
        }
        match message {
            FromBoard::Hello { .. } => {
                self.lamp = None;
                self.clock.forget();
            }
            FromBoard::Heartbeat { at_ms, .. } | FromBoard::Edge { at_ms, .. } => {
                let sent = self.clock.hear(at, at_ms);
                if pressed {
                    let late_ms = at.saturating_duration_since(sent).as_millis();
                    tracing::debug!(late_ms, "the start button's message was under way");
                }
            }
            FromBoard::Armed { number, at_ms } => {
                // Watching began when the board says, not when its message came.
                let armed = self.clock.when(at_ms).unwrap_or(at).min(at);
                if let Some(pass) = self.passes.get_mut(&number) {
                    pass.armed = Some(armed);
                }
                self.tell(Input::Armed { attempt: number });
            }
            FromBoard::ArmRefused { number, why } => {
                self.passes.remove(&number);
                self.tell(Input::ArmRefused { attempt: number, why: interlock::arm_refused(why) });
            }
            FromBoard::Certificate(certificate) => {
                let attempt = certificate.number;
                let Some(pass) = self.passes.get_mut(&attempt) else { return };
                let (Some(armed), Some(asked), None) = (pass.armed, pass.asked, pass.certificate) else { return };
                pass.certificate = Some(certificate);
                let verdict = interlock::judge(&certificate, attempt, asked.saturating_duration_since(armed));
                if verdict.is_ok() {
                    self.plausible.certified();
                }
                self.tell(Input::Certified { attempt, verdict });
            }
            FromBoard::NoCertificate { number, why } => {
                self.tell(Input::Certified { attempt: number, verdict: Err(interlock::no_certificate(why)) });
            }
            FromBoard::Climate { milli_celsius, milli_percent, age_ms } => {
                let (celsius, humidity) = (f64::from(milli_celsius) / 1e3, f64::from(milli_percent) / 1e3);
                let read = at.checked_sub(Duration::from_millis(age_ms.into())).unwrap_or(at);
                self.room = Some((celsius, humidity, read));
                self.report_of(read, Reading::Room { celsius, humidity });
            }
            FromBoard::ClimateFault(fault) => tracing::warn!(?fault, "the room sensor"),
            FromBoard::Panic { part, parts, text } => {
                tracing::error!(part, parts, %text, "the board's firmware stopped");
            }
            FromBoard::Drying { .. }
            | FromBoard::VersionRefused { .. }
            | FromBoard::Calibrated { .. }
            | FromBoard::CalibrationRefused { .. }
            | FromBoard::SelfTest(_) => {}
        }
    }

    /// A start button or a pedal, wherever it is.
    fn pressed(&mut self) {
        // Nobody waits for an answer; the screen shows why nothing starts.
        if let Err(no) = self.grant(Wish::Start) {
            tracing::info!(?no, "the start button was refused");
        }
    }

    /// Notes since when the board and the scanner tell different things of the lid. Many scanners have a cover sensor at their
    /// feeder alone: that one stays closed while a lid is open says nothing until it was seen to follow the lid.
    fn compare_lids(&mut self, now: Instant) {
        let board_open = self.interlock.inputs().map(|inputs| inputs.lid != Lid::Closed);
        let (Some(scanner), Some(board)) = (self.scanner_says.cover_open, board_open) else {
            self.scanner_says.differs_since = None;
            return;
        };
        self.scanner_says.cover_follows_lid |= scanner && board;
        let differ = scanner != board && (scanner || self.scanner_says.cover_follows_lid);
        self.scanner_says.differs_since = differ.then(|| self.scanner_says.differs_since.unwrap_or(now));
    }

    pub(super) fn power(&mut self, power: Power) {
        if !matches!(power.state, UpsState::Stale | UpsState::Unreachable) {
            self.supply.battery_worn = power.replace_battery;
        }
        let was_low = self.supply.battery_low;
        let supply = &mut self.supply;
        match power.state {
            UpsState::Online => (supply.mains_failed, supply.battery_low) = (false, false),
            UpsState::OnBattery => (supply.mains_failed, supply.battery_low) = (true, false),
            UpsState::LowBattery | UpsState::ForcedShutdown => {
                (supply.mains_failed, supply.battery_low) = (true, true);
            }
            UpsState::Stale | UpsState::Unreachable => {}
        }
        if was_low && !self.supply.battery_low {
            self.to_resume = self.config.resumes;
            self.resume();
        }
        let before = self.power.replace((power, Instant::now())).map(|(p, _)| p.state);
        if let Some(from) = before.filter(|&from| from != power.state) {
            self.write_down(&Event::PowerChanged { from, to: power.state });
        }
        let Power { state, charge, runtime_s, replace_battery } = power;
        self.report(Reading::Power { state, charge, runtime_s, replace_battery });
    }

    pub(super) fn made(&mut self, attempt: u32, job: Box<Job>, result: Result<Made, KeepError>) {
        match result {
            Ok(made) if self.passes.contains_key(&attempt) => {
                if matches!(made.kept.event.interlock, Interlock::Certified | Interlock::WatchedByStation) {
                    let has = |flag: Flag| made.kept.event.flags.iter().any(|name| name == flag.name());
                    // A lid that is dark from side to side.
                    self.plausible.page(made.corner_mm, has(Flag::Blank) && has(Flag::Dark));
                }
                self.made.insert(attempt, made);
                self.tell(Input::Processed { attempt });
            }
            // Voided while it was made.
            Ok(made) => keep::discard(&made),
            Err(error) if self.passes.contains_key(&attempt) && self.blame_the_disk(&error) => {
                self.stalled.push(Stalled::Make(job));
            }
            Err(error) => self.tell(Input::ProcessFailed { attempt, why: cannot_keep("page-processing", &error) }),
        }
    }
}
