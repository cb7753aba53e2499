//! Punch holes: where the lid shows through the sheet, round, near one of its edges. What is done about them the profile says
//! (some archives want no black holes on the image, some forbid to remove them). Only what is surely a hole is ever filled: it
//! is as dark and as even as the lid around the sheet, and it has a fellow at the same distance from the same edge, unless the
//! lid is so bright that ink is not.

use super::{geometry::Grey, paper::Sheet};
use std::ops::{Range, RangeInclusive};

/// Diameter of a hole in mm: filing punches make 5 to 6, ring binders up to 8.
const DIAMETER_MM: RangeInclusive<f64> = 3.8..=8.2;
/// Width and height of a round patch differ by no more than this, in mm.
const ROUND_MM: f64 = 0.9;
/// Directions in which a disc and what lies around it are looked at.
const DIRECTIONS: usize = 24;
/// Every so many rows are looked at.
const EVERY: usize = 3;
/// A hole's middle lies at most so far from an edge, in mm.
const FROM_EDGE_MM: f64 = 25.0;
/// Holes of one punch lie alike far from their edge, in mm.
const ALIKE_MM: f64 = 2.0;
/// What is darker than the lid and so many levels more may be a hole, also where a binding's shadow lies.
const NEAR: u8 = 45;
/// Paper is brighter than the lid by at least this; than a bright lid, under which a hole has a dark rim, so much darker than its
/// middle, and nothing brighter than half-way to the paper.
const CONTRAST: u8 = 30;
const PALE_CONTRAST: u8 = 8;
const PALE_RIM: u8 = 40;
/// Around a hole, the paper is looked at so far from its rim, in mm.
const AROUND_MM: f64 = 1.2;
/// A lid brighter than this is no ink's grey: a single disc of it is a hole.
const GREY: u8 = 90;
/// Levels within a hole differ by no more than this from the lid.
const EVEN: u8 = 18;
/// If nothing is filled by it: the lid's grey where it was not seen, how far a hole may be off the lid's grey, how far levels
/// within it may be apart, and how many spots of dust or lineart's speckle may lie on a circle around it.
const BLACK: u8 = 12;
const SHADED: u8 = 40;
const SHADED_EVEN: u8 = 28;
const SPOTS: usize = 2;
/// A hole at the middle of an edge lies so near to it, in mm.
const MIDDLE_MM: f64 = 4.0;
/// A punch hole with its rim is so many times as wide as the hole.
pub(crate) const HOLE: f64 = 1.3;
/// The most holes that are told of a sheet.
pub(crate) const MOST: usize = 8;

/// A round hole, in pixels of the scan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hole {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) radius: f64,
}

impl Hole {
    /// Whether a place lies within so many times its radius.
    pub(super) fn covers(&self, (x, y): (f64, f64), times: f64) -> bool {
        (x - self.x).powi(2) + (y - self.y).powi(2) < (self.radius * times).powi(2)
    }
}

/// A disc of the lid's grey, and how far its middle lies from the sheet's edges, in mm.
struct Disc {
    hole: Hole,
    /// Its own grey.
    level: u8,
    from_edges: [f64; 4],
    /// Its place on the straightened sheet, across and down, in mm: one edge may have been seen where it is not.
    straight: (f64, f64),
}

impl Disc {
    /// Whether one punch may have made this and another disc: they lie alike far from an edge, or along it.
    fn is_fellow(&self, other: &Self) -> bool {
        let apart = |a: f64, b: f64| (a - b).abs();
        let (across, down) = (apart(self.straight.0, other.straight.0), apart(self.straight.1, other.straight.1));
        // Top, right, bottom, left.
        let along = [down, across, down, across];
        let is_alike = |i: usize| {
            let (mine, theirs) = (self.from_edges[i], other.from_edges[i]);
            mine < FROM_EDGE_MM && apart(mine, theirs).min(along[i]) < ALIKE_MM
        };
        self.hole != other.hole && (0..4).any(is_alike)
    }

    /// Whether it lies at the middle of an edge, between two that were seen.
    fn is_in_the_middle(&self, seen: [bool; 4]) -> bool {
        let apart = |a: usize| (self.from_edges[a] - self.from_edges[a + 2]).abs();
        let middle = |a: usize| seen[a] && seen[a + 2] && apart(a) < 2.0 * MIDDLE_MM;
        let near = |a: usize| self.from_edges[a].min(self.from_edges[a + 2]) < FROM_EDGE_MM;
        (middle(0) && near(1)) || (middle(1) && near(0))
    }
}

/// Finds the holes of a sheet in `small`, a reduced picture of a scan of `dpi`. `lid` is the grey of the lid, if it is seen.
pub(crate) fn find(small: &Grey, paper: u8, sheet: &Sheet, lid: Option<u8>, dpi: f64) -> Vec<Hole> {
    let Some(lid) = lid.filter(|&lid| lid < paper.saturating_sub(CONTRAST)) else { return Vec::new() };
    let like = Like { lid, off: 0, contrast: CONTRAST, darker: EVEN, brighter: EVEN, spots: 0 };
    let discs = discs(small, paper, sheet, like, dpi);
    kept(&discs, |disc| lid > GREY || discs.iter().any(|other| disc.is_fellow(other)))
}

/// What is most likely a hole, beside those that are `known`: by this nothing is filled, but a sheet with nothing else on it is
/// blank. The lid may lie in a shadow, or be too little to tell its grey, if an edge shows that it is dark; or be nearly as bright
/// as the paper, whose edges then are where their shadows show them (`guessed`). A hole that is alone is as dark as the lid and
/// lies at the middle of an edge, where a sheet is hung by it.
pub(crate) fn likely(
    small: &Grey,
    paper: u8,
    (sheet, guessed): (&Sheet, &Sheet),
    lid: Option<u8>,
    dpi: f64,
    known: &[Hole],
) -> Vec<Hole> {
    let is_dark = |&lid: &u8| lid < paper.saturating_sub(CONTRAST);
    let dark = lid.or(sheet.seen.contains(&true).then_some(BLACK)).filter(is_dark);
    let (like, sheet) = match dark {
        Some(lid) => (Like::shaded(lid), sheet),
        None => (Like::pale(paper), guessed),
    };
    let discs = discs(small, paper, sheet, like, dpi);
    let px = ROUND_MM * dpi / 25.4;
    let mut holes = kept(&discs, |disc| {
        let is_alike = |other: &Disc| (disc.hole.radius - other.hole.radius).abs() < px / 2.0;
        let is_of_lid = dark.is_some_and(|lid| disc.level.abs_diff(lid) <= EVEN);
        let is_alone = is_of_lid && disc.is_in_the_middle(sheet.seen);
        is_alone || discs.iter().any(|other| is_alike(other) && disc.is_fellow(other))
    });
    let is_new = |hole: &&Hole| !holes.iter().any(|other| hole.covers((other.x, other.y), 1.0));
    let missing: Vec<Hole> = known.iter().filter(is_new).copied().collect();
    holes.extend(missing);
    holes
}

fn kept(discs: &[Disc], is_hole: impl Fn(&Disc) -> bool) -> Vec<Hole> {
    discs.iter().filter(|disc| is_hole(disc)).map(|disc| disc.hole).take(MOST).collect()
}

/// What a hole must look like: the lid's grey, or one that is off it by so much; so much darker than the paper around it; inside
/// so much darker and brighter than its middle at most, but for so many spots.
#[derive(Clone, Copy)]
struct Like {
    lid: u8,
    off: u8,
    contrast: u8,
    darker: u8,
    brighter: u8,
    spots: usize,
}

impl Like {
    fn shaded(lid: u8) -> Self {
        Self { lid, off: SHADED, contrast: CONTRAST, darker: SHADED_EVEN, brighter: SHADED_EVEN, spots: SPOTS }
    }

    fn pale(paper: u8) -> Self {
        let contrast = PALE_CONTRAST;
        let lid = paper.saturating_sub(contrast);
        Self { lid, off: CONTRAST, contrast, darker: PALE_RIM, brighter: contrast / 2, spots: SPOTS }
    }
}

/// Discs that are as even as the lid, near an edge of the sheet.
fn discs(small: &Grey, paper: u8, sheet: &Sheet, like: Like, dpi: f64) -> Vec<Disc> {
    let mm = f64::from(small.dpi) / 25.4;
    let scale = dpi / f64::from(small.dpi);
    // Half-way to the paper at most.
    let limit = like.lid + NEAR.min((paper - like.lid) / 2);
    let across = (DIAMETER_MM.start() * mm) as usize..=(DIAMETER_MM.end() * mm).ceil() as usize;
    let (sin, cos) = sheet.angle.unwrap_or(0.0).to_radians().sin_cos();
    let straight = |x: f64, y: f64| ((x * cos + y * sin) * 25.4 / dpi, (y * cos - x * sin) * 25.4 / dpi);
    let mut discs: Vec<Disc> = Vec::new();
    for y in (0..small.height).step_by(EVERY) {
        for run in dark_runs(small.row(y), limit).filter(|run| across.contains(&run.len())) {
            let Some(hole) = disc(small, &run, y, like, limit, mm) else { continue };
            let level = small.data[hole.y as usize * small.width + hole.x as usize];
            let hole = Hole { x: hole.x * scale, y: hole.y * scale, radius: hole.radius * scale };
            let from_edges = sheet.distances((hole.x, hole.y)).map(|px| px * 25.4 / dpi);
            let near = from_edges.iter().all(|&d| d > 0.0) && from_edges.iter().any(|&d| d < FROM_EDGE_MM);
            if near && !discs.iter().any(|other| hole.covers((other.hole.x, other.hole.y), 1.0)) {
                discs.push(Disc { hole, level, from_edges, straight: straight(hole.x, hole.y) });
            }
        }
    }
    discs
}

/// Stretches of a row that are darker than `limit`.
fn dark_runs(row: &[u8], limit: u8) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + row[from..].iter().position(|&v| v < limit)?;
        let length = row[start..].iter().position(|&v| v >= limit).unwrap_or(row.len() - start);
        from = start + length;
        Some(start..from)
    })
}

/// The disc through whose middle part a run of dark pixels goes, if there is one that looks like the lid inside; in pixels
/// of `small`.
fn disc(small: &Grey, run: &Range<usize>, y: usize, like: Like, limit: u8, mm: f64) -> Option<Hole> {
    let first = extent(small, (run.start + run.end) / 2, y, limit, mm)?;
    let level = |hole: &Hole, radius: f64, direction: usize| {
        let (sin, cos) = (direction as f64 * std::f64::consts::TAU / DIRECTIONS as f64).sin_cos();
        let (x, y) = ((hole.x + radius * cos) as usize, (hole.y + radius * sin) as usize);
        (x < small.width && y < small.height).then(|| small.data[y * small.width + x])
    };
    let middle = level(&first, 0.0, 0)?;
    let lid = if middle.abs_diff(like.lid) <= like.off { middle } else { like.lid };
    // The rim is half-way between the lid and the paper that is there, which may lie in a shadow.
    let mut around: Vec<u8> = (0..DIRECTIONS).filter_map(|d| level(&first, first.radius + AROUND_MM * mm, d)).collect();
    around.sort_unstable();
    let around = *around.get(around.len() / 2)?;
    let rim = lid + around.checked_sub(lid).filter(|&above| above >= like.contrast)? / 2;
    let hole = extent(small, first.x as usize, first.y as usize, rim, mm)?;
    let all = |radius: f64, is: &dyn Fn(u8) -> bool| {
        let spots = (0..DIRECTIONS).filter(|&d| !level(&hole, radius, d).is_some_and(is));
        spots.count() <= like.spots
    };
    // Inside, without the blurred rim, it is as dark and as even as the lid; around it is paper.
    let is_lid = |v: u8| (lid.saturating_sub(like.darker)..=lid.saturating_add(like.brighter)).contains(&v);
    let is_hole = all(hole.radius - 2.0, &is_lid) && all(hole.radius / 2.0, &is_lid) && is_lid(level(&hole, 0.0, 0)?);
    (is_hole && all(hole.radius + 2.0, &|v| v >= rim)).then_some(hole)
}

/// The round patch darker than `limit` around a place, if it is round and as large as a hole.
fn extent(small: &Grey, column: usize, y: usize, limit: u8, mm: f64) -> Option<Hole> {
    let dark = |y: usize| small.data[y * small.width + column] < limit;
    let top = (0..=y).rev().take_while(|&y| dark(y)).last()?;
    let bottom = (y..small.height).take_while(|&y| dark(y)).last()?;
    let high = (bottom - top + 1) as f64;
    // Its width where it is widest.
    let widest = dark_runs(small.row((top + bottom) / 2), limit).find(|run| run.contains(&column))?;
    let wide = widest.len() as f64;
    let diameter = (wide + high) / 2.0;
    let round = (wide - high).abs() / mm <= ROUND_MM && DIAMETER_MM.contains(&(diameter / mm));
    let (x, y) = ((widest.start + widest.end) as f64 / 2.0, (top + bottom + 1) as f64 / 2.0);
    round.then_some(Hole { x, y, radius: diameter / 2.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sheet of 150 × 200 mm at 75 dpi on a lid, with discs of a level at these places of the sheet in mm, and paper of so much
    /// so many mm from its left side.
    fn scan(lid: u8, discs: &[(f64, f64)], level: u8, paper: impl Fn(f64) -> f64) -> (Grey, Sheet) {
        let mm = 75.0 / 25.4;
        let (width, height) = (560, 740);
        let mut small = Grey { width, height, dpi: 75.0, data: vec![lid; width * height] };
        let (left, top, right, bottom) = (50.0, 60.0, 50.0 + 150.0 * mm, 60.0 + 200.0 * mm);
        for (i, v) in small.data.iter_mut().enumerate() {
            let (x, y) = ((i % width) as f64 + 0.5, (i / width) as f64 + 0.5);
            if (left..right).contains(&x) && (top..bottom).contains(&y) {
                let on_disc = |&(dx, dy): &(f64, f64)| (x - left - dx * mm).hypot(y - top - dy * mm) < 2.8 * mm;
                *v = if discs.iter().any(on_disc) { level } else { paper((x - left) / mm) as u8 };
            }
        }
        let quad = [(left, top), (right, top), (right, bottom), (left, bottom)].map(|(x, y)| (x * 4.0, y * 4.0));
        (small, Sheet { quad, seen: [true; 4], angle: Some(0.0) })
    }

    fn found(discs: &[(f64, f64)], level: u8) -> usize {
        let (small, sheet) = scan(12, discs, level, |_| 228.0);
        find(&small, 228, &sheet, Some(12), 300.0).len()
    }

    #[test]
    fn a_pair_of_holes_at_an_edge_is_found_where_it_is() {
        let (small, sheet) = scan(12, &[(12.0, 60.0), (12.5, 140.0)], 12, |_| 228.0);
        let holes = find(&small, 228, &sheet, Some(12), 300.0);
        assert_eq!(holes.len(), 2);
        let px = 300.0 / 25.4;
        assert!((holes[0].x - (200.0 + 12.0 * px)).abs() < 4.0 && (holes[0].y - (240.0 + 60.0 * px)).abs() < 4.0);
        assert!((holes[0].radius / px - 2.8).abs() < 0.3, "{}", holes[0].radius / px);
    }

    #[test]
    fn holes_lie_along_the_sheet_also_where_an_edge_was_seen_aslant() {
        let (small, sheet) = scan(12, &[(12.0, 60.0), (15.0, 140.0)], 12, |_| 228.0);
        assert_eq!(find(&small, 228, &sheet, Some(12), 300.0).len(), 0, "of a sheet that lies straight");
        let askew = Sheet { angle: Some(-(3.0f64 / 80.0).atan().to_degrees()), ..sheet };
        assert_eq!(find(&small, 228, &askew, Some(12), 300.0).len(), 2);
    }

    #[test]
    fn holes_in_a_bindings_shadow_are_found() {
        let shadow = |mm: f64| 228.0 * (1.0 - 0.7 * (-mm / 14.0).exp());
        let (small, sheet) = scan(12, &[(12.0, 60.0), (12.0, 140.0)], 12, shadow);
        assert_eq!(find(&small, 228, &sheet, Some(12), 300.0).len(), 2);
    }

    #[test]
    fn a_hole_through_which_a_grey_lid_shows_is_found_alone() {
        let (small, sheet) = scan(150, &[(12.0, 60.0)], 152, |_| 228.0);
        assert_eq!(find(&small, 228, &sheet, Some(150), 300.0).len(), 1);
        let (small, sheet) = scan(150, &[(12.0, 60.0)], 110, |_| 228.0);
        assert_eq!(find(&small, 228, &sheet, Some(150), 300.0).len(), 0, "darker than the lid");
    }

    #[test]
    fn a_sheet_that_is_hung_and_a_pair_without_a_lid_have_likely_holes() {
        let likely = |discs: &[(f64, f64)], level: u8, lid: Option<u8>| {
            let (small, sheet) = scan(12, discs, level, |_| 228.0);
            likely(&small, 228, (&sheet, &sheet), lid, 300.0, &[]).len()
        };
        assert_eq!(likely(&[(75.0, 12.0)], 12, Some(12)), 1, "at the middle of the upper edge");
        assert_eq!(likely(&[(60.0, 12.0)], 12, Some(12)), 0, "a dot somewhere at an edge");
        assert_eq!(likely(&[(75.0, 100.0)], 12, Some(12)), 0, "in the middle of the sheet");
        assert_eq!(likely(&[(12.0, 60.0), (12.5, 140.0)], 20, None), 2);
        assert_eq!(likely(&[(12.0, 60.0), (12.5, 140.0)], 70, None), 0, "too bright for a black lid");
        assert_eq!(likely(&[(75.0, 12.0)], 40, Some(12)), 0, "alone, and not as dark as the lid");
    }

    #[test]
    fn a_pair_of_pale_holes_over_a_bright_lid_is_likely_and_a_single_one_is_not() {
        let likely = |discs: &[(f64, f64)], lid: u8, level: u8| {
            let (small, sheet) = scan(lid, discs, level, |_| 250.0);
            let unseen = Sheet { seen: [false; 4], angle: None, ..sheet };
            likely(&small, 250, (&unseen, &unseen), None, 300.0, &[]).len()
        };
        assert_eq!(likely(&[(12.0, 60.0), (12.5, 140.0)], 236, 236), 2);
        assert_eq!(likely(&[(12.0, 60.0)], 236, 236), 0, "alone");
        assert_eq!(likely(&[(12.0, 60.0), (12.5, 140.0)], 236, 245), 0, "hardly darker than the paper");
    }

    #[test]
    fn on_a_lid_that_shows_no_edge_discs_are_ink() {
        let (small, sheet) = scan(12, &[(12.0, 60.0), (12.5, 140.0), (75.0, 12.0)], 12, |_| 228.0);
        let unseen = Sheet { seen: [false; 4], angle: None, ..sheet };
        assert_eq!(likely(&small, 228, (&unseen, &unseen), None, 300.0, &[]), []);
    }

    #[test]
    fn what_may_be_printed_is_no_hole() {
        assert_eq!(found(&[(12.0, 60.0)], 12), 0, "a single dot");
        assert_eq!(found(&[(12.0, 60.0), (12.0, 140.0)], 60), 0, "dots brighter than the lid");
        assert_eq!(found(&[(75.0, 60.0), (75.0, 140.0)], 12), 0, "dots in the middle of the sheet");
        assert_eq!(found(&[(12.0, 60.0), (16.0, 140.0)], 12), 0, "dots that no punch makes together");
    }
}
