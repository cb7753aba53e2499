//! The proof that nothing of a sheet was cut, painted over or turned away: places that were inked in the scan are looked up
//! on the page as it is delivered. Whatever the stages before found or believed, a result that has lost ink is refused.

use super::{geometry::View, ink::InkMap, paper::Sheet, reduce::luma, turn::Canvas};
use platen_protocol::uplink::ColourMode;

/// So many inked places are looked up in each square of so many mm, spread evenly over all of its own: a number that stands alone
/// is asked for as well as a paragraph is.
const PLACES: usize = 6;
const SQUARE_MM: f32 = 5.0;
/// A place counts as inked if it is so much darker than its surroundings; in lineart, if more than a speckle is on it.
const INKED: u8 = 14;
const INKED_LINEART: u8 = 44;
/// A place has lost its ink if it is brighter by this share of what it was darker than the paper, in 1/100, and by so many
/// levels.
const LOST: i32 = 60;
const LEAST_LOST: i32 = 6;
/// This share of the places, in 1/1,000, may differ by the interpolation's doing on the thinnest strokes.
const ALLOWED: usize = 4;
/// Side of a mark, in mm: a pixel of the ink it was found in.
const MARK_MM: f64 = 0.34;
/// So few marks may be specks that turning has smoothed away, on a page that has little else.
const SPECKS: usize = 2;
/// So many lost marks within so many mm of each other are no interpolation's doing: a number, a word, a stroke is gone.
const TOGETHER: usize = 4;
const TOGETHER_MM: f64 = 5.0;
/// So few marks beyond an edge are dust on the lid.
const LEAST_BEYOND: usize = 6;

/// An inked place of the scan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mark {
    /// Its middle, in pixels of the scan.
    x: f32,
    y: f32,
    level: u8,
}

/// Places of the scan with ink, from the top, wherever the sheet is believed to lie; but for what is `void`, by its
/// place and grey: punch holes, and the lid.
pub(crate) fn marks(ink: &InkMap, page: &View<'_>, void: impl Fn((f64, f64), u8) -> bool) -> Vec<Mark> {
    let coarse = &ink.coarse;
    let dpi = f64::from(page.dpi);
    let scale = dpi / f64::from(coarse.dpi);
    let is_lineart = page.mode == ColourMode::Lineart;
    let inked = if is_lineart { INKED_LINEART } else { INKED };
    // One black pixel of a place is a speckle, which turning may smooth away.
    let speckle = if is_lineart { (255.0 * 1.5 / (scale * scale)) as u8 } else { 0 };
    let is_inked = |i: usize| coarse.data[i] >= inked && 255 - ink.grey.data[i] >= speckle;
    let side = ((SQUARE_MM / 25.4 * coarse.dpi) as usize).max(1);
    let (w, across) = (coarse.width, coarse.width.div_ceil(side));
    let mut counts = vec![0usize; across * coarse.height.div_ceil(side)];
    // Pixel by pixel from the top, each with the square it lies in.
    let mut all: Vec<(usize, usize)> = Vec::new();
    for (y, row) in coarse.data.chunks_exact(w).enumerate() {
        for (column, pixels) in row.chunks(side).enumerate() {
            let (from, square) = (y * w + column * side, y / side * across + column);
            // Most of a page is paper.
            if pixels.iter().fold(0, |most, &v| v.max(most)) < inked {
                continue;
            }
            let before = all.len();
            all.extend((from..from + pixels.len()).filter(|&i| is_inked(i)).map(|i| (i, square)));
            counts[square] += all.len() - before;
        }
    }
    let steps: Vec<usize> = counts.iter().map(|count| count.div_ceil(PLACES).max(1)).collect();
    let mut met = vec![0usize; counts.len()];
    let places = all.into_iter().filter_map(|(i, square)| {
        met[square] += 1;
        (met[square] - 1).is_multiple_of(steps[square]).then_some(i)
    });
    let marks = places.filter_map(|i| {
        let place = (((i % coarse.width) as f64 + 0.5) * scale, ((i / coarse.width) as f64 + 0.5) * scale);
        let level = ink.grey.data[i];
        (!void(place, level)).then_some(Mark { x: place.0 as f32, y: place.1 as f32, level })
    });
    marks.collect()
}

/// Which of the sheet's edges have ink beyond them, more than so many pixels out.
pub(crate) fn beyond(marks: &[Mark], sheet: &Sheet, band: f64) -> [bool; 4] {
    let mut counts = [0; 4];
    let sides = sheet.inside(0.0);
    for mark in marks {
        let distances = sides.distances((f64::from(mark.x), f64::from(mark.y)));
        for (count, distance) in counts.iter_mut().zip(distances) {
            *count += usize::from(distance < -band);
        }
    }
    std::array::from_fn(|i| sheet.seen[i] && counts[i] > (marks.len() * ALLOWED / 1_000).max(LEAST_BEYOND))
}

/// Marks being looked up while the page passes by in strips.
#[derive(Debug)]
pub(crate) struct Proof {
    /// Where each mark must come to lie, in pixels of the canvas, from the top, and its level.
    places: Vec<(f64, f64, u8)>,
    next: usize,
    /// Rows of the page, and those of them that have passed.
    height: usize,
    passed: usize,
    /// The last rows of the strip before.
    behind: Vec<Vec<u8>>,
    /// Half the side of a mark in pixels.
    half: usize,
    /// How near to each other lost marks must not lie, in pixels.
    near: f64,
    paper: i32,
    /// Marks that are looked up.
    pub(crate) looked: usize,
    /// Where those of them lie that have lost their ink.
    lost: Vec<(f64, f64)>,
}

impl Proof {
    /// For marks of a scan of `dpi` that is turned onto `canvas`, on paper of this colour.
    pub(crate) fn new(marks: &[Mark], canvas: &Canvas, dpi: u32, paper: [u8; 3]) -> Self {
        let mut places: Vec<_> = marks
            .iter()
            .map(|mark| {
                let (x, y) = canvas.arrives((f64::from(mark.x), f64::from(mark.y)));
                (x, y, mark.level)
            })
            .collect();
        places.sort_by(|a, b| a.1.total_cmp(&b.1));
        // What lies outside of the canvas is lost.
        let inside = |&(x, y, _): &(f64, f64, u8)| {
            (0.0..canvas.width as f64).contains(&x) && (0.0..canvas.height as f64).contains(&y)
        };
        let looked = places.len();
        let lost = places.iter().filter(|place| !inside(place)).map(|&(x, y, _)| (x, y)).collect();
        places.retain(inside);
        let half = (f64::from(dpi) * MARK_MM / 25.4 / 2.0).round() as usize;
        let paper = i32::from(luma(&paper));
        let near = f64::from(dpi) * TOGETHER_MM / 25.4;
        let (height, behind) = (canvas.height, Vec::new());
        Self { looked, lost, places, next: 0, height, passed: 0, behind, half, near, paper }
    }

    /// The next strip of the page.
    pub(crate) fn strip(&mut self, strip: &View<'_>) {
        let until = self.passed + strip.height;
        let is_last = until >= self.height;
        // What lies around a place may stand in the next strip.
        let ready = if is_last { until } else { until - self.half.min(strip.height) };
        while let Some(&(x, y, level)) = self.places.get(self.next).filter(|place| place.1 < ready as f64) {
            self.next += 1;
            let now = self.darkest(strip, x as usize, y as usize);
            let was = i32::from(level);
            if now > was + ((self.paper - was) * LOST / 100).max(LEAST_LOST) {
                self.lost.push((x, y));
            }
        }
        let kept = (2 * self.half + 1).min(strip.height);
        self.behind = (strip.height - kept..strip.height).map(|y| strip.row(y).to_vec()).collect();
        self.passed = until;
    }

    /// The darkest grey around a place of the page: a stroke's side may have come to lie a pixel further.
    fn darkest(&self, strip: &View<'_>, x: usize, y: usize) -> i32 {
        let columns = x.saturating_sub(self.half)..(x + self.half + 1).min(strip.width);
        let greys = (y.saturating_sub(self.half)..=y + self.half).filter_map(|y| {
            let row: &[u8] = match y.checked_sub(self.passed) {
                Some(y) => (y < strip.height).then(|| strip.row(y))?,
                None => self.behind.get((self.behind.len() + y).checked_sub(self.passed)?)?,
            };
            columns.clone().map(|x| grey(strip.mode, row, x)).min()
        });
        greys.min().unwrap_or(255)
    }

    /// How many marks have lost their ink. Those that were never looked up were not found either.
    pub(crate) fn lost(&self) -> usize {
        self.lost.len() + self.places.len() - self.next
    }

    /// Whether the page has kept its ink.
    pub(crate) fn holds(&self) -> bool {
        let allowed = (self.looked * ALLOWED / 1_000).max(SPECKS.min(self.looked / 4));
        self.lost() <= allowed && !self.is_something_gone()
    }

    /// Whether marks are lost beside each other.
    fn is_something_gone(&self) -> bool {
        let near = |a: &(f64, f64), b: &(f64, f64)| (a.0 - b.0).abs().max((a.1 - b.1).abs()) < self.near;
        self.lost.iter().any(|a| self.lost.iter().filter(|b| near(a, b)).count() >= TOGETHER)
    }
}

/// Grey of a pixel of a row.
fn grey(mode: ColourMode, row: &[u8], x: usize) -> i32 {
    match mode {
        ColourMode::Lineart if row[x / 8] & (0x80 >> (x % 8)) == 0 => 255,
        ColourMode::Lineart => 0,
        ColourMode::Grey => i32::from(row[x]),
        ColourMode::Colour => i32::from(luma(&row[3 * x..3 * x + 3])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::{Image, fit, turn};

    /// A page of 400 × 300 pixels with squares of ink, and marks on them.
    fn page() -> (Image, Vec<Mark>) {
        let (width, height) = (400, 300);
        let inked = |x: usize, y: usize| x % 40 < 8 && y % 40 < 8 && x > 30 && y > 30;
        let data = (0..width * height).map(|i| if inked(i % width, i / width) { 50 } else { 220 }).collect();
        let places = (0..width * height).map(|i| (i % width, i / width)).filter(|&(x, y)| inked(x, y));
        let middles = places.filter(|(x, y)| x % 40 == 4 && y % 40 == 4);
        let marks = middles.map(|(x, y)| Mark { x: x as f32, y: y as f32, level: 50 }).collect();
        (Image { mode: ColourMode::Grey, width, height, dpi: 300, data }, marks)
    }

    fn proved(page: &Image, marks: &[Mark], canvas: &Canvas) -> Proof {
        let mut proof = Proof::new(marks, canvas, page.dpi, [220; 3]);
        let Ok(()) = turn::strips::<std::convert::Infallible>(&page.view(), canvas, [220; 3], |strip| {
            proof.strip(&strip);
            Ok(())
        });
        proof
    }

    #[test]
    fn a_page_turned_onto_a_canvas_that_holds_it_has_lost_nothing() {
        let (page, marks) = page();
        for degrees in [0.0, -11.0, 0.3, 7.7] {
            let canvas = Canvas { width: 480, height: 400, degrees, ..Canvas::whole(&page.view()) };
            let proof = proved(&page, &marks, &canvas);
            assert_eq!((proof.looked, proof.lost(), proof.holds()), (marks.len(), 0, true), "{degrees}°");
        }
    }

    /// The tests that would catch the pipeline at cutting: a canvas too small, and an edge that was found where there is none.
    #[test]
    fn what_is_cut_off_or_painted_over_is_missed() {
        let (page, marks) = page();
        let small = Canvas { width: 300, ..Canvas::whole(&page.view()) };
        let proof = proved(&page, &marks, &small);
        assert!(proof.lost() > 5 && !proof.holds(), "{} of {}", proof.lost(), proof.looked);

        let quad = [(0.0, 0.0), (300.0, 0.0), (300.0, 300.0), (0.0, 300.0)];
        let sheet = Sheet { quad, seen: [false, true, false, false], angle: None };
        let painted = fit::fit(&page.view(), &sheet, 0.0, &[], [None; 4]).canvas;
        let proof = proved(&page, &marks, &painted);
        assert!(proof.lost() > 5 && !proof.holds(), "{} of {}", proof.lost(), proof.looked);
    }

    /// One number of a dense page is painted over: far fewer marks than interpolation may take, but all in one place.
    #[test]
    fn a_folio_number_that_is_gone_is_missed_on_a_full_page() {
        let (width, height) = (2_000, 2_000);
        let inked = |x: usize, y: usize| x % 16 < 4 && y % 16 < 4;
        let data = (0..width * height).map(|i| if inked(i % width, i / width) { 50 } else { 220 }).collect();
        let middles = (0..height).step_by(16).flat_map(|y| (0..width).step_by(16).map(move |x| (x + 2, y + 2)));
        let marks: Vec<_> = middles.map(|(x, y)| Mark { x: x as f32, y: y as f32, level: 50 }).collect();
        let mut page = Image { mode: ColourMode::Grey, width, height, dpi: 300, data };
        let canvas = Canvas { width: 2_100, ..Canvas::whole(&page.view()) };
        assert!(proved(&page, &marks, &canvas).holds());
        for y in 1_900..1_932 {
            page.data[y * width + 1_900..][..48].fill(220);
        }
        let proof = proved(&page, &marks, &canvas);
        assert!((4..=8).contains(&proof.lost()) && !proof.holds(), "{} of {}", proof.lost(), proof.looked);
        // As many, far from each other, are specks.
        for y in 1_900..1_932 {
            (1_900..1_948).filter(|&x| inked(x, y)).for_each(|x| page.data[y * width + x] = 50);
        }
        for i in 0..6 {
            (0..4).for_each(|y| page.data[(160 * i + y) * width + 320 * i..][..4].fill(220));
        }
        let proof = proved(&page, &marks, &canvas);
        assert!(proof.lost() == 6 && proof.holds(), "{} of {}", proof.lost(), proof.looked);
    }
}
