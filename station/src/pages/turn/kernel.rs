//! The interpolation: weights of the Catmull-Rom cubic for blocks of neighbouring pixels, and their sums.

/// Fractions of a pixel that are told apart: 2 to the power of this. Their table fits a processor's first cache.
const PHASE_BITS: u32 = 6;
const PHASES: usize = 1 << PHASE_BITS;
/// Fixed point of places: bits behind the point.
const POINT: u32 = 32;
/// Fixed point of the weights: a sum of products fits 16 bits with sign once the middle grey is taken off.
const ONE: i16 = 128;

/// Weights for blocks of `N` bytes, by the fraction at which a block's first pixel lies.
pub(super) struct Weights<const N: usize> {
    /// The first tap, relative to the whole part of the first pixel's place.
    pub(super) first: isize,
    pub(super) taps: usize,
    table: Vec<[i16; N]>,
    /// Of each fraction, where its first tap that counts stands in the table, and how many follow.
    used: Vec<(usize, usize)>,
}

impl<const N: usize> Weights<N> {
    /// From pixel to pixel of a block the source gains `step` on the tap that the pixel reads.
    pub(super) fn new(bands: usize, step: f64) -> Self {
        let pixels = N / bands;
        let reach = (pixels - 1) as f64 * step;
        let first = reach.min(0.0).floor() as isize - 1;
        let taps = ((1.0 + reach.max(0.0)).floor() as isize + 3 - first) as usize;
        let mut table = vec![[0; N]; PHASES * taps];
        for (phase, block) in table.chunks_exact_mut(taps).enumerate() {
            for pixel in 0..pixels {
                let at = phase as f64 / PHASES as f64 + pixel as f64 * step;
                let tap = (at.floor() as isize - 1 - first) as usize;
                for (block, weight) in block[tap..].iter_mut().zip(catmull_rom(at - at.floor())) {
                    block[pixel * bands..(pixel + 1) * bands].fill(weight);
                }
            }
        }
        let counts = |(phase, block): (usize, &[[i16; N]])| {
            let used = |tap: &[i16; N]| tap.iter().any(|&w| w != 0);
            let from = block.iter().position(used).unwrap_or(0).min(taps - 4);
            let to = block.iter().rposition(used).map_or(taps, |last| last + 1).max(from + 4);
            (phase * taps + from, to - from)
        };
        let used = table.chunks_exact(taps).enumerate().map(counts).collect();
        Self { first, taps, table, used }
    }

    /// Weights for a block that begins at `place` (fixed point), and the index of the source that belongs to the first.
    #[inline(always)]
    pub(super) fn at(&self, place: i64) -> (isize, &[[i16; N]]) {
        let steps = (place + (1 << (POINT - PHASE_BITS - 1))) >> (POINT - PHASE_BITS);
        let phase = steps as usize % PHASES;
        let (from, count) = self.used[phase];
        let skipped = from - phase * self.taps;
        ((steps >> PHASE_BITS) as isize + self.first + skipped as isize, &self.table[from..from + count])
    }
}

/// A place in fixed point.
pub(super) fn fixed(place: f64) -> i64 {
    (place * (1i64 << POINT) as f64).round() as i64
}

/// Weights of the four pixels around a place, `t` behind the second of them. They add up to [`ONE`] exactly, so that flat
/// paper stays what it was.
fn catmull_rom(t: f64) -> [i16; 4] {
    let exact = [
        ((2.0 - t) * t - 1.0) * t / 2.0,
        ((3.0 * t - 5.0) * t * t + 2.0) / 2.0,
        ((4.0 - 3.0 * t) * t + 1.0) * t / 2.0,
        (t - 1.0) * t * t / 2.0,
    ];
    let mut weights = exact.map(|w| (w * f64::from(ONE)).round() as i16);
    let rest = ONE - weights.iter().sum::<i16>();
    weights[if t < 0.5 { 1 } else { 2 }] += rest;
    weights
}

/// Adds up taps, weighted; tap `k` stands in `source` from `at(k)` on. Four to six are the usual numbers: with them
/// unrolled, the sums never leave the registers.
#[inline(always)]
pub(super) fn mix<const N: usize>(out: &mut [u8; N], weights: &[[i16; N]], source: &[u8], at: impl Fn(usize) -> usize) {
    let tap = |k: usize| -> &[u8; N] { source[at(k)..at(k) + N].try_into().expect("N bytes are N bytes") };
    if let Some(weights) = weights.as_array::<4>() {
        mix_of(out, weights, [tap(0), tap(1), tap(2), tap(3)]);
    } else if let Some(weights) = weights.as_array::<5>() {
        mix_of(out, weights, [tap(0), tap(1), tap(2), tap(3), tap(4)]);
    } else if let Some(weights) = weights.as_array::<6>() {
        mix_of(out, weights, [tap(0), tap(1), tap(2), tap(3), tap(4), tap(5)]);
    } else {
        let mut sums = [HALF; N];
        for (k, weights) in weights.iter().enumerate() {
            for ((sum, &w), &v) in sums.iter_mut().zip(weights).zip(tap(k)) {
                *sum = sum.wrapping_add(w.wrapping_mul(i16::from(v)));
            }
        }
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = level(sum));
    }
}

#[inline(always)]
fn mix_of<const N: usize, const TAPS: usize>(out: &mut [u8; N], weights: &[[i16; N]; TAPS], taps: [&[u8; N]; TAPS]) {
    for i in 0..N {
        let mut sum = HALF;
        for k in 0..TAPS {
            sum = sum.wrapping_add(weights[k][i].wrapping_mul(i16::from(taps[k][i])));
        }
        out[i] = level(sum);
    }
}

/// Half a step for rounding, with the middle grey taken off.
const HALF: i16 = ONE / 2 - ONE * 128;

#[inline(always)]
fn level(sum: i16) -> u8 {
    ((sum >> 7).clamp(-128, 127) + 128) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_every_fraction_add_up_to_one_and_a_whole_place_is_the_pixel_itself() {
        for step in [-0.26, -0.01, 0.0, 1e-5, 0.05, 0.26] {
            let weights = Weights::<48>::new(3, step);
            for phase in 0..PHASES as i64 {
                let (_, taps) = weights.at(phase << (POINT - PHASE_BITS));
                for byte in 0..48 {
                    assert_eq!(taps.iter().map(|tap| tap[byte]).sum::<i16>(), ONE, "step {step}, fraction {phase}");
                }
            }
        }
        assert_eq!(catmull_rom(0.0), [0, ONE, 0, 0]);
    }
}
