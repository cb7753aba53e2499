#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use super::*;
use platen_protocol::board::{Certificate, decode};
use proptest::prelude::*;

#[derive(Default)]
struct Bench {
    lamps: Vec<Lamp>,
    measured: u32,
}

impl Board for Bench {
    fn lamp(&mut self, lamp: Lamp) {
        self.lamps.push(lamp);
    }
    fn measure(&mut self) {
        self.measured += 1;
    }
}

/// A board on the bench with a lid that the test moves, and what it said.
struct Rig {
    core: Core,
    bench: Bench,
    now: u32,
    raw: Raw,
}

const CLOSED: Raw = Raw { lid_made: true, lid_rest: false, top: true, left: true, button: false };
const OPEN: Raw = Raw { lid_made: false, lid_rest: true, ..CLOSED };

impl Rig {
    fn started_at(now: u32) -> Self {
        let identity = Identity { firmware: [0, 1, 0], serial: "t1".try_into().unwrap(), reset: Reset::PowerOn };
        Self { core: Core::new(identity, now, CLOSED), bench: Bench::default(), now, raw: CLOSED }
    }

    fn run(&mut self, ms: u32) -> Vec<FromBoard> {
        let mut said = self.heard();
        for _ in 0..ms {
            self.now = self.now.wrapping_add(1);
            self.core.sample(self.now, self.raw, &mut self.bench);
            said.extend(self.heard());
        }
        said
    }

    fn heard(&mut self) -> Vec<FromBoard> {
        std::iter::from_fn(|| self.core.poll())
            .map(|frame| {
                let mut body = frame[..frame.len() - 1].to_vec();
                decode(&mut body).unwrap().message
            })
            .collect()
    }

    fn tell(&mut self, message: ToBoard) -> Vec<FromBoard> {
        for byte in encode(&Packet { seq: 0, message }).unwrap() {
            self.core.receive(self.now, byte, &mut self.bench);
        }
        self.heard()
    }

    fn certificate(&mut self, number: u32) -> Certificate {
        match self.tell(ToBoard::Certify { number }).pop() {
            Some(FromBoard::Certificate(certificate)) => certificate,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_board_greets_beats_and_measures() {
    let mut rig = Rig::started_at(0);
    let said = rig.run(1_000);
    assert!(matches!(said[0], FromBoard::Hello { protocol: VERSION, .. }));
    assert_eq!(said.iter().filter(|m| matches!(m, FromBoard::Heartbeat { .. })).count(), 4);
    assert_eq!(rig.bench.measured, 1);
    rig.core.climate(Ok((21_500, 48_000)), 12);
    assert_eq!(rig.heard(), [FromBoard::Climate { milli_celsius: 21_500, milli_percent: 48_000, age_ms: 12 }]);
}

#[test]
fn the_beat_goes_on_over_the_wrap_of_the_clock() {
    let mut rig = Rig::started_at(u32::MAX - 700);
    let beats = rig.run(2_000).iter().filter(|m| matches!(m, FromBoard::Heartbeat { .. })).count();
    assert_eq!(beats, 8);
}

#[test]
fn a_lid_kept_closed_is_certified() {
    let mut rig = Rig::started_at(u32::MAX - 100); // armed across the wrap
    rig.run(50);
    assert!(matches!(rig.tell(ToBoard::Arm { number: 7 })[..], [FromBoard::Armed { number: 7, .. }]));
    rig.run(400);
    let certificate = rig.certificate(7);
    assert_eq!((certificate.opened, certificate.corner_kept, certificate.samples), (None, true, 400));
    assert_eq!(certificate.until_ms.wrapping_sub(certificate.armed_ms), 400);
}

#[test]
fn an_open_lid_a_broken_wire_or_paper_out_of_its_corner_cannot_be_armed() {
    for (raw, why) in [
        (OPEN, ArmRefusal::LidOpen),
        (Raw { lid_rest: true, ..CLOSED }, ArmRefusal::LidBroken),
        (Raw { lid_made: false, ..CLOSED }, ArmRefusal::LidBroken),
        (Raw { top: false, ..CLOSED }, ArmRefusal::NotInCorner),
        (Raw { left: false, ..CLOSED }, ArmRefusal::NotInCorner),
    ] {
        let mut rig = Rig::started_at(0);
        rig.raw = raw;
        rig.run(40);
        assert_eq!(rig.tell(ToBoard::Arm { number: 1 }), [FromBoard::ArmRefused { number: 1, why }]);
        assert_eq!(rig.tell(ToBoard::Certify { number: 1 }), [FromBoard::NoCertificate { number: 1 }]);
    }
}

#[test]
fn an_old_number_a_new_conversation_and_a_disarmed_latch_have_no_certificate() {
    let mut rig = Rig::started_at(0);
    rig.run(10);
    rig.tell(ToBoard::Arm { number: 1 });
    assert_eq!(rig.tell(ToBoard::Certify { number: 2 }), [FromBoard::NoCertificate { number: 2 }]);
    rig.tell(ToBoard::Disarm { number: 2 });
    assert_eq!(rig.certificate(1).number, 1);
    rig.tell(ToBoard::Hello { protocol: VERSION });
    assert_eq!(rig.tell(ToBoard::Certify { number: 1 }), [FromBoard::NoCertificate { number: 1 }]);
}

#[test]
fn another_version_is_named() {
    let mut rig = Rig::started_at(0);
    rig.heard();
    let said = rig.tell(ToBoard::Hello { protocol: 9 });
    assert!(matches!(said[..], [FromBoard::Hello { .. }, FromBoard::VersionRefused { ours: VERSION, theirs: 9 }]));
}

#[test]
fn a_bouncing_button_is_one_press() {
    let mut rig = Rig::started_at(0);
    rig.run(10);
    let mut said = Vec::new();
    for ms in 0..60 {
        rig.raw.button = ms > 8 || ms % 3 == 0;
        said.extend(rig.run(1));
    }
    let edges: Vec<_> = said.iter().filter(|m| matches!(m, FromBoard::Edge { .. })).collect();
    assert_eq!(edges.len(), 1, "{edges:?}");
}

#[test]
fn a_full_queue_drops_the_newest_and_shows_a_gap() {
    let mut rig = Rig::started_at(0);
    for _ in 0..100 {
        for byte in encode(&Packet { seq: 0, message: ToBoard::Certify { number: 5 } }).unwrap() {
            rig.core.receive(0, byte, &mut rig.bench);
        }
    }
    assert_eq!(rig.heard().len(), QUEUE);
    rig.core.climate(Ok((0, 0)), 0);
    let mut frame = rig.core.poll().unwrap();
    frame.pop();
    assert!(decode::<FromBoard>(&mut frame).unwrap().seq > 100);
}

proptest! {
    /// The latch against the plainest model: a list of samples, searched for runs.
    #[test]
    fn every_opening_of_3_ms_is_certified_and_none_that_did_not_happen(
        runs in proptest::collection::vec((1u32..40, 1u32..40), 0..12),
    ) {
        let mut rig = Rig::started_at(u32::MAX - 60);
        rig.run(20);
        rig.tell(ToBoard::Arm { number: 3 });
        let mut samples = Vec::new();
        for &(closed, open) in &runs {
            for (raw, ms) in [(CLOSED, closed), (OPEN, open)] {
                rig.raw = raw;
                rig.run(ms);
                samples.extend(std::iter::repeat_n(raw == CLOSED, ms as usize));
            }
        }
        rig.raw = CLOSED;
        rig.run(1);
        let certificate = rig.certificate(3);
        let long: u32 = runs.iter().map(|r| r.1).filter(|&open| open >= 3).sum();
        prop_assert_eq!(certificate.opened.map_or(0, |o| o.samples), long);
        let first = samples.windows(3).position(|w| w == [false; 3]);
        prop_assert_eq!(certificate.opened.map(|o| o.first_ms as usize), first.map(|at| at + 1));
    }

    #[test]
    fn no_bytes_panic_the_board(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let mut rig = Rig::started_at(0);
        for byte in bytes {
            rig.core.receive(0, byte, &mut rig.bench);
        }
        rig.tell(ToBoard::Hello { protocol: VERSION });
        rig.core.receive(0, 0, &mut rig.bench);
        rig.heard();
        let alive = matches!(rig.tell(ToBoard::Hello { protocol: VERSION })[..], [FromBoard::Hello { .. }]);
        prop_assert!(alive);
    }
}
