//! Where ink is: darker than its surroundings, whatever the paper's colour, with the dark lid, blots, photographs and a
//! feeder's streaks held down.

mod contrast;
mod lid;

use super::{geometry::Grey, paper::Sheet, reduce};
use multiversion::multiversion;

/// The local mean is taken over a square of this half-width, in mm.
const SURROUND_MM: f32 = 3.0;
/// Ink counts for at most this much: blots and photographs must not outweigh writing.
const MOST: i16 = 60;
/// What shows through a sheet has at most this share of the strength of what is written on it.
const SHOWS_THROUGH: f32 = 0.45;
/// The darkest of a page: one pixel of so many. Dust is darker.
const DARKEST: usize = 2_000;
/// Cells of the background map, in pixels of the coarse picture.
const CELL: usize = 6;
/// A column inked over this share of the sheet, and to an end of it, is a streak of the scanner, not writing.
const STREAK_SHARE: f32 = 0.7;
/// The first and the last of so many parts of the picture's height in which the sheet is seen are its ends.
const STREAK_BANDS: usize = 12;
/// The picture's rim, in pixels of the coarse picture, holds no writing.
const RIM: usize = 2;
/// The rim of a sheet holds the shadow of its edge, in mm.
const RIM_MM: f64 = 2.0;
/// So many pixels say enough about how bright a picture is.
const SAMPLE: usize = 100_000;
/// The threshold of a pixel that can hold no ink.
const NEVER: i16 = i16::MIN / 2;

/// The ink of a page at half the resolution of the picture it was made from, and what is needed to find it at full.
#[derive(Debug)]
pub(crate) struct InkMap {
    /// The picture at the coarse resolution.
    pub(crate) grey: Grey,
    /// Ink 0..=60 at the coarse resolution.
    pub(crate) coarse: Grey,
    /// Where a pixel is darker than this, that is ink; coarse resolution.
    below: Vec<i16>,
    /// How much darker than its surroundings that is.
    threshold: i16,
}

impl InkMap {
    #[inline(never)] // counted by `make bench`
    pub(crate) fn new(fine: &Grey) -> Self {
        let small = reduce::halve(fine);
        let (w, h) = (small.width, small.height);
        // The square's width times 255 must fit 16 bits: a strip of a few pixels' width is not reduced.
        let mean = local_mean(&small, ((SURROUND_MM / 25.4 * small.dpi) as usize).clamp(2, 120));
        let threshold = noise_threshold(&small, &mean);
        let masked = lid::cells(&small);
        let mut below: Vec<i16> = mean.iter().map(|&m| i16::from(m) - threshold).collect();
        let cells = w.div_ceil(CELL);
        for (y, row) in below.chunks_exact_mut(w).enumerate() {
            if y < RIM || y + RIM >= h {
                row.fill(NEVER);
                continue;
            }
            row[..RIM.min(w)].fill(NEVER);
            row[w.saturating_sub(RIM)..].fill(NEVER);
            let mask = &masked[y / CELL * cells..][..cells];
            row.chunks_mut(CELL).zip(mask).filter(|(_, masked)| **masked).for_each(|(cell, _)| cell.fill(NEVER));
        }
        for x in streaks(&small, &below) {
            (0..h).for_each(|y| below[y * w + x] = NEVER);
        }
        let mut ink = vec![0; small.data.len()];
        darker(&mut ink, &small.data, &below);
        let coarse = Grey { width: w, height: h, dpi: small.dpi, data: ink };
        Self { grey: small, coarse, below, threshold }
    }

    /// Ink weaker than this, beside so much stronger ink, shows through from the other side of the sheet.
    fn weak(&self) -> u8 {
        let strongest = reached_by(sample(&self.coarse).map(|i| self.coarse.data[i]), DARKEST);
        (f32::from(strongest) * SHOWS_THROUGH) as u8
    }

    /// Whether a pixel of the coarse picture can hold no ink: lid, its shadow, a dark frame, a streak.
    pub(crate) fn is_masked(&self, i: usize) -> bool {
        self.below[i] == NEVER
    }

    /// Adds one to the count of each pixel, from pixel `at` of the coarse picture on, that is darker than `limit` and not masked.
    pub(super) fn add_darker(&self, counts: &mut [u8], at: usize, limit: u8) {
        let n = counts.len();
        add_darker(counts, &self.grey.data[at..][..n], &self.below[at..][..n], limit);
    }

    /// The ink on a sheet alone, of a scan of `dpi`: without the shadows of its edges.
    pub(crate) fn on(&self, sheet: &Sheet, dpi: f64) -> Self {
        let scale = dpi / f64::from(self.coarse.dpi);
        let inside = sheet.inside(RIM_MM * dpi / 25.4);
        let w = self.coarse.width;
        self.without(|i| !inside.holds((((i % w) as f64 + 0.5) * scale, ((i / w) as f64 + 0.5) * scale)))
    }

    /// The ink without that of a sheet's edges, of a scan of `dpi`.
    pub(crate) fn without_edges(&self, sheet: &Sheet, dpi: f64) -> Self {
        let scale = dpi / f64::from(self.coarse.dpi);
        let (inner, outer) = (sheet.inside(RIM_MM * dpi / 25.4), sheet.inside(-RIM_MM * dpi / 25.4));
        let w = self.coarse.width;
        self.without(|i| {
            let place = (((i % w) as f64 + 0.5) * scale, ((i / w) as f64 + 0.5) * scale);
            outer.holds(place) && !inner.holds(place)
        })
    }

    /// The map without the ink of some pixels of the coarse picture.
    pub(super) fn without(&self, gone: impl Fn(usize) -> bool) -> Self {
        let (mut coarse, mut below) = (self.coarse.clone(), self.below.clone());
        for (i, (ink, below)) in coarse.data.iter_mut().zip(&mut below).enumerate() {
            if gone(i) {
                (*ink, *below) = (0, NEVER);
            }
        }
        Self { grey: self.grey.clone(), coarse, below, threshold: self.threshold }
    }

    /// Share of the page that is inked, without what shows through.
    pub(crate) fn share(&self) -> f32 {
        let weak = self.weak().max(8);
        // As many bytes as one can count.
        let inked = |some: &[u8]| usize::from(some.iter().map(|&v| u8::from(v > weak)).sum::<u8>());
        let all: usize = self.coarse.data.chunks(usize::from(u8::MAX)).map(inked).sum();
        all as f32 / self.coarse.data.len() as f32
    }

    /// `ink`, which was made from this map, without what shows through.
    pub(crate) fn strong(&self, ink: &Grey) -> Grey {
        let weak = self.weak();
        Grey { data: ink.data.iter().map(|&v| v.saturating_sub(weak)).collect(), ..*ink }
    }

    /// The ink at the resolution of `fine`, the picture this map was made from.
    pub(crate) fn fine(&self, fine: &Grey) -> Grey {
        let w = self.coarse.width;
        let mut data = vec![0; fine.data.len()];
        let mut below = vec![NEVER; fine.width];
        for (y, out) in data.chunks_exact_mut(fine.width).enumerate() {
            let coarse = &self.below[(y / 2).min(self.coarse.height - 1) * w..][..w];
            if y % 2 == 0 {
                for (pair, &b) in below.as_chunks_mut::<2>().0.iter_mut().zip(coarse) {
                    *pair = [b; 2];
                }
            }
            darker(out, fine.row(y), &below);
        }
        Grey { width: fine.width, height: fine.height, dpi: fine.dpi, data }
    }
}

/// How much darker than its threshold each pixel is.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn darker(ink: &mut [u8], pixels: &[u8], below: &[i16]) {
    for ((ink, &v), &b) in ink.iter_mut().zip(pixels).zip(below) {
        *ink = (b - i16::from(v)).clamp(0, MOST) as u8;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn add_darker(counts: &mut [u8], pixels: &[u8], below: &[i16], limit: u8) {
    for ((count, &v), &b) in counts.iter_mut().zip(pixels).zip(below) {
        *count += u8::from(v < limit) & u8::from(b != NEVER);
    }
}

/// Mean over a square of half-width `r`, edges repeated.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn local_mean(grey: &Grey, r: usize) -> Vec<u8> {
    let (w, h) = (grey.width, grey.height);
    let n = (2 * r + 1) as u32;
    let mut across = vec![0u16; w * h];
    // The row with its ends repeated as far as the square reaches.
    let mut padded = vec![0u8; w + 2 * r + 1];
    for (row, out) in grey.data.chunks_exact(w).zip(across.chunks_exact_mut(w)) {
        padded[..r].fill(row[0]);
        padded[r..r + w].copy_from_slice(row);
        padded[r + w..].fill(row[w - 1]);
        let mut sum: u16 = padded[..2 * r].iter().map(|&v| u16::from(v)).sum();
        for ((out, &enter), &leave) in out.iter_mut().zip(&padded[2 * r..]).zip(&padded) {
            sum += u16::from(enter);
            *out = sum;
            sum -= u16::from(leave);
        }
    }
    let line = |y: isize| &across[y.clamp(0, h as isize - 1) as usize * w..][..w];
    let mut sums = vec![0u32; w];
    for y in -(r as isize)..=r as isize {
        sums.iter_mut().zip(line(y)).for_each(|(s, &v)| *s += u32::from(v));
    }
    let inverse = (1u64 << 32) / u64::from(n * n) + 1;
    let mut mean = vec![0u8; w * h];
    for (y, out) in mean.chunks_exact_mut(w).enumerate() {
        let (enter, leave) = (line((y + r + 1) as isize), line(y as isize - r as isize));
        for (((out, sum), &e), &l) in out.iter_mut().zip(&mut sums).zip(enter).zip(leave) {
            *out = ((u64::from(*sum) * inverse) >> 32) as u8;
            *sum = *sum + u32::from(e) - u32::from(l);
        }
    }
    mean
}

/// How much darker than its surroundings a pixel must be: above the paper's own grain.
fn noise_threshold(grey: &Grey, mean: &[u8]) -> i16 {
    let mut histogram = [0usize; 256];
    for (&v, &m) in grey.data.iter().zip(mean).step_by(7) {
        histogram[usize::from(v.abs_diff(m))] += 1;
    }
    let half = histogram.iter().sum::<usize>() / 2;
    let mut seen = 0;
    let median = histogram.iter().position(|&n| {
        seen += n;
        seen > half
    });
    (5 + 2 * median.unwrap_or(0) as i16).min(30)
}

/// The grey of the paper: what the brightest quarter of the picture reaches.
pub(crate) fn paper_level(grey: &Grey) -> u8 {
    reached_by(sample(grey).map(|i| grey.data[i]), 4)
}

/// Places of a sample of a picture's pixels, from all of its columns alike: the step has no divisor in common with its width.
pub(super) fn sample(grey: &Grey) -> impl Iterator<Item = usize> {
    let pixels = grey.data.len();
    let divides_both = |step: usize| (2..=step).any(|d| step.is_multiple_of(d) && grey.width.is_multiple_of(d));
    let mut step = pixels / SAMPLE + 1;
    while divides_both(step) {
        step += 1;
    }
    (0..pixels).step_by(step)
}

/// What the highest `share`-th part of the values reaches.
fn reached_by(values: impl Iterator<Item = u8>, share: usize) -> u8 {
    // In turn: paper is much the same everywhere, and a count cannot go on before the one before it is written.
    let mut in_turn = [[0usize; 256]; 4];
    values.enumerate().for_each(|(i, v)| in_turn[i % 4][usize::from(v)] += 1);
    let histogram: [usize; 256] = std::array::from_fn(|level| in_turn.iter().map(|counts| counts[level]).sum());
    let part = histogram.iter().sum::<usize>() / share;
    let mut seen = 0;
    let level = histogram.iter().rposition(|&n| {
        seen += n;
        seen > part
    });
    level.unwrap_or(0) as u8
}

/// Columns in which a streak of the scanner runs: inked nearly all over the sheet, and to one of its ends at least, where
/// a table's rule seldom is. The other may lie in a shadow.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn streaks(grey: &Grey, below: &[i16]) -> Vec<usize> {
    let (w, band) = (grey.width, grey.height.div_ceil(STREAK_BANDS).max(1));
    let (mut all_inked, mut all_seen) = (vec![0u16; w], vec![0u16; w]);
    // Whether it is inked in the first and in the last band of which more than half is seen.
    let mut ends = vec![None; w];
    for (rows, below) in grey.data.chunks(band * w).zip(below.chunks(band * w)) {
        let (mut inked, mut seen) = (vec![0u16; w], vec![0u16; w]);
        for (row, below) in rows.chunks_exact(w).zip(below.chunks_exact(w)) {
            for (((n, seen), &v), &b) in inked.iter_mut().zip(&mut seen).zip(row).zip(below) {
                *n += u16::from(i16::from(v) < b);
                *seen += u16::from(b != NEVER);
            }
        }
        for x in 0..w {
            all_inked[x] += inked[x];
            all_seen[x] += seen[x];
            if usize::from(seen[x]) * 2 > band {
                let runs = inked[x] * 4 > seen[x] * 3;
                ends[x] = Some((ends[x].map_or(runs, |(first, _)| first), runs));
            }
        }
    }
    let enough = (grey.height / 4) as u16;
    let inked = |x: usize| f32::from(all_inked[x]) > f32::from(all_seen[x]) * STREAK_SHARE;
    (0..w).filter(|&x| all_seen[x] > enough && inked(x) && ends[x].is_some_and(|(first, last)| first || last)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const SIZE: (usize, usize) = (620, 876);

    /// A page at 75 dpi after it was halved: a table with text, its outer rules upright, all by `contrast` darker than the paper.
    pub(super) fn table(contrast: f32) -> Grey {
        let (width, height) = (2 * SIZE.0, 2 * SIZE.1);
        let ink = |x: usize, y: usize| {
            let inside = (200..1_040).contains(&x) && (150..1_600).contains(&y);
            let rule = inside && ((y - 150) % 80 < 3 || !(204..1_036).contains(&x));
            let text = inside && (y - 150) % 160 > 40 && (y - 150) % 160 < 56 && (x * 7 + y / 5 * 13) % 11 < 4;
            rule || text
        };
        let value = |x, y| (240.0 - if ink(x, y) { 200.0 * contrast } else { 0.0 }) as u8;
        let data = (0..width * height).map(|i| value(i % width, i / width)).collect();
        Grey { width, height, dpi: 150.0, data }
    }

    #[test]
    fn a_tables_upright_rule_is_ink_and_a_line_down_the_whole_sheet_is_a_streak() {
        let masked = |page: &Grey| {
            let ink = InkMap::new(page);
            (RIM..SIZE.0 - RIM).filter(|x| ink.is_masked(SIZE.1 / 2 * SIZE.0 + x)).collect::<Vec<_>>()
        };
        let streak = |rows: std::ops::Range<usize>| {
            let mut page = table(1.0);
            let rows = page.data.chunks_exact_mut(2 * SIZE.0).skip(rows.start).take(rows.len());
            rows.for_each(|row| row[900..902].iter_mut().for_each(|v| *v /= 2));
            page
        };
        let high = 2 * SIZE.1;
        assert_eq!(masked(&streak(0..0)), Vec::<usize>::new());
        assert_eq!(masked(&streak(0..high)), [450]);
        assert_eq!(masked(&streak(0..high * 4 / 5)), [450], "faded at the lower end");
        assert_eq!(masked(&streak(high / 9..high * 8 / 9)), Vec::<usize>::new(), "at no end");
    }
}
