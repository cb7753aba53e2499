//! Where rows and columns of a page in black and white are black.

use crate::pages::geometry::View;
use platen_protocol::uplink::ColourMode;

/// Where a run begins, and where the white behind it does.
pub(super) type Run = (u32, u32);

/// A page of a few lines has so many runs at most; one that has more is speckled, or dithered, all over.
const MOST: usize = 300_000;

/// Black runs of each row, but for those longer than any stroke: the lid. Nothing if there are too many.
pub(super) fn rows(page: &View<'_>, longest: u32) -> Option<Vec<Vec<Run>>> {
    let dark = |pixel: &[u8]| u8::from(pixel[pixel.len() / 2] < 128);
    let packed = |bands: usize, row: &[u8]| -> Vec<u8> {
        let eights = row.chunks(8 * bands);
        eights
            .map(|eight| eight.chunks(bands).zip(0u8..).fold(0, |byte, (pixel, i)| byte | dark(pixel) << (7 - i)))
            .collect()
    };
    let rows = (0..page.height).map(|y| match page.mode {
        ColourMode::Lineart => runs(page.row(y), page.width),
        ColourMode::Grey => runs(&packed(1, page.row(y)), page.width),
        ColourMode::Colour => runs(&packed(3, page.row(y)), page.width),
    });
    let mut left = MOST;
    let strokes = rows.map(|mut runs| {
        runs.retain(|(from, to)| to - from <= longest);
        left = left.checked_sub(runs.len())?;
        runs.shrink_to_fit();
        Some(runs)
    });
    strokes.collect()
}

/// Runs of ones among the first bits.
fn runs(bits: &[u8], width: usize) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut open = None;
    for (at, &byte) in (0u32..).step_by(8).zip(bits) {
        // Most bytes are paper.
        if byte == if open.is_some() { 0xff } else { 0 } {
            continue;
        }
        for (x, one) in (at..(at + 8).min(width as u32)).map(|x| (x, byte & 0x80 >> (x - at) != 0)) {
            match open {
                None if one => open = Some(x),
                Some(from) if !one => {
                    runs.push((from, x));
                    open = None;
                }
                _ => {}
            }
        }
    }
    runs.extend(open.map(|from| (from, width as u32)));
    runs
}

/// Black runs of each column. Nothing if there are too many.
pub(super) fn columns(rows: &[Vec<Run>], width: usize) -> Option<Vec<Vec<Run>>> {
    let mut left = MOST;
    let mut columns: Vec<Vec<Run>> = vec![Vec::new(); width];
    for (y, runs) in (0u32..).zip(rows) {
        for column in runs.iter().flat_map(|&(from, to)| from..to) {
            match columns[column as usize].last_mut() {
                Some(run) if run.1 == y => run.1 = y + 1,
                _ => {
                    left = left.checked_sub(1)?;
                    columns[column as usize].push((y, y + 1));
                }
            }
        }
    }
    Some(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn of_a_page_that_is_dithered_all_over_nothing_is_kept() {
        let (width, height) = (2_000, 2_000);
        let dithered = vec![0b0101_0101; width / 8 * height];
        let page = View::new(ColourMode::Lineart, (width, height), width / 8, 600, &dithered).unwrap();
        assert_eq!(rows(&page, 300), None);
        let upright: Vec<Vec<Run>> =
            (0..height).map(|y| if y % 2 == 0 { vec![(0, width as u32)] } else { vec![] }).collect();
        assert_eq!(columns(&upright, width), None);
    }

    proptest! {
        #[test]
        fn runs_are_where_the_bits_are(bits in proptest::collection::vec(prop_oneof![Just(0u8), Just(255), any::<u8>()], 1..40), missing in 0usize..8) {
            let width = 8 * bits.len() - missing;
            let found = runs(&bits, width);
            prop_assert!(found.windows(2).all(|two| two[0].1 < two[1].0), "apart, in order: {found:?}");
            for x in 0..width {
                let black = bits[x / 8] & 0x80 >> (x % 8) != 0;
                prop_assert_eq!(black, found.iter().any(|&(from, to)| (from..to).contains(&(x as u32))));
            }
        }

        #[test]
        fn grey_and_colour_are_read_as_lineart_is_and_columns_as_rows(black in proptest::collection::vec(any::<bool>(), 13 * 9)) {
            let (width, height) = (13, 9);
            let level = |black: &bool| if *black { 0 } else { 255 };
            let grey: Vec<u8> = black.iter().map(level).collect();
            let colour: Vec<u8> = grey.iter().flat_map(|&v| [v; 3]).collect();
            let view = |mode, bands: usize, data| View::new(mode, (width, height), width * bands, 300, data).unwrap();
            let found = rows(&view(ColourMode::Grey, 1, &grey), 100).unwrap();
            prop_assert_eq!(&found, &rows(&view(ColourMode::Colour, 3, &colour), 100).unwrap());
            let bits: Vec<u8> = black.chunks(width).flat_map(|row| {
                row.chunks(8).map(|eight| eight.iter().zip(0..).fold(0, |byte, (&one, i)| byte | u8::from(one) << (7 - i))).collect::<Vec<u8>>()
            }).collect();
            let lineart = View::new(ColourMode::Lineart, (width, height), 2, 300, &bits).unwrap();
            prop_assert_eq!(&found, &rows(&lineart, 100).unwrap());
            let turned = columns(&found, width).unwrap();
            for (x, y) in (0..width).flat_map(|x| (0..height).map(move |y| (x, y))) {
                let holds = |runs: &[Run], at: usize| runs.iter().any(|&(from, to)| (from..to).contains(&(at as u32)));
                prop_assert_eq!(holds(&found[y], x), black[y * width + x]);
                prop_assert_eq!(holds(&turned[x], y), black[y * width + x]);
            }
        }
    }
}
