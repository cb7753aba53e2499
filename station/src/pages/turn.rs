//! Turning a page by a small angle. The canvas grows so that nothing of the sheet is cut; what lies outside the scan is
//! filled with the paper's own colour.
//!
//! Within a run of pixels where the source's row and the whole part of its column advance together, bilinear
//! interpolation is a blend of four contiguous runs, which the compiler turns into vector code.

use super::{
    geometry::{Image, View, unpack_lineart},
    ink, reduce,
};
use multiversion::multiversion;
use platen_protocol::uplink::ColourMode;

/// Fixed point of the weights: products stay within 16 bits.
const ONE: u16 = 256;
/// Longest run, so that the horizontal weight, constant within a run, errs by less than 1/16 of a pixel at 15°.
const RUN: usize = 64;

/// Turns `page` by `degrees`, positive = counter-clockwise.
pub(crate) fn turn(page: &View<'_>, degrees: f64) -> Image {
    match page.mode {
        ColourMode::Grey => turn_bands::<1>(page, degrees, paper::<1>(page)),
        ColourMode::Colour => turn_bands::<3>(page, degrees, paper::<3>(page)),
        ColourMode::Lineart => {
            let mut grey = vec![0; page.width * page.height];
            for (y, out) in grey.chunks_exact_mut(page.width).enumerate() {
                unpack_lineart(page.row(y), out);
            }
            let grey =
                Image { mode: ColourMode::Grey, width: page.width, height: page.height, dpi: page.dpi, data: grey };
            pack(&turn_bands::<1>(&grey.view(), degrees, [255]))
        }
    }
}

/// Lineart stays lineart.
fn pack(grey: &Image) -> Image {
    let mut data = vec![0; grey.width.div_ceil(8) * grey.height];
    for (row, out) in grey.data.chunks_exact(grey.width).zip(data.chunks_exact_mut(grey.width.div_ceil(8))) {
        for (x, _) in row.iter().enumerate().filter(|(_, v)| **v < 128) {
            out[x / 8] |= 0x80 >> (x % 8);
        }
    }
    Image { mode: ColourMode::Lineart, data, ..*grey }
}

/// The paper's colour: the mean of pixels about as bright as the paper.
fn paper<const BANDS: usize>(page: &View<'_>) -> [u8; BANDS] {
    let level = ink::paper_level(&reduce::to_dpi(page, 30));
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

fn turn_bands<const BANDS: usize>(page: &View<'_>, degrees: f64, fill: [u8; BANDS]) -> Image {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (w, h) = (page.width as f64, page.height as f64);
    // A box around the turned page, at least as large as the page.
    let width = ((w * cos + h * sin.abs()).ceil() as usize).max(page.width);
    let height = ((h * cos + w * sin.abs()).ceil() as usize).max(page.height);
    let mut data = vec![0u8; width * height * BANDS];
    // Vertical weight at each place of a run, relative to its start, in 1/32768 of a pixel.
    let ramp: Vec<u16> = (0..RUN * BANDS).map(|j| ((j / BANDS) as f64 * sin * 32768.0).round() as i32 as u16).collect();
    let steps = Steps::new(sin, cos);
    for (y, out) in data.chunks_exact_mut(width * BANDS).enumerate() {
        // Centre to centre; the source of the row's first pixel.
        let (dx, dy) = (0.5 - width as f64 / 2.0, y as f64 + 0.5 - height as f64 / 2.0);
        let (x0, y0) = (dx * cos - dy * sin + w / 2.0 - 0.5, dx * sin + dy * cos + h / 2.0 - 0.5);
        let mut i = 0;
        while i < width {
            let (sx, sy) = (x0 + i as f64 * cos, y0 + i as f64 * sin);
            let (col, row) = (floor(sx), floor(sy));
            let run = steps.run_length(sx - col, sy - row).min(width - i);
            let out = &mut out[i * BANDS..(i + run) * BANDS];
            i += run;
            let inside = row >= 0.0 && row < h - 1.0 && col >= 0.0 && col + run as f64 + 1.0 < w;
            if inside {
                let weight =
                    (((sx + (run / 2) as f64 * cos) - (col + (run / 2) as f64)) * f64::from(ONE)).clamp(0.0, 256.0);
                let (from, to) = (col as usize * BANDS, (col as usize + run + 1) * BANDS);
                let (upper, lower) = (&page.row(row as usize)[from..to], &page.row(row as usize + 1)[from..to]);
                // Two steps inside its limits, because the ramp is rounded.
                let vertical = ((sy - row) * 32768.0).clamp(2.0, 32765.0) as u16;
                blend::<BANDS>(out, upper, lower, weight as u16, vertical, &ramp);
            } else {
                edge::<BANDS>(page, out, (sx, sy), (cos, sin), fill);
            }
        }
    }
    Image { mode: page.mode, width, height, dpi: page.dpi, data }
}

/// As `f64::floor`, which is a call into the C library on processors without SSE4.1; page coordinates fit an `i32`.
fn floor(x: f64) -> f64 {
    let whole = f64::from(x as i32);
    if whole > x { whole - 1.0 } else { whole }
}

/// Slopes of a turn, and their inverses: a division for each run would cost as much as the run.
struct Steps {
    sin: f64,
    per_row: f64,
    per_column: f64,
}

impl Steps {
    fn new(sin: f64, cos: f64) -> Self {
        Self { sin, per_row: 1.0 / sin.abs().max(1e-9), per_column: 1.0 / (1.0 - cos).max(1e-9) }
    }

    /// Pixels until the source's row changes, or its column no longer advances by one a pixel.
    fn run_length(&self, fx: f64, fy: f64) -> usize {
        let left = if self.sin > 0.0 { 1.0 - fy - 1e-9 } else { fy + 1e-12 };
        let rows = floor((left * self.per_row).min(1e6)) + 1.0;
        let columns = floor((fx * self.per_column + 1e-12).min(1e6)) + 1.0;
        (rows.min(columns) as usize).clamp(1, RUN)
    }
}

#[multiversion(targets("x86_64+avx2", "x86_64+avx512f+avx512bw+avx512vl"))]
fn blend<const BANDS: usize>(out: &mut [u8], upper: &[u8], lower: &[u8], across: u16, down: u16, ramp: &[u16]) {
    let n = out.len();
    let (a, a1, b, b1) = (&upper[..n], &upper[BANDS..][..n], &lower[..n], &lower[BANDS..][..n]);
    let ramp = &ramp[..n];
    let mix = |p: u8, q: u8, weight: u16| (u16::from(p) * (ONE - weight) + u16::from(q) * weight + 128) >> 8;
    for j in 0..n {
        let down = down.wrapping_add(ramp[j]).min(32_768) >> 7;
        let (top, bottom) = (mix(a[j], a1[j], across), mix(b[j], b1[j], across));
        out[j] = ((top * (ONE - down) + bottom * down + 128) >> 8) as u8;
    }
}

/// Near and beyond the scan's edge: pixel by pixel, outside counts as paper.
fn edge<const BANDS: usize>(
    page: &View<'_>,
    out: &mut [u8],
    (sx, sy): (f64, f64),
    (cos, sin): (f64, f64),
    fill: [u8; BANDS],
) {
    let at = |x: f64, y: f64, band: usize| {
        if x < 0.0 || y < 0.0 || x >= page.width as f64 || y >= page.height as f64 {
            return f64::from(fill[band]);
        }
        f64::from(page.row(y as usize)[x as usize * BANDS + band])
    };
    for (k, pixel) in out.chunks_exact_mut(BANDS).enumerate() {
        let (x, y) = (sx + k as f64 * cos, sy + k as f64 * sin);
        let (col, row) = (x.floor(), y.floor());
        let (u, v) = (x - col, y - row);
        if col < -1.0 || row < -1.0 || col >= page.width as f64 || row >= page.height as f64 {
            pixel.copy_from_slice(&fill);
            continue;
        }
        for (band, out) in pixel.iter_mut().enumerate() {
            let top = at(col, row, band) * (1.0 - u) + at(col + 1.0, row, band) * u;
            let bottom = at(col, row + 1.0, band) * (1.0 - u) + at(col + 1.0, row + 1.0, band) * u;
            *out = (top * (1.0 - v) + bottom * v).round() as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grey(width: usize, height: usize, value: impl Fn(usize, usize) -> u8) -> Image {
        let data = (0..width * height).map(|i| value(i % width, i / width)).collect();
        Image { mode: ColourMode::Grey, width, height, dpi: 300, data }
    }

    #[test]
    fn a_line_that_descends_to_the_right_is_straightened_by_a_positive_angle() {
        let slope = 2f64.to_radians().tan();
        let page = grey(600, 300, |x, y| if (y as f64 - 100.0 - x as f64 * slope).abs() < 3.0 { 0 } else { 255 });
        let turned = turn(&page.view(), 2.0);
        let dark = |x: usize| (0..turned.height).min_by_key(|&y| turned.data[y * turned.width + x]).unwrap();
        assert!(dark(100).abs_diff(dark(500)) <= 2, "{} and {}", dark(100), dark(500));
    }

    proptest! {
        /// Nothing is cut: the ink that was on the page is on it after, within the interpolation's rounding.
        #[test]
        fn no_ink_is_lost_at_any_angle(angle in -15.0f64..15.0, x in 3usize..190, y in 3usize..140) {
            let page = grey(200, 150, |px, py| if px.abs_diff(x) < 3 && py.abs_diff(y) < 3 { 0 } else { 255 });
            let ink = |image: &Image| image.data.iter().map(|&v| f64::from(255 - v)).sum::<f64>();
            let (before, after) = (ink(&page), ink(&turn(&page.view(), angle)));
            prop_assert!((after - before).abs() < before * 0.06 + 200.0, "{before} became {after}");
        }

        #[test]
        fn lineart_stays_lineart(angle in -15.0f64..15.0) {
            let data = vec![0b1010_0101; 40 * 100];
            let page = Image { mode: ColourMode::Lineart, width: 317, height: 100, dpi: 300, data };
            let turned = turn(&page.view(), angle);
            prop_assert_eq!((turned.mode, turned.data.len()), (ColourMode::Lineart, turned.width.div_ceil(8) * turned.height));
        }
    }
}
