//! What the station hears from a board, and what station and supervisor hear from a broker.
#![no_main]

use libfuzzer_sys::fuzz_target;
use platen_protocol::{
    board::{Deframer, FromBoard, Lamp, Packet, ToBoard, encode},
    uplink::{Ack, Command, Envelope, Event, Reading, State, Topic, parse},
};

fuzz_target!(|data: &[u8]| {
    let mut deframer = Deframer::new();
    for &byte in data {
        let _ = deframer.push::<FromBoard>(byte);
    }
    let _ = deframer.push::<FromBoard>(0);
    // In step again, whatever that was.
    let mut there = Deframer::new();
    let packet = Packet { seq: 9, message: ToBoard::Lamp(Lamp::Ready) };
    let frame = encode(&packet).expect("a frame");
    let got: Vec<_> = frame.iter().filter_map(|&byte| there.push::<ToBoard>(byte)).collect();
    assert_eq!(got, [Ok(packet)]);

    let _ = parse::<Envelope<Event>>(data);
    let _ = parse::<Envelope<Reading>>(data);
    let _ = parse::<State>(data);
    let _ = parse::<Ack>(data);
    let _ = parse::<Command>(data);
    let _ = Topic::parse(&String::from_utf8_lossy(data));
});
