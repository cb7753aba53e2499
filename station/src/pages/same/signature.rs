//! What a page is recognised by, and how that is stored.

use crate::pages::geometry::Grey;
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use std::io::{self, Read, Write};
use xxhash_rust::xxh3::xxh3_128;

/// Pixels of a signature, per inch: fine enough to tell one character from another.
pub(super) const DPI: f32 = 37.5;
/// Ink, 0 to 60, is stored in levels of this height, 0 to 14, two pixels a byte.
const LEVEL: u8 = 4;
const MOST: u8 = 14;
/// The level of what was masked: lid, the deep shadow of a binding, a feeder's streak. There may be ink there or not.
pub(super) const UNKNOWN: u8 = 15;
/// Punch holes are solid, round, so wide, and so near to a side of the sheet, in mm.
const HOLE_MM: std::ops::RangeInclusive<f32> = 3.5..=7.5;
const HOLE_FROM_SIDE_MM: f32 = 25.0;
/// Fixed point of places.
const POINT: u32 = 16;
/// Version of the stored form.
const VERSION: u8 = 1;
/// Version, hash, width, height and the sheet's sides.
const HEAD: usize = 1 + 16 + 6 * 2;

/// Why bytes are no signature.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadSignature {
    #[error("a signature of {0} bytes is cut short")]
    Short(usize),
    #[error("a signature of version {0}; this program reads version {VERSION}")]
    Version(u8),
    #[error("a signature of {width} × {height} pixels: both must be at least 1")]
    Size { width: u16, height: u16 },
    #[error("a signature of {width} × {height} pixels cannot be read: {source}")]
    Ink { width: u16, height: u16, source: io::Error },
}

/// What a page is recognised by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Signature {
    /// Fingerprint of the reduced picture, each pixel the mean brightness of some of the scan's: the grain makes it equal only
    /// if the scanner delivered the very same picture twice.
    pub(super) exact: u128,
    pub(super) width: usize,
    pub(super) height: usize,
    /// Left, top, right and bottom of the straightened sheet.
    pub(super) sides: [u16; 4],
    /// Two pixels a byte, the left one in the low half; rows are not padded.
    packed: Vec<u8>,
    /// Ink of each row and each column of the thumbnail, less the mean.
    pub(super) profiles: (Vec<f32>, Vec<f32>),
}

impl Signature {
    /// What only the very same picture has, from the page reduced.
    pub(crate) fn fingerprint(fine: &Grey) -> u128 {
        xxh3_128(&fine.data)
    }

    /// `exact` is the page's fingerprint, `ink` its ink, known but where it is `masked`; `degrees` is what straightens it, `quad`
    /// its corners in pixels of `ink`.
    #[inline(never)] // counted by `make bench`
    pub(crate) fn new(
        exact: u128,
        ink: &Grey,
        masked: impl Fn(usize) -> bool,
        degrees: f64,
        quad: &[(f64, f64); 4],
    ) -> Self {
        let scale = f64::from(ink.dpi) / f64::from(DPI);
        let (width, height) = ((ink.width as f64 / scale) as usize + 1, (ink.height as f64 / scale) as usize + 1);
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (cx, cy) = (ink.width as f64 / 2.0, ink.height as f64 / 2.0);
        let step = (fixed(scale * cos), fixed(scale * sin));
        let mut levels = vec![UNKNOWN; width * height];
        for (v, row) in levels.chunks_exact_mut(width).enumerate() {
            let (dx, dy) = (0.5 * scale - cx, (v as f64 + 0.5) * scale - cy);
            // The upper left of the four pixels around each place.
            let mut x = fixed(cx + dx * cos - dy * sin - 0.5);
            let mut y = fixed(cy + dx * sin + dy * cos - 0.5);
            for out in row {
                if let (Ok(col), Ok(row)) = (usize::try_from(x >> POINT), usize::try_from(y >> POINT))
                    && let Some(ink) = mean_of_four(ink, &masked, col, row)
                {
                    *out = ((ink + LEVEL / 2) / LEVEL).min(MOST);
                }
                (x, y) = (x + step.0, y + step.1);
            }
        }
        let [tl, tr, br, bl] = quad.map(|(x, y)| {
            let (dx, dy) = (x - cx, y - cy);
            ((dx * cos + dy * sin + cx) / scale, (dy * cos - dx * sin + cy) / scale)
        });
        let inside = |v: f64, most: usize| v.round().clamp(0.0, most as f64) as u16;
        let sides = [
            inside(tl.0.max(bl.0), width),
            inside(tl.1.max(tr.1), height),
            inside(tr.0.min(br.0), width),
            inside(bl.1.min(br.1), height),
        ];
        mask_holes(&mut levels, width, sides);
        Self::of(exact, (width, height), sides, pack(&levels))
    }

    fn of(exact: u128, (width, height): (usize, usize), sides: [u16; 4], packed: Vec<u8>) -> Self {
        let mut signature = Self { exact, width, height, sides, packed, profiles: (Vec::new(), Vec::new()) };
        let small = signature.thumbnail();
        let rows = small.ink.chunks_exact(small.width).map(|row| row.iter().map(|&v| f32::from(v)).sum()).collect();
        let mut columns = vec![0.0; small.width];
        for row in small.ink.chunks_exact(small.width) {
            columns.iter_mut().zip(row).for_each(|(sum, &v)| *sum += f32::from(v));
        }
        signature.profiles = (centred(rows), centred(columns));
        signature
    }

    /// There is no ink on the page.
    pub(in crate::pages) fn shows_nothing(&self) -> bool {
        self.profiles.0.iter().all(|&v| v == 0.0)
    }

    /// The ink, 0 to 14 a pixel, or [`UNKNOWN`].
    pub(super) fn levels(&self) -> Vec<u8> {
        let mut levels: Vec<u8> = self.packed.iter().flat_map(|two| [two & 15, two >> 4]).collect();
        levels.truncate(self.width * self.height);
        levels
    }

    /// At half the resolution, and smoothed: where the thin rules of a form lie between two pixels, they must not be lost.
    pub(super) fn thumbnail(&self) -> Thumbnail {
        let levels = self.levels();
        let (width, height) = (self.width / 2, self.height / 2);
        let mut ink = Vec::with_capacity(width * height);
        for pair in levels.chunks_exact(2 * self.width).take(height) {
            let (upper, lower) = pair.split_at(self.width);
            let cells = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
            let known = |v: u8| if v == UNKNOWN { 0 } else { v };
            ink.extend(cells.map(|(a, b)| known(a[0]) + known(a[1]) + known(b[0]) + known(b[1])));
        }
        let width = width.max(1);
        Thumbnail { width, ink: smoothed(&ink, width) }
    }

    /// As it is stored.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + self.packed.len() / 4);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.exact.to_le_bytes());
        for number in [self.width as u16, self.height as u16].into_iter().chain(self.sides) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let mut deflate = DeflateEncoder::new(bytes, Compression::fast());
        // A write into memory does not fail.
        let _ = deflate.write_all(&self.packed);
        deflate.finish().unwrap_or_default()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, BadSignature> {
        let short = BadSignature::Short(bytes.len());
        let (&version, _) = bytes.split_first().ok_or(BadSignature::Short(0))?;
        if version != VERSION {
            return Err(BadSignature::Version(version));
        }
        let (head, ink) = bytes.split_at_checked(HEAD).ok_or(short)?;
        let mut exact = [0; 16];
        exact.copy_from_slice(&head[1..17]);
        let mut numbers = [0u16; 6];
        for (number, bytes) in numbers.iter_mut().zip(head[17..].as_chunks::<2>().0) {
            *number = u16::from_le_bytes(*bytes);
        }
        let [width, height, sides @ ..] = numbers;
        if width == 0 || height == 0 {
            return Err(BadSignature::Size { width, height });
        }
        let size = (usize::from(width) * usize::from(height)).div_ceil(2);
        let mut packed = Vec::with_capacity(size);
        let read = DeflateDecoder::new(ink).take(size as u64 + 1).read_to_end(&mut packed);
        let whole = read.and_then(|n| if n == size { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) });
        whole.map_err(|source| BadSignature::Ink { width, height, source })?;
        Ok(Self::of(u128::from_le_bytes(exact), (usize::from(width), usize::from(height)), sides, packed))
    }
}

/// A signature at half its resolution.
pub(super) struct Thumbnail {
    width: usize,
    ink: Vec<u8>,
}

impl Thumbnail {
    /// The correlation with `other` moved by so much.
    pub(super) fn likeness(&self, other: &Self, (dx, dy): (isize, isize)) -> f32 {
        let (mut both, mut mine, mut theirs, mut a_all, mut b_all, mut n) = (0u64, 0u64, 0u64, 0u64, 0u64, 0u64);
        let others = other.ink.chunks_exact(other.width);
        let (skip, from) = apart(dx);
        let (skip_rows, from_rows) = apart(dy);
        for (a, b) in self.ink.chunks_exact(self.width).skip(skip_rows).zip(others.skip(from_rows)) {
            let pairs = a.iter().skip(skip).zip(b.iter().skip(from));
            let (mut row, mut aa, mut bb, mut sa, mut sb) = (0u32, 0u32, 0u32, 0u32, 0u32);
            n += pairs.len() as u64;
            for (&a, &b) in pairs {
                let (a, b) = (u32::from(a), u32::from(b));
                row += a * b;
                aa += a * a;
                bb += b * b;
                sa += a;
                sb += b;
            }
            both += u64::from(row);
            mine += u64::from(aa);
            theirs += u64::from(bb);
            a_all += u64::from(sa);
            b_all += u64::from(sb);
        }
        let [both, mine, theirs, a_all, b_all, n] = [both, mine, theirs, a_all, b_all, n.max(1)].map(|v| v as f64);
        let spread = (mine - a_all * a_all / n) * (theirs - b_all * b_all / n);
        ((both - a_all * b_all / n) / spread.max(1.0).sqrt()) as f32
    }
}

/// Over 3 × 3 pixels, by 1, 2 and 1; a quarter of the sum, so that 4 × [`MOST`] becomes 224.
fn smoothed(ink: &[u8], width: usize) -> Vec<u8> {
    let nothing = vec![0; width];
    let row = |y: usize| ink.get(y * width..(y + 1) * width).unwrap_or(&nothing);
    // With a pixel of nothing at both ends.
    let mut columns = vec![0u16; width + 2];
    let mut out = vec![0; ink.len()];
    for (y, out) in out.chunks_exact_mut(width).enumerate() {
        let above = if y > 0 { row(y - 1) } else { &nothing };
        let rows = above.iter().zip(row(y)).zip(row(y + 1));
        for (column, ((&a, &b), &c)) in columns[1..].iter_mut().zip(rows) {
            *column = u16::from(a) + 2 * u16::from(b) + u16::from(c);
        }
        for (out, near) in out.iter_mut().zip(columns.windows(3)) {
            *out = ((near[0] + 2 * near[1] + near[2]) / 4) as u8;
        }
    }
    out
}

/// How many of mine are skipped, and from where of theirs on, when theirs is moved by `shift`.
fn apart(shift: isize) -> (usize, usize) {
    if shift < 0 { (shift.unsigned_abs(), 0) } else { (0, shift.unsigned_abs()) }
}

fn pack(levels: &[u8]) -> Vec<u8> {
    levels.chunks(2).map(|two| two[0] | two.get(1).copied().unwrap_or(0) << 4).collect()
}

fn centred(mut profile: Vec<f32>) -> Vec<f32> {
    let mean = profile.iter().sum::<f32>() / profile.len().max(1) as f32;
    profile.iter_mut().for_each(|v| *v -= mean);
    profile
}

fn fixed(place: f64) -> i64 {
    (place * f64::from(1 << POINT)).round() as i64
}

/// The mean of four pixels, if all are known.
#[inline(always)]
fn mean_of_four(ink: &Grey, masked: impl Fn(usize) -> bool, col: usize, row: usize) -> Option<u8> {
    if col + 1 >= ink.width || row + 1 >= ink.height {
        return None;
    }
    let at = row * ink.width + col;
    let four = [at, at + 1, at + ink.width, at + ink.width + 1];
    let sum: u16 = four.iter().map(|&i| u16::from(ink.data[i])).sum();
    (!four.into_iter().any(masked)).then_some((sum / 4) as u8)
}

/// Punch holes say nothing about a sheet: whether the lid shows through them depends on the lid.
fn mask_holes(levels: &mut [u8], width: usize, [left_side, top_side, right_side, bottom_side]: [u16; 4]) {
    let mm = DPI / 25.4;
    let inked = |level: u8| level > 0 && level != UNKNOWN;
    let mut seen = vec![false; levels.len()];
    let mut patch = Vec::new();
    for start in 0..levels.len() {
        if seen[start] || !inked(levels[start]) {
            continue;
        }
        patch.clear();
        patch.push(start);
        seen[start] = true;
        let (mut left, mut right, mut next) = (usize::MAX, 0, 0);
        while let Some(&i) = patch.get(next) {
            next += 1;
            let x = i % width;
            (left, right) = (left.min(x), right.max(x));
            let beside = [(x > 0).then(|| i - 1), (x + 1 < width).then_some(i + 1)];
            for near in beside.into_iter().chain([i.checked_sub(width), Some(i + width)]).flatten() {
                if near < levels.len() && !seen[near] && inked(levels[near]) {
                    seen[near] = true;
                    patch.push(near);
                }
            }
        }
        let (top, bottom) = patch.iter().fold((usize::MAX, 0), |(t, b), i| (t.min(i / width), b.max(i / width)));
        let (wide, high) = ((right + 1 - left) as f32 / mm, (bottom + 1 - top) as f32 / mm);
        let filled = patch.len() as f32 / (mm * mm) / (wide * high);
        let dark = patch.iter().filter(|&&i| levels[i] >= MOST - 2).count() * 3 >= patch.len();
        if HOLE_MM.contains(&wide) && HOLE_MM.contains(&high) && (wide - high).abs() < 1.5 && filled > 0.6 && dark {
            let from_sides = [(left, left_side), (right, right_side), (top, top_side), (bottom, bottom_side)]
                .map(|(at, side)| at.abs_diff(usize::from(side)) as f32 / mm);
            if from_sides.into_iter().any(|distance| distance < HOLE_FROM_SIDE_MM) {
                patch.iter().for_each(|&i| levels[i] = UNKNOWN);
            }
        }
    }
}
