//! The link between the sensor board and the station, version 1.
//!
//! Every frame is `COBS( postcard(Packet) ‖ CRC-32/ISCSI little-endian ) ‖ 0x00`. The first packet in each
//! direction is `Hello`, whose shape up to and including `protocol` never changes: a peer of another version is
//! named, not guessed at.

mod frame;

pub use frame::{Deframer, FrameError, MAX_FRAME, MAX_PAYLOAD, decode, encode};

use heapless::String;
use serde::{Deserialize, Serialize};

/// Version of the board link spoken by this crate.
pub const VERSION: u16 = 1;

/// The board sends a heartbeat this often, in milliseconds.
pub const HEARTBEAT_MS: u32 = 250;

/// A board that was silent for longer than this, in milliseconds, counts as gone: two lost heartbeats and a bit.
pub const STALE_MS: u32 = 750;

/// One message with its place in the stream. `seq` counts every packet a side sends and wraps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet<M> {
    /// Number of the packet, rising by one, wrapping at 2³².
    pub seq: u32,
    /// What is said.
    pub message: M,
}

/// Station → board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToBoard {
    /// Opens the conversation; the board answers with its own `Hello` and forgets any armed latch.
    Hello {
        /// The link version of the station.
        protocol: u16,
    },
    /// Start watching lid and corner under this number. Refused while the lid is not closed.
    Arm {
        /// Chosen by the station, never used twice.
        number: u32,
    },
    /// Ask for the certificate of this number. The latch stays armed.
    Certify {
        /// The number given to `Arm`.
        number: u32,
    },
    /// Stop watching.
    Disarm {
        /// The number given to `Arm`.
        number: u32,
    },
    /// Show the operator a colour.
    Lamp(Lamp),
    /// Measure the room now instead of at the next turn.
    ReadClimate,
}

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
    /// Every [`HEARTBEAT_MS`], and after each change.
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
    /// The latch is armed and the lid was closed at that moment.
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
    /// A certificate was asked for a number that is not armed (an old one, or the board was reset).
    NoCertificate {
        /// The number asked for.
        number: u32,
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
    /// The room sensor could not be read.
    ClimateFault(ClimateFault),
    /// The board cannot speak the station's version.
    VersionRefused {
        /// The version the board speaks.
        ours: u16,
        /// The version the station named.
        theirs: u16,
    },
}

/// The debounced inputs of the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// The lid's switch.
    pub lid: Lid,
    /// Paper lies at the top edge of the corner.
    pub top: bool,
    /// Paper lies at the left edge of the corner.
    pub left: bool,
    /// The start button is held down.
    pub button: bool,
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

/// One changed input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The lid moved.
    Lid(Lid),
    /// Paper came to or left the top sensor.
    Top(bool),
    /// Paper came to or left the left sensor.
    Left(bool),
    /// The start button went down or up.
    Button(bool),
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
}

/// What the board alone saw, sample by sample, from `armed_ms` to `until_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The number given to `Arm`.
    pub number: u32,
    /// Board time at which watching began, in milliseconds.
    pub armed_ms: u32,
    /// Board time of the last sample, in milliseconds.
    pub until_ms: u32,
    /// Samples looked at in between; one each millisecond is expected.
    pub samples: u32,
    /// The lid was not closed at some sample.
    pub opened: Option<Opening>,
    /// Paper lay in the corner at every sample.
    pub corner_kept: bool,
}

/// How the lid was found open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// First sample that was not closed, milliseconds after arming.
    pub first_ms: u32,
    /// Samples, one each millisecond, that were not closed.
    pub samples: u32,
    /// The switch's poles disagreed at one of them.
    pub broken: bool,
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

/// Why the room could not be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClimateFault {
    /// The sensor did not answer.
    Absent,
    /// The sensor's checksum was wrong.
    Checksum,
}

/// What the operator's lamp shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lamp {
    /// Dark: no batch.
    Off,
    /// Green: lay the next page, press start.
    Ready,
    /// White: a scan is under way, keep the lid closed.
    Scanning,
    /// Red: look at the screen.
    Attention,
}
