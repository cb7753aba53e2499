//! Fitting the straightened sheet: the canvas it is delivered on, and what of the scan is lid and not sheet.
//!
//! A4 by padding; a larger sheet keeps its size and is reported. Nothing of a sheet is ever cut: what lies beyond its edges
//! is looked at before it is painted over, and an edge beyond which anything like paper is found is none
//! ([`cutting`]).

mod lid;

use super::{
    geometry::{Grey, View},
    holes::Hole,
    ink,
    paper::Sheet,
    torn::Torn,
    turn::Canvas,
};
pub(crate) use lid::Lid;
use lid::{INSIDE_MM, below, distances};
use std::ops::Range;

/// A4 in mm.
const A4: (f64, f64) = (210.0, 297.0);
/// A sheet may be so much larger than A4 before it is reported: paper swells, and edges are found to half a millimetre.
const OVER_MM: f64 = 3.0;
/// Beyond this from an edge there is nothing but lid; nearer, only what is dark is.
pub(super) const BAND_MM: f64 = 1.0;
/// Darker than this share of the paper is lid, within the band, in 1/100.
const DARK: u32 = 85;
/// A sheet that covers less of the scan may be a part of a larger dark one.
const LEAST_SHARE: f64 = 0.35;
/// What is so much brighter than the lid, in 1/100 and at least so many levels, is not lid.
const UNEVEN: u32 = 40;
const LEAST_UNEVEN: u32 = 30;
/// A streak is so much brighter than the lid so many pixels beside it.
const RISE: u8 = 6;
const BESIDE: usize = 3;
/// A sliver of the lid has at least so many pixels in the reduced picture, most of them within so many levels.
const LEAST_SLIVER: usize = 200;
const SLIVER_EVEN: u8 = 20;
/// So much that is bright beyond the edges is another sheet, or a part of this one, in mm².
const PAPER_MM2: f64 = 20.0;

/// How the sheet is delivered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fit {
    pub(crate) canvas: Canvas,
    /// Corners of what is kept, TL, TR, BR, BL, in pixels of the scan.
    pub(crate) kept: [(f64, f64); 4],
}

impl Fit {
    /// The scan as it is.
    pub(crate) fn untouched(page: &View<'_>) -> Self {
        Self { canvas: Canvas::whole(page), kept: frame(page) }
    }
}

/// Fits the sheet, turned by `degrees`, with these holes filled and its torn corners made good.
pub(crate) fn fit(page: &View<'_>, sheet: &Sheet, degrees: f64, holes: &[Hole], torn: [Option<Torn>; 4]) -> Fit {
    let whole = Canvas::whole(page);
    let mm = f64::from(page.dpi) / 25.4;
    let known = sheet.seen.contains(&true);
    let corners = if known { sheet.quad } else { frame(page) };
    // Corners as they lie when turned about the scan's middle.
    let (sin, cos) = degrees.to_radians().sin_cos();
    let turned = corners.map(|(x, y)| {
        let (dx, dy) = (x - whole.centre.0, y - whole.centre.1);
        (dx * cos + dy * sin, dy * cos - dx * sin)
    });
    let span = |of: fn(&(f64, f64)) -> f64| {
        let places = turned.iter().map(of);
        (places.clone().fold(f64::MAX, f64::min), places.fold(f64::MIN, f64::max))
    };
    let ((left, right), (top, bottom)) = (span(|p| p.0), span(|p| p.1));
    // Edges at whole pixels of the scan, so that an unturned scan is copied and not interpolated.
    let whole_pixel = |at: f64, centre: f64| if degrees == 0.0 { (at + centre).floor() - centre } else { at };
    let (left, top) = (whole_pixel(left, whole.centre.0), whole_pixel(top, whole.centre.1));
    let (width, height) = ((right - left).ceil(), (bottom - top).ceil());

    let fits = |(w, h): (f64, f64)| width <= (w + OVER_MM) * mm && height <= (h + OVER_MM) * mm;
    let a4 = [A4, (A4.1, A4.0)].into_iter().find(|&size| fits(size));
    let pad = |have: f64, want: Option<f64>| want.map_or(have, |want| (want * mm).round().max(have));
    let (full_width, full_height) = (pad(width, a4.map(|a| a.0)), pad(height, a4.map(|a| a.1)));
    // The padding goes to both sides alike.
    let middle = (
        left + full_width / 2.0 - ((full_width - width) / 2.0).floor(),
        top + full_height / 2.0 - ((full_height - height) / 2.0).floor(),
    );
    let centre = (whole.centre.0 + middle.0 * cos - middle.1 * sin, whole.centre.1 + middle.0 * sin + middle.1 * cos);
    let holes = std::array::from_fn(|i| holes.get(i).copied());
    let lid = known.then_some(Lid {
        quad: sheet.quad,
        seen: sheet.seen,
        band: BAND_MM * mm,
        inside: INSIDE_MM * mm,
        holes,
        torn,
    });
    let canvas = Canvas { width: full_width as usize, height: full_height as usize, centre, degrees, lid };
    Fit { canvas, kept: corners }
}

/// Whether a sheet is larger than A4, as far as its edges were seen. On a `dark_lid` two that meet are enough: where the others
/// were not seen there is no lid, and the sheet reaches the scan's border, as it should at the top and on the left. One alone
/// may be that of a bright lid in uneven light.
pub(crate) fn is_larger_than_a4(sheet: &Sheet, dark_lid: bool, dpi: f64) -> bool {
    let [top, right, bottom, left] = sheet.seen;
    let [tl, tr, br, bl] = sheet.quad;
    let both_ways = dark_lid && (left || right) && (top || bottom);
    // The shorter of two opposite sides: where a corner was not seen, one of them may be too long.
    let mm = |known: bool, sides: [((f64, f64), (f64, f64)); 2]| {
        let [one, other] = sides.map(|(a, b)| (a.0 - b.0).hypot(a.1 - b.1));
        if known { one.min(other) * 25.4 / dpi } else { 0.0 }
    };
    let across = mm(both_ways || (left && right), [(tl, tr), (bl, br)]);
    let down = mm(both_ways || (top && bottom), [(tl, bl), (tr, br)]);
    let fits = |(w, h): (f64, f64)| across <= w + OVER_MM && down <= h + OVER_MM;
    !fits(A4) && !fits((A4.1, A4.0))
}

fn frame(page: &View<'_>) -> [(f64, f64); 4] {
    let (w, h) = (page.width as f64, page.height as f64);
    [(0.0, 0.0), (w, 0.0), (w, h), (0.0, h)]
}

/// The proof that the edges cut nothing: which edges have more than lid beyond them, in the reduced picture of the scan.
pub(crate) fn cutting(small: &Grey, sheet: &Sheet, dpi: f64) -> [bool; 4] {
    let scale = dpi / f64::from(small.dpi);
    let limit = u32::from(ink::paper_level(small)) * DARK / 100;
    let allowed = PAPER_MM2 * (f64::from(small.dpi) / 25.4).powi(2);
    let outside = |y: usize| outside(small, sheet, dpi, BAND_MM, y);
    let streak = streaks(small, |y| outside(y).map(|(_, range)| range));
    let mut beyond_each = [[0u32; 256]; 4];
    for y in 0..small.height {
        for (i, range) in outside(y) {
            let places = small.row(y)[range.clone()].iter().zip(&streak[range]);
            places.filter(|(_, streak)| !**streak).for_each(|(&v, _)| beyond_each[i][usize::from(v)] += 1);
        }
    }
    // A white label on a dark cover looks like a small sheet on the lid.
    let small_sheet = sheet.area() < LEAST_SHARE * (small.width as f64 * scale) * (small.height as f64 * scale);
    let edges: [usize; 4] = std::array::from_fn(|i| i);
    edges.map(|i| {
        if small_sheet && sheet.seen[i] {
            return true;
        }
        let levels = &beyond_each[i];
        // A lid is even. A photograph that runs to the sheet's edge is as dark, but not even.
        let all: u32 = levels.iter().sum();
        let mut seen = 0;
        let lid = levels.iter().position(|&n| {
            seen += n;
            seen * 2 > all
        });
        let lid = lid.unwrap_or(0) as u32;
        let even = lid + (lid * UNEVEN / 100).max(LEAST_UNEVEN);
        let other = levels.iter().zip(0u32..).filter(|&(_, v)| v > limit.min(even)).map(|(n, _)| n).sum::<u32>();
        f64::from(other) > allowed
    })
}

/// Of each seen edge its number, and the pixels of a row of the reduced picture that lie further than so many mm beyond it.
fn outside(small: &Grey, sheet: &Sheet, dpi: f64, mm: f64, y: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    let (scale, width) = (dpi / f64::from(small.dpi), small.width);
    let (start, step) = ((scale / 2.0, (y as f64 + 0.5) * scale), (scale, 0.0));
    let beyond = -mm * dpi / 25.4;
    distances(sheet.quad, sheet.seen, start, step)
        .map(move |(i, distance, gain)| (i, below(distance, gain, beyond, width)))
}

/// The grey of a lid of which only a sliver is seen beyond the edges, further than so many mm, if it is even.
pub(super) fn sliver(small: &Grey, sheet: &Sheet, dpi: f64, mm: f64) -> Option<u8> {
    let ranges = (0..small.height).flat_map(|y| outside(small, sheet, dpi, mm, y).map(move |(_, range)| (y, range)));
    let mut levels: Vec<u8> = ranges.flat_map(|(y, range)| &small.row(y)[range]).copied().collect();
    if levels.len() < LEAST_SLIVER {
        return None;
    }
    let middle = levels.len() / 2;
    let level = *levels.select_nth_unstable(middle).1;
    let even = levels.iter().filter(|v| v.abs_diff(level) < SLIVER_EVEN).count();
    (even * 10 >= levels.len() * 8).then_some(level)
}

/// Columns that dust on the sensor has drawn down the whole lid: brighter than what lies on both sides.
fn streaks<R: Iterator<Item = Range<usize>>>(small: &Grey, outside: impl Fn(usize) -> R) -> Vec<bool> {
    let (mut rises, mut seen) = (vec![0u32; small.width], vec![0u32; small.width]);
    for y in 0..small.height {
        let row = small.row(y);
        for x in outside(y).flatten().filter(|&x| x >= BESIDE && x + BESIDE < row.len()) {
            seen[x] += 1;
            rises[x] += u32::from(row[x] > row[x - BESIDE].max(row[x + BESIDE]).saturating_add(RISE));
        }
    }
    rises.iter().zip(seen).map(|(&rises, seen)| rises * 2 > seen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::{Image, turn};
    use platen_protocol::uplink::ColourMode;
    use proptest::prelude::*;

    /// A bright sheet with a dark dot in each corner, turned on a black lid.
    fn scan(degrees: f64) -> (Image, Sheet) {
        let (width, height) = (900, 1_200);
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (cx, cy) = (450.0, 600.0);
        let data = (0..width * height)
            .map(|i| {
                let (dx, dy) = ((i % width) as f64 + 0.5 - cx, (i / width) as f64 + 0.5 - cy);
                let (u, v) = (dx * cos + dy * sin, dy * cos - dx * sin);
                let (in_u, in_v) = (300.0 - u.abs(), 420.0 - v.abs());
                let dot = (4.0..12.0).contains(&in_u) && (4.0..12.0).contains(&in_v);
                if in_u < 0.0 || in_v < 0.0 {
                    10
                } else if dot {
                    120
                } else {
                    230
                }
            })
            .collect();
        let corner = |u: f64, v: f64| (cx + u * cos - v * sin, cy + u * sin + v * cos);
        let quad = [corner(-300.0, -420.0), corner(300.0, -420.0), corner(300.0, 420.0), corner(-300.0, 420.0)];
        let page = Image { mode: ColourMode::Grey, width, height, dpi: 100, data };
        (page, Sheet { quad, seen: [true; 4], angle: Some(degrees) })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// The lid is gone, and every dot in every corner is still there.
        #[test]
        fn the_lid_goes_and_the_sheet_stays(degrees in -12.0f64..12.0) {
            let (page, sheet) = scan(degrees);
            let fit = fit(&page.view(), &sheet, degrees, &[], [None; 4]);
            prop_assert_eq!((fit.canvas.width, fit.canvas.height), (827, 1_169));
            let out = turn::whole(&page.view(), &fit.canvas, [230; 3]);
            // At the very tip of a corner a pixel that lies on the sheet is made of lid by three quarters.
            let tip = |i: usize| (i % 827).abs_diff(413) >= 299 && (i / 827).abs_diff(584) >= 419;
            let dark = out.data.iter().enumerate().filter(|&(i, &v)| v < 60 && !(tip(i) && v >= 40)).count();
            prop_assert_eq!(dark, 0, "lid is left");
            // Away from the rim, where sheet and lid are mixed.
            let inside = |i: usize| (i % 827).abs_diff(413) < 298 && (i / 827).abs_diff(584) < 418;
            let dots = out.data.iter().enumerate().filter(|&(i, &v)| v < 175 && inside(i)).count();
            prop_assert!((4 * 64_usize).abs_diff(dots) <= 40, "{dots} pixels of dots, should be 256");
        }
    }

    #[test]
    fn an_unturned_scan_without_a_lid_is_only_padded() {
        // A side may have an odd number of pixels: its middle is no edge of one.
        for (width, height) in [(700, 1_000), (701, 1_001), (827, 1_000), (700, 1_169)] {
            let data = (0..width * height).map(|i| (i * 31) as u8).collect();
            let page = Image { mode: ColourMode::Grey, width, height, dpi: 100, data };
            let sheet = Sheet { quad: [(0.0, 0.0); 4], seen: [false; 4], angle: None };
            let fit = fit(&page.view(), &sheet, 0.0, &[], [None; 4]);
            let out = turn::whole(&page.view(), &fit.canvas, [255; 3]);
            assert_eq!((out.width, out.height), (827, 1_169));
            let (left, top) = ((827 - width) / 2, (1_169 - height) / 2);
            for y in 0..height {
                assert_eq!(out.data[(y + top) * 827 + left..][..width], page.data[y * width..][..width], "row {y}");
            }
        }
    }

    #[test]
    fn a_sheet_larger_than_a4_keeps_its_size() {
        let page =
            Image { mode: ColourMode::Grey, width: 1_300, height: 1_700, dpi: 100, data: vec![20; 1_300 * 1_700] };
        let quad = [(50.0, 50.0), (1_250.0, 50.0), (1_250.0, 1_650.0), (50.0, 1_650.0)];
        let fit = fit(&page.view(), &Sheet { quad, seen: [true; 4], angle: Some(0.0) }, 0.0, &[], [None; 4]);
        assert_eq!((fit.canvas.width, fit.canvas.height), (1_200, 1_600));
    }

    /// A sheet of so many mm, laid into the corner of the glass of an A3 scanner, of which these edges were seen.
    fn in_the_corner((wide, high): (f64, f64), seen: [bool; 4]) -> Sheet {
        let (right, bottom) = (if seen[1] { wide } else { 300.0 }, if seen[2] { high } else { 430.0 });
        let quad = [(0.0, 0.0), (right, 0.0), (right, bottom), (0.0, bottom)]
            .map(|(x, y)| (x / 25.4 * 300.0, y / 25.4 * 300.0));
        Sheet { quad, seen, angle: None }
    }

    #[test]
    fn a_sheet_larger_than_a4_is_reported_also_where_the_rules_lay_it() {
        let (all, flush, none) = ([true; 4], [false, true, true, false], [false; 4]);
        let larger = |size, seen, dark_lid| is_larger_than_a4(&in_the_corner(size, seen), dark_lid, 300.0);
        assert!(larger((260.0, 370.0), all, false));
        assert!(larger((260.0, 370.0), flush, true), "8K, flush in the corner");
        assert!(!larger((260.0, 370.0), flush, false), "a bright lid does not show where the sheet ends");
        assert!(!larger((260.0, 420.0), [false, false, true, false], true), "one edge");
        for a4 in [(210.0, 297.0), (297.0, 210.0), (212.0, 299.0)] {
            assert!(!larger(a4, flush, true) && !larger(a4, all, true), "{a4:?}");
        }
        assert!(!larger((260.0, 370.0), none, true), "nothing was seen of it");
    }

    /// A reduced scan of 300 dpi: a bright sheet on a dark lid.
    fn on_a_dark_lid() -> (Grey, Sheet) {
        let mut small = Grey { width: 600, height: 800, dpi: 75.0, data: vec![10; 480_000] };
        let sheet = Sheet {
            quad: [(400.0, 400.0), (1_800.0, 400.0), (1_800.0, 2_400.0), (400.0, 2_400.0)],
            seen: [true; 4],
            angle: None,
        };
        for y in 100..600 {
            small.data[y * 600 + 100..y * 600 + 450].fill(230);
        }
        (small, sheet)
    }

    #[test]
    fn a_second_sheet_beyond_the_edges_is_not_painted_over() {
        let (mut small, sheet) = on_a_dark_lid();
        assert_eq!(cutting(&small, &sheet, 300.0), [false; 4]);
        for y in 700..730 {
            small.data[y * 600 + 480..y * 600 + 510].fill(230);
        }
        assert_eq!(cutting(&small, &sheet, 300.0), [false, true, true, false]);
    }

    #[test]
    fn a_streak_down_the_lid_is_neither_paper_nor_content() {
        let (mut small, sheet) = on_a_dark_lid();
        for y in 0..800 {
            small.data[y * 600 + 500..y * 600 + 503].fill(90);
            small.data[y * 600 + 250] = 200;
        }
        assert_eq!(cutting(&small, &sheet, 300.0), [false; 4]);
    }

    #[test]
    fn a_white_label_on_a_dark_cover_is_not_a_sheet_on_the_lid() {
        let small = Grey { width: 600, height: 800, dpi: 75.0, data: vec![10; 480_000] };
        let quad = [(800.0, 800.0), (1_600.0, 800.0), (1_600.0, 1_400.0), (800.0, 1_400.0)];
        assert_eq!(cutting(&small, &Sheet { quad, seen: [true; 4], angle: None }, 300.0), [true; 4]);
    }

    /// Dark enough for a lid, but a picture: the left of the page is a photograph that runs to the edge of the paper.
    #[test]
    fn a_dark_photograph_at_the_edge_of_the_paper_is_not_a_lid() {
        let mut small = Grey { width: 600, height: 800, dpi: 75.0, data: vec![230; 480_000] };
        for (i, v) in small.data.iter_mut().enumerate().filter(|(i, _)| i % 600 < 150) {
            *v = 20 + ((i % 600) / 10 * 37 + i / 6_000 * 53) as u8 % 100;
        }
        let quad = [(600.0, 0.0), (2_400.0, 0.0), (2_400.0, 3_200.0), (600.0, 3_200.0)];
        let sheet = Sheet { quad, seen: [false, false, false, true], angle: None };
        assert_eq!(cutting(&small, &sheet, 300.0), [false, false, false, true]);
    }
}
