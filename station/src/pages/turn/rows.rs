//! What is turned: rows of a scan as they lie, or as a JPEG holds their colours.

use crate::pages::geometry::{View, unpack_lineart};
use multiversion::multiversion;
use platen_protocol::uplink::ColourMode;

/// Rows of bytes, from the top.
pub(super) trait Rows {
    fn height(&self) -> usize;
    fn row(&mut self, y: usize) -> &[u8];
}

/// A scan's own rows; lineart's with a byte a pixel.
pub(super) struct Pixels<'a> {
    page: View<'a>,
    unpacked: Vec<u8>,
}

impl<'a> Pixels<'a> {
    pub(super) fn new(page: &View<'a>) -> Self {
        Self { page: *page, unpacked: vec![0; if page.mode == ColourMode::Lineart { page.width } else { 0 }] }
    }
}

impl Rows for Pixels<'_> {
    fn height(&self) -> usize {
        self.page.height
    }

    fn row(&mut self, y: usize) -> &[u8] {
        let row = self.page.row(y);
        if self.page.mode != ColourMode::Lineart {
            return row;
        }
        unpack_lineart(row, &mut self.unpacked);
        &self.unpacked
    }
}

/// Luma, Y of JFIF (ITU-T T.871), in 1/65,536.
const LUMA: [u16; 3] = [19_595, 38_470, 7_471];
/// What red and green take from Cb, and green and blue from Cr, in 1/32,768. To each belongs a half of the colour itself.
const CB: [i16; 2] = [5_529, 10_855];
const CR: [i16; 2] = [13_720, 2_664];

/// The luma of a colour page's rows.
pub(super) struct Luma<'a> {
    page: View<'a>,
    /// Red, green and blue of a row, in 1/256 of a level.
    parts: [Vec<u16>; 3],
    row: Vec<u8>,
}

impl<'a> Luma<'a> {
    pub(super) fn new(page: &View<'a>) -> Self {
        Self { page: *page, parts: std::array::from_fn(|_| vec![0; page.width]), row: vec![0; page.width] }
    }
}

impl Rows for Luma<'_> {
    fn height(&self) -> usize {
        self.page.height
    }

    fn row(&mut self, y: usize) -> &[u8] {
        parts_of_row(&mut self.parts, self.page.row(y));
        lumas(&mut self.row, &self.parts);
        &self.row
    }
}

/// The chroma of a colour page at half its resolution: Cb and Cr of each 2 × 2 pixels in turn. What is missing beyond an odd
/// width or height repeats what is there.
pub(super) struct Chroma<'a> {
    page: View<'a>,
    /// Red, green and blue of two rows added up.
    sums: [Vec<u16>; 3],
    row: Vec<u8>,
}

impl<'a> Chroma<'a> {
    pub(super) fn new(page: &View<'a>) -> Self {
        let half = page.width.div_ceil(2);
        Self { page: *page, sums: std::array::from_fn(|_| vec![0; 2 * half]), row: vec![0; 2 * half] }
    }
}

impl Rows for Chroma<'_> {
    fn height(&self) -> usize {
        self.page.height.div_ceil(2)
    }

    fn row(&mut self, y: usize) -> &[u8] {
        let (upper, lower) = (self.page.row(2 * y), self.page.row((2 * y + 1).min(self.page.height - 1)));
        sums_of_rows(&mut self.sums, upper, lower);
        if self.page.width % 2 == 1 {
            self.sums.iter_mut().for_each(|sums| sums[self.page.width] = sums[self.page.width - 1]);
        }
        chromas(&mut self.row, &self.sums);
        &self.row
    }
}

/// Y, Cb and Cr of a colour.
pub(super) fn ycc(colour: [u8; 3]) -> [u8; 3] {
    let [cb, cr] = chroma(colour.map(|v| 4 * u16::from(v)));
    [luma(colour.map(|v| u16::from(v) << 8)), cb, cr]
}

/// Red, green and blue of Y, Cb and Cr.
pub(crate) fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb].map(|v| (v + 0.5) as u8)
}

/// Of parts in 1/256 of a level. Products of 16 bits of which the upper half is kept are what processors do in one step.
#[inline(always)]
fn luma([r, g, b]: [u16; 3]) -> u8 {
    let part = |v: u16, weight: u16| ((u32::from(v) * u32::from(weight)) >> 16) as u16;
    ((part(r, LUMA[0]) + part(g, LUMA[1]) + part(b, LUMA[2]) + 128) >> 8) as u8
}

/// Of four pixels' sums.
#[inline(always)]
fn chroma([r, g, b]: [u16; 3]) -> [u8; 2] {
    // In 1/64 of a level.
    let part = |sum: u16, weight: i16| ((i32::from((sum << 5) as i16) * i32::from(weight)) >> 16) as i16;
    let level = |sum: i16| ((sum + (128 << 6) + 32) >> 6).min(255) as u8;
    let half = |sum: u16| (sum << 3) as i16;
    [level(half(b) - part(r, CB[0]) - part(g, CB[1])), level(half(r) - part(g, CR[0]) - part(b, CR[1]))]
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn parts_of_row([red, green, blue]: &mut [Vec<u16>; 3], row: &[u8]) {
    let parts = red.iter_mut().zip(green.iter_mut()).zip(blue.iter_mut());
    for (((red, green), blue), pixel) in parts.zip(row.as_chunks::<3>().0) {
        *red = u16::from(pixel[0]) << 8;
        *green = u16::from(pixel[1]) << 8;
        *blue = u16::from(pixel[2]) << 8;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn lumas(out: &mut [u8], [red, green, blue]: &[Vec<u16>; 3]) {
    for (out, ((&red, &green), &blue)) in out.iter_mut().zip(red.iter().zip(green).zip(blue)) {
        *out = luma([red, green, blue]);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn sums_of_rows([red, green, blue]: &mut [Vec<u16>; 3], upper: &[u8], lower: &[u8]) {
    let pixels = upper.as_chunks::<3>().0.iter().zip(lower.as_chunks::<3>().0);
    let sums = red.iter_mut().zip(green.iter_mut()).zip(blue.iter_mut());
    for (((red, green), blue), (a, b)) in sums.zip(pixels) {
        *red = u16::from(a[0]) + u16::from(b[0]);
        *green = u16::from(a[1]) + u16::from(b[1]);
        *blue = u16::from(a[2]) + u16::from(b[2]);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn chromas(out: &mut [u8], [red, green, blue]: &[Vec<u16>; 3]) {
    let pairs = red.as_chunks::<2>().0.iter().zip(green.as_chunks::<2>().0).zip(blue.as_chunks::<2>().0);
    for (out, ((red, green), blue)) in out.as_chunks_mut::<2>().0.iter_mut().zip(pairs) {
        *out = chroma([red, green, blue].map(|pair| pair[0] + pair[1]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// JFIF's own formula.
    fn reference([r, g, b]: [f64; 3]) -> [f64; 3] {
        [
            0.299 * r + 0.587 * g + 0.114 * b,
            128.0 - 0.168_735_9 * r - 0.331_264_1 * g + 0.5 * b,
            128.0 + 0.5 * r - 0.418_687_6 * g - 0.081_312_4 * b,
        ]
    }

    #[test]
    fn greys_have_no_colour_and_keep_their_level() {
        for v in 0..=255 {
            assert_eq!(ycc([v; 3]), [v, 128, 128]);
        }
    }

    proptest! {
        #[test]
        fn colours_are_those_of_jfif(colour in any::<[u8; 3]>()) {
            for (is, should) in ycc(colour).into_iter().zip(reference(colour.map(f64::from))) {
                prop_assert!((f64::from(is) - should.min(255.0)).abs() < 0.56, "{is}, should be {should}");
            }
        }

        #[test]
        fn a_colour_comes_back(colour in any::<[u8; 3]>()) {
            let back = rgb(ycc(colour));
            prop_assert!(back.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= 2), "{colour:?} became {back:?}");
        }

        #[test]
        fn a_chroma_pixel_is_that_of_the_four_it_stands_for((width, height) in (1usize..9, 1usize..7), bytes in any::<[u8; 162]>()) {
            let page = View::new(ColourMode::Colour, (width, height), 3 * width, 300, &bytes).unwrap();
            let mut chroma = Chroma::new(&page);
            let rows = chroma.height();
            prop_assert_eq!(rows, height.div_ceil(2));
            for y in 0..rows {
                let row = chroma.row(y).to_vec();
                prop_assert_eq!(row.len(), 2 * width.div_ceil(2));
                for x in 0..width.div_ceil(2) {
                    let at = |dx: usize, dy: usize, band: usize| {
                        f64::from(page.row((2 * y + dy).min(height - 1))[3 * (2 * x + dx).min(width - 1) + band])
                    };
                    let mean = std::array::from_fn(|b| (at(0, 0, b) + at(1, 0, b) + at(0, 1, b) + at(1, 1, b)) / 4.0);
                    let [_, cb, cr] = reference(mean);
                    prop_assert!((f64::from(row[2 * x]) - cb.min(255.0)).abs() < 0.56);
                    prop_assert!((f64::from(row[2 * x + 1]) - cr.min(255.0)).abs() < 0.56);
                }
            }
        }
    }
}
