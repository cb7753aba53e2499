//! The sheet's edges on a lid about as bright as paper, by the shadows that they throw and the small steps there.

use super::{AGREE, Edge, QUORUM, agreed_angle, fit};
use crate::pages::{geometry::Grey, strips::transposed};

/// At an edge without a dark lid grey changes by so much over two pixels, most steeply within so many.
const SHADOW: i32 = 4;
const SHADOW_REACH: usize = 6;
/// And by so many times what it changes by anyway: the first that shows an edge, as coarse paper looks like one everywhere.
const GRAINS: [i32; 3] = [5, 7, 9];
/// A shadow is no darker than this below the lid; ink is.
const SHADOW_MOST: i32 = 45;
/// Where it becomes brighter from the scan's border on for at least so many pixels lies a binding's shadow; an edge is shorter.
/// Behind it light may go on rising, so that an edge has to rise by so many times more.
const BINDING: usize = 9;
const OUT_OF_BINDING: i32 = 3;
/// Nearer to the scan's border than this no shadow is seen, in pixels of the reduced picture.
const BORDER: f32 = 2.0;
/// Nearer to a streak's middle than this, in mm, things change by the streak.
const STREAK_MM: f64 = 0.7;
/// Edges whose slopes agree within this belong to one sheet.
const SQUARE: f32 = 0.01;

/// Top, right, bottom, left. Rules and margins of print can look like that too, so that this is good for weighing, and nothing
/// is cut or painted by it. `streaks`, in mm from the left side, are none.
pub(in crate::pages) fn shadows(small: &Grey, streaks: &[f64]) -> [Option<Edge>; 4] {
    let turned = transposed(small);
    let mm = 25.4 / f64::from(small.dpi);
    let on_streak = |x: usize| streaks.iter().any(|at| ((x as f64 + 0.5) * mm - at).abs() < STREAK_MM);
    let edges = [
        shadow(&turned, false, |_| false),
        shadow(small, true, on_streak),
        shadow(&turned, true, |_| false),
        shadow(small, false, on_streak),
    ];
    // Edges of one sheet are square to each other.
    let Some(angle) = agreed_angle(&[(edges[0], 1.0), (edges[2], 1.0), (edges[3], -1.0), (edges[1], -1.0)]) else {
        return [None; 4];
    };
    let slope = angle.to_radians().tan() as f32;
    let signs = [1.0, -1.0, 1.0, -1.0];
    std::array::from_fn(|i| edges[i].filter(|edge| (edge.slope * signs[i] - slope).abs() < SQUARE))
}

/// The shadow that is met when each row is walked from its left end (`back`: from its right end). Where the edge has left the
/// scan nothing is asked of the rows.
fn shadow(grey: &Grey, back: bool, skipped: impl Fn(usize) -> bool) -> Option<Edge> {
    let grain = grain(grey);
    GRAINS.into_iter().find_map(|grains| {
        let places = changes(grey, back, (SHADOW * 3).max(grains * grain), &skipped);
        if places.len() * 4 < grey.height / 2 || places.len() < 24 {
            return None;
        }
        let edge = fit(&places)?;
        let inside = BORDER..grey.width as f32 - BORDER;
        let off = |(y, x): &(f32, f32)| (edge.at + edge.slope * y - x).abs();
        let asked = places.iter().filter(|(y, _)| inside.contains(&(edge.at + edge.slope * y)));
        let (asked, votes) =
            asked.fold((0, 0), |(asked, votes), place| (asked + 1, votes + usize::from(off(place) < AGREE)));
        (votes as f32 >= QUORUM * asked as f32 && votes * 8 >= grey.height / 2).then_some(edge)
    })
}

/// Where each second row changes first by at least so much.
fn changes(grey: &Grey, back: bool, least: i32, skipped: impl Fn(usize) -> bool) -> Vec<(f32, f32)> {
    let mut places = Vec::with_capacity(grey.height / 2);
    for y in (1..grey.height.saturating_sub(1)).step_by(2) {
        let rows = [grey.row(y - 1), grey.row(y), grey.row(y + 1)];
        let column = |x: usize| if back { grey.width - 1 - x } else { x };
        let line = |x: usize| rows.iter().map(|row| i32::from(row[column(x)])).sum();
        if let Some(at) = first_change(line, grey.width, least, |x| skipped(column(x))) {
            places.push((y as f32 + 0.5, if back { grey.width as f32 - at } else { at }));
        }
    }
    places
}

/// By how much sums of three pixels usually differ over two pixels: the median of a sample.
fn grain(grey: &Grey) -> i32 {
    let mut steps: Vec<i32> = Vec::new();
    for y in (1..grey.height.saturating_sub(1)).step_by(9) {
        let sum = |x: usize| (y - 1..=y + 1).map(|y| i32::from(grey.row(y)[x])).sum::<i32>();
        steps.extend((2..grey.width).step_by(11).map(|x| (sum(x) - sum(x - 2)).abs()));
    }
    let middle = steps.len() / 2;
    if steps.is_empty() { 0 } else { *steps.select_nth_unstable(middle).1 }
}

/// Walks a line of sums of three pixels to the first place where it changes, and there to where it changes most steeply:
/// up out of a shadow, or up or down from a lid to paper of nearly its own brightness. A binding's shadow is
/// walked out of first.
fn first_change(line: impl Fn(usize) -> i32, len: usize, least: i32, skipped: impl Fn(usize) -> bool) -> Option<f32> {
    let until = (len * 4 / 10).max(SHADOW_REACH + 6) - SHADOW_REACH - 4;
    let rise = |x: usize| line(x + 1) - line(x - 1);
    let slope = |x: usize| rise(x).abs();
    let lit = (2..until).find(|&x| rise(x) < least / 2).unwrap_or(until);
    let (from, rises) = if lit < 2 + BINDING { (2, least) } else { (lit, least * OUT_OF_BINDING) };
    let changes = |x: usize| rise(x) <= -least || rise(x) >= rises;
    let first = (from..until).find(|&x| changes(x) && !skipped(x))?;
    let darkest = (first - 1..first + SHADOW_REACH).map(&line).min()?;
    if line(first - 2) - darkest > SHADOW_MOST * 3 {
        return None;
    }
    let steepest = (first..first + SHADOW_REACH).rev().max_by_key(|&x| slope(x))?;
    let (a, b, c) = (slope(steepest - 1) as f32, slope(steepest) as f32, slope(steepest + 1) as f32);
    let bend = a - 2.0 * b + c;
    let off = if bend < 0.0 { ((a - c) / (2.0 * bend)).clamp(-0.5, 0.5) } else { 0.0 };
    Some(steepest as f32 + 0.5 + off)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 620;
    const HEIGHT: usize = 877;

    /// A bright sheet on a bright lid, with the shadow of its left edge where it does not leave the scan, of its right edge, and a
    /// streak of the scanner at column 200. Paper and lid have some grain.
    fn scan(left: f32, slope: f32) -> Grey {
        let value = |x: usize, y: usize| {
            let (across, down) = (x as f32 + 0.5, y as f32 + 0.5);
            let near = |edge: f32| (across - edge - slope * down).abs() < 1.0;
            let grain = ((x * 31 + y * 17) % 5) as u8;
            if near(left) || near(600.0) || x == 200 { 215 + grain } else { 240 + grain }
        };
        let data = (0..WIDTH * HEIGHT).map(|i| value(i % WIDTH, i / WIDTH)).collect();
        Grey { width: WIDTH, height: HEIGHT, dpi: 75.0, data }
    }

    #[test]
    fn an_edge_in_a_bindings_shadow_is_found() {
        let mut bound = scan(40.0, 0.01);
        for (i, v) in bound.data.iter_mut().enumerate() {
            *v = (f32::from(*v) * (1.0 - 0.7 * (-((i % WIDTH) as f32) / 20.0).exp())) as u8;
        }
        let left = shadows(&bound, &[])[3].unwrap();
        assert!((left.at - 40.0).abs() < 2.0 && (left.slope - 0.01).abs() < 0.002, "{left:?}");
    }

    #[test]
    fn an_edge_that_leaves_the_scan_is_found_and_a_streak_is_none() {
        let streak = 200.5 * 25.4 / 75.0;
        // At row 250 the left edge has left the scan; below, the streak would be met first.
        let [_, right, _, left] = shadows(&scan(7.0, -0.028), &[streak]);
        for edge in [left, right] {
            assert!((edge.unwrap().slope + 0.028).abs() < 0.002, "{edge:?}");
        }
        assert_eq!(shadows(&scan(7.0, -0.028), &[])[3], None, "the streak is met in most rows");
    }
}
