//! Stems: the straight strokes of type, upright ones and level ones. Of a title in three lines they tell the angle better than
//! the lines do, if the fount has them: those of Song's level strokes lean, Kai's are all bent, and a hand's are anything. So
//! each stem is taken for what it is: it lies as the page does, the better the longer and straighter it is, or it says nothing.

use crate::pages::{geometry::Grey, ink, strips::transposed};

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
/// A stem lies so well along the page, in degrees; as much worse as it is short and crooked; and in black and white, where its sides
/// lie on pixels and not where they lay, as much as so many pixels are over its length.
const SIGMA: f64 = 0.05;
const LIGHT: f64 = 30.0;
const ON_PIXELS: f64 = 0.105;
/// There a stem that leans by less than this, in degrees, was laid along the pixels by the threshold.
const LEANS: f64 = 0.01;
/// Share of stems that say nothing.
const MUTE: f64 = 0.5;
/// Level strokes lean alike in many a fount: they speak at half the voice of upright ones.
const LEVEL: f64 = 0.5;
/// A page in black and white has no more levels than this when it is reduced.
const LEVELS: usize = 40;

/// The stems of a page that is thought to be straightened by about `near` degrees. `ink` was found on `fine`.
pub(super) fn find(fine: &Grey, ink: &Grey, near: f64) -> Vec<Stem> {
    let mut seen = [false; 256];
    fine.data.iter().for_each(|&v| seen[usize::from(v)] = true);
    let bilevel = seen.iter().filter(|seen| **seen).count() <= LEVELS;
    let paper = ink::paper_level(fine);
    let mut all = stems((fine, ink), paper, near, Way { sign: -1.0, voice: 1.0, bilevel });
    all.append(&mut stems(
        (&transposed(fine), &transposed(ink)),
        paper,
        near,
        Way { sign: 1.0, voice: LEVEL, bilevel },
    ));
    all.retain(|stem| (stem.angle - near).abs() < REACH);
    all
}

/// How probable it is, as a logarithm, to find these stems on a page that is straightened by `angle`.
pub(super) fn probability(stems: &[Stem], angle: f64) -> f64 {
    let says = |stem: &Stem| {
        let bell = (-0.5 * ((stem.angle - angle) / stem.sigma).powi(2)).exp();
        let bell = bell / (stem.sigma * std::f64::consts::TAU.sqrt());
        stem.voice * ((1.0 - MUTE) * bell + MUTE / (2.0 * REACH)).ln()
    };
    stems.iter().map(says).sum()
}

/// A straight stroke.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stem {
    /// The degrees that straighten the page by it.
    angle: f64,
    /// How well it says so.
    sigma: f64,
    /// How much it is listened to.
    voice: f64,
}

/// How stems are read.
#[derive(Clone, Copy)]
struct Way {
    /// A stem's angle is this times the tangent of its lean per row.
    sign: f64,
    voice: f64,
    /// The page is black and white.
    bilevel: bool,
}

/// A stem being followed down the rows.
struct Followed {
    /// Middle and row of each piece.
    points: Vec<(f32, f32)>,
    x: f32,
    row: usize,
    width: f32,
}

/// Strokes that run down the rows.
fn stems((grey, ink): (&Grey, &Grey), paper: u8, near: f64, way: Way) -> Vec<Stem> {
    let mm = grey.dpi / 25.4;
    let slope = (way.sign * near.to_radians().tan()) as f32;
    let strongest = ink.data.iter().copied().max().unwrap_or(0);
    let strong = ((u32::from(strongest) * STRONG / 100) as u8).max(LEAST);
    let (mut open, mut done): (Vec<Followed>, Vec<Followed>) = (Vec::new(), Vec::new());
    for y in 0..grey.height {
        let mut pieces = pieces(ink.row(y), grey.row(y), strong, paper, (WIDTH_MM * mm) as usize);
        let mut going = Vec::with_capacity(open.len() + pieces.len());
        for mut stem in open.drain(..) {
            let expected = stem.x + slope * (y - stem.row) as f32;
            let fits = |&(_, &(x, width)): &(usize, &(f32, f32))| {
                (x - expected).abs() < ASTRAY && (width - stem.width).abs() <= (0.4 * stem.width).max(1.5)
            };
            let nearest = |a: &(usize, &(f32, f32)), b: &(usize, &(f32, f32))| {
                (a.1.0 - expected).abs().total_cmp(&(b.1.0 - expected).abs())
            };
            match pieces.iter().enumerate().filter(fits).min_by(nearest).map(|(i, _)| i) {
                Some(i) => {
                    let (x, width) = pieces.swap_remove(i);
                    stem.points.push((x, y as f32));
                    (stem.x, stem.row, stem.width) = (x, y, 0.7 * stem.width + 0.3 * width);
                    going.push(stem);
                }
                None if y - stem.row <= HIDDEN => going.push(stem),
                None => done.push(stem),
            }
        }
        going.extend(pieces.into_iter().map(|(x, width)| Followed { points: vec![(x, y as f32)], x, row: y, width }));
        open = going;
    }
    done.append(&mut open);
    done.iter().filter_map(|stem| fitted(&stem.points, LENGTH_MM.start * mm..LENGTH_MM.end * mm, way)).collect()
}

/// Middles and widths of the strokes that a row crosses.
fn pieces(ink: &[u8], grey: &[u8], strong: u8, paper: u8, widest: usize) -> Vec<(f32, f32)> {
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
                pieces.push((at / sum, (end - start) as f32));
            }
        }
    }
    pieces
}

/// The line through a stem's middles, if they lie on one.
fn fitted(points: &[(f32, f32)], length: std::ops::Range<f32>, way: Way) -> Option<Stem> {
    if !length.contains(&(points.len() as f32)) || points.len() <= 3 * END {
        return None;
    }
    let points = &points[END..points.len() - END];
    let n = points.len() as f32;
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f32>() / n, points.iter().map(|p| p.1).sum::<f32>() / n);
    let (mut yy, mut xy) = (0.0, 0.0);
    for (x, y) in points {
        yy += (y - my) * (y - my);
        xy += (y - my) * (x - mx);
    }
    let slope = xy / yy.max(1.0);
    let off = points.iter().map(|(x, y)| (x - mx - slope * (y - my)).powi(2)).sum::<f32>() / n;
    let off = off.sqrt();
    let weight = f64::from(yy.sqrt() / off.max(BEST));
    let angle = way.sign * f64::from(slope).atan().to_degrees();
    let on_pixels = if way.bilevel { (ON_PIXELS / f64::from(n)).to_degrees() } else { 0.0 };
    let laid = way.bilevel && angle.abs() < LEANS;
    (off <= STRAIGHT && !laid).then(|| Stem {
        angle,
        sigma: SIGMA.hypot(LIGHT / weight).hypot(on_pixels),
        voice: way.voice,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let found = best(&find(&fine, &ink, degrees + 0.4), degrees + 0.4);
            assert!((found - degrees).abs() < 0.03, "{found}, should be {degrees}");
        }
    }

    #[test]
    fn level_strokes_that_lean_are_outvoted() {
        let (fine, ink) = title(1.0, 0.5);
        let found = best(&find(&fine, &ink, 1.0), 1.0);
        assert!((found - 1.0).abs() < 0.03, "{found}");
    }

    #[test]
    fn in_black_and_white_stems_are_less_sure_and_those_along_the_pixels_say_nothing() {
        let bilevel = |degrees| {
            let (mut fine, ink) = title(degrees, 0.0);
            fine.data.iter_mut().for_each(|v| *v = if *v < 128 { 0 } else { 255 });
            find(&fine, &ink, degrees)
        };
        let grey = find(&title(2.0, 0.0).0, &title(2.0, 0.0).1, 2.0);
        let black = bilevel(2.0);
        let surest = |stems: &[Stem]| stems.iter().map(|stem| stem.sigma).fold(f64::MAX, f64::min);
        assert!(surest(&black) > surest(&grey), "{} and {}", surest(&black), surest(&grey));
        let none = bilevel(0.0);
        assert!(none.is_empty() && probability(&none, 1.0) == probability(&none, 2.0), "{none:?}");
    }
}
