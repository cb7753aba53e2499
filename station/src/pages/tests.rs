//! The pipeline as a whole on pages that nobody would scan: whatever comes, it answers, and loses nothing.

use super::{
    Arriving, Findings, Lay, Profile, View, adopted, deliver, encode::Metadata, examine, geometry::row_bytes, reduced,
};
use platen_protocol::uplink::ColourMode;
use proptest::prelude::*;

const MODES: [ColourMode; 3] = [ColourMode::Lineart, ColourMode::Grey, ColourMode::Colour];

/// Bytes of a page: flat, noise, stripes, or a bright sheet on something dark.
fn pixels(kind: u8, seed: u32, row: usize, height: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut noise = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    let at = |i: usize| (i % row, i / row);
    (0..row * height)
        .map(|i| match (kind, at(i)) {
            (0, _) => seed as u8,
            (1, _) => noise(),
            (2, (x, y)) => ((x * 3 + y * 7) / 5 * 40) as u8,
            (_, (x, y)) if x > row / 5 && x < row * 4 / 5 && y > height / 6 && y < height * 5 / 6 => 200 + noise() % 40,
            _ => 8 + noise() % 4,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_page_is_answered_and_delivered_whole(
        mode in 0usize..3, kind in 0u8..4, seed: u32, width in 1usize..260, height in 1usize..260,
        padding in 0usize..9, dpi in prop::sample::select(vec![50u32, 72, 150, 200, 600, 1_200, 2_400]),
    ) {
        let mode = MODES[mode];
        let stride = row_bytes(mode, width) + padding;
        let data = pixels(kind, seed, stride, height);
        let view = View::new(mode, (width, height), stride, dpi, &data).unwrap();
        let fine = reduced(&view);
        let mut arriving = Arriving::new(mode, width, stride, dpi);
        arriving.rows(&data, height);
        if let Some(arrived) = adopted(&arriving.finish().data, &view) {
            prop_assert_eq!(&arrived.data, &fine.data);
        }
        let profile = Profile::default();
        let mut findings = examine(&view, &fine, &profile, Lay::Glass);
        prop_assert!(findings.angle.is_finite() && (0.0..=1.0).contains(&findings.confidence));
        prop_assert!(findings.quad.iter().chain(&findings.fit.kept).all(|(x, y)| x.is_finite() && y.is_finite()));
        let signature = &findings.signature;
        prop_assert_eq!(signature.is_same_sheet(signature), !signature.shows_nothing());
        // Delivered it is padded to A4, which at these has gigabytes.
        if dpi > 200 {
            return Ok(());
        }
        let metadata = |_: &Findings| Metadata { time: String::new(), software: String::new(), operator: String::new(), facts: vec![], steps: vec![], icc: None };
        let made = deliver::deliver(&view, &mut findings, &profile, true, metadata).unwrap();
        let decoded = image::load_from_memory(&made.file).unwrap();
        prop_assert_eq!((decoded.width() as usize, decoded.height() as usize), (made.width, made.height));
    }

    /// Bytes that are no page are refused with a reason, never read beyond their end.
    #[test]
    fn what_is_no_page_is_refused(
        mode in 0usize..3, width in 0usize..70_000, height in 0usize..70_000, stride in 0usize..300_000, dpi in 0u32..5_000,
        len in 0usize..5_000,
    ) {
        let data = vec![0; len];
        match View::new(MODES[mode], (width, height), stride, dpi, &data) {
            Ok(page) => prop_assert_eq!(page.row(height - 1).len(), row_bytes(MODES[mode], width)),
            Err(why) => prop_assert!(why.to_string().chars().any(|c| c.is_ascii_digit()), "{why}"),
        }
    }
}

/// A blank sheet of 200 dpi on a dark lid, with a streak down the scan that crosses what shows through, and what `pencil` draws.
fn streaked(pencil: impl Fn(usize, usize) -> bool) -> Findings {
    let (width, height) = (1_654, 2_339);
    let mut state = 1u32;
    let data: Vec<u8> = (0..width * height)
        .map(|i| {
            let (x, y) = (i % width, i / width);
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let on_sheet = (100..1_554).contains(&x) && (100..2_239).contains(&y);
            let (across, down) = ((x as f32 - 801.0) / 9.0, (y as f32 - 900.0) / 20.0);
            let through = 24.0 * (-(across * across + down * down)).exp();
            let level = if on_sheet { 232.0 - through } else { 14.0 } + (state % 5) as f32;
            let level = if on_sheet && pencil(x, y) { 190.0 } else { level };
            if (800..802).contains(&x) { (level * 0.8 + 22.0) as u8 } else { level as u8 }
        })
        .collect();
    let view = View::new(ColourMode::Grey, (width, height), width, 200, &data).unwrap();
    examine(&view, &reduced(&view), &Profile::default(), Lay::Feeder)
}

#[test]
fn a_streak_makes_no_writing_of_what_shows_through_and_hides_none() {
    let blank = streaked(|_, _| false);
    assert!(!blank.streaks.is_empty() && blank.blank, "{:?}", blank.streaks);
    let crossed = streaked(|x, y| (780..830).contains(&x) && (1_400..1_403).contains(&y));
    assert!(!crossed.blank, "a dash in pencil across the streak");
}

/// A sheet that is straightened by three degrees, at 200 dpi on a dark lid, with rows of characters that stand off their lines and
/// off their columns by chance.
fn scattered(seed: u32) -> Findings {
    let (width, height) = (1_654usize, 2_339usize);
    let (sin, cos) = 3f64.to_radians().sin_cos();
    let of_sheet = |x: usize, y: usize| {
        let (dx, dy) = (x as f64 + 0.5 - width as f64 / 2.0, y as f64 + 0.5 - height as f64 / 2.0);
        (dx * cos + dy * sin, dy * cos - dx * sin)
    };
    let sheet = |(u, v): (f64, f64)| (680.0 - f64::abs(u)).min(1_000.0 - f64::abs(v)).clamp(-0.5, 0.5) + 0.5;
    let mut data: Vec<u8> =
        (0..width * height).map(|i| (14.0 + 218.0 * sheet(of_sheet(i % width, i / width))) as u8).collect();
    let mut state = seed;
    let mut chance = |most: f64| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(state >> 8) / f64::from(1u32 << 24) - 0.5) * 2.0 * most
    };
    for (line, character) in (-7..=7).flat_map(|line| (-6..=6).map(move |character| (line, character))) {
        let (u0, v0) = (f64::from(character) * 70.0 + chance(20.0), f64::from(line) * 90.0 + chance(36.0));
        let (x0, y0) = (width as f64 / 2.0 + u0 * cos - v0 * sin, height as f64 / 2.0 + u0 * sin + v0 * cos);
        for (x, y) in (-40..40).flat_map(|y| (-40..40).map(move |x| (x, y))) {
            let (x, y) = ((x0 + f64::from(x)) as usize, (y0 + f64::from(y)) as usize);
            let (u, v) = of_sheet(x, y);
            let inside = 25.0 - f64::max((u - u0).abs(), (v - v0).abs());
            let frame = inside.min(6.0 - inside).clamp(-0.5, 0.5) + 0.5;
            let at = &mut data[y * width + x];
            *at = (f64::from(*at) * (1.0 - frame) + 60.0 * frame) as u8;
        }
    }
    let view = View::new(ColourMode::Grey, (width, height), width, 200, &data).unwrap();
    examine(&view, &reduced(&view), &Profile::default(), Lay::Feeder)
}

#[test]
fn characters_that_make_no_lines_are_not_straightened_by_chance() {
    for seed in 1..5 {
        let Findings { angle, confidence, .. } = scattered(seed);
        assert!((angle - 3.0).abs() < 0.1 && confidence > super::SURE, "{angle} at {confidence}, seed {seed}");
    }
}
