//! Pages with a few lines only, such as title pages. Their strokes say little about the angle and their lines not much
//! more, so that what is known about the sheet is weighed in: print lies along its sheet, or askew by a quarter of a
//! degree. The answer is the middle of the joint probability, and its confidence the share of that within 0.1°.

use super::{Axis, FINE_STRIP, Skew, Strips, energy, transposed};
use crate::pages::geometry::Grey;

/// Profiles are smoothed over these, from strokes to lines of writing, in mm.
const SCALES: [f32; 3] = [0.7, 1.0, 1.9];
/// How many independent measurements one profile is worth; set from generated title pages, see docs/PERFORMANCE.md.
const WORTH: f64 = 25.0;
/// The same for the profile that is not smoothed: it tells much of Latin, whose letters stand on a line, and little of Chinese,
/// whose strokes lean.
const WORTH_OF_STROKES: f64 = 5.0;
/// How far from where the search begins the angle may lie, and the steps of the search, in degrees.
const REACH: f64 = 1.0;
const STEP: f64 = 0.02;
/// Print that lies along its sheet: share of sheets, and how well the edges tell, in degrees.
const ALONG: (f64, f64) = (0.55, 0.04);
/// Pictures of the page lie nearer than this to its sheet or its lines, in degrees.
const ASTRAY: f64 = 0.75;
/// Lines that are as sure as this in the coarse search are print.
const DECIDED: f64 = 0.6;
/// Share of pages on which the stems deceive.
const DECEPTIVE: f64 = 0.05;
/// Print askew on its sheet, in degrees.
const ASKEW: f64 = 0.25;
/// Within this the confidence promises the angle to lie, in degrees.
const PROMISED: f64 = 0.1;

/// What is known of the page besides its lines.
pub(super) struct Known {
    /// Where the coarse search has found its best angle, and how sure that is.
    pub(super) text: f64,
    pub(super) confidence: f64,
    /// The angle of the sheet.
    pub(super) edges: Option<f64>,
    /// That was seen against a lid; otherwise by the shadows of its edges.
    pub(super) edges_seen: bool,
    /// The angle of the sides of pictures, and its standard deviation.
    pub(super) by_pictures: Option<(f64, f64)>,
}

/// Lines run along `axis`. `by_stems` tells what the strokes of the type say near an angle, if they say anything.
pub(super) fn find(ink: &Grey, axis: Axis, known: &Known, by_stems: impl FnOnce(f64) -> Option<(f64, f64)>) -> Skew {
    let near = |angle: f64, other: f64| (angle - other).abs() < ASTRAY;
    let decided = known.confidence > DECIDED;
    let (edges, by_pictures) = match (known.edges, known.by_pictures) {
        (Some(edges), Some(p)) if near(p.0, edges) => (Some(edges), Some(p)),
        // Lines and pictures agree against what was taken for shadows of the sheet's edges.
        (Some(_), Some(p)) if !known.edges_seen && decided && near(p.0, known.text) => (None, Some(p)),
        // Pictures that lie otherwise were glued in askew, or show through from the other side. Lines that are unsure of
        // themselves say nothing against them.
        (Some(edges), Some(_)) => (Some(edges), None),
        (None, Some(p)) if decided && !near(p.0, known.text) => (None, None),
        (edges, by_pictures) => (edges, by_pictures),
    };
    let middle = edges.or(by_pictures.map(|(angle, _)| angle)).unwrap_or(known.text);
    let by_stems = by_stems(middle);
    let count = (REACH / STEP) as i32;
    let mut grid: Vec<(f64, f64)> = (-count..=count)
        .map(|i| {
            let offset = f64::from(i) * STEP;
            let along = edges.map_or(0.0, |edges| prior(middle + offset - edges).max(f64::MIN_POSITIVE).ln());
            let beside = |(angle, sigma): (f64, f64)| -0.5 * ((middle + offset - angle) / sigma).powi(2);
            // Stems may be those of something else than the title.
            let stems = by_stems.map_or(0.0, |stems| (1.0 - DECEPTIVE).mul_add(beside(stems).exp(), DECEPTIVE).ln());
            (offset, along + by_pictures.map_or(0.0, beside) + stems)
        })
        .collect();
    add_lines(&mut grid, ink, axis, middle as f32);
    let most = grid.iter().map(|g| g.1).fold(f64::MIN, f64::max);
    grid.iter_mut().for_each(|g| g.1 = (g.1 - most).exp());
    let top = grid.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0.0, |g| g.0);
    let near = |reach: f64, at: f64| grid.iter().filter(move |g| (g.0 - at).abs() <= reach + STEP / 2.0);
    let mass = |reach: f64, at: f64| near(reach, at).map(|g| g.1).sum::<f64>();
    let offset = near(1.5 * PROMISED, top).map(|g| g.0 * g.1).sum::<f64>() / mass(1.5 * PROMISED, top);
    let share = mass(PROMISED, offset) / mass(f64::MAX, 0.0);
    // Without edges or pictures the coarse search has to be trusted first.
    let trust = if edges.is_some() || by_pictures.is_some() { 1.0 } else { known.confidence.sqrt() };
    Skew { angle: middle + offset, confidence: (share * trust).min(MOST) }
}

/// Adds what the lines along an axis say of each angle of the grid.
fn add_lines(grid: &mut [(f64, f64)], ink: &Grey, axis: Axis, start: f32) {
    // Strips are summed along rows.
    let turned = (axis == Axis::Rows).then(|| transposed(ink));
    let strips = Strips::new(turned.as_ref().unwrap_or(ink), FINE_STRIP, axis.slope(start), 0.02);
    let mut profile = vec![0; strips.len];
    for (offset, sum) in grid {
        strips.project(axis.slope(start + *offset as f32) - axis.slope(start), 0..strips.count, &mut profile);
        let sharp = |over: usize| energy(&profile, over).max(1.0).ln();
        let smooth = |mm: f32| ((ink.dpi * mm / 25.4).round() as usize).max(1);
        *sum += WORTH * SCALES.iter().map(|&mm| sharp(smooth(mm))).sum::<f64>() + WORTH_OF_STROKES * sharp(1);
    }
}

/// A few lines are never as sure as a page of them.
const MOST: f64 = 0.85;

/// How probable it is that print lies askew by so much on its sheet.
fn prior(offset: f64) -> f64 {
    let bell = |sigma: f64| (-0.5 * (offset / sigma).powi(2)).exp() / sigma;
    ALONG.0 * bell(ALONG.1) + (1.0 - ALONG.0) * bell(ASKEW)
}
