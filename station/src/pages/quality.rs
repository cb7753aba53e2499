//! Whether the picture itself is good: how sharp it is, how it is exposed, and whether its colours lean to one side. What is
//! measured is recorded with every page; what of it is a fault, the profile's limits say.

use super::{
    geometry::View,
    ink::{self, InkMap},
    paper::Sheet,
};
use platen_protocol::uplink::ColourMode;
use serde::Serialize;

/// Every so many rows of the scan are looked at, a prime, which no pattern of lines keeps step with.
const EVERY_ROW: usize = 61;
/// At every so many columns so many are looked at, so far apart: what lies near in a row comes from the memory together.
const EVERY_COLUMN: usize = 491;
const COLUMNS: usize = 3;
const COLUMNS_APART: usize = 7;
/// An edge spans at least this share of what lies between paper and ink, in 1/100, and so many levels.
const SPAN: i32 = 45;
const LEAST_SPAN: i32 = 30;
/// Fewer edges than this say nothing about sharpness.
const LEAST_EDGES: usize = 60;
/// The ink's grey is what this part of the inked places reaches.
const INK_PART: usize = 5;
/// Every so many pixels in a row are looked at for clipped tones.
const EVERY_TONE: usize = 8;
/// The sheet's rim is left out, in mm.
const RIM_MM: f64 = 3.0;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Quality {
    /// Width of the sharpest quarter of the edges, across or down, whichever is worse, in mm: an edge's height by its
    /// steepest step. Nothing where there are too few edges to say, and in lineart.
    pub(crate) edge_mm: Option<f64>,
    /// Grey of the paper and of the ink, 0 to 255.
    pub(crate) paper: u8,
    pub(crate) ink: u8,
    /// Share of the sheet's pixels at the brightest level in every colour, and at the darkest, 0 to 1.
    pub(crate) clipped: f64,
    pub(crate) crushed: f64,
    /// Levels by which the paper's colour leans where paper does not: to blue, green or magenta. Old paper is yellow.
    pub(crate) cast: u8,
}

/// Measures a page of which `found` is the ink.
pub(crate) fn measure(page: &View<'_>, found: &InkMap, sheet: &Sheet, colour: [u8; 3]) -> Quality {
    let paper = ink::paper_level(&found.grey);
    let dark = darkest(found).unwrap_or(paper);
    let (clipped, crushed) = if page.mode == ColourMode::Lineart { (0.0, 0.0) } else { ends(page, sheet) };
    let edge_mm = edge_width(page, i32::from(paper) - i32::from(dark)).map(|px| px * 25.4 / f64::from(page.dpi));
    Quality { edge_mm, paper, ink: dark, clipped, crushed, cast: cast(colour) }
}

/// The grey of the darkest fifth of what is inked, if anything is.
fn darkest(found: &InkMap) -> Option<u8> {
    let mut histogram = [0usize; 256];
    let inked = ink::sample(&found.coarse).filter(|&i| found.coarse.data[i] > 0);
    inked.for_each(|i| histogram[usize::from(found.grey.data[i])] += 1);
    let part = histogram.iter().sum::<usize>() / INK_PART;
    let mut seen = 0;
    let level = histogram.iter().position(|&n| {
        seen += n;
        seen > part
    });
    level.map(|level| level as u8)
}

/// Shares of the sheet's pixels at the upper and the lower end of the scale.
fn ends(page: &View<'_>, sheet: &Sheet) -> (f64, f64) {
    let bands = if page.mode == ColourMode::Colour { 3 } else { 1 };
    let inside = sheet.inside(RIM_MM * f64::from(page.dpi) / 25.4);
    let (mut all, mut bright, mut dark) = (0u32, 0u32, 0u32);
    for y in (0..page.height).step_by(EVERY_ROW) {
        for (x, pixel) in page.row(y).chunks_exact(bands).enumerate().step_by(EVERY_TONE) {
            if inside.holds((x as f64 + 0.5, y as f64 + 0.5)) {
                all += 1;
                bright += u32::from(pixel.iter().all(|&v| v == 255));
                dark += u32::from(pixel.iter().all(|&v| v == 0));
            }
        }
    }
    let share = |n| f64::from(n) / f64::from(all.max(1));
    (share(bright), share(dark))
}

/// Width of the sharpest quarter of the edges in pixels, the worse of both directions. `depth` is what lies between paper and
/// ink.
fn edge_width(page: &View<'_>, depth: i32) -> Option<f64> {
    let least = (depth * SPAN / 100).max(LEAST_SPAN);
    // Green has the most of what the eye sees.
    let (bands, green) = match page.mode {
        ColourMode::Lineart => return None,
        ColourMode::Grey => (1, 0),
        ColourMode::Colour => (3, 1),
    };
    let (mut across, mut down) = (Edges::new(least), Edges::new(least));
    for y in (0..page.height).step_by(EVERY_ROW) {
        across.line(page.row(y).iter().skip(green).step_by(bands).copied());
    }
    // Taken from each row together: every pixel of a column is far from the next.
    let columns = ((EVERY_COLUMN / 2).min(page.width / 2)..page.width).step_by(EVERY_COLUMN);
    let columns = columns.flat_map(|x| (0..COLUMNS).map(move |i| x + i * COLUMNS_APART)).filter(|&x| x < page.width);
    let columns: Vec<usize> = columns.collect();
    let mut pixels = Vec::with_capacity(columns.len() * page.height);
    for y in 0..page.height {
        let row = page.row(y);
        pixels.extend(columns.iter().map(|x| row[x * bands + green]));
    }
    for column in 0..columns.len() {
        down.line(pixels[column..].iter().step_by(columns.len()).copied());
    }
    let widths = [across.sharp(), down.sharp()];
    widths.into_iter().flatten().max_by(f64::total_cmp)
}

/// Edges along lines of pixels: runs that only rise or only fall.
struct Edges {
    least: i32,
    widths: Vec<f32>,
}

impl Edges {
    fn new(least: i32) -> Self {
        Self { least, widths: Vec::new() }
    }

    fn line(&mut self, mut values: impl Iterator<Item = u8>) {
        let Some(first) = values.next() else { return };
        let (mut last, mut begin, mut steepest) = (i32::from(first), i32::from(first), 0i32);
        for v in values {
            let step = i32::from(v) - last;
            if step == 0 || (step > 0) != (steepest > 0) || steepest == 0 {
                self.end(last - begin, steepest);
                (begin, steepest) = (last, 0);
            }
            if step.abs() > steepest.abs() {
                steepest = step;
            }
            last += step;
        }
        self.end(last - begin, steepest);
    }

    fn end(&mut self, height: i32, steepest: i32) {
        if height.abs() >= self.least {
            self.widths.push(height.abs() as f32 / steepest.abs().max(1) as f32);
        }
    }

    /// What the sharpest quarter reaches.
    fn sharp(&mut self) -> Option<f64> {
        let quarter = self.widths.len() / 4;
        (self.widths.len() >= LEAST_EDGES)
            .then(|| f64::from(*self.widths.select_nth_unstable_by(quarter, f32::total_cmp).1))
    }
}

/// By how much a paper's colour leans to where no paper does.
fn cast([red, green, blue]: [u8; 3]) -> u8 {
    let (red, green, blue) = (i16::from(red), i16::from(green), i16::from(blue));
    let lean = (blue - red).max(green - red.max(blue)).max(red.min(blue) - green).max(0);
    lean as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::{Image, reduced};

    const SIDE: usize = 1_800;

    /// Bars of ink on paper whose edges are `blur` pixels wide.
    fn bars(blur: f64) -> Image {
        let (width, height) = (SIDE, SIDE);
        let side = |at: usize| {
            let near = (at as f64 + 0.5).rem_euclid(60.0) - 30.0;
            (near.abs() - 9.0) / blur
        };
        let data = (0..width * height)
            .map(|i| {
                let (x, y) = (i % width, i / width);
                let margin = x.min(y).min(width - 1 - x).min(height - 1 - y) < 60;
                let place = if margin {
                    1.0
                } else if y < height / 2 {
                    side(x)
                } else {
                    side(y)
                };
                (40.0 + 180.0 * (0.5 + place).clamp(0.0, 1.0)) as u8
            })
            .collect();
        Image { mode: ColourMode::Grey, width, height, dpi: 300, data }
    }

    fn measured(page: &Image) -> Quality {
        let side = SIDE as f64;
        let whole = Sheet { quad: [(0.0, 0.0), (side, 0.0), (side, side), (0.0, side)], seen: [false; 4], angle: None };
        measure(&page.view(), &InkMap::new(&reduced(&page.view())), &whole, [220; 3])
    }

    #[test]
    fn an_edge_is_as_wide_as_it_was_drawn() {
        for width in [1.5, 4.0, 7.0] {
            let edge = measured(&bars(width)).edge_mm.unwrap() * 300.0 / 25.4;
            assert!((edge - width).abs() < 0.8, "{edge} pixels, drawn {width}");
            // Also of bars that lie across, or stand, alone.
            for upright in [false, true] {
                let mut page = bars(width);
                let half = page.data.len() / 2;
                let gone = if upright { half..page.data.len() } else { 0..half };
                page.data[gone].fill(220);
                let edge = measured(&page).edge_mm.unwrap() * 300.0 / 25.4;
                assert!((edge - width).abs() < 0.8, "{edge} pixels, drawn {width}, upright: {upright}");
            }
        }
    }

    #[test]
    fn paper_and_ink_are_told_and_clipped_tones_counted() {
        let mut page = bars(1.5);
        let quality = measured(&page);
        assert!(quality.paper.abs_diff(220) < 3 && quality.ink.abs_diff(40) < 3, "{quality:?}");
        assert_eq!((quality.clipped, quality.crushed), (0.0, 0.0));
        // Three tenths of the page are black, the rest is white.
        page.data.iter_mut().enumerate().for_each(|(i, v)| *v = if i % SIDE < SIDE * 3 / 10 { 0 } else { 255 });
        let quality = measured(&page);
        assert!((quality.clipped - 0.7).abs() < 0.02 && (quality.crushed - 0.3).abs() < 0.02, "{quality:?}");
    }

    #[test]
    fn old_paper_has_no_cast_and_blue_paper_has() {
        assert_eq!(cast([240, 225, 190]), 0);
        assert_eq!(cast([200, 210, 235]), 35);
        assert_eq!(cast([200, 230, 200]), 30);
    }
}
