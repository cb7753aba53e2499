//! Half a minute of damaged talk, every byte of it from a seed: neither side panics, and both are in step again with the next
//! frame. `make fuzz` goes on for longer, guided by coverage.

#![allow(clippy::unwrap_used)] // a story that cannot go on has failed

use hw_tests::board::{AT_REST, Nothing};
use platen_firmware_core::{Core, Identity};
use platen_protocol::board::{
    Corner, Deframer, FromBoard, Lamp, Packet, Reset, Sound, ToBoard, VERSION, Watch, encode,
};
use std::time::{Duration, Instant};

const HOW_LONG: Duration = Duration::from_secs(30);

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
    }
}

fn message(random: &mut Random) -> ToBoard {
    let number = random.below(9) as u32;
    match random.below(9) {
        0 => ToBoard::Hello { protocol: random.below(4) as u16 },
        1 => ToBoard::Arm { number, watch: [Watch::LidAndCorner, Watch::Lid, Watch::Corner][random.below(3)] },
        2 => ToBoard::Certify { number },
        3 => ToBoard::Disarm { number },
        4 => ToBoard::Lamp([Lamp::Off, Lamp::Scanning, Lamp::Overridden][random.below(3)]),
        5 => ToBoard::Sound(Sound::Refused),
        6 => ToBoard::ReadClimate,
        7 => ToBoard::Calibrate { corner: [Corner::Top, Corner::Left][random.below(2)], covered: random.below(2) == 0 },
        _ => ToBoard::SelfTest,
    }
}

/// Flips, cuts, doubles, inserts or repeats.
fn damage(frame: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..random.below(4) {
        let at = random.below(frame.len().max(1));
        match random.below(6) {
            0 if at < frame.len() => frame[at] ^= 1 << random.below(8),
            1 => frame.truncate(at),
            2 => frame.insert(at.min(frame.len()), random.below(256) as u8),
            3 if at < frame.len() => _ = frame.remove(at),
            4 => frame.extend(frame.clone()),
            _ => frame.extend((0..random.below(90)).map(|_| random.below(256) as u8)),
        }
    }
}

#[test]
fn half_a_minute_of_damaged_talk_and_both_sides_are_in_step() {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0x9e37_79b9_7f4a_7c15);
    let mut random = Random(seed);
    let identity = Identity::new([0, 2, 0], "fuzzed".try_into().unwrap(), Reset::PowerOn);
    let mut core = Core::new(identity, u32::MAX - 9_000, AT_REST);
    let (mut now, mut frames, mut raw) = (u32::MAX - 9_000, 0u64, AT_REST);
    let mut station = Deframer::new();
    let began = Instant::now();
    while began.elapsed() < HOW_LONG {
        raw.lid_made ^= random.below(20) == 0;
        raw.lid_rest ^= random.below(20) == 0;
        raw.top = random.below(4_096) as u16;
        let mut frame = encode(&Packet { seq: frames as u32, message: message(&mut random) }).unwrap().to_vec();
        damage(&mut frame, &mut random);
        frames += 1;
        for &byte in &frame {
            core.receive(now, byte, &mut Nothing);
        }
        now = now.wrapping_add(1);
        core.sample(now, raw, &mut Nothing);
        // What the board says reaches the station damaged, too.
        while let Some(said) = core.poll() {
            let mut said = said.to_vec();
            damage(&mut said, &mut random);
            said.iter().for_each(|&byte| _ = station.push::<FromBoard>(byte));
        }
        if frames.is_multiple_of(16) {
            core.receive(now, 0, &mut Nothing);
            while core.poll().is_some() {}
            let hello = encode(&Packet { seq: 0, message: ToBoard::Hello { protocol: VERSION } }).unwrap();
            hello.iter().for_each(|&byte| core.receive(now, byte, &mut Nothing));
            let answer = core.poll().expect("an answer");
            let _ = station.push::<FromBoard>(0);
            let heard: Vec<_> = answer.iter().filter_map(|&byte| station.push::<FromBoard>(byte)).collect();
            let in_step = matches!(&heard[..], [Ok(Packet { message: FromBoard::Hello { .. }, .. })]);
            assert!(in_step, "seed {seed}, frame {frames}: {heard:?}");
        }
    }
    println!("{frames} frames, seed {seed}");
    assert!(frames > 10_000, "{frames} frames");
}
