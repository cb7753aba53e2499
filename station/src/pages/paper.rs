//! The sheet on the glass: its four edges against the lid, and its colour.
//!
//! From each side of the scan every line of pixels is walked inwards over the lid until it steps up to paper; a line is
//! put through those places that most of them agree on (torn corners and dust do not agree). A white lid shows no edge:
//! then the scan's own border stands in, and nothing is claimed about the sheet. Its shadows may show one; see
//! [`shadows`].

mod shadows;

use super::{
    geometry::{Grey, View},
    ink,
    reduce::luma,
    strips::transposed,
};
use platen_protocol::uplink::ColourMode;
pub(super) use shadows::shadows;
use std::ops::Range;

/// A step up to paper is at least this high.
const STEP: i32 = 16;
/// A lid is darker than this share of the paper, in 1/100.
const LID: i32 = 88;
/// How far from its edge a place may lie and still agree with it, in pixels of the reduced picture.
const AGREE: f32 = 1.0;
/// An edge is one if so many of the lines that cross the lid agree on it.
const QUORUM: f32 = 0.5;
/// An edge that leans further than this is none: tan 17°.
const LEAN: f32 = 0.31;

/// A sheet on a bright lid covers at least this share of the scan.
const WHOLE: f64 = 0.35;

/// An edge of the sheet: where it crosses each line of pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Edge {
    at: f32,
    pub(super) slope: f32,
    /// Lines of pixels that agree on it.
    pub(super) votes: usize,
}

/// What is known about where the sheet lies.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sheet {
    /// Corners TL, TR, BR, BL in pixels of the scan, edges at integers.
    pub(crate) quad: [(f64, f64); 4],
    /// Which edges were seen: top, right, bottom, left. The scan's border stands in for the others.
    pub(crate) seen: [bool; 4],
    /// Degrees that straighten the sheet by its edges, if at least one of them is long enough to tell.
    pub(crate) angle: Option<f64>,
}

/// What lies on the inner side of four lines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Inside([(f64, f64, f64); 4]);

impl Inside {
    /// Whether a place, in pixels of the scan, does.
    pub(crate) fn holds(&self, (x, y): (f64, f64)) -> bool {
        self.0.iter().all(|(across, down, at)| across * x + down * y >= *at)
    }

    /// How far inside of each line a place lies, in pixels of the scan.
    pub(crate) fn distances(&self, (x, y): (f64, f64)) -> [f64; 4] {
        self.0.map(|(across, down, at)| across * x + down * y - at)
    }
}

impl Sheet {
    /// The sheet within these edges of `small`, `page` reduced.
    pub(crate) fn within(edges: [Option<Edge>; 4], small: &Grey, page: &View<'_>) -> Self {
        // Rows and columns that are less than a pixel of `small` are not in it.
        let scale = f64::from(page.dpi) / f64::from(small.dpi);
        let (w, h) = ((page.width as f64 / scale) as f32, (page.height as f64 / scale) as f32);
        let border = |at| Edge { at, slope: 0.0, votes: 0 };
        let [top, right, bottom, left] = edges;
        let angle = agreed_angle(&[(top, 1.0), (bottom, 1.0), (left, -1.0), (right, -1.0)]);
        let [top, bottom] = [top.unwrap_or(border(0.0)), bottom.unwrap_or(border(h))];
        let [left, right] = [left.unwrap_or(border(0.0)), right.unwrap_or(border(w))];
        // What was not seen ends with the scan, to the pixel.
        let onto = |at: f64, border: usize| if (at - border as f64).abs() < 0.01 { border as f64 } else { at };
        let corner = |across: Edge, down: Edge| {
            // y = a + b·x and x = c + d·y.
            let y = f64::from(across.at + across.slope * down.at) / f64::from(1.0 - across.slope * down.slope);
            let x = f64::from(down.at) + f64::from(down.slope) * y;
            (onto(x * scale, page.width), onto(y * scale, page.height))
        };
        let quad = [corner(top, left), corner(top, right), corner(bottom, right), corner(bottom, left)];
        Self { quad, seen: edges.map(|edge| edge.is_some()), angle }
    }

    /// What the quad covers, in pixels of the scan (the shoelace formula).
    pub(crate) fn area(&self) -> f64 {
        let corner = |i: usize| self.quad[i % 4];
        (0..4).map(|i| corner(i).0 * corner(i + 1).1 - corner(i + 1).0 * corner(i).1).sum::<f64>().abs() / 2.0
    }

    /// Whether enough of its edges were seen, around enough of the scan, to tell what lies on it from what lies beside.
    pub(super) fn is_whole(&self, page: &View<'_>) -> bool {
        let seen = self.seen.iter().filter(|seen| **seen).count();
        seen >= 3 && self.area() > WHOLE * (page.width as f64) * (page.height as f64)
    }

    /// The top-left corner, if both edges that meet there were seen.
    pub(crate) fn corner(&self) -> Option<(f64, f64)> {
        let [top, _, _, left] = self.seen;
        (top && left).then_some(self.quad[0])
    }

    /// What lies on the sheet and at least `rim` pixels of the scan from its seen edges.
    pub(crate) fn inside(&self, rim: f64) -> Inside {
        Inside(std::array::from_fn(|i| {
            let ((ax, ay), (bx, by)) = (self.quad[i], self.quad[(i + 1) % 4]);
            let length = (bx - ax).hypot(by - ay).max(1e-9);
            let (across, down) = ((ay - by) / length, (bx - ax) / length);
            (across, down, across * ax + down * ay + if self.seen[i] { rim } else { 0.0 })
        }))
    }

    /// The upright box of what lies further than `rim` from the sheet's sides, times `scale`, within `size`: left, top, right,
    /// bottom.
    pub(crate) fn inner_box(&self, rim: f64, scale: f64, (w, h): (usize, usize)) -> (usize, usize, usize, usize) {
        let bound = |of: fn(&(f64, f64)) -> f64| {
            let all = self.quad.each_ref().map(of);
            let low = all.into_iter().fold(f64::MAX, f64::min);
            let high = all.into_iter().fold(f64::MIN, f64::max);
            (((low + rim) * scale).max(0.0) as usize, ((high - rim) * scale).max(0.0) as usize)
        };
        let ((left, right), (top, bottom)) = (bound(|p| p.0), bound(|p| p.1));
        (left.min(w), top.min(h), right.min(w), bottom.min(h))
    }

    /// How far inside of its edges a place lies: top, right, bottom, left, in pixels of the scan.
    pub(crate) fn distances(&self, place: (f64, f64)) -> [f64; 4] {
        self.inside(0.0).distances(place)
    }

    /// Whether a corner where two seen edges meet lies more than `far` pixels outside of the scan.
    pub(crate) fn leaves(&self, page: &View<'_>, far: f64) -> bool {
        let (w, h) = (page.width as f64, page.height as f64);
        let outside = |(x, y): (f64, f64)| x < -far || y < -far || x > w + far || y > h + far;
        let [top, right, bottom, left] = self.seen;
        let met = [top && left, top && right, bottom && right, bottom && left];
        self.quad.iter().zip(met).any(|(&corner, met)| met && outside(corner))
    }
}

/// Finds the sheet's edges in a reduced picture: top, right, bottom, left.
pub(crate) fn edges(small: &Grey) -> [Option<Edge>; 4] {
    let turned = transposed(small);
    let level = i32::from(ink::paper_level(small));
    [edge(&turned, level, false), edge(small, level, true), edge(&turned, level, true), edge(small, level, false)]
}

/// The angle that the longest edges agree on.
fn agreed_angle(edges: &[(Option<Edge>, f32)]) -> Option<f64> {
    let slopes: Vec<(f32, f32)> =
        edges.iter().filter_map(|&(e, sign)| e.map(|e| (e.slope * sign, e.votes as f32))).collect();
    // The slope with most votes near it.
    let near = |a: f32| slopes.iter().filter(move |(b, _)| (a - b).abs() < 0.005);
    let best =
        slopes.iter().map(|&(s, _)| (s, near(s).map(|(_, n)| n).sum::<f32>())).max_by(|a, b| a.1.total_cmp(&b.1));
    let (slope, votes) = best?;
    let mean = near(slope).map(|(s, n)| s * n).sum::<f32>() / votes;
    (votes >= 200.0 && near(slope).count() >= 2).then(|| f64::from(mean).atan().to_degrees())
}

/// The edge that is met when each row is walked from its left end (`back`: from its right end).
fn edge(grey: &Grey, paper: i32, back: bool) -> Option<Edge> {
    let mut places = Vec::with_capacity(grey.height / 2);
    let mut crossed = 0;
    for y in (1..grey.height.saturating_sub(1)).step_by(2) {
        let rows = [grey.row(y - 1), grey.row(y), grey.row(y + 1)];
        // Sums of three pixels, made as the walk needs them.
        let line = |x: usize| -> i32 {
            let x = if back { grey.width - 1 - x } else { x };
            rows.iter().map(|row| i32::from(row[x])).sum()
        };
        match step_up(line, grey.width, paper) {
            Walk::Step(at) => {
                crossed += 1;
                let at = if back { grey.width as f32 - at } else { at };
                places.push((y as f32 + 0.5, at));
            }
            Walk::OnlyLid => crossed += 1,
            Walk::NoLid => {}
        }
    }
    // The lid must be seen beside a good part of the sheet.
    if crossed * 5 < grey.height / 2 || places.len() < 24 {
        return None;
    }
    let edge = fit(&places)?;
    (edge.votes as f32 >= QUORUM * places.len() as f32).then_some(edge)
}

enum Walk {
    /// Where paper begins.
    Step(f32),
    /// The lid goes on beyond the middle.
    OnlyLid,
    /// The line begins on paper, or on a lid as bright as paper.
    NoLid,
}

/// Walks a line of sums of three pixels up to the first step from lid to paper.
fn step_up(line: impl Fn(usize) -> i32, len: usize, paper: i32) -> Walk {
    let lid = |sum: i32, n: i32| sum * 100 < paper * 3 * LID * n;
    let sum = |range: Range<usize>| range.map(&line).sum::<i32>();
    if len < 32 || !lid(sum(0..4), 4) {
        return Walk::NoLid;
    }
    let until = (len * 6 / 10).min(len - 16);
    let slope = |p: usize| line(p + 1) + line(p + 2) - line(p - 1) - line(p - 2);
    for p in 3..until {
        let here = slope(p);
        if here < STEP * 6 || here < slope(p + 1) {
            continue;
        }
        // A step, not the slow brightening out of a binding's shadow, and paper behind it, not a speck of dust.
        let before = if p >= 6 { slope(p - 4) } else { 0 };
        let behind = sum(p + 3..p + 13);
        let ahead = line(p - 2) + line(p - 1);
        // Lid before it, and not only a rule or a shadow on paper.
        let far = p.saturating_sub(12)..p - 2;
        let (far_sum, far_n) = (sum(far.clone()), far.len() as i32);
        let rises = (behind * far_n - 10 * far_sum) * 10 > 5 * far_n * here * 5;
        if here > 2 * before.max(0) && behind - 5 * ahead > 5 * here * 6 / 10 && rises {
            // The top of the parabola through the three steepest places.
            let (a, b, c) = (slope(p - 1) as f32, here as f32, slope(p + 1) as f32);
            let bend = a - 2.0 * b + c;
            let off = if bend < 0.0 { ((a - c) / (2.0 * bend)).clamp(-0.5, 0.5) } else { 0.0 };
            return Walk::Step(p as f32 + 0.5 + off);
        }
    }
    if lid(sum(until / 2..until), (until - until / 2) as i32) { Walk::OnlyLid } else { Walk::NoLid }
}

/// The line that most places (y, x) agree on: candidates through pairs of them, then least squares.
pub(super) fn fit(places: &[(f32, f32)]) -> Option<Edge> {
    let n = places.len();
    let agreeing = |at: f32, slope: f32| places.iter().filter(move |(y, x)| (at + slope * y - x).abs() < AGREE);
    let mut best = Edge { at: 0.0, slope: 0.0, votes: 0 };
    // Pairs a third of the edge apart, spread evenly: the same for the same page.
    for k in 0..90 {
        let (i, j) = (k * 7_919 % n, (k * 7_919 + n / 3 + k * 31 % (n / 3).max(1)) % n);
        let ((y0, x0), (y1, x1)) = (places[i], places[j]);
        if (y1 - y0).abs() < 8.0 {
            continue;
        }
        let slope = (x1 - x0) / (y1 - y0);
        let at = x0 - slope * y0;
        if slope.abs() <= LEAN {
            let votes = agreeing(at, slope).count();
            if votes > best.votes {
                best = Edge { at, slope, votes };
            }
        }
    }
    for _ in 0..2 {
        let chosen: Vec<_> = agreeing(best.at, best.slope).copied().collect();
        let m = chosen.len() as f32;
        let (my, mx) = (chosen.iter().map(|p| p.0).sum::<f32>() / m, chosen.iter().map(|p| p.1).sum::<f32>() / m);
        let (mut yy, mut yx) = (0.0, 0.0);
        for (y, x) in &chosen {
            yy += (y - my) * (y - my);
            yx += (y - my) * (x - mx);
        }
        if chosen.len() < 12 || yy <= 0.0 {
            return None;
        }
        let slope = yx / yy;
        best = Edge { at: mx - slope * my, slope, votes: chosen.len() };
    }
    Some(best)
}

/// The paper's colour: the mean of a sample of pixels about as bright as the paper.
pub(crate) fn colour(page: &View<'_>, level: u8) -> [u8; 3] {
    match page.mode {
        ColourMode::Lineart => [255; 3],
        ColourMode::Grey => [mean::<1>(page, level)[0]; 3],
        ColourMode::Colour => mean::<3>(page, level),
    }
}

fn mean<const BANDS: usize>(page: &View<'_>, level: u8) -> [u8; BANDS] {
    let (mut sums, mut n) = ([0u64; BANDS], 0u64);
    for y in (0..page.height).step_by(16) {
        for pixel in page.row(y).as_chunks::<BANDS>().0.iter().step_by(16) {
            // As the level was measured, whatever colour the paper has.
            if luma(pixel).abs_diff(level) < 12 {
                sums.iter_mut().zip(pixel).for_each(|(s, &v)| *s += u64::from(v));
                n += 1;
            }
        }
    }
    sums.map(|s| s.checked_div(n).map_or(level, |mean| mean as u8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::{Image, reduced};

    #[test]
    fn paper_of_any_colour_is_told_by_its_colour() {
        // White, kraft, yellow, and scans of which one channel is too strong or dead.
        for paper in [[245, 245, 245], [210, 170, 100], [240, 220, 130], [150, 230, 150], [240, 60, 240]] {
            let (width, height) = (400, 400);
            let data = (0..width * height).flat_map(|i| if i % 7 == 0 { [30; 3] } else { paper }).collect();
            let page = Image { mode: ColourMode::Colour, width, height, dpi: 150, data };
            let level = ink::paper_level(&reduced(&page.view()));
            assert_eq!(colour(&page.view(), level), paper);
        }
    }

    #[test]
    fn edges_lie_where_they_are_also_in_a_scan_that_is_no_multiple_of_its_picture() {
        // 5,102 columns are 637 pixels of 8, and 6 more.
        let (width, height) = (5_102, 7_015);
        let page = Image { mode: ColourMode::Grey, width, height, dpi: 600, data: vec![0; width * height] };
        let small = Grey { width: 637, height: 876, dpi: 75.0, data: vec![0; 637 * 876] };
        let edge = |at| Some(Edge { at, slope: 0.0, votes: 100 });
        let sheet = Sheet::within([None, edge(500.0), edge(800.0), None], &small, &page.view());
        assert_eq!(sheet.quad, [(0.0, 0.0), (4_000.0, 0.0), (4_000.0, 6_400.0), (0.0, 6_400.0)]);
        let whole = Sheet::within([None; 4], &small, &page.view());
        assert_eq!(whole.quad[2], (5_102.0, 7_015.0), "what was not seen is where the scan ends");
        for width in 3_300..3_400 {
            // Reduced by 6, which is no number of binary digits of 400 / 6.
            let page = Image { mode: ColourMode::Grey, width, height: 4_677, dpi: 400, data: vec![0; width * 4_677] };
            let small = Grey { width: width / 6, height: 779, dpi: 400.0 / 6.0, data: vec![0; width / 6 * 779] };
            assert_eq!(Sheet::within([None; 4], &small, &page.view()).quad[2], (width as f64, 4_677.0));
        }
    }
}
