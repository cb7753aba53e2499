//! The link between the sensor board and the station, version 2.
//!
//! Every frame is `COBS( postcard(Packet) ‖ CRC-32/ISCSI little-endian ) ‖ 0x00`. The first packet in each
//! direction is `Hello`, whose shape never changes: a peer of another version is named, not guessed at.

mod certificate;
mod frame;
mod from_board;
mod to_board;

pub use certificate::{Certificate, Denial, Opening, Uncovered};
pub use frame::{Deframer, FrameError, MAX_FRAME, MAX_PAYLOAD, decode, encode};
pub use from_board::{
    ArmRefusal, CalibrationFault, Change, ClimateFault, FromBoard, Inputs, Lid, PANIC_PART, Paper, Reset, SelfTest,
};
pub use to_board::{Corner, Lamp, Sound, ToBoard, Watch};

use serde::{Deserialize, Serialize};

/// Version of the board link spoken by this crate.
pub const VERSION: u16 = 2;

/// The board sends a heartbeat this often, in milliseconds.
pub const HEARTBEAT_MS: u32 = 250;

/// A board that was silent for longer than this, in milliseconds, counts as gone: two heartbeats did not come.
pub const STALE_MS: u32 = 500;

/// One message with its place in the stream. `seq` counts every packet a side sends and wraps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet<M> {
    /// Number of the packet, rising by one, wrapping at 2³².
    pub seq: u32,
    /// What is said.
    pub message: M,
}
