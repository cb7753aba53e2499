//! The board's flash: its serial number, and in the last sector what was calibrated.

use crc::{CRC_32_ISCSI, Crc, NoTable};
use embassy_rp::Peri;
use embassy_rp::flash::{Blocking, ERASE_SIZE, Flash};
use embassy_rp::peripherals::FLASH;
use embassy_rp::rom_data::rom_version_number;
use platen_firmware_core::Calibration;

/// The Pico's flash, in bytes. The firmware has a budget of 64 KiB of it, so that the last sector is free.
const SIZE: usize = 2 * 1024 * 1024;
const SECTOR: u32 = (SIZE - ERASE_SIZE) as u32;

/// Before the levels: what they are, and the version of how they are written.
const MAGIC: [u8; 4] = *b"PLC1";
const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISCSI);

/// The flash, if the chip can write it.
pub struct Memory(Option<Flash<'static, FLASH, Blocking, SIZE>>);

impl Memory {
    pub fn new(flash: Peri<'static, FLASH>) -> Self {
        // Flash is asked and written through functions in the boot ROM, and an emulated chip has none (version 0).
        Self((rom_version_number() != 0).then(|| Flash::new_blocking(flash)))
    }

    /// The RP2040 has no number of its own; its flash has one of 8 bytes.
    pub fn id(&mut self) -> Option<u64> {
        let mut id = [0; 8];
        self.0.as_mut()?.blocking_unique_id(&mut id).ok()?;
        Some(u64::from_be_bytes(id))
    }

    /// What was kept last.
    pub fn calibration(&mut self) -> Option<Calibration> {
        let mut record = [0; 16];
        self.0.as_mut()?.blocking_read(SECTOR, &mut record).ok()?;
        let (body, crc) = record.split_at(12);
        let (magic, levels) = body.split_at(4);
        let sound = magic == MAGIC && CRC.checksum(body).to_le_bytes() == crc;
        Calibration::from_bytes(levels.try_into().ok().filter(|_| sound)?)
    }

    /// Writes it. Erasing stops the processor for some 50 ms, far less than the watchdog allows; nothing is armed then.
    pub fn keep(&mut self, calibration: &Calibration) -> bool {
        let Some(flash) = &mut self.0 else { return false };
        let mut record = [0; 16];
        record[..4].copy_from_slice(&MAGIC);
        record[4..12].copy_from_slice(&calibration.to_bytes());
        let crc = CRC.checksum(&record[..12]).to_le_bytes();
        record[12..].copy_from_slice(&crc);
        let end = SECTOR + ERASE_SIZE as u32;
        flash.blocking_erase(SECTOR, end).and_then(|()| flash.blocking_write(SECTOR, &record)).is_ok()
    }
}
