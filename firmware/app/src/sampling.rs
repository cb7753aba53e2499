//! The task that owns the core: looks at the contacts a thousand times a second and feeds the watchdog.

use crate::memory::Memory;
use crate::pins::{Contacts, Signals};
use crate::{climate, link};
use embassy_rp::watchdog::Watchdog;
use embassy_time::{Duration, Instant, Ticker};
use platen_firmware_core::{Board, Calibration, Core, Identity, Light};

/// The certificate counts samples, one each millisecond.
const SAMPLE: Duration = Duration::from_millis(1);

/// No sample for so long, and the watchdog resets the board; the reset disarms the latch.
const ALLOWED: Duration = Duration::from_secs(1);

/// Frames obeyed between two samples, so that a flood from the station cannot hold up sampling. The UART brings at
/// most 11.5 bytes in a millisecond, fewer than two frames.
const FRAMES_PER_SAMPLE: usize = 2;

/// What the core asks of the board.
struct Hands {
    signals: Signals,
    memory: Memory,
    watchdog: Watchdog,
}

impl Board for Hands {
    fn light(&mut self, light: Light) {
        self.signals.light(light);
    }

    fn buzz(&mut self, on: bool) {
        self.signals.buzz(on);
    }

    fn measure(&mut self) {
        climate::WANTED.signal(climate::Wish::Measure);
    }

    fn heat(&mut self) {
        climate::WANTED.signal(climate::Wish::Heat);
    }

    fn keep(&mut self, calibration: &Calibration) -> bool {
        self.memory.keep(calibration)
    }

    fn remember(&mut self, armed: Option<u32>) {
        crate::identity::remember(&mut self.watchdog, armed);
    }
}

/// Runs the core for ever.
///
/// After a delay the ticker begins anew: what was missed stays missed, and stands in the certificate as a gap.
pub async fn run(
    identity: Identity,
    mut contacts: Contacts,
    signals: Signals,
    memory: Memory,
    mut watchdog: Watchdog,
) -> ! {
    watchdog.start(ALLOWED);
    let mut hands = Hands { signals, memory, watchdog };
    let mut ticker = Ticker::every(SAMPLE);
    // The pull-ups were switched on just now and need some microseconds to lift a long wire.
    ticker.next().await;
    let mut clock = Clock::new();
    let mut core = Core::new(identity, clock.millis(), contacts.read());
    contacts.turn();
    let mut last = clock.millis();
    loop {
        ticker.next().await;
        let now = clock.millis();
        if now.wrapping_sub(last) > 1 {
            ticker.reset();
        }
        last = now;
        core.sample(now, contacts.read(), &mut hands);
        for _ in 0..FRAMES_PER_SAMPLE {
            let Ok(frame) = link::INCOMING.try_receive() else { break };
            for byte in frame {
                core.receive(now, byte, &mut hands);
            }
        }
        if let Some(reading) = climate::TAKEN.try_take() {
            core.climate(reading.measured, reading.at.elapsed().as_millis() as u32);
        }
        while let Some(frame) = core.poll() {
            link::broadcast(&frame);
        }
        contacts.turn();
        hands.watchdog.feed(ALLOWED);
    }
}

/// Board time on the link: milliseconds since the start, wrapping after 49 days. Counted up, because the Cortex-M0+ cannot
/// divide.
struct Clock {
    millis: u32,
    next: Instant,
}

impl Clock {
    fn new() -> Self {
        Self { millis: 0, next: Instant::from_millis(1) }
    }

    fn millis(&mut self) -> u32 {
        let now = Instant::now();
        while now >= self.next {
            self.millis = self.millis.wrapping_add(1);
            self.next += SAMPLE;
        }
        self.millis
    }
}
