//! Projections of ink at any slope, made cheap: the ink is summed across narrow strips along the lines once; shearing the
//! strips against each other and adding them up is the projection at a slope.

use super::geometry::Grey;
use multiversion::multiversion;
use std::ops::Range;

/// Parts of a pixel by which a strip can be shifted.
const PARTS: usize = 64;
/// Fixed point of the weights of its interpolation: with a strip's sums they stay within 16 bits.
const ONE: u16 = 128;

/// Which way lines of writing run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    /// Across: strips stand side by side, and columns of pixels are summed.
    Rows,
    /// Down: strips lie one below the other, and rows of pixels are summed.
    Columns,
}

impl Axis {
    /// Slope of the lines for a page that is straightened by `degrees`.
    pub(super) fn slope(self, degrees: f32) -> f32 {
        let slope = degrees.to_radians().tan();
        if self == Self::Rows { slope } else { -slope }
    }
}

/// Strips, each summed across its lines' direction, with room at both ends for shearing.
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
    /// Strips of `strip` pixels, at most 8: their sums, 60 at most for a pixel, weighted, then stay within 16 bits.
    /// `pre` is a slope already taken out; later slopes stay within ±`reach`.
    pub(super) fn new(ink: &Grey, axis: Axis, strip: usize, pre: f32, reach: f32) -> Self {
        debug_assert!((1..=8).contains(&strip));
        let (across, len) = if axis == Axis::Rows { (ink.width, ink.height) } else { (ink.height, ink.width) };
        let pad = (across as f32 * 0.5 * (pre.abs() + reach)) as usize + 6;
        let count = across.div_ceil(strip);
        let room = len + 2 * pad;
        let middle = across as f32 / 2.0;
        let mut rests = vec![0.0; count];
        // Rows, or columns, are moved by whole pixels; what is left over is made good when the strip is.
        let starts: Vec<usize> = (0..across)
            .map(|i| {
                let exact = (i as f32 + 0.5 - middle) * pre;
                let whole = floor(exact + 0.5);
                rests[i / strip] += (exact - whole) / strip.min(across - i / strip * strip) as f32;
                let start = (pad as isize - whole as isize).clamp(0, (room - len) as isize) as usize;
                i / strip * room + start
            })
            .collect();
        let mut data = vec![0u16; count * room];
        match axis {
            Axis::Columns => {
                let rows = ink.data.chunks_exact(len).zip(&starts);
                rows.for_each(|(row, &start)| add_row(&mut data[start..][..len], row));
            }
            Axis::Rows => add_columns(&mut data, ink, &Piece::of(&starts)),
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
        let mut shifted = Vec::with_capacity(range.len());
        for s in range {
            shifted.extend(self.shifted(s, floor(self.middles[s] * slope + dither(s)), 0));
        }
        add_all(profile, &shifted);
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

/// Neighbouring columns of pixels of one strip that begin at one place, eight at most.
#[derive(Clone, Copy)]
struct Piece {
    /// The first of the eight pixels of a row that are read for it: it may be one of those before, at the right side.
    from: usize,
    /// Bytes of these eight that belong to it.
    mask: u64,
    /// Where the strips' data of the first row stands.
    at: usize,
}

impl Piece {
    /// The pieces of columns whose data begin at `starts`.
    fn of(starts: &[usize]) -> Vec<Self> {
        let mut x = 0;
        let pieces = starts.chunk_by(|a, b| a == b).map(|piece| {
            let from = x.min(starts.len().saturating_sub(8));
            let mask = u64::MAX >> (64 - 8 * piece.len()) << (8 * (x - from));
            x += piece.len();
            Self { from, mask, at: piece[0] }
        });
        pieces.collect()
    }
}

/// Adds each row's pieces to the strips, eight rows at a time: a column of the picture is then written in runs.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn add_columns(data: &mut [u16], ink: &Grey, pieces: &[Piece]) {
    let eight = |y: usize, x: usize| {
        let row = &ink.row(y)[x..];
        row.first_chunk().map_or_else(
            || row.iter().rev().fold(0, |bytes, &v| bytes << 8 | u64::from(v)),
            |eight| u64::from_le_bytes(*eight),
        )
    };
    for top in (0..ink.height).step_by(8) {
        let rows = (ink.height - top).min(8);
        for piece in pieces {
            let (mut words, mut sums) = ([0; 8], [0; 8]);
            words[..rows].iter_mut().zip(top..).for_each(|(word, y)| *word = eight(y, piece.from) & piece.mask);
            // A loop of its own, for vectors.
            sums.iter_mut().zip(words).for_each(|(sum, word)| *sum = sum_of_bytes(word));
            data[piece.at + top..][..rows].iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
        }
    }
}

/// The sum of eight bytes: halves are added side by side.
#[inline(always)]
fn sum_of_bytes(word: u64) -> u16 {
    let pairs = (word & 0x00ff_00ff_00ff_00ff) + (word >> 8 & 0x00ff_00ff_00ff_00ff);
    let fours = pairs + (pairs >> 16);
    (fours + (fours >> 32)) as u16
}

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

/// Adds strips, four at once: the profile is then read and written a quarter as often.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn add_all(profile: &mut [u16], strips: &[&[u16]]) {
    let (fours, rest) = strips.as_chunks::<4>();
    let n = profile.len();
    for [a, b, c, d] in fours {
        let (a, b, c, d) = (&a[..n], &b[..n], &c[..n], &d[..n]);
        for i in 0..n {
            profile[i] = profile[i].saturating_add(a[i] + b[i] + c[i] + d[i]);
        }
    }
    for strip in rest {
        for (p, &v) in profile.iter_mut().zip(*strip) {
            *p = p.saturating_add(v);
        }
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
    use proptest::prelude::*;

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

    proptest! {
        /// Columns of any picture are summed as the rows of the picture with its columns as rows are.
        #[test]
        fn strips_side_by_side_are_those_of_the_transposed_picture(
            (width, height) in (1usize..50, 1usize..50),
            strip in 1usize..=8,
            pre in -0.28f32..0.28,
            seed in any::<u64>(),
        ) {
            let level = |i: usize| ((seed.rotate_left(i as u32 % 64) ^ (i as u64).wrapping_mul(seed | 1)) >> 7) as u8 % 61;
            let ink = Grey { width, height, dpi: 75.0, data: (0..width * height).map(level).collect() };
            let (across, down) = (
                Strips::new(&ink, Axis::Rows, strip, pre, 0.02),
                Strips::new(&transposed(&ink), Axis::Columns, strip, pre, 0.02),
            );
            prop_assert_eq!(across.data, down.data);
            prop_assert_eq!((across.count, across.len, across.rests), (down.count, down.len, down.rests));
        }
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
        let strips = Strips::new(&ink, Axis::Columns, 8, 0.0, 0.2);
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
