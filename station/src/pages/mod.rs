//! The page pipeline: pixels in, pixels and findings out. Everything here is pure; one file a stage, in order:
//!
//! [`geometry`] (views and images) → [`reduce`] → [`ink`] → [`paper`] → [`blank`] →
//! [`skew`] → [`fit`] → [`streaks`] → [`same`] → [`turn`] → [`encode`], the last two joined by [`deliver`]
//!
//! Sign everywhere: an angle is the rotation in degrees that straightens the page, positive = counter-clockwise as seen
//! on screen. Lengths are pixels of the image at hand unless they say mm.

pub(crate) mod blank;
pub(crate) mod deliver;
pub(crate) mod encode;
mod fit;
pub(crate) mod geometry;
mod ink;
mod paper;
pub(crate) mod preview;
mod reduce;
pub(crate) mod same;
mod skew;
mod streaks;
mod strips;
#[cfg(test)]
mod tests;
pub(crate) mod turn;

use fit::Fit;
pub(crate) use geometry::{BadPage, Grey, Image, View};
use paper::Sheet;
pub(crate) use reduce::{Arriving, adopted, reduced};
pub(crate) use same::Signature;
use serde::{Deserialize, Serialize};
use skew::Skew;

/// A page is turned only if the estimate is at least this sure; set from the generated pages, see docs/PERFORMANCE.md.
const SURE: f64 = 0.35;
/// Turning by less than this changes nothing that anyone can see, in degrees.
const WORTH_TURNING: f64 = 0.05;

/// What was found on a page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Findings {
    /// What the page is recognised by.
    pub(crate) signature: Signature,
    /// Degrees that straighten the page.
    pub(crate) angle: f64,
    /// 0 to 1.
    pub(crate) confidence: f64,
    /// Degrees the page was really turned.
    pub(crate) applied: f64,
    /// Nothing is written on it.
    pub(crate) blank: bool,
    pub(crate) flags: Vec<Flag>,
    /// Where streaks run, in mm from the scan's left side.
    pub(crate) streaks: Vec<f64>,
    /// Corners of the sheet, TL, TR, BR, BL, in pixels of the scan, edges at integers.
    pub(crate) quad: [(f64, f64); 4],
    /// How far the sheet's top-left corner lies from the scan's, across and down in mm, if both its edges were seen.
    pub(crate) corner_mm: Option<(f64, f64)>,
    /// How the sheet is delivered.
    pub(crate) fit: Fit,
    /// The paper's own colour; where the page is grey, all three are the same.
    pub(crate) paper: [u8; 3],
}

/// Something a person should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Flag {
    /// The page is blank; it is kept.
    Blank,
    /// The skew could not be told surely; the page was left as it is.
    SkewUncertain,
    /// The page lay more askew than the contract's 3° before it was straightened.
    Askew,
    /// Something like paper lies beyond an edge of the sheet; nothing was painted over there.
    EdgesUncertain,
    /// The sheet is larger than A4.
    LargerThanA4,
    /// An earlier page shows the same sheet.
    SameSheet,
    /// Dirt on the scanner's glass draws lines along the scan.
    Streaks,
}

impl Flag {
    /// The stable name, as in messages and files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::SkewUncertain => "skew-uncertain",
            Self::Askew => "askew",
            Self::EdgesUncertain => "edges-uncertain",
            Self::LargerThanA4 => "larger-than-a4",
            Self::SameSheet => "same-sheet",
            Self::Streaks => "streaks",
        }
    }
}

/// Paper that lies askew by more than this is told to the operator, in degrees (the contract's limit, domain.md).
const ASKEW: f64 = 3.0;

/// How sure the edges of a blank sheet are of its angle.
const EDGES_ALONE: f64 = 0.8;

/// Looks at a page; `fine` is the page [`reduced`].
pub(crate) fn examine(page: &View<'_>, fine: &Grey) -> Findings {
    let ink = ink::InkMap::new(fine);
    let edges = paper::edges(&ink.grey);
    let within = |edges| Sheet::within(edges, &ink.grey, (page.width, page.height));
    let cutting = fit::cutting(&ink.grey, &within(edges), f64::from(page.dpi));
    let sheet = within(std::array::from_fn(|i| edges[i].filter(|_| !cutting[i])));
    let blank = blank::is_blank(fine, &ink, &sheet, f64::from(page.dpi));
    let mut skew = skew::find(fine, &ink, &sheet);
    if let (true, Some(edges)) = (blank, sheet.angle) {
        // A blank page lies as its sheet lies.
        skew = Skew { angle: edges, confidence: EDGES_ALONE };
    }
    let mut flags = Vec::new();
    let mut flag = |flag, if_so: bool| if_so.then(|| flags.push(flag));
    let sure = skew.confidence >= SURE && (!blank || sheet.angle.is_some());
    flag(Flag::Blank, blank);
    flag(Flag::SkewUncertain, !sure && !blank);
    flag(Flag::Askew, sure && skew.angle.abs() > ASKEW);
    let applied = if sure && skew.angle.abs() >= WORTH_TURNING { skew.angle } else { 0.0 };
    let fit = fit::fit(page, &sheet, applied);
    flag(Flag::EdgesUncertain, cutting.contains(&true));
    flag(Flag::LargerThanA4, fit.larger_than_a4);
    let streaks = streaks::find(fine);
    flag(Flag::Streaks, !streaks.is_empty());
    // Corners in pixels of the ink.
    let scale = f64::from(ink.coarse.dpi) / f64::from(page.dpi);
    let corners = sheet.quad.map(|(x, y)| (x * scale, y * scale));
    Findings {
        signature: Signature::new(fine, &ink.coarse, |i| ink.is_masked(i), skew.angle, &corners),
        angle: skew.angle,
        confidence: skew.confidence,
        applied,
        blank,
        flags,
        streaks,
        corner_mm: sheet.corner().map(|(x, y)| (x * 25.4 / f64::from(page.dpi), y * 25.4 / f64::from(page.dpi))),
        quad: sheet.quad,
        fit,
        paper: paper::colour(page, ink::paper_level(fine)),
    }
}
