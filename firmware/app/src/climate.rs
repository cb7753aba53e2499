//! The room sensor's bus. Its language is `platen_firmware_core::sht4x`, when it is used the core decides.

use crate::pins::Room;
use embassy_executor::Spawner;
use embassy_sync::blocking_mutex::raw::ThreadModeRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use embedded_hal_async::i2c::I2c;
use platen_firmware_core::{Measured, sht4x};
use platen_protocol::board::ClimateFault;

/// A bus that is held low never answers; the transfers themselves take 1 ms.
const PATIENCE: Duration = Duration::from_millis(50);

/// One measurement.
pub struct Reading {
    /// Thousandths of a degree Celsius and of a percent relative humidity.
    pub measured: Measured,
    /// When it was taken.
    pub at: Instant,
}

/// What the core wants of the sensor.
#[derive(Clone, Copy)]
pub enum Wish {
    Measure,
    /// One pulse of the heater; what it measures while hot is thrown away.
    Heat,
}

/// Asks for something. Asking twice before it is done gives one, the latter.
pub static WANTED: Signal<ThreadModeRawMutex, Wish> = Signal::new();

/// The last measurement.
pub static TAKEN: Signal<ThreadModeRawMutex, Reading> = Signal::new();

/// Starts the task that measures.
pub fn start(spawner: Spawner, bus: Room) {
    spawner.spawn(run(bus).expect("started once"));
}

#[embassy_executor::task]
async fn run(mut bus: Room) -> ! {
    loop {
        match WANTED.wait().await {
            Wish::Measure => {
                let measured = with_timeout(PATIENCE, measure(&mut bus)).await.unwrap_or(Err(ClimateFault::Absent));
                TAKEN.signal(Reading { measured, at: Instant::now() });
            }
            Wish::Heat => {
                // A sensor that does not take the command says so at the next reading.
                let _ = with_timeout(PATIENCE, bus.write(sht4x::ADDRESS, &[sht4x::HEAT])).await;
                Timer::after(Duration::from_millis(sht4x::HEATING_MS.into())).await;
            }
        }
    }
}

async fn measure(bus: &mut impl I2c) -> Measured {
    let mut answer = [0; 6];
    bus.write(sht4x::ADDRESS, &[sht4x::MEASURE]).await.map_err(|_| ClimateFault::Absent)?;
    Timer::after(Duration::from_millis(sht4x::MEASURING_MS.into())).await;
    bus.read(sht4x::ADDRESS, &mut answer).await.map_err(|_| ClimateFault::Absent)?;
    sht4x::read(answer)
}
