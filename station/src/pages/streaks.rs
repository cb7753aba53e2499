//! Streaks: lines that dust on a feeder's glass or on the sensor draws along the scan, from its first row to its last, over
//! lid and sheet alike. Nothing that is on paper does that: rules end before the sheet does, and no sheet lies so straight.

use super::geometry::Grey;
use multiversion::multiversion;
use std::borrow::Cow;

/// A streak differs from what lies so far on both sides of it, in pixels of the reduced picture, by so many levels.
const BESIDE: usize = 3;
const DIFFERS: i16 = 5;
/// A streak with its soft sides, in mm.
const WIDE_MM: f64 = 1.2;
/// In so many of the rows that are looked at.
const SHARE: f32 = 0.9;
/// Every so many rows are looked at, and at least so many.
const EVERY: usize = 3;
const LEAST_ROWS: usize = 100;
/// Nearer to the scan's sides than this the edge of the sheet may run along the scan, in mm.
const SIDES_MM: f32 = 1.0;

/// Where streaks run, in mm from the scan's left side.
pub(crate) fn find(fine: &Grey) -> Vec<f64> {
    let mut rows = vec![0u16; fine.width];
    let looked = (0..fine.height).step_by(EVERY).inspect(|&y| count(&mut rows, fine.row(y))).count();
    if looked < LEAST_ROWS {
        return Vec::new();
    }
    let mm = fine.dpi / 25.4;
    let sides = (SIDES_MM * mm) as usize;
    let enough = (looked as f32 * SHARE) as u16;
    let mut places: Vec<f64> = Vec::new();
    let mut last = None;
    let inside = sides..fine.width.saturating_sub(sides);
    for (x, _) in rows.iter().enumerate().filter(|(x, rows)| inside.contains(x) && **rows >= enough) {
        // Neighbouring columns are one streak.
        if last.is_none_or(|last| x > last + BESIDE) {
            places.push((x as f64 + 0.5) / f64::from(mm));
        }
        last = Some(x);
    }
    places
}

/// A reduced picture without its streaks: what lies on both sides of each is joined.
pub(crate) fn without<'a>(picture: &'a Grey, streaks: &[f64]) -> Cow<'a, Grey> {
    let mut picture = Cow::Borrowed(picture);
    let mm = f64::from(picture.dpi) / 25.4;
    let beside = (WIDE_MM / 2.0 * mm).ceil() as usize;
    for x in streaks.iter().map(|at| (at * mm) as usize) {
        let (from, to) = (x.saturating_sub(beside), x + beside);
        if to < picture.width {
            let width = picture.width;
            for row in picture.to_mut().data.chunks_exact_mut(width) {
                let (left, right) = (i32::from(row[from]), i32::from(row[to]));
                let across = (to - from) as i32;
                for (i, v) in row[from..to].iter_mut().enumerate() {
                    *v = (left + (right - left) * i as i32 / across) as u8;
                }
            }
        }
    }
    picture
}

/// Counts in which columns this row differs from both sides, in the same direction.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn count(rows: &mut [u16], row: &[u8]) {
    let Some(n) = row.len().checked_sub(2 * BESIDE) else { return };
    let (left, here, right) = (&row[..n], &row[BESIDE..][..n], &row[2 * BESIDE..]);
    for i in 0..n {
        let (a, v, b) = (i16::from(left[i]), i16::from(here[i]), i16::from(right[i]));
        let darker = v + DIFFERS < a.min(b);
        let brighter = v > a.max(b) + DIFFERS;
        rows[BESIDE + i] += u16::from(darker | brighter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sheet on a dark lid at 150 dpi, with a rule down the sheet.
    fn sheet(streak: Option<usize>) -> Grey {
        let (width, height) = (800, 1_000);
        let mut data = vec![15; width * height];
        for (y, row) in data.chunks_exact_mut(width).enumerate() {
            if (40..960).contains(&y) {
                row[50..750].fill(225);
            }
            if (80..920).contains(&y) {
                row[300..303].fill(30);
            }
            if let Some(x) = streak {
                row[x..x + 2].iter_mut().for_each(|v| *v = (f32::from(*v) * 0.6 + 50.0) as u8);
            }
        }
        Grey { width, height, dpi: 150.0, data }
    }

    #[test]
    fn a_line_through_lid_and_sheet_is_a_streak_and_a_rule_on_the_sheet_is_not() {
        assert!(find(&sheet(None)).is_empty());
        let found = find(&sheet(Some(500)));
        assert_eq!(found.len(), 1);
        assert!((found[0] - 501.0 / 150.0 * 25.4).abs() < 0.3, "{found:?}");
    }

    #[test]
    fn without_its_streak_a_picture_is_as_it_would_have_been() {
        let streaky = sheet(Some(500));
        let mended = without(&streaky, &find(&streaky));
        assert_eq!(mended.data, sheet(None).data);
        assert!(matches!(without(&streaky, &[]), Cow::Borrowed(_)), "nothing is copied for nothing");
    }
}
