//! Who the board is and why it started.

use core::fmt::Write;
use embassy_rp::Peri;
use embassy_rp::flash::{Blocking, Flash};
use embassy_rp::peripherals::FLASH;
use embassy_rp::rom_data::rom_version_number;
use embassy_rp::watchdog::{ResetReason, Watchdog};
use heapless::String;
use platen_firmware_core::Identity;
use platen_protocol::board::Reset;

/// The Pico's flash, in bytes; the driver wants to know it, the id does not depend on it.
const FLASH_SIZE: usize = 2 * 1024 * 1024;

/// Version of this firmware, from Cargo.toml.
const FIRMWARE: [u8; 3] = [
    number(env!("CARGO_PKG_VERSION_MAJOR")),
    number(env!("CARGO_PKG_VERSION_MINOR")),
    number(env!("CARGO_PKG_VERSION_PATCH")),
];

/// Reads the identity. Call once, before the watchdog starts: the message of a panic is handed out once only.
pub fn read(watchdog: &Watchdog, flash: Peri<'static, FLASH>) -> Identity {
    Identity { firmware: FIRMWARE, serial: serial(flash), reset: reset(watchdog) }
}

fn reset(watchdog: &Watchdog) -> Reset {
    // A panic resets the processor alone; the watchdog then still tells of the reset before.
    if panic_persist::get_panic_message_bytes().is_some() {
        return Reset::Forced;
    }
    match watchdog.reset_reason() {
        None => Reset::PowerOn,
        Some(ResetReason::TimedOut) => Reset::Watchdog,
        Some(ResetReason::Forced) => Reset::Forced,
    }
}

/// The RP2040 has no number of its own; its flash has one of 8 bytes, written here as 16 hex digits.
fn serial(flash: Peri<'static, FLASH>) -> String<16> {
    let mut serial = String::new();
    // Both texts fit their 16 places.
    let _ = match flash_id(flash) {
        Some(id) => write!(serial, "{:016X}", u64::from_be_bytes(id)),
        None => write!(serial, "rp2040"),
    };
    serial
}

fn flash_id(flash: Peri<'static, FLASH>) -> Option<[u8; 8]> {
    // The flash is asked through functions in the boot ROM, and an emulated chip has none (version 0).
    if rom_version_number() == 0 {
        return None;
    }
    let mut id = [0; 8];
    Flash::<_, Blocking, FLASH_SIZE>::new_blocking(flash).blocking_unique_id(&mut id).ok()?;
    Some(id)
}

const fn number(digits: &str) -> u8 {
    match u8::from_str_radix(digits, 10) {
        Ok(number) => number,
        Err(_) => panic!("a part of the version is above 255"),
    }
}
