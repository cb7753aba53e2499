//! Stems: the straight strokes of type, upright ones and level ones. Of a title in three lines they tell the angle better than
//! the lines do, if the fount has them: those of Song's level strokes lean, Kai's are all bent, and a hand's are anything. So
//! each stem is taken for what it is: it lies as the page does, the better the longer and straighter it is, or it says nothing.

mod runs;
mod stairs;

use crate::pages::{
    geometry::{Grey, View},
    ink,
    strips::transposed,
};
use platen_protocol::uplink::ColourMode;

/// A stem is at least so long and at most, and at most so wide, in mm.
const LENGTH_MM: std::ops::Range<f32> = 2.2..14.0;
const WIDTH_MM: f32 = 1.6;
/// From row to row its middle lies where it should within so many pixels, and a crossing stroke hides it for so many rows.
const ASTRAY: f32 = 1.2;
const HIDDEN: usize = 6;
/// Its middles lie on a line within so many pixels (root of the mean square); no line is known better than the other.
const STRAIGHT: f32 = 0.3;
const BEST: f32 = 0.1;
/// Its ends have serifs, in pixels.
const END: usize = 2;
/// Ink stronger than this share of the strongest is a stroke, in 1/100, and at least so strong.
const STRONG: u32 = 35;
const LEAST: u8 = 15;
/// Stems further than this from where the page is thought to lie are something else, in degrees.
const REACH: f64 = 1.2;
/// A stem lies so well along the page, in degrees; as much worse as it is short and crooked.
const SIGMA: f64 = 0.05;
const LIGHT: f64 = 30.0;
/// All together have the voice of so many at most: what the strokes of a fount have in common deceives more often the more of them
/// there are.
const HEARD: f64 = 20.0;
/// Share of stems that say nothing.
const MUTE: f64 = 0.5;
const UPRIGHT: Way = Way { sign: -1.0, voice: 1.0 };
/// Level strokes lean alike in many a fount: they speak at half the voice of upright ones.
const LEVEL: Way = Way { sign: 1.0, voice: 0.5 };
/// A page in black and white that is saved in grey has no more levels than this when it is reduced.
const LEVELS: usize = 40;

/// The stems of a page that is thought to be straightened by about `near` degrees. `fine` is the page reduced, `ink` what was found
/// on it.
pub(super) fn find(page: &View<'_>, fine: &Grey, ink: &Grey, near: f64) -> Vec<Stem> {
    let mut all = if page.mode == ColourMode::Lineart || is_black_and_white(fine) {
        stairs::stems(page, ink, near)
    } else {
        let paper = ink::paper_level(fine);
        let mut all = stems((fine, ink), paper, near, UPRIGHT);
        all.append(&mut stems((&transposed(fine), &transposed(ink)), paper, near, LEVEL));
        all
    };
    all.retain(|stem| (stem.angle - near).abs() < REACH);
    let share = (HEARD / all.iter().map(|stem| stem.voice).sum::<f64>()).min(1.0);
    all.iter_mut().for_each(|stem| stem.voice *= share);
    all
}

/// Whether a page in grey or colour is, looking at it reduced: what was thresholded and saved so.
fn is_black_and_white(fine: &Grey) -> bool {
    let mut seen = [false; 256];
    fine.data.iter().for_each(|&v| seen[usize::from(v)] = true);
    let levels = |seen: &[bool]| seen.iter().filter(|seen| **seen).count();
    levels(&seen) <= LEVELS && levels(&seen[..64]) > 0 && levels(&seen[192..]) > 0
}

/// How probable it is, as a logarithm, to find these stems on a page that is straightened by `angle`.
pub(super) fn probability(stems: &[Stem], angle: f64) -> f64 {
    let says = |stem: &Stem| stem.voice * ((1.0 - MUTE) * stem.probable.at(angle) + MUTE / (2.0 * REACH)).ln();
    stems.iter().map(says).sum()
}

/// A straight stroke.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stem {
    /// The degrees that straighten the page by it.
    angle: f64,
    probable: Probable,
    /// How much it is listened to.
    voice: f64,
}

/// How probable it is that a page is straightened by an angle, per degree.
#[derive(Debug, Clone, PartialEq)]
enum Probable {
    /// Around a middle, with this standard deviation.
    Bell(f64, f64),
    /// At the first of some angles, at one this much further, and so on.
    Steps(f64, f64, Vec<f64>),
}

impl Probable {
    fn at(&self, angle: f64) -> f64 {
        match self {
            Self::Bell(middle, sigma) => {
                (-0.5 * ((middle - angle) / sigma).powi(2)).exp() / (sigma * std::f64::consts::TAU.sqrt())
            }
            Self::Steps(first, step, values) => {
                let at = (angle - first) / step;
                let of = |i: f64| if i < 0.0 { 0.0 } else { values.get(i as usize).copied().unwrap_or(0.0) };
                let share = at - at.floor();
                of(at.floor()) * (1.0 - share) + of(at.floor() + 1.0) * share
            }
        }
    }
}

/// How stems are read.
#[derive(Clone, Copy)]
struct Way {
    /// A stem's angle is this times that of its lean.
    sign: f64,
    voice: f64,
}

impl Way {
    /// How many columns a stem moves a row, on a page that is straightened by so much.
    fn slope(self, degrees: f64) -> f64 {
        self.sign * degrees.to_radians().tan()
    }

    fn degrees(self, slope: f64) -> f64 {
        self.sign * slope.atan().to_degrees()
    }
}

/// What a row crosses of a stem.
#[derive(Clone, Copy)]
struct Piece {
    middle: f32,
    width: f32,
}

/// A stem being followed down the rows.
struct Followed {
    /// Each piece with its row.
    pieces: Vec<(usize, Piece)>,
    last: (usize, Piece),
}

/// Strokes that run down the rows.
fn stems((grey, ink): (&Grey, &Grey), paper: u8, near: f64, way: Way) -> Vec<Stem> {
    let mm = grey.dpi / 25.4;
    let strongest = ink.data.iter().copied().max().unwrap_or(0);
    let strong = ((u32::from(strongest) * STRONG / 100) as u8).max(LEAST);
    let rows = (0..grey.height).map(|y| pieces(ink.row(y), grey.row(y), strong, paper, (WIDTH_MM * mm) as usize));
    let all = follow(rows, way.slope(near) as f32, 1.0);
    all.iter().filter_map(|pieces| fitted(pieces, LENGTH_MM.start * mm..LENGTH_MM.end * mm, way)).collect()
}

/// Follows what rows cross from one to the next, on a picture so many times as fine as that of a scan in grey.
fn follow(rows: impl Iterator<Item = Vec<Piece>>, slope: f32, finer: f32) -> Vec<Vec<(usize, Piece)>> {
    let (hidden, astray) = ((HIDDEN as f32 * finer) as usize, ASTRAY * finer.sqrt());
    let (mut open, mut done): (Vec<Followed>, Vec<Followed>) = (Vec::new(), Vec::new());
    for (y, mut pieces) in rows.enumerate() {
        let mut going = Vec::with_capacity(open.len() + pieces.len());
        for mut stem in open.drain(..) {
            let (row, last) = stem.last;
            let expected = last.middle + slope * (y - row) as f32;
            let fits = |(_, piece): &(usize, &Piece)| {
                (piece.middle - expected).abs() < astray
                    && (piece.width - last.width).abs() <= (0.4 * last.width).max(1.5)
            };
            let off = |piece: &Piece| (piece.middle - expected).abs();
            let nearest = |a: &(usize, &Piece), b: &(usize, &Piece)| off(a.1).total_cmp(&off(b.1));
            match pieces.iter().enumerate().filter(fits).min_by(nearest).map(|(i, _)| i) {
                Some(i) => {
                    let piece = pieces.swap_remove(i);
                    stem.pieces.push((y, piece));
                    stem.last = (y, Piece { width: 0.7 * last.width + 0.3 * piece.width, ..piece });
                    going.push(stem);
                }
                None if y - row <= hidden => going.push(stem),
                None => done.push(stem),
            }
        }
        going.extend(pieces.into_iter().map(|piece| Followed { pieces: vec![(y, piece)], last: (y, piece) }));
        open = going;
    }
    done.append(&mut open);
    done.into_iter().map(|stem| stem.pieces).collect()
}

/// The strokes that a row crosses.
fn pieces(ink: &[u8], grey: &[u8], strong: u8, paper: u8, widest: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(start) = ink[from..].iter().position(|&v| v > strong).map(|at| from + at) {
        let end = ink[start..].iter().position(|&v| v <= strong).map_or(ink.len(), |at| start + at);
        from = end;
        if end - start <= widest {
            let (mut sum, mut at) = (0.0, 0.0);
            // With its soft sides.
            let first = start.saturating_sub(1);
            for (i, &v) in grey[first..(end + 1).min(grey.len())].iter().enumerate() {
                let weight = f32::from(paper.saturating_sub(v));
                sum += weight;
                at += weight * ((first + i) as f32 + 0.5);
            }
            if sum > 0.0 {
                pieces.push(Piece { middle: at / sum, width: (end - start) as f32 });
            }
        }
    }
    pieces
}

/// The line through a stem's middles, if they lie on one.
fn fitted(pieces: &[(usize, Piece)], length: std::ops::Range<f32>, way: Way) -> Option<Stem> {
    if !length.contains(&(pieces.len() as f32)) || pieces.len() <= 3 * END {
        return None;
    }
    line(&pieces[END..pieces.len() - END], 1.0, way)
}

fn line(pieces: &[(usize, Piece)], finer: f32, way: Way) -> Option<Stem> {
    let points = || pieces.iter().map(|&(y, piece)| (piece.middle / finer, y as f32 / finer));
    let n = pieces.len() as f32;
    let (mx, my) = (points().map(|p| p.0).sum::<f32>() / n, points().map(|p| p.1).sum::<f32>() / n);
    let (mut yy, mut xy) = (0.0, 0.0);
    for (x, y) in points() {
        yy += (y - my) * (y - my);
        xy += (y - my) * (x - mx);
    }
    let slope = xy / yy.max(1.0);
    let off = points().map(|(x, y)| (x - mx - slope * (y - my)).powi(2)).sum::<f32>() / n;
    let off = off.sqrt();
    let weight = f64::from((yy / finer).sqrt() / off.max(BEST));
    let angle = way.degrees(f64::from(slope));
    let probable = Probable::Bell(angle, SIGMA.hypot(LIGHT / weight));
    (off <= STRAIGHT).then_some(Stem { angle, probable, voice: way.voice })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::{
        skew::sparse::{self, Known},
        strips::Axis,
    };
    fn of_grey(fine: &Grey, ink: &Grey, near: f64) -> Vec<Stem> {
        let page = View::new(ColourMode::Grey, (fine.width, fine.height), fine.width, 150, &fine.data).unwrap();
        find(&page, fine, ink, near)
    }

    /// Characters of upright and level strokes at 150 dpi, turned; level ones lean by `lean` degrees more.
    fn title(degrees: f64, lean: f64) -> (Grey, Grey) {
        let (width, height) = (900usize, 500usize);
        let stroke = |x: f64, y: f64, angle: f64| {
            let (sin, cos) = angle.to_radians().sin_cos();
            (x * cos + y * sin, y * cos - x * sin)
        };
        let level = |i: usize| {
            let (x, y) = ((i % width) as f64 - 450.0, (i / width) as f64 - 250.0);
            let (u, v) = stroke(x, y, degrees);
            let (lu, lv) = stroke(x, y, degrees + lean);
            // A character is 10 mm high.
            let inside = u.abs() < 300.0 && v.abs() < 160.0 && v.rem_euclid(80.0) < 60.0;
            let upright = (u.rem_euclid(60.0) - 30.0).abs() - 2.5;
            let across = (lv.rem_euclid(50.0) - 25.0).abs() - 2.0;
            let far = if !inside {
                9.0
            } else if lu.rem_euclid(120.0) < 60.0 {
                upright
            } else {
                across
            };
            // A soft side of a pixel.
            (40.0 + 190.0 * far.clamp(0.0, 1.0)) as u8
        };
        let data: Vec<u8> = (0..width * height).map(|i| level(i).saturating_add((i % 7) as u8)).collect();
        let ink = data.iter().map(|&v| 225u8.saturating_sub(v).min(60)).collect();
        let grey = |data| Grey { width, height, dpi: 150.0, data };
        (grey(data), grey(ink))
    }

    fn best(stems: &[Stem], near: f64) -> f64 {
        let angles = (-100..=100).map(|i| near + f64::from(i) * 0.01);
        angles.max_by(|&a, &b| probability(stems, a).total_cmp(&probability(stems, b))).unwrap()
    }

    #[test]
    fn strokes_that_agree_tell_the_angle() {
        for degrees in [-7.3, -0.4, 2.1] {
            let (fine, ink) = title(degrees, 0.0);
            let found = best(&of_grey(&fine, &ink, degrees + 0.4), degrees + 0.4);
            assert!((found - degrees).abs() < 0.03, "{found}, should be {degrees}");
        }
    }

    #[test]
    fn level_strokes_that_lean_are_outvoted() {
        let (fine, ink) = title(1.0, 0.5);
        let found = best(&of_grey(&fine, &ink, 1.0), 1.0);
        assert!((found - 1.0).abs() < 0.03, "{found}");
    }

    #[test]
    fn strokes_in_black_and_white_tell_the_angle_by_their_stairs() {
        for degrees in [-2.1, -0.4, 0.0, 0.25, 1.3] {
            let (fine, ink) = title(degrees, 0.0);
            let mut state = 1u32;
            let mut noise = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as i32 / 4 - 32
            };
            let bits: Vec<u8> = fine.data.iter().map(|&v| if i32::from(v) + noise() < 128 { 0 } else { 255 }).collect();
            let page = View::new(ColourMode::Grey, (fine.width, fine.height), fine.width, 150, &bits).unwrap();
            let fine = Grey { data: bits.clone(), ..fine };
            let near = degrees + 0.3;
            let found = best(&find(&page, &fine, &ink, near), near);
            assert!((found - degrees).abs() < 0.06, "{found}, should be {degrees}");
        }
    }

    #[test]
    fn stems_outvote_a_picture_that_shows_through_from_the_other_side() {
        let (fine, ink) = title(1.0, 0.0);
        let page = View::new(ColourMode::Grey, (fine.width, fine.height), fine.width, 150, &fine.data).unwrap();
        let known =
            Known { text: 1.2, confidence: 0.6, edges: None, edges_seen: false, by_pictures: Some((1.65, 0.03)) };
        let found = sparse::find(&page, &fine, &ink, Axis::Rows, &known).angle;
        assert!((found - 1.0).abs() < 0.05, "{found}");
    }
}
