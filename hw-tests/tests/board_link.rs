//! The board's own binary on an emulated chip, in simulated time: it says byte for byte what its core says on the host, and
//! no opening of the lid escapes it.

#![allow(clippy::unwrap_used)] // a story that cannot go on has failed

use hw_tests::{
    board::{AT_REST, Nothing},
    chip::{Step, play, play_on_usb},
};
use platen_firmware_core::{Core, Identity, Raw};
use platen_protocol::board::{
    ClimateFault, Corner, Deframer, Denial, FromBoard, Lamp, Packet, Reset, Sound, ToBoard, VERSION, Watch, decode,
    encode,
};
use serde_json::json;

/// A byte on the line takes so long, in milliseconds.
const BYTE_MS: f64 = 10.0 / 115.2;

/// What the board has said, from its bytes.
fn packets(bytes: impl IntoIterator<Item = u8>) -> Vec<Packet<FromBoard>> {
    let mut frames: Vec<Vec<u8>> = vec![Vec::new()];
    for byte in bytes {
        if byte == 0 {
            frames.push(Vec::new());
        } else {
            frames.last_mut().unwrap().push(byte);
        }
    }
    frames.pop();
    frames.iter_mut().filter(|frame| !frame.is_empty()).map(|frame| decode(frame).unwrap()).collect()
}

fn frame(seq: u32, message: ToBoard) -> Vec<u8> {
    encode(&Packet { seq, message }).unwrap().to_vec()
}

fn arm(number: u32) -> ToBoard {
    ToBoard::Arm { number, watch: Watch::LidAndCorner }
}

/// What the room's sensor has given, and when its message began to leave the board.
struct Measured {
    at_ms: f64,
    room: (i32, u32),
    age_ms: u32,
}

/// The chip's only measurement of the room.
fn measured(bytes: &[(f64, u8)]) -> Option<Measured> {
    let mut deframer = Deframer::new();
    bytes.iter().find_map(|&(at, byte)| match deframer.push::<FromBoard>(byte)?.ok()?.message {
        FromBoard::Climate { milli_celsius, milli_percent, age_ms } => {
            // Its frame has at most 24 bytes.
            Some(Measured { at_ms: at - 24.0 * BYTE_MS, room: (milli_celsius, milli_percent), age_ms })
        }
        _ => None,
    })
}

/// A conversation with everything in it: greeting, arming, an opening, a certificate, garbage, cut frames, a button.
fn conversation() -> Vec<Step> {
    // Half way between two samples, so that both sides see a change at the same one.
    let open = |at: f64| Step::lid(at, (false, true));
    let close = |at: f64| Step::lid(at, (true, false));
    let contact = |at_ms: f64, name: &str, made: bool| Step { at_ms, action: json!({ "contacts": { name: made } }) };
    let level = |at_ms: f64, top: u16| Step { at_ms, action: json!({ "levels": { "top": top } }) };
    let cut = frame(9, arm(9))[..4].to_vec();
    vec![
        Step::bytes(20.2, &frame(1, ToBoard::Hello { protocol: VERSION })),
        Step::bytes(60.2, &frame(2, arm(41))),
        contact(100.5, "button", true),
        contact(130.5, "button", false),
        contact(150.5, "pedal", true),
        contact(170.5, "pedal", false),
        Step::bytes(200.2, &frame(2, ToBoard::Lamp(Lamp::Scanning))),
        open(300.5),
        close(340.5),
        level(400.5, 2_300),
        level(420.5, 2_600),
        level(490.5, 800),
        Step::bytes(500.2, &frame(3, ToBoard::Certify { number: 41 })),
        Step::bytes(600.2, &[1, 2, 3, 0, 0xff, 0xff, 0]),
        Step::bytes(640.2, &cut),
        Step::bytes(660.2, &[0]),
        Step::bytes(700.2, &frame(4, ToBoard::Certify { number: 40 })),
        // A broken wire: neither pole is made.
        Step::lid(800.5, (false, false)),
        Step::bytes(900.2, &frame(5, arm(42))),
        close(950.5),
        Step::bytes(1_000.2, &frame(6, ToBoard::Hello { protocol: VERSION + 1 })),
        contact(1_050.5, "case_shut", false),
        Step::bytes(1_100.2, &frame(7, ToBoard::Sound(Sound::Refused))),
        Step::bytes(1_200.2, &frame(8, ToBoard::Calibrate { corner: Corner::Top, covered: true })),
        level(1_220.5, 900),
        Step::bytes(1_240.2, &frame(9, ToBoard::Calibrate { corner: Corner::Top, covered: false })),
    ]
}

#[test]
fn the_binary_says_byte_for_byte_what_its_core_says_on_the_host() {
    const UNTIL: u32 = 1_400;
    let steps = conversation();
    let played = play(&steps, f64::from(UNTIL)).unwrap();
    assert_eq!((played.resets, played.overruns), (0, 0));
    let said: Vec<u8> = played.bytes.iter().map(|(_, byte)| *byte).collect();

    // The chip tells in its greeting when it began to sample, and who it is.
    let FromBoard::Hello { at_ms, firmware, serial, .. } = packets(said.clone())[0].message.clone() else {
        panic!("no greeting");
    };
    let mut core = Core::new(Identity::new(firmware, serial, Reset::PowerOn), at_ms, AT_REST);
    let (mut raw, mut expected, mut next) = (AT_REST, Vec::new(), steps.iter().peekable());
    let mut line: Vec<(f64, Vec<u8>)> = Vec::new();
    let mut level = raw.top;
    let mut room = measured(&played.bytes);
    for now in at_ms + 1..UNTIL {
        // A level is converted while the sample before it is looked at.
        raw.top = level;
        while let Some(step) = next.next_if(|step| step.at_ms < f64::from(now)) {
            if let Some(bytes) = step.action["bytes"].as_array() {
                let bytes: Vec<u8> = bytes.iter().map(|b| b.as_u64().unwrap() as u8).collect();
                line.push((step.at_ms + bytes.len() as f64 * BYTE_MS, bytes));
            } else {
                let contacts = &step.action["contacts"];
                let made = |name: &str, old: bool| contacts[name].as_bool().unwrap_or(old);
                raw = Raw {
                    lid_made: made("lid_made", raw.lid_made),
                    lid_rest: made("lid_rest", raw.lid_rest),
                    button: made("button", raw.button),
                    pedal: made("pedal", raw.pedal),
                    case_shut: made("case_shut", raw.case_shut),
                    ..raw
                };
                level = step.action["levels"]["top"].as_u64().map_or(level, |level| level as u16);
            }
        }
        core.sample(now, raw, &mut Nothing);
        // The room is measured by the chip alone: the core is told what the chip's was, when it was.
        if let Some(measured) = room.take_if(|measured| measured.at_ms < f64::from(now)) {
            core.climate(Ok(measured.room), measured.age_ms);
        }
        // What has come whole is read when the line has been silent for 32 bits.
        let come = |at: f64| at + 0.3 < f64::from(now);
        while line.first().is_some_and(|(at, _)| come(*at)) {
            line.remove(0).1.iter().for_each(|&byte| core.receive(now, byte, &mut Nothing));
        }
        while let Some(frame) = core.poll() {
            expected.extend_from_slice(&frame);
        }
    }
    for (i, (said, expected)) in packets(said.clone()).iter().zip(&packets(expected.clone())).enumerate() {
        assert_eq!(said, expected, "packet {i}");
    }
    assert_eq!(said, expected);
}

/// A number that looks random, from a seed.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// 200 passes of 700 ms, each with an opening of 1 to 500 ms at any moment from before it to its end, or with none.
#[test]
fn no_opening_escapes_the_chip_and_none_is_invented() {
    const PASS_MS: f64 = 1_300.0;
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut steps = vec![Step::bytes(20.0, &frame(0, ToBoard::Hello { protocol: VERSION }))];
    let mut passes = Vec::new();
    for pass in 0..200u32 {
        let begin = 200.0 + f64::from(pass) * PASS_MS;
        let length = match random(&mut state) % 4 {
            0 => 0.0,
            1 => 1.0 + (random(&mut state) % 70) as f64 / 10.0,
            _ => 1.0 + (random(&mut state) % 4_990) as f64 / 10.0,
        };
        let at = begin - 20.0 + (random(&mut state) % 7_400) as f64 / 10.0;
        steps.push(Step::bytes(begin, &frame(pass, arm(pass))));
        if length > 0.0 {
            // A switch leaves one pole before it reaches the other.
            steps.push(Step::lid(at, (false, false)));
            steps.push(Step::lid(at + length.min(0.4), (false, true)));
            steps.push(Step::lid(at + length, (true, false)));
        }
        steps.push(Step::bytes(begin + 700.0, &frame(pass, ToBoard::Certify { number: pass })));
        passes.push((begin, at, length));
    }
    steps.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    let played = play(&steps, 200.0 + PASS_MS * 200.0).unwrap();
    assert_eq!((played.resets, played.overruns), (0, 0));
    let said = packets(played.bytes.iter().map(|(_, byte)| *byte));
    let (mut refused, mut voided) = (0, 0);
    for (number, (begin, at, length)) in (0u32..).zip(passes) {
        let certificate = said.iter().find_map(|packet| match packet.message {
            FromBoard::Certificate(certificate) if certificate.number == number => Some(certificate),
            _ => None,
        });
        let told = format!("opened {length:.1} ms at {at:.1}, pass at {begin:.1}: {certificate:?}");
        let Some(certificate) = certificate else {
            // An open lid is not armed, nor one whose closing was not believed yet.
            assert!(length > 0.0 && at < begin + 3.0 && at + length > begin - 8.0, "refused: {told}");
            refused += 1;
            continue;
        };
        assert!((690..=705).contains(&certificate.samples) && certificate.longest_gap_ms <= 2, "{told}");
        // What of the opening lay in the pass.
        let (from, to) = (at.max(f64::from(certificate.armed_ms)), (at + length).min(f64::from(certificate.until_ms)));
        match certificate.opened {
            None => assert!(to - from < 5.0, "missed: {told}"),
            Some(opening) => {
                assert!(to - from >= 1.0, "invented: {told}");
                assert!((f64::from(opening.samples) - (to - from)).abs() <= 3.0, "{told}");
                let first = f64::from(certificate.armed_ms + opening.first_ms);
                assert!((first - from).abs() < 3.0, "{told}");
                voided += 1;
            }
        }
    }
    println!("200 passes: {refused} not armed, {voided} with an opening in their certificate");
    assert!(refused > 0 && voided > 100, "{refused} {voided}");
}

/// A watchdog that bites in the middle of a pass, and a room sensor that breaks.
#[test]
fn a_reset_forgets_the_number_and_a_broken_room_sensor_is_named() {
    let action = |at_ms: f64, action| Step { at_ms, action };
    let steps = [
        Step::bytes(20.0, &frame(0, ToBoard::Hello { protocol: VERSION })),
        Step::bytes(60.0, &frame(1, arm(5))),
        action(300.0, json!({ "reset": true })),
        Step::bytes(600.0, &frame(2, ToBoard::Certify { number: 5 })),
        action(700.0, json!({ "room": { "fault": "nak" } })),
        Step::bytes(710.0, &frame(3, ToBoard::ReadClimate)),
        action(900.0, json!({ "room": { "fault": "crc" } })),
        Step::bytes(910.0, &frame(4, ToBoard::ReadClimate)),
        action(1_050.0, json!({ "room": { "fault": null, "celsius": 126.0 } })),
        Step::bytes(1_060.0, &frame(5, ToBoard::ReadClimate)),
        action(1_100.0, json!({ "room": { "celsius": 19.5, "humidity": 55.25 } })),
        Step::bytes(1_110.0, &frame(5, ToBoard::ReadClimate)),
    ];
    let played = play(&steps, 1_300.0).unwrap();
    assert_eq!(played.resets, 1);
    let said: Vec<FromBoard> = packets(played.bytes.iter().map(|(_, b)| *b)).into_iter().map(|p| p.message).collect();
    let at = |what: &dyn Fn(&FromBoard) -> bool| said.iter().position(what).unwrap_or_else(|| panic!("{said:?}"));
    let armed = at(&|m| matches!(m, FromBoard::Armed { number: 5, .. }));
    let again = at(&|m| matches!(m, FromBoard::Hello { reset: Reset::Watchdog, .. }));
    let none = at(&|m| *m == FromBoard::NoCertificate { number: 5, why: Denial::Reset(Reset::Watchdog) });
    let absent = at(&|m| *m == FromBoard::ClimateFault(ClimateFault::Absent));
    let wrong = at(&|m| *m == FromBoard::ClimateFault(ClimateFault::Checksum));
    let heated = at(&|m| *m == FromBoard::ClimateFault(ClimateFault::Implausible));
    let good =
        at(&|m| matches!(m, FromBoard::Climate { milli_celsius: 19_499..=19_501, milli_percent: 55_249..=55_251, .. }));
    assert!(
        armed < again && again < none && none < absent && absent < wrong && wrong < heated && heated < good,
        "{said:?}"
    );
}

/// A loop without end, and then a panic: both end in a reset, of which the board tells what it was, and whose pass it broke.
#[test]
fn a_watchdog_that_bites_and_a_panic_are_told_and_cost_the_certificate() {
    let action = |at_ms: f64, action| Step { at_ms, action };
    let steps = [
        Step::bytes(20.0, &frame(0, ToBoard::Hello { protocol: VERSION })),
        Step::bytes(60.0, &frame(1, arm(5))),
        action(300.0, json!({ "hang": 1_500 })),
        Step::bytes(2_000.0, &frame(2, ToBoard::Certify { number: 5 })),
        Step::bytes(2_100.0, &frame(3, arm(6))),
        action(2_300.0, json!({ "panic": "somewhere.rs" })),
        Step::bytes(2_700.0, &frame(4, ToBoard::Certify { number: 6 })),
    ];
    let played = play(&steps, 3_000.0).unwrap();
    assert_eq!(played.resets, 2);
    // A frame that was cut by a reset is no packet.
    let mut deframer = Deframer::new();
    let said: Vec<FromBoard> = played
        .bytes
        .iter()
        .filter_map(|(_, byte)| deframer.push::<FromBoard>(*byte)?.ok())
        .map(|packet| packet.message)
        .collect();
    let resets: Vec<Reset> = said
        .iter()
        .filter_map(|m| match m {
            FromBoard::Hello { reset, .. } => Some(*reset),
            _ => None,
        })
        .collect();
    assert!(resets.ends_with(&[Reset::Watchdog, Reset::Forced]), "{resets:?}");
    for (number, why) in [(5, Reset::Watchdog), (6, Reset::Forced)] {
        assert!(said.contains(&FromBoard::NoCertificate { number, why: Denial::Reset(why) }), "{number}: {said:?}");
    }
    let words: String = said
        .iter()
        .filter_map(|m| match m {
            FromBoard::Panic { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert!(words.contains("somewhere.rs:7:1") && words.contains("divide by zero"), "{words:?}");
}

/// The host finds the serial line, opens it, and the same frames go over both lines.
#[test]
fn over_usb_the_board_says_the_same_and_obeys() {
    let steps = [
        Step::usb(500.0, &frame(0, ToBoard::Hello { protocol: VERSION })),
        Step::usb(600.0, &frame(1, arm(77))),
        Step::lid(700.0, (false, true)),
        Step::lid(740.0, (true, false)),
        Step::usb(800.0, &[frame(2, ToBoard::Certify { number: 77 }), frame(3, ToBoard::SelfTest)].concat()),
    ];
    let played = play_on_usb(&steps, 1_200.0).unwrap();
    assert_eq!((played.resets, played.overruns), (0, 0));
    let (usb, uart) = (packets(played.usb.iter().map(|b| b.1)), packets(played.bytes.iter().map(|b| b.1)));
    assert!(uart.ends_with(&usb), "over USB: {usb:?}\nover the UART: {uart:?}");
    let certificate = usb.iter().find_map(|packet| match packet.message {
        FromBoard::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    let opened = certificate.and_then(|certificate| certificate.opened).expect("an opening");
    assert!((39..=41).contains(&opened.samples), "{opened:?}");
    for wanted in ["Hello", "Armed", "Certificate", "SelfTest", "Heartbeat"] {
        assert!(usb.iter().any(|packet| format!("{:?}", packet.message).starts_with(wanted)), "{wanted}: {usb:?}");
    }
}

/// A flood from the station, of garbage and of good frames: sampling goes on, and a frame behind it is understood.
#[test]
fn a_flood_does_not_hold_up_the_sampling() {
    let garbage: Vec<u8> = (0..4_000u32).map(|i| (i * 7 % 255) as u8).collect();
    sampling_goes_on_in(&garbage);
    let orders = [ToBoard::Certify { number: 7 }, ToBoard::Lamp(Lamp::Attention), ToBoard::Certify { number: 8 }];
    let orders = (0..).zip(orders.into_iter().cycle()).flat_map(|(n, order)| frame(n, order));
    sampling_goes_on_in(&orders.take(4_000).collect::<Vec<_>>());
}

fn sampling_goes_on_in(flood: &[u8]) {
    let steps = [
        Step::bytes(20.0, &frame(0, ToBoard::Hello { protocol: VERSION })),
        Step::bytes(60.0, &frame(1, arm(7))),
        Step::bytes(100.0, flood),
        Step::bytes(480.0, &[0]),
        Step::bytes(800.0, &frame(2, ToBoard::Certify { number: 7 })),
    ];
    let played = play(&steps, 1_200.0).unwrap();
    assert_eq!(played.resets, 0);
    let mut deframer = Deframer::new();
    assert!(played.bytes.iter().filter_map(|(_, byte)| deframer.push::<FromBoard>(*byte)).all(|frame| frame.is_ok()));
    let said = packets(played.bytes.iter().map(|(_, byte)| *byte));
    let mut certificates = said.iter().filter_map(|packet| match packet.message {
        FromBoard::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    let certificate = certificates.next_back().expect("a certificate after the flood");
    assert!(certificate.until_ms > 780, "{certificate:?}");
    assert!(certificate.samples.abs_diff(certificate.until_ms - certificate.armed_ms) <= 1, "{certificate:?}");
    assert_eq!(certificate.opened, None);
}

/// The board sleeps between its samples.
#[test]
fn an_idle_chip_is_hardly_awake() {
    let played = play(&[], 20_000.0).unwrap();
    assert!(played.awake < 0.02, "{:.1} % awake", played.awake * 100.0);
    let beats = packets(played.bytes.iter().map(|(_, byte)| *byte));
    let beats = beats.iter().filter(|packet| matches!(packet.message, FromBoard::Heartbeat { .. })).count();
    assert!((79..=81).contains(&beats), "{beats} heartbeats in 20 s");
}
