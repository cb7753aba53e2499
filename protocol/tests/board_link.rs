//! The board link: golden bytes of every version, the largest frame, and hostile bytes.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a story that cannot go on has failed

use platen_protocol::board::*;
use proptest::prelude::*;
use std::{fs, path::PathBuf};

fn inputs(lid: Lid) -> Inputs {
    Inputs { lid, top: Paper::Faulty, left: Paper::Faulty, button: true, pedal: true, tamper: true }
}

/// One of every message, each at its longest encoding.
fn longest_from_board() -> Vec<(&'static str, FromBoard)> {
    let certificate = Certificate {
        number: u32::MAX,
        armed_ms: u32::MAX,
        until_ms: u32::MAX,
        samples: u32::MAX,
        longest_gap_ms: u32::MAX,
        opened: Some(Opening { first_ms: u32::MAX, samples: u32::MAX, times: u16::MAX, broken: true }),
        uncovered: Some(Uncovered { first_ms: u32::MAX, samples: u32::MAX }),
    };
    let self_test = SelfTest {
        at_ms: u32::MAX,
        levels: [u16::MAX; 2],
        calibrated: true,
        late_samples: u32::MAX,
        bad_frames: u32::MAX,
        dropped: u32::MAX,
        climate: Some(Err(ClimateFault::Implausible)),
    };
    let refused =
        FromBoard::CalibrationRefused { corner: Corner::Left, why: CalibrationFault::TooClose, level: u16::MAX };
    let panic = FromBoard::Panic {
        part: u8::MAX,
        parts: u8::MAX,
        text: "panicked at src/main.rs:35:17: a".try_into().unwrap(),
    };
    vec![
        (
            "hello",
            FromBoard::Hello {
                protocol: u16::MAX,
                firmware: [u8::MAX; 3],
                serial: "0123456789abcdef".try_into().unwrap(),
                reset: Reset::Forced,
                at_ms: u32::MAX,
            },
        ),
        ("heartbeat", FromBoard::Heartbeat { at_ms: u32::MAX, inputs: inputs(Lid::Broken), armed: Some(u32::MAX) }),
        ("edge", FromBoard::Edge { edge: u32::MAX, at_ms: u32::MAX, change: Change::Lid(Lid::Broken) }),
        ("armed", FromBoard::Armed { number: u32::MAX, at_ms: u32::MAX }),
        ("arm-refused", FromBoard::ArmRefused { number: u32::MAX, why: ArmRefusal::CornerBroken }),
        ("certificate", FromBoard::Certificate(certificate)),
        ("no-certificate", FromBoard::NoCertificate { number: u32::MAX, why: Denial::Other { armed: u32::MAX } }),
        ("climate", FromBoard::Climate { milli_celsius: i32::MIN, milli_percent: u32::MAX, age_ms: u32::MAX }),
        ("climate-fault", FromBoard::ClimateFault(ClimateFault::Implausible)),
        ("drying", FromBoard::Drying { for_ms: u32::MAX }),
        ("version-refused", FromBoard::VersionRefused { ours: u16::MAX, theirs: u16::MAX }),
        ("panic", panic),
        ("calibrated", FromBoard::Calibrated { corner: Corner::Left, covered: true, level: u16::MAX, kept: true }),
        ("calibration-refused", refused),
        ("self-test", FromBoard::SelfTest(self_test)),
    ]
}

fn longest_to_board() -> Vec<(&'static str, ToBoard)> {
    vec![
        ("hello", ToBoard::Hello { protocol: u16::MAX }),
        ("arm", ToBoard::Arm { number: u32::MAX, watch: Watch::Corner }),
        ("certify", ToBoard::Certify { number: u32::MAX }),
        ("disarm", ToBoard::Disarm { number: u32::MAX }),
        ("lamp", ToBoard::Lamp(Lamp::Overridden)),
        ("sound", ToBoard::Sound(Sound::Attention)),
        ("read-climate", ToBoard::ReadClimate),
        ("calibrate", ToBoard::Calibrate { corner: Corner::Left, covered: true }),
        ("self-test", ToBoard::SelfTest),
    ]
}

/// If a variant is added, these matches stop compiling and remind you of the lists above.
fn _every_variant_is_listed(from: FromBoard, to: ToBoard) {
    match from {
        FromBoard::Hello { .. }
        | FromBoard::Heartbeat { .. }
        | FromBoard::Edge { .. }
        | FromBoard::Armed { .. }
        | FromBoard::ArmRefused { .. }
        | FromBoard::Certificate(_)
        | FromBoard::NoCertificate { .. }
        | FromBoard::Climate { .. }
        | FromBoard::ClimateFault(_)
        | FromBoard::Drying { .. }
        | FromBoard::VersionRefused { .. }
        | FromBoard::Panic { .. }
        | FromBoard::Calibrated { .. }
        | FromBoard::CalibrationRefused { .. }
        | FromBoard::SelfTest(_) => {}
    }
    match to {
        ToBoard::Hello { .. }
        | ToBoard::Arm { .. }
        | ToBoard::Certify { .. }
        | ToBoard::Disarm { .. }
        | ToBoard::Lamp(_)
        | ToBoard::Sound(_)
        | ToBoard::ReadClimate
        | ToBoard::Calibrate { .. }
        | ToBoard::SelfTest => {}
    }
}

fn frames() -> Vec<(String, Vec<u8>)> {
    let from = longest_from_board()
        .into_iter()
        .map(|(name, message)| (format!("from-{name}"), encode(&Packet { seq: u32::MAX, message }).unwrap().to_vec()));
    let to = longest_to_board()
        .into_iter()
        .map(|(name, message)| (format!("to-{name}"), encode(&Packet { seq: u32::MAX, message }).unwrap().to_vec()));
    from.chain(to).collect()
}

fn golden(version: u16) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/board-v{version}"))
}

#[test]
fn the_bytes_of_this_version_stay_as_they_were_released() {
    let folder = golden(VERSION);
    for (name, frame) in frames() {
        let file = folder.join(format!("{name}.hex"));
        let hex: String = frame.iter().map(|b| format!("{b:02x}")).collect();
        if std::env::var_os("ADD_GOLDEN").is_some() && !file.exists() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&file, format!("{hex}\n")).unwrap();
        }
        let golden = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        assert_eq!(golden.trim(), hex, "{name} is not what version {VERSION} released");
    }
}

/// The greeting is what a peer of another version must understand, and nothing else is.
#[test]
fn the_greeting_of_every_version_is_understood() {
    for version in 1..=VERSION {
        let bytes = |name: &str| {
            let hex = fs::read_to_string(golden(version).join(name)).unwrap();
            let digits: Vec<u8> = hex.trim().bytes().collect();
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            digits.chunks(2).map(byte).collect::<Vec<u8>>()
        };
        let mut from = Deframer::new();
        let board = bytes("from-hello.hex").into_iter().find_map(|b| from.push::<FromBoard>(b)).unwrap();
        assert!(matches!(board.unwrap().message, FromBoard::Hello { protocol: u16::MAX, .. }), "version {version}");
        let mut to = Deframer::new();
        let station = bytes("to-hello.hex").into_iter().find_map(|b| to.push::<ToBoard>(b)).unwrap();
        assert_eq!(station.unwrap().message, ToBoard::Hello { protocol: u16::MAX }, "version {version}");
    }
}

#[test]
fn no_message_is_larger_than_the_largest_frame() {
    let longest = frames().into_iter().map(|(_, frame)| frame.len()).max().unwrap();
    assert!(longest <= MAX_FRAME, "{longest} > {MAX_FRAME}");
    assert!(longest + 1 >= MAX_FRAME, "MAX_FRAME is far larger than needed: {longest} of {MAX_FRAME}");
}

#[test]
fn every_message_survives_the_line() {
    for (_, message) in longest_from_board() {
        let packet = Packet { seq: 7, message };
        let mut deframer = Deframer::new();
        let got: Vec<_> = encode(&packet).unwrap().iter().filter_map(|&b| deframer.push(b)).collect();
        assert_eq!(got, [Ok(packet)]);
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let clean = encode(&Packet { seq: 1, message: ToBoard::Arm { number: 0xdead_beef, watch: Watch::Lid } }).unwrap();
    for byte in 0..clean.len() - 1 {
        for bit in 0..8 {
            let mut frame = clean.clone();
            frame[byte] ^= 1 << bit;
            let mut deframer = Deframer::new();
            let good = frame.iter().filter_map(|&b| deframer.push::<ToBoard>(b)).filter(Result::is_ok).count();
            assert_eq!(good, 0, "byte {byte} bit {bit}");
        }
    }
}

/// A frame with a right checksum around any payload.
fn framed(payload: &[u8]) -> Vec<u8> {
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(payload).to_le_bytes();
    let mut frame = cobs::encode_vec(&[payload, &crc].concat());
    frame.push(0);
    frame
}

fn errors(bytes: &[u8]) -> Vec<FrameError> {
    let mut deframer = Deframer::new();
    bytes.iter().filter_map(|&b| deframer.push::<FromBoard>(b)).filter_map(Result::err).collect()
}

#[test]
fn each_kind_of_bad_frame_is_named() {
    let clean = encode(&longest_packet()).unwrap();
    assert_eq!(errors(&[&clean[..clean.len() / 2], &[0]].concat()).len(), 1, "truncated");
    assert_eq!(errors(&[1; MAX_FRAME * 3].into_iter().chain([0]).collect::<Vec<_>>()), [FrameError::Oversize]);
    assert_eq!(errors(&[200, 1, 0]), [FrameError::Stuffing]);
    assert_eq!(errors(&[3, 1, 1, 0]), [FrameError::Truncated { len: 2 }]);
    assert_eq!(errors(&framed(&[0, 99])), [FrameError::UnknownMessage]);
    assert_eq!(errors(&framed(&[0, 8, 0, 7])), [FrameError::Trailing { extra: 1 }]);
    assert_eq!(errors(&[0, 0, 0, 0]), []);
    for error in [FrameError::Oversize, FrameError::Checksum, FrameError::UnknownMessage, FrameError::TooLarge] {
        assert!(error.to_string().len() > 15, "{error}");
    }
}

fn longest_packet() -> Packet<FromBoard> {
    Packet { seq: u32::MAX, message: longest_from_board().remove(5).1 }
}

proptest! {
    /// Whatever comes down the line, the first whole frame after the next zero is understood.
    #[test]
    fn garbage_never_panics_and_one_frame_later_the_link_is_in_step(garbage in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut deframer = Deframer::new();
        for &b in &garbage {
            let _ = deframer.push::<FromBoard>(b);
        }
        let _ = deframer.push::<FromBoard>(0);
        let packet = longest_packet();
        let got: Vec<_> = encode(&packet).unwrap().iter().filter_map(|&b| deframer.push(b)).collect();
        prop_assert_eq!(got, [Ok(packet)]);
    }
}
