//! What the board says.

use super::{Certificate, Corner, Denial};
use heapless::String;
use serde::{Deserialize, Serialize};

/// So many bytes of a panic's message go into one packet.
pub const PANIC_PART: usize = 32;

/// Board → station.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromBoard {
    /// Answer to `Hello`, also sent once after every reset.
    Hello {
        /// The link version of the board.
        protocol: u16,
        /// Firmware version: major, minor, patch.
        firmware: [u8; 3],
        /// Serial number of the board.
        serial: String<16>,
        /// Why the board last started.
        reset: Reset,
        /// Board time in milliseconds since its start.
        at_ms: u32,
    },
    /// Every [`HEARTBEAT_MS`](super::HEARTBEAT_MS).
    Heartbeat {
        /// Board time in milliseconds since its start, wrapping.
        at_ms: u32,
        /// The debounced inputs now.
        inputs: Inputs,
        /// The number under which the latch is armed.
        armed: Option<u32>,
    },
    /// An input changed. Edges are numbered apart from packets, so that a lost one shows.
    Edge {
        /// Rising by one with every edge, wrapping.
        edge: u32,
        /// Board time of the edge in milliseconds.
        at_ms: u32,
        /// What changed.
        change: Change,
    },
    /// The latch is armed; all that is watched was as it must be at that moment.
    Armed {
        /// The number asked for.
        number: u32,
        /// Board time in milliseconds.
        at_ms: u32,
    },
    /// The latch could not be armed.
    ArmRefused {
        /// The number asked for.
        number: u32,
        /// What stands against it.
        why: ArmRefusal,
    },
    /// What the board saw while it was armed.
    Certificate(Certificate),
    /// A certificate was asked for that the board does not have.
    NoCertificate {
        /// The number asked for.
        number: u32,
        /// Why not.
        why: Denial,
    },
    /// A room reading.
    Climate {
        /// Temperature in thousandths of a degree Celsius.
        milli_celsius: i32,
        /// Relative humidity in thousandths of a percent.
        milli_percent: u32,
        /// Age of the reading in milliseconds.
        age_ms: u32,
    },
    /// The room sensor could not be read, or what it says cannot be.
    ClimateFault(ClimateFault),
    /// The room sensor is heated dry; it is not read for so many milliseconds.
    Drying {
        /// Milliseconds until the next reading.
        for_ms: u32,
    },
    /// The board cannot speak the station's version.
    VersionRefused {
        /// The version the board speaks.
        ours: u16,
        /// The version the station named.
        theirs: u16,
    },
    /// A part of the message with which the firmware stopped before its last reset; follows `Hello`.
    Panic {
        /// From 0.
        part: u8,
        /// How many there are.
        parts: u8,
        /// UTF-8.
        text: String<PANIC_PART>,
    },
    /// A corner sensor's level was taken.
    Calibrated {
        /// Which sensor.
        corner: Corner,
        /// With paper over it.
        covered: bool,
        /// 0 to 4095; paper makes it lower.
        level: u16,
        /// It was written where it lives through a power cut.
        kept: bool,
    },
    /// A corner sensor's level could not be taken; the old one stays.
    CalibrationRefused {
        /// Which sensor.
        corner: Corner,
        /// What stands against it.
        why: CalibrationFault,
        /// What was seen, 0 to 4095.
        level: u16,
    },
    /// How the board is.
    SelfTest(SelfTest),
}

/// The debounced inputs of the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// The lid's switch.
    pub lid: Lid,
    /// The sensor at the top edge of the corner.
    pub top: Paper,
    /// The sensor at the left edge of the corner.
    pub left: Paper,
    /// The start button is held down.
    pub button: bool,
    /// The pedal is held down.
    pub pedal: bool,
    /// The board's case is open.
    pub tamper: bool,
}

impl Inputs {
    /// Paper lies at both edges of the corner.
    #[must_use]
    pub fn in_corner(&self) -> bool {
        self.top == Paper::Present && self.left == Paper::Present
    }
}

/// The lid as its two-pole switch tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lid {
    /// Both poles say closed.
    Closed,
    /// Both poles say open.
    Open,
    /// The poles disagree: a broken wire or a broken switch. Never taken as closed.
    Broken,
}

/// What a corner sensor sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Paper {
    /// No paper.
    Absent,
    /// Paper.
    Present,
    /// Its level is none that the sensor can have: a short circuit. Never taken as paper.
    Faulty,
}

/// One changed input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The lid moved.
    Lid(Lid),
    /// Paper came to or left the top sensor.
    Top(Paper),
    /// Paper came to or left the left sensor.
    Left(Paper),
    /// The start button went down or up.
    Button(bool),
    /// The pedal went down or up.
    Pedal(bool),
    /// The board's case was opened or shut.
    Tamper(bool),
}

/// What stands against arming the latch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ArmRefusal {
    /// The lid is open.
    LidOpen,
    /// The lid's switch is broken.
    LidBroken,
    /// Paper does not lie in the corner.
    NotInCorner,
    /// A corner sensor is broken.
    CornerBroken,
}

/// Why the board started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reset {
    /// Power came.
    PowerOn,
    /// The watchdog expired.
    Watchdog,
    /// It was asked to, or its firmware panicked.
    Forced,
}

/// Why the room is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClimateFault {
    /// The sensor did not answer.
    Absent,
    /// The sensor's checksum was wrong.
    Checksum,
    /// The numbers are sound, but no room can be like that: an end of the sensor's scale, or a leap.
    Implausible,
}

/// Why a corner sensor's level was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CalibrationFault {
    /// A scan is under way.
    Armed,
    /// The level is none that the sensor can have.
    Faulty,
    /// Too near to the level of the other state to tell them apart.
    TooClose,
}

/// How the board is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Board time in milliseconds.
    pub at_ms: u32,
    /// The level of the corner's top and left sensors, 0 to 4095.
    pub levels: [u16; 2],
    /// The corner's sensors were calibrated, and are not at the levels the firmware comes with.
    pub calibrated: bool,
    /// Samples that came 2 ms or more after the one before.
    pub late_samples: u32,
    /// Frames that could not be read.
    pub bad_frames: u32,
    /// Messages that the line had no room for.
    pub dropped: u32,
    /// How the last reading of the room went; `None` before the first.
    pub climate: Option<Result<(), ClimateFault>>,
}
