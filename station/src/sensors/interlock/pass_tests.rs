//! Whole passes: the board's core watches a lid that moves at random moments, with a processor that stalls now and then, and
//! the station judges what it certifies.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use super::judge;
use platen_firmware_core::{Board, Calibration, Core, Identity, Light, Raw};
use platen_protocol::board::{Certificate, FromBoard, Packet, Reset, ToBoard, Watch, encode};
use proptest::prelude::*;
use std::time::Duration;

struct Nobody;

impl Board for Nobody {
    fn light(&mut self, _: Light) {}
    fn buzz(&mut self, _: bool) {}
    fn measure(&mut self) {}
    fn heat(&mut self) {}
    fn keep(&mut self, _: &Calibration) -> bool {
        false
    }
    fn remember(&mut self, _: Option<u32>) {}
}

/// When the board is armed, and when the pass ends, in µs of the board's clock.
const ARMED_US: u64 = 50_000;
const END_US: u64 = ARMED_US + 700_000;

/// Spans from one µs to another, such as those in which a lid is open.
struct Lid(Vec<(u64, u64)>);

impl Lid {
    fn raw(&self, at_us: u64) -> Raw {
        let open = self.0.iter().any(|&(from, to)| (from..to).contains(&at_us));
        let (button, pedal, case_shut) = (false, false, true);
        Raw { lid_made: !open, lid_rest: open, top: 800, left: 800, button, pedal, case_shut }
    }

    /// The longest that it was open without a break between two moments, in µs.
    fn longest_open(&self, from: u64, to: u64) -> u64 {
        let mut joined: Vec<(u64, u64)> = Vec::new();
        let mut spans = self.0.clone();
        spans.sort_unstable();
        for (begin, end) in spans {
            match joined.last_mut() {
                Some(last) if begin <= last.1 => last.1 = last.1.max(end),
                _ => joined.push((begin, end)),
            }
        }
        joined.iter().map(|&(begin, end)| end.min(to).saturating_sub(begin.max(from))).max().unwrap_or(0)
    }
}

fn tell(core: &mut Core, at_ms: u32, message: ToBoard) {
    for byte in encode(&Packet { seq: 0, message }).unwrap() {
        core.receive(at_ms, byte, &mut Nobody);
    }
}

fn heard(core: &mut Core) -> Vec<FromBoard> {
    std::iter::from_fn(|| core.poll_packet()).map(|packet| packet.message).collect()
}

/// The pass as the board certifies it, and when it was armed by its own word; nothing if it was not.
fn pass(lid: &Lid, stalls: &[(u64, u64)], bursts: bool) -> Option<(Certificate, u64)> {
    let mut core = Core::new(Identity::new([0; 3], "x".try_into().unwrap(), Reset::PowerOn), 0, lid.raw(0));
    let mut armed = None;
    let mut missed = 0;
    for tick in (1_000..=END_US).step_by(1_000) {
        if stalls.iter().any(|&(from, to)| (from..to).contains(&tick)) {
            missed += 1;
            continue;
        }
        let at_ms = (tick / 1_000) as u32;
        // A timer that catches up looks several times at one moment.
        for _ in 0..=(if bursts { missed } else { 0 }) {
            core.sample(at_ms, lid.raw(tick), &mut Nobody);
        }
        missed = 0;
        if armed.is_none() && tick >= ARMED_US {
            tell(&mut core, at_ms, ToBoard::Arm { number: 9, watch: Watch::LidAndCorner });
            armed = Some(tick);
        }
        heard(&mut core).iter().find(|m| matches!(m, FromBoard::ArmRefused { .. })).map_or(Some(()), |_| None)?;
    }
    tell(&mut core, (END_US / 1_000) as u32, ToBoard::Certify { number: 9 });
    let certificate = heard(&mut core).into_iter().find_map(|m| match m {
        FromBoard::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    Some((certificate.unwrap(), armed?))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Openings of 1 to 500 ms from before the pass to behind its end, a processor that stands still for up to 30 ms.
    #[test]
    fn no_page_is_accepted_whose_lid_was_open_for_5_ms_and_none_is_refused_for_nothing(
        openings in proptest::collection::vec((0..END_US + 20_000, prop_oneof![1_000u64..8_000, 1_000u64..500_000]), 0..3),
        stalls in proptest::collection::vec((0..END_US, prop_oneof![1_000u64..6_000, 1_000u64..30_000]), 0..3),
        bursts in any::<bool>(),
    ) {
        let lid = Lid(openings.iter().map(|&(from, long)| (from, from + long)).collect());
        let stalls: Vec<_> = stalls.iter().map(|&(from, long)| (from, from + long)).collect();
        let Some((certificate, armed)) = pass(&lid, &stalls, bursts) else {
            prop_assert!(lid.longest_open(0, ARMED_US + 30_000) > 0, "refused with a closed lid");
            return Ok(());
        };
        let watched = Duration::from_micros(END_US - armed);
        let verdict = judge(&certificate, 9, watched);
        let open = lid.longest_open(armed, END_US);
        if verdict.is_ok() {
            prop_assert!(open < 5_000, "open for {} µs: {:?}", open, certificate);
        } else if open == 0 {
            prop_assert!(Lid(stalls).longest_open(armed, END_US) > 1_000, "{:?}", verdict);
        }
    }
}
