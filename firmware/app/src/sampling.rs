//! The task that owns the core: looks at the contacts a thousand times a second and feeds the watchdog.

use crate::pins::Contacts;
use crate::{climate, lamp, link};
use embassy_rp::gpio::Output;
use embassy_rp::watchdog::Watchdog;
use embassy_time::{Duration, Instant, Ticker};
use platen_firmware_core::{Board, Core, Identity};
use platen_protocol::board::Lamp;

/// The certificate counts samples, one each millisecond.
const SAMPLE: Duration = Duration::from_millis(1);

/// No sample for so long, and the watchdog resets the board; the reset disarms the latch.
const ALLOWED: Duration = Duration::from_secs(1);

/// Frames obeyed between two samples, so that a flood from the station cannot hold up sampling. The UART brings at
/// most 11.5 bytes in a millisecond, fewer than two frames.
const FRAMES_PER_SAMPLE: usize = 2;

/// What the core asks of the board.
struct Operator {
    lamp: Lamp,
}

impl Board for Operator {
    fn lamp(&mut self, lamp: Lamp) {
        self.lamp = lamp;
    }

    fn measure(&mut self) {
        climate::WANTED.signal(());
    }
}

/// Runs the core for ever.
///
/// The ticker never skips: after a delay it samples at once until it has caught up.
pub async fn run(identity: Identity, contacts: Contacts, mut led: Output<'static>, mut watchdog: Watchdog) -> ! {
    watchdog.start(ALLOWED);
    let mut operator = Operator { lamp: Lamp::Off };
    let mut ticker = Ticker::every(SAMPLE);
    // The pull-ups were switched on just now and need some microseconds to lift a long wire.
    ticker.next().await;
    let mut core = Core::new(identity, millis(Instant::now().as_millis()), contacts.read());
    loop {
        ticker.next().await;
        let now = millis(Instant::now().as_millis());
        core.sample(now, contacts.read(), &mut operator);
        for _ in 0..FRAMES_PER_SAMPLE {
            let Ok(frame) = link::INCOMING.try_receive() else { break };
            for byte in frame {
                core.receive(now, byte, &mut operator);
            }
        }
        if let Some(reading) = climate::TAKEN.try_take() {
            core.climate(reading.result, millis(reading.at.elapsed().as_millis()));
        }
        while let Some(frame) = core.poll() {
            link::broadcast(&frame);
        }
        led.set_level(lamp::lit(operator.lamp, now).into());
        watchdog.feed(ALLOWED);
    }
}

/// Board time on the link: milliseconds, wrapping after 49 days.
fn millis(since_start: u64) -> u32 {
    since_start as u32
}
