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
    let bands = if page.mode == ColourMode::Colour { 3 } else { 1 };
    // Columns are summed first, over bytes as they lie: the compiler makes vectors of that.
    let mut sums = vec![0u16; page.width * bands];
    let mut bits = vec![0u8; if page.mode == ColourMode::Lineart { page.width } else { 0 }];
    let mut data = Vec::with_capacity(width * height);
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
        if bands == 3 && factor == 2 {
            // The usual case, 300 to 150 dpi, without inner loops.
            data.extend(sums.as_chunks::<6>().0.iter().take(width).map(|&[r0, g0, b0, r1, g1, b1]| {
                let [r, g, b] = [r0 + r1, g0 + g1, b0 + b1].map(u32::from);
                ((r * LUMA[0] + g * LUMA[1] + b * LUMA[2]) >> 10) as u8
            }));
        } else if bands == 3 {
            data.extend(sums.chunks_exact(3 * factor).take(width).map(|cell| {
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
            data.extend(sums.chunks_exact(factor).take(width).map(|cell| {
                let sum: u32 = cell.iter().map(|&v| u32::from(v)).sum();
                ((sum * scale) >> 16) as u8
            }));
        }
    }
    Grey { width, height, dpi: page.dpi as f32 / factor as f32, data }
}

#[multiversion(targets("x86_64+avx2", "x86_64+avx512f+avx512bw+avx512vl"))]
fn add_row(sums: &mut [u16], row: &[u8]) {
    for (sum, &v) in sums.iter_mut().zip(row) {
        *sum += u16::from(v);
    }
}

/// Halves a grey picture.
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
