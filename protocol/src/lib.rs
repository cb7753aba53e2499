//! What the parts of Platen say to each other, and nothing else: this crate knows no other crate of ours.
//!
//! * [`board`]: sensor board ↔ station. postcard in COBS frames with a CRC, no allocator.
//! * [`uplink`] (feature `uplink`): station ↔ supervisor. JSON over MQTT, CloudEvents attribute names.
//!
//! `tests/golden/` holds the bytes of every released version. A golden file is never edited; a new version adds one.
#![no_std]
#![deny(missing_docs)]

#[cfg(feature = "uplink")]
extern crate alloc;

pub mod board;
#[cfg(feature = "uplink")]
pub mod uplink;
