//! Pictures on a page of little text, such as photographs with their captions: their straight sides lie along the lines of
//! print, and tell the angle better than a caption does.
//!
//! A picture is a patch that is dark throughout. Each of its four sides is walked up to from the paper in every row or column
//! of pixels; a line is put through the places that most of them agree on, as for the sheet's edges. Sides that do not agree
//! with each other (photographs glued in askew, stains) say nothing.

use crate::pages::{
    geometry::Grey,
    ink::{self, InkMap},
    paper::{self, Edge},
    strips::transposed,
};

/// Cells in which a picture is looked for, in pixels of the coarse picture: 2 mm.
const CELL: usize = 6;
/// A picture's pixels are darker than the paper by more than this, and by more than this share of it, in 1/100.
const DARK: i32 = 8;
const DARK_SHARE: i32 = 5;
/// This share of a cell's pixels is dark in a picture, in 1/100. Writing has paper between its strokes.
const SOLID: usize = 85;
/// A patch that covers at least this share of the scan and half of which is at least so bright a share of the lid, both in
/// 1/100, is a sheet of coloured paper on a white lid.
const SHEET: usize = 25;
const BRIGHT: i32 = 65;
/// A picture is at least so wide and so high, in mm.
const LEAST_MM: f32 = 20.0;
/// A side is looked for so far from the outermost cells, in mm.
const AROUND_MM: f32 = 5.0;
/// Pixels before and behind a place that are compared.
const SPAN: usize = 4;
/// This share of the rows along a side agrees on it, in 1/100.
const QUORUM: usize = 35;
/// Sides agree within this, in degrees.
const AGREE: f64 = 0.12;
/// So well does one row's step say where the side is, in pixels.
const ROW_SIGMA: f64 = 0.5;
/// Sides of print may lie off its lines by this, in degrees.
const SIDE_SIGMA: f64 = 0.015;

/// What the pictures of a page say.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pictures {
    /// Degrees that straighten their sides, and how sure that is, if they agree.
    pub(super) angle: Option<(f64, f64)>,
    /// The same of a sheet that is darker than the lid it lies on.
    pub(super) sheet: Option<f64>,
    /// Where they lie, cell by cell of the coarse picture.
    cells: Vec<bool>,
    across: usize,
}

impl Pictures {
    /// The pictures of a page; `ink` was made from `fine`.
    pub(super) fn find(fine: &Grey, ink: &InkMap) -> Option<Self> {
        let small = &ink.grey;
        let level = i32::from(ink::paper_level(small));
        let limit = level - DARK.max(level * DARK_SHARE / 100);
        let (across, down) = (small.width / CELL, small.height / CELL);
        let solid = solid(ink, (across, down), limit.max(0) as u8);
        let mut cells = vec![false; solid.len()];
        let mut sides = Vec::new();
        let mut sheet = None;
        let least = (LEAST_MM / 25.4 * small.dpi) as usize / CELL;
        let mut turned: Option<Grey> = None;
        let on_paper = |x: usize, y: usize| {
            let (x, y) = ((x / 2).min(small.width - 1), (y / 2).min(small.height - 1));
            !ink.is_masked(y * small.width + x)
        };
        for patch in patches(&solid, across) {
            let (xs, ys) = (span(patch.iter().map(|i| i % across)), span(patch.iter().map(|i| i / across)));
            if xs.1 - xs.0 < least || ys.1 - ys.0 < least {
                continue;
            }
            let own = sides_of(&patch, across, (fine, turned.get_or_insert_with(|| transposed(fine))), on_paper);
            // A shadow or a stain has no straight sides that are square to each other.
            let Some((angle, _)) = agreed(&own) else { continue };
            if patch.len() * 100 >= SHEET * solid.len() && is_bright(small, &patch, across, level) {
                sheet = Some(angle);
            } else {
                patch.iter().for_each(|&i| cells[i] = true);
                sides.extend(own);
            }
        }
        (sheet.is_some() || cells.contains(&true)).then(|| Self { angle: agreed(&sides), sheet, cells, across })
    }

    /// Whether a pixel of the coarse picture lies on a picture, or right beside one.
    fn covers(&self, x: usize, y: usize) -> bool {
        let down = self.cells.len() / self.across.max(1);
        let near = |at: usize, n: usize| (at / CELL).saturating_sub(1)..(at / CELL + 2).min(n);
        near(y, down).any(|cy| near(x, self.across).any(|cx| self.cells[cy * self.across + cx]))
    }

    /// The ink of a page less that of its pictures.
    pub(super) fn taken_out(&self, ink: &InkMap) -> InkMap {
        let w = ink.coarse.width;
        ink.without(|i| self.covers(i % w, i / w))
    }
}

/// Which cells are darker than `limit` nearly throughout. What is masked is lid, or its shadow.
fn solid(ink: &InkMap, (across, down): (usize, usize), limit: u8) -> Vec<bool> {
    let w = ink.grey.width;
    let mut solid = Vec::with_capacity(across * down);
    // How many of a column's pixels are dark.
    let mut columns = vec![0u8; across * CELL];
    for top in (0..down).map(|cell| cell * CELL) {
        columns.fill(0);
        for at in (top..top + CELL).map(|y| y * w) {
            ink.add_darker(&mut columns, at, limit);
        }
        let cells = columns.as_chunks::<CELL>().0.iter();
        solid
            .extend(cells.map(|cell| cell.iter().map(|&n| usize::from(n)).sum::<usize>() * 100 >= SOLID * CELL * CELL));
    }
    solid
}

/// Whether half of a patch's pixels are nearly as bright as the lid.
fn is_bright(small: &Grey, patch: &[usize], across: usize, level: i32) -> bool {
    let pixels = patch.iter().flat_map(|i| {
        let (left, top) = (i % across * CELL, i / across * CELL);
        (top..top + CELL).flat_map(move |y| &small.data[y * small.width + left..][..CELL])
    });
    let bright = pixels.filter(|&&v| i32::from(v) * 100 >= level * BRIGHT).count();
    bright * 2 >= patch.len() * CELL * CELL
}

fn span(values: impl Iterator<Item = usize> + Clone) -> (usize, usize) {
    (values.clone().min().unwrap_or(0), values.max().unwrap_or(0))
}

/// Connected patches of cells.
fn patches(solid: &[bool], across: usize) -> Vec<Vec<usize>> {
    let mut seen = vec![false; solid.len()];
    let mut found = Vec::new();
    for start in 0..solid.len() {
        if seen[start] || !solid[start] {
            continue;
        }
        seen[start] = true;
        let mut patch = vec![start];
        let mut next = 0;
        while let Some(&i) = patch.get(next) {
            next += 1;
            let x = i % across;
            let near =
                [(x > 0).then(|| i - 1), (x + 1 < across).then(|| i + 1), i.checked_sub(across), Some(i + across)];
            for near in near.into_iter().flatten().filter(|&near| near < solid.len()) {
                if !seen[near] && solid[near] {
                    seen[near] = true;
                    patch.push(near);
                }
            }
        }
        found.push(patch);
    }
    found
}

/// A side: the degrees that straighten the page by it, and their standard deviation.
type Side = (f64, f64);

/// The sides of a patch on which enough rows agree.
fn sides_of(
    patch: &[usize],
    across: usize,
    (fine, turned): (&Grey, &Grey),
    on_paper: impl Fn(usize, usize) -> bool,
) -> Vec<Side> {
    // The first and last cell of each row of cells, and of each column.
    let mut rows: Vec<(usize, usize, usize)> = Vec::new();
    let mut columns: Vec<(usize, usize, usize)> = Vec::new();
    for &i in patch {
        let (x, y) = (i % across, i / across);
        for (lines, line, at) in [(&mut rows, y, x), (&mut columns, x, y)] {
            match lines.iter_mut().find(|l| l.0 == line) {
                Some(l) => (l.1, l.2) = (l.1.min(at), l.2.max(at)),
                None => lines.push((line, at, at)),
            }
        }
    }
    // An upright side leans the other way.
    let upright = |back| side(&rows, fine, back, &on_paper).map(|(slope, sigma)| (-slope, sigma));
    let level = |back| side(&columns, turned, back, &|x, y| on_paper(y, x));
    let sides = [upright(false), upright(true), level(false), level(true)];
    sides.into_iter().flatten().map(|(slope, sigma)| (slope.atan().to_degrees(), sigma.to_degrees())).collect()
}

/// The slope of the side at which rows of cells begin (`back`: end), and its standard deviation. A step at the sheet's own edge
/// is none.
fn side(
    lines: &[(usize, usize, usize)],
    grey: &Grey,
    back: bool,
    on_paper: &impl Fn(usize, usize) -> bool,
) -> Option<(f64, f64)> {
    let around = (AROUND_MM / 25.4 * grey.dpi) as usize;
    // Two pixels of the fine picture are one of the coarse.
    let cell = 2 * CELL;
    let mut places = Vec::new();
    let mut looked = 0;
    for &(line, first, last) in lines {
        let edge = if back { (last + 1) * cell } else { first * cell };
        for y in (line * cell..(line + 1) * cell).filter(|&y| y < grey.height) {
            looked += 1;
            let range = edge.saturating_sub(around).max(SPAN)..(edge + around).min(grey.width.saturating_sub(SPAN));
            let found = steepest(grey.row(y), range, back).filter(|&x| {
                let x = x as usize;
                on_paper(x.saturating_sub(around / 2), y) && on_paper(x, y) && on_paper(x + around / 2, y)
            });
            places.extend(found.map(|x| (y as f32 + 0.5, x)));
        }
    }
    if places.len() < 40 {
        return None;
    }
    let Edge { slope, votes, .. } = paper::fit(&places)?;
    (votes * 100 >= QUORUM * looked).then(|| {
        // A line through so many places spread evenly over its length.
        let length = looked as f64;
        (f64::from(slope), ROW_SIGMA / (votes as f64).sqrt() / (length / 12f64.sqrt()))
    })
}

/// Where a row steps down most from paper to picture (`back`: up), in pixels, if it does.
fn steepest(row: &[u8], range: std::ops::Range<usize>, back: bool) -> Option<f32> {
    let sum = |from: usize| row[from..from + SPAN].iter().map(|&v| i32::from(v)).sum::<i32>();
    let step = |x: usize| {
        let fall = sum(x - SPAN) - sum(x);
        if back { -fall } else { fall }
    };
    let at = range.clone().max_by_key(|&x| step(x))?;
    let here = step(at);
    if here < DARK * SPAN as i32 || at <= range.start || at + 1 >= range.end {
        return None;
    }
    // The top of the parabola through the three largest.
    let (a, b, c) = (step(at - 1) as f32, here as f32, step(at + 1) as f32);
    let bend = a - 2.0 * b + c;
    let off = if bend < 0.0 { ((a - c) / (2.0 * bend)).clamp(-0.5, 0.5) } else { 0.0 };
    Some(at as f32 + off)
}

/// The angle that two thirds of the sides agree on, and how sure it is; at least three have to.
fn agreed(sides: &[Side]) -> Option<(f64, f64)> {
    let near = |a: f64| sides.iter().filter(move |s| (s.0 - a).abs() < AGREE);
    let weight = |a: f64| near(a).map(|s| 1.0 / (s.1 * s.1 + SIDE_SIGMA * SIDE_SIGMA)).sum::<f64>();
    let best = sides.iter().map(|s| s.0).max_by(|a, b| weight(*a).total_cmp(&weight(*b)))?;
    let count = near(best).count();
    if count < 3 || count * 3 < sides.len() * 2 {
        return None;
    }
    let sum = near(best).map(|s| s.0 / (s.1 * s.1 + SIDE_SIGMA * SIDE_SIGMA)).sum::<f64>();
    Some((sum / weight(best), (1.0 / weight(best)).sqrt().max(SIDE_SIGMA)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two dark rectangles on paper of 150 dpi, turned by `degrees` (straightened by as much), the second by `more`.
    fn page(degrees: f64, more: f64) -> Grey {
        let (width, height) = (1_240, 1_754);
        let mut data = vec![225; width * height];
        for (centre, half, by) in
            [((600.0, 500.0), (250.0, 170.0), degrees), ((640.0, 1_150.0), (180.0, 200.0), degrees + more)]
        {
            let (sin, cos) = f64::to_radians(by).sin_cos();
            for (i, v) in data.iter_mut().enumerate() {
                let (dx, dy) = ((i % width) as f64 + 0.5 - centre.0, (i / width) as f64 + 0.5 - centre.1);
                let (u, w) = (dx * cos + dy * sin, dy * cos - dx * sin);
                let inside = (half.0 - f64::abs(u)).min(half.1 - f64::abs(w)).clamp(-0.5, 0.5) + 0.5;
                let texture = 120.0 + 40.0 * ((i % 97) as f64 / 97.0);
                *v = (f64::from(*v) * (1.0 - inside) + texture * inside) as u8;
            }
        }
        Grey { width, height, dpi: 150.0, data }
    }

    #[test]
    fn the_sides_of_pictures_tell_the_angle_and_those_that_lie_askew_say_nothing() {
        for degrees in [-9.3, -0.4, 0.0, 2.71, 13.0] {
            let fine = page(degrees, 0.0);
            let found = Pictures::find(&fine, &InkMap::new(&fine)).unwrap();
            let (angle, sigma) = found.angle.unwrap();
            assert!((angle - degrees).abs() < 0.02 && sigma < 0.05, "{degrees}: {angle} ± {sigma}");
        }
        let askew = page(1.0, 0.9);
        let found = Pictures::find(&askew, &InkMap::new(&askew)).unwrap();
        assert_eq!(found.angle, None);
    }

    /// A sheet of 70 % of the lid's brightness, with lines on it, on a white lid.
    #[test]
    fn a_coloured_sheet_on_a_white_lid_is_a_sheet_and_keeps_its_ink() {
        let (width, height) = (1_240, 1_754);
        let degrees = 4.2f64;
        let (sin, cos) = degrees.to_radians().sin_cos();
        let data = (0..width * height).map(|i| {
            let (dx, dy) = ((i % width) as f64 - 620.0, (i / width) as f64 - 877.0);
            let (u, w) = (dx * cos + dy * sin, dy * cos - dx * sin);
            let line = w.rem_euclid(60.0) < 8.0 && u.abs() < 300.0 && w.abs() < 500.0 && u.rem_euclid(20.0) < 12.0;
            match (u.abs() < 400.0 && w.abs() < 600.0, line) {
                (true, true) => 60,
                (true, false) => 172,
                (false, _) => 245,
            }
        });
        let fine = Grey { width, height, dpi: 150.0, data: data.collect() };
        let ink = InkMap::new(&fine);
        let found = Pictures::find(&fine, &ink).unwrap();
        assert!(
            found.angle.is_none() && (found.sheet.unwrap() - degrees).abs() < 0.02,
            "{:?} {:?}",
            found.angle,
            found.sheet
        );
        assert!(found.taken_out(&ink).share() > 0.9 * ink.share());
    }
}
