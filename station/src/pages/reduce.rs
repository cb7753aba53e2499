//! Reduction by whole factors: the mean of a box of pixels, as luma.

use super::geometry::{Grey, View, unpack_lineart};
use multiversion::multiversion;
use platen_protocol::uplink::ColourMode;

/// Reduces a page to about `dpi` (never enlarging it).
pub(crate) fn to_dpi(page: &View<'_>, dpi: u32) -> Grey {
    let factor = ((f64::from(page.dpi) / f64::from(dpi)).round() as usize).clamp(1, 16);
    by(page, factor.min(page.width).min(page.height))
}

/// ITU-R BT.601 luma in 1/256.
const LUMA: [u32; 3] = [77, 150, 29];

fn by(page: &View<'_>, factor: usize) -> Grey {
    let (width, height) = (page.width / factor, page.height / factor);
    let mut reduced =
        Grey { width, height, dpi: page.dpi as f32 / factor as f32, data: Vec::with_capacity(width * height) };
    if page.mode == ColourMode::Colour && factor == 2 {
        // The usual case, 300 to 150 dpi.
        let (mut sums, mut lumas) = (vec![0; page.width * 3], vec![0; page.width * 3]);
        for y in 0..height {
            lumas_of_pairs(&mut sums, &mut lumas, page.row(2 * y), page.row(2 * y + 1));
            reduced.data.extend(lumas.as_chunks::<6>().0.iter().map(|cell| ((cell[0] + cell[3]) >> 8) as u8));
        }
        return reduced;
    }
    let bands = if page.mode == ColourMode::Colour { 3 } else { 1 };
    // Columns are summed first, over bytes as they lie: the compiler makes vectors of that.
    let mut sums = vec![0u16; page.width * bands];
    let mut bits = vec![0u8; if page.mode == ColourMode::Lineart { page.width } else { 0 }];
    let scale = (1 << 16) / (factor * factor) as u32;
    for y in 0..height {
        sums.fill(0);
        for k in 0..factor {
            let mut row = page.row(y * factor + k);
            if page.mode == ColourMode::Lineart {
                unpack_lineart(row, &mut bits);
                row = &bits;
            }
            add_row(&mut sums, row);
        }
        let cells = sums.chunks_exact(bands * factor).take(width);
        if bands == 3 {
            reduced.data.extend(cells.map(|cell| {
                let mut rgb = [0u32; 3];
                for p in cell.chunks_exact(3) {
                    for (sum, &v) in rgb.iter_mut().zip(p) {
                        *sum += u32::from(v);
                    }
                }
                let luma = (rgb[0] * LUMA[0] + rgb[1] * LUMA[1] + rgb[2] * LUMA[2]) >> 8;
                ((luma * scale) >> 16) as u8
            }));
        } else {
            reduced.data.extend(cells.map(|cell| {
                let sum: u32 = cell.iter().map(|&v| u32::from(v)).sum();
                ((sum * scale) >> 16) as u8
            }));
        }
    }
    reduced
}

/// 64 times the luma of each pixel and the one below it, at the pixel's first byte. What stands at the other two bytes
/// means nothing, but costs less than to leave it out. The weights are [`LUMA`] in 1/64: two sums then fit 16 bits.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn lumas_of_pairs(sums: &mut [u16], lumas: &mut [u16], upper: &[u8], lower: &[u8]) {
    for ((sum, &a), &b) in sums.iter_mut().zip(upper).zip(lower) {
        *sum = u16::from(a) + u16::from(b);
    }
    let beside = sums[1..].iter().zip(&sums[2..]);
    for ((luma, &red), (&green, &blue)) in lumas.iter_mut().zip(sums.iter()).zip(beside) {
        *luma = 19 * red + 38 * green + 7 * blue;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn add_row(sums: &mut [u16], row: &[u8]) {
    for (sum, &v) in sums.iter_mut().zip(row) {
        *sum += u16::from(v);
    }
}

/// Halves a grey picture.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
pub(crate) fn halve(grey: &Grey) -> Grey {
    let (width, height) = ((grey.width / 2).max(1), (grey.height / 2).max(1));
    if grey.width < 2 || grey.height < 2 {
        return grey.clone();
    }
    let mut data = Vec::with_capacity(width * height);
    for y in 0..height {
        let (a, b) = (grey.row(2 * y), grey.row(2 * y + 1));
        data.extend(
            a.chunks_exact(2)
                .zip(b.chunks_exact(2))
                .map(|(a, b)| ((u16::from(a[0]) + u16::from(a[1]) + u16::from(b[0]) + u16::from(b[1]) + 2) >> 2) as u8),
        );
    }
    Grey { width, height, dpi: grey.dpi / 2.0, data }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::Image;

    #[test]
    fn a_reduced_page_is_the_mean_luma_of_its_cells_at_every_factor() {
        let (width, height) = (61, 35);
        let data: Vec<u8> = (0..width * height * 3).map(|i| (i * 37 % 251) as u8).collect();
        let page = Image { mode: ColourMode::Colour, width, height, dpi: 300, data };
        for (dpi, factor) in [(300, 1), (150, 2), (100, 3), (75, 4)] {
            let small = to_dpi(&page.view(), dpi);
            assert_eq!((small.width, small.height), (width / factor, height / factor));
            for (i, &got) in small.data.iter().enumerate() {
                let (x, y) = (i % small.width * factor, i / small.width * factor);
                let mut sum = 0.0;
                for (dy, dx) in (0..factor).flat_map(|dy| (0..factor).map(move |dx| (dy, dx))) {
                    let at = ((y + dy) * width + x + dx) * 3;
                    let weighed = [0.299, 0.587, 0.114].iter().zip(&page.data[at..at + 3]);
                    sum += weighed.map(|(w, &v)| w * f64::from(v)).sum::<f64>();
                }
                let mean = sum / (factor * factor) as f64;
                assert!((f64::from(got) - mean).abs() < 3.0, "{factor}: cell {x}, {y} is {got}, should be {mean:.1}");
            }
        }
    }
}
