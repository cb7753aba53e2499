#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use super::*;
use platen_protocol::board::{Certificate, Denial, Watch};
use proptest::prelude::*;

/// Pins that a test moves, at times of its own.
struct Bench {
    now: Duration,
    made: [bool; 7],
    queue: Vec<Edge>,
    numbers: [u32; 7],
    outputs: Lamp,
}

#[derive(Default)]
struct Lamp {
    lights: Vec<Light>,
    /// What measuring has taken.
    took: Duration,
}

impl Hands for Lamp {
    fn light(&mut self, light: Light) {
        self.lights.push(light);
    }
    fn buzz(&mut self, _: bool) {}
    fn measure(&mut self) -> platen_firmware_core::Measured {
        self.took += ms(12);
        Ok((20_000, 50_000))
    }
    fn heat(&mut self) {}
}

impl Hardware for &mut Bench {
    fn now(&self) -> Duration {
        self.now + self.outputs.took
    }
    fn made(&self) -> [bool; 7] {
        self.made
    }
    fn edges(&mut self, _: Duration) -> Vec<Edge> {
        std::mem::take(&mut self.queue)
    }
    fn hands(&mut self) -> &mut dyn Hands {
        &mut self.outputs
    }
}

impl Bench {
    /// A lid closed on a page in its corner.
    fn new() -> Self {
        let made = [true, false, true, true, false, false, true];
        let (now, outputs) = (Duration::from_secs(77), Lamp::default());
        Self { now, made, queue: Vec::new(), numbers: [0; 7], outputs }
    }
}

/// A line on a bench.
fn line(bench: &mut Bench) -> PiLine<&mut Bench> {
    PiLine::new(bench)
}

impl PiLine<&mut Bench> {
    fn contact(&mut self, contact: Contact, made: bool) {
        let bench = &mut *self.hardware;
        bench.made[contact as usize] = made;
        bench.numbers[contact as usize] += 1;
        let number = bench.numbers[contact as usize];
        let at = bench.now + bench.outputs.took;
        bench.queue.push(Edge { contact, made, at, number });
    }

    fn lid(&mut self, closed: bool) {
        self.contact(Contact::LidMade, closed);
        self.contact(Contact::LidRest, !closed);
    }

    /// Lets time pass, of which the line hears in steps of `every`.
    fn pass(&mut self, time: Duration, every: Duration) -> Result<Vec<FromBoard>, String> {
        let end = self.hardware.now + time;
        let mut said = Vec::new();
        while self.hardware.now < end {
            self.hardware.now = (self.hardware.now + every).min(end);
            self.hear(&mut |message, _| said.push(message))?;
        }
        Ok(said)
    }

    fn certificate(&mut self, number: u32) -> Result<Certificate, FromBoard> {
        self.say(&ToBoard::Certify { number }).unwrap();
        let said = self.pass(ms(150), ms(2)).unwrap();
        let certificate = said.iter().find_map(|m| match m {
            FromBoard::Certificate(certificate) => Some(*certificate),
            _ => None,
        });
        certificate.ok_or_else(|| said.into_iter().find(|m| matches!(m, FromBoard::NoCertificate { .. })).unwrap())
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn armed(line: &mut PiLine<&mut Bench>, number: u32) {
    line.say(&ToBoard::Arm { number, watch: Watch::LidAndCorner }).unwrap();
    let said = line.pass(ms(20), ms(2)).unwrap();
    assert!(said.iter().any(|m| matches!(m, FromBoard::Armed { .. })), "{said:?}");
}

#[test]
fn a_machine_without_pins_says_so_and_why() {
    let why = Pi::new(Pins::default()).open().err().unwrap();
    assert!(why.contains("no Raspberry Pi") && why.contains("sensors.board"), "{why}");
}

#[test]
fn pins_speak_as_a_board_does() {
    let mut bench = Bench::new();
    let mut line = line(&mut bench);
    line.say(&ToBoard::Hello { protocol: platen_protocol::board::VERSION }).unwrap();
    let said = line.pass(ms(1_000), ms(2)).unwrap();
    assert!(matches!(said[0], FromBoard::Hello { .. }));
    assert!(said.iter().filter(|m| matches!(m, FromBoard::Heartbeat { .. })).count() >= 4);
    assert!(said.iter().any(|m| matches!(m, FromBoard::Climate { milli_celsius: 20_000, .. })));
    assert_eq!(line.certificate(5), Err(FromBoard::NoCertificate { number: 5, why: Denial::NotArmed }));
    line.contact(Contact::Pedal, true);
    let said = line.pass(ms(30), ms(2)).unwrap();
    assert!(matches!(said[..], [FromBoard::Edge { .. }]), "{said:?}");
    line.say(&ToBoard::Lamp(platen_protocol::board::Lamp::Ready)).unwrap();
    line.pass(ms(10), ms(2)).unwrap();
    assert_eq!(line.hardware.outputs.lights, [Light { red: false, green: true, blue: false }]);
}

#[test]
fn edges_that_the_kernel_lost_or_never_told_end_the_conversation() {
    let mut bench = Bench::new();
    let mut open = line(&mut bench);
    open.lid(false);
    open.pass(ms(30), ms(2)).unwrap();
    open.hardware.numbers[0] += 3;
    open.lid(true);
    assert!(open.pass(ms(30), ms(2)).unwrap_err().contains("lost edges"));

    let mut bench = Bench::new();
    let mut untold = line(&mut bench);
    untold.hardware.made[0] = false;
    assert!(untold.pass(ms(300), ms(2)).unwrap_err().contains("no edge"));

    let mut bench = Bench::new();
    let mut late = line(&mut bench);
    late.pass(ms(100), ms(2)).unwrap();
    let at = late.hardware.now() - ms(50);
    late.hardware.queue.push(Edge { contact: Contact::LidMade, made: false, at, number: 1 });
    assert!(late.pass(ms(10), ms(2)).unwrap_err().contains("late"));
}

#[test]
fn a_contact_that_moves_while_the_room_is_measured_is_heard() {
    let mut bench = Bench::new();
    let mut line = line(&mut bench);
    line.pass(ms(4_900), ms(2)).unwrap();
    let took = line.hardware.outputs.took;
    while line.hardware.outputs.took == took {
        line.pass(ms(1), ms(1)).unwrap();
    }
    // The button went down in the middle of the measurement, and its edge comes now.
    let at = line.hardware.now() - ms(6);
    line.hardware.made[Contact::Button as usize] = true;
    line.hardware.queue.push(Edge { contact: Contact::Button, made: true, at, number: 1 });
    let said = line.pass(ms(30), ms(2)).unwrap();
    assert!(said.iter().any(|m| matches!(m, FromBoard::Edge { .. })), "{said:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// However late the station's thread comes to listen, an opening of 5 ms or longer is in the certificate, and none that
    /// did not happen.
    #[test]
    fn no_opening_escapes_a_busy_machine(
        before in 0u64..300,
        open_us in prop_oneof![0u64..8_000, 5_000u64..500_000],
        after in 10u64..300,
        every in 1u64..120,
    ) {
        let mut bench = Bench::new();
        let mut line = line(&mut bench);
        armed(&mut line, 9);
        line.pass(ms(before), ms(every)).unwrap();
        if open_us > 0 {
            // Both edges may wait in the kernel until somebody listens.
            line.lid(false);
            line.hardware.now += Duration::from_micros(open_us);
            line.lid(true);
        }
        line.pass(ms(after), ms(every)).unwrap();
        let certificate = line.certificate(9).unwrap();
        match certificate.opened {
            Some(opening) => {
                prop_assert!(open_us > 1_000, "invented: {opening:?}");
                prop_assert!(u64::from(opening.samples).abs_diff(open_us / 1_000) <= 2, "{opening:?} of {open_us} µs");
            }
            None => prop_assert!(open_us < 5_000, "missed {open_us} µs"),
        }
        prop_assert!(certificate.longest_gap_ms <= 1);
        prop_assert_eq!(certificate.uncovered, None);
    }
}
