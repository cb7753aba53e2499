//! Stems: the straight strokes of type, upright ones and level ones. Of a title in three lines they tell the angle better than
//! the lines do, if the fount has them: those of Song's level strokes lean, Kai's are all bent, and a hand's are anything. So
//! they are heard only where many upright strokes and many level ones agree on one angle.

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
/// Angles are asked so far around where the page is thought to lie, in such steps, in degrees; stems within this are one voice.
const REACH: f64 = 1.2;
const STEP: f64 = 0.01;
const VOICE: f64 = 0.07;
/// So many stems, with such a share of the weight of all, speak; upright and level ones agree within this, in degrees.
const MANY: usize = 4;
const SHARE: f64 = 0.4;
const AGREE: f64 = 0.2;
/// So many upright ones, with such a share, are heard alone: level strokes of Song lean.
const ALONE: (usize, f64) = (7, 0.55);
const SIGMA_ALONE: f64 = 0.1;
/// How well they tell then, in degrees; set from generated title pages.
const SIGMA: f64 = 0.06;
/// A page in black and white has no more levels than this when it is reduced; its stems lie on pixels, not where they lay.
const LEVELS: usize = 40;

/// The angle that the stems near `near` agree on, and its standard deviation. `ink` was found on `fine`.
pub(super) fn angle(fine: &Grey, ink: &Grey, near: f64) -> Option<(f64, f64)> {
    let mut seen = [false; 256];
    fine.data.iter().for_each(|&v| seen[usize::from(v)] = true);
    if seen.iter().filter(|seen| **seen).count() <= LEVELS {
        return None;
    }
    let paper = ink::paper_level(fine);
    let upright = voice(&stems(fine, ink, paper, near, -1.0), near)?;
    let level = voice(&stems(&transposed(fine), &transposed(ink), paper, near, 1.0), near);
    match level {
        Some(level) if (upright.angle - level.angle).abs() <= AGREE => {
            Some(((upright.angle + level.angle) / 2.0, SIGMA))
        }
        Some(_) | None => {
            (upright.count >= ALONE.0 && upright.share >= ALONE.1).then_some((upright.angle, SIGMA_ALONE))
        }
    }
}

/// What most stems say.
struct Voice {
    angle: f64,
    /// How many, and their share of the weight of all.
    count: usize,
    share: f64,
}

/// The angle of one stem, and what it weighs.
type Stem = (f64, f64);

/// A stem being followed down the rows.
struct Followed {
    /// Middle and row of each piece.
    points: Vec<(f32, f32)>,
    x: f32,
    row: usize,
    width: f32,
}

/// Strokes that run down the rows, `sign` × the tangent of their angle per row.
fn stems(grey: &Grey, ink: &Grey, paper: u8, near: f64, sign: f64) -> Vec<Stem> {
    let mm = grey.dpi / 25.4;
    let slope = (sign * near.to_radians().tan()) as f32;
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
    done.iter().filter_map(|stem| fitted(&stem.points, LENGTH_MM.start * mm..LENGTH_MM.end * mm, sign)).collect()
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
fn fitted(points: &[(f32, f32)], length: std::ops::Range<f32>, sign: f64) -> Option<Stem> {
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
    let weight = yy.sqrt() / off.max(BEST);
    (off <= STRAIGHT).then(|| (sign * f64::from(slope).atan().to_degrees(), f64::from(weight)))
}

/// The angle at which the stems speak with one voice, if they do.
fn voice(stems: &[Stem], near: f64) -> Option<Voice> {
    let around: Vec<Stem> = stems.iter().copied().filter(|(angle, _)| (angle - near).abs() < REACH).collect();
    let all: f64 = around.iter().map(|stem| stem.1).sum();
    let loud = |at: f64| around.iter().map(|(angle, w)| w * (-0.5 * ((angle - at) / VOICE).powi(2)).exp()).sum::<f64>();
    let steps = (REACH / STEP) as i32;
    let at = (-steps..=steps).map(|i| near + f64::from(i) * STEP).max_by(|&a, &b| loud(a).total_cmp(&loud(b)))?;
    let voices: Vec<Stem> = around.into_iter().filter(|(angle, _)| (angle - at).abs() < 2.5 * VOICE).collect();
    let weight: f64 = voices.iter().map(|stem| stem.1).sum();
    let angle = voices.iter().map(|(angle, w)| angle * w).sum::<f64>() / weight;
    let voice = Voice { angle, count: voices.len(), share: weight / all };
    (voice.count >= MANY && voice.share >= SHARE).then_some(voice)
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

    #[test]
    fn strokes_that_agree_tell_the_angle() {
        for degrees in [-7.3, -0.4, 2.1] {
            let (fine, ink) = title(degrees, 0.0);
            let (found, _) = angle(&fine, &ink, degrees + 0.4).unwrap();
            assert!((found - degrees).abs() < 0.03, "{found}, should be {degrees}");
        }
    }

    #[test]
    fn level_strokes_that_lean_are_not_heard_and_pages_without_grey_say_nothing() {
        let (fine, ink) = title(1.0, 0.5);
        let (found, sigma) = angle(&fine, &ink, 1.0).unwrap();
        assert!((found - 1.0).abs() < 0.03 && sigma == SIGMA_ALONE, "{found}");
        let (mut fine, ink) = title(1.0, 0.0);
        fine.data.iter_mut().for_each(|v| *v = if *v < 128 { 0 } else { 255 });
        assert_eq!(angle(&fine, &ink, 1.0), None);
    }
}
