//! Any page of any profile is answered and delivered, in a file that others can read.
#![no_main]
// The pipeline is a part of a program; here only some of it is called.
#![allow(dead_code, unused_imports)]

#[path = "../../station/src/pages/mod.rs"]
mod pages;

use libfuzzer_sys::fuzz_target;
use pages::{
    Findings, Lay, Profile, View, deliver,
    encode::Metadata,
    examine,
    geometry::row_bytes,
    profile::{Compression, Format, Holes},
    reduced,
};
use platen_protocol::uplink::ColourMode;

const MODES: [ColourMode; 3] = [ColourMode::Lineart, ColourMode::Grey, ColourMode::Colour];
const DPI: [u32; 4] = [50, 72, 150, 200];
/// Sides of the squares that one byte of the input draws, so that few bytes make sheets, lines and letters.
const SQUARES: [usize; 4] = [1, 3, 8, 20];
const MOST_PIXELS: usize = 1 << 19;

fn profile(how: u8) -> Profile {
    Profile {
        format: [Format::Jpeg, Format::Tiff][usize::from(how & 1)],
        compression: [Compression::Lzw, Compression::Deflate, Compression::None][usize::from(how >> 1) % 3],
        holes: [Holes::Fill, Holes::Keep, Holes::Flag][usize::from(how >> 3) % 3],
        quality: how.clamp(1, 100),
        ..Profile::default()
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&[mode, across, padding, dpi, how, square], drawn)) = data.split_first_chunk() else { return };
    let mode = MODES[usize::from(mode) % MODES.len()];
    let (padding, square) = (usize::from(padding % 9), SQUARES[usize::from(square) % SQUARES.len()]);
    let columns = usize::from(across) + 1;
    let (width, height) = (columns * square, drawn.len().div_ceil(columns) * square);
    if width * height > MOST_PIXELS {
        return;
    }
    let row = row_bytes(mode, width);
    let channels = row.div_ceil(width).max(1);
    let stride = row + padding;
    let byte = |at: usize| {
        let (x, y) = (at % stride, at / stride);
        // A byte of lineart is eight pixels as it stands.
        let column = if mode == ColourMode::Lineart { x * columns / row } else { x / channels / square };
        drawn.get(y / square * columns + column.min(columns - 1)).copied().unwrap_or(255)
    };
    let bytes: Vec<u8> = (0..stride * height).map(byte).collect();
    let dpi = DPI[usize::from(dpi) % DPI.len()];
    let Ok(page) = View::new(mode, (width, height), stride, dpi, &bytes) else {
        assert_eq!(height, 0, "only a page of no rows is none");
        return;
    };
    let profile = profile(how);
    let mut findings = examine(&page, &reduced(&page), &profile, if how & 128 == 0 { Lay::Glass } else { Lay::Feeder });
    assert!(findings.angle.is_finite() && (0.0..=1.0).contains(&findings.confidence));
    let metadata = |_: &Findings| Metadata {
        time: String::new(),
        software: String::new(),
        operator: String::new(),
        facts: vec![],
        steps: vec![],
        icc: None,
    };
    let made = deliver::deliver(&page, &mut findings, &profile, true, metadata).expect("a file");
    let decoded = image::load_from_memory(&made.file).expect("a readable file");
    assert_eq!((decoded.width() as usize, decoded.height() as usize), (made.width, made.height));
});
