//! Reduction by whole factors: the mean of a box of pixels, as luma. It can be made while a page's rows arrive, so that
//! the page need not be read once more when its last row is there.

use super::geometry::{Grey, View, row_bytes, unpack_lineart};
use multiversion::multiversion;
use platen_protocol::uplink::ColourMode;

/// What is found on a page is found in a picture of about this resolution.
const FINE_DPI: u32 = 150;
/// No page is reduced by more than this.
const MOST: usize = 16;
/// ITU-R BT.601 luma in 1/256.
const LUMA: [u32; 3] = [77, 150, 29];

/// Brightness of a pixel: its only byte, or the luma of three.
pub(super) fn luma(pixel: &[u8]) -> u8 {
    match pixel {
        [r, g, b] => {
            ([r, g, b].into_iter().zip(LUMA).map(|(&v, weight)| u32::from(v) * weight).sum::<u32>() >> 8) as u8
        }
        one => one[0],
    }
}

/// Reduces a whole page to about [`FINE_DPI`]; it is never enlarged.
pub(crate) fn reduced(page: &View<'_>) -> Grey {
    let factor = factor(page.dpi).min(page.width).min(page.height);
    let mut arriving = Arriving::by(factor, page.mode, page.width, page.stride, page.dpi);
    arriving.rows(page.bytes(), page.height);
    arriving.finish()
}

/// Takes `pixels` for `page` reduced, if their number is right.
pub(crate) fn adopted(pixels: &[u8], page: &View<'_>) -> Option<Grey> {
    let factor = factor(page.dpi);
    let (width, height) = (page.width / factor, page.height / factor);
    let whole = width > 0 && height > 0 && pixels.len() == width * height;
    whole.then(|| Grey { width, height, dpi: page.dpi as f32 / factor as f32, data: pixels.to_vec() })
}

fn factor(dpi: u32) -> usize {
    ((f64::from(dpi) / f64::from(FINE_DPI)).round() as usize).clamp(1, MOST)
}

/// A page being reduced while it arrives.
#[derive(Debug)]
pub(crate) struct Arriving {
    factor: usize,
    mode: ColourMode,
    width: usize,
    stride: usize,
    small: Grey,
    /// Room for a row's sums.
    sums: Vec<u16>,
    /// Room for a row's lumas in colour.
    lumas: Vec<u16>,
    /// Room for a row's unpacked bits in lineart.
    bits: Vec<u8>,
}

impl Arriving {
    /// Of a page laid out as in [`View`].
    pub(crate) fn new(mode: ColourMode, width: usize, stride: usize, dpi: u32) -> Self {
        Self::by(factor(dpi), mode, width, stride, dpi)
    }

    fn by(factor: usize, mode: ColourMode, width: usize, stride: usize, dpi: u32) -> Self {
        let small = Grey { width: width / factor, height: 0, dpi: dpi as f32 / factor as f32, data: Vec::new() };
        let bands = if mode == ColourMode::Colour { 3 } else { 1 };
        let bits = vec![0; if mode == ColourMode::Lineart { width } else { 0 }];
        Self { factor, mode, width, stride, small, sums: vec![0; width * bands], lumas: vec![0; width * bands], bits }
    }

    /// `page` holds all that has come so far, of which `rows` are whole.
    pub(crate) fn rows(&mut self, page: &[u8], rows: usize) {
        while (self.small.height + 1) * self.factor <= rows {
            let top = self.small.height * self.factor;
            let length = row_bytes(self.mode, self.width);
            let row = |k: usize| &page[(top + k) * self.stride..][..length];
            match (self.mode, self.factor) {
                // The usual case, 300 to 150 dpi.
                (ColourMode::Colour, 2) => {
                    let from = self.small.data.len();
                    self.small.data.resize(from + self.small.width, 0);
                    lumas_of_pairs(&mut self.sums, &mut self.lumas, row(0), row(1));
                    mean_of_pairs(&mut self.small.data[from..], &self.lumas);
                }
                (ColourMode::Grey, 2) => {
                    let from = self.small.data.len();
                    self.small.data.resize(from + self.small.width, 0);
                    mean_of_fours(&mut self.small.data[from..], row(0), row(1));
                }
                _ => {
                    // Columns are summed first, over bytes as they lie: the compiler makes vectors of that.
                    self.sums.fill(0);
                    for k in 0..self.factor {
                        if self.mode == ColourMode::Lineart {
                            unpack_lineart(row(k), &mut self.bits);
                            add_row(&mut self.sums, &self.bits);
                        } else {
                            add_row(&mut self.sums, row(k));
                        }
                    }
                    self.reduce_sums();
                }
            }
            self.small.height += 1;
        }
    }

    /// A row of the picture from sums of columns.
    fn reduce_sums(&mut self) {
        let scale = (1 << 16) / (self.factor * self.factor) as u32;
        let bands = self.sums.len() / self.width;
        let cells = self.sums.chunks_exact(bands * self.factor).take(self.small.width);
        if bands == 1 {
            self.small.data.extend(cells.map(|cell| {
                let sum: u32 = cell.iter().map(|&v| u32::from(v)).sum();
                ((sum * scale) >> 16) as u8
            }));
            return;
        }
        self.small.data.extend(cells.map(|cell| {
            let mut rgb = [0u32; 3];
            for p in cell.chunks_exact(3) {
                for (sum, &v) in rgb.iter_mut().zip(p) {
                    *sum += u32::from(v);
                }
            }
            let luma = (rgb[0] * LUMA[0] + rgb[1] * LUMA[1] + rgb[2] * LUMA[2]) >> 8;
            ((luma * scale) >> 16) as u8
        }));
    }

    /// Size of the picture of so many rows.
    pub(crate) fn bytes_of(&self, rows: usize) -> usize {
        rows / self.factor * self.small.width
    }

    /// The picture of what has come.
    pub(crate) fn finish(self) -> Grey {
        self.small
    }
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

/// The mean of each two neighbouring pixels of [`lumas_of_pairs`].
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn mean_of_pairs(out: &mut [u8], lumas: &[u16]) {
    let (outs, rest) = out.as_chunks_mut::<16>();
    let (cells, last) = lumas.split_at(outs.len() * 96);
    for (out, cells) in outs.iter_mut().zip(cells.as_chunks::<96>().0) {
        for i in 0..16 {
            out[i] = ((cells[6 * i] + cells[6 * i + 3]) >> 8) as u8;
        }
    }
    for (out, cell) in rest.iter_mut().zip(last.as_chunks::<6>().0) {
        *out = ((cell[0] + cell[3]) >> 8) as u8;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn add_row(sums: &mut [u16], row: &[u8]) {
    for (sum, &v) in sums.iter_mut().zip(row) {
        *sum += u16::from(v);
    }
}

/// Halves a grey picture.
pub(crate) fn halve(grey: &Grey) -> Grey {
    if grey.width < 2 || grey.height < 2 {
        return grey.clone();
    }
    let (width, height) = (grey.width / 2, grey.height / 2);
    let mut data = vec![0; width * height];
    for (y, out) in data.chunks_exact_mut(width).enumerate() {
        mean_of_fours(out, grey.row(2 * y), grey.row(2 * y + 1));
    }
    Grey { width, height, dpi: grey.dpi / 2.0, data }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn mean_of_fours(out: &mut [u8], upper: &[u8], lower: &[u8]) {
    let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
    for (out, (a, b)) in out.iter_mut().zip(pairs) {
        *out = ((u16::from(a[0]) + u16::from(a[1]) + u16::from(b[0]) + u16::from(b[1]) + 2) >> 2) as u8;
    }
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
        for (dpi, factor) in [(150, 1), (300, 2), (450, 3), (600, 4)] {
            let view = View::new(page.mode, (width, height), width * 3, dpi, &page.data).unwrap();
            let small = reduced(&view);
            // The same whether the page comes at once, or byte by byte and with its rows cut.
            let mut arriving = Arriving::new(page.mode, width, width * 3, dpi);
            for bytes in (0..=page.data.len()).step_by(401).chain([page.data.len()]) {
                arriving.rows(&page.data[..bytes], bytes / (width * 3));
            }
            let arrived = arriving.finish();
            assert_eq!(arrived.data, small.data);
            assert_eq!(
                adopted(&arrived.data, &view).map(|grey| (grey.width, grey.height)),
                Some((small.width, small.height))
            );
            assert!(adopted(&arrived.data[1..], &view).is_none());
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
