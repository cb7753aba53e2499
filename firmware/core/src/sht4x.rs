//! The room sensor's language (Sensirion SHT4x datasheet): commands, times, checksum and formulas. Who has the bus sends
//! them: `firmware/app` on the board, the station on a Raspberry Pi.

use platen_protocol::board::ClimateFault;

/// I2C address of the SHT40-AD1B, SHT41 and SHT45.
pub const ADDRESS: u8 = 0x44;
/// Measure both with high precision.
pub const MEASURE: u8 = 0xFD;
/// The measurement takes 8.3 ms at most.
pub const MEASURING_MS: u32 = 10;
/// Heat with 110 mW for one second, then measure.
pub const HEAT: u8 = 0x2F;
/// The pulse and the measurement after it take 1.1 s at most.
pub const HEATING_MS: u32 = 1_110;

/// Reads the sensor's answer: two words of 16 bits, each with its checksum. Thousandths of a degree Celsius and of a percent
/// relative humidity.
///
/// # Errors
/// [`ClimateFault::Checksum`].
pub const fn read(answer: [u8; 6]) -> Result<(i32, u32), ClimateFault> {
    let [t1, t0, t_crc, h1, h0, h_crc] = answer;
    if checksum([t1, t0]) != t_crc || checksum([h1, h0]) != h_crc {
        return Err(ClimateFault::Checksum);
    }
    Ok((milli_celsius(u16::from_be_bytes([t1, t0])), milli_percent(u16::from_be_bytes([h1, h0]))))
}

/// CRC-8 with polynomial 0x31, start 0xFF, nothing reflected.
const fn checksum(word: [u8; 2]) -> u8 {
    let mut crc = 0xFF;
    let mut i = 0;
    while i < 16 {
        if i % 8 == 0 {
            crc ^= word[i / 8];
        }
        crc = if crc & 0x80 != 0 { (crc << 1) ^ 0x31 } else { crc << 1 };
        i += 1;
    }
    crc
}

/// `T = -45 + 175 · t / 65535` °C, rounded. Both 175000 and 65535 are divided by 5 so that the product fits 32 bits.
const fn milli_celsius(t: u16) -> i32 {
    ((35_000 * t as u32 + 6_553) / 13_107) as i32 - 45_000
}

/// `RH = -6 + 125 · h / 65535` %, rounded and clipped to 0..100 % as the datasheet asks.
const fn milli_percent(h: u16) -> u32 {
    let percent = ((25_000 * h as u32 + 6_553) / 13_107).saturating_sub(6_000);
    if percent > 100_000 { 100_000 } else { percent }
}

// 0x6666 is 0.4 exactly, 0xBEEF the datasheet's example.
const _: () = {
    assert!(checksum([0xBE, 0xEF]) == 0x92);
    assert!(milli_celsius(0) == -45_000 && milli_celsius(0x6666) == 25_000 && milli_celsius(0xFFFF) == 130_000);
    assert!(milli_percent(0) == 0 && milli_percent(0x6666) == 44_000 && milli_percent(0xFFFF) == 100_000);
};
