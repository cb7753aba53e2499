//! Whatever comes down the line, the board does not panic, and after the next zero it answers a greeting.
#![no_main]

use libfuzzer_sys::fuzz_target;
use platen_firmware_core::{Board, Calibration, Core, Identity, Light, Raw};
use platen_protocol::board::{FromBoard, Packet, Reset, ToBoard, VERSION, encode};

struct Nothing;

impl Board for Nothing {
    fn light(&mut self, _: Light) {}
    fn buzz(&mut self, _: bool) {}
    fn measure(&mut self) {}
    fn heat(&mut self) {}
    fn keep(&mut self, _: &Calibration) -> bool {
        true
    }
    fn remember(&mut self, _: Option<u32>) {}
}

fuzz_target!(|data: &[u8]| {
    // The first bytes move the contacts, so that the dispatcher is met in every state.
    let (contacts, bytes) = data.split_at(data.len().min(8));
    let bit = |i: usize| contacts.get(i).is_some_and(|byte| byte & 1 == 1);
    let level = |i: usize| contacts.get(i).map_or(900, |&byte| u16::from(byte) << 4);
    let raw = Raw {
        lid_made: bit(0),
        lid_rest: bit(1),
        top: level(2),
        left: level(3),
        button: bit(4),
        pedal: bit(5),
        case_shut: bit(6),
    };
    let identity = Identity::new([0, 0, 0], Default::default(), Reset::PowerOn);
    let mut core = Core::new(identity, u32::MAX - 20, raw);
    let mut now = u32::MAX - 20;
    for &byte in bytes {
        core.receive(now, byte, &mut Nothing);
        now = now.wrapping_add(1);
        core.sample(now, raw, &mut Nothing);
        while core.poll().is_some() {}
    }
    core.receive(now, 0, &mut Nothing);
    while core.poll().is_some() {}
    for byte in encode(&Packet { seq: 0, message: ToBoard::Hello { protocol: VERSION } }).expect("a frame") {
        core.receive(now, byte, &mut Nothing);
    }
    let answer = core.poll_packet().map(|packet| packet.message);
    assert!(matches!(answer, Some(FromBoard::Hello { .. })), "{answer:?}");
});
