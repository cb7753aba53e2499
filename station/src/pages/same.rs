//! Whether two scans show the same sheet: moved, turned a little, brighter or darker. Forms that differ in their entries
//! only are different sheets.
//!
//! A signature is the page's ink, straightened and reduced. Three questions, each dearer than the one before and asked
//! only if that one said perhaps: do the profiles of rows and columns match somewhere; does the ink match at one of those
//! places; and does it match tile by tile. Two scans of one sheet agree in every tile; another entry in a form fills
//! tiles of its own.

mod signature;
mod tiles;

pub(crate) use signature::Signature;
use tiles::Blurred;

/// Sheets may lie so far apart on the glass, in pixels of a thumbnail: 32 mm.
const APART: isize = 24;
/// Profiles of one sheet correlate at least so well; so many of the best places are tried.
const PROFILES_ALIKE: f32 = 0.55;
const TRIES: usize = 6;
/// So does its ink as a whole. All limits come from generated pages, see docs/PERFORMANCE.md.
const THUMBNAILS_ALIKE: f32 = 0.6;
/// The rows of a form repeat: so many places where its ink is alike are looked at tile by tile, if they are not less alike
/// than the best by this.
const PLACES: usize = 3;
const MUCH_LESS: f32 = 0.2;

impl Signature {
    /// Whether both are the very same picture. Blank pages that a scanner thresholds to white are alike to the last pixel, and
    /// are not one sheet for that.
    pub(crate) fn is_same_picture(&self, other: &Self) -> bool {
        self.exact == other.exact && !self.shows_nothing()
    }

    /// Whether both show one sheet.
    pub(crate) fn is_same_sheet(&self, other: &Self) -> bool {
        if self.is_same_picture(other) {
            return true;
        }
        let (rows, columns) =
            (best_shifts(&self.profiles.0, &other.profiles.0), best_shifts(&self.profiles.1, &other.profiles.1));
        if rows.is_empty() || columns.is_empty() {
            return false;
        }
        let (mine, theirs) = (self.thumbnail(), other.thumbnail());
        let likeness = |by: (isize, isize)| (mine.likeness(&theirs, by), by);
        let every = rows.iter().flat_map(|&dy| columns.iter().map(move |&dx| (dx, dy)));
        let mut places: Vec<_> = every.map(likeness).collect();
        places.sort_by(|a, b| b.0.total_cmp(&a.0));
        let least = places.first().map_or(0.0, |(alike, _)| alike - MUCH_LESS);
        let near = |(x, y): (isize, isize)| {
            let around = (-1..=1).flat_map(|j| (-1..=1).map(move |i| (x + i, y + j)));
            around.map(likeness).max_by(|a, b| a.0.total_cmp(&b.0))
        };
        let likely = places.into_iter().take(PLACES).filter(|(alike, _)| *alike >= least);
        let mut likely =
            likely.filter_map(|(_, by)| near(by)).filter(|(alike, _)| *alike >= THUMBNAILS_ALIKE).peekable();
        if likely.peek().is_none() {
            return false;
        }
        let (mine, theirs) = (Blurred::of(self), Blurred::of(other));
        likely.any(|(_, (x, y))| mine.shows_the_same_as(&theirs, (2 * x, 2 * y)))
    }
}

/// By how much `b` may have to be moved to lie on `a`: the places where they correlate best, and well enough.
fn best_shifts(a: &[f32], b: &[f32]) -> Vec<isize> {
    let energy = |p: &[f32]| p.iter().map(|v| v * v).sum::<f32>().sqrt();
    let norm = (energy(a) * energy(b)).max(1.0);
    let match_at = |shift: isize| {
        let (skip, from) = if shift < 0 { (shift.unsigned_abs(), 0) } else { (0, shift.unsigned_abs()) };
        a.iter().skip(skip).zip(b.iter().skip(from)).map(|(a, b)| a * b).sum::<f32>() / norm
    };
    let matches: Vec<f32> = (-APART..=APART).map(match_at).collect();
    let is_top = |i: &usize| {
        let near = i.saturating_sub(1)..(i + 2).min(matches.len());
        matches[*i] >= PROFILES_ALIKE && near.into_iter().all(|j| matches[j] <= matches[*i])
    };
    let mut tops: Vec<usize> = (0..matches.len()).filter(is_top).collect();
    tops.sort_by(|&a, &b| matches[b].total_cmp(&matches[a]));
    tops.iter().take(TRIES).map(|&i| i as isize - APART).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::geometry::Grey;

    /// A page of 210 × 297 mm at 75 dpi: 30 lines of 26 characters from a seed, moved by (dx, dy). `entry` is written over
    /// one line, as into a form.
    fn ink(seed: u32, (dx, dy): (usize, usize), entry: Option<u32>) -> Grey {
        let (width, height) = (620, 877);
        let mut data = vec![0u8; width * height];
        let mut write = |seed: u32, line: usize, columns: std::ops::Range<usize>| {
            let mut state = seed.wrapping_mul(2_654_435_761) | 1;
            for column in columns {
                // A character of 16 × 16 pixels, of two random strokes.
                let (left, top) = (60 + column * 18 + dx, 80 + line * 25 + dy);
                (0..16).for_each(|y| data[(top + y) * width + left..][..16].fill(0));
                for _ in 0..2 {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let (at, along) = ((state >> 16) as usize % 15, state >> 28 & 1 == 1);
                    for (k, broad) in (0..16).flat_map(|k| [(k, at), (k, at + 1)]) {
                        let (x, y) = if along { (k, broad) } else { (broad, k) };
                        data[(top + y) * width + left + x] = 50;
                    }
                }
            }
        };
        (0..30).for_each(|line| write(seed * 100 + line as u32, line, 0..26));
        if let Some(entry) = entry {
            write(entry, 14, 12..22);
        }
        Grey { width, height, dpi: 75.0, data }
    }

    fn signature(ink: &Grey) -> Signature {
        let (w, h) = (ink.width as f64, ink.height as f64);
        Signature::new(Signature::fingerprint(ink), ink, |_| false, 0.0, &[(0.0, 0.0), (w, 0.0), (w, h), (0.0, h)])
    }

    #[test]
    fn a_sheet_moved_on_the_glass_is_the_same_and_another_text_is_not() {
        let first = signature(&ink(1, (0, 0), None));
        assert!(first.is_same_sheet(&signature(&ink(1, (0, 0), None))));
        assert!(first.is_same_sheet(&signature(&ink(1, (24, 16), None))));
        assert!(!first.is_same_sheet(&signature(&ink(2, (0, 0), None))));
    }

    #[test]
    fn forms_that_differ_in_one_entry_are_two_sheets() {
        let first = signature(&ink(1, (0, 0), Some(7)));
        assert!(first.is_same_sheet(&signature(&ink(1, (13, 9), Some(7)))));
        assert!(!first.is_same_sheet(&signature(&ink(1, (13, 9), Some(8)))));
        assert!(!first.is_same_sheet(&signature(&ink(1, (0, 0), None))));
    }

    /// Two lines in the middle of a page, 16 small letters each, from a seed.
    fn two_lines(seed: u32) -> Grey {
        let mut page = Grey { width: 620, height: 877, dpi: 75.0, data: vec![0; 620 * 877] };
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        for (line, letter, block) in (0..2).flat_map(|l| (0..16).flat_map(move |c| (0..20).map(move |p| (l, c, p)))) {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (x, y) = (200 + letter * 10 + block % 4 * 2, 300 + line * 20 + block / 4 * 2);
            if state >> 30 < 2 {
                (y..y + 2).for_each(|y| page.data[y * 620 + x..][..2].fill(55));
            }
        }
        page
    }

    #[test]
    fn two_lines_of_another_text_are_another_sheet_although_they_are_as_long() {
        let first = signature(&two_lines(1));
        assert!(first.is_same_sheet(&signature(&two_lines(1))));
        let others = (2..30).filter(|&seed| first.is_same_sheet(&signature(&two_lines(seed))));
        assert_eq!(others.collect::<Vec<u32>>(), Vec::<u32>::new());
    }

    /// A form: ruled each 22 pixels, with a few letters in each row, laid so much further right and lower.
    fn form((dx, dy): (usize, usize)) -> Grey {
        let mut page = ink(5, (dx, dy), None);
        for y in 0..page.height {
            let row = &mut page.data[y * page.width..][..page.width];
            let on_form = (60 + dy..700 + dy).contains(&y);
            if on_form && (y - dy).is_multiple_of(22) {
                row[60 + dx..500 + dx].fill(40);
            } else {
                row[180 + dx..].fill(0);
            }
        }
        page
    }

    #[test]
    fn a_form_is_found_wherever_its_rules_fall_between_the_pixels() {
        let first = signature(&form((0, 0)));
        let moved = (0..24).map(|dy| (dy * 5 % 24, dy));
        let missed = moved.filter(|&by| !first.is_same_sheet(&signature(&form(by))));
        assert_eq!(missed.collect::<Vec<_>>(), Vec::new());
    }

    #[test]
    fn thick_rules_do_not_say_where_along_them_a_form_lies() {
        let drawn = |(dx, dy): (usize, usize), entry: usize| {
            let mut page = Grey { width: 620, height: 877, dpi: 75.0, data: vec![0; 620 * 877] };
            for (y, x) in (0..720).flat_map(|y| (0..480).map(move |x| (y, x))) {
                let rule = y % 72 < 3 || x % 160 < 3;
                let letter =
                    y % 72 > 30 && y % 72 < 42 && x % 160 > 20 && x % 160 < 50 && (x / 2 * 7 + y / 2 * 3) % 5 < 2;
                let entered = (300..312).contains(&y) && (190..190 + entry).contains(&x) && (x / 3 * 2 + y / 3) % 5 < 3;
                if rule || letter || entered {
                    page.data[(60 + dy + y) * 620 + 60 + dx + x] = 60;
                }
            }
            page
        };
        let first = signature(&drawn((0, 0), 40));
        for by in (0..24).map(|dy| (dy * 5 % 24, dy)) {
            assert!(first.is_same_sheet(&signature(&drawn(by, 40))), "moved by {by:?}");
            assert!(!first.is_same_sheet(&signature(&drawn(by, 90))), "a longer entry, moved by {by:?}");
        }
    }

    #[test]
    fn what_is_too_faint_for_one_of_two_scans_does_not_part_them() {
        let dark = |page: &Grey, share: f32| {
            // Ink is what is darker than the paper by more than 8.
            let fainter = |&v: &u8| if v == 0 { 0 } else { ((f32::from(v) + 8.0) * share - 8.0).max(0.0) as u8 };
            Grey { data: page.data.iter().map(fainter).collect(), ..*page }
        };
        let mut page = ink(1, (0, 0), None);
        // A stamp in pale ink on a free place.
        (840..860).for_each(|y| page.data[y * 620 + 80..][..120].iter_mut().step_by(3).for_each(|v| *v = 20));
        (845..855).for_each(|y| page.data[y * 620 + 300..][..120].iter_mut().step_by(3).for_each(|v| *v = 20));
        let first = signature(&page);
        assert!(first.is_same_sheet(&signature(&dark(&page, 0.5))));
        assert!(signature(&dark(&page, 0.5)).is_same_sheet(&first));
        let other = dark(&ink(2, (0, 0), None), 0.5);
        assert!(!first.is_same_sheet(&signature(&other)));
    }

    #[test]
    fn blank_pages_are_not_taken_for_each_other_even_if_every_pixel_is_the_same() {
        let blank = |v: u8| Grey { width: 620, height: 877, dpi: 75.0, data: vec![v; 620 * 877] };
        let nothing = blank(0);
        let signature =
            |v| Signature::new(Signature::fingerprint(&blank(v)), &nothing, |_| false, 0.0, &[(0.0, 0.0); 4]);
        assert!(!signature(240).is_same_sheet(&signature(241)));
        assert!(!signature(240).is_same_sheet(&signature(240)));
    }

    #[test]
    fn a_signature_comes_back_from_its_bytes_and_other_bytes_are_refused() {
        let first = signature(&ink(3, (0, 0), None));
        let bytes = first.to_bytes();
        assert!(bytes.len() < 60_000, "{} bytes", bytes.len());
        assert_eq!(Signature::from_bytes(&bytes).unwrap(), first);
        for cut in [0, 1, 40, bytes.len() - 1] {
            assert!(Signature::from_bytes(&bytes[..cut]).is_err(), "{cut} bytes");
        }
        let mut flat = bytes.clone();
        flat[17..19].fill(0);
        assert!(Signature::from_bytes(&flat).unwrap_err().to_string().contains("0 × "));
        let mut other = bytes.clone();
        other[0] = 9;
        assert!(Signature::from_bytes(&other).unwrap_err().to_string().contains("version 9"));
    }
}
