//! How a sheet lies on the glass, and what else lies there: what is found before anything is asked about its writing.

use super::{
    beyond::{self, Beyond},
    blank, fit,
    geometry::{Grey, View},
    holes::{self, Hole},
    ink::{self, InkMap},
    paper::{self, Sheet},
    proof::{self, Mark},
    skew::{self, Skew},
    streaks,
    torn::{self, Torn},
};

/// How sure the edges of a blank sheet are of its angle.
const EDGES_ALONE: f64 = 0.8;
/// Where this share of the page or more is inked, shadows of its edges need not be looked for, unless all of it is faint.
const FEW: f32 = 0.03;
/// Levels of one lid differ by less than this.
const LID_EVEN: u8 = 20;
/// Nearer to an edge than this, lid and paper are mixed in the reduced picture, in mm.
const MIXED_MM: f64 = 0.4;

/// How a sheet lies on the glass, and what else lies there.
pub(super) struct Laid {
    /// The grey of the paper.
    pub(super) level: u8,
    pub(super) sheet: Sheet,
    /// Edges beyond which something was found: they are not among those of `sheet`.
    pub(super) cutting: [bool; 4],
    /// The sheet by those edges, too.
    pub(super) outermost: Sheet,
    /// The sheet with the edges that only their shadows show: for weighing, not for cutting.
    pub(super) guessed: Sheet,
    /// The ink on that sheet alone, if it is whole.
    ink_on_sheet: Option<InkMap>,
    /// There is little ink: what shadows show is listened to.
    few: bool,
    pub(super) beyond: Beyond,
    pub(super) holes: Vec<Hole>,
    /// If there is little ink: these and what else is most likely a hole.
    pub(super) likely_holes: Option<Vec<Hole>>,
    /// Torn corners between good edges.
    pub(super) torn: [Option<Torn>; 4],
    pub(super) marks: Vec<Mark>,
}

impl Laid {
    pub(super) fn find(page: &View<'_>, fine: &Grey, ink: &InkMap, streaks: &[f64]) -> Self {
        let dpi = f64::from(page.dpi);
        let level = ink::paper_level(fine);
        let edges = paper::edges(&ink.grey);
        let within = |edges| Sheet::within(edges, &ink.grey, page);
        let outermost = within(edges);
        let beyond = beyond::look(&ink.grey, level, &outermost, dpi);
        let lid = beyond.lid.or_else(|| fit::sliver(&ink.grey, &outermost, dpi, MIXED_MM));
        let holes = holes::find(&ink.grey, level, &outermost, lid, dpi);
        let in_hole = |place| holes.iter().any(|hole| hole.covers(place, 1.5));
        let band = fit::BAND_MM * dpi / 25.4;
        let inside = outermost.inside(band);
        let is_lid = |place, level: u8| lid.is_some_and(|lid| level.abs_diff(lid) < LID_EVEN) && !inside.holds(place);
        // A pixel across an edge is lid by a part.
        let mixed = MIXED_MM * dpi / 25.4;
        let sides = outermost.inside(0.0);
        let on_edge =
            |place| sides.distances(place).iter().zip(outermost.seen).any(|(d, seen)| seen && d.abs() < mixed);
        let marks = proof::marks(ink, page, |place, level| in_hole(place) || is_lid(place, level) || on_edge(place));
        // An edge with anything but a lid beyond it, or with ink, is none.
        let (uneven, inked) = (fit::cutting(&ink.grey, &outermost, dpi), proof::beyond(&marks, &outermost, band));
        let cutting: [bool; 4] = std::array::from_fn(|i| uneven[i] || inked[i]);
        let good = std::array::from_fn(|i| edges[i].filter(|_| !cutting[i]));
        let sheet = within(good);
        let torn = torn::find(&ink.grey, level, &sheet, beyond.lid, dpi);
        let few = ink.share() < FEW;
        let by_shadows = (sheet.seen.contains(&false) && (few || blank::is_faint(ink))).then(|| {
            let shadows = paper::shadows(&ink.grey, streaks);
            // One edge alone, beside four that shadows show, is the shadow of a binding.
            let is_bound = good.iter().flatten().count() == 1 && shadows.iter().all(Option::is_some);
            within(std::array::from_fn(|i| if is_bound { shadows[i] } else { good[i].or(shadows[i]) }))
        });
        let ink_on_sheet = by_shadows.as_ref().filter(|guessed| guessed.is_whole(page)).map(|sheet| ink.on(sheet, dpi));
        let guessed = by_shadows.filter(|guessed| guessed.angle.is_some()).unwrap_or_else(|| sheet.clone());
        // A streak that crosses a hole makes it uneven.
        let likely = few.then(|| {
            holes::likely(&streaks::without(&ink.grey, streaks), level, (&outermost, &guessed), lid, dpi, &holes)
        });
        let likely_holes = likely.filter(|likely| likely.len() > holes.len());
        Self { level, sheet, cutting, outermost, guessed, ink_on_sheet, few, beyond, holes, likely_holes, torn, marks }
    }

    /// Only shadows show some of its edges.
    pub(super) fn is_guessed(&self) -> bool {
        self.guessed.seen != self.sheet.seen
    }

    pub(super) fn is_larger_than_a4(&self, dpi: f64) -> bool {
        // Beyond an edge that may be none the sheet may go on, but it is not said to.
        let sheet = Sheet { seen: self.sheet.seen, ..self.outermost.clone() };
        fit::is_larger_than_a4(&sheet, self.beyond.lid.is_some(), dpi)
    }

    pub(super) fn skew(&self, page: &View<'_>, fine: &Grey, ink: &InkMap, blank: bool, streaks: &[f64]) -> Skew {
        match self.guessed.angle {
            // A blank page lies as its sheet lies.
            Some(angle) if blank => Skew { angle, confidence: EDGES_ALONE },
            _ if self.few => {
                let ink = self.ink_on_sheet.as_ref().unwrap_or(ink);
                skew::find(page, fine, ink, (&self.guessed, self.sheet.angle.is_some()), streaks)
            }
            _ => skew::find(page, fine, ink, (&self.sheet, self.sheet.angle.is_some()), streaks),
        }
    }
}
