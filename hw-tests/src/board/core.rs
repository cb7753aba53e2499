//! The board's core on the host.

use super::{Brain, Controls, PRESS_MS, Quality, lock};
use platen_firmware_core::{Board, Calibration, Core, Identity, Light, Raw};
use platen_protocol::board::{FromBoard, Packet, Reset, encode};
use std::{collections::VecDeque, sync::Mutex, time::Instant};

pub(super) struct CoreBrain {
    core: Core,
    began: Instant,
    at_ms: u32,
    hurried_ms: u32,
    /// The button is let go at this board time.
    release_ms: Option<u32>,
    calibration: Option<Calibration>,
    armed: Option<u32>,
    out: Outgoing,
}

fn identity(reset: Reset) -> Identity {
    Identity::new([0, 2, 0], "emulated".try_into().unwrap_or_default(), reset)
}

impl CoreBrain {
    pub(super) fn new(raw: Raw) -> Self {
        Self {
            core: Core::new(identity(Reset::PowerOn), 0, raw),
            began: Instant::now(),
            at_ms: 0,
            hurried_ms: 0,
            release_ms: None,
            calibration: None,
            armed: None,
            out: Outgoing::default(),
        }
    }
}

impl Brain for CoreBrain {
    fn turn(&mut self, controls: &Mutex<Controls>, from_station: &[u8]) -> anyhow::Result<Vec<u8>> {
        let Self { core, began, at_ms, hurried_ms, release_ms, calibration, armed, out } = self;
        let (mut raw, noise, climate, version, quality) = {
            let mut c = lock(controls);
            *hurried_ms += std::mem::take(&mut c.hurry_ms);
            if std::mem::take(&mut c.press) {
                *release_ms = Some(*at_ms + PRESS_MS);
            }
            if std::mem::take(&mut c.reset) {
                let kept = Identity { was_armed: armed.take(), calibration: *calibration, ..identity(Reset::Watchdog) };
                *core = Core::new(kept, *at_ms, c.raw);
            }
            (c.raw, std::mem::take(&mut c.noise), c.climate, c.version, c.line)
        };
        let mut hands = Hands { controls, measure: false, calibration, armed };
        let say = |core: &mut Core, out: &mut Outgoing| {
            while let Some(packet) = core.poll_packet() {
                out.waiting.extend(as_version(packet, version));
            }
        };
        // A busy machine makes this loop late; the board's own clock is never late.
        while began.elapsed().as_millis() + u128::from(*hurried_ms) > u128::from(*at_ms) {
            *at_ms += 1;
            raw.button |= release_ms.is_some_and(|release| *at_ms < release);
            if release_ms.is_some_and(|release| *at_ms >= release) {
                (*release_ms, raw.button) = (None, false);
            }
            let closed = lock(controls).script.pop_front();
            let raw = closed.map_or(raw, |closed| Raw { lid_made: closed, lid_rest: !closed, ..raw });
            core.sample(*at_ms, raw, &mut hands);
            // Of a hurried room every reading counts.
            if std::mem::take(&mut hands.measure) {
                core.climate(climate, 0);
            }
            say(core, out);
        }
        from_station.iter().for_each(|&byte| core.receive(*at_ms, byte, &mut hands));
        if std::mem::take(&mut hands.measure) {
            core.climate(climate, 0);
        }
        out.waiting.extend(&noise);
        say(core, out);
        Ok(out.due(*at_ms, quality))
    }
}

/// What the core asks of the board.
struct Hands<'a> {
    controls: &'a Mutex<Controls>,
    measure: bool,
    calibration: &'a mut Option<Calibration>,
    armed: &'a mut Option<u32>,
}

impl Board for Hands<'_> {
    fn light(&mut self, light: Light) {
        lock(self.controls).light = light;
    }
    fn buzz(&mut self, on: bool) {
        lock(self.controls).tones += u32::from(on);
    }
    fn measure(&mut self) {
        self.measure = true;
    }
    fn heat(&mut self) {}
    fn keep(&mut self, calibration: &Calibration) -> bool {
        *self.calibration = Some(*calibration);
        true
    }
    fn remember(&mut self, armed: Option<u32>) {
        *self.armed = armed;
    }
}

/// Bytes on their way to the station.
#[derive(Debug, Default)]
struct Outgoing {
    waiting: VecDeque<u8>,
    sent_ms: u32,
    count: u32,
}

impl Outgoing {
    /// What has left the board by now.
    fn due(&mut self, at_ms: u32, quality: Quality) -> Vec<u8> {
        let passed = at_ms - std::mem::replace(&mut self.sent_ms, at_ms);
        let many = match quality {
            Quality::Slow => self.waiting.len().min(passed as usize),
            Quality::Good | Quality::Loses { .. } => self.waiting.len(),
        };
        let mut kept = |_: &u8| {
            self.count = self.count.wrapping_add(1);
            !matches!(quality, Quality::Loses { one_of } if self.count.is_multiple_of(one_of))
        };
        self.waiting.drain(..many).filter(|byte| kept(byte)).collect()
    }
}

/// What a board of some version says. Of another than ours only the greeting is understood: its other messages may mean
/// anything, and this one means that everything is well.
fn as_version(mut packet: Packet<FromBoard>, version: u16) -> Vec<u8> {
    if let FromBoard::Hello { protocol, .. } = &mut packet.message {
        *protocol = version;
    }
    encode(&packet).map(|frame| frame.to_vec()).unwrap_or_default()
}
