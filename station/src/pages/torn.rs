//! Torn and folded corners: there the lid shows within the sheet's outline, and on a dark lid it would be delivered as a black
//! patch. Only what is surely lid is taken for it: it begins at the sheet's own corner, is as dark as the lid, and ends at
//! paper along a slanting line. A picture printed into the corner ends square to the edges.

use super::{geometry::Grey, paper::Sheet};
use std::ops::Range;

/// A corner is looked at in steps along one of its edges, so many and so far apart in mm.
const STEPS: usize = 64;
const STEP_MM: f64 = 0.5;
/// Nearer to an edge than this lid and paper are mixed, in mm.
const RIM_MM: f64 = 0.8;
/// A corner is torn off by at least so many mm along both edges, and by at most so many.
const LEAST_MM: f64 = 2.0;
const MOST_MM: f64 = 30.0;
/// Darker than this share of the paper is the lid, in 1/100; on another, nothing black is delivered.
const DARK_LID: u32 = 60;
/// The lid is brighter by at most so many levels than where it was seen beside the sheet.
const EVEN: u8 = 30;
/// Behind the tear lies paper, at least so bright in 1/100 of its level, in so many mm, in so many of 100 steps.
const PAPER: u32 = 70;
const BEHIND_MM: f64 = 1.2;
const MOSTLY: usize = 80;
/// Share of the box around it that a torn corner fills: a triangle half, a printed box all.
const FILLS: Range<f64> = 0.2..0.78;
/// The median over so many steps is taken: a rule that ends in the tear is not a part of it.
const SMOOTH: usize = 5;
/// Beyond the tear, what is dark is lid for so many mm more.
const BAND_MM: f64 = 0.5;

/// A corner that is gone from a sheet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Torn {
    /// The corner, in pixels of the scan, and the directions of its two edges, away from it.
    corner: (f64, f64),
    along: (f64, f64),
    inward: (f64, f64),
    /// How far the lid reaches from the first edge at each step along it, in pixels of the scan.
    depths: [f32; STEPS],
    /// A step in pixels of the scan.
    step: f64,
    band: f64,
}

/// Finds torn corners of a sheet in `small`, a reduced picture of a scan of `dpi`: TL, TR, BR, BL. `lid` is the grey of the lid,
/// if it is seen.
pub(crate) fn find(small: &Grey, paper: u8, sheet: &Sheet, lid: Option<u8>, dpi: f64) -> [Option<Torn>; 4] {
    let Some(lid) = lid.filter(|&lid| u32::from(lid) * 100 <= u32::from(paper) * DARK_LID) else { return [None; 4] };
    std::array::from_fn(|i| {
        // The edges that meet there are the one that begins there and the one that ends there.
        let (mine, before) = (i, (i + 3) % 4);
        let corner = sheet.quad[i];
        let towards = |other: (f64, f64)| {
            let (dx, dy) = (other.0 - corner.0, other.1 - corner.1);
            let length = dx.hypot(dy).max(1e-9);
            (dx / length, dy / length)
        };
        let (along, inward) = (towards(sheet.quad[(i + 1) % 4]), towards(sheet.quad[before]));
        let px = dpi / 25.4;
        let torn = Torn { corner, along, inward, depths: [0.0; STEPS], step: STEP_MM * px, band: BAND_MM * px };
        let torn = (sheet.seen[mine] && sheet.seen[before]).then_some(torn)?;
        let corner = Corner { small, scale: f64::from(small.dpi) / dpi, px, paper, lid };
        // Along the longer side of the tear, so that its depth changes slowly.
        let turned = Torn { along: inward, inward: along, ..torn };
        let by_length = corner.length(&turned) > corner.length(&torn);
        corner.measured(if by_length { turned } else { torn })
    })
}

/// A corner being looked at.
struct Corner<'a> {
    small: &'a Grey,
    /// Pixels of `small` for one of the scan, and pixels of the scan for a millimetre.
    scale: f64,
    px: f64,
    paper: u8,
    lid: u8,
}

impl Corner<'_> {
    /// The level at so many mm along the first edge and from it.
    fn level(&self, torn: &Torn, u: f64, v: f64) -> Option<u8> {
        let (x, y) = torn.place(u * self.px, v * self.px);
        let (x, y) = ((x * self.scale).floor(), (y * self.scale).floor());
        let inside = x >= 0.0 && y >= 0.0 && (x as usize) < self.small.width && (y as usize) < self.small.height;
        inside.then(|| self.small.row(y as usize)[x as usize])
    }

    fn is_lid(&self, torn: &Torn, u: f64, v: f64) -> bool {
        self.level(torn, u, v).is_some_and(|v| v <= self.lid.saturating_add(EVEN))
    }

    fn is_paper(&self, torn: &Torn, u: f64, v: f64) -> bool {
        self.level(torn, u, v).is_some_and(|v| u32::from(v) * 100 >= u32::from(self.paper) * PAPER)
    }

    /// How many steps the lid goes along the first edge.
    fn length(&self, torn: &Torn) -> usize {
        (0..STEPS).skip_while(|&j| middle(j) < RIM_MM).take_while(|&j| self.is_lid(torn, middle(j), RIM_MM)).count()
    }

    /// How deep it goes at `u`.
    fn depth(&self, torn: &Torn, u: f64) -> f64 {
        let fine = 25.4 / (f64::from(self.small.dpi) * 2.0);
        let count = (MOST_MM / fine) as usize;
        let lids = (0..count).take_while(|&k| self.is_lid(torn, u, RIM_MM + k as f64 * fine)).count();
        if lids == 0 { 0.0 } else { RIM_MM + lids as f64 * fine }
    }

    /// With its depths, if the corner is torn.
    fn measured(&self, mut torn: Torn) -> Option<Torn> {
        let first = (RIM_MM / STEP_MM).ceil() as usize;
        let mut depths = [0.0; STEPS];
        // Beside the corner the walk along the other edge would be in its rim.
        (first..STEPS).for_each(|j| depths[j] = self.depth(&torn, middle(j)));
        let mut depths: [f64; STEPS] = std::array::from_fn(|j| {
            median(&depths[j.saturating_sub(SMOOTH / 2).max(first)..(j + SMOOTH / 2 + 1).min(STEPS)])
        });
        let end = (first..STEPS).find(|&j| depths[j] == 0.0)?;
        // There the tear goes on as it comes.
        let (near, far) = (first + SMOOTH / 2, (first + SMOOTH / 2 + 4).min(end));
        let slope = (depths[near] - depths[far]).max(0.0) / (far.saturating_sub(near)).max(1) as f64;
        (0..near).for_each(|j| depths[j] = depths[near] + slope * (near - j) as f64);
        let (long, deep) = (end as f64 * STEP_MM, depths[first]);
        if !(LEAST_MM..=MOST_MM).contains(&long) || !(LEAST_MM..MOST_MM - 1.0).contains(&deep) {
            return None;
        }
        let most = depths[..end].iter().copied().fold(0.0, f64::max);
        let fills = depths[..end].iter().sum::<f64>() * STEP_MM / (long * most);
        let behind = (first..end).filter(|&j| self.is_paper(&torn, middle(j), depths[j] + BEHIND_MM)).count();
        if !FILLS.contains(&fills) || behind * 100 < (end - first) * MOSTLY {
            return None;
        }
        for (j, depth) in torn.depths.iter_mut().enumerate() {
            // At its end the tear runs out within the rim.
            let mm = if j < end {
                depths[j]
            } else if j < end + 2 {
                RIM_MM
            } else {
                0.0
            };
            *depth = (mm * self.px) as f32;
        }
        Some(torn)
    }
}

/// The middle of a step, in mm.
fn middle(j: usize) -> f64 {
    (j as f64 + 0.5) * STEP_MM
}

impl Torn {
    /// A place at `u` along the first edge and `v` from it, in pixels of the scan.
    fn place(&self, u: f64, v: f64) -> (f64, f64) {
        let along = |a: f64, b: f64, at: f64| at + u * a + v * b;
        (along(self.along.0, self.inward.0, self.corner.0), along(self.along.1, self.inward.1, self.corner.1))
    }

    /// How far the lid reaches at `u` pixels along the first edge.
    fn depth(&self, u: f64) -> f64 {
        // Depths were measured in the middle of their steps.
        let at = (u / self.step - 0.5).clamp(0.0, (STEPS - 1) as f64);
        let (step, part) = (at as usize, at.fract());
        let [a, b] = [step, (step + 1).min(STEPS - 1)].map(|step| f64::from(self.depths[step]));
        a + (b - a) * part
    }

    /// How far along the edge and how far inward a row begins, and what it gains by each pixel.
    fn coordinates(&self, (start, step): ((f64, f64), (f64, f64))) -> ((f64, f64), (f64, f64)) {
        // The sheet is square: its edges' directions are axes.
        let onto = |axis: (f64, f64), (x, y): (f64, f64)| axis.0 * x + axis.1 * y;
        let from = (start.0 - self.corner.0, start.1 - self.corner.1);
        ((onto(self.along, from), onto(self.along, step)), (onto(self.inward, from), onto(self.inward, step)))
    }

    /// Where a row of `n` pixels may pass what is missing.
    pub(super) fn reach(&self, row: ((f64, f64), (f64, f64)), n: usize) -> Range<usize> {
        let ((u, du), (v, dv)) = self.coordinates(row);
        let steps = self.depths.iter().rposition(|&depth| depth > 0.0).map_or(0.0, |last| last as f64 + 1.5);
        let deepest = self.depths.iter().fold(0.0f64, |most, &depth| most.max(f64::from(depth)));
        let within = |at: f64, gain: f64, reach: f64| {
            let (a, b) = if gain.abs() < 1e-9 {
                if (-self.band..reach).contains(&at) { (f64::MIN, f64::MAX) } else { (0.0, 0.0) }
            } else {
                let (a, b) = ((-self.band - at) / gain, (reach - at) / gain);
                (a.min(b), a.max(b))
            };
            (a.max(0.0) as usize, b.clamp(0.0, n as f64) as usize)
        };
        let (across, down) = (within(u, du, steps * self.step), within(v, dv, deepest + self.band));
        let (from, to) = (across.0.max(down.0).min(n), across.1.min(down.1));
        from..to.max(from)
    }

    /// Paints what is darker than `limit` (in sums of a pixel's bytes) in a row of the result over. The row's pixels lie at
    /// `start`, `start + step` and so on in the scan.
    pub(super) fn paint<const BANDS: usize>(
        &self,
        pixels: &mut [[u8; BANDS]],
        (start, step): ((f64, f64), (f64, f64)),
        limit: u32,
        paper: [u8; BANDS],
    ) {
        let range = self.reach((start, step), pixels.len());
        let ((u, du), (v, dv)) = self.coordinates((start, step));
        for (pixel, i) in pixels[range.clone()].iter_mut().zip(range) {
            let (u, v) = (u + du * i as f64, v + dv * i as f64);
            let depth = self.depth(u);
            if depth > 0.0 && v < depth + self.band && pixel.iter().map(|&v| u32::from(v)).sum::<u32>() < limit {
                *pixel = paper;
            }
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::{Image, fit, turn};
    use platen_protocol::uplink::ColourMode;

    const DPI: f64 = 300.0;
    const MM: f64 = DPI / 25.4;

    /// A sheet of 150 × 200 mm, turned on a lid of grey 12, whose places (from its corner, in mm) are as `on_sheet` says.
    fn scan(degrees: f64, on_sheet: impl Fn(f64, f64) -> u8) -> (Image, Sheet) {
        let (width, height) = (2_100, 2_700);
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (left, top) = (140.0, 160.0);
        let data = (0..width * height)
            .map(|i| {
                let (x, y) = ((i % width) as f64 + 0.5 - left, (i / width) as f64 + 0.5 - top);
                let (u, v) = ((x * cos + y * sin) / MM, (y * cos - x * sin) / MM);
                if (0.0..150.0).contains(&u) && (0.0..200.0).contains(&v) { on_sheet(u, v) } else { 12 }
            })
            .collect();
        let corner = |u: f64, v: f64| (left + (u * cos - v * sin) * MM, top + (u * sin + v * cos) * MM);
        let quad = [corner(0.0, 0.0), corner(150.0, 0.0), corner(150.0, 200.0), corner(0.0, 200.0)];
        let page = Image { mode: ColourMode::Grey, width, height, dpi: DPI as u32, data };
        (page, Sheet { quad, seen: [true; 4], angle: Some(degrees) })
    }

    fn small(page: &Image) -> Grey {
        super::super::reduce::halve(&super::super::reduced(&page.view()))
    }

    fn torn(page: &Image, sheet: &Sheet) -> [Option<Torn>; 4] {
        find(&small(page), 230, sheet, Some(12), DPI)
    }

    fn is_torn(page: &Image, sheet: &Sheet) -> [bool; 4] {
        torn(page, sheet).map(|torn| torn.is_some())
    }

    #[test]
    fn the_lid_in_a_torn_and_a_folded_corner_is_painted_over_and_the_writing_beside_it_stays() {
        for degrees in [0.0, 2.3, -3.5] {
            // Top left torn with a ragged edge, bottom right folded; print up to a millimetre from both, a rule into the tear.
            let line = |u: f64, v: f64, a: f64, b: f64| u / a + v / b - 1.0;
            let ragged = |u: f64, v: f64| line(u, v, 14.0, 9.0) + 0.05 * (u * 2.1).sin();
            let (page, sheet) = scan(degrees, |u, v| {
                let folded = line(150.0 - u, 200.0 - v, 8.0, 20.0);
                let dot = (u % 4.0) < 1.0 && (v % 4.0) < 1.0 && ragged(u, v) > 0.2 && folded > 0.2;
                let rule = (6.0..6.4).contains(&v) && u < 60.0;
                match ragged(u, v) < 0.0 || folded < 0.0 {
                    true => 12,
                    false if dot || rule => 75,
                    false => 230,
                }
            });
            let torn = torn(&page, &sheet);
            assert_eq!(torn.map(|torn| torn.is_some()), [true, false, true, false], "{degrees}°");
            let fitted = fit::fit(&page.view(), &sheet, degrees, &[], torn);
            let out = turn::whole(&page.view(), &fitted.canvas, [230; 3]);
            let bare = fit::fit(&page.view(), &sheet, degrees, &[], [None; 4]);
            let before = turn::whole(&page.view(), &bare.canvas, [230; 3]);
            let black = |image: &Image| image.data.iter().filter(|&&v| v < 35).count();
            assert!(black(&before) > 15_000 && black(&out) < 60, "{degrees}°: {} of {}", black(&out), black(&before));
            let ink = |image: &Image| image.data.iter().filter(|&&v| (45..110).contains(&v)).count() as f64;
            assert!(ink(&out) > 0.985 * ink(&before), "{degrees}°: {} of {}", ink(&out), ink(&before));
        }
    }

    #[test]
    fn what_is_printed_in_a_corner_is_not_torn() {
        let none = [false; 4];
        let (page, sheet) = scan(1.0, |_, _| 230);
        assert_eq!(is_torn(&page, &sheet), none, "whole corners");
        let (page, sheet) = scan(1.0, |u, v| if u < 20.0 && v < 12.0 { 12 } else { 230 });
        assert_eq!(is_torn(&page, &sheet), none, "a black box");
        let (page, sheet) = scan(1.0, |u, v| if u / 20.0 + v / 12.0 < 1.0 { 70 } else { 230 });
        assert_eq!(is_torn(&page, &sheet), none, "a grey triangle");
        let (page, sheet) = scan(1.0, |u, v| if u + v < 90.0 { 12 } else { 230 });
        assert_eq!(is_torn(&page, &sheet), none, "half of the sheet is black");
        let (page, mut sheet) = scan(1.0, |u, v| if u + v < 12.0 { 12 } else { 230 });
        assert_eq!(is_torn(&page, &sheet), [true, false, false, false]);
        sheet.seen[3] = false;
        assert_eq!(is_torn(&page, &sheet), none, "an edge that was not seen");
    }
}
