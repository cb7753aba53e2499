//! Whether a page that was scanned without colour carries a round seal: red headers, seals and photographs must be scanned in
//! colour, and in grey the red is lost. A seal is found by its ring: every edge votes for the middles of the circles that it
//! may belong to, and where many agree, the ring is looked at all around (after Duda and Hart, 1972).

use super::{geometry::Grey, reduce};

/// Radii of official round seals, in mm: 36 to 46 mm across.
const RADII_MM: (f32, f32) = (16.5, 23.0);
/// An edge is a step of at least so many levels over two pixels.
const STEP: i32 = 16;
/// The best places that are looked at closely.
const TRIES: usize = 4;
/// Directions in which a ring is looked at, and in how many of them, in 1/100, it must be seen.
const DIRECTIONS: usize = 72;
const SEEN: usize = 80;
/// On the ring a place is darker than inside and outside of it by so many levels.
const DARKER: i32 = 10;
/// Where a seal's name stands, in radii from its middle, and in how many directions, in 1/100, it must be seen.
const NAME: [f32; 8] = [0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.84, 0.88];
const NAMED: usize = 45;
/// Votes are looked for at every so many pixels of radius.
const NEAR: usize = 2;

/// A ring, in mm from the scan's corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ring {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) diameter: f64,
}

/// Finds a round seal in `small`, a picture of about 75 dpi.
pub(crate) fn find(small: &Grey) -> Option<Ring> {
    let tiny = reduce::halve(small);
    let mm = tiny.dpi / 25.4;
    let radii = (RADII_MM.0 * mm) as i32..=(RADII_MM.1 * mm).ceil() as i32;
    let (w, h) = (tiny.width as i32, tiny.height as i32);
    if w.min(h) <= 2 * radii.end() {
        return None;
    }
    let mut votes = vec![0u16; tiny.data.len()];
    for y in 1..h - 1 {
        // Every second place votes, like the fields of one colour on a chess-board.
        for x in (1 + y % 2..w - 1).step_by(2) {
            let at = |dx: i32, dy: i32| i32::from(tiny.data[((y + dy) * w + x + dx) as usize]);
            let (gx, gy) = (at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1));
            let steep = gx * gx + gy * gy;
            if steep < STEP * STEP {
                continue;
            }
            let length = (steep as f32).sqrt();
            let (ux, uy) = (gx as f32 / length, gy as f32 / length);
            for r in radii.clone().step_by(NEAR) {
                for side in [r as f32, -(r as f32)] {
                    let (cx, cy) = ((x as f32 + ux * side + 0.5) as i32, (y as f32 + uy * side + 0.5) as i32);
                    if (0..w).contains(&cx) && (0..h).contains(&cy) {
                        votes[(cy * w + cx) as usize] += 1;
                    }
                }
            }
        }
    }
    let middles = best_middles(&votes, tiny.width);
    let ring = middles.into_iter().find_map(|middle| ring_around(small, middle, mm))?;
    Some(ring)
}

/// The places of `tiny` with most votes in their 3 × 3 neighbourhood, apart from each other.
fn best_middles(votes: &[u16], w: usize) -> Vec<(usize, usize)> {
    let h = votes.len() / w;
    let around = |x: usize, y: usize| -> u32 {
        (y - 1..=y + 1).flat_map(|y| votes[y * w + x - 1..=y * w + x + 1].iter()).map(|&v| u32::from(v)).sum()
    };
    let mut best: Vec<(u32, usize, usize)> = Vec::new();
    for y in (1..h - 1).step_by(2) {
        for x in (1..w - 1).step_by(2) {
            let sum = around(x, y);
            if best.len() < 64 || sum > best[best.len() - 1].0 {
                let place = best.partition_point(|b| b.0 >= sum);
                best.insert(place, (sum, x, y));
                best.truncate(64);
            }
        }
    }
    let mut apart: Vec<(usize, usize)> = Vec::new();
    for (_, x, y) in best {
        if apart.len() < TRIES && apart.iter().all(|a| a.0.abs_diff(x) > 3 || a.1.abs_diff(y) > 3) {
            apart.push((x, y));
        }
    }
    apart
}

/// The ring around about this place of the picture of half the size, if there is one.
fn ring_around(small: &Grey, (x, y): (usize, usize), tiny_mm: f32) -> Option<Ring> {
    let mm = 2.0 * tiny_mm;
    let (x, y) = (2.0 * x as f32 + 1.0, 2.0 * y as f32 + 1.0);
    let level = |x: f32, y: f32| -> Option<i32> {
        let (x, y) = (x as usize, y as usize);
        (x < small.width && y < small.height).then(|| i32::from(small.data[y * small.width + x]))
    };
    let directions = (0..DIRECTIONS).map(|d| (d as f32 / DIRECTIONS as f32 * std::f32::consts::TAU).sin_cos());
    let directions: Vec<(f32, f32)> = directions.collect();
    // A ring's line is 1 mm wide; beside it lies paper, but for a letter here and there.
    let beside = 1.3 * mm;
    let seen = |cx: f32, cy: f32, r: f32, every: usize| {
        let on_ring = |&&(sin, cos): &&(f32, f32)| {
            let at = |r: f32| level(cx + r * cos, cy + r * sin);
            let darkest = [-1.0, 0.0, 1.0].into_iter().filter_map(|d| at(r + d)).min();
            let (Some(on), Some(inner), Some(outer)) = (darkest, at(r - beside), at(r + beside)) else { return false };
            on + DARKER < inner && on + DARKER < outer
        };
        directions.iter().step_by(every).filter(on_ring).count()
    };
    let mut best = (0, 0.0, 0.0, 0.0);
    let steps = (RADII_MM.0 * mm) as i32..=(RADII_MM.1 * mm) as i32;
    // Roughly first: few directions tell whether it is worth the rest.
    for (spread, every) in [(2, 4), (1, 1)] {
        let (_, cx, cy, _) = if best.0 == 0 { (0, x, y, 0.0) } else { best };
        best.0 = 0;
        for (dx, dy) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx * spread, dy * spread))) {
            for r in steps.clone() {
                let (cx, cy, r) = (cx + dx as f32, cy + dy as f32, r as f32);
                let count = seen(cx, cy, r, every);
                if count > best.0 {
                    best = (count, cx, cy, r);
                }
            }
        }
        if best.0 * every * 100 < DIRECTIONS * SEEN * 8 / 10 {
            return None;
        }
    }
    let (count, x, y, r) = best;
    // Within its ring a seal has the name of its owner around a star; a circle in a drawing has not.
    let has_name = |&&(sin, cos): &&(f32, f32)| {
        let levels = (0..8).filter_map(|i| level(x + r * NAME[i] * cos, y + r * NAME[i] * sin));
        let (low, high) = levels.fold((255, 0), |(low, high), v| (low.min(v), high.max(v)));
        low + DARKER < high
    };
    let named = directions.iter().filter(has_name).count();
    let in_mm = |px: f32| f64::from(px / mm);
    (count * 100 >= DIRECTIONS * SEEN && named * 100 >= DIRECTIONS * NAMED).then(|| Ring {
        x: in_mm(x),
        y: in_mm(y),
        diameter: in_mm(2.0 * r),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of writing at 75 dpi, over which a ring is drawn.
    fn page(ring: Option<(f32, f32, f32)>) -> Grey {
        let (width, height) = (620, 877);
        let mut data = vec![225u8; width * height];
        for (i, v) in data.iter_mut().enumerate() {
            let (x, y) = ((i % width) as f32, (i / width) as f32);
            let written = y % 20.0 < 9.0 && (x * 0.9 + (y / 20.0).floor() * 7.0) % 11.0 < 5.0;
            if written && (60.0..560.0).contains(&x) && (80.0..800.0).contains(&y) {
                *v = 60;
            }
            if let Some((cx, cy, r)) = ring
                && (((x - cx).hypot(y - cy) - r).abs() < 1.6 || is_name((x - cx, y - cy), r))
            {
                *v = (f32::from(*v) * 0.45) as u8;
            }
        }
        Grey { width, height, dpi: 75.0, data }
    }

    /// Letters around the inside of a ring.
    fn is_name((dx, dy): (f32, f32), r: f32) -> bool {
        let share = dx.hypot(dy) / r;
        (0.62..0.85).contains(&share) && (dy.atan2(dx) * 9.0).sin() > 0.2
    }

    #[test]
    fn a_seal_over_writing_is_found_where_it_was_put() {
        let ring = find(&page(Some((400.0, 845.0 - 150.0, 59.0)))).expect("a seal");
        let mm = 75.0 / 25.4;
        assert!((ring.x - 400.0 / mm).abs() < 1.0 && (ring.y - 695.0 / mm).abs() < 1.0, "{ring:?}");
        assert!((ring.diameter - 118.0 / mm).abs() < 1.5, "{ring:?}");
    }

    #[test]
    fn writing_alone_is_no_seal() {
        assert_eq!(find(&page(None)), None);
    }
}
