//! The page pipeline: pixels in, pixels and findings out. Everything here is pure; one file a stage, in order:
//!
//! [`geometry`] (views and images) → [`reduce`] → [`ink`] → [`skew`] → [`blank`] →
//! [`turn`] → [`encode`], the last two joined by [`deliver`]
//!
//! Sign everywhere: an angle is the rotation in degrees that straightens the page, positive = counter-clockwise as seen
//! on screen. Lengths are pixels of the image at hand unless they say mm.

pub(crate) mod blank;
pub(crate) mod deliver;
pub(crate) mod encode;
pub(crate) mod geometry;
pub(crate) mod ink;
mod paper;
pub(crate) mod preview;
pub(crate) mod reduce;
pub(crate) mod skew;
mod strips;
pub(crate) mod turn;

pub(crate) use geometry::{BadPage, Image, View};
use serde::{Deserialize, Serialize};

/// A page is turned only if the estimate is at least this sure; set from the generated pages, see docs/PERFORMANCE.md.
const SURE: f64 = 0.35;
/// Turning by less than this changes nothing that anyone can see, in degrees.
const WORTH_TURNING: f64 = 0.03;

/// What was found on a page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Findings {
    /// Degrees that straighten the page.
    pub(crate) angle: f64,
    /// 0 to 1.
    pub(crate) confidence: f64,
    /// Degrees the page was really turned.
    pub(crate) applied: f64,
    /// Nothing is written on it.
    pub(crate) blank: bool,
    pub(crate) flags: Vec<Flag>,
    /// Corners of the sheet, TL, TR, BR, BL, in pixels of the scan, edges at integers.
    pub(crate) quad: [(f64, f64); 4],
    pub(crate) edge_angle: Option<f64>,
    /// The paper's own colour; where the page is grey, all three are the same.
    pub(crate) paper: [u8; 3],
}

impl Findings {
    /// Where the page as delivered lies in the scan.
    pub(crate) fn canvas(&self, page: &View<'_>) -> turn::Canvas {
        if self.applied == 0.0 { turn::Canvas::whole(page) } else { turn::Canvas::around(page, self.applied) }
    }
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
}

impl Flag {
    /// The stable name, as in messages and files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::SkewUncertain => "skew-uncertain",
            Self::Askew => "askew",
        }
    }
}

/// Paper that lies askew by more than this is told to the operator, in degrees (the contract's limit, domain.md).
const ASKEW: f64 = 3.0;

/// Looks at a page.
pub(crate) fn examine(page: &View<'_>) -> Findings {
    let fine = reduce::to_dpi(page, skew::FINE_DPI);
    let ink = ink::InkMap::new(&fine);
    let sheet = paper::find(&ink.grey, (page.width, page.height));
    let blank = blank::is_blank(&fine, &ink, &sheet, f64::from(page.dpi));
    let skew = skew::find(&fine, &ink, &sheet);
    let mut flags = Vec::new();
    if blank {
        flags.push(Flag::Blank);
    }
    let sure = !blank && skew.confidence >= SURE;
    if !blank && !sure {
        flags.push(Flag::SkewUncertain);
    }
    if sure && skew.angle.abs() > ASKEW {
        flags.push(Flag::Askew);
    }
    let applied = if sure && skew.angle.abs() >= WORTH_TURNING { skew.angle } else { 0.0 };
    Findings {
        angle: skew.angle,
        confidence: skew.confidence,
        applied,
        blank,
        flags,
        quad: sheet.quad,
        edge_angle: sheet.angle,
        paper: paper::colour(page, ink::paper_level(&fine)),
    }
}
