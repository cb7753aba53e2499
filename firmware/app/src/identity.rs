//! Who the board is and why it started.

use crate::memory::Memory;
use core::fmt::Write;
use embassy_rp::watchdog::{ResetReason, Watchdog};
use heapless::String;
use platen_firmware_core::Identity;
use platen_protocol::board::Reset;

/// Version of this firmware, from Cargo.toml.
const FIRMWARE: [u8; 3] = [
    number(env!("CARGO_PKG_VERSION_MAJOR")),
    number(env!("CARGO_PKG_VERSION_MINOR")),
    number(env!("CARGO_PKG_VERSION_PATCH")),
];

/// Two of the watchdog's scratch registers live through a reset: one says by this number that the other is an armed one.
/// The boot ROM uses those from the fourth on.
const MARK: usize = 0;
const NUMBER: usize = 1;
const ARMED: u32 = 0x4152_4D45;

/// Reads the identity. Call once, before the watchdog starts: the message of a panic is handed out once only.
pub fn read(watchdog: &mut Watchdog, memory: &mut Memory) -> Identity {
    // A message that is cut within a character is told up to it.
    let panic = panic_persist::get_panic_message_bytes().map(|bytes| match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or(""),
    });
    let reset = match watchdog.reset_reason() {
        // A panic resets the processor alone; the watchdog then still tells of the reset before.
        _ if panic.is_some() => Reset::Forced,
        None => Reset::PowerOn,
        Some(ResetReason::TimedOut) => Reset::Watchdog,
        Some(ResetReason::Forced) => Reset::Forced,
    };
    let was_armed = (watchdog.get_scratch(MARK) == ARMED).then(|| watchdog.get_scratch(NUMBER));
    remember(watchdog, None);
    let calibration = memory.calibration();
    Identity { was_armed, panic, calibration, ..Identity::new(FIRMWARE, serial(memory), reset) }
}

/// Notes the armed number where a reset does not reach.
pub fn remember(watchdog: &mut Watchdog, armed: Option<u32>) {
    watchdog.set_scratch(MARK, if armed.is_some() { ARMED } else { 0 });
    watchdog.set_scratch(NUMBER, armed.unwrap_or(0));
}

fn serial(memory: &mut Memory) -> String<16> {
    let mut serial = String::new();
    // Both texts fit their 16 places.
    let _ = match memory.id() {
        Some(id) => write!(serial, "{id:016X}"),
        None => write!(serial, "rp2040"),
    };
    serial
}

const fn number(digits: &str) -> u8 {
    match u8::from_str_radix(digits, 10) {
        Ok(number) => number,
        Err(_) => panic!("a part of the version is above 255"),
    }
}
