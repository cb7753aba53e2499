//! The page pipeline: pixels in, pixels and findings out. Everything here is pure; one file a stage, in order:
//!
//! [`geometry`] (views and images) → [`reduce`] → [`ink`] → [`paper`] → [`beyond`] → [`holes`] → [`torn`] → [`blank`] →
//! [`skew`] → [`fit`] → [`quality`] → [`seal`] → [`red_header`] → [`streaks`] → [`glass`] → [`same`] → [`turn`] → [`proof`] → [`encode`], the last
//! three joined by [`deliver`]; how the sheet lies, [`laid`] puts together; what is asked of a page, its [`profile`] says
//!
//! Sign everywhere: an angle is the rotation in degrees that straightens the page, positive = counter-clockwise as seen
//! on screen. Lengths are pixels of the image at hand unless they say mm.

mod beyond;
pub(crate) mod blank;
pub(crate) mod deliver;
pub(crate) mod encode;
mod fit;
pub(crate) mod geometry;
pub(crate) mod glass;
mod holes;
pub(crate) mod ink;
mod laid;
pub(crate) mod paper;
pub(crate) mod preview;
pub(crate) mod profile;
mod proof;
mod quality;
mod red_header;
mod reduce;
pub(crate) mod same;
mod seal;
pub(crate) mod skew;
mod steps;
mod streaks;
mod strips;
#[cfg(test)]
mod tests;
mod torn;
pub(crate) mod turn;

use fit::Fit;
pub(crate) use geometry::{BadPage, Grey, Image, MAX_SIDE, View};
use glass::Specks;
use holes::Hole;
use ink::InkMap;
use laid::Laid;
use platen_protocol::uplink::ColourMode;
pub(crate) use profile::Profile;
use proof::Mark;
use quality::Quality;
pub(crate) use reduce::{Arriving, adopted, reduced};
pub(crate) use same::Signature;
use seal::Ring;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, panic::resume_unwind, thread};
pub(crate) use steps::steps;

/// A page is turned only if the estimate is at least this sure; set from the generated pages, see docs/PERFORMANCE.md.
const SURE: f64 = 0.35;
/// Turning by less than this changes nothing that anyone can see, in degrees.
const WORTH_TURNING: f64 = 0.05;

/// How pages come to the scanner's eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lay {
    /// Each is laid into the corner of the glass by hand.
    Glass,
    /// A feeder moves them.
    Feeder,
}

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
    pub(crate) quality: Quality,
    pub(crate) holes: Vec<Hole>,
    /// A round seal on a page that was scanned without colour.
    pub(crate) seal: Option<Ring>,
    /// A red header on a page that was scanned in grey.
    pub(crate) red_header: bool,
    /// What may be dirt on the glass, if the page lay on it; see [`glass::Glass`].
    pub(crate) specks: Option<Specks>,
    /// Inked places that must be on the delivered page.
    pub(crate) marks: Vec<Mark>,
    /// How many of the marks were looked up on the delivered page, and how many had lost their ink.
    pub(crate) proved: Option<(usize, usize)>,
}

impl Findings {
    /// The result has lost ink, or may have: the page is delivered as it was scanned.
    fn refuse(&mut self, page: &View<'_>) {
        self.applied = 0.0;
        self.fit = Fit::untouched(page);
        self.flags.push(Flag::InkAtRisk);
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
    /// Something like paper lies beyond an edge of the sheet; nothing was painted over there.
    EdgesUncertain,
    /// The sheet is larger than A4.
    LargerThanA4,
    /// An earlier page shows the same sheet.
    SameSheet,
    /// Dirt on the scanner's glass draws lines along the scan.
    Streaks,
    /// Ink of the scan was missing on the straightened page, so that it is delivered as it was scanned.
    InkAtRisk,
    /// Another sheet lies on the glass.
    SecondSheet,
    /// A part of the sheet lies outside of the scan.
    OffTheGlass,
    /// The sheet lies further from the corner than the profile allows.
    OffCorner,
    /// Light came in beside the lid.
    LightLeak,
    /// The sheet has punch holes, and the profile wants to know.
    Holes,
    /// Its edges are softer than the profile allows.
    Unsharp,
    /// Its paper is darker than the profile allows.
    Dark,
    /// Paper and ink are nearer to each other than the profile allows.
    Faint,
    /// More of it lies at the ends of the scale than the profile allows.
    Clipped,
    /// Its paper leans to a colour that paper does not have.
    ColourCast,
    /// A seal was scanned without colour.
    SealWithoutColour,
    /// A red header was scanned without colour.
    RedHeaderWithoutColour,
    /// Scanned at less than the profile's resolution.
    LowResolution,
    /// Dirt lies at one place of the glass, page after page.
    DirtyGlass,
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
            Self::InkAtRisk => "ink-at-risk",
            Self::SecondSheet => "second-sheet",
            Self::OffTheGlass => "off-the-glass",
            Self::OffCorner => "off-corner",
            Self::LightLeak => "light-leak",
            Self::Holes => "holes",
            Self::Unsharp => "unsharp",
            Self::Dark => "dark",
            Self::Faint => "faint",
            Self::Clipped => "clipped",
            Self::ColourCast => "colour-cast",
            Self::SealWithoutColour => "seal-without-colour",
            Self::RedHeaderWithoutColour => "red-header-without-colour",
            Self::LowResolution => "low-resolution",
            Self::DirtyGlass => "dirty-glass",
        }
    }
}

/// Nearer to the sheet's edges than this lie their shadows, in mm.
const RIM_MM: f64 = 4.0;
/// A corner may lie so far outside of the scan before the sheet is said to leave the glass, in mm.
const OUTSIDE_MM: f64 = 3.0;

/// Looks at a page as `profile` asks; `fine` is the page [`reduced`].
pub(crate) fn examine(page: &View<'_>, fine: &Grey, profile: &Profile, lay: Lay) -> Findings {
    let dpi = f64::from(page.dpi);
    let ink = ink::InkMap::new(fine);
    let streaks = streaks::find(fine);
    let laid = Laid::find(page, fine, &ink, &streaks);
    let sheet = &laid.sheet;
    // What lies beside a sheet that only its shadows show may be ink after all: rules look like them.
    let guessed = laid.is_guessed().then_some(&laid.guessed);
    let without_edges = guessed.map(|sheet| ink.without_edges(sheet, dpi));
    let written = without_edges.as_ref().unwrap_or(&ink);
    let blank_but_for = |holes: &[Hole]| blank::is_blank(page, fine, written, (sheet, guessed), (holes, &streaks));
    let blank = blank_but_for(&laid.holes) || laid.likely_holes.as_deref().is_some_and(blank_but_for);
    // The skew takes as long as all else that does not ask for it: a page's findings are waited for.
    let (skew, beside) = thread::scope(|scope| {
        let beside = scope.spawn(|| Beside::find(page, fine, &ink, &laid, lay));
        let skew = laid.skew(page, fine, &ink, blank, &streaks);
        (skew, beside.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    let sure = skew.confidence >= SURE && (!blank || laid.guessed.angle.is_some());
    let applied = if sure && skew.angle.abs() >= WORTH_TURNING { skew.angle } else { 0.0 };
    // In black and white, print is as black as the lid: what looks like a hole there is left to a person.
    let fills = profile.holes == profile::Holes::Fill && page.mode != ColourMode::Lineart;
    let filled: &[Hole] = if fills { &laid.holes } else { &[] };
    let in_mm = |px: f64| px * 25.4 / dpi;
    // Corners in pixels of the ink.
    let scale = f64::from(ink.coarse.dpi) / dpi;
    let corners = sheet.quad.map(|(x, y)| (x * scale, y * scale));
    let mut findings = Findings {
        signature: Signature::new(beside.fingerprint, &beside.contrasted, |i| ink.is_masked(i), skew.angle, &corners),
        angle: skew.angle,
        confidence: skew.confidence,
        applied,
        blank,
        flags: Vec::new(),
        streaks,
        corner_mm: sheet.corner().map(|(x, y)| (in_mm(x), in_mm(y))),
        quad: sheet.quad,
        fit: fit::fit(page, sheet, applied, filled, laid.torn),
        paper: beside.paper,
        quality: beside.quality,
        seal: beside.seal,
        red_header: beside.red_header,
        specks: beside.specks,
        marks: Vec::new(),
        holes: Vec::new(),
        proved: None,
    };
    findings.flags = flags(page, &findings, &laid, sure, profile, lay);
    (findings.marks, findings.holes) = (laid.marks, laid.holes);
    findings
}

/// What is found without knowing how the page is turned.
struct Beside<'a> {
    fingerprint: u128,
    contrasted: Cow<'a, Grey>,
    paper: [u8; 3],
    quality: Quality,
    seal: Option<Ring>,
    red_header: bool,
    specks: Option<Specks>,
}

impl<'a> Beside<'a> {
    fn find(page: &View<'_>, fine: &Grey, ink: &'a InkMap, laid: &Laid, lay: Lay) -> Self {
        let (sheet, small) = (&laid.sheet, &ink.grey);
        let dpi = f64::from(page.dpi);
        let paper = paper::colour(page, laid.level);
        Self {
            fingerprint: Signature::fingerprint(fine),
            contrasted: ink.at_full_contrast(&laid.holes, dpi),
            paper,
            quality: quality::measure(page, ink, sheet, paper),
            seal: if page.mode == ColourMode::Colour { None } else { seal::find(small) },
            red_header: page.mode == ColourMode::Grey && {
                let scale = f64::from(small.dpi) / dpi;
                let area = sheet.inner_box(RIM_MM * dpi / 25.4, scale, (small.width, small.height));
                red_header::is_there(fine, small, area, laid.level)
            },
            specks: (lay == Lay::Glass).then(|| glass::specks(&ink.coarse, sheet, dpi)),
        }
    }
}

/// What a person should look at. `sure`: the skew is sure enough for turning by it.
fn flags(page: &View<'_>, found: &Findings, laid: &Laid, sure: bool, profile: &Profile, lay: Lay) -> Vec<Flag> {
    let (limits, quality) = (&profile.limits, &found.quality);
    let far = |(x, y): (f64, f64)| x.abs().max(y.abs()) > limits.corner_mm;
    let outside = OUTSIDE_MM * f64::from(page.dpi) / 25.4;
    let left_holes = laid.holes.len() > found.fit.canvas.lid.map_or(0, |lid| lid.holes_filled());
    let flags = [
        (Flag::Blank, found.blank),
        (Flag::SkewUncertain, !sure && !found.blank),
        (Flag::Askew, sure && found.angle.abs() > limits.askew),
        (Flag::EdgesUncertain, laid.cutting.contains(&true)),
        (Flag::SecondSheet, laid.beyond.another_sheet),
        (Flag::LightLeak, laid.beyond.light_leak),
        (Flag::OffTheGlass, laid.outermost.leaves(page, outside)),
        (Flag::OffCorner, lay == Lay::Glass && found.corner_mm.is_some_and(far)),
        (Flag::LargerThanA4, laid.is_larger_than_a4(f64::from(page.dpi))),
        (Flag::Holes, profile.holes != profile::Holes::Keep && left_holes),
        (Flag::Unsharp, quality.edge_mm.is_some_and(|mm| mm > limits.edge_mm)),
        (Flag::Dark, quality.paper < limits.paper),
        (Flag::Faint, !found.blank && quality.paper.saturating_sub(quality.ink) < limits.contrast),
        (Flag::Clipped, quality.clipped > limits.clipped || quality.crushed > limits.crushed),
        (Flag::ColourCast, quality.cast > limits.cast),
        (Flag::SealWithoutColour, found.seal.is_some()),
        (Flag::RedHeaderWithoutColour, found.red_header),
        (Flag::LowResolution, page.dpi < limits.dpi),
        (Flag::Streaks, !found.streaks.is_empty()),
    ];
    flags.into_iter().filter_map(|(flag, if_so)| if_so.then_some(flag)).collect()
}
