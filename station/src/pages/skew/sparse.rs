//! Pages with a few lines only, such as title pages. Their strokes say little about the angle and their lines not much
//! more, so that what is known about the sheet is weighed in: print lies along its sheet, or askew by a quarter of a
//! degree. The answer is the middle of the joint probability, and its confidence the share of that within 0.1°.

use super::{Axis, FINE_STRIP, Skew, Strips, energy};
use crate::pages::geometry::Grey;

/// Profiles are smoothed over these, from strokes to lines of writing, in mm.
const SCALES: [f32; 3] = [0.7, 1.0, 1.9];
/// How many independent measurements one profile is worth; set from generated title pages, see docs/PERFORMANCE.md.
const WORTH: f64 = 25.0;
/// How far from where the search begins the angle may lie, and the steps of the search, in degrees.
const REACH: f64 = 1.0;
const STEP: f64 = 0.02;
/// Print that lies along its sheet: share of sheets, and how well the edges tell, in degrees.
const ALONG: (f64, f64) = (0.55, 0.04);
/// Print askew on its sheet, in degrees.
const ASKEW: f64 = 0.25;
/// Within this the confidence promises the angle to lie, in degrees.
const PROMISED: f64 = 0.1;

/// `ink` has the page's columns as rows; `text` and `confidence` come from the coarse search, `edges` from the sheet.
pub(super) fn find(ink: &Grey, text: f64, confidence: f64, edges: Option<f64>) -> Skew {
    let middle = edges.unwrap_or(text);
    let start = middle as f32;
    let strips = Strips::new(ink, FINE_STRIP, Axis::Rows.slope(start), 0.02);
    let mut profile = vec![0; strips.len];
    let offsets = (-(REACH / STEP) as i32..=(REACH / STEP) as i32).map(|i| f64::from(i) * STEP);
    let mut grid: Vec<(f64, f64)> = offsets
        .map(|offset| {
            strips.project(
                Axis::Rows.slope(start + offset as f32) - Axis::Rows.slope(start),
                0..strips.count,
                &mut profile,
            );
            let smooth = |mm: f32| ((ink.dpi * mm / 25.4).round() as usize).max(1);
            let sharp: f64 = SCALES.iter().map(|&mm| energy(&profile, smooth(mm)).max(1.0).ln()).sum();
            (offset, WORTH * sharp + edges.map_or(0.0, |_| prior(offset).ln()))
        })
        .collect();
    let most = grid.iter().map(|g| g.1).fold(f64::MIN, f64::max);
    grid.iter_mut().for_each(|g| g.1 = (g.1 - most).exp());
    let top = grid.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0.0, |g| g.0);
    let near = |reach: f64, at: f64| grid.iter().filter(move |g| (g.0 - at).abs() <= reach + STEP / 2.0);
    let mass = |reach: f64, at: f64| near(reach, at).map(|g| g.1).sum::<f64>();
    let offset = near(1.5 * PROMISED, top).map(|g| g.0 * g.1).sum::<f64>() / mass(1.5 * PROMISED, top);
    let share = mass(PROMISED, offset) / mass(f64::MAX, 0.0);
    // Without edges the coarse search has to be trusted first.
    let trust = if edges.is_some() { 1.0 } else { confidence.sqrt() };
    Skew { angle: middle + offset, confidence: (share * trust).min(MOST) }
}

/// A few lines are never as sure as a page of them.
const MOST: f64 = 0.85;

/// How probable it is that print lies askew by so much on its sheet.
fn prior(offset: f64) -> f64 {
    let bell = |sigma: f64| (-0.5 * (offset / sigma).powi(2)).exp() / sigma;
    ALONG.0 * bell(ALONG.1) + (1.0 - ALONG.0) * bell(ASKEW)
}
