//! The sheet itself.

use super::geometry::View;
use platen_protocol::uplink::ColourMode;

/// The paper's colour: the mean of a sample of pixels about as bright as the paper.
pub(crate) fn colour(page: &View<'_>, level: u8) -> [u8; 3] {
    match page.mode {
        ColourMode::Lineart => [255; 3],
        ColourMode::Grey => [mean::<1>(page, level)[0]; 3],
        ColourMode::Colour => mean::<3>(page, level),
    }
}

fn mean<const BANDS: usize>(page: &View<'_>, level: u8) -> [u8; BANDS] {
    let (mut sums, mut n) = ([0u64; BANDS], 0u64);
    for y in (0..page.height).step_by(16) {
        for pixel in page.row(y).as_chunks::<BANDS>().0.iter().step_by(16) {
            let mean = pixel.iter().map(|&v| u32::from(v)).sum::<u32>() / BANDS as u32;
            if mean.abs_diff(u32::from(level)) < 12 {
                sums.iter_mut().zip(pixel).for_each(|(s, &v)| *s += u64::from(v));
                n += 1;
            }
        }
    }
    sums.map(|s| s.checked_div(n).map_or(level, |mean| mean as u8))
}
