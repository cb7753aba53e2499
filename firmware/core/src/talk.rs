//! What the board does when the station says something, and what it tells of itself.

use crate::{Board, Core, corner, latch::Latch};
use heapless::String;
use platen_protocol::board::{
    ArmRefusal, CalibrationFault, Corner, Denial, FromBoard, Inputs, Lid, PANIC_PART, Paper, SelfTest, Sound, ToBoard,
    VERSION, Watch,
};

impl Core {
    pub(crate) fn obey(&mut self, at_ms: u32, message: ToBoard, board: &mut impl Board) {
        match message {
            ToBoard::Hello { protocol } => {
                // A new conversation knows nothing of an old number.
                self.disarm(board);
                self.say_hello(at_ms);
                if protocol != VERSION {
                    self.say(FromBoard::VersionRefused { ours: VERSION, theirs: protocol });
                }
                self.heartbeat_due = at_ms;
                self.panic_part = self.identity.panic.map(|_| 0);
            }
            ToBoard::Arm { number, watch } => self.arm(at_ms, number, watch, board),
            ToBoard::Certify { number } => self.certify(at_ms, number),
            ToBoard::Disarm { number } => {
                if self.latch.as_ref().is_some_and(|latch| latch.number() == number) {
                    self.disarm(board);
                }
            }
            ToBoard::Lamp(lamp) => self.lamp = lamp,
            ToBoard::Sound(sound) => self.sound = Some((sound, at_ms)),
            ToBoard::ReadClimate => self.measure(at_ms, board),
            ToBoard::Calibrate { corner, covered } => self.calibrate(corner, covered, board),
            ToBoard::SelfTest => {
                self.say(FromBoard::SelfTest(SelfTest {
                    at_ms,
                    levels: [self.contacts.last.top, self.contacts.last.left],
                    calibrated: self.identity.calibration.is_some(),
                    late_samples: self.counts.late_samples,
                    bad_frames: self.counts.bad_frames,
                    dropped: self.counts.dropped,
                    climate: self.room.outcome(),
                }));
                (self.show, self.sound) = (Some(at_ms), Some((Sound::Attention, at_ms)));
                self.measure(at_ms, board);
            }
        }
    }

    /// Reads the room, unless the sensor is still warm from its heater: then it says so.
    fn measure(&mut self, at_ms: u32, board: &mut impl Board) {
        match self.room.cools_for(at_ms) {
            None => board.measure(),
            Some(for_ms) => self.say(FromBoard::Drying { for_ms }),
        }
    }

    fn disarm(&mut self, board: &mut impl Board) {
        self.latch = None;
        board.remember(None);
    }

    fn arm(&mut self, at_ms: u32, number: u32, watch: Watch, board: &mut impl Board) {
        match against(self.inputs(), watch) {
            Some(why) => self.say(FromBoard::ArmRefused { number, why }),
            None => {
                self.latch = Some(Latch::new(number, watch, at_ms));
                board.remember(Some(number));
                self.say(FromBoard::Armed { number, at_ms });
            }
        }
    }

    fn certify(&mut self, at_ms: u32, number: u32) {
        let denied = |why| FromBoard::NoCertificate { number, why };
        let said = match &self.latch {
            Some(latch) if latch.number() == number => FromBoard::Certificate(latch.certificate(at_ms)),
            Some(latch) => denied(Denial::Other { armed: latch.number() }),
            None if self.identity.was_armed == Some(number) => denied(Denial::Reset(self.identity.reset)),
            None => denied(Denial::NotArmed),
        };
        self.say(said);
    }

    fn calibrate(&mut self, corner: Corner, covered: bool, board: &mut impl Board) {
        let level = self.contacts.last.level(corner);
        let mut calibration = self.contacts.calibration();
        let levels = calibration.of(corner);
        *(if covered { &mut levels.covered } else { &mut levels.bare }) = level;
        let why = if self.latch.is_some() {
            Some(CalibrationFault::Armed)
        } else if level <= corner::SHORTED {
            Some(CalibrationFault::Faulty)
        } else if !levels.is_sound() {
            Some(CalibrationFault::TooClose)
        } else {
            None
        };
        let said = match why {
            Some(why) => FromBoard::CalibrationRefused { corner, why, level },
            None => {
                self.contacts.calibrate(calibration);
                self.identity.calibration = Some(calibration);
                FromBoard::Calibrated { corner, covered, level, kept: board.keep(&calibration) }
            }
        };
        self.say(said);
    }

    pub(crate) fn say_hello(&mut self, at_ms: u32) {
        self.say(FromBoard::Hello {
            protocol: VERSION,
            firmware: self.identity.firmware,
            serial: self.identity.serial.clone(),
            reset: self.identity.reset,
            at_ms,
        });
    }

    /// Tells one part of a panic's message at a time: the line and its queue are short.
    pub(crate) fn say_panic(&mut self) {
        let (Some(part), Some(message)) = (self.panic_part, self.identity.panic) else { return };
        if !self.outgoing.is_empty() {
            return;
        }
        let parts = split(message).count() as u8;
        self.panic_part = (part + 1 < parts).then_some(part + 1);
        if let Some(text) = split(message).nth(part.into()) {
            // A part is cut to fit.
            let text = String::try_from(text).unwrap_or_default();
            self.say(FromBoard::Panic { part, parts, text });
        }
    }
}

/// A message of at most 255 parts, cut between characters.
fn split(message: &str) -> impl Iterator<Item = &str> {
    let mut rest = message;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = (0..=PANIC_PART.min(rest.len())).rev().find(|&at| rest.is_char_boundary(at))?;
        let (part, after) = rest.split_at(end);
        rest = after;
        Some(part)
    })
    .take(u8::MAX.into())
}

/// What stands against arming, of what is to be watched.
fn against(inputs: Inputs, watch: Watch) -> Option<ArmRefusal> {
    let lid = match inputs.lid {
        Lid::Open => Some(ArmRefusal::LidOpen),
        Lid::Broken => Some(ArmRefusal::LidBroken),
        Lid::Closed => None,
    };
    let corner = match (inputs.top, inputs.left) {
        (Paper::Present, Paper::Present) => None,
        (Paper::Faulty, _) | (_, Paper::Faulty) => Some(ArmRefusal::CornerBroken),
        (Paper::Absent, _) | (_, Paper::Absent) => Some(ArmRefusal::NotInCorner),
    };
    lid.filter(|_| watch.lid()).or(corner.filter(|_| watch.corner()))
}
