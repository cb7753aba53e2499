//! The Platen sensor board on a Raspberry Pi Pico: pins and tasks, nothing else. What the board does is
//! `platen-firmware-core`; how it is wired is [`pins`].
//!
//! One task, [`sampling`], owns the core. Around it: [`climate`] measures the room, and each line to the station
//! ([`uart`], [`usb`]) has a reader and a writer, joined to the sampling by the bounded queues of [`link`].
#![no_std]
#![no_main]

#[cfg(not(any(feature = "uart", feature = "usb")))]
compile_error!("a board without a line says nothing: choose the feature `uart`, `usb` or both");

mod climate;
mod identity;
mod link;
mod memory;
mod pins;
mod sampling;
#[cfg(feature = "uart")]
mod uart;
#[cfg(feature = "usb")]
mod usb;

use embassy_executor::Spawner;

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let mut parts = pins::take();
    let mut memory = memory::Memory::new(parts.flash);
    let identity = identity::read(&mut parts.watchdog, &mut memory);
    climate::start(spawner, parts.room);
    #[cfg(feature = "uart")]
    uart::start(spawner, parts.uart);
    #[cfg(feature = "usb")]
    usb::start(spawner, parts.usb, identity.serial.clone());
    sampling::run(identity, parts.contacts, parts.signals, memory, parts.watchdog).await
}
