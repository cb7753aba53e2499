//! Streaks: lines that dust on a feeder's glass or on the sensor draws along the scan, from its first row to its last, over
//! lid and sheet alike. Nothing that is on paper does that: rules end before the sheet does, and no sheet lies so straight.

use super::{geometry::Grey, ink};
use multiversion::multiversion;
use std::borrow::Cow;

/// A streak differs from what lies so far on both sides of it, in pixels of the reduced picture, by so many levels.
const BESIDE: usize = 3;
const DIFFERS: i16 = 5;
/// From its middle to what is none of it, in pixels of a picture of about 75 dpi.
const WIDE: usize = 2;
/// In so many of the rows that are looked at.
const SHARE: f32 = 0.9;
/// Every so many rows are looked at, and at least so many.
const EVERY: usize = 3;
const LEAST_ROWS: usize = 100;
/// Nearer to the scan's sides than this the edge of the sheet may run along the scan, in mm.
const SIDES_MM: f32 = 1.0;
/// On a dark lid, at most so many rows are looked at from the scan's upper and from its lower border on, at least so many of both
/// together (a sheet may lie flush at the top), and in at most so many of them a streak is not seen.
const LID_ROWS: usize = 60;
const LEAST_LID_ROWS: usize = 16;
const LID_MISSES: usize = 12;
/// A streak that darkens paper in at least this share of all rows may brighten a dark lid by less than its grain. In the mean over
/// at least so many rows of lid it is brighter than either side by so many levels, of which a row has at most so many.
const ON_PAPER: f32 = 0.2;
const LEAST_MEAN_ROWS: i32 = 48;
const BRIGHTER: i32 = 3;
const SPECK: i32 = 20;

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
    let dark = ink::paper_level(fine) / 2;
    let mut streaks: Vec<(usize, usize)> = Vec::new();
    let inside = sides.max(BESIDE)..fine.width.saturating_sub(sides.max(BESIDE));
    let some = (looked as f32 * ON_PAPER) as u16;
    let is_streak = |&x: &usize| {
        rows[x] >= enough
            || shines_on_the_lid(fine, x, dark)
            || rows[x] >= some && goes_on_over_the_lid(fine, x, dark, some)
    };
    for x in inside.filter(is_streak) {
        match streaks.last_mut() {
            // Neighbouring columns are one streak.
            Some((_, last)) if x <= *last + BESIDE => *last = x,
            _ => streaks.push((x, x)),
        }
    }
    streaks.into_iter().map(|(first, last)| (first + last + 1) as f64 / 2.0 / f64::from(mm)).collect()
}

/// The rows in which a dark lid lies on both sides of a column, from the scan's upper and from its lower border on, until the
/// sheet comes or so many rows were looked at.
fn on_lid(fine: &Grey, x: usize, dark: u8, most: usize) -> impl Iterator<Item = &[u8]> {
    let is_lid = move |row: &&[u8]| row[x - BESIDE].max(row[x + BESIDE]) < dark;
    let looked = (0..fine.height.min(most.saturating_mul(EVERY))).step_by(EVERY);
    let below = looked.clone().map(|y| fine.row(fine.height - 1 - y)).take_while(is_lid);
    looked.map(|y| fine.row(y)).take_while(is_lid).chain(below)
}

/// Whether a column is brighter than both sides wherever a dark lid lies between the sheet and the scan's upper and lower border:
/// a streak as bright as paper is seen on the lid alone.
fn shines_on_the_lid(fine: &Grey, x: usize, dark: u8) -> bool {
    let (mut lid, mut missed) = (0, 0);
    for row in on_lid(fine, x, dark, LID_ROWS) {
        lid += 1;
        missed += usize::from(i16::from(row[x]) <= i16::from(row[x - BESIDE].max(row[x + BESIDE])) + DIFFERS);
        // Most columns are none.
        if missed > LID_MISSES {
            return false;
        }
    }
    lid >= LEAST_LID_ROWS && missed as f32 <= lid as f32 * (1.0 - SHARE)
}

/// Whether a column is darker than both sides wherever paper lies there, in `some` rows at least, and brighter than both in the
/// mean where a dark lid does: an askew sheet's edge crosses it, so that it is on the sheet for a part of the scan only.
fn goes_on_over_the_lid(fine: &Grey, x: usize, dark: u8, some: u16) -> bool {
    let (mut paper, mut darker) = (0u16, 0u16);
    for row in (0..fine.height).step_by(EVERY).map(|y| fine.row(y)) {
        let beside = row[x - BESIDE].min(row[x + BESIDE]);
        if beside >= dark {
            paper += 1;
            darker += u16::from(i16::from(row[x]) + DIFFERS < i16::from(beside));
        }
    }
    if darker < some || f32::from(darker) < SHARE * f32::from(paper) {
        return false;
    }
    let (mut lid, mut above) = (0, [0; 2]);
    for row in on_lid(fine, x, dark, usize::MAX) {
        lid += 1;
        for (above, beside) in above.iter_mut().zip([row[x - BESIDE], row[x + BESIDE]]) {
            // One bright speck speaks for itself alone.
            *above += (i32::from(row[x]) - i32::from(beside)).clamp(-SPECK, SPECK);
        }
    }
    lid >= LEAST_MEAN_ROWS && above.iter().all(|&above| above >= BRIGHTER * lid)
}

/// A reduced picture without its streaks: what lies on both sides of each is joined.
pub(crate) fn without<'a>(picture: &'a Grey, streaks: &[f64]) -> Cow<'a, Grey> {
    let mut picture = Cow::Borrowed(picture);
    let mm = f64::from(picture.dpi) / 25.4;
    for x in streaks.iter().map(|at| (at * mm) as usize) {
        let (from, to) = (x.saturating_sub(WIDE), x + WIDE);
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
    use crate::pages::reduce::halve;

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
    fn a_streak_as_bright_as_the_paper_is_seen_on_the_lid_alone() {
        let bright = |from: usize, to: usize| {
            let mut sheet = sheet(None);
            (from..to).for_each(|y| sheet.data[y * 800 + 600..][..2].fill(230));
            sheet
        };
        assert_eq!(find(&bright(0, 1_000)).len(), 1);
        assert!(find(&bright(0, 960)).is_empty(), "on one side of the sheet alone");
        let mut flush = bright(0, 1_000);
        flush.data.drain(..40 * 800);
        flush.data.extend_from_within(920 * 800..);
        assert_eq!(find(&flush).len(), 1, "a sheet flush at the top");
        assert!(find(&bright(40, 960)).is_empty(), "on the sheet alone");
    }

    #[test]
    fn a_streak_that_leaves_an_askew_sheet_is_told_from_a_rule_by_what_it_does_to_the_lid() {
        // The sheet's right edge crosses column 600 half way down. In half of the lid's rows its grain hides the streak.
        let scan = |shade: u8, shine: i32| {
            let mut sheet = sheet(None);
            for (i, v) in sheet.data.iter_mut().enumerate() {
                let (x, y) = (i % 800, i / 800);
                let grain = (i.wrapping_mul(2_654_435_761) >> 7) as i32 % 13;
                let on_paper = (40..960).contains(&y) && (50..700 - y / 5).contains(&x);
                let streak = if (600..602).contains(&x) { shine } else { 0 };
                *v = match on_paper {
                    true if (600..602).contains(&x) => shade,
                    true => 225,
                    false => (15 + grain - 6 + streak).clamp(0, 255) as u8,
                };
            }
            find(&sheet)
        };
        let found = scan(160, 8);
        assert!(found.len() == 1 && (found[0] - 601.0 / 150.0 * 25.4).abs() < 0.3, "{found:?}");
        assert!(scan(160, 0).is_empty(), "a rule that ends with its sheet");
        assert!(scan(225, 8).is_empty(), "a ridge of the lid, that ends at the sheet");
    }

    #[test]
    fn without_its_streak_a_picture_is_as_it_would_have_been() {
        let small = |streak| halve(&sheet(streak));
        let mended = small(Some(501));
        let mended = without(&mended, &find(&sheet(Some(501))));
        assert_eq!(mended.data, small(None).data);
        assert!(matches!(without(&small(None), &[]), Cow::Borrowed(_)), "nothing is copied for nothing");
    }
}
