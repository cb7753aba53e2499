//! Columns of print, such as a newspaper's: their lines do not continue each other's, so that each column has to be asked
//! alone. They are found by the empty gutters between them, on the page with its uprights set upright.

use super::{Axis, FINE_STRIP, Strips, coarse};
use crate::pages::geometry::Grey;
use std::ops::Range;

/// A gutter is at least so wide, and a column at least so wide, in mm.
const GUTTER_MM: f32 = 1.0;
const COLUMN_MM: f32 = 32.0;
/// In a gutter there is less than this share of the page's mean ink.
const EMPTY: f64 = 0.15;
/// A column has at least this share of the page's ink.
const SHARE: f64 = 0.12;
/// More columns than this are a table.
const MOST: usize = 6;

/// The columns of print in the coarse `ink` of a page that is straightened by about `degrees`, in its pixels along the
/// middle row. Fewer than two are none.
pub(super) fn find(ink: &Grey, degrees: f32) -> Vec<Range<usize>> {
    let strips = Strips::new(ink, Axis::Columns, coarse::STRIP, Axis::Columns.slope(degrees), 0.0);
    let mut profile = vec![0; strips.len];
    strips.project_roughly(0.0, 0..strips.count, &mut profile);
    let all: f64 = profile.iter().map(|&v| f64::from(v)).sum();
    let inked = profile.iter().filter(|v| **v > 0).count().max(1);
    let limit = EMPTY * all / inked as f64;
    let mm = ink.dpi / 25.4;
    let (gutter, column) = ((GUTTER_MM * mm) as usize, (COLUMN_MM * mm) as usize);
    let mut columns: Vec<Range<usize>> = Vec::new();
    let mut begun: Option<usize> = None;
    let mut last = 0;
    for (x, &v) in profile.iter().enumerate() {
        if f64::from(v) <= limit {
            continue;
        }
        match begun {
            Some(from) if x - last > gutter && last + 1 - from >= column => {
                columns.push(from..last + 1);
                begun = Some(x);
            }
            Some(_) => {}
            None => begun = Some(x),
        }
        last = x;
    }
    columns.extend(begun.map(|from| from..last + 1).filter(|rest| rest.len() >= column));
    let enough = |c: &Range<usize>| profile[c.clone()].iter().map(|&v| f64::from(v)).sum::<f64>() >= SHARE * all;
    columns.retain(enough);
    // A gutter that something crosses was not seen: columns of one page are of like width.
    let least = columns.iter().map(Range::len).min().unwrap_or(1).max(1);
    let parts = |c: &Range<usize>| (c.len() * 2 + least) / (2 * least);
    let split = |c: &Range<usize>| {
        let (start, len, n) = (c.start, c.len(), parts(c));
        (0..n).map(move |i| start + len * i / n..start + len * (i + 1) / n)
    };
    if columns.len() > 2 {
        columns = columns.iter().flat_map(split).collect();
    }
    if columns.len() > MOST { Vec::new() } else { columns }
}

/// A page with its uprights set upright: every row moved along by as much as it lies from the middle row.
pub(super) struct Upright {
    pub(super) ink: Grey,
    /// Tangent of the angle that was taken out of the uprights.
    tan: f32,
    pad: usize,
}

impl Upright {
    pub(super) fn new(ink: &Grey, degrees: f32) -> Self {
        let tan = degrees.to_radians().tan();
        let middle = ink.height as f32 / 2.0;
        let pad = (middle * tan.abs()).ceil() as usize + 1;
        let width = ink.width + 2 * pad;
        let mut data = vec![0; width * ink.height];
        for (y, row) in data.chunks_exact_mut(width).enumerate() {
            let moved = ((y as f32 + 0.5 - middle) * tan).round() as isize;
            row[pad.saturating_add_signed(moved)..][..ink.width].copy_from_slice(ink.row(y));
        }
        Self { ink: Grey { width, height: ink.height, dpi: ink.dpi, data }, tan, pad }
    }

    /// Slope of the lines of a page that is straightened by `degrees`, as they lie now.
    pub(super) fn slope(&self, degrees: f32) -> f32 {
        let tan = degrees.to_radians().tan();
        tan / (1.0 + self.tan * tan)
    }

    /// The strips side by side that lie in a column of the coarse picture.
    pub(super) fn strips_of(&self, column: &Range<usize>) -> Range<usize> {
        (2 * column.start + self.pad) / FINE_STRIP..(2 * column.end + self.pad).div_ceil(FINE_STRIP)
    }
}
