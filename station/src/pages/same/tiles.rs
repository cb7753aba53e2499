//! Two signatures laid over each other and compared tile by tile.

use super::signature::{DPI, Signature, UNKNOWN};

/// Side of a tile in pixels: 4 mm.
const TILE: usize = 6;
/// Tiles that show the same correlate at least so well.
const ALIKE: f32 = 0.7;
/// So far a tile may lie from where it should, in pixels: paper is not flat, and angles are found to a few hundredths.
const NEAR: isize = 2;
/// So many tiles first look further, and say by how much the sheets really lie apart.
const ANCHORS: usize = 48;
const ANCHOR_REACH: isize = 4;
/// A tile with less than this share of the ink of the strongest tenth of them is empty, in 1/100: faint rules are seen in
/// one scan and not in the next.
const FAINT: u32 = 10;
/// And so is one with less than a rule of a quarter of full ink.
const LEAST_INK: u32 = 8_000;
/// Fewer inked tiles than this cannot tell a sheet from another.
const LEAST: usize = 12;
/// Tiles that may differ inside of the sheet: dust and a tick of the pencil.
const MOST_INSIDE: usize = 2;
/// At the sheet's border torn paper, folded corners and shadows differ between scans: in so many mm, such a share.
const BORDER_MM: f32 = 15.0;
const MOST_AT_BORDER: f32 = 0.04;

/// The ink of a signature, smoothed over 3 × 3 pixels so that a shift by half a pixel does not matter.
pub(super) struct Blurred {
    width: usize,
    height: usize,
    ink: Vec<u8>,
    /// Where nothing is known of the ink.
    unknown: Vec<bool>,
    /// Left, top, right and bottom of the sheet without its border.
    inner: [usize; 4],
}

/// Sums of products over a tile.
#[derive(Clone, Copy, Default)]
struct Match {
    both: u32,
    mine: u32,
    theirs: u32,
    unknown: bool,
}

impl Match {
    fn correlation(self) -> f32 {
        self.both as f32 / (self.mine as f32 * self.theirs as f32).sqrt().max(1.0)
    }
}

impl Blurred {
    pub(super) fn of(signature: &Signature) -> Self {
        let (width, height, mut levels) = (signature.width, signature.height, signature.levels());
        let unknown: Vec<bool> = levels.iter().map(|&level| level == UNKNOWN).collect();
        levels.iter_mut().filter(|level| **level == UNKNOWN).for_each(|level| *level = 0);
        let mut ink = vec![0; levels.len()];
        for y in 1..height.saturating_sub(1) {
            let [a, b, c] = [y - 1, y, y + 1].map(|y| &levels[y * width..][..width]);
            // At most 16 × 14.
            let column = |x: usize| a[x] + 2 * b[x] + c[x];
            for x in 1..width.saturating_sub(1) {
                ink[y * width + x] = column(x - 1) + 2 * column(x) + column(x + 1);
            }
        }
        let border = (BORDER_MM * DPI / 25.4) as usize;
        let [left, top, right, bottom] = signature.sides.map(usize::from);
        let inner = [left + border, top + border, right.saturating_sub(border), bottom.saturating_sub(border)];
        Self { width, height, ink, unknown, inner }
    }

    /// Whether both show one sheet, if `other` lies about so far away.
    pub(super) fn shows_the_same_as(&self, other: &Self, about: (isize, isize)) -> bool {
        let mut energies: Vec<u32> = self.tiles().map(|at| self.energy(at)).filter(|&e| e > 0).collect();
        if energies.is_empty() {
            return false;
        }
        let (middle, tenth) = (energies.len() / 2, energies.len() - 1 - energies.len() / 10);
        let usual = *energies.select_nth_unstable(middle).1;
        let faint = (*energies.select_nth_unstable(tenth).1 / 100 * FAINT).max(LEAST_INK);
        let Some(by) = self.anchored(other, about, usual) else { return false };
        let (mut inked, mut inside, mut at_border) = (0, 0, 0);
        for at in self.tiles() {
            let here = self.compare(other, at, by);
            if here.unknown || here.mine.max(here.theirs) <= faint {
                continue;
            }
            inked += 1;
            if here.correlation() >= ALIKE || self.search(other, at, by, NEAR).0 >= ALIKE {
                continue;
            }
            if self.is_inner(at) {
                inside += 1;
                if inside > MOST_INSIDE {
                    return false;
                }
            } else {
                at_border += 1;
            }
        }
        inked >= LEAST && at_border as f32 <= MOST_AT_BORDER * inked as f32
    }

    /// By how much `other` lies apart, as the strongest tiles agree; none if most of them are not found there.
    fn anchored(&self, other: &Self, about: (isize, isize), usual: u32) -> Option<(isize, isize)> {
        let strong: Vec<_> = self.tiles().filter(|&at| self.energy(at) >= usual).collect();
        let step = strong.len().div_ceil(ANCHORS).max(1);
        let anchors = strong.iter().step_by(step);
        let count = anchors.len();
        let found = anchors.map(|&at| self.search(other, at, about, ANCHOR_REACH));
        let (mut across, mut down): (Vec<_>, Vec<_>) = found.filter(|(c, _)| *c >= ALIKE).map(|(_, by)| by).unzip();
        if across.is_empty() || across.len() * 2 < count {
            return None;
        }
        let middle = across.len() / 2;
        Some((*across.select_nth_unstable(middle).1, *down.select_nth_unstable(middle).1))
    }

    fn tiles(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (width, height) = (self.width, self.height);
        (0..height.saturating_sub(TILE / 2))
            .step_by(TILE)
            .flat_map(move |y| (0..width.saturating_sub(TILE / 2)).step_by(TILE).map(move |x| (x, y)))
    }

    fn is_inner(&self, (x, y): (usize, usize)) -> bool {
        let [left, top, right, bottom] = self.inner;
        x >= left && y >= top && x + TILE <= right && y + TILE <= bottom
    }

    fn energy(&self, (left, top): (usize, usize)) -> u32 {
        let rows = (top..(top + TILE).min(self.height)).map(|y| &self.ink[y * self.width..][..self.width]);
        rows.flat_map(|row| &row[left..(left + TILE).min(row.len())]).map(|&v| u32::from(v) * u32::from(v)).sum()
    }

    /// The best correlation within `reach` of a shift, and where it is.
    fn search(&self, other: &Self, at: (usize, usize), by: (isize, isize), reach: isize) -> (f32, (isize, isize)) {
        let shifts = (-reach..=reach).flat_map(|j| (-reach..=reach).map(move |i| (by.0 + i, by.1 + j)));
        let matches = shifts.map(|by| (self.compare(other, at, by).correlation(), by));
        matches.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, by))
    }

    fn compare(&self, other: &Self, (left, top): (usize, usize), (dx, dy): (isize, isize)) -> Match {
        let mut sums = Match::default();
        for y in top..(top + TILE).min(self.height) {
            let mine = &self.ink[y * self.width + left..y * self.width + (left + TILE).min(self.width)];
            let row = y.checked_add_signed(dy).filter(|&y| y < other.height);
            for (x, &a) in mine.iter().enumerate() {
                let place = row.zip((left + x).checked_add_signed(dx).filter(|&x| x < other.width));
                let place = place.map(|(y, x)| y * other.width + x);
                sums.unknown |= self.unknown[y * self.width + left + x] || place.is_none_or(|at| other.unknown[at]);
                let (a, b) = (u32::from(a), place.map_or(0, |at| u32::from(other.ink[at])));
                sums.both += a * b;
                sums.mine += a * a;
                sums.theirs += b * b;
            }
        }
        sums
    }
}
