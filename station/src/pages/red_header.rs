//! Whether a page that was scanned in grey carries a red header: a row of large letters above the text of an official paper.
//! In grey the red is lost, but it does not become as dark as what is printed black below: large strokes that all have one and
//! the same middle level tell it.

use super::geometry::Grey;

/// The header stands in this share of the sheet, from its top.
const UPPER: f64 = 0.42;
/// What is darker than this share of the paper is ink.
const INK: f32 = 0.8;
/// A letter, or a part of one, is so high, in mm, and at most so wide.
const HIGH_MM: (f32, f32) = (5.5, 28.0);
const WIDE_MM: f32 = 28.0;
/// Places within a stroke, with ink all around, that a letter must have to tell its level.
const CORES: u32 = 8;
/// So many letters or parts of letters must agree, within so much of the paper's level, over so many mm; so many of them are as
/// high as those of a header are, in mm.
const LETTERS: usize = 6;
const TALL: usize = 4;
const TALL_MM: f32 = 8.5;
const AGREE: f32 = 0.03;
const SPREAD_MM: f32 = 45.0;
/// They stand in one row: within so many mm, and what a slope of 15° adds.
const ROW_MM: f32 = 24.0;
const SLOPE: f32 = 0.27;
/// Red ink has a level between these shares of the paper's.
const RED: std::ops::Range<f32> = 0.24..0.6;
/// The page's black is darker by so much of the paper's level.
const BLACK_BELOW: f32 = 0.13;
/// Black is what so many of 10,000 places of the sheet reach.
const DARKEST: usize = 15;

/// A part of the sheet, in pixels: left, top, right, bottom.
pub(crate) type Area = (usize, usize, usize, usize);

/// A connected piece of ink.
struct Piece {
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
    level: f32,
}

impl Piece {
    fn height(&self) -> usize {
        self.bottom - self.top + 1
    }
}

/// `small` is the page at about 75 dpi, `fine` at twice that; `sheet` is the sheet's inside in pixels of `small`, `paper` its
/// level.
pub(crate) fn is_there(fine: &Grey, small: &Grey, sheet: Area, paper: u8) -> bool {
    let (left, top, right, bottom) = sheet;
    if right <= left + 8 || bottom <= top + 8 || paper == 0 {
        return false;
    }
    let lower = top + ((bottom - top) as f64 * UPPER) as usize;
    let mm = small.dpi / 25.4;
    let mut letters = pieces(small, (left, top, right, lower), paper);
    letters.retain(|piece| {
        let (high, wide) = (piece.height() as f32 / mm, (piece.right - piece.left) as f32 / mm);
        (HIGH_MM.0..HIGH_MM.1).contains(&high) && wide <= WIDE_MM && RED.contains(&piece.level)
    });
    letters.sort_by(|a, b| a.level.total_cmp(&b.level));
    // The largest group of letters with one level.
    let group = (0..letters.len())
        .map(|i| &letters[i..letters.partition_point(|l| l.level <= letters[i].level + 2.0 * AGREE)])
        .max_by_key(|group| group.len());
    let Some(group) = group.filter(|group| group.len() >= LETTERS) else { return false };
    let tall = group.iter().filter(|piece| piece.height() as f32 / mm >= TALL_MM).count();
    let extent = |from: fn(&Piece) -> usize, to: fn(&Piece) -> usize| {
        let from = group.iter().map(from).min().unwrap_or(0);
        let to = group.iter().map(to).max().unwrap_or(0);
        (to - from) as f32 / mm
    };
    let (wide, high) = (extent(|p| p.left, |p| p.right), extent(|p| p.top, |p| p.bottom));
    let in_a_row = wide >= SPREAD_MM && high <= ROW_MM + SLOPE * wide;
    let level = group[group.len() / 2].level;
    tall >= TALL && in_a_row && level - black(fine, sheet, paper) >= BLACK_BELOW
}

/// The level of what is printed black, as a share of the paper's.
fn black(fine: &Grey, (left, top, right, bottom): Area, paper: u8) -> f32 {
    let mut counts = [0usize; 256];
    let end = (2 * right).min(fine.width);
    for y in (2 * top..(2 * bottom).min(fine.height)).step_by(2) {
        fine.row(y)[(2 * left).min(end)..end].iter().for_each(|&v| counts[usize::from(v)] += 1);
    }
    let wanted = counts.iter().sum::<usize>() * DARKEST / 10_000;
    let mut sum = 0;
    let darkest = counts.iter().position(|count| {
        sum += count;
        sum > wanted
    });
    darkest.unwrap_or(255) as f32 / f32::from(paper)
}

/// The connected pieces of ink, and the level in the middle of their strokes as a share of the paper's.
fn pieces(small: &Grey, (left, top, right, bottom): Area, paper: u8) -> Vec<Piece> {
    let limit = (f32::from(paper) * INK) as u8;
    let (w, h) = (right - left, bottom - top);
    let mut ink: Vec<bool> = (top..bottom).flat_map(|y| small.row(y)[left..right].iter().map(|&v| v < limit)).collect();
    // A rim without ink: no neighbour lies outside.
    for x in 0..w {
        (ink[x], ink[(h - 1) * w + x]) = (false, false);
    }
    for y in 0..h {
        (ink[y * w], ink[y * w + w - 1]) = (false, false);
    }
    let inked = ink.clone();
    let mut found = Vec::new();
    let mut open = Vec::new();
    for start in 0..ink.len() {
        if !std::mem::take(&mut ink[start]) {
            continue;
        }
        open.push(start);
        let (mut from, mut to, mut low, mut high) = (w, 0, h, 0);
        let (mut cores, mut sum) = (0u32, 0u32);
        while let Some(at) = open.pop() {
            let (x, y) = (at % w, at / w);
            (from, to, low, high) = (from.min(x), to.max(x), low.min(y), high.max(y));
            let around = [at - 1, at + 1, at - w, at + w];
            if around.iter().all(|&next| inked[next]) {
                cores += 1;
                sum += u32::from(small.data[(top + y) * small.width + left + x]);
            }
            open.extend(around.into_iter().filter(|&next| std::mem::take(&mut ink[next])));
        }
        if cores >= CORES {
            let level = sum as f32 / cores as f32 / f32::from(paper);
            found.push(Piece { left: from, right: to, top: low, bottom: high, level });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::reduce;

    /// A page at 150 dpi with large letters at its top and small ones below.
    fn page(header: Option<u8>, text: u8) -> (Grey, Grey) {
        let (width, height) = (1_240, 1_754);
        let mut data = vec![230u8; width * height];
        let mut bar = |x: usize, y: usize, w: usize, h: usize, level: u8| {
            data.chunks_exact_mut(width).skip(y).take(h).for_each(|row| row[x..x + w].fill(level));
        };
        for letter in 0..10 {
            let x = 180 + letter * 90;
            if let Some(level) = header {
                bar(x, 260, 12, 90, level);
                bar(x, 340, 60, 10, level);
            }
        }
        for line in 0..25 {
            (0..60).for_each(|n| bar(180 + n * 15, 560 + line * 40, 4, 22, text));
        }
        let fine = Grey { width, height, dpi: 150.0, data };
        let small = reduce::halve(&fine);
        (fine, small)
    }

    fn found(header: Option<u8>, text: u8) -> bool {
        let (fine, small) = page(header, text);
        is_there(&fine, &small, (10, 10, 610, 865), 230)
    }

    #[test]
    fn large_letters_of_a_middle_level_above_black_text_are_a_red_header() {
        assert!(found(Some(81), 25));
        assert!(!found(Some(28), 25), "printed black");
        assert!(!found(Some(81), 80), "all of it is printed grey");
        assert!(!found(None, 25));
    }
}
