//! Pages with a few lines only, such as title pages. Their strokes say little about the angle, and their lines as much as
//! their parts agree on, so that what is known about the sheet is weighed in: print lies along its sheet, or askew by a
//! quarter of a degree. The answer is the middle of the joint probability, and its confidence the share of that within 0.1°.

use super::{Axis, FINE_STRIP, Skew, Strips, View, energy, stems};
use crate::pages::geometry::Grey;

/// Profiles are smoothed over these, from strokes to lines of writing, in mm.
const SCALES: [f32; 3] = [0.7, 1.0, 1.9];
/// How much sharper lines speak louder, at each scale. Only how lines and their parts differ depends on it.
const LOUD: f64 = 25.0;
/// The same for the profile that is not smoothed: it tells much of Latin, whose letters stand on a line, and little of Chinese,
/// whose strokes lean.
const LOUD_STROKES: f64 = 5.0;
/// Parts of equal ink into which the lines are cut along their length; each is left out once.
const PARTS: usize = 10;
/// No lines are known better than this, in degrees; and the tails of what they say, as those of Student's t of so many degrees of
/// freedom: the few characters of a title may all deceive alike.
const LEAST_SIGMA: f64 = 0.02;
const TAILS: f64 = 2.0;
/// How far from where the search begins the angle may lie, and the steps of the search, in degrees.
const REACH: f64 = 1.0;
const STEP: f64 = 0.02;
/// Where the answer lies at the end of that, the search begins anew from there, so many times at most.
const MOVES: usize = 2;
/// The steps in which lines are asked.
const LINES_STEP: f64 = 0.04;
/// Print that lies along its sheet: share of sheets, and how well the edges tell, in degrees.
const ALONG: (f64, f64) = (0.55, 0.04);
/// Pictures of the page lie nearer than this to its sheet or its lines, in degrees.
const ASTRAY: f64 = 0.75;
/// They say no more than this against an angle, as a logarithm: stems can outvote a picture that shows through from the other side.
const LOUDEST: f64 = 20.0;
/// Lines whose parts agree so well need no pictures, in degrees.
const SURE: f64 = 0.05;
/// Lines that are as sure as this in the coarse search are print.
const DECIDED: f64 = 0.6;
/// Print askew on its sheet, in degrees.
const ASKEW: f64 = 0.25;
/// Within this the confidence promises the angle to lie, in degrees.
const PROMISED: f64 = 0.1;

/// What is known of the page besides its lines.
pub(super) struct Known {
    /// Where the coarse search has found its best angle, and how sure that is.
    pub(super) text: f64,
    pub(super) confidence: f64,
    /// The angle of the sheet.
    pub(super) edges: Option<f64>,
    /// That was seen against a lid; otherwise by the shadows of its edges.
    pub(super) edges_seen: bool,
    /// The angle of the sides of pictures, and its standard deviation.
    pub(super) by_pictures: Option<(f64, f64)>,
}

/// `ink` was found on `fine`; its lines run along `axis`.
pub(super) fn find(page: &View<'_>, fine: &Grey, ink: &Grey, axis: Axis, known: &Known) -> Skew {
    let near = |angle: f64, other: f64| (angle - other).abs() < ASTRAY;
    let decided = known.confidence > DECIDED;
    let (edges, by_pictures) = match (known.edges, known.by_pictures) {
        (Some(edges), Some(p)) if near(p.0, edges) => (Some(edges), Some(p)),
        // Lines and pictures agree against what was taken for shadows of the sheet's edges.
        (Some(_), Some(p)) if !known.edges_seen && decided && near(p.0, known.text) => (None, Some(p)),
        // Pictures that lie otherwise were glued in askew, or show through from the other side. Lines that are unsure of
        // themselves say nothing against them.
        (Some(edges), Some(_)) => (Some(edges), None),
        (None, Some(p)) if decided && !near(p.0, known.text) => (None, None),
        (edges, by_pictures) => (edges, by_pictures),
    };
    let weighed = |middle: f64| weighed((page, fine, ink), axis, (edges, by_pictures), middle);
    let mut middle = edges.or(by_pictures.map(|(angle, _)| angle)).unwrap_or(known.text);
    let (mut offset, mut share) = weighed(middle);
    // The coarse search had it beside the top: further that way.
    let at_the_end = |offset: f64| offset.abs() > REACH - 2.0 * PROMISED;
    for _ in 0..MOVES {
        if !at_the_end(offset) {
            break;
        }
        middle += offset;
        (offset, share) = weighed(middle);
    }
    if at_the_end(offset) {
        // What lies beyond may be more probable.
        share = 0.0;
    }
    // Without edges or pictures the coarse search has to be trusted first.
    let trust = if edges.is_some() || by_pictures.is_some() { 1.0 } else { known.confidence.sqrt() };
    Skew { angle: middle + offset, confidence: (share * trust).min(MOST) }
}

/// What lines, stems, edges and pictures say together: how far from `middle` the angle lies, and how probable it is that it lies as
/// near to that as is promised.
fn weighed(
    (page, fine, ink): (&View<'_>, &Grey, &Grey),
    axis: Axis,
    (edges, by_pictures): (Option<f64>, Option<(f64, f64)>),
    middle: f64,
) -> (f64, f64) {
    // The strokes of whole columns of Chinese lean alike, a thousand of them.
    let stems = if axis == Axis::Rows { stems::find(page, fine, ink, middle) } else { Vec::new() };
    let (by_lines, sigma) = lines(ink, axis, middle as f32);
    let sigma = sigma.hypot(LEAST_SIGMA);
    // Lines that lie along the sheet know better than the shadow of a binding, which looks like a picture.
    let lie_along = edges.is_some_and(|edges| (edges - by_lines).abs() < PROMISED) && sigma < SURE;
    let by_pictures = by_pictures.filter(|(angle, _)| !lie_along || (angle - by_lines).abs() < 2.0 * PROMISED);
    let count = (REACH / STEP) as i32;
    let mut grid: Vec<(f64, f64)> = (-count..=count)
        .map(|i| {
            let offset = f64::from(i) * STEP;
            let along = edges.map_or(0.0, |edges| prior(middle + offset - edges).max(f64::MIN_POSITIVE).ln());
            let beside =
                |(angle, sigma): (f64, f64)| (-0.5 * ((middle + offset - angle) / sigma).powi(2)).max(-LOUDEST);
            let off = (middle + offset - by_lines) / sigma;
            let lines = -(TAILS + 1.0) / 2.0 * (off * off / TAILS).ln_1p();
            let stems = stems::probability(&stems, middle + offset);
            (offset, along + by_pictures.map_or(0.0, beside) + stems + lines)
        })
        .collect();
    let most = grid.iter().map(|g| g.1).fold(f64::MIN, f64::max);
    grid.iter_mut().for_each(|g| g.1 = (g.1 - most).exp());
    let top = grid.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0.0, |g| g.0);
    let near = |reach: f64, at: f64| grid.iter().filter(move |g| (g.0 - at).abs() <= reach + STEP / 2.0);
    let mass = |reach: f64, at: f64| near(reach, at).map(|g| g.1).sum::<f64>();
    let offset = near(1.5 * PROMISED, top).map(|g| g.0 * g.1).sum::<f64>() / mass(1.5 * PROMISED, top);
    (offset, mass(PROMISED, offset) / mass(f64::MAX, 0.0))
}

/// The angle near `start` at which the lines along an axis are sharpest, and its standard deviation: how much it changes when
/// parts of the lines are left out in turn (Tukey's jackknife). A line of Latin is sure of itself, four characters are not.
fn lines(ink: &Grey, axis: Axis, start: f32) -> (f64, f64) {
    if ink.data.iter().all(|&v| v == 0) {
        return (f64::from(start), f64::INFINITY);
    }
    let strips = Strips::new(ink, axis, FINE_STRIP, axis.slope(start), 0.02);
    let ends = strips.parts_of_equal_ink(PARTS);
    let mut parts = vec![vec![0; strips.len]; PARTS];
    let (mut whole, mut rest) = (vec![0u16; strips.len], vec![0; strips.len]);
    let smooth = |mm: f32| ((ink.dpi * mm / 25.4).round() as usize).max(1);
    let loudness = |profile: &[u16]| {
        let sharp = |over: usize| energy(profile, over).max(1.0).ln();
        LOUD * SCALES.iter().map(|&mm| sharp(smooth(mm))).sum::<f64>() + LOUD_STROKES * sharp(1)
    };
    // For all lines, and with each part left out, how loud they are at each offset.
    let mut heard = vec![Vec::new(); PARTS + 1];
    let count = (REACH / LINES_STEP) as i32;
    for offset in (-count..=count).map(|i| f64::from(i) * LINES_STEP) {
        let slope = axis.slope(start + offset as f32) - axis.slope(start);
        whole.fill(0);
        for (part, range) in parts.iter_mut().zip(ends.windows(2)) {
            strips.project(slope, range[0]..range[1], part);
            whole.iter_mut().zip(part.iter()).for_each(|(all, &v)| *all = all.saturating_add(v));
        }
        for (heard, part) in heard.iter_mut().zip(&parts) {
            rest.iter_mut().zip(&whole).zip(part).for_each(|((rest, &all), &v)| *rest = all.saturating_sub(v));
            heard.push((offset, loudness(&rest)));
        }
        heard[PARTS].push((offset, loudness(&whole)));
    }
    let said: Vec<f64> = heard.iter().map(|heard| middle(heard)).collect();
    let (all, without) = (said[PARTS], &said[..PARTS]);
    let n = PARTS as f64;
    let mean = without.iter().sum::<f64>() / n;
    let spread = without.iter().map(|angle| (angle - mean).powi(2)).sum::<f64>();
    (f64::from(start) + all, ((n - 1.0) / n * spread).sqrt())
}

/// The mean of the offsets, each weighed by what it has on the loudest.
fn middle(heard: &[(f64, f64)]) -> f64 {
    let most = heard.iter().map(|h| h.1).fold(f64::MIN, f64::max);
    let weighed = heard.iter().map(|(offset, loud)| (offset, (loud - most).exp()));
    let (sum, all) = weighed.fold((0.0, 0.0), |(sum, all), (offset, w)| (sum + offset * w, all + w));
    sum / all
}

/// A few lines are never as sure as a page of them.
const MOST: f64 = 0.85;

/// How probable it is that print lies askew by so much on its sheet.
fn prior(offset: f64) -> f64 {
    let bell = |sigma: f64| (-0.5 * (offset / sigma).powi(2)).exp() / sigma;
    ALONG.0 * bell(ALONG.1) + (1.0 - ALONG.0) * bell(ASKEW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use platen_protocol::uplink::ColourMode;

    /// Lines of so many characters, each of which lies off its line by chance, on a page of 150 dpi that is straightened by
    /// `degrees`.
    fn page(characters: usize, degrees: f64) -> Grey {
        let (width, height) = (1_200usize, 600usize);
        let (sin, cos) = degrees.to_radians().sin_cos();
        let pitch = 1_000.0 / characters as f64;
        let data = (0..width * height).map(|i| {
            let (x, y) = ((i % width) as f64 - 600.0, (i / width) as f64 - 300.0);
            let (u, v) = (x * cos + y * sin, y * cos - x * sin);
            let (line, character) = ((v / 150.0).round(), ((u + 500.0) / pitch).floor());
            let noise =
                (line * 7.0 + character * 13.0 + (line * 5.0 + character).powi(2)).rem_euclid(11.0) / 11.0 - 0.5;
            let (across, down) =
                ((u + 500.0).rem_euclid(pitch) / pitch, v - line * 150.0 - noise * 0.12 * pitch.min(60.0));
            let inked = line.abs() <= 1.0 && u.abs() < 500.0 && across < 0.7 && down.abs() < 0.4 * pitch.min(60.0);
            if inked { 60 } else { 0 }
        });
        Grey { width, height, dpi: 150.0, data: data.collect() }
    }

    #[test]
    fn lines_know_how_well_they_tell_the_angle() {
        for degrees in [-3.1, 0.4] {
            let near = (degrees + 0.2) as f32;
            let (many, sure) = lines(&page(60, degrees), Axis::Rows, near);
            let (few, unsure) = lines(&page(5, degrees), Axis::Rows, near);
            assert!(
                (many - degrees).abs() < 3.0 * sure.hypot(LEAST_SIGMA) && sure < 0.06,
                "{many} ± {sure}: {degrees}"
            );
            assert!((few - degrees).abs() < 3.0 * unsure && unsure > 2.0 * sure, "{few} ± {unsure}: {degrees}");
        }
        let nothing = Grey { width: 100, height: 100, dpi: 150.0, data: vec![0; 10_000] };
        assert_eq!(lines(&nothing, Axis::Rows, 1.0), (1.0, f64::INFINITY));
    }

    #[test]
    fn lines_along_the_sheet_know_better_than_the_shadow_of_a_binding() {
        let ink = page(60, 1.4);
        let fine = Grey { data: ink.data.iter().map(|&v| 230 - 3 * v).collect(), ..ink };
        let view = View::new(ColourMode::Grey, (fine.width, fine.height), fine.width, 150, &fine.data).unwrap();
        let found = |edges, by_pictures| {
            let known = Known { text: 1.4, confidence: 0.7, edges: Some(edges), edges_seen: true, by_pictures };
            find(&view, &fine, &ink, Axis::Rows, &known).angle
        };
        assert!(
            found(1.4, Some((1.5, 0.005))) > found(1.4, None) + 0.02,
            "a picture that lies nearly as the lines do is heard"
        );
        assert!((found(1.4, Some((1.95, 0.015))) - 1.4).abs() < 0.1, "{}", found(1.4, Some((1.95, 0.015))));
        assert!(
            (found(1.9, Some((1.41, 0.015))) - 1.4).abs() < 0.1,
            "a picture that lies as the lines do, on an askew sheet"
        );
    }
}
