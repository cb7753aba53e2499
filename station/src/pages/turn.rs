//! Turning a page by a small angle, strip by strip. The canvas is given from outside ([`Canvas`]); what lies outside the
//! scan is filled with the paper's own colour.
//!
//! Rotation is split into a pass along the rows and one down the columns (Catmull and Smith, 1980), each interpolating
//! with the Catmull-Rom cubic: as sharp as a 4 × 4 kernel, at half of its cost. The weights of a block of neighbouring
//! pixels depend on nothing but the fraction at which the block begins, so they stand in a table, and a pass is a sum of
//! a few products of contiguous bytes, which the compiler turns into vector code. Only the rows that a strip needs are
//! held between the passes: they stay in the processor's cache.

mod kernel;
mod planes;
mod rows;

use super::{
    fit::Lid,
    geometry::{View, row_bytes},
};
use kernel::{Weights, fixed, mix};
use multiversion::multiversion;
pub(crate) use planes::{Planes, planes};
use platen_protocol::uplink::ColourMode;
pub(crate) use rows::rgb;
use rows::{Pixels, Rows};
#[cfg(test)]
use {super::geometry::Image, std::convert::Infallible};

/// Rows of a strip: whole blocks of every JPEG sampling.
pub(crate) const STRIP: usize = 64;
/// Where the delivered page lies in the scan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Canvas {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// The place in the scan that comes to the canvas's middle, in pixels, edges at integers.
    pub(crate) centre: (f64, f64),
    /// How far the scan is turned, positive = counter-clockwise.
    pub(crate) degrees: f64,
    /// What of the scan is lid and is painted over, if that is known.
    pub(crate) lid: Option<Lid>,
}

impl Canvas {
    /// The whole scan as it is.
    pub(crate) fn whole(page: &View<'_>) -> Self {
        let centre = (page.width as f64 / 2.0, page.height as f64 / 2.0);
        Self { width: page.width, height: page.height, centre, degrees: 0.0, lid: None }
    }

    /// Where on the canvas a place of the scan comes to lie, in pixels, edges at integers.
    pub(crate) fn arrives(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (sin, cos) = self.degrees.to_radians().sin_cos();
        let (dx, dy) = (x - self.centre.0, y - self.centre.1);
        (dx * cos + dy * sin + self.width as f64 / 2.0, dy * cos - dx * sin + self.height as f64 / 2.0)
    }

    /// Where in the scan a place of the canvas lies, in pixels, edges at integers.
    fn comes_from(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (sin, cos) = self.degrees.to_radians().sin_cos();
        let (dx, dy) = (x - self.width as f64 / 2.0, y - self.height as f64 / 2.0);
        (self.centre.0 + dx * cos - dy * sin, self.centre.1 + dx * sin + dy * cos)
    }
}

/// Makes the page that `canvas` shows and hands it over in strips of at most [`STRIP`] rows, from the top.
pub(crate) fn strips<E>(
    page: &View<'_>,
    canvas: &Canvas,
    paper: [u8; 3],
    mut each: impl FnMut(View<'_>) -> Result<(), E>,
) -> Result<(), E> {
    if *canvas == Canvas::whole(page) {
        return (0..page.height).step_by(STRIP).try_for_each(|y| each(page.rows(y, STRIP.min(page.height - y))));
    }
    let grey = (u32::from(paper[0]) + u32::from(paper[1]) + u32::from(paper[2])) / 3;
    let strip = |data: &[u8], mode, rows: usize, each: &mut dyn FnMut(View<'_>) -> Result<(), E>| {
        let stride = data.len() / STRIP;
        // A canvas too large to be a page was refused by the encoder.
        View::new(mode, (canvas.width, rows), stride, page.dpi, data).map_or(Ok(()), each)
    };
    match page.mode {
        ColourMode::Colour => {
            if lies_flat::<32>(canvas) {
                let mut turn = Turn::<_, 3, 96, 96>::new(Pixels::new(page), canvas, paper);
                return turn.all(|data, rows| strip(data, page.mode, rows, &mut each));
            }
            let mut turn = Turn::<_, 3, 96, 48>::new(Pixels::new(page), canvas, paper);
            turn.all(|data, rows| strip(data, page.mode, rows, &mut each))
        }
        ColourMode::Grey => {
            let mut turn = Turn::<_, 1, 64, 32>::new(Pixels::new(page), canvas, [grey as u8]);
            turn.all(|data, rows| strip(data, page.mode, rows, &mut each))
        }
        // Lineart stays lineart, on white paper.
        ColourMode::Lineart => {
            let mut turn = Turn::<_, 1, 64, 32>::new(Pixels::new(page), canvas, [255]);
            let mut bits = vec![0; row_bytes(page.mode, canvas.width) * STRIP];
            turn.all(|data, rows| {
                pack(data, canvas.width, &mut bits);
                strip(&bits, page.mode, rows, &mut each)
            })
        }
    }
}

/// The whole page that `canvas` shows.
#[cfg(test)]
pub(crate) fn whole(page: &View<'_>, canvas: &Canvas, paper: [u8; 3]) -> Image {
    let mut data = Vec::with_capacity(row_bytes(page.mode, canvas.width) * canvas.height);
    let Ok(()) = strips::<Infallible>(page, canvas, paper, |strip| {
        (0..strip.height).for_each(|y| data.extend_from_slice(strip.row(y)));
        Ok(())
    });
    Image { mode: page.mode, width: canvas.width, height: canvas.height, dpi: page.dpi, data }
}

/// 0..=255 → one bit a pixel, 1 = black.
fn pack(grey: &[u8], width: usize, bits: &mut [u8]) {
    let stride = grey.len() / STRIP;
    for (row, out) in grey.chunks_exact(stride).zip(bits.chunks_exact_mut(width.div_ceil(8))) {
        for (eight, out) in row[..width].chunks(8).zip(out) {
            *out = eight.iter().enumerate().fold(0, |byte, (x, &v)| byte | u8::from(v < 128) << (7 - x));
        }
    }
}

/// Whether blocks of so many pixels descend by less than a pixel: they need few taps, and large blocks cost less.
fn lies_flat<const PIXELS: usize>(canvas: &Canvas) -> bool {
    PIXELS as f64 * canvas.degrees.to_radians().sin().abs() < 1.0
}

/// A page being turned: `BANDS` bytes a pixel, in blocks of `ACROSS` bytes along the rows and of `DOWN` down the columns.
struct Turn<S, const BANDS: usize, const ACROSS: usize, const DOWN: usize> {
    scan: S,
    canvas: Canvas,
    paper: [u8; BANDS],
    sin: f64,
    cos: f64,
    across: Weights<ACROSS>,
    down: Weights<DOWN>,
    /// Bytes of a row between the passes and of the result: whole blocks.
    stride: usize,
    /// Rows between the passes, by their number in the scan modulo the ring's length.
    ring: Vec<u8>,
    ring_rows: usize,
    /// The next row of the scan to be passed into the ring.
    next: isize,
}

impl<S: Rows, const BANDS: usize, const ACROSS: usize, const DOWN: usize> Turn<S, BANDS, ACROSS, DOWN> {
    fn new(scan: S, canvas: &Canvas, paper: [u8; BANDS]) -> Self {
        let (sin, cos) = canvas.degrees.to_radians().sin_cos();
        let (across, down) = (Weights::new(BANDS, 1.0 / cos - 1.0), Weights::new(BANDS, sin));
        let stride = (canvas.width * BANDS).next_multiple_of(ACROSS.max(DOWN));
        let span = (stride / BANDS) as f64 * sin.abs() + STRIP as f64 * cos;
        // A power of two, so that a row is found with a mask.
        let ring_rows = (span as usize + down.taps + 3).next_power_of_two();
        let ring = vec![0; stride * ring_rows];
        let mut turn = Self { scan, canvas: *canvas, paper, sin, cos, across, down, stride, ring, ring_rows, next: 0 };
        turn.next = turn.rows_needed(0, 1).0;
        turn
    }

    fn all<E>(&mut self, mut each: impl FnMut(&[u8], usize) -> Result<(), E>) -> Result<(), E> {
        let mut strip = vec![0; self.stride * STRIP];
        for top in (0..self.canvas.height).step_by(STRIP) {
            let rows = STRIP.min(self.canvas.height - top);
            self.strip(top, &mut strip[..rows * self.stride]);
            each(&strip, rows)?;
        }
        Ok(())
    }

    /// Makes the rows of a strip that begins at row `top`. Strips follow each other.
    fn strip(&mut self, top: usize, strip: &mut [u8]) {
        let (_, until) = self.rows_needed(top, strip.len() / self.stride);
        while self.next < until {
            self.pass_across(self.next);
            self.next += 1;
        }
        for (out, y) in strip.chunks_exact_mut(self.stride).zip(top..) {
            pass_down(self, self.row_start(y), out);
            if let Some(lid) = &self.canvas.lid {
                lid.paint(out, self.place(0, y), (self.cos, self.sin), self.paper);
            }
        }
    }

    /// The place in the scan of the middle of the canvas's pixel (x, y), edges at integers.
    fn place(&self, x: usize, y: usize) -> (f64, f64) {
        self.canvas.comes_from((x as f64 + 0.5, y as f64 + 0.5))
    }

    /// Where in the scan's rows the first pixel of the canvas's row `y` lies.
    fn row_start(&self, y: usize) -> f64 {
        self.place(0, y).1 - 0.5
    }

    /// Rows of the scan (from, until) that a strip needs.
    fn rows_needed(&self, top: usize, rows: usize) -> (isize, isize) {
        let side = (self.stride / BANDS) as f64 * self.sin;
        let (start, end) = (self.row_start(top), self.row_start(top + rows - 1));
        let from = (start + side.min(0.0)).floor() as isize + self.down.first;
        (from, (end + side.max(0.0)).floor() as isize + self.down.first + self.down.taps as isize + 1)
    }

    /// Passes one row of the scan into the ring.
    fn pass_across(&mut self, y: isize) {
        let at = (y as usize & (self.ring_rows - 1)) * self.stride;
        let out = &mut self.ring[at..at + self.stride];
        if y < 0 || y >= self.scan.height() as isize {
            out.as_chunks_mut::<BANDS>().0.fill(self.paper);
            return;
        }
        let (dx, dy) = (0.5 - self.canvas.width as f64 / 2.0, y as f64 + 0.5 - self.canvas.centre.1);
        let start = self.canvas.centre.0 - 0.5 + dx / self.cos - dy * self.sin / self.cos;
        pass_across(out, self.scan.row(y as usize), &self.across, (start, 1.0 / self.cos), self.paper);
    }
}

/// One row: each block reads its taps from the row itself, each one pixel further.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn pass_across<const BANDS: usize, const N: usize>(
    out: &mut [u8],
    row: &[u8],
    weights: &Weights<N>,
    (start, step): (f64, f64),
    paper: [u8; BANDS],
) {
    let width = (row.len() / BANDS) as isize;
    let (mut place, step) = (fixed(start), fixed(step * (N / BANDS) as f64));
    for out in out.as_chunks_mut::<N>().0 {
        let (from, weights) = weights.at(place);
        place += step;
        let pixels = (N / BANDS + weights.len() - 1) as isize;
        if from >= 0 && from + pixels <= width {
            mix(out, weights, &row[from as usize * BANDS..], |k| k * BANDS);
        } else if from >= width || from + pixels <= 0 {
            out.as_chunks_mut::<BANDS>().0.fill(paper);
        } else {
            // Over the scan's edge: beyond it is paper.
            let mut near = vec![paper; pixels as usize];
            for (pixel, x) in near.iter_mut().zip(from..) {
                if (0..width).contains(&x)
                    && let Some(found) = row[x as usize * BANDS..].first_chunk()
                {
                    *pixel = *found;
                }
            }
            mix(out, weights, near.as_flattened(), |k| k * BANDS);
        }
    }
}

/// One row of the result: each block reads its taps from rows of the ring.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn pass_down<S, const BANDS: usize, const ACROSS: usize, const N: usize>(
    turn: &Turn<S, BANDS, ACROSS, N>,
    start: f64,
    out: &mut [u8],
) {
    let (mut place, step) = (fixed(start), fixed(turn.sin * (N / BANDS) as f64));
    let (stride, mask) = (turn.stride, turn.ring_rows - 1);
    for (block, out) in out.as_chunks_mut::<N>().0.iter_mut().enumerate() {
        let (from, weights) = turn.down.at(place);
        place += step;
        mix(out, weights, &turn.ring, |k| ((from as usize).wrapping_add(k) & mask) * stride + block * N);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WHITE: [u8; 3] = [255; 3];

    fn grey(width: usize, height: usize, value: impl Fn(usize, usize) -> u8) -> Image {
        let data = (0..width * height).map(|i| value(i % width, i / width)).collect();
        Image { mode: ColourMode::Grey, width, height, dpi: 300, data }
    }

    impl Canvas {
        /// A box around the whole scan turned by `degrees`, at least as large as the scan: nothing is cut.
        fn around(page: &View<'_>, degrees: f64) -> Self {
            let (sin, cos) = degrees.to_radians().sin_cos();
            let (w, h) = (page.width as f64, page.height as f64);
            Self {
                width: ((w * cos + h * sin.abs()).ceil() as usize).max(page.width),
                height: ((h * cos + w * sin.abs()).ceil() as usize).max(page.height),
                degrees,
                ..Self::whole(page)
            }
        }
    }

    fn turned(page: &Image, degrees: f64) -> Image {
        whole(&page.view(), &Canvas::around(&page.view(), degrees), WHITE)
    }

    #[test]
    fn a_line_that_descends_to_the_right_is_straightened_by_a_positive_angle() {
        let slope = 2f64.to_radians().tan();
        let page = grey(600, 300, |x, y| if (y as f64 - 100.0 - x as f64 * slope).abs() < 3.0 { 0 } else { 255 });
        let turned = turned(&page, 2.0);
        let dark = |x: usize| (0..turned.height).min_by_key(|&y| turned.data[y * turned.width + x]).unwrap();
        assert!(dark(100).abs_diff(dark(500)) <= 2, "{} and {}", dark(100), dark(500));
    }

    /// The reference: what the page is at any place, from its formula and not from its pixels.
    #[test]
    fn a_smooth_page_turned_is_the_page_seen_from_the_turned_places() {
        let value = |x: f64, y: f64| 128.0 + 90.0 * (x / 9.0).sin() * (y / 7.0).cos();
        let page = grey(400, 300, |x, y| value(x as f64, y as f64).round() as u8);
        for degrees in [-15.0f64, -6.2, -0.7, 0.04, 1.3, 4.5, 15.0] {
            let turned = turned(&page, degrees);
            let (sin, cos) = degrees.to_radians().sin_cos();
            for (y, x) in (0..turned.height).flat_map(|y| (0..turned.width).map(move |x| (y, x))) {
                let (dx, dy) =
                    (x as f64 + 0.5 - turned.width as f64 / 2.0, y as f64 + 0.5 - turned.height as f64 / 2.0);
                let (sx, sy) = (200.0 + dx * cos - dy * sin - 0.5, 150.0 + dx * sin + dy * cos - 0.5);
                if (3.0..396.0).contains(&sx) && (3.0..296.0).contains(&sy) {
                    let (is, should) = (f64::from(turned.data[y * turned.width + x]), value(sx, sy));
                    assert!((is - should).abs() < 4.5, "{degrees}° at {x}, {y}: {is}, should be {should:.1}");
                }
            }
        }
    }

    #[test]
    fn flat_paper_stays_what_it_was_in_every_mode_and_beyond_the_edge_is_paper() {
        let page =
            Image { mode: ColourMode::Colour, width: 101, height: 57, dpi: 300, data: [200, 180, 7].repeat(101 * 57) };
        let turned = whole(&page.view(), &Canvas::around(&page.view(), 3.3), [200, 180, 7]);
        assert!(turned.data.chunks_exact(3).all(|p| p == [200, 180, 7]));
    }

    proptest! {
        /// Nothing is cut: the ink that was on the page is on it after, within the interpolation's rounding.
        #[test]
        fn no_ink_is_lost_at_any_angle(angle in -15.0f64..15.0, x in 3usize..190, y in 3usize..140) {
            let page = grey(200, 150, |px, py| if px.abs_diff(x) < 3 && py.abs_diff(y) < 3 { 0 } else { 200 });
            let paper = whole(&page.view(), &Canvas::around(&page.view(), angle), [200; 3]);
            let ink = |image: &Image| image.data.iter().map(|&v| 200.0 - f64::from(v)).sum::<f64>();
            let (before, after) = (ink(&page), ink(&paper));
            prop_assert!((after - before).abs() < before * 0.06 + 200.0, "{before} became {after}");
        }

        #[test]
        fn any_size_and_angle_gives_a_whole_page(width in 1usize..90, height in 1usize..90, angle in -15.0f64..15.0) {
            let page = grey(width, height, |x, y| (x * 7 + y * 3) as u8);
            let canvas = Canvas::around(&page.view(), angle);
            let turned = whole(&page.view(), &canvas, WHITE);
            prop_assert_eq!(turned.data.len(), canvas.width * canvas.height);
            prop_assert!(canvas.width >= width && canvas.height >= height);
        }

        #[test]
        fn lineart_stays_lineart(angle in -15.0f64..15.0) {
            let data = vec![0b1010_0101; 40 * 100];
            let page = Image { mode: ColourMode::Lineart, width: 317, height: 100, dpi: 300, data };
            let turned = turned(&page, angle);
            prop_assert_eq!((turned.mode, turned.data.len()), (ColourMode::Lineart, turned.width.div_ceil(8) * turned.height));
        }
    }
}
