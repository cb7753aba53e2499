//! Skew: the angle at which the profile of ink, summed along the lines, is sharpest.
//!
//! The page is cut into strips, each summed along its width; shearing the strips against each other and adding them up
//! is the projection at an angle. Coarse search over ±15.6°, rows and columns both (vertical Chinese, tables), then fine
//! on the picture at full resolution. Method and figures: `imaging.md`.

mod coarse;
mod columns;
mod pictures;
mod sparse;
mod stems;

use super::{
    geometry::{Grey, View},
    ink::InkMap,
    paper::Sheet,
    strips::{Axis, Strips, energy},
};
use columns::Upright;
use pictures::Pictures;
use std::{cell::LazyCell, ops::Range};

const FINE_STRIP: usize = 8;
/// Groups of columns that are scored apart before the whole width is.
const GROUPS: usize = 4;
/// The fine search looks so far to both sides of where it begins, in degrees.
const NEAR: f32 = 0.4;
/// A page with less ink than this has a few lines only; see [`sparse`]. So has one with less than the second if its lines run across
/// and its best angle is no sharper than this: a title in large bold type.
const SPARSE: f32 = 0.008;
const BOLD: (f32, f64) = (0.016, 6.5);
/// Lines run down if columns have told the coarse search so many times what rows have. Columns of Chinese are few, and the
/// strokes in them lean: they are asked as a few lines are.
const UPRIGHT: f64 = 1.5;
/// Rows and columns of less than this (how much sharper they are at full resolution than to both sides, times what they told the
/// coarse search) are no lines: handwriting that drifts, a title beside which little is written. Where they have their top is chance
/// there, and they are asked as a few lines are.
const BLUNT: f64 = 0.6;
/// A streak is so wide to both sides of its middle, in mm.
const STREAK_MM: f64 = 0.7;
/// An axis is asked if its lines told the coarse search at least this share of what the other's did.
const ASKED: f64 = 0.25;
/// Rows and columns that agree within this are averaged, in degrees.
const AGREE: f64 = 0.08;
/// Two searches say the same angle if they lie within this, in degrees.
const SAME: f64 = 0.1;
/// Rows as sharp as this say where lines run, whatever columns say: on many a scan the two are not square to each other. Short
/// of that whichever is so many times as sharp is right; Kai's strokes rise, and can outshout its lines.
const CLEAR: f64 = 10.0;
const SHARPER: f64 = 4.0;
/// A page of clear lines is at least so sure.
const CLEARLY: f64 = 0.5;

/// The estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Skew {
    /// Degrees that straighten the page.
    pub(crate) angle: f64,
    /// 0 to 1.
    pub(crate) confidence: f64,
}

/// Finds the skew of a page. `ink` was made from `fine`.
///
/// `seen` says that the sheet's edges were seen against a lid, and not by their shadows alone; `streaks` where dirt draws lines down the scan, in mm from its left side: they are no writing.
pub(crate) fn find(page: &View<'_>, fine: &Grey, ink: &InkMap, (sheet, seen): (&Sheet, bool), streaks: &[f64]) -> Skew {
    if streaks.is_empty() {
        return of_ink(page, fine, ink, (sheet, seen));
    }
    let (w, mm) = (ink.coarse.width, 25.4 / f64::from(ink.coarse.dpi));
    let on_streak = |i: usize| streaks.iter().any(|at| (((i % w) as f64 + 0.5) * mm - at).abs() < STREAK_MM);
    of_ink(page, fine, &ink.without(on_streak), (sheet, seen))
}

fn of_ink(page: &View<'_>, fine: &Grey, ink: &InkMap, (sheet, edges_seen): (&Sheet, bool)) -> Skew {
    let Some(coarse) = coarse::find(&ink.coarse, sheet.angle) else { return Skew { angle: 0.0, confidence: 0.0 } };
    let (confidence, start) = (coarse.confidence, coarse.angle);
    let pictures = Pictures::find(fine, ink);
    let written = pictures.as_ref().map(|pictures| pictures.taken_out(ink));
    let written = written.as_ref().unwrap_or(ink);
    let share = written.share();
    let few = share < SPARSE || (share < BOLD.0 && coarse.peak < BOLD.1 && coarse.rows >= coarse.columns);
    let as_few_lines = |axis: Axis| {
        let ink = written.strong(&written.fine(fine));
        let by_pictures = pictures.as_ref().and_then(|pictures| pictures.angle);
        let text = f64::from(start);
        // Coloured paper's own sides say more than the shadows of edges.
        let coloured = pictures.as_ref().and_then(|pictures| pictures.sheet);
        let edges = if edges_seen { sheet.angle.or(coloured) } else { coloured.or(sheet.angle) };
        // Many lines know better than the sheet how they lie.
        let edges = edges.filter(|edges| few || (edges - text).abs() < coarse::NEARLY);
        let known = sparse::Known { text, confidence, edges, edges_seen, by_pictures };
        sparse::find(page, fine, &ink, axis, &known)
    };
    // Of a few lines columns say nothing: a title has three characters.
    if few {
        return as_few_lines(Axis::Rows);
    }
    if coarse.columns > UPRIGHT * coarse.rows {
        return as_few_lines(Axis::Columns);
    }
    let full = ink.fine(fine);
    let search = |axis: Axis, share: f64, other: f64| {
        (share >= ASKED * other).then(|| {
            let peak = search(&full, ink, axis, start);
            Peak { sharpness: peak.sharpness * share, ..peak }
        })
    };
    let rows = search(Axis::Rows, coarse.rows, coarse.columns);
    let columns = search(Axis::Columns, coarse.columns, coarse.rows);
    if [rows, columns].iter().flatten().all(|peak| peak.sharpness < BLUNT) {
        return as_few_lines(Axis::Rows);
    }
    let second = LazyCell::new(|| as_few_lines(if coarse.columns > coarse.rows { Axis::Columns } else { Axis::Rows }));
    let angle = match (rows, columns) {
        (Some(rows), Some(columns)) => rows.with(&columns).unwrap_or_else(|| rows.or(&columns, || second.angle)),
        (Some(only), None) | (None, Some(only)) => only.angle,
        // Not reached: the louder axis is always asked, and where none is, none is sharp.
        (None, None) => return as_few_lines(Axis::Rows),
    };
    if confidence >= super::SURE {
        return Skew { angle, confidence };
    }
    // Another angle tells the coarse search nearly as much. Lines that a closer look finds clear know better, and so do those whose
    // parts are of one mind.
    let is_same = |other: f64| (other - angle).abs() < SAME;
    let is_clear = [rows, columns].iter().flatten().any(|peak| is_same(peak.angle) && peak.sharpness > CLEAR);
    let sure = if is_clear {
        CLEARLY
    } else if is_same(second.angle) {
        second.confidence
    } else {
        0.0
    };
    Skew { angle, confidence: confidence.max(sure) }
}

/// The angle near `start` at which the lines along an axis are sharpest.
fn search(full: &Grey, ink: &InkMap, axis: Axis, start: f32) -> Peak {
    if axis == Axis::Columns {
        return refine((full, axis), start, |degrees| axis.slope(degrees), &[]);
    }
    let columns = columns::find(&ink.coarse, start);
    if columns.len() < 2 {
        return refine((full, axis), start, |degrees| axis.slope(degrees), &[]);
    }
    let upright = Upright::new(full, start);
    let columns: Vec<_> = columns.iter().map(|column| upright.strips_of(column)).collect();
    refine((&upright.ink, axis), start, |degrees| upright.slope(degrees), &columns)
}

#[derive(Debug, Clone, Copy)]
struct Peak {
    angle: f64,
    /// How much sharper it is there than 0.42° to each side of where the search began, both added; of an axis that is weighed against
    /// the other, times what it told the coarse search.
    sharpness: f64,
}

impl Peak {
    /// Rows and columns together, if they agree.
    fn with(&self, columns: &Self) -> Option<f64> {
        let all = self.sharpness + columns.sharpness;
        ((self.angle - columns.angle).abs() < AGREE && all > 0.0)
            .then(|| (self.angle * self.sharpness + columns.angle * columns.sharpness) / all)
    }

    /// Whichever of rows and columns is right, if they do not agree. In doubt it is the one that lies nearer to what is found when they
    /// are looked at as a few lines.
    fn or(&self, columns: &Self, as_few_lines: impl FnOnce() -> f64) -> f64 {
        let sharper = |one: &Self, other: &Self| one.sharpness > CLEAR || one.sharpness > SHARPER * other.sharpness;
        if sharper(self, columns) {
            return self.angle;
        }
        if sharper(columns, self) {
            return columns.angle;
        }
        let few = as_few_lines();
        if (few - self.angle).abs() < (few - columns.angle).abs() { self.angle } else { columns.angle }
    }
}

/// Steps .1 → .04 → .012, then .02 → .006 of the whole width, and a parabola around `start`. `slope` tells how lines along the axis lie in the ink for an angle.
/// `columns` are ranges of strips whose lines do not continue each other's; without any, the page is one.
fn refine((ink, axis): (&Grey, Axis), start: f32, slope: impl Fn(f32) -> f32, columns: &[Range<usize>]) -> Peak {
    let strips = Strips::new(ink, axis, FINE_STRIP, slope(start), 0.012);
    let mut profile = vec![0; strips.len];
    let mut score = |offset: f32, groups: &[Range<usize>]| {
        let slope = slope(start + offset) - slope(start);
        let energies = groups.iter().map(|group| {
            strips.project(slope, group.start.min(strips.count)..group.end.min(strips.count), &mut profile);
            energy(&profile, 1)
        });
        energies.sum::<f64>()
    };
    let quarters: [Range<usize>; GROUPS] =
        std::array::from_fn(|g| strips.count * g / GROUPS..strips.count * (g + 1) / GROUPS);
    let all = 0..strips.count;
    let whole = std::slice::from_ref(&all);
    let (apart, joined): (&[_], &[_]) = if columns.is_empty() { (&quarters, whole) } else { (columns, columns) };
    let best = |from: f32, step: f32, reach: i32, score: &mut dyn FnMut(f32) -> f64| {
        let at = |i: i32| from + i as f32 * step;
        let scores: Vec<f64> = (-reach..=reach).map(|i| score(at(i))).collect();
        let i = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0);
        (at(i as i32 - reach), scores[i])
    };
    // Column groups first: two columns of print otherwise lock on each other's lines. Their peaks are wide.
    let steps = (NEAR / 0.1) as i32;
    let (mut near, _) = best(0.0, 0.1, steps, &mut |o| score(o, apart));
    if near.abs() > NEAR - 0.05 {
        // The coarse search had it beside the top: further that way.
        (near, _) = best(near, 0.1, steps, &mut |o| score(o, apart));
    }
    (near, _) = best(near, 0.04, 1, &mut |o| score(o, apart));
    let (nearer, _) = best(near, 0.012, 3, &mut |o| score(o, apart));
    // Then the whole width polishes within ±0.06°.
    let (coherent, peak) = best(nearer, 0.02, 3, &mut |o| score(o, joined));
    let around: Vec<f64> = (-4..=4).map(|i| score(coherent + i as f32 * 0.006, joined)).collect();
    let top = (0..9).max_by(|&a, &b| around[a].total_cmp(&around[b])).unwrap_or(4).clamp(2, 6);
    let offset = f64::from(coherent) + (top as f64 - 4.0 + vertex(&around[top - 2..=top + 2])) * 0.006;
    let sides = [0.42, -0.42].map(|side| (peak / score(side, joined).max(1.0) - 1.0).max(0.0));
    Peak { angle: f64::from(start) + offset, sharpness: sides[0] + sides[1] }
}

/// Where the least-squares parabola through five points one step apart has its top, in steps from the middle.
fn vertex(five: &[f64]) -> f64 {
    let mean = five.iter().sum::<f64>() / 5.0;
    let (mut linear, mut square) = (0.0, 0.0);
    for (x, y) in (-2..=2).map(f64::from).zip(five) {
        linear += x * y;
        square += (x * x - 2.0) * (y - mean);
    }
    let (b, c) = (linear / 10.0, square / 14.0);
    if c < 0.0 { (-b / (2.0 * c)).clamp(-2.0, 2.0) } else { 0.0 }
}
