//! The coarse search: at which angle of ±15.6° writing runs, in rows or in columns, to a fifth of a degree.

use super::{Axis, Strips};
use crate::pages::{
    geometry::Grey,
    strips::{energy, energy_without},
};

const RANGE: f32 = 15.6;
const STEP: f32 = 0.2;
const STEPS: usize = 157;
pub(super) const STRIP: usize = 6;
/// Groups of strips that are scored apart.
const GROUPS: usize = 2;
/// Within this of what the sheet's edges say an angle counts for more, in degrees, and how much more.
pub(super) const NEARLY: f64 = 0.9;
const LIKELY: f64 = 1.5;
/// Peaks further than this many steps from the best are rivals.
const RIVAL: usize = 7;
/// A profile has so many steps at the edges of a page, a stripe of lid or a frame. Without them that of many lines is so many
/// times as sharp along the lines as elsewhere.
const EDGES: usize = 16;
const MANY: f64 = 2.0;
/// Rows that stand out by this are lines of writing.
const ROWS: f64 = 2.0;

/// What the coarse search has found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coarse {
    /// Degrees that straighten the page.
    pub(super) angle: f32,
    /// 0 to 1: how much less any other angle says.
    pub(super) confidence: f64,
    /// How much sharper rows are there than at most angles, as a share, and columns.
    pub(super) rows: f64,
    pub(super) columns: f64,
    /// Both, and more where it lies along the sheet.
    pub(super) peak: f64,
}

/// Searches `ink`. `sheet` is the angle of the sheet's edges, if they were seen: print lies along them, or nearly so.
pub(super) fn find(ink: &Grey, sheet: Option<f64>) -> Option<Coarse> {
    let rows = sharpness(ink, Axis::Rows);
    let mut columns = sharpness(ink, Axis::Columns);
    let weight =
        |i: usize| if sheet.is_some_and(|e| (f64::from(angle_of(i)) - e).abs() < NEARLY) { LIKELY } else { 1.0 };
    let most = |of: &dyn Fn(usize) -> f64| (0..STEPS).max_by(|&a, &b| of(a).total_cmp(&of(b))).unwrap_or(STEPS / 2);
    let mut best = most(&|i| (rows[i] + columns[i]) * weight(i));
    if columns[best] > rows[best] && !many_lines(ink, angle_of(best)) {
        // Columns tell of edges alone: rows of writing know better.
        let row = most(&|i| rows[i] * weight(i));
        if rows[row] > ROWS {
            columns.fill(0.0);
            best = row;
        }
    }
    // The sheet has its say in which peak it is, not in where that has its top.
    let plain = |i: usize| rows[i] + columns[i];
    let higher = |i: usize| {
        let beside = [i.checked_sub(1), Some(i + 1).filter(|&i| i < STEPS)];
        let next = beside.into_iter().flatten().max_by(|&a, &b| plain(a).total_cmp(&plain(b)));
        next.filter(|&next| plain(next) > plain(i))
    };
    let weighed = weight(best);
    best = std::iter::successors(Some(best), |&i| higher(i)).last().unwrap_or(best);
    let peak = plain(best) * weighed;
    let others = (0..STEPS).filter(|i| i.abs_diff(best) > RIVAL);
    let rival = others.map(|i| plain(i) * weight(i)).fold(0.0, f64::max);
    (peak > 1e-6).then(|| Coarse {
        angle: angle_of(best),
        confidence: (1.0 - rival / peak).max(0.0) * (peak / (peak + 0.3)),
        rows: rows[best],
        columns: columns[best],
        peak,
    })
}

fn angle_of(step: usize) -> f32 {
    -RANGE + step as f32 * STEP
}

/// How much sharper each angle is than most of them, as a share.
fn sharpness(ink: &Grey, axis: Axis) -> Vec<f64> {
    let strips = Strips::new(ink, axis, STRIP, 0.0, RANGE.to_radians().tan());
    let mut profile = vec![0; strips.len];
    let energies: Vec<f64> = (0..STEPS)
        .map(|i| {
            let slope = axis.slope(angle_of(i));
            let group = |g| strips.count * g / GROUPS..strips.count * (g + 1) / GROUPS;
            (0..GROUPS)
                .map(|g| {
                    strips.project_roughly(slope, group(g), &mut profile);
                    energy(&profile, 1)
                })
                .sum()
        })
        .collect();
    let mut sorted = energies.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[STEPS / 2].max(1e-9);
    energies.iter().map(|e| (e / median - 1.0).max(0.0)).collect()
}

/// Whether columns that stand out at an angle are many lines, and not the few edges of a page, a stripe of lid or a frame.
fn many_lines(ink: &Grey, degrees: f32) -> bool {
    let strips = Strips::new(ink, Axis::Columns, STRIP, 0.0, RANGE.to_radians().tan());
    let mut profile = vec![0; strips.len];
    let mut without_edges = |degrees: f32| {
        strips.project_roughly(Axis::Columns.slope(degrees), 0..strips.count, &mut profile);
        energy_without(&profile, EDGES)
    };
    let here = without_edges(degrees);
    let elsewhere = (0..STEPS).step_by(STEPS / 8).map(angle_of).filter(|e| (e - degrees).abs() > RIVAL as f32 * STEP);
    let mut elsewhere: Vec<f64> = elsewhere.map(without_edges).collect();
    elsewhere.sort_by(f64::total_cmp);
    here > MANY * elsewhere[elsewhere.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 620;
    const HEIGHT: usize = 877;

    /// A page of 75 dpi: dark where `at` says so of a place that many pixels from the middle, across and down.
    fn page(at: impl Fn(f64, f64) -> bool) -> Grey {
        let inked = |i: usize| at((i % WIDTH) as f64 - 310.0, (i / WIDTH) as f64 - 438.0);
        let data = (0..WIDTH * HEIGHT).map(|i| if inked(i) { 60 } else { 0 }).collect();
        Grey { width: WIDTH, height: HEIGHT, dpi: 75.0, data }
    }

    /// How a place lies on a page that is straightened by `degrees`.
    fn on_page(x: f64, y: f64, degrees: f64) -> (f64, f64) {
        let (sin, cos) = degrees.to_radians().sin_cos();
        (x * cos + y * sin, y * cos - x * sin)
    }

    /// Lines of writing with gaps between their words.
    fn writing(x: f64, y: f64, degrees: f64) -> bool {
        let (u, v) = on_page(x, y, degrees);
        let word = (v / 18.0).floor() * 7.0 + u;
        u.abs() < 240.0 && v.abs() < 360.0 && v.rem_euclid(18.0) < 7.0 && word.rem_euclid(23.0) < 17.0
    }

    #[test]
    fn a_stripe_of_lid_is_no_writing() {
        // A scanner of real life draws it along the scan, whatever the page does.
        let ink = page(|x, y| writing(x, y, -3.2) || (296.0..302.0).contains(&x));
        assert!((find(&ink, None).unwrap().angle + 3.2).abs() < 0.21, "{:?}", find(&ink, None));
        let alone = page(|x, _| (296.0..302.0).contains(&x));
        assert!(!many_lines(&alone, 0.0));
    }

    #[test]
    fn columns_of_writing_are_many_lines() {
        let ink = page(|x, y| {
            let (u, v) = on_page(x, y, 4.0);
            writing(0.6 * v, u, 0.0)
        });
        let found = find(&ink, None).unwrap();
        assert!((found.angle - 4.0).abs() < 0.21 && found.columns > found.rows, "{found:?}");
        assert!(many_lines(&ink, found.angle));
    }

    #[test]
    fn the_sheet_chooses_a_peak_and_does_not_move_it() {
        // Print 1.2° off its sheet; the sheet's own range ends half way.
        let ink = page(|x, y| writing(x, y, 1.8));
        let found = find(&ink, Some(0.6)).unwrap();
        assert!((found.angle - 1.8).abs() < 0.21, "{found:?}");
    }
}
