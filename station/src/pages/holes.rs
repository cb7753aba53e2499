//! Punch holes: where the lid shows through the sheet, round, near one of its edges. What is done about them the profile says
//! (some archives want no black holes on the image, some forbid to remove them). Only what is surely a hole is ever filled: it
//! is as dark and as even as the lid around the sheet, and it has a fellow at the same distance from the same edge.

use super::{geometry::Grey, paper::Sheet};

/// Diameter of a hole in mm: filing punches make 5 to 6, ring binders up to 8.
const DIAMETER_MM: std::ops::RangeInclusive<f64> = 3.8..=8.2;
/// Width and height of a round patch differ by no more than this, in mm.
const ROUND_MM: f64 = 0.9;
/// Share of its square that a disc covers: π/4, less and more for its pixels.
const DISC: std::ops::Range<f64> = 0.66..0.92;
/// A hole's middle lies at most so far from an edge, in mm.
const FROM_EDGE_MM: f64 = 25.0;
/// Holes of one punch lie alike far from their edge, in mm.
const ALIKE_MM: f64 = 2.0;
/// A hole is darker than this share of the paper, in 1/100.
const DARK: u32 = 60;
/// Levels within a hole differ by no more than this from their mean; the lid's do not either.
const EVEN: i32 = 14;
/// The most holes that are told of a sheet.
pub(crate) const MOST: usize = 8;

/// A round hole, in pixels of the scan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hole {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) radius: f64,
}

/// Finds the holes of a sheet in `small`, a reduced picture of a scan of `dpi`. `lid` is the grey of the lid, if it is seen.
pub(crate) fn find(small: &Grey, paper: u8, sheet: &Sheet, lid: Option<u8>, dpi: f64) -> Vec<Hole> {
    let Some(lid) = lid else { return Vec::new() };
    let mm = f64::from(small.dpi) / 25.4;
    let scale = dpi / f64::from(small.dpi);
    let limit = (u32::from(paper) * DARK / 100) as u8;
    let mut seen = vec![false; small.data.len()];
    let mut patch = Vec::new();
    let mut holes: Vec<(Hole, [f64; 4])> = Vec::new();
    for start in 0..small.data.len() {
        if seen[start] || small.data[start] >= limit {
            continue;
        }
        let most = (DIAMETER_MM.end() * mm) as usize + 2;
        gather(small, start, limit, &mut seen, &mut patch);
        if patch.len() > most * most {
            continue;
        }
        let Some(hole) = disc(small, &patch, lid, mm) else { continue };
        let hole = Hole { x: hole.x * scale, y: hole.y * scale, radius: hole.radius * scale };
        let from_edges = sheet.distances((hole.x, hole.y)).map(|px| px * 25.4 / dpi);
        if from_edges.iter().all(|&d| d > 0.0) && from_edges.iter().any(|&d| d < FROM_EDGE_MM) {
            holes.push((hole, from_edges));
        }
    }
    let has_fellow = |i: usize| {
        holes.iter().enumerate().any(|(j, other)| {
            let alike = |e: usize| {
                let (mine, theirs) = (holes[i].1[e], other.1[e]);
                mine < FROM_EDGE_MM && (mine - theirs).abs() < ALIKE_MM
            };
            j != i && (0..4).any(alike)
        })
    };
    (0..holes.len()).filter(|&i| has_fellow(i)).map(|i| holes[i].0).take(MOST).collect()
}

/// Collects the connected dark patch around `start`.
fn gather(small: &Grey, start: usize, limit: u8, seen: &mut [bool], patch: &mut Vec<usize>) {
    patch.clear();
    patch.push(start);
    seen[start] = true;
    let mut next = 0;
    while let Some(&i) = patch.get(next) {
        next += 1;
        let x = i % small.width;
        let around = [
            (x > 0).then(|| i - 1),
            (x + 1 < small.width).then_some(i + 1),
            i.checked_sub(small.width),
            (i + small.width < small.data.len()).then(|| i + small.width),
        ];
        for near in around.into_iter().flatten() {
            if !seen[near] && small.data[near] < limit {
                seen[near] = true;
                patch.push(near);
            }
        }
    }
}

/// The disc that a patch is, in pixels of `small`, if it is one and looks like the lid inside.
fn disc(small: &Grey, patch: &[usize], lid: u8, mm: f64) -> Option<Hole> {
    let (mut left, mut right, mut top, mut bottom) = (usize::MAX, 0, usize::MAX, 0);
    for &i in patch {
        let (x, y) = (i % small.width, i / small.width);
        (left, right, top, bottom) = (left.min(x), right.max(x), top.min(y), bottom.max(y));
    }
    let (wide, high) = ((right - left + 1) as f64, (bottom - top + 1) as f64);
    let round = (wide - high).abs() / mm < ROUND_MM && DISC.contains(&(patch.len() as f64 / (wide * high)));
    let diameter = (wide + high) / 2.0;
    if !round || !DIAMETER_MM.contains(&(diameter / mm)) {
        return None;
    }
    let (x, y) = ((left + right + 1) as f64 / 2.0, (top + bottom + 1) as f64 / 2.0);
    // Inside, without the blurred rim, it is as dark and as even as the lid.
    let core = diameter / 2.0 - 2.0;
    let inside = patch.iter().filter(|&&i| {
        let (dx, dy) = ((i % small.width) as f64 + 0.5 - x, (i / small.width) as f64 + 0.5 - y);
        dx.hypot(dy) < core
    });
    let levels: Vec<i32> = inside.map(|&i| i32::from(small.data[i])).collect();
    let mean = levels.iter().sum::<i32>() / (levels.len() as i32).max(1);
    let even = !levels.is_empty() && levels.iter().all(|v| (v - mean).abs() <= EVEN);
    (even && (mean - i32::from(lid)).abs() <= EVEN).then_some(Hole { x, y, radius: diameter / 2.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sheet of 150 × 200 mm at 75 dpi on a lid of grey 12, with dark discs at these places of the sheet in mm.
    fn scan(discs: &[(f64, f64)], level: u8) -> (Grey, Sheet) {
        let mm = 75.0 / 25.4;
        let (width, height) = (560, 740);
        let mut small = Grey { width, height, dpi: 75.0, data: vec![12; width * height] };
        let (left, top, right, bottom) = (50.0, 60.0, 50.0 + 150.0 * mm, 60.0 + 200.0 * mm);
        for (i, v) in small.data.iter_mut().enumerate() {
            let (x, y) = ((i % width) as f64 + 0.5, (i / width) as f64 + 0.5);
            if (left..right).contains(&x) && (top..bottom).contains(&y) {
                let on_disc = |&(dx, dy): &(f64, f64)| (x - left - dx * mm).hypot(y - top - dy * mm) < 2.8 * mm;
                *v = if discs.iter().any(on_disc) { level } else { 228 };
            }
        }
        let quad = [(left, top), (right, top), (right, bottom), (left, bottom)].map(|(x, y)| (x * 4.0, y * 4.0));
        (small, Sheet { quad, seen: [true; 4], angle: Some(0.0) })
    }

    fn found(discs: &[(f64, f64)], level: u8) -> usize {
        let (small, sheet) = scan(discs, level);
        find(&small, 228, &sheet, Some(12), 300.0).len()
    }

    #[test]
    fn a_pair_of_holes_at_an_edge_is_found_where_it_is() {
        let (small, sheet) = scan(&[(12.0, 60.0), (12.5, 140.0)], 12);
        let holes = find(&small, 228, &sheet, Some(12), 300.0);
        assert_eq!(holes.len(), 2);
        let px = 300.0 / 25.4;
        assert!((holes[0].x - (200.0 + 12.0 * px)).abs() < 4.0 && (holes[0].y - (240.0 + 60.0 * px)).abs() < 4.0);
        assert!((holes[0].radius / px - 2.8).abs() < 0.3, "{}", holes[0].radius / px);
    }

    #[test]
    fn what_may_be_printed_is_no_hole() {
        assert_eq!(found(&[(12.0, 60.0)], 12), 0, "a single dot");
        assert_eq!(found(&[(12.0, 60.0), (12.0, 140.0)], 60), 0, "dots brighter than the lid");
        assert_eq!(found(&[(75.0, 60.0), (75.0, 140.0)], 12), 0, "dots in the middle of the sheet");
        assert_eq!(found(&[(12.0, 60.0), (16.0, 140.0)], 12), 0, "dots that no punch makes together");
    }
}
