#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod lid;
mod parts;

use super::*;
use platen_protocol::board::{
    ArmRefusal, CalibrationFault, Certificate, ClimateFault, Corner, Denial, Paper, ToBoard, Uncovered, VERSION, Watch,
    decode,
};
use proptest::prelude::*;

#[derive(Debug, Default)]
struct Bench {
    lights: Vec<Light>,
    buzzes: u32,
    measured: u32,
    heated: u32,
    kept: Vec<Calibration>,
    armed: Option<u32>,
}

impl Board for Bench {
    fn light(&mut self, light: Light) {
        self.lights.push(light);
    }
    fn buzz(&mut self, on: bool) {
        self.buzzes += u32::from(on);
    }
    fn measure(&mut self) {
        self.measured += 1;
    }
    fn heat(&mut self) {
        self.heated += 1;
    }
    fn keep(&mut self, calibration: &Calibration) -> bool {
        self.kept.push(*calibration);
        true
    }
    fn remember(&mut self, armed: Option<u32>) {
        self.armed = armed;
    }
}

/// A board on the bench with a lid that the test moves, and what it said.
struct Rig {
    core: Core,
    bench: Bench,
    now: u32,
    raw: Raw,
}

const PAPER: u16 = 900;
const NO_PAPER: u16 = 3_500;
const CLOSED: Raw =
    Raw { lid_made: true, lid_rest: false, top: PAPER, left: PAPER, button: false, pedal: false, case_shut: true };
const OPEN: Raw = Raw { lid_made: false, lid_rest: true, ..CLOSED };
const BROKEN: Raw = Raw { lid_made: false, lid_rest: false, ..CLOSED };

fn identity() -> Identity {
    Identity::new([0, 1, 0], "t1".try_into().unwrap(), Reset::PowerOn)
}

fn arm(number: u32) -> ToBoard {
    ToBoard::Arm { number, watch: Watch::LidAndCorner }
}

fn denied(number: u32, why: Denial) -> FromBoard {
    FromBoard::NoCertificate { number, why }
}

impl Rig {
    fn started_at(now: u32) -> Self {
        Self::of(identity(), now, CLOSED)
    }

    fn of(identity: Identity, now: u32, raw: Raw) -> Self {
        Self { core: Core::new(identity, now, raw), bench: Bench::default(), now, raw }
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
