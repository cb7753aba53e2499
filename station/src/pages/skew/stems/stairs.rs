//! Stems in black and white. Their sides lie on pixels: a side that leans is a stair, and of one that leans by less than a pixel
//! over its length there may be no step at all. A line put through such a side leans too little. So it is asked for each angle how
//! probable it is that the threshold makes just this stair of a straight side, wherever in a pixel that begins.

use super::{
    END, LENGTH_MM, LEVEL, Piece, Probable, REACH, Stem, UPRIGHT, WIDTH_MM, Way, follow, line,
    runs::{Run, columns, rows},
};
use crate::pages::geometry::{Grey, View};
use std::cmp::Reverse;

/// The threshold moves a side by so much by chance, in pixels, and anywhere in this share of rows.
const NOISE: f64 = 0.1;
const ANYWHERE: f64 = 0.01;
/// A straight stem's side is as probable as this a row, at its best angle.
const LIKELY: f64 = 0.5;
/// So many are read each way, the longest.
const MOST: usize = 100;
/// Rows in which a stem is wider or narrower by more than this than in most are crossed by another stroke, in pixels.
const CROSSED: f32 = 1.5;
/// Angles to both sides that are tried, and places in a pixel.
const ANGLES: i32 = 40;
const PLACES: f64 = 24.0;
/// The places of a straight side are no further apart than this, in pixels, at its own angle.
const FAR: f64 = 3.0;

/// The stems of a page that is thought to be straightened by about `near` degrees; `ink` is the ink of the page reduced.
pub(super) fn stems(page: &View<'_>, ink: &Grey, near: f64) -> Vec<Stem> {
    let mm = page.dpi as f32 / 25.4;
    let finer = (page.dpi as f32 / ink.dpi).max(1.0);
    let inked = |x: f32, y: f32| {
        let (x, y) = ((x / finer) as usize, (y / finer) as usize);
        x < ink.width && y < ink.height && ink.data[y * ink.width + x] > 0
    };
    let stairs = Stairs { mm, finer, near, chances: Chances::new() };
    let Some(rows) = rows(page, (LENGTH_MM.end * mm) as u32) else { return Vec::new() };
    let mut all = stairs.stems(&rows, UPRIGHT, inked);
    if let Some(columns) = columns(&rows, page.width) {
        all.append(&mut stairs.stems(&columns, LEVEL, |y, x| inked(x, y)));
    }
    all
}

/// How stairs are read.
struct Stairs {
    /// Pixels of the page in a mm, and how many lie on one of the page reduced.
    mm: f32,
    finer: f32,
    /// About where the page is straight, in degrees.
    near: f64,
    chances: Chances,
}

impl Stairs {
    /// Strokes that run across the lines (rows or columns) of which the black runs are given, where there is ink.
    fn stems(&self, lines: &[Vec<Run>], way: Way, inked: impl Fn(f32, f32) -> bool) -> Vec<Stem> {
        let pieces = lines.iter().zip(0u32..).map(|(runs, y)| {
            let pieces =
                runs.iter().map(|&(from, to)| Piece { middle: (from + to) as f32 / 2.0, width: (to - from) as f32 });
            pieces.filter(|piece| piece.width < WIDTH_MM * self.mm && inked(piece.middle, y as f32)).collect()
        });
        let mut all = follow(pieces, way.slope(self.near) as f32, self.finer);
        let length = LENGTH_MM.start * self.mm..LENGTH_MM.end * self.mm;
        all.retain(|pieces| length.contains(&(pieces.len() as f32)));
        all.sort_by_key(|pieces| Reverse(pieces.len()));
        all.truncate(MOST);
        all.iter().filter_map(|pieces| self.stem(pieces, way)).collect()
    }

    /// What a stem's sides say together, if they are straight.
    fn stem(&self, pieces: &[(usize, Piece)], way: Way) -> Option<Stem> {
        let end = (END as f32 * self.finer).ceil() as usize;
        if pieces.len() <= 3 * end {
            return None;
        }
        let pieces = &pieces[end..pieces.len() - end];
        let Stem { angle, probable: Probable::Bell(_, sigma), .. } = line(pieces, self.finer, way)? else {
            return None;
        };
        if (angle - self.near).abs() >= REACH {
            return None;
        }
        let mut widths: Vec<f32> = pieces.iter().map(|(_, piece)| piece.width).collect();
        let (_, &mut usual, _) = widths.select_nth_unstable_by(pieces.len() / 2, f32::total_cmp);
        let whole = || pieces.iter().filter(|(_, piece)| (piece.width - usual).abs() <= CROSSED);
        let side =
            |of: f32| whole().map(|&(y, piece)| (y as f64, f64::from(piece.middle + of * piece.width))).collect();
        let sides: [Vec<(f64, f64)>; 2] = [side(-0.5), side(0.5)];
        let step = REACH / f64::from(ANGLES);
        let angles = (-ANGLES..=ANGLES).map(|i| self.near + step * f64::from(i));
        let says = |angle| sides.iter().map(|side| self.chances.of(side, way.slope(angle))).sum::<f64>();
        let said: Vec<f64> = angles.map(says).collect();
        let best = said.iter().copied().fold(f64::MIN, f64::max);
        if best < LIKELY.ln() * (2 * sides[0].len()) as f64 {
            return None;
        }
        let weights: Vec<f64> = said.iter().map(|said| (said - best).exp()).collect();
        let all = weights.iter().sum::<f64>() * step;
        // As well as the stem itself lies along the page.
        let bell: Vec<f64> = (0..weights.len()).map(|i| Probable::Bell(0.0, sigma).at(i as f64 * step)).collect();
        let blurred = (0..weights.len()).map(|i| {
            let near = weights.iter().enumerate().map(|(j, weight)| (weight, bell[i.abs_diff(j)]));
            let (sum, bells) = near.fold((0.0, 0.0), |(sum, all), (weight, bell)| (sum + weight * bell, all + bell));
            sum / bells / all
        });
        let probable = Probable::Steps(self.near - REACH, step, blurred.collect());
        Some(Stem { angle, probable, voice: way.voice })
    }
}

/// How probable it is, as a logarithm, that the threshold puts a side on a pixel so many places away from it.
struct Chances([f64; ((FAR + 1.0) * PLACES) as usize + 1]);

impl Chances {
    fn new() -> Self {
        let below = |d: f64| 1.0 / (1.0 + (-1.702 * d / NOISE).exp());
        let chance = |d: f64| (below(d + 0.5) - below(d - 0.5)).max(ANYWHERE).ln();
        Self(std::array::from_fn(|i| chance(i as f64 / PLACES)))
    }

    /// How probable, as a logarithm, a side's places (row and pixel) are if it moves by `slope` a row.
    fn of(&self, side: &[(f64, f64)], slope: f64) -> f64 {
        let off = || side.iter().map(|&(y, x)| x - slope * (y - side[0].0));
        let (least, most) = off().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
        // So far apart no straight side has them.
        if most - least > FAR {
            return side.len() as f64 * ANYWHERE.ln();
        }
        let mut counts = [0.0f64; (FAR * PLACES) as usize + 1];
        off().for_each(|v| counts[((v - least) * PLACES).round() as usize] += 1.0);
        let counts = &counts[..=((most - least) * PLACES).round() as usize];
        // Wherever it begins, from half a pixel before the first to half a pixel behind the last.
        let half = (0.5 * PLACES) as usize;
        let begins = |place: usize| {
            let chances = counts.iter().enumerate().map(|(at, n)| n * self.0[(at + half).abs_diff(place)]);
            chances.sum::<f64>()
        };
        let all: Vec<f64> = (0..counts.len() + 2 * half).map(begins).collect();
        let best = all.iter().copied().fold(f64::MIN, f64::max);
        best + (all.iter().map(|v| (v - best).exp()).sum::<f64>() / PLACES).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sides of so many rows that move by `slope` a row, put on pixels with the threshold's noise; each begins elsewhere in a pixel.
    fn sides(slope: f64, rows: usize) -> Vec<Vec<(f64, f64)>> {
        let mut state = 1u32;
        let mut chance = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1u32 << 24) - 0.5
        };
        // Twelve even chances make a bell of standard deviation 1.
        let mut noise = || (0..12).map(|_| chance()).sum::<f64>() * NOISE;
        let mut side =
            |begins: f64| (0..rows).map(|y| (y as f64, (begins + slope * y as f64 + noise()).round())).collect();
        (0..256).map(|i| side(f64::from(i) / 256.0)).collect()
    }

    #[test]
    fn stairs_tell_the_slope_of_what_the_threshold_made_them_of() {
        let chances = Chances::new();
        for (slope, rows) in [(0.0, 60), (0.004, 60), (0.012, 40), (-0.03, 50), (0.17, 80)] {
            let sides = sides(slope, rows);
            let said = |slope: f64| sides.iter().map(|side| chances.of(side, slope)).sum::<f64>();
            let tried = (-60..=60).map(|i| slope + f64::from(i) * 0.0005);
            let found = tried.max_by(|&a, &b| said(a).total_cmp(&said(b))).unwrap();
            assert!((found - slope).abs() < 0.0011, "{found}, made of {slope}");
        }
    }

    #[test]
    fn a_side_that_no_line_makes_is_improbable_at_any_slope() {
        let chances = Chances::new();
        let bent: Vec<(f64, f64)> =
            (0..60).map(|y| (f64::from(y), (f64::from(y - 30).powi(2) / 90.0).round())).collect();
        let best = (-100..=100).map(|i| chances.of(&bent, f64::from(i) * 0.002)).fold(f64::MIN, f64::max);
        assert!(best < 60.0 * LIKELY.ln(), "{best}");
        let straight = &sides(0.01, 60)[5];
        assert!(chances.of(straight, 0.01) > 60.0 * LIKELY.ln());
    }
}
