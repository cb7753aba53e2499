//! The sensor board's whole behaviour, without a pin.
//!
//! The shell around it (`firmware/app` on the RP2040, the emulated board in `hw-tests`) does three things: it calls
//! [`Core::sample`] once a millisecond with the raw contacts, hands every received byte to [`Core::receive`], and
//! sends what [`Core::poll`] gives out. Time is board time in milliseconds, passed in, wrapping after 49 days.
#![cfg_attr(not(test), no_std)]
#![deny(missing_docs)]

mod debounce;
mod latch;

use debounce::Debounced;
use heapless::{Deque, String};
use latch::Latch;
use platen_protocol::board::{
    ArmRefusal, Change, ClimateFault, Deframer, FromBoard, HEARTBEAT_MS, Inputs, Lamp, Lid, MAX_FRAME, Packet, Reset,
    ToBoard, VERSION, encode,
};

/// An input is believed after so many equal samples. Micro switches bounce 1–5 ms.
const DEBOUNCE_MS: u8 = 5;

/// A switch with two poles leaves one before it reaches the other; only disagreement for longer is a fault.
const TRAVEL_MS: u8 = 20;

/// The room is measured this often.
const CLIMATE_MS: u32 = 5_000;

/// Messages that may wait for the line. When it is full, the newest message is dropped and leaves a gap in `seq`.
const QUEUE: usize = 16;

/// The contacts as they are at one instant; `true` = contact closed, sensor sees paper, button pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw {
    /// Normally open pole of the lid's switch: made while the lid is closed.
    pub lid_made: bool,
    /// Normally closed pole of the lid's switch: made while the lid is open.
    pub lid_rest: bool,
    /// Reflective sensor at the top edge.
    pub top: bool,
    /// Reflective sensor at the left edge.
    pub left: bool,
    /// Start button.
    pub button: bool,
}

impl Raw {
    fn lid(self) -> Lid {
        match (self.lid_made, self.lid_rest) {
            (true, false) => Lid::Closed,
            (false, true) => Lid::Open,
            (true, true) | (false, false) => Lid::Broken,
        }
    }
}

/// What the board can do besides listening: implemented by the shell.
pub trait Board {
    /// Shows the operator a colour.
    fn lamp(&mut self, lamp: Lamp);
    /// Begins to measure the room; the result comes back through [`Core::climate`].
    fn measure(&mut self);
}

/// Who the board is, told in its `Hello`.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Firmware version: major, minor, patch.
    pub firmware: [u8; 3],
    /// Serial number.
    pub serial: String<16>,
    /// Why the board started.
    pub reset: Reset,
}

/// One sensor board.
#[derive(Debug)]
pub struct Core {
    identity: Identity,
    lid: Debounced<Lid>,
    top: Debounced<bool>,
    left: Debounced<bool>,
    button: Debounced<bool>,
    latch: Option<Latch>,
    edge: u32,
    heartbeat_due: u32,
    climate_due: u32,
    deframer: Deframer,
    outgoing: Deque<Packet<FromBoard>, QUEUE>,
    seq: u32,
    bad_frames: u32,
}

impl Core {
    /// A board that has just started at `at_ms` and found its contacts as `raw`.
    #[must_use]
    pub fn new(identity: Identity, at_ms: u32, raw: Raw) -> Self {
        let mut core = Self {
            identity,
            lid: Debounced::new(raw.lid()),
            top: Debounced::new(raw.top),
            left: Debounced::new(raw.left),
            button: Debounced::new(raw.button),
            latch: None,
            edge: 0,
            heartbeat_due: at_ms,
            climate_due: at_ms,
            deframer: Deframer::new(),
            outgoing: Deque::new(),
            seq: 0,
            bad_frames: 0,
        };
        core.say_hello(at_ms);
        core
    }

    /// Looks at the contacts. Call once a millisecond.
    pub fn sample(&mut self, at_ms: u32, raw: Raw, board: &mut impl Board) {
        let lid = raw.lid();
        if let Some(latch) = &mut self.latch {
            latch.sample(at_ms, lid, raw.top && raw.left);
        }
        let need = if lid == Lid::Broken { TRAVEL_MS } else { DEBOUNCE_MS };
        let changes = [
            self.lid.sample(lid, need).map(Change::Lid),
            self.top.sample(raw.top, DEBOUNCE_MS).map(Change::Top),
            self.left.sample(raw.left, DEBOUNCE_MS).map(Change::Left),
            self.button.sample(raw.button, DEBOUNCE_MS).map(Change::Button),
        ];
        for change in changes.into_iter().flatten() {
            self.edge = self.edge.wrapping_add(1);
            self.say(FromBoard::Edge { edge: self.edge, at_ms, change });
        }
        if due(at_ms, self.heartbeat_due) {
            self.heartbeat_due = at_ms.wrapping_add(HEARTBEAT_MS);
            self.say(FromBoard::Heartbeat {
                at_ms,
                inputs: self.inputs(),
                armed: self.latch.as_ref().map(Latch::number),
            });
        }
        if due(at_ms, self.climate_due) {
            self.climate_due = at_ms.wrapping_add(CLIMATE_MS);
            board.measure();
        }
    }

    /// Takes one byte from the line and does what a whole frame asks for. A bad frame is counted and forgotten: the
    /// station repeats what stays unanswered.
    pub fn receive(&mut self, at_ms: u32, byte: u8, board: &mut impl Board) {
        match self.deframer.push(byte) {
            None => {}
            Some(Ok(Packet { message, .. })) => self.obey(at_ms, message, board),
            Some(Err(_)) => self.bad_frames = self.bad_frames.wrapping_add(1),
        }
    }

    /// Takes the result of a measurement: thousandths of a degree Celsius and of a percent.
    pub fn climate(&mut self, result: Result<(i32, u32), ClimateFault>, age_ms: u32) {
        self.say(match result {
            Ok((milli_celsius, milli_percent)) => FromBoard::Climate { milli_celsius, milli_percent, age_ms },
            Err(fault) => FromBoard::ClimateFault(fault),
        });
    }

    /// The next frame to send.
    pub fn poll(&mut self) -> Option<heapless::Vec<u8, MAX_FRAME>> {
        let packet = self.outgoing.pop_front()?;
        // `MAX_FRAME` holds every message: protocol's tests prove it.
        encode(&packet).ok()
    }

    /// The debounced inputs.
    #[must_use]
    pub fn inputs(&self) -> Inputs {
        Inputs { lid: self.lid.get(), top: self.top.get(), left: self.left.get(), button: self.button.get() }
    }

    /// Frames that could not be read since the start.
    #[must_use]
    pub fn bad_frames(&self) -> u32 {
        self.bad_frames
    }

    fn obey(&mut self, at_ms: u32, message: ToBoard, board: &mut impl Board) {
        match message {
            ToBoard::Hello { protocol } => {
                // A new conversation knows nothing of an old number.
                self.latch = None;
                self.say_hello(at_ms);
                if protocol != VERSION {
                    self.say(FromBoard::VersionRefused { ours: VERSION, theirs: protocol });
                }
                self.heartbeat_due = at_ms;
            }
            ToBoard::Arm { number } => self.arm(at_ms, number),
            ToBoard::Certify { number } => self.say(match &self.latch {
                Some(latch) if latch.number() == number => FromBoard::Certificate(latch.certificate()),
                Some(_) | None => FromBoard::NoCertificate { number },
            }),
            ToBoard::Disarm { number } => {
                if self.latch.as_ref().is_some_and(|latch| latch.number() == number) {
                    self.latch = None;
                }
            }
            ToBoard::Lamp(lamp) => board.lamp(lamp),
            ToBoard::ReadClimate => board.measure(),
        }
    }

    fn arm(&mut self, at_ms: u32, number: u32) {
        let inputs = self.inputs();
        let against = match inputs.lid {
            Lid::Open => Some(ArmRefusal::LidOpen),
            Lid::Broken => Some(ArmRefusal::LidBroken),
            Lid::Closed if !(inputs.top && inputs.left) => Some(ArmRefusal::NotInCorner),
            Lid::Closed => None,
        };
        match against {
            Some(why) => self.say(FromBoard::ArmRefused { number, why }),
            None => {
                self.latch = Some(Latch::new(number, at_ms));
                self.say(FromBoard::Armed { number, at_ms });
            }
        }
    }

    fn say_hello(&mut self, at_ms: u32) {
        self.say(FromBoard::Hello {
            protocol: VERSION,
            firmware: self.identity.firmware,
            serial: self.identity.serial.clone(),
            reset: self.identity.reset,
            at_ms,
        });
    }

    fn say(&mut self, message: FromBoard) {
        self.seq = self.seq.wrapping_add(1);
        // Full: dropped on purpose, see QUEUE.
        let _ = self.outgoing.push_back(Packet { seq: self.seq, message });
    }
}

/// Whether `at` has reached `due`, also across the wrap of the millisecond counter.
fn due(at: u32, due: u32) -> bool {
    at.wrapping_sub(due) < u32::MAX / 2
}

#[cfg(test)]
mod tests;
