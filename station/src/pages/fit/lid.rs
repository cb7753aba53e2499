//! The lid around a sheet, painted over in the paper's own colour.

use super::DARK;
use crate::pages::{
    holes::{self, Hole},
    torn::Torn,
};
use std::ops::Range;

/// Edges are found to a few tenths of a millimetre: so far inside, what is darker than this share of the paper (in 1/100) is
/// lid, too, and not left as a black line.
pub(super) const INSIDE_MM: f64 = 0.3;
const BLACK: u32 = 50;
/// A hole is filled so far beyond its own edge, where its rim is dark, in bands.
const HOLE_RIM: f64 = 0.5;

/// The lid around a sheet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Lid {
    pub(super) quad: [(f64, f64); 4],
    pub(super) seen: [bool; 4],
    /// Width of the band along an edge in which pixels decide for themselves, outside and inside.
    pub(super) band: f64,
    pub(super) inside: f64,
    /// Punch holes that are filled.
    pub(super) holes: [Option<Hole>; holes::MOST],
    /// Corners that are torn off or folded.
    pub(super) torn: [Option<Torn>; 4],
}

impl Lid {
    /// How many punch holes are filled.
    pub(crate) fn holes_filled(&self) -> usize {
        self.holes.iter().flatten().count()
    }

    /// How many corners are made good.
    pub(crate) fn corners_filled(&self) -> usize {
        self.torn.iter().flatten().count()
    }

    /// Where along a row of the result [`Self::paint`] may paint. The row has `n` pixels, which lie as it says.
    pub(crate) fn zones(&self, n: usize, start: (f64, f64), step: (f64, f64)) -> impl Iterator<Item = Range<usize>> {
        let along = distances(self.quad, self.seen, start, step);
        let edges = along.map(move |(_, distance, gain)| below(distance, gain, self.inside, n));
        let torn = self.torn.iter().flatten().map(move |torn| torn.reach((start, step), n));
        edges.chain(torn).chain(self.holes.iter().flatten().map(move |hole| self.hole(hole, (start, step), n)))
    }

    /// Paints the lid in a row of the result over with `paper`. The row's pixels lie at `start`, `start + step` and so on
    /// in the scan.
    pub(crate) fn paint<const BANDS: usize>(
        &self,
        row: &mut [u8],
        start: (f64, f64),
        step: (f64, f64),
        paper: [u8; BANDS],
    ) {
        let pixels = row.as_chunks_mut::<BANDS>().0;
        let n = pixels.len();
        let limit = paper.iter().map(|&v| u32::from(v)).sum::<u32>() * DARK;
        for (_, distance, gain) in distances(self.quad, self.seen, start, step) {
            pixels[below(distance, gain, -self.band, n)].fill(paper);
            for pixel in &mut pixels[below(distance, gain, 0.0, n)] {
                if pixel.iter().map(|&v| u32::from(v)).sum::<u32>() * 100 < limit {
                    *pixel = paper;
                }
            }
            let (outer, inner) = (below(distance, gain, 0.0, n), below(distance, gain, self.inside, n));
            // The one range begins or ends with the other.
            let between = if outer.start == inner.start { outer.end..inner.end } else { inner.start..outer.start };
            for pixel in &mut pixels[between] {
                if pixel.iter().map(|&v| u32::from(v)).sum::<u32>() * 100 < limit / DARK * BLACK {
                    *pixel = paper;
                }
            }
        }
        for torn in self.torn.iter().flatten() {
            torn.paint(pixels, (start, step), limit / 100, paper);
        }
        for hole in self.holes.iter().flatten() {
            pixels[self.hole(hole, (start, step), n)].fill(paper);
        }
    }

    /// Where a row of `n` pixels crosses a punch hole that is filled.
    fn hole(&self, hole: &Hole, (start, step): ((f64, f64), (f64, f64)), n: usize) -> Range<usize> {
        // Where the row passes nearest to the hole's middle, and how far from there it leaves it, in its own pixels.
        let pixel = step.0.hypot(step.1);
        let (dx, dy) = (hole.x - start.0, hole.y - start.1);
        let (along, beside) = ((dx * step.0 + dy * step.1) / pixel, (dx * step.1 - dy * step.0) / pixel);
        let reach = (hole.radius + self.band * HOLE_RIM).powi(2) - beside * beside;
        if reach <= 0.0 {
            return 0..0;
        }
        let end = |at: f64| at.clamp(0.0, n as f64) as usize;
        end((along - reach.sqrt()) / pixel)..end((along + reach.sqrt()) / pixel + 1.0)
    }
}

/// Where along a row `distance + i × gain` is below `limit`.
pub(super) fn below(distance: f64, gain: f64, limit: f64, n: usize) -> Range<usize> {
    let crossing = ((limit - distance) / gain).clamp(0.0, n as f64);
    match (gain.abs() < 1e-12, gain > 0.0) {
        (true, _) if distance < limit => 0..n,
        (true, _) => 0..0,
        (false, true) => 0..crossing.ceil() as usize,
        (false, false) => (crossing.floor() as usize + 1).min(n)..n,
    }
}

/// For each seen edge, its number, how far a place lies inside of it, and what that gains from one pixel of a row to the next.
pub(super) fn distances(
    quad: [(f64, f64); 4],
    seen: [bool; 4],
    start: (f64, f64),
    step: (f64, f64),
) -> impl Iterator<Item = (usize, f64, f64)> {
    (0..4).filter(move |&i| seen[i]).map(move |i| {
        let ((ax, ay), (bx, by)) = (quad[i], quad[(i + 1) % 4]);
        let (dx, dy) = (bx - ax, by - ay);
        let length = dx.hypot(dy).max(1e-9);
        (i, (dx * (start.1 - ay) - dy * (start.0 - ax)) / length, (dx * step.1 - dy * step.0) / length)
    })
}
