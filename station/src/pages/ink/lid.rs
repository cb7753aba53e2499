//! Where the dark lid is, whose edge and shadow are no writing.

use super::{CELL, paper_level};
use crate::pages::geometry::Grey;

/// The edge of a sheet and its shadow are so wide, in mm.
const EDGE_MM: f32 = 3.5;
/// A dark frame, as copies and films of pages have it, is solid in this share of its cells, fills no more than this share of the box
/// around it, and reaches over this share of the picture in one direction.
const SOLID: f64 = 0.9;
const HOLLOW: f64 = 0.35;
const REACHES: f64 = 0.8;

/// Cells of the dark lid around the sheet, and of a dark frame within the picture: widened, so that the sheet's edge with its shadow
/// goes, too.
pub(super) fn cells(grey: &Grey) -> Vec<bool> {
    let map = Cells::of(grey);
    let (wide, high) = (map.wide, map.dark.len() / map.wide);
    let mut seen = vec![false; map.dark.len()];
    let rim = (0..wide).flat_map(|x| [x, (high - 1) * wide + x]);
    let rim = rim.chain((0..high).flat_map(|y| [y * wide, y * wide + wide - 1]));
    let mut lid = map.spread(&mut seen, rim);
    for start in 0..seen.len() {
        let patch = map.spread(&mut seen, std::iter::once(start));
        if map.is_frame(&patch) {
            lid.extend(patch);
        }
    }
    let reach = ((EDGE_MM / 25.4 * grey.dpi) as usize / CELL).max(1);
    let mut masked = vec![false; seen.len()];
    for (x, y) in lid.into_iter().map(|i| (i % wide, i / wide)) {
        for row in y.saturating_sub(reach)..(y + reach + 1).min(high) {
            masked[row * wide + x.saturating_sub(reach)..row * wide + (x + reach + 1).min(wide)].fill(true);
        }
    }
    masked
}

/// Which cells of a picture are much darker than paper.
struct Cells {
    dark: Vec<bool>,
    wide: usize,
}

impl Cells {
    fn of(grey: &Grey) -> Self {
        let (wide, high) = (grey.width.div_ceil(CELL), grey.height.div_ceil(CELL));
        let paper = u32::from(paper_level(grey));
        let mut cells = vec![false; wide * high];
        for (cy, row) in cells.chunks_exact_mut(wide).enumerate() {
            for (cx, dark) in row.iter_mut().enumerate() {
                let (mut sum, mut n) = (0u32, 0);
                for y in (cy * CELL..((cy + 1) * CELL).min(grey.height)).step_by(2) {
                    let line = grey.row(y);
                    for &v in line[cx * CELL..((cx + 1) * CELL).min(grey.width)].iter().step_by(2) {
                        sum += u32::from(v);
                        n += 1;
                    }
                }
                *dark = sum * 10 < n * paper * 7;
            }
        }
        Self { dark: cells, wide }
    }

    /// The cells that hang together with those of `starts` and were not seen yet.
    fn spread(&self, seen: &mut [bool], starts: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut patch = Vec::new();
        let mut add = |patch: &mut Vec<usize>, i: usize| {
            if self.dark[i] && !seen[i] {
                seen[i] = true;
                patch.push(i);
            }
        };
        starts.for_each(|i| add(&mut patch, i));
        let mut next = 0;
        while let Some(&i) = patch.get(next) {
            next += 1;
            let x = i % self.wide;
            let beside = [(x > 0).then(|| i - 1), Some(i + 1).filter(|_| x + 1 < self.wide)];
            let near = beside.into_iter().chain([i.checked_sub(self.wide), Some(i + self.wide)]).flatten();
            near.filter(|&i| i < self.dark.len()).for_each(|i| add(&mut patch, i));
        }
        patch
    }

    /// Photographs are filled, and the rules of tables are thin.
    fn is_frame(&self, patch: &[usize]) -> bool {
        let high = self.dark.len() / self.wide;
        let extent = |of: &dyn Fn(usize) -> usize| {
            let ends = patch.iter().map(|&i| of(i)).fold((usize::MAX, 0), |(a, b), v| (a.min(v), b.max(v)));
            (ends.1 + 1).saturating_sub(ends.0) as f64
        };
        let (across, down) = (extent(&|i| i % self.wide), extent(&|i| i / self.wide));
        let reaches = across > REACHES * self.wide as f64 || down > REACHES * high as f64;
        let all = patch.len() as f64;
        reaches
            && all < HOLLOW * across * down
            && patch.iter().filter(|&&i| self.is_solid(i)).count() as f64 > SOLID * all
    }

    /// Whether a cell is one of four dark ones that make a square.
    fn is_solid(&self, i: usize) -> bool {
        let (x, y) = (i % self.wide, i / self.wide);
        let is = |x: usize, y: usize| x < self.wide && self.dark.get(y * self.wide + x).is_some_and(|&dark| dark);
        let square = |x: usize, y: usize| is(x, y) && is(x + 1, y) && is(x, y + 1) && is(x + 1, y + 1);
        let mut lefts = [Some(x), x.checked_sub(1)].into_iter().flatten();
        lefts.any(|left| [Some(y), y.checked_sub(1)].into_iter().flatten().any(|top| square(left, top)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::ink::tests::{SIZE, table};

    /// The share of the page that is masked when `dark` says of a place whether it is black.
    fn masked(dark: impl Fn(usize, usize) -> bool) -> f64 {
        let mut page = crate::pages::reduce::halve(&table(0.2));
        for (i, v) in page.data.iter_mut().enumerate() {
            if dark(i % SIZE.0, i / SIZE.0) {
                *v = 10;
            }
        }
        let cells = cells(&page);
        cells.iter().filter(|masked| **masked).count() as f64 / cells.len() as f64
    }

    #[test]
    fn a_dark_frame_within_a_fill_is_no_writing() {
        let within = |x: usize, y: usize, by: usize| (by..SIZE.0 - by).contains(&x) && (by..SIZE.1 - by).contains(&y);
        let share = masked(|x, y| within(x, y, 12) && !within(x, y, 40));
        assert!((0.2..0.3).contains(&share), "{share}");
        assert_eq!(masked(|x, y| within(x, y, 12) && !within(x, y, 16)), 0.0, "a rule");
        assert_eq!(masked(|x, y| within(x, y, 40)), 0.0, "a photograph");
        assert_eq!(masked(|x, y| (100..400).contains(&x) && (100..300).contains(&y)), 0.0, "a small one");
    }

    #[test]
    fn the_lid_is_masked_from_the_rim_on_and_its_shadow_with_it() {
        let share = masked(|x, _| x < 60);
        assert!((0.1..0.13).contains(&share), "{share}");
        assert_eq!(masked(|_, _| false), 0.0);
    }
}
