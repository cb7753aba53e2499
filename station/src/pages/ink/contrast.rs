//! Pale scans beside dark ones.

use super::{DARKEST, InkMap, MOST, NEVER, reached_by, sample};
use crate::pages::{
    geometry::Grey,
    holes::{HOLE, Hole},
};
use std::borrow::Cow;

/// Print on a scan of full contrast is darker than its paper by at least so much. Where the darkest of a page is less, all of
/// it is stretched, but not more than so many times.
const FULL_CONTRAST: f32 = 100.0;
const MOST_STRETCHED: f32 = 3.0;
/// A page whose darkest is less than this, or than so many times what its grain may be, holds no ink, and is not stretched; half as
/// much again, it is wholly.
const NO_INK: f32 = 20.0;
const GRAINS: f32 = 2.0;

impl InkMap {
    /// The coarse ink as a scan of full contrast would show it, so that a pale scan of a sheet can be laid beside a dark one.
    /// Of the lid that shows through `holes`, in a scan of `dpi`, nothing is learned.
    pub(crate) fn at_full_contrast(&self, holes: &[Hole], dpi: f64) -> Cow<'_, Grey> {
        let (grey, below) = (&self.grey.data, &self.below);
        let scale = dpi / f64::from(self.grey.dpi);
        let in_hole = |i: usize| {
            let place = ((i % self.grey.width) as f64 * scale, (i / self.grey.width) as f64 * scale);
            holes.iter().any(|hole| hole.covers(place, HOLE))
        };
        let darker = |i: usize| below[i] + self.threshold - i16::from(grey[i]);
        let dark = |i: usize| match darker(i).clamp(0, 255) as u8 {
            // Few are so dark: the others need not be asked.
            dark if f32::from(dark) >= NO_INK && in_hole(i) => 0,
            dark => dark,
        };
        let known = sample(&self.grey).filter(|&i| below[i] != NEVER);
        let darkest = f32::from(reached_by(known.map(dark), DARKEST));
        let no_ink = NO_INK.max(GRAINS * f32::from(self.threshold));
        let full = (FULL_CONTRAST / darkest.max(1.0)).clamp(1.0, MOST_STRETCHED);
        let stretched = 1.0 + (full - 1.0) * (2.0 * (darkest / no_ink - 1.0)).clamp(0.0, 1.0);
        if stretched == 1.0 {
            return Cow::Borrowed(&self.coarse);
        }
        let ink = |i: usize| (f32::from(darker(i)) * stretched) as i16 - self.threshold;
        let data = (0..grey.len()).map(|i| if below[i] == NEVER { 0 } else { ink(i).clamp(0, MOST) as u8 }).collect();
        Cow::Owned(Grey { data, ..self.coarse })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SIZE, table};
    use super::*;

    fn inked(ink: &Grey) -> f32 {
        ink.data.iter().filter(|&&v| v > 20).count() as f32
    }

    #[test]
    fn a_pale_scan_shows_the_ink_of_a_dark_one_and_a_hole_does_not_hide_that_it_is_pale() {
        let all = inked(&InkMap::new(&table(1.0)).at_full_contrast(&[], 300.0));
        let mut page = table(0.25);
        assert!(inked(&InkMap::new(&page).coarse) < all * 0.8);
        let holes = [400.0, 1_600.0].map(|y| Hole { x: 200.0, y, radius: 33.0 });
        for (i, v) in page.data.iter_mut().enumerate() {
            let place = ((i % (2 * SIZE.0)) as f64 * 2.0, (i / (2 * SIZE.0)) as f64 * 2.0);
            *v = if holes.iter().any(|hole| hole.covers(place, 1.0)) { 10 } else { *v };
        }
        let ink = InkMap::new(&page);
        let contrasted = inked(&ink.at_full_contrast(&holes, 300.0));
        assert!((contrasted / all - 1.0).abs() < 0.1, "{contrasted} of {all}");
        assert!(inked(&ink.at_full_contrast(&[], 300.0)) < all * 0.9);
    }

    #[test]
    fn the_grain_of_a_page_without_ink_is_not_stretched() {
        for grain in [4, 40, 80] {
            let mut state = 1u32;
            let mut random = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8 % grain
            };
            let mut page = table(0.0);
            // Coarse: four pixels alike.
            let cells: Vec<u8> = (0..SIZE.0 * SIZE.1).map(|_| random() / 2 + random() / 2).collect();
            let cell = |i: usize| cells[i / (2 * SIZE.0) / 2 * SIZE.0 + i % (2 * SIZE.0) / 2];
            page.data.iter_mut().enumerate().for_each(|(i, v)| *v -= cell(i));
            let ink = InkMap::new(&page);
            assert_eq!(ink.at_full_contrast(&[], 300.0).data, ink.coarse.data, "grain of {grain} levels");
        }
    }
}
