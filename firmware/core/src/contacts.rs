//! The contacts: raw as they are at one instant, and as they are believed.

use crate::{
    TRAVEL_MS,
    corner::{Calibration, Sensor},
    debounce::Debounced,
};
use platen_protocol::board::{Change, Corner, Inputs, Lid, Paper};

/// An input is believed after so many equal samples. Micro switches bounce 1–5 ms.
const DEBOUNCE_MS: u8 = 5;
/// Nobody opens a case for less.
const TAMPER_MS: u8 = 50;

/// The contacts as they are at one instant; `true` = contact closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw {
    /// Normally open pole of the lid's switch: made while the lid is closed.
    pub lid_made: bool,
    /// Normally closed pole of the lid's switch: made while the lid is open.
    pub lid_rest: bool,
    /// Level of the reflective sensor at the top edge, 0 to 4095; paper makes it lower.
    pub top: u16,
    /// The same at the left edge.
    pub left: u16,
    /// Start button.
    pub button: bool,
    /// Pedal.
    pub pedal: bool,
    /// The switch in the board's case, made while the case is shut.
    pub case_shut: bool,
}

impl Raw {
    pub(crate) fn lid(self) -> Lid {
        match (self.lid_made, self.lid_rest) {
            (true, false) => Lid::Closed,
            (false, true) => Lid::Open,
            (true, true) | (false, false) => Lid::Broken,
        }
    }

    pub(crate) fn level(self, corner: Corner) -> u16 {
        match corner {
            Corner::Top => self.top,
            Corner::Left => self.left,
        }
    }
}

/// One sample, before debouncing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) lid: Lid,
    top: Paper,
    left: Paper,
    pub(crate) in_corner: bool,
}

#[derive(Debug)]
pub(crate) struct Contacts {
    calibration: Calibration,
    top_sensor: Sensor,
    left_sensor: Sensor,
    pub(crate) last: Raw,
    lid: Debounced<Lid>,
    /// For so many samples a lid that is believed closed was seen otherwise.
    lid_restless: u8,
    top: Debounced<Paper>,
    left: Debounced<Paper>,
    button: Debounced<bool>,
    pedal: Debounced<bool>,
    tamper: Debounced<bool>,
}

impl Contacts {
    pub(crate) fn new(calibration: Calibration, raw: Raw) -> Self {
        let (top_sensor, left_sensor) = sensors(calibration, raw);
        Self {
            calibration,
            top_sensor,
            left_sensor,
            last: raw,
            lid: Debounced::new(raw.lid()),
            lid_restless: 0,
            top: Debounced::new(top_sensor.paper()),
            left: Debounced::new(left_sensor.paper()),
            button: Debounced::new(raw.button),
            pedal: Debounced::new(raw.pedal),
            tamper: Debounced::new(!raw.case_shut),
        }
    }

    /// Takes one sample.
    pub(crate) fn look(&mut self, raw: Raw) -> Seen {
        self.last = raw;
        let (top, left) = (self.top_sensor.sample(raw.top), self.left_sensor.sample(raw.left));
        let in_corner = top == Paper::Present && left == Paper::Present;
        Seen { lid: raw.lid(), top, left, in_corner }
    }

    /// What is believed anew by that sample.
    pub(crate) fn changes(&mut self, raw: Raw, seen: Seen) -> [Option<Change>; 6] {
        [
            self.lid_change(seen.lid).map(Change::Lid),
            self.top.sample(seen.top, DEBOUNCE_MS).map(Change::Top),
            self.left.sample(seen.left, DEBOUNCE_MS).map(Change::Left),
            self.button.sample(raw.button, DEBOUNCE_MS).map(Change::Button),
            self.pedal.sample(raw.pedal, DEBOUNCE_MS).map(Change::Pedal),
            self.tamper.sample(!raw.case_shut, TAMPER_MS).map(Change::Tamper),
        ]
    }

    /// A lid whose poles never agree for long enough is not closed either.
    fn lid_change(&mut self, lid: Lid) -> Option<Lid> {
        let restless = self.lid.get() == Lid::Closed && lid != Lid::Closed;
        self.lid_restless = if restless { self.lid_restless.saturating_add(1) } else { 0 };
        let needs = if lid == Lid::Broken { TRAVEL_MS } else { DEBOUNCE_MS };
        let settled = self.lid.sample(lid, needs);
        settled.or_else(|| (self.lid_restless >= TRAVEL_MS).then(|| self.lid.believe(lid)))
    }

    pub(crate) fn calibration(&self) -> Calibration {
        self.calibration
    }

    pub(crate) fn calibrate(&mut self, calibration: Calibration) {
        self.calibration = calibration;
        (self.top_sensor, self.left_sensor) = sensors(calibration, self.last);
    }

    pub(crate) fn inputs(&self) -> Inputs {
        Inputs {
            lid: self.lid.get(),
            top: self.top.get(),
            left: self.left.get(),
            button: self.button.get(),
            pedal: self.pedal.get(),
            tamper: self.tamper.get(),
        }
    }
}

fn sensors(calibration: Calibration, raw: Raw) -> (Sensor, Sensor) {
    (Sensor::new(calibration.top, raw.top), Sensor::new(calibration.left, raw.left))
}
