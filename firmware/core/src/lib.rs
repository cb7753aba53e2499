//! The sensor board's whole behaviour, without a pin.
//!
//! The shell around it (`firmware/app` on the RP2040, the station itself on a Raspberry Pi, the emulated board in
//! `hw-tests`) calls [`Core::sample`] once a millisecond with the raw contacts, hands every received byte to
//! [`Core::receive`], and sends what [`Core::poll`] gives out. Time is board time in milliseconds, passed in, wrapping
//! after 49 days.
#![cfg_attr(not(test), no_std)]
#![deny(missing_docs)]

mod contacts;
mod corner;
mod debounce;
mod lamp;
mod latch;
mod room;
pub mod sht4x;
mod sound;
mod talk;

use contacts::Contacts;
pub use contacts::Raw;
pub use corner::{Calibration, Levels};
use heapless::{Deque, String};
pub use lamp::Light;
use latch::Latch;
use platen_protocol::board::{
    Deframer, FromBoard, HEARTBEAT_MS, Inputs, Lamp, MAX_FRAME, Packet, Reset, Sound, encode,
};
pub use room::Measured;
use room::{Next, Room};

/// A switch with two poles leaves one before it reaches the other; only disagreement for longer is a fault.
pub(crate) const TRAVEL_MS: u8 = 20;

/// Messages that may wait for the line. When it is full, the newest message is dropped and leaves a gap in `seq`.
const QUEUE: usize = 16;

/// What the board can do besides listening: implemented by the shell.
pub trait Board {
    /// Lights the operator's lamp. Called when the light changes.
    fn light(&mut self, light: Light);
    /// Switches the buzzer. Called when it changes.
    fn buzz(&mut self, on: bool);
    /// Begins to measure the room; the result comes back through [`Core::climate`].
    fn measure(&mut self);
    /// Gives the room sensor one pulse of its heater.
    fn heat(&mut self);
    /// Writes the corner's levels where they live through a power cut. Answers whether it could.
    fn keep(&mut self, calibration: &Calibration) -> bool;
    /// Remembers over a reset, but not over a power cut, which number is armed.
    fn remember(&mut self, armed: Option<u32>);
}

/// Who the board is and what it knows when it starts.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Firmware version: major, minor, patch.
    pub firmware: [u8; 3],
    /// Serial number.
    pub serial: String<16>,
    /// Why the board started.
    pub reset: Reset,
    /// The number that was armed when it was reset, see [`Board::remember`].
    pub was_armed: Option<u32>,
    /// What the firmware said when it panicked before this start.
    pub panic: Option<&'static str>,
    /// What [`Board::keep`] wrote last.
    pub calibration: Option<Calibration>,
}

impl Identity {
    /// A board that was just made.
    #[must_use]
    pub fn new(firmware: [u8; 3], serial: String<16>, reset: Reset) -> Self {
        Self { firmware, serial, reset, was_armed: None, panic: None, calibration: None }
    }
}

/// One sensor board.
#[derive(Debug)]
pub struct Core {
    identity: Identity,
    contacts: Contacts,
    room: Room,
    latch: Option<Latch>,
    edge: u32,
    heartbeat_due: u32,
    deframer: Deframer,
    outgoing: Deque<Packet<FromBoard>, QUEUE>,
    seq: u32,
    lamp: Lamp,
    light: Light,
    sound: Option<(Sound, u32)>,
    buzzing: bool,
    /// Since when the self-test shows its colours.
    show: Option<u32>,
    counts: Counts,
    /// Parts of the panic's message that are still to be told.
    panic_part: Option<u8>,
    last_sample: u32,
}

/// What has gone wrong since the start.
#[derive(Debug, Default)]
struct Counts {
    late_samples: u32,
    bad_frames: u32,
    dropped: u32,
}

impl Core {
    /// A board that has just started at `at_ms` and found its contacts as `raw`.
    #[must_use]
    pub fn new(identity: Identity, at_ms: u32, raw: Raw) -> Self {
        let calibration = identity.calibration.unwrap_or(Calibration::DEFAULT);
        let panic_part = identity.panic.map(|_| 0);
        let mut core = Self {
            identity,
            contacts: Contacts::new(calibration, raw),
            room: Room::new(at_ms),
            latch: None,
            edge: 0,
            heartbeat_due: at_ms,
            deframer: Deframer::new(),
            outgoing: Deque::new(),
            seq: 0,
            lamp: Lamp::Off,
            light: Light::DARK,
            sound: None,
            buzzing: false,
            show: None,
            counts: Counts::default(),
            panic_part,
            last_sample: at_ms,
        };
        core.say_hello(at_ms);
        core
    }

    /// Looks at the contacts. Call once a millisecond.
    pub fn sample(&mut self, at_ms: u32, raw: Raw, board: &mut impl Board) {
        if at_ms.wrapping_sub(self.last_sample) >= 2 {
            self.counts.late_samples = self.counts.late_samples.saturating_add(1);
        }
        self.last_sample = at_ms;
        let now = self.contacts.look(raw);
        if let Some(latch) = &mut self.latch {
            latch.sample(at_ms, now.lid, now.in_corner);
        }
        for change in self.contacts.changes(raw, now).into_iter().flatten() {
            self.edge = self.edge.wrapping_add(1);
            self.say(FromBoard::Edge { edge: self.edge, at_ms, change });
        }
        if due(at_ms, self.heartbeat_due) {
            self.heartbeat_due = at_ms.wrapping_add(HEARTBEAT_MS);
            let armed = self.latch.as_ref().map(Latch::number);
            self.say(FromBoard::Heartbeat { at_ms, inputs: self.inputs(), armed });
        }
        self.say_panic();
        match self.room.poll(at_ms) {
            Next::Nothing => {}
            Next::Measure => board.measure(),
            Next::Heat => {
                board.heat();
                self.say(Room::drying());
            }
        }
        self.show_and_sound(at_ms, board);
    }

    /// Takes one byte from the line and does what a whole frame asks for. A bad frame is counted and forgotten: the
    /// station repeats what must be answered.
    pub fn receive(&mut self, at_ms: u32, byte: u8, board: &mut impl Board) {
        match self.deframer.push(byte) {
            None => {}
            Some(Ok(Packet { message, .. })) => self.obey(at_ms, message, board),
            Some(Err(_)) => self.counts.bad_frames = self.counts.bad_frames.saturating_add(1),
        }
    }

    /// Takes the result of a measurement.
    pub fn climate(&mut self, measured: Measured, age_ms: u32) {
        let said = self.room.take(measured, age_ms);
        self.say(said);
    }

    /// The next message to send.
    pub fn poll_packet(&mut self) -> Option<Packet<FromBoard>> {
        self.outgoing.pop_front()
    }

    /// The next frame to send.
    pub fn poll(&mut self) -> Option<heapless::Vec<u8, MAX_FRAME>> {
        // `MAX_FRAME` holds every message: protocol's tests prove it.
        encode(&self.poll_packet()?).ok()
    }

    /// The debounced inputs.
    #[must_use]
    pub fn inputs(&self) -> Inputs {
        self.contacts.inputs()
    }

    /// Frames that could not be read since the start.
    #[must_use]
    pub fn bad_frames(&self) -> u32 {
        self.counts.bad_frames
    }

    fn show_and_sound(&mut self, at_ms: u32, board: &mut impl Board) {
        let shown = self.show.and_then(|since| lamp::show(at_ms.wrapping_sub(since)));
        if shown.is_none() {
            self.show = None;
        }
        let light = shown.unwrap_or_else(|| lamp::light(self.lamp, at_ms));
        if light != self.light {
            self.light = light;
            board.light(light);
        }
        let tone = self.sound.and_then(|(sound, since)| sound::tone(sound, at_ms.wrapping_sub(since)));
        if tone.is_none() {
            self.sound = None;
        }
        if tone.unwrap_or(false) != self.buzzing {
            self.buzzing = !self.buzzing;
            board.buzz(self.buzzing);
        }
    }

    fn say(&mut self, message: FromBoard) {
        self.seq = self.seq.wrapping_add(1);
        // Full: dropped on purpose, see QUEUE.
        if self.outgoing.push_back(Packet { seq: self.seq, message }).is_err() {
            self.counts.dropped = self.counts.dropped.saturating_add(1);
        }
    }
}

/// Whether `at` has reached `due`, also across the wrap of the millisecond counter.
pub(crate) fn due(at: u32, due: u32) -> bool {
    at.wrapping_sub(due) < u32::MAX / 2
}

#[cfg(test)]
mod tests;
