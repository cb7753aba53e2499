//! Two signatures laid over each other and compared tile by tile.

use super::signature::{DPI, Signature, UNKNOWN};

/// Column and row.
type Place = (usize, usize);
/// Across and down, in pixels.
type Shift = (isize, isize);

/// Side of a tile in pixels: 4 mm.
const TILE: usize = 6;
/// Tiles that show the same correlate at least so well.
const ALIKE: f32 = 0.7;
/// So far a tile may lie from where its neighbourhood lies, in pixels.
const NEAR: isize = 2;
/// So many tiles first look further, and say by how much the sheets lie apart.
const ANCHORS: usize = 120;
const ANCHOR_REACH: isize = 4;
/// Along a rule every place fits as well: of such the one nearest to where the whole page fits counts, a pixel farther by so much
/// less likeness.
const FARTHER: f32 = 0.005;
/// A tile with less than this share of the ink of the strongest tenth of them is empty, in 1/100: faint rules are seen in
/// one scan and not in the next.
const FAINT: u32 = 15;
/// And so is one with less than a rule of a quarter of full ink.
const LEAST_INK: u32 = 8_000;
/// Ink is what is darker than the paper by more than its grain, by about so much: faint ink of one scan may be none in another
/// with less contrast.
const GRAIN: f32 = 8.0;
/// Where more than this in parts of it does not show in both, what does must correlate so well on average; letters of one house
/// do up to 0.94. So much more of it says nothing.
const MUCH_HIDDEN: f32 = 0.4;
const REST_ALIKE: f32 = 0.96;
const MOST_HIDDEN: f32 = 6.0;
/// Fewer inked tiles than this cannot tell a sheet from another.
const LEAST: f32 = 12.0;
/// And with fewer than this a line of writing can be as long as another's: the tiles of one sheet correlate so well on average,
/// those of another text as high and as long up to 0.96.
const FEW: usize = 200;
const FEW_ALIKE: f32 = 0.966;
/// Tiles that may differ inside of the sheet, and one more of so many: dust, a tick of the pencil, rules at a tile's edge.
const MOST_INSIDE: usize = 1;
const ONE_MORE: usize = 1_000;
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

    /// How strong the other's ink is, in parts of mine.
    fn contrast(self) -> f32 {
        (self.theirs as f32 / self.mine.max(1) as f32).sqrt()
    }

    /// Whether ink that is seen here in one scan is strong enough to be seen in the other.
    fn shows_in_both(self, contrast: f32) -> bool {
        let strength = |energy: u32| (energy as f32 / (TILE * TILE) as f32).sqrt();
        let shows =
            |energy: u32, contrast: f32| contrast.min(1.0) * (strength(energy) + GRAIN) - GRAIN >= strength(LEAST_INK);
        shows(self.mine, contrast) || shows(self.theirs, 1.0 / contrast.max(f32::MIN_POSITIVE))
    }
}

/// By how much two sheets lie apart, place by place: angles are found to a few hundredths, and paper is not flat.
struct Shifts {
    size: Place,
    /// How strong the other's ink is, in parts of mine.
    contrast: f32,
    grid: [[Shift; Self::SIDE]; Self::SIDE],
}

impl Shifts {
    const SIDE: usize = 4;
    /// Anchors whose median counts at a place.
    const NEAREST: usize = 9;

    /// From what was found at some places.
    fn new(found: &[(Place, Shift)], contrast: f32, size: Place) -> Self {
        let middle = |i: usize, length: usize| length * (2 * i + 1) / (2 * Self::SIDE);
        let at = |x: usize, y: usize| {
            let (x, y) = (middle(x, size.0), middle(y, size.1));
            let mut near: Vec<_> = found.to_vec();
            near.sort_by_key(|((ax, ay), _)| ax.abs_diff(x).pow(2) + ay.abs_diff(y).pow(2));
            near.truncate(Self::NEAREST);
            let (mut across, mut down): (Vec<_>, Vec<_>) = near.into_iter().map(|(_, by)| by).unzip();
            let middle = across.len() / 2;
            (*across.select_nth_unstable(middle).1, *down.select_nth_unstable(middle).1)
        };
        Self { size, contrast, grid: std::array::from_fn(|y| std::array::from_fn(|x| at(x, y))) }
    }

    fn near(&self, (x, y): Place) -> Shift {
        let cell = |at: usize, length: usize| (at * Self::SIDE / length.max(1)).min(Self::SIDE - 1);
        self.grid[cell(y, self.size.1)][cell(x, self.size.0)]
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
    pub(super) fn shows_the_same_as(&self, other: &Self, about: Shift) -> bool {
        let mut energies: Vec<u32> = self.tiles().map(|at| self.energy(at)).filter(|&e| e > 0).collect();
        if energies.is_empty() {
            return false;
        }
        let (middle, tenth) = (energies.len() / 2, energies.len() - 1 - energies.len() / 10);
        let usual = *energies.select_nth_unstable(middle).1;
        let faint = (*energies.select_nth_unstable(tenth).1 / 100 * FAINT).max(LEAST_INK);
        let few = energies.iter().filter(|&&energy| energy > faint).count() < FEW;
        let Some(shifts) = self.anchored(other, about, usual.max(faint)) else { return false };
        let (mut inked, mut hidden, mut inside, mut at_border, mut alike) = (0, 0, 0, 0, 0.0);
        for at in self.tiles() {
            let by = shifts.near(at);
            let here = self.compare(other, at, by);
            if here.unknown || here.mine.max(here.theirs) <= faint {
                continue;
            }
            if !here.shows_in_both(shifts.contrast) {
                hidden += 1;
                continue;
            }
            inked += 1;
            let straight = here.correlation();
            let best = if straight < ALIKE || few { self.search(other, at, by, (NEAR, 0.0)).0 } else { straight };
            alike += best;
            if best >= ALIKE {
                continue;
            }
            if self.is_inner(at) {
                inside += 1;
                if inside > MOST_INSIDE + energies.len() / ONE_MORE {
                    return false;
                }
            } else {
                at_border += 1;
            }
        }
        let (inked, hidden) = (inked as f32, hidden as f32);
        let least = if few {
            FEW_ALIKE
        } else if hidden > MUCH_HIDDEN * inked {
            REST_ALIKE
        } else {
            0.0
        };
        inked >= LEAST
            && hidden <= MOST_HIDDEN * inked
            && alike >= least * inked
            && at_border as f32 <= MOST_AT_BORDER * inked
    }

    /// By how much `other` lies apart, as the strongest tiles tell; none if most of them are not found there.
    fn anchored(&self, other: &Self, about: Shift, usual: u32) -> Option<Shifts> {
        let strong: Vec<_> = self.tiles().filter(|&at| self.energy(at) >= usual).collect();
        let step = strong.len().div_ceil(ANCHORS).max(1);
        let anchors = strong.iter().step_by(step);
        let count = anchors.len();
        let mut found = Vec::with_capacity(count);
        for (looked, &at) in anchors.enumerate() {
            let (alike, by) = self.search(other, at, about, (ANCHOR_REACH, FARTHER));
            if alike >= ALIKE {
                found.push((at, by));
            } else if (looked + 1 - found.len()) * 2 > count {
                return None;
            }
        }
        let mut contrasts: Vec<_> = found.iter().map(|&(at, by)| self.compare(other, at, by).contrast()).collect();
        let middle = contrasts.len() / 2;
        contrasts.sort_unstable_by(f32::total_cmp);
        let contrast = *contrasts.get(middle)?;
        Some(Shifts::new(&found, contrast, (self.width, self.height)))
    }

    fn tiles(&self) -> impl Iterator<Item = Place> + use<> {
        let (width, height) = (self.width, self.height);
        (0..height.saturating_sub(TILE / 2))
            .step_by(TILE)
            .flat_map(move |y| (0..width.saturating_sub(TILE / 2)).step_by(TILE).map(move |x| (x, y)))
    }

    fn is_inner(&self, (x, y): Place) -> bool {
        let [left, top, right, bottom] = self.inner;
        x >= left && y >= top && x + TILE <= right && y + TILE <= bottom
    }

    fn energy(&self, (left, top): Place) -> u32 {
        let rows = (top..(top + TILE).min(self.height)).map(|y| &self.ink[y * self.width..][..self.width]);
        rows.flat_map(|row| &row[left..(left + TILE).min(row.len())]).map(|&v| u32::from(v) * u32::from(v)).sum()
    }

    /// The best place within `reach` of a shift, a pixel `farther` from it counted as so much less alike, and the correlation there.
    fn search(&self, other: &Self, at: Place, by: Shift, (reach, farther): (isize, f32)) -> (f32, Shift) {
        let shifts = (-reach..=reach).flat_map(|j| (-reach..=reach).map(move |i| (by.0 + i, by.1 + j)));
        let matches = shifts.map(|by| (self.compare(other, at, by).correlation(), by));
        let counts = |(alike, to): (f32, Shift)| alike - farther * ((to.0 - by.0).abs() + (to.1 - by.1).abs()) as f32;
        matches.max_by(|a, b| counts(*a).total_cmp(&counts(*b))).unwrap_or((0.0, by))
    }

    fn compare(&self, other: &Self, (left, top): Place, (dx, dy): Shift) -> Match {
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
