//! Whether two scans show the same sheet: moved, turned a little, brighter or darker. Forms that differ in their entries
//! only are different sheets, and rather is a sheet not recognised than two taken for one.
//!
//! A signature is the page's ink, straightened and reduced. Two signatures are laid over each other where their rows and
//! columns of ink match best, and compared tile by tile.

use super::geometry::Grey;
use sha2::{Digest, Sha256};

/// Pixels of a signature, per inch: fine enough to tell one character from another.
const DPI: f32 = 37.5;
/// Sheets may lie so far apart on the glass, in pixels of a signature: 20 mm.
const APART: isize = 30;
/// Profiles of one sheet correlate at least so well; so many of the best places are tried.
const PROFILES_ALIKE: f32 = 0.5;
const TRIES: usize = 3;
/// Tiles of 8 mm that show the same correlate at least so well, and so much of a sheet's ink lies in such tiles if it is
/// the same; from generated pages, see docs/PERFORMANCE.md.
const TILE: usize = 12;
const TILE_ALIKE: f32 = 0.65;
const ALIKE: f32 = 0.985;
/// A tile with less ink than this is empty: a sum of squares.
const FAINT: u32 = 2_000;
/// Less ink than this, as a share of a page, cannot be told apart.
const LEAST_INK: f32 = 0.000_5;

/// What a page is recognised by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Signature {
    /// Hash of the reduced picture: equal only if the scanner delivered the very same picture twice.
    pub(crate) exact: [u8; 32],
    width: usize,
    height: usize,
    ink: Vec<u8>,
    /// All its ink.
    total: f32,
    /// Ink of each row and column, less the mean.
    rows: Vec<f32>,
    columns: Vec<f32>,
}

impl Signature {
    /// `fine` is the page reduced, `ink` its ink, `degrees` what straightens it.
    pub(crate) fn new(fine: &Grey, ink: &Grey, degrees: f64) -> Self {
        let exact = Sha256::digest(&fine.data).into();
        let scale = f64::from(ink.dpi) / f64::from(DPI);
        let (width, height) = ((ink.width as f64 / scale) as usize + 1, (ink.height as f64 / scale) as usize + 1);
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (cx, cy) = (ink.width as f64 / 2.0, ink.height as f64 / 2.0);
        let mut reduced = vec![0; width * height];
        for (v, row) in reduced.chunks_exact_mut(width).enumerate() {
            for (u, out) in row.iter_mut().enumerate() {
                let (dx, dy) = ((u as f64 + 0.5) * scale - cx, (v as f64 + 0.5) * scale - cy);
                *out = around(ink, cx + dx * cos - dy * sin, cy + dx * sin + dy * cos);
            }
        }
        let rows = reduced.chunks_exact(width).map(|row| row.iter().map(|&v| f32::from(v)).sum()).collect();
        let mut columns = vec![0.0; width];
        for row in reduced.chunks_exact(width) {
            columns.iter_mut().zip(row).for_each(|(sum, &v)| *sum += f32::from(v));
        }
        let total = columns.iter().sum();
        Self { exact, width, height, ink: reduced, total, rows: centred(rows), columns: centred(columns) }
    }

    /// Whether both show one sheet.
    pub(crate) fn is_same_sheet(&self, other: &Self) -> bool {
        self.exact == other.exact || self.likeness(other) >= ALIKE
    }

    /// The share of ink that is alike, 0 to 1; 0 also where there is too little to compare.
    fn likeness(&self, other: &Self) -> f32 {
        let least = LEAST_INK * self.ink.len() as f32 * 60.0;
        if self.total < least || other.total < least {
            return 0.0;
        }
        let (rows, columns) = (best_shifts(&self.rows, &other.rows), best_shifts(&self.columns, &other.columns));
        let shifts = rows.iter().flat_map(|&dy| columns.iter().map(move |&dx| (dx, dy)));
        shifts.map(|by| self.alike(other, by)).fold(0.0, f32::max)
    }

    /// Cut into tiles, each laid on `other` where it matches best near `by`: the share of ink in tiles that match. Two
    /// forms match wherever nothing is filled in, so that the share of the rest is what tells them apart.
    fn alike(&self, other: &Self, by: (isize, isize)) -> f32 {
        let (mut all, mut same) = (0.0, 0.0);
        for top in (0..self.height).step_by(TILE) {
            for left in (0..self.width).step_by(TILE) {
                let near = (-1..=1).flat_map(|y| (-1..=1).map(move |x| (by.0 + x, by.1 + y)));
                let matches = near.map(|by| self.tile(other, (left, top), by));
                let Some(best) = matches.max_by(|a, b| a.correlation().total_cmp(&b.correlation())) else { continue };
                // A tile weighs as much as the darker of the two.
                let weight = (best.mine.max(best.theirs) as f32).sqrt();
                if best.mine.max(best.theirs) > FAINT {
                    all += weight;
                    same += if best.correlation() >= TILE_ALIKE { weight } else { 0.0 };
                }
            }
        }
        if all > 0.0 { same / all } else { 0.0 }
    }

    fn tile(&self, other: &Self, (left, top): (usize, usize), (dx, dy): (isize, isize)) -> Tile {
        let mut tile = Tile::default();
        for y in top..(top + TILE).min(self.height) {
            let mine = &self.ink[y * self.width + left..y * self.width + (left + TILE).min(self.width)];
            let theirs = y
                .checked_add_signed(dy)
                .filter(|&y| y < other.height)
                .map(|y| &other.ink[y * other.width..][..other.width]);
            for (x, &a) in mine.iter().enumerate() {
                let b = theirs.and_then(|row| row.get((left + x).checked_add_signed(dx)?)).copied().unwrap_or(0);
                let (a, b) = (u32::from(a), u32::from(b));
                tile.both += a * b;
                tile.mine += a * a;
                tile.theirs += b * b;
            }
        }
        tile
    }
}

/// Products of the ink of two tiles, added up.
#[derive(Debug, Clone, Copy, Default)]
struct Tile {
    both: u32,
    mine: u32,
    theirs: u32,
}

impl Tile {
    fn correlation(&self) -> f32 {
        self.both as f32 / (self.mine as f32 * self.theirs as f32).sqrt().max(1.0)
    }
}

fn centred(mut profile: Vec<f32>) -> Vec<f32> {
    let mean = profile.iter().sum::<f32>() / profile.len() as f32;
    profile.iter_mut().for_each(|v| *v -= mean);
    profile
}

/// The mean of the four pixels around a place.
fn around(ink: &Grey, x: f64, y: f64) -> u8 {
    let (col, row) = ((x - 0.5).floor(), (y - 0.5).floor());
    if col < 0.0 || row < 0.0 || col as usize + 1 >= ink.width || row as usize + 1 >= ink.height {
        return 0;
    }
    let at = row as usize * ink.width + col as usize;
    let (a, b) = (&ink.data[at..at + 2], &ink.data[at + ink.width..][..2]);
    ((u16::from(a[0]) + u16::from(a[1]) + u16::from(b[0]) + u16::from(b[1])) / 4) as u8
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
        let near = i.saturating_sub(2)..(i + 3).min(matches.len());
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

    /// A page of 210 × 297 mm at 75 dpi: lines of characters from a seed, moved by (dx, dy).
    fn ink(seed: u32, (dx, dy): (usize, usize)) -> Grey {
        let (width, height) = (620, 877);
        let mut data = vec![0u8; width * height];
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        // Characters of 8 × 8 pixels, of four random strokes each.
        for (line, column) in (0..30).flat_map(|line| (0..48).map(move |column| (line, column))) {
            for _ in 0..4 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (at, along) = ((state >> 29) as usize, state >> 28 & 1 == 1);
                for k in 0..8 {
                    let (x, y) = if along { (k, at) } else { (at, k) };
                    data[(80 + line * 25 + y + dy) * width + 60 + column * 10 + x + dx] = 50;
                }
            }
        }
        Grey { width, height, dpi: 75.0, data }
    }

    fn signature(ink: &Grey) -> Signature {
        Signature::new(ink, ink, 0.0)
    }

    #[test]
    fn a_sheet_moved_on_the_glass_is_the_same_and_another_text_is_not() {
        let first = signature(&ink(1, (0, 0)));
        assert!(first.is_same_sheet(&signature(&ink(1, (0, 0)))));
        assert!(first.is_same_sheet(&signature(&ink(1, (24, 16)))));
        assert!(!first.is_same_sheet(&signature(&ink(2, (0, 0)))));
    }

    #[test]
    fn blank_pages_are_not_taken_for_each_other_unless_every_pixel_is_the_same() {
        let blank = |v: u8| Grey { width: 620, height: 877, dpi: 75.0, data: vec![v; 620 * 877] };
        let nothing = blank(0);
        let signature = |v| Signature::new(&blank(v), &nothing, 0.0);
        assert!(!signature(240).is_same_sheet(&signature(241)));
        assert!(signature(240).is_same_sheet(&signature(240)));
    }
}
