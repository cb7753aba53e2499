//! A small picture of a page for the screen, made while the page passes by in strips.

use super::geometry::{Image, View, unpack_lineart};
use platen_protocol::uplink::ColourMode;

/// Longer side of a preview in pixels: sharp on a 24-inch screen.
const SIDE: usize = 1_100;

/// A preview being made: the mean of up to four pixels out of each cell.
#[derive(Debug)]
pub(crate) struct Preview {
    factor: usize,
    /// Rows that have passed.
    seen: usize,
    /// Two rows of a cell added up.
    sums: Vec<u16>,
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
        Self { factor, seen: 0, sums: vec![0; width * bands], bits: vec![0; width], image, rows }
    }

    /// The next strip from the top.
    pub(crate) fn strip(&mut self, strip: &View<'_>) {
        let bands = if strip.mode == ColourMode::Colour { 3 } else { 1 };
        // The second pixel of a cell, beside and below the first.
        let beside = self.factor / 2;
        for y in 0..strip.height {
            let place = self.seen % self.factor;
            self.seen += 1;
            if (place != 0 && place != self.factor / 2) || self.image.data.len() >= self.rows * self.image.width * bands
            {
                continue;
            }
            let mut row = strip.row(y);
            if strip.mode == ColourMode::Lineart {
                unpack_lineart(row, &mut self.bits);
                row = &self.bits;
            }
            if place == 0 {
                self.sums.iter_mut().zip(row).for_each(|(sum, &v)| *sum = u16::from(v));
            }
            if place == self.factor / 2 {
                self.sums.iter_mut().zip(row).for_each(|(sum, &v)| *sum += u16::from(v));
                let cells = self.sums.chunks_exact(self.factor * bands).take(self.image.width);
                if bands == 3 {
                    let mean = |a: u16, b: u16| ((a + b) / 4) as u8;
                    self.image.data.extend(cells.flat_map(|cell| {
                        let (a, b) = (&cell[..3], &cell[beside * 3..beside * 3 + 3]);
                        [mean(a[0], b[0]), mean(a[1], b[1]), mean(a[2], b[2])]
                    }));
                } else {
                    self.image.data.extend(cells.map(|cell| ((cell[0] + cell[beside]) / 4) as u8));
                }
            }
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
    fn a_small_page_is_its_own_preview() {
        let page = Image { mode: ColourMode::Grey, width: 3, height: 2, dpi: 300, data: vec![1, 2, 3, 4, 5, 6] };
        let mut preview = Preview::new(page.mode, (3, 2), 300);
        preview.strip(&page.view());
        assert_eq!(preview.finish().data, page.data);
    }
}
