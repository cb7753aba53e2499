//! Projections of ink at any slope, made cheap: the ink is summed across narrow strips once; shearing the strips against
//! each other and adding them up is the projection at a slope.

use super::geometry::Grey;
use multiversion::multiversion;
use std::ops::Range;

/// Parts of a pixel by which a strip can be shifted.
const PARTS: usize = 64;
/// Fixed point of the weights of its interpolation: with a strip's sums they stay within 16 bits.
const ONE: u16 = 128;

/// Strips of rows, each summed along its height, with room at both ends for shearing. A picture whose lines run across is
/// transposed first ([`transposed`]), so that rows are always what is summed.
pub(super) struct Strips {
    pub(super) count: usize,
    /// Length of a profile.
    pub(super) len: usize,
    pad: usize,
    /// Middle of each strip, from the middle of the page, in pixels.
    middles: Vec<f32>,
    /// What rounding has left of each strip's own shift, in pixels.
    rests: Vec<f32>,
    data: Vec<u16>,
}

impl Strips {
    /// Strips of `strip` rows, at most 8: their sums, 60 at most for a pixel, weighted, then stay within 16 bits.
    /// `pre` is a slope already taken out; later slopes stay within ±`reach`.
    pub(super) fn new(ink: &Grey, strip: usize, pre: f32, reach: f32) -> Self {
        debug_assert!(strip <= 8);
        let (across, len) = (ink.height, ink.width);
        let pad = (across as f32 * 0.5 * (pre.abs() + reach)) as usize + 6;
        let count = across.div_ceil(strip);
        let room = len + 2 * pad;
        let middle = across as f32 / 2.0;
        let mut data = vec![0u16; count * room];
        let mut rests = vec![0.0; count];
        for (i, row) in ink.data.chunks_exact(len).enumerate() {
            // Rows are moved by whole pixels; what is left over is made good when the strip is.
            let exact = (i as f32 + 0.5 - middle) * pre;
            let whole = floor(exact + 0.5);
            rests[i / strip] += (exact - whole) / strip.min(across - i / strip * strip) as f32;
            let start = (pad as isize - whole as isize).clamp(0, (room - len) as isize) as usize;
            add_row(&mut data[i / strip * room + start..][..len], row);
        }
        let middles = (0..count).map(|s| (s as f32 + 0.5) * strip as f32 - middle).collect();
        Self { count, len, pad, middles, rests, data }
    }

    /// The profile of the strips of `range`, each shifted by its distance from the middle times `slope`, to a fraction of
    /// a pixel; in half steps of ink. It is interpolated by cubic B-splines, which blur alike wherever a strip lies: others
    /// blur between pixels and not on them, and every angle would be pulled to where strips lie on pixels.
    pub(super) fn project(&self, slope: f32, range: Range<usize>, profile: &mut [u16]) {
        profile.fill(0);
        for s in range {
            let shift = self.middles[s] * slope + self.rests[s];
            let whole = floor(shift);
            if let Some(strip) = self.shifted(s, whole - 1.0, 3) {
                add_shifted(profile, strip, SPLINE[((shift - whole) * PARTS as f32) as usize % PARTS]);
            }
        }
    }

    /// As [`Self::project`], to whole pixels: enough to find the way, at a third of the cost.
    pub(super) fn project_roughly(&self, slope: f32, range: Range<usize>, profile: &mut [u16]) {
        profile.fill(0);
        for s in range {
            let shift = floor(self.middles[s] * slope + dither(s));
            if let Some(strip) = self.shifted(s, shift, 0) {
                add(profile, strip);
            }
        }
    }

    /// Where `n` parts with as much ink each begin, and the last one's end.
    pub(super) fn parts_of_equal_ink(&self, n: usize) -> Vec<usize> {
        let ink = self.data.chunks_exact(self.len + 2 * self.pad).map(|s| s.iter().map(|&v| u64::from(v)).sum::<u64>());
        let mut sum = 0;
        let summed = ink.map(|ink| {
            sum += ink;
            sum
        });
        let upto: Vec<u64> = summed.collect();
        let all = upto.last().copied().unwrap_or(0);
        let ends = (1..n as u64).map(|part| upto.partition_point(|&sum| sum * (n as u64) < all * part) + 1);
        let ends = ends.map(|end| end.min(self.count));
        std::iter::once(0).chain(ends).chain([self.count]).collect()
    }

    /// A strip as it lies under the profile when shifted by `whole` pixels, with so many pixels more.
    fn shifted(&self, s: usize, whole: f32, more: usize) -> Option<&[u16]> {
        let room = self.len + 2 * self.pad;
        let from = self.pad.checked_add_signed(whole as isize).filter(|f| f + self.len + more <= room)?;
        Some(&self.data[s * room + from..][..self.len + more])
    }
}

/// Weights of the four pixels around a place, by its fraction between the second and the third of them; they add up to
/// [`ONE`].
const SPLINE: [[u16; 4]; PARTS] = {
    let mut table = [[0; 4]; PARTS];
    let mut i = 0;
    while i < PARTS {
        // The middle of the part, in halves of a part; the cubics, times 6 × 128³.
        let (t, one) = (2 * i as u64 + 1, 2 * PARTS as u64);
        let unit = 6 * one * one * one / ONE as u64;
        let rest = one - t;
        let first = rest * rest * rest / unit;
        let last = t * t * t / unit;
        let third = (one * one * one + 3 * one * one * t + 3 * one * t * t - 3 * t * t * t + unit / 2) / unit;
        table[i] = [first as u16, ONE - (first + third + last) as u16, third as u16, last as u16];
        i += 1;
    }
    table
};

/// A picture with its columns as rows.
pub(super) fn transposed(grey: &Grey) -> Grey {
    let (w, h) = (grey.width, grey.height);
    let mut data = vec![0; w * h];
    let (whole_w, whole_h) = (w / 8 * 8, h / 8 * 8);
    for top in (0..whole_h).step_by(8) {
        for left in (0..whole_w).step_by(8) {
            let row = |y: usize| {
                grey.data[(top + y) * w + left..].first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight))
            };
            let block = transposed_block([row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7)]);
            for (x, eight) in block.into_iter().enumerate() {
                data[(left + x) * h + top..][..8].copy_from_slice(&eight.to_le_bytes());
            }
        }
    }
    let rest = (0..h).flat_map(|y| (whole_w..w).map(move |x| (x, y)));
    for (x, y) in rest.chain((whole_h..h).flat_map(|y| (0..whole_w).map(move |x| (x, y)))) {
        data[x * h + y] = grey.data[y * w + x];
    }
    Grey { width: h, height: w, dpi: grey.dpi, data }
}

/// 8 × 8 bytes, a row in each word: halves of the block change places across the diagonal, then quarters, then eighths.
fn transposed_block(mut rows: [u64; 8]) -> [u64; 8] {
    for (distance, mask) in [(4, 0x0000_0000_ffff_ffff), (2, 0x0000_ffff_0000_ffff), (1, 0x00ff_00ff_00ff_00ff)] {
        let shift = distance * 8;
        for i in (0..8).filter(|i| i & distance == 0) {
            let differ = ((rows[i] >> shift) ^ rows[i + distance]) & mask;
            rows[i + distance] ^= differ;
            rows[i] ^= differ << shift;
        }
    }
    rows
}

/// How sharp a profile is: the energy of its derivative over `k` pixels.
pub(super) fn energy(profile: &[u16], k: usize) -> f64 {
    if k <= 1 {
        return squares_of_steps(profile).into();
    }
    let mut sums = Vec::with_capacity(profile.len() + 1);
    sums.push(0i32);
    let mut sum = 0;
    for &v in profile {
        sum += i32::from(v);
        sums.push(sum);
    }
    let whole: f64 = sums.windows(2 * k + 1).map(|w| f64::from(w[2 * k] - 2 * w[k] + w[0]).powi(2)).sum();
    whole / (k * k) as f64
}

/// As [`energy`] over one pixel, less that of the `n` steepest steps.
pub(super) fn energy_without(profile: &[u16], n: usize) -> f64 {
    let mut steps: Vec<u64> = profile.windows(3).map(|w| u64::from(w[2].abs_diff(w[0])).pow(2)).collect();
    let Some(last) = steps.len().checked_sub(n + 1) else { return 0.0 };
    let (gentle, steepest, _) = steps.select_nth_unstable(last);
    (gentle.iter().sum::<u64>() + *steepest) as f64
}

/// The sum of squares of what a profile gains over two pixels. Sixteen sums side by side, for vectors.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2+fma"))]
fn squares_of_steps(profile: &[u16]) -> f32 {
    let mut sums = [0.0f32; 16];
    let Some(n) = profile.len().checked_sub(2) else { return 0.0 };
    let (from, to) = (&profile[..n], &profile[2..]);
    for (a, b) in from.as_chunks::<16>().0.iter().zip(to.as_chunks::<16>().0) {
        for i in 0..16 {
            let step = (i32::from(b[i]) - i32::from(a[i])) as f32;
            sums[i] += step * step;
        }
    }
    let rest = n / 16 * 16;
    let tail = from[rest..].iter().zip(&to[rest..]).map(|(&a, &b)| (f32::from(b) - f32::from(a)).powi(2)).sum::<f32>();
    sums.iter().sum::<f32>() + tail
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn add_row(sums: &mut [u16], row: &[u8]) {
    for (sum, &v) in sums.iter_mut().zip(row) {
        *sum += u16::from(v);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn add(profile: &mut [u16], strip: &[u16]) {
    for (p, &v) in profile.iter_mut().zip(strip) {
        *p = p.saturating_add(v);
    }
}

/// Adds a strip, shifted by a part of a pixel, at half of its height: then the widest page's ink fits 16 bits.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn add_shifted(profile: &mut [u16], strip: &[u16], weights: [u16; 4]) {
    let n = profile.len();
    let [a, b, c, d] = [&strip[..n], &strip[1..=n], &strip[2..n + 2], &strip[3..n + 3]];
    for i in 0..n {
        let pairs = [a[i].wrapping_mul(weights[0]), b[i].wrapping_mul(weights[1])];
        let more = [c[i].wrapping_mul(weights[2]), d[i].wrapping_mul(weights[3])];
        let sum = pairs[0].wrapping_add(pairs[1]).wrapping_add(more[0]).wrapping_add(more[1]);
        profile[i] = profile[i].saturating_add(sum >> 8);
    }
}

/// As `f32::floor`, which is a call into the C library on processors without SSE4.1.
fn floor(x: f32) -> f32 {
    let whole = x as i32 as f32;
    if whole > x { whole - 1.0 } else { whole }
}

/// A fraction that spreads evenly over 0..1 as `i` rises (golden ratio).
fn dither(i: usize) -> f32 {
    let x = i as f32 * 0.618_034;
    x - floor(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_transposed_twice_is_itself() {
        let (width, height) = (37, 21);
        let grey = Grey { width, height, dpi: 75.0, data: (0..width * height).map(|i| i as u8).collect() };
        let turned = transposed(&grey);
        assert_eq!(
            (turned.width, turned.height, turned.data[5 * height + 7]),
            (height, width, grey.data[7 * width + 5])
        );
        assert_eq!(transposed(&turned).data, grey.data);
    }

    /// A slanted line is sharpest at its own slope, whichever way it is projected.
    #[test]
    fn a_slanted_line_is_sharpest_at_its_own_slope() {
        let (width, height, slope) = (300, 400, 0.05f32);
        let mut data = vec![0u8; width * height];
        for (y, row) in data.chunks_exact_mut(width).enumerate() {
            let at = 150.0 + (y as f32 - 200.0) * slope;
            (0..width).filter(|&x| (x as f32 - at).abs() < 2.0).for_each(|x| row[x] = 60);
        }
        let ink = Grey { width, height, dpi: 150.0, data };
        let strips = Strips::new(&ink, 8, 0.0, 0.2);
        let mut profile = vec![0; strips.len];
        let slopes = || (-20..=20).map(|i| i as f32 * 0.01);
        let exact = slopes().map(|s| (strips.project(s, 0..strips.count, &mut profile), energy(&profile, 1)).1);
        let exact: Vec<_> = exact.collect();
        let best = (0..exact.len()).max_by(|&a, &b| exact[a].total_cmp(&exact[b]));
        assert_eq!(best, Some(25));
        let mut rough = vec![0; strips.len];
        let roughly: Vec<_> =
            slopes().map(|s| (strips.project_roughly(s, 0..strips.count, &mut rough), energy(&rough, 1)).1).collect();
        assert_eq!((0..roughly.len()).max_by(|&a, &b| roughly[a].total_cmp(&roughly[b])), Some(25));
    }
}
