//! The edge of a torn or folded corner on a lid about as bright as the paper: faint and sharp like pencil, but beyond it lies
//! what lies beside the sheet.

use crate::pages::{geometry::Grey, paper::Sheet};

/// A corner is torn off by at most so many mm along its edges.
const MOST_MM: f64 = 30.0;
/// So far to both sides of the edge it is asked what lies there, out of its shadow, in mm.
const BESIDE_MM: [f64; 5] = [1.6, 1.9, 2.2, 2.5, 2.8];
/// Beside the sheet, so far out from its corner or its edges, lies the lid, in mm.
const OUTSIDE_MM: [f64; 5] = [2.0, 2.5, 3.0, 3.5, 4.0];
/// The lid differs from itself by no more levels than this, and from the paper by at least so many.
const LIKE: u8 = 5;
const STEP: u8 = 4;

/// Whether half of a patch of the ink's picture or more is an edge between paper and the lid that is seen beyond the nearest
/// corner of `sheet`. `small` has the size of the ink's picture; `dpi` is the scan's.
pub(super) fn is_edge(small: &Grey, sheet: &Sheet, patch: &[usize], dpi: f64) -> bool {
    let scale = f64::from(small.dpi) / dpi;
    let mm = f64::from(small.dpi) / 25.4;
    let quad = sheet.quad.map(|(x, y)| (x * scale, y * scale));
    let median = |(x, y): (f64, f64), (dx, dy): (f64, f64), at: [f64; 5]| {
        let level = |far: f64| {
            let (x, y) = (x + dx * far * mm, y + dy * far * mm);
            let inside = x >= 0.0 && y >= 0.0 && (x as usize) < small.width && (y as usize) < small.height;
            inside.then(|| small.row(y as usize)[x as usize])
        };
        let mut levels: Vec<u8> = at.into_iter().map(level).collect::<Option<_>>()?;
        levels.sort_unstable();
        Some(levels[levels.len() / 2])
    };
    let is_between = |i: &usize| -> Option<bool> {
        let at = ((i % small.width) as f64 + 0.5, (i / small.width) as f64 + 0.5);
        let far = |i: &usize| (quad[*i].0 - at.0).hypot(quad[*i].1 - at.1);
        let i = (0..4).min_by(|a, b| far(a).total_cmp(&far(b)))?;
        let corner = quad[i];
        // Away from the sheet, across each of the two edges that meet there.
        let away = |other: (f64, f64)| unit((corner.0 - other.0, corner.1 - other.1));
        let (first, second) = (away(quad[(i + 1) % 4]), away(quad[(i + 3) % 4]));
        let out = unit((first.0 + second.0, first.1 + second.1));
        let (beyond, before) = (median(at, out, BESIDE_MM)?, median(at, (-out.0, -out.1), BESIDE_MM)?);
        // The scan may end right beside the corner, but not beside both its edges.
        let along = |(dx, dy): (f64, f64)| (corner.0 - dx * MOST_MM * mm, corner.1 - dy * MOST_MM * mm);
        let mut lids = [(corner, out), (along(first), second), (along(second), first)].into_iter();
        let is_lid = lids.any(|(from, outward)| {
            let is_lid = |lid: u8| beyond.abs_diff(lid) <= LIKE && before.abs_diff(lid) >= STEP;
            median(from, outward, OUTSIDE_MM).is_some_and(is_lid)
        });
        Some(far(&i) < MOST_MM * mm && is_lid && before.abs_diff(beyond) >= STEP)
    };
    // A torn edge has teeth, behind which paper comes again.
    patch.iter().filter(|&i| is_between(i) == Some(true)).count() * 2 >= patch.len()
}

fn unit((x, y): (f64, f64)) -> (f64, f64) {
    let length = x.hypot(y).max(f64::MIN_POSITIVE);
    (x / length, y / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 300;

    /// The upper left corner of a sheet whose corner lies at 30, 30, torn off along a line, on a lid; with the patch of the
    /// shadow along the tear.
    fn torn(paper: u8, lid: u8, beyond: u8) -> (Grey, Sheet, Vec<usize>) {
        let mut small = Grey { width: WIDTH, height: WIDTH, dpi: 75.0, data: vec![lid; WIDTH * WIDTH] };
        let mut patch = Vec::new();
        for (i, v) in small.data.iter_mut().enumerate() {
            let (x, y) = (i % WIDTH, i / WIDTH);
            if x >= 30 && y >= 30 {
                *v = if x + y > 100 { paper } else { beyond };
            }
            if (100..=101).contains(&(x + y)) && (40..60).contains(&x) {
                *v = lid - 20;
                patch.push(i);
            }
        }
        let quad = [(30.0, 30.0), (290.0, 30.0), (290.0, 290.0), (30.0, 290.0)].map(|(x, y)| (x * 4.0, y * 4.0));
        (small, Sheet { quad, seen: [true; 4], angle: Some(0.0) }, patch)
    }

    #[test]
    fn a_torn_corners_edge_is_no_writing() {
        let (small, sheet, patch) = torn(250, 236, 236);
        assert!(is_edge(&small, &sheet, &patch, 300.0));
    }

    #[test]
    fn a_line_in_a_whole_corner_is_writing() {
        let (small, sheet, patch) = torn(250, 236, 250);
        assert!(!is_edge(&small, &sheet, &patch, 300.0), "paper lies beyond it");
        let (small, sheet, patch) = torn(240, 238, 238);
        assert!(!is_edge(&small, &sheet, &patch, 300.0), "nothing tells the lid from the paper");
        let (small, sheet, patch) = torn(236, 238, 240);
        assert!(!is_edge(&small, &sheet, &patch, 300.0), "paper that is shaded before its corner is no lid beyond it");
    }

    #[test]
    fn what_lies_far_from_a_corner_is_writing() {
        let (small, mut sheet, patch) = torn(250, 236, 236);
        sheet.quad[0] = (-300.0, -300.0);
        assert!(!is_edge(&small, &sheet, &patch, 300.0));
    }
}
