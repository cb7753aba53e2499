//! The room sensor, a Sensirion SHT4x. Command, timing, checksum and formulas are those of Sensirion's SHT4x datasheet.

use crate::pins::Room;
use crc::{CRC_8_NRSC_5, Crc, NoTable};
use embassy_executor::Spawner;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use embedded_hal_async::i2c::I2c;
use platen_protocol::board::ClimateFault;

const ADDRESS: u8 = 0x44;

/// Measure both with high precision.
const MEASURE: u8 = 0xFD;

/// The measurement takes 8.3 ms at most.
const MEASURING: Duration = Duration::from_millis(10);

/// A bus that is held low never answers; the transfers themselves take 1 ms.
const PATIENCE: Duration = Duration::from_millis(50);

/// Polynomial 0x31, start 0xFF, nothing reflected: the catalogue knows Sensirion's checksum under this name.
const CRC: Crc<u8, NoTable> = Crc::<u8, NoTable>::new(&CRC_8_NRSC_5);

/// One measurement.
pub struct Reading {
    /// Thousandths of a degree Celsius and of a percent relative humidity.
    pub result: Result<(i32, u32), ClimateFault>,
    /// When it was taken.
    pub at: Instant,
}

/// Asks for a measurement. Asking twice before one is taken gives one.
pub static WANTED: Signal<CriticalSectionRawMutex, ()> = Signal::new();

/// The last measurement.
pub static TAKEN: Signal<CriticalSectionRawMutex, Reading> = Signal::new();

/// Starts the task that measures.
pub fn start(spawner: Spawner, bus: Room) {
    spawner.spawn(run(bus).expect("started once"));
}

#[embassy_executor::task]
async fn run(mut bus: Room) -> ! {
    loop {
        WANTED.wait().await;
        let result = with_timeout(PATIENCE, measure(&mut bus)).await.unwrap_or(Err(ClimateFault::Absent));
        TAKEN.signal(Reading { result, at: Instant::now() });
    }
}

async fn measure(bus: &mut impl I2c) -> Result<(i32, u32), ClimateFault> {
    let mut answer = [0; 6];
    bus.write(ADDRESS, &[MEASURE]).await.map_err(|_| ClimateFault::Absent)?;
    Timer::after(MEASURING).await;
    bus.read(ADDRESS, &mut answer).await.map_err(|_| ClimateFault::Absent)?;
    let [t1, t0, t_crc, h1, h0, h_crc] = answer;
    if CRC.checksum(&[t1, t0]) != t_crc || CRC.checksum(&[h1, h0]) != h_crc {
        return Err(ClimateFault::Checksum);
    }
    Ok((milli_celsius(u16::from_be_bytes([t1, t0])), milli_percent(u16::from_be_bytes([h1, h0]))))
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

// This crate has no tests of its own, it cannot run on the host: the compiler proves these. 0x6666 is 0.4 exactly,
// 0xBEEF the datasheet's example.
const _: () = {
    assert!(CRC.checksum(&[0xBE, 0xEF]) == 0x92);
    assert!(milli_celsius(0) == -45_000 && milli_celsius(0x6666) == 25_000 && milli_celsius(0xFFFF) == 130_000);
    assert!(milli_percent(0) == 0 && milli_percent(0x6666) == 44_000 && milli_percent(0xFFFF) == 100_000);
};
