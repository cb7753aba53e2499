//! A small picture of a page for the screen, made while the page passes by in strips.

use super::{
    geometry::{Image, View, unpack_lineart},
    turn::{self, Planes},
};
use platen_protocol::uplink::ColourMode;

/// Longer side of a preview in pixels: sharp on a 24-inch screen.
const SIDE: usize = 1_100;

/// A preview being made: the mean of up to four pixels out of each cell.
#[derive(Debug)]
pub(crate) struct Preview {
    factor: usize,
    /// The second pixel of a cell, beside and below the first.
    second: (usize, usize),
    /// Rows that have passed.
    seen: usize,
    /// A row of cells being added up.
    cells: Vec<[u16; 3]>,
    bits: Vec<u8>,
    image: Image,
    rows: usize,
}

impl Preview {
    pub(crate) fn new(mode: ColourMode, (width, height): (usize, usize), dpi: u32) -> Self {
        let factor = width.max(height).div_ceil(SIDE).max(1);
        let (small_width, rows) = ((width / factor).max(1), (height / factor).max(1));
        let (mode, bands) = if mode == ColourMode::Colour { (mode, 3) } else { (ColourMode::Grey, 1) };
        let data = Vec::with_capacity(small_width * rows * bands);
        let image = Image { mode, width: small_width, height: rows, dpi, data };
        let second = ((factor / 2).min(width - 1), (factor / 2).min(height - 1));
        Self { factor, second, seen: 0, cells: vec![[0; 3]; small_width], bits: vec![0; width], image, rows }
    }

    /// The next strip from the top.
    pub(crate) fn strip(&mut self, strip: &View<'_>) {
        for y in 0..strip.height {
            let row = strip.row(y);
            match strip.mode {
                ColourMode::Colour => {
                    self.row(|x| row[3 * x..].first_chunk().copied().unwrap_or_default(), |rgb| rgb);
                }
                ColourMode::Grey => self.row(|x| [row[x], 0, 0], |grey| grey),
                ColourMode::Lineart => {
                    let mut bits = std::mem::take(&mut self.bits);
                    unpack_lineart(row, &mut bits);
                    self.row(|x| [bits[x], 0, 0], |grey| grey);
                    self.bits = bits;
                }
            }
        }
    }

    /// The next strip of a colour page, in planes.
    pub(crate) fn planes(&mut self, strip: &Planes<'_>) {
        for y in 0..strip.luma.height {
            let (luma, [cb, cr]) = (strip.luma.row(y), strip.chroma.map(|plane| plane.row(y / 2)));
            self.row(|x| [luma[x], cb[x / 2], cr[x / 2]], turn::rgb);
        }
    }

    /// Adds what the cells take of the next row; `colour` makes of their mean what is shown.
    fn row(&mut self, pixel: impl Fn(usize) -> [u8; 3], colour: impl Fn([u8; 3]) -> [u8; 3]) {
        let (beside, below) = self.second;
        let place = self.seen % self.factor;
        self.seen += 1;
        if (place != 0 && place != below) || self.seen > self.rows * self.factor {
            return;
        }
        let times = if below == 0 { 2 } else { 1 };
        if place == 0 {
            self.cells.fill([0; 3]);
        }
        for (cell, x) in self.cells.iter_mut().zip((0..).step_by(self.factor)) {
            let (a, b) = (pixel(x), pixel(x + beside));
            (0..3).for_each(|band| cell[band] += times * (u16::from(a[band]) + u16::from(b[band])));
        }
        if place == below {
            let bands = if self.image.mode == ColourMode::Colour { 3 } else { 1 };
            let means = self.cells.iter().map(|cell| colour(cell.map(|sum| (sum / 4) as u8)));
            means.for_each(|mean| self.image.data.extend_from_slice(&mean[..bands]));
        }
    }

    pub(crate) fn finish(mut self) -> Image {
        let bands = if self.image.mode == ColourMode::Colour { 3 } else { 1 };
        self.image.height = self.image.data.len() / (self.image.width * bands);
        self.image
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_has_the_pages_colours_at_screen_size() {
        let (width, height) = (2_480, 3_508);
        let data: Vec<u8> =
            (0..height).flat_map(|y| [if y < 1_754 { [200, 10, 30] } else { [9, 8, 7] }; 2_480]).flatten().collect();
        let page = Image { mode: ColourMode::Colour, width, height, dpi: 300, data };
        let mut preview = Preview::new(page.mode, (width, height), 300);
        (0..height).step_by(64).for_each(|y| preview.strip(&page.view().rows(y, 64)));
        let small = preview.finish();
        assert_eq!((small.width, small.height, small.data.len()), (620, 877, 620 * 877 * 3));
        assert_eq!(small.data[..3], [200, 10, 30]);
        assert_eq!(small.data[620 * 876 * 3..][..3], [9, 8, 7]);
    }

    #[test]
    fn a_page_of_one_row_or_column_has_a_preview() {
        for (width, height) in [(1, 5_000), (5_000, 1), (1, 1)] {
            let page = Image { mode: ColourMode::Grey, width, height, dpi: 300, data: vec![7; width * height] };
            let mut preview = Preview::new(page.mode, (width, height), 300);
            preview.strip(&page.view());
            let small = preview.finish();
            assert_eq!(small.data, vec![7; small.width * small.height]);
            assert_eq!((small.width, small.height), ((width / 5).max(1), (height / 5).max(1)));
        }
    }

    #[test]
    fn a_small_page_is_its_own_preview() {
        let page = Image { mode: ColourMode::Grey, width: 3, height: 2, dpi: 300, data: vec![1, 2, 3, 4, 5, 6] };
        let mut preview = Preview::new(page.mode, (3, 2), 300);
        preview.strip(&page.view());
        assert_eq!(preview.finish().data, page.data);
    }
}
