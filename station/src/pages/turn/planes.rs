//! A colour page turned as a JPEG holds it: luma at full, chroma at half the resolution (4:2:0). That is half of the bytes to
//! turn, and nothing is left for the encoder to convert.

use super::{
    Canvas, STRIP, Turn, lies_flat,
    rows::{Chroma, Luma, ycc},
};
use crate::pages::geometry::{BadPage, View};
use multiversion::multiversion;
use platen_protocol::uplink::ColourMode;
use std::ops::Range;

/// A strip of a colour page, in planes; each is a grey page of its own. The luma has one row and one column more than it says where
/// the number of its rows or columns is odd.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planes<'a> {
    pub(crate) luma: View<'a>,
    /// Cb and Cr of JFIF (ITU-T T.871), a pixel in the middle of each 2 × 2.
    pub(crate) chroma: [View<'a>; 2],
}

impl<'a> Planes<'a> {
    /// Of so many pixels, with the stride of their rows.
    fn new(
        (width, height): (usize, usize),
        dpi: u32,
        (luma, stride): (&'a [u8], usize),
        (chroma, chroma_stride): ([&'a Vec<u8>; 2], usize),
    ) -> Result<Self, BadPage> {
        let half = (width.div_ceil(2), height.div_ceil(2));
        let [cb, cr] = chroma.map(|plane| View::new(ColourMode::Grey, half, chroma_stride, dpi, plane));
        Ok(Self { luma: View::new(ColourMode::Grey, (width, height), stride, dpi, luma)?, chroma: [cb?, cr?] })
    }
}

/// Makes the page that `canvas` shows, as [`super::strips`] does, in planes.
pub(crate) fn planes<E>(
    page: &View<'_>,
    canvas: &Canvas,
    paper: [u8; 3],
    each: impl FnMut(Planes<'_>) -> Result<(), E>,
) -> Result<(), E> {
    debug_assert_eq!(page.mode, ColourMode::Colour);
    if lies_flat::<64>(canvas) {
        turned::<64, E>(page, canvas, paper, each)
    } else {
        turned::<32, E>(page, canvas, paper, each)
    }
}

/// In blocks of `DOWN` bytes down the columns.
fn turned<const DOWN: usize, E>(
    page: &View<'_>,
    canvas: &Canvas,
    paper: [u8; 3],
    mut each: impl FnMut(Planes<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let [y, cb, cr] = ycc(paper);
    let half = halved(canvas);
    let mut lumas = Turn::<_, 1, 64, DOWN>::new(Luma::new(page), canvas, [y]);
    let mut chromas = Turn::<_, 2, 64, DOWN>::new(Chroma::new(page), &half, [cb, cr]);
    let mut luma = vec![0; lumas.stride * STRIP];
    let mut both = vec![0; chromas.stride * STRIP / 2];
    // Apart from each other.
    let apart = chromas.stride / 2;
    let mut chroma = [vec![0; apart * STRIP / 2], vec![0; apart * STRIP / 2]];
    for top in (0..canvas.height).step_by(STRIP) {
        let rows = STRIP.min(canvas.height - top);
        lumas.strip(top, &mut luma[..rows * lumas.stride]);
        if rows % 2 == 1 {
            luma.copy_within((rows - 1) * lumas.stride..rows * lumas.stride, rows * lumas.stride);
        }
        let both = &mut both[..rows.div_ceil(2) * chromas.stride];
        chromas.strip(top / 2, both);
        if let Some(lid) = &canvas.lid {
            for (i, row) in both.chunks_exact_mut(chromas.stride).enumerate() {
                let beneath = &luma[2 * i * lumas.stride..][..2 * lumas.stride];
                let start = canvas.comes_from((1.0, (top + 2 * i + 1) as f64));
                let (sin, cos) = (2.0 * lumas.sin, 2.0 * lumas.cos);
                for zone in lid.zones(half.width, start, (cos, sin)) {
                    paint(row, beneath, zone, [y, cb, cr]);
                }
            }
        }
        split(both, &mut chroma);
        let [cb, cr] = &chroma;
        // A canvas too large to be a page was refused by the encoder.
        let planes = Planes::new((canvas.width, rows), page.dpi, (&luma, lumas.stride), ([cb, cr], apart));
        planes.map_or(Ok(()), &mut each)?;
    }
    Ok(())
}

/// The canvas at half its resolution, of a scan at half of its own. Its middle is that of whole pixels.
fn halved(canvas: &Canvas) -> Canvas {
    let (width, height) = (canvas.width.div_ceil(2), canvas.height.div_ceil(2));
    let (x, y) = canvas.comes_from((width as f64, height as f64));
    Canvas { width, height, centre: (x / 2.0, y / 2.0), degrees: canvas.degrees, lid: None }
}

/// Gives the paper's colour to chroma whose luma was painted as the lid is: half of its four pixels at least.
fn paint(chroma: &mut [u8], luma: &[u8], zone: Range<usize>, [y, cb, cr]: [u8; 3]) {
    let (upper, lower) = luma.split_at(luma.len() / 2);
    for x in zone {
        let four = [upper[2 * x], upper[2 * x + 1], lower[2 * x], lower[2 * x + 1]];
        if four.iter().filter(|v| **v == y).count() >= 2 {
            (chroma[2 * x], chroma[2 * x + 1]) = (cb, cr);
        }
    }
}

/// Cb and Cr, which lie side by side, each for themselves.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn split(both: &[u8], [cb, cr]: &mut [Vec<u8>; 2]) {
    for ((&[b, r], cb), cr) in both.as_chunks::<2>().0.iter().zip(cb).zip(cr) {
        (*cb, *cr) = (b, r);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::{
        Image, fit,
        paper::Sheet,
        turn::{self, rgb},
    };
    use proptest::prelude::*;
    use std::convert::Infallible;

    const PAPER: [u8; 3] = [231, 220, 190];

    /// A page whose colours change softly, so that chroma at half the resolution holds them.
    fn soft(width: usize, height: usize) -> Image {
        let value = |x: usize, y: usize, c: usize| {
            let (x, y, c) = (x as f64, y as f64, c as f64);
            (128.0 + 80.0 * (x / (17.0 + 3.0 * c)).sin() * (y / (19.0 - 2.0 * c)).cos()) as u8
        };
        let bytes = (0..width * height).flat_map(|i| (0..3).map(move |c| value(i % width, i / width, c)));
        Image { mode: ColourMode::Colour, width, height, dpi: 300, data: bytes.collect() }
    }

    /// The planes of a page, put together again.
    fn seen(page: &Image, canvas: &Canvas) -> Image {
        let mut data = Vec::new();
        let Ok(()) = planes::<Infallible>(&page.view(), canvas, PAPER, |strip| {
            let [cb, cr] = strip.chroma;
            for y in 0..strip.luma.height {
                let row = strip.luma.row(y).iter().enumerate();
                data.extend(row.flat_map(|(x, &luma)| rgb([luma, cb.row(y / 2)[x / 2], cr.row(y / 2)[x / 2]])));
            }
            Ok(())
        });
        Image { mode: ColourMode::Colour, width: canvas.width, height: canvas.height, dpi: page.dpi, data }
    }

    fn furthest(a: &Image, b: &Image) -> u8 {
        assert_eq!(a.data.len(), b.data.len());
        a.data.iter().zip(&b.data).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        /// The reference: the same page turned pixel by pixel. At the scan's edge, chroma may be that of paper and page mixed.
        #[test]
        fn planes_show_what_pixels_show(
            (width, height) in (150usize..260, 150usize..230),
            (wide, high) in (21usize..120, 21usize..120),
            degrees in -15.0f64..15.0,
        ) {
            let page = soft(width, height);
            let centre = (width as f64 / 2.0 + 0.3, height as f64 / 2.0 - 0.2);
            let canvas = Canvas { width: wide, height: high, centre, degrees, lid: None };
            let pixels = turn::whole(&page.view(), &canvas, PAPER);
            // A chroma pixel stands for four: neighbours differ by up to 5 levels here, and blue's weight is 1.8.
            let off = furthest(&seen(&page, &canvas), &pixels);
            prop_assert!(off <= 14, "{off} levels off");
        }
    }

    /// A sheet of cream paper on a black lid: its rim has the colour that it has when pixels are turned.
    #[test]
    fn a_lid_that_is_painted_over_leaves_no_colour_behind() {
        let (width, height) = (300, 400);
        let quad = [(40.0, 50.0), (260.0, 50.0), (260.0, 350.0), (40.0, 350.0)];
        let on_sheet = |x: usize, y: usize| (40..260).contains(&x) && (50..350).contains(&y);
        let colour = |i: usize| if on_sheet(i % width, i / width) { PAPER } else { [12, 12, 14] };
        let data = (0..width * height).flat_map(colour).collect();
        let page = Image { mode: ColourMode::Colour, width, height, dpi: 100, data };
        let sheet = Sheet { quad, seen: [true; 4], angle: Some(0.0) };
        for degrees in [0.0, 2.3, -7.0] {
            let fit = fit::fit(&page.view(), &sheet, degrees, &[], [None; 4]);
            let (made, pixels) = (seen(&page, &fit.canvas), turn::whole(&page.view(), &fit.canvas, PAPER));
            // Red less blue is what cream has and grey has not.
            let cast = |image: &Image| {
                image.data.chunks_exact(3).map(|p| i32::from(p[0]) - i32::from(p[2])).collect::<Vec<_>>()
            };
            let off = cast(&made).iter().zip(cast(&pixels)).map(|(a, b)| a.abs_diff(b)).max().unwrap_or(0);
            assert!(off <= 25, "{off} levels of another colour at {degrees}°");
        }
    }
}
