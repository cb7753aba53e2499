//! Lid, corner, button and room from a Raspberry Pi's own pins: the station is its own sensor board. The board's core runs
//! here, on samples that are put together from the edges that the kernel has time-stamped, so that a busy machine makes
//! them late but not wrong. It is weaker than a board all the same: who watches is who scans.

mod header;
mod samples;

use super::{Line, Sensors};
use header::Header;
use platen_firmware_core::{Board, Calibration, Core, Identity, Light};
use platen_protocol::board::{FromBoard, Reset, ToBoard, encode};
use samples::Samples;
use serde::Deserialize;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The pins by their BCM numbers; see docs/WIRING.md.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Pins {
    pub(crate) lid_made: u8,
    pub(crate) lid_rest: u8,
    pub(crate) top: u8,
    pub(crate) left: u8,
    pub(crate) button: u8,
    pub(crate) pedal: u8,
    pub(crate) case_shut: u8,
    pub(crate) red: u8,
    pub(crate) green: u8,
    pub(crate) blue: u8,
    pub(crate) buzzer: u8,
}

impl Default for Pins {
    fn default() -> Self {
        Self {
            lid_made: 5,
            lid_rest: 6,
            top: 13,
            left: 19,
            button: 26,
            pedal: 16,
            case_shut: 20,
            red: 17,
            green: 27,
            blue: 22,
            buzzer: 24,
        }
    }
}

impl Pins {
    /// The contacts' pins, in the order of [`Contact::ALL`].
    fn contacts(&self) -> [u8; 7] {
        [self.lid_made, self.lid_rest, self.top, self.left, self.button, self.pedal, self.case_shut]
    }

    /// No pin has two tasks, and none is one that the bus of the room sensor needs.
    pub(crate) fn check(&self) -> Result<(), String> {
        let lamp = [self.red, self.green, self.blue, self.buzzer];
        let mut pins = [&self.contacts()[..], &lamp].concat();
        if let Some(bad) = pins.iter().find(|pin| !(4..=27).contains(*pin)) {
            return Err(format!("pin {bad}: the BCM numbers 4 to 27 are allowed (2 and 3 are the room sensor's bus)"));
        }
        pins.sort_unstable();
        match pins.windows(2).find(|two| two[0] == two[1]) {
            Some(two) => Err(format!("pin {} has two tasks", two[0])),
            None => Ok(()),
        }
    }
}

/// What a pin is wired to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contact {
    LidMade,
    LidRest,
    Top,
    Left,
    Button,
    Pedal,
    CaseShut,
}

impl Contact {
    const ALL: [Self; 7] =
        [Self::LidMade, Self::LidRest, Self::Top, Self::Left, Self::Button, Self::Pedal, Self::CaseShut];
}

/// A contact that was made or broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edge {
    contact: Contact,
    made: bool,
    /// By the kernel's monotonic clock.
    at: Duration,
    /// Counts the pin's edges; a gap means that the kernel had to throw some away.
    number: u32,
}

/// The pins as [`PiLine`] needs them.
trait Hardware {
    /// The kernel's monotonic clock.
    fn now(&self) -> Duration;
    /// Which contacts are made now, in the order of [`Contact::ALL`].
    fn made(&self) -> [bool; 7];
    /// The edges since the last call; waits for the first for at most `wait`.
    fn edges(&mut self, wait: Duration) -> Vec<Edge>;
    /// What the core asks for.
    fn hands(&mut self) -> &mut dyn Hands;
}

/// Lamp, buzzer and bus.
trait Hands {
    fn light(&mut self, light: Light);
    fn buzz(&mut self, on: bool);
    fn measure(&mut self) -> platen_firmware_core::Measured;
    fn heat(&mut self);
}

/// So long after it was asked for a certificate is given: longer than pins and edges may differ, see [`samples`].
const CERTIFIES_AFTER_MS: u64 = 120;

/// This machine's pins.
#[derive(Debug)]
pub(crate) struct Pi {
    pins: Pins,
}

impl Pi {
    pub(crate) fn new(pins: Pins) -> Self {
        Self { pins }
    }
}

impl Sensors for Pi {
    fn open(&mut self) -> Result<Box<dyn Line>, String> {
        Ok(Box::new(PiLine::new(Header::open(&self.pins)?)))
    }
}

/// What the core wants done.
struct Wishes<'a> {
    hands: &'a mut dyn Hands,
    measure: bool,
}

impl Board for Wishes<'_> {
    fn light(&mut self, light: Light) {
        self.hands.light(light);
    }
    fn buzz(&mut self, on: bool) {
        self.hands.buzz(on);
    }
    fn measure(&mut self) {
        self.measure = true;
    }
    fn heat(&mut self) {
        self.hands.heat();
    }
    /// Modules with a comparator have a screw to set.
    fn keep(&mut self, _: &Calibration) -> bool {
        false
    }
    /// The core lives no longer than the station, which takes a new number for each pass.
    fn remember(&mut self, _: Option<u32>) {}
}

/// The core on the pins.
struct PiLine<H> {
    hardware: H,
    core: Core,
    samples: Samples,
    /// What was said, and up to which millisecond must be looked before it is obeyed.
    said: VecDeque<(u64, ToBoard)>,
}

impl<H: Hardware> PiLine<H> {
    fn new(hardware: H) -> Self {
        let samples = Samples::new(hardware.now(), hardware.made());
        let identity = Identity::new(firmware(), "pi".try_into().unwrap_or_default(), Reset::PowerOn);
        Self { core: Core::new(identity, 0, samples.now()), hardware, samples, said: VecDeque::new() }
    }

    /// Looks at every millisecond before `now`.
    fn catch_up(&mut self, now: Duration) {
        let mut wishes = Wishes { hands: self.hardware.hands(), measure: false };
        while let Some((ms, raw)) = self.samples.next(now) {
            // Board time wraps after 49 days.
            let at_ms = ms as u32;
            self.core.sample(at_ms, raw, &mut wishes);
            while let Some((_, message)) = self.said.pop_front_if(|(from, _)| *from <= ms) {
                // The core takes bytes. What cannot be encoded cannot be said to a board either.
                let packet = platen_protocol::board::Packet { seq: 0, message };
                for byte in encode(&packet).unwrap_or_default() {
                    self.core.receive(at_ms, byte, &mut wishes);
                }
            }
        }
        // That takes some time, of which no edge was heard yet: no millisecond of it is looked at before the next turn.
        if wishes.measure {
            self.core.climate(wishes.hands.measure(), 0);
        }
    }
}

impl<H: Hardware> Line for PiLine<H> {
    fn say(&mut self, message: &ToBoard) -> Result<(), String> {
        let now_ms = self.samples.millis(self.hardware.now());
        // A certificate asked for now must tell of everything up to now: whatever contradicts it has come until then.
        let waits = if matches!(message, ToBoard::Certify { .. }) { CERTIFIES_AFTER_MS } else { 0 };
        self.said.push_back((now_ms + waits, message.clone()));
        Ok(())
    }

    fn hear(&mut self, heard: &mut dyn FnMut(FromBoard, Instant)) -> Result<(), String> {
        // The edges of every millisecond before this have come when the queue is empty.
        let now = self.hardware.now();
        for edge in self.hardware.edges(super::link::TURN) {
            self.samples.take(edge)?;
        }
        self.catch_up(now);
        self.samples.check(self.hardware.now(), self.hardware.made())?;
        let at = Instant::now();
        while let Some(packet) = self.core.poll_packet() {
            heard(packet.message, at);
        }
        Ok(())
    }
}

/// The station's own version stands for a firmware's.
fn firmware() -> [u8; 3] {
    let mut parts = env!("CARGO_PKG_VERSION").split('.').map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests;
