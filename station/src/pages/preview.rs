//! A small picture of a page for the screen.

use super::geometry::{Image, View, unpack_lineart};
use platen_protocol::uplink::ColourMode;

/// Longer side of a preview in pixels: sharp on a 24-inch screen.
const SIDE: usize = 1_100;

/// The page at screen size: the mean of four pixels out of each cell.
pub(crate) fn preview(page: &View<'_>) -> Image {
    let factor = page.width.max(page.height).div_ceil(SIDE).max(1);
    let (width, height) = ((page.width / factor).max(1), (page.height / factor).max(1));
    let bands = if page.mode == ColourMode::Colour { 3 } else { 1 };
    let mode = if bands == 3 { ColourMode::Colour } else { ColourMode::Grey };
    let mut data = Vec::with_capacity(width * height * bands);
    let step = factor.div_ceil(2).min(factor);
    let mut unpacked = [vec![0; page.width], vec![0; page.width]];
    for y in 0..height {
        let rows = [y * factor, (y * factor + step).min(page.height - 1)].map(|y| page.row(y));
        let rows: [&[u8]; 2] = if page.mode == ColourMode::Lineart {
            unpacked.iter_mut().zip(rows).for_each(|(out, row)| unpack_lineart(row, out));
            [&unpacked[0], &unpacked[1]]
        } else {
            rows
        };
        for x in 0..width {
            let (a, b) = (x * factor * bands, (x * factor + step).min(page.width - 1) * bands);
            for band in 0..bands {
                let at = |row: &[u8], from: usize| u16::from(row[from + band]);
                let sum = at(rows[0], a) + at(rows[0], b) + at(rows[1], a) + at(rows[1], b);
                data.push((sum / 4) as u8);
            }
        }
    }
    Image { mode, width, height, dpi: page.dpi, data }
}
