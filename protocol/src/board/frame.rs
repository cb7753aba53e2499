//! Frames: how a packet becomes bytes on a serial line, and how a receiver finds its way back after garbage.

use super::Packet;
use heapless::Vec;
use serde::{Serialize, de::DeserializeOwned};

/// Largest packet before framing, in bytes. `tests/board_link.rs` proves that no message is larger.
pub const MAX_PAYLOAD: usize = 57;

const CRC_LEN: usize = 4;

/// Largest frame on the wire: payload, CRC, COBS overhead (one byte per 254) and the closing zero.
pub const MAX_FRAME: usize = MAX_PAYLOAD + CRC_LEN + 2;

/// Castagnoli's polynomial: the best known for frames this short.
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

/// Why bytes were not a packet. Each says what was seen and what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// More than [`MAX_FRAME`] bytes came without a closing zero.
    Oversize,
    /// The byte stuffing is broken.
    Stuffing,
    /// Too few bytes to hold a CRC and a packet.
    Truncated {
        /// Bytes after unstuffing.
        len: usize,
    },
    /// The checksum is wrong: the frame was damaged on its way.
    Checksum,
    /// The checksum is right, but this version has no such message.
    UnknownMessage,
    /// The checksum is right and the message known, but bytes follow it.
    Trailing {
        /// Bytes left over.
        extra: usize,
    },
    /// The packet is larger than [`MAX_PAYLOAD`].
    TooLarge,
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Oversize => write!(f, "no frame end within {MAX_FRAME} bytes"),
            Self::Stuffing => write!(f, "broken COBS stuffing"),
            Self::Truncated { len } => {
                write!(f, "frame of {len} bytes cut short (a CRC and a message need at least 6)")
            }
            Self::Checksum => write!(f, "wrong CRC-32: the frame was damaged"),
            Self::UnknownMessage => write!(f, "sound frame with a message unknown to link version {}", super::VERSION),
            Self::Trailing { extra } => write!(f, "{extra} bytes after the message"),
            Self::TooLarge => write!(f, "message larger than {MAX_PAYLOAD} bytes"),
        }
    }
}

impl core::error::Error for FrameError {}

/// Writes `packet` as one frame.
///
/// # Errors
/// [`FrameError::TooLarge`] if the packet exceeds [`MAX_PAYLOAD`].
pub fn encode<M: Serialize>(packet: &Packet<M>) -> Result<Vec<u8, MAX_FRAME>, FrameError> {
    let mut raw = [0u8; MAX_PAYLOAD + CRC_LEN];
    let len = postcard::to_slice(packet, &mut raw[..MAX_PAYLOAD]).map_err(|_| FrameError::TooLarge)?.len();
    let crc = CRC.checksum(&raw[..len]).to_le_bytes();
    raw[len..len + CRC_LEN].copy_from_slice(&crc);
    let mut frame = Vec::new();
    frame.resize_default(MAX_FRAME).map_err(|_| FrameError::TooLarge)?;
    let stuffed = cobs::try_encode(&raw[..len + CRC_LEN], &mut frame).map_err(|_| FrameError::TooLarge)?;
    frame.truncate(stuffed);
    frame.push(0).map_err(|_| FrameError::TooLarge)?;
    Ok(frame)
}

/// Reads one frame without its closing zero. The buffer is unstuffed in place.
///
/// # Errors
/// Says which part of the frame is wrong.
pub fn decode<M: DeserializeOwned>(frame: &mut [u8]) -> Result<Packet<M>, FrameError> {
    let len = cobs::decode_in_place(frame).map_err(|_| FrameError::Stuffing)?;
    // The shortest packet is one byte of sequence and one of message.
    let Some(body) = len.checked_sub(CRC_LEN).filter(|&body| body >= 2) else {
        return Err(FrameError::Truncated { len });
    };
    let (payload, crc) = frame[..len].split_at(body);
    if CRC.checksum(payload).to_le_bytes() != crc {
        return Err(FrameError::Checksum);
    }
    let (packet, rest) = postcard::take_from_bytes(payload).map_err(|_| FrameError::UnknownMessage)?;
    match rest.len() {
        0 => Ok(packet),
        extra => Err(FrameError::Trailing { extra }),
    }
}

/// Collects bytes into frames; after garbage it is in step again with the next zero.
#[derive(Debug, Default)]
pub struct Deframer {
    buffer: Vec<u8, MAX_FRAME>,
    overrun: bool,
}

impl Deframer {
    /// Nothing collected yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { buffer: Vec::new(), overrun: false }
    }

    /// Takes one byte; answers when it closes a frame. An empty frame (two zeros in a row) is silence, not an error.
    pub fn push<M: DeserializeOwned>(&mut self, byte: u8) -> Option<Result<Packet<M>, FrameError>> {
        if byte != 0 {
            self.overrun |= self.buffer.push(byte).is_err();
            return None;
        }
        let overrun = core::mem::take(&mut self.overrun);
        let answer = match (overrun, self.buffer.is_empty()) {
            (true, _) => Some(Err(FrameError::Oversize)),
            (false, true) => None,
            (false, false) => Some(decode(&mut self.buffer)),
        };
        self.buffer.clear();
        answer
    }
}
