//! What the agent hears: scanner, board, UPS, and the blocking pool.

use super::{Agent, Note, Wish, cannot_keep};
use crate::{
    batch::machine::Input,
    keep::{self, KeepError, Made},
    scanner::task,
    sensors::{board::BoardEvent, interlock, nut::Power},
    words::Trouble,
};
use platen_protocol::{
    board::FromBoard,
    uplink::{Event, Reading, UpsState},
};
use std::time::{Duration, Instant};

impl Agent {
    pub(super) fn scanner(&mut self, event: task::Event) {
        match event {
            task::Event::Ready(taken) => {
                self.note(Note::Ready(taken.clone()));
                self.taken = Some(taken);
            }
            task::Event::Progress { attempt, bytes, total } => {
                if self.passes.contains_key(&attempt) {
                    let share = total.map(|total| (bytes as f64 / total.max(1) as f64).min(1.0));
                    self.progress = share;
                }
            }
            task::Event::Page { attempt, page } => {
                self.progress = None;
                if let Some(pass) = self.passes.get_mut(&attempt) {
                    pass.raw = Some(page);
                }
                self.tell(Input::Scanned { attempt });
            }
            task::Event::Failed { attempt, fault } => {
                self.progress = None;
                self.passes.remove(&attempt);
                self.tell(Input::ScanFailed { attempt, why: Trouble::from(&fault) });
            }
        }
    }

    pub(super) fn board(&mut self, event: BoardEvent) {
        let (message, at) = match event {
            BoardEvent::Connected => return self.interlock.connected(),
            BoardEvent::Lost { why } => return self.interlock.lost(why),
            BoardEvent::Heard { message, at } => (message, at),
        };
        if self.interlock.hear(at, &message) {
            // Nobody waits for an answer; the screen shows why nothing starts.
            if let Err(no) = self.grant(Wish::Start) {
                tracing::info!(?no, "the start button was refused");
            }
        }
        match message {
            FromBoard::Hello { .. } => self.lamp = None,
            FromBoard::Armed { number, .. } => {
                if let Some(pass) = self.passes.get_mut(&number) {
                    pass.armed = Some(at);
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
                let (Some(armed), Some(asked)) = (pass.armed, pass.asked) else { return };
                pass.certificate = Some(certificate);
                let verdict = interlock::judge(&certificate, attempt, asked.saturating_duration_since(armed));
                self.tell(Input::Certified { attempt, verdict });
            }
            FromBoard::NoCertificate { number } => {
                self.tell(Input::Certified { attempt: number, verdict: Err(interlock::no_certificate()) });
            }
            FromBoard::Climate { milli_celsius, milli_percent, age_ms } => {
                let (celsius, humidity) = (f64::from(milli_celsius) / 1e3, f64::from(milli_percent) / 1e3);
                let read = at.checked_sub(Duration::from_millis(age_ms.into())).unwrap_or(at);
                self.room = Some((celsius, humidity, read));
                self.report(Reading::Room { celsius, humidity });
            }
            FromBoard::ClimateFault(fault) => tracing::warn!(?fault, "the room sensor"),
            FromBoard::Heartbeat { .. } | FromBoard::Edge { .. } | FromBoard::VersionRefused { .. } => {}
        }
    }

    pub(super) fn power(&mut self, power: Power) {
        match power.state {
            UpsState::Online => self.mains_failed = false,
            UpsState::OnBattery | UpsState::LowBattery => self.mains_failed = true,
            UpsState::Stale | UpsState::Unreachable => {}
        }
        let before = self.power.replace((power, Instant::now())).map(|(p, _)| p.state);
        if let Some(from) = before.filter(|&from| from != power.state) {
            self.write_down(&Event::PowerChanged { from, to: power.state });
        }
        self.report(Reading::Power { state: power.state, charge: power.charge, runtime_s: power.runtime_s });
    }

    pub(super) fn made(&mut self, attempt: u32, result: Result<Made, KeepError>) {
        match result {
            Ok(made) if self.passes.contains_key(&attempt) => {
                self.made.insert(attempt, made);
                self.tell(Input::Processed { attempt });
            }
            // Voided while it was made.
            Ok(made) => keep::discard(&made),
            Err(error) => self.tell(Input::ProcessFailed { attempt, why: cannot_keep("page-processing", &error) }),
        }
    }
}
