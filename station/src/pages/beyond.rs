//! What lies on the glass beside the sheet: nothing but a dark lid, another sheet, or light that leaks in under the lid.

use super::{geometry::Grey, paper::Sheet};

/// Side of the cells that are looked at, in pixels of a picture of about 75 dpi: 1 mm.
const CELL: usize = 3;
/// Nearer than this to the sheet its own edge shines, in mm.
const BESIDE_MM: f64 = 2.0;
/// Paper is at least so bright, in 1/100 of the sheet's own, and another sheet at least so large, in mm².
const PAPER: u32 = 70;
const SHEET_MM2: usize = 250;
/// Light is so much brighter than the lid, in levels, and leaks in along so many mm of the scan's border.
const LIGHT: u8 = 28;
const LEAK_MM: usize = 20;
/// A lid is at most so bright, in 1/100 of the paper, and seen on at least so many cells. Only on a dark one can paper and
/// light be told from it.
const LID: u32 = 85;
const DARK_LID: u32 = 60;
const LEAST_LID: usize = 30;
/// Between two sheets that were taken for one, a band of the lid runs from one side to the other, at least so large in mm²,
/// within so many levels of the lid's, and as near to both sides in mm.
const GAP_MM2: usize = 150;
const GAP_EVEN: u8 = 14;
const GAP_TO_SIDE_MM: f64 = 4.0;
/// An edge of paper falls by this share of its height within two cells, in 1/100; light fades.
const SHARP: u32 = 60;

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Beyond {
    /// Grey of the lid, if one is seen that is darker than paper.
    pub(crate) lid: Option<u8>,
    pub(crate) another_sheet: bool,
    pub(crate) light_leak: bool,
}

/// Looks beside the sheet in `small`, the reduced picture of a scan of `dpi`.
pub(crate) fn look(small: &Grey, paper: u8, sheet: &Sheet, dpi: f64) -> Beyond {
    if !sheet.seen.contains(&true) {
        return Beyond::default();
    }
    let cells = Cells::beside(small, sheet, dpi);
    let Some(lid) = cells.lid(paper) else { return Beyond::default() };
    if u32::from(lid) * 100 > u32::from(paper) * DARK_LID {
        return Beyond { lid: Some(lid), another_sheet: false, light_leak: false };
    }
    let sheet_level = (u32::from(paper) * PAPER / 100) as u8;
    let another_sheet = is_parted(small, sheet, dpi, lid)
        || cells
            .patches(|v| v >= sheet_level)
            .iter()
            .any(|patch| patch.len() >= SHEET_MM2 && cells.falls_sharply(patch, sheet_level, lid));
    let light = lid.saturating_add(LIGHT);
    let light_leak = cells
        .patches(|v| v >= light)
        .iter()
        .any(|patch| cells.at_border(patch) >= LEAK_MM && !cells.falls_sharply(patch, light, lid));
    Beyond { lid: Some(lid), another_sheet, light_leak }
}

/// Whether what was taken for one sheet is two: a band of the lid runs through it from side to side. A torn corner shows the
/// lid, too, but only along two sides that meet.
fn is_parted(small: &Grey, sheet: &Sheet, dpi: f64, lid: u8) -> bool {
    // Beside an edge that was not seen the lid itself lies within the scan.
    if sheet.seen != [true; 4] {
        return false;
    }
    let scale = dpi / f64::from(small.dpi);
    // The sheet's own edge is left out.
    let inside = sheet.inside(BESIDE_MM * dpi / 25.4);
    let cells = Cells::where_it(small, scale, |place| inside.holds(place));
    let near = GAP_TO_SIDE_MM * dpi / 25.4;
    cells.patches(|v| v.abs_diff(lid) <= GAP_EVEN).iter().any(|patch| {
        let mut reaches = [false; 4];
        for &i in patch {
            let distances = sheet.distances(cells.middle(i, scale));
            (0..4).for_each(|side| reaches[side] |= distances[side] < near);
        }
        patch.len() >= GAP_MM2 && (reaches[0] && reaches[2] || reaches[1] && reaches[3])
    })
}

/// A coarse picture of a part of the scan.
struct Cells {
    width: usize,
    height: usize,
    /// Grey, or nothing where it is not looked.
    levels: Vec<Option<u8>>,
}

impl Cells {
    fn beside(small: &Grey, sheet: &Sheet, dpi: f64) -> Self {
        let inside = sheet.inside(-BESIDE_MM * dpi / 25.4);
        Self::where_it(small, dpi / f64::from(small.dpi), |place| !inside.holds(place))
    }

    /// Cells whose middles, in pixels of the scan, are asked for.
    fn where_it(small: &Grey, scale: f64, asked: impl Fn((f64, f64)) -> bool) -> Self {
        let (width, height) = (small.width / CELL, small.height / CELL);
        let mut cells = Self { width, height, levels: Vec::new() };
        let level = |i: usize| {
            let (x, y) = (i % width, i / width);
            asked(cells.middle(i, scale)).then(|| small.row(y * CELL + CELL / 2)[x * CELL + CELL / 2])
        };
        cells.levels = (0..width * height).map(level).collect();
        cells
    }

    /// The middle of a cell, in pixels of the scan.
    fn middle(&self, i: usize, scale: f64) -> (f64, f64) {
        let middle = |i: usize| (i * CELL + CELL / 2) as f64 * scale;
        (middle(i % self.width), middle(i / self.width))
    }

    /// The median of what is dark.
    fn lid(&self, paper: u8) -> Option<u8> {
        let limit = u32::from(paper) * LID;
        let mut dark: Vec<u8> = self.levels.iter().flatten().copied().filter(|&v| u32::from(v) * 100 < limit).collect();
        let all = self.levels.iter().flatten().count();
        let middle = dark.len() / 2;
        (dark.len() >= LEAST_LID && dark.len() * 2 > all).then(|| *dark.select_nth_unstable(middle).1)
    }

    /// Connected patches of cells with such levels.
    fn patches(&self, wanted: impl Fn(u8) -> bool) -> Vec<Vec<usize>> {
        let is_wanted = |i: usize| self.levels[i].is_some_and(&wanted);
        let mut seen = vec![false; self.levels.len()];
        let mut patches = Vec::new();
        for start in 0..self.levels.len() {
            if seen[start] || !is_wanted(start) {
                continue;
            }
            seen[start] = true;
            let mut patch = vec![start];
            let mut next = 0;
            while let Some(&i) = patch.get(next) {
                next += 1;
                for near in self.around(i, 1).into_iter().flatten() {
                    if !seen[near] && is_wanted(near) {
                        seen[near] = true;
                        patch.push(near);
                    }
                }
            }
            patches.push(patch);
        }
        patches
    }

    /// The cells so far from this one: left, right, above, below.
    fn around(&self, i: usize, far: usize) -> [Option<usize>; 4] {
        let (x, y) = (i % self.width, i / self.width);
        let right = (x + far < self.width).then_some(i + far);
        let below = (y + far < self.height).then(|| i + far * self.width);
        [(x >= far).then(|| i - far), right, i.checked_sub(far * self.width), below]
    }

    /// Whether most of a patch's border to the lid is as steep as an edge of paper is.
    fn falls_sharply(&self, patch: &[usize], least: u8, lid: u8) -> bool {
        let (mut sharp, mut all) = (0, 0);
        for &i in patch {
            let here = self.levels[i].unwrap_or(lid);
            for (near, far) in self.around(i, 1).into_iter().zip(self.around(i, 2)) {
                let level = |i: Option<usize>| self.levels[i?];
                let (Some(near), Some(far)) = (level(near), level(far)) else { continue };
                if near < least {
                    all += 1;
                    let fall = u32::from(here.max(least).saturating_sub(far));
                    sharp += usize::from(fall * 100 >= u32::from(here - lid.min(here)) * SHARP);
                }
            }
        }
        sharp * 2 > all
    }

    /// How many of the cells of a patch lie at the scan's border.
    fn at_border(&self, patch: &[usize]) -> usize {
        let is_at_border = |&&i: &&usize| {
            let (x, y) = (i % self.width, i / self.width);
            x == 0 || y == 0 || x + 1 == self.width || y + 1 == self.height
        };
        patch.iter().filter(is_at_border).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sheet on a dark lid at 75 dpi, with something else on the glass.
    fn scan(other: impl Fn(usize, usize) -> Option<u8>) -> Beyond {
        let on_sheet = |x: usize, y: usize| (20..450).contains(&x) && (20..640).contains(&y);
        scan_of(|x, y| other(x, y).filter(|_| !on_sheet(x, y)))
    }

    /// The same with something on the sheet, too.
    fn scan_of(other: impl Fn(usize, usize) -> Option<u8>) -> Beyond {
        let (width, height) = (700, 900);
        let mut small = Grey { width, height, dpi: 75.0, data: vec![14; width * height] };
        for (i, v) in small.data.iter_mut().enumerate() {
            let (x, y) = (i % width, i / width);
            if let Some(level) = other(x, y) {
                *v = level;
            } else if (20..450).contains(&x) && (20..640).contains(&y) {
                *v = 225;
            }
        }
        let quad = [(80.0, 80.0), (1_800.0, 80.0), (1_800.0, 2_560.0), (80.0, 2_560.0)];
        look(&small, 225, &Sheet { quad, seen: [true; 4], angle: None }, 300.0)
    }

    #[test]
    fn a_lid_alone_is_told_with_its_grey() {
        assert_eq!(scan(|_, _| None), Beyond { lid: Some(14), another_sheet: false, light_leak: false });
    }

    #[test]
    fn a_second_sheet_is_seen_and_a_shred_of_paper_is_not() {
        let seen = scan(|x, y| ((500..640).contains(&x) && (100..400).contains(&y)).then_some(210));
        assert!(seen.another_sheet && !seen.light_leak, "{seen:?}");
        let seen = scan(|x, y| ((500..530).contains(&x) && (100..130).contains(&y)).then_some(210));
        assert!(!seen.another_sheet && !seen.light_leak, "{seen:?}");
        let seen = scan(|x, y| ((600..696).contains(&x) && (3..90).contains(&y)).then_some(210));
        assert!(seen.another_sheet && !seen.light_leak, "a millimetre from two of the scan's borders: {seen:?}");
    }

    #[test]
    fn two_sheets_that_were_taken_for_one_are_seen_and_a_torn_corner_is_one_sheet() {
        let gap = scan_of(|x, y| ((20..450).contains(&x) && (400..440).contains(&y)).then_some(16));
        assert!(gap.another_sheet, "{gap:?}");
        let torn = scan_of(|x, y| (x + y < 260).then_some(14));
        assert!(!torn.another_sheet, "{torn:?}");
        let printed = scan_of(|x, y| ((40..430).contains(&x) && (400..440).contains(&y)).then_some(16));
        assert!(!printed.another_sheet, "{printed:?}");
    }

    #[test]
    fn light_that_fades_from_the_border_is_a_leak() {
        let seen = scan(|x, y| (x > 560 && y > 300).then(|| (14 + (x - 560) * 180 / 140) as u8));
        assert!(seen.light_leak && !seen.another_sheet, "{seen:?}");
    }
}
