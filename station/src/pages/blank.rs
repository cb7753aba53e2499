//! Whether anything is written on a page.
//!
//! Ink is sharp; print that shows through the sheet, creases and stains are soft. So the page is cut into connected
//! patches of ink, and a patch counts if some of its edges are as steep as ink's are. Punch holes, a feeder's
//! streaks and the sheet's own rim do not count. A page with any writing on it must never be called blank.

mod corner;
mod sharp;

use super::{
    geometry::{Grey, View},
    holes::{HOLE, Hole},
    ink::InkMap,
    paper::Sheet,
};
use sharp::{Asked, Sharpness};

/// A pixel of a patch is darker than its surroundings by more than this.
const DARK: u8 = 5;
/// Ink steps down by this share of a patch's depth between neighbouring pixels; what shows through by less.
const STEEP: f32 = 0.5;
/// And by this many times the picture's mean step, which is its grain; within these limits.
const GRAINS: f32 = 5.0;
const LEAST_STEP: f32 = 10.0;
const MOST_STEP: f32 = 45.0;
/// So many steep places make a patch writing, and at least such a part of it, in 1/100: in a large faint patch some are
/// steep by chance.
const ENOUGH: usize = 4;
const PART: usize = 4;
/// A patch as small as a full stop, in mm², must be so much darker than its surroundings.
const SMALL_MM2: f32 = 0.5;
const SMALL_DEPTH: f32 = 9.0;
/// A piece of a streak is at least so long, and lies so near to where it was found, in mm.
const STREAK_MM: f32 = 20.0;
const STREAK_WIDE_MM: f64 = 1.0;
/// Of a faint patch what lies so near to a streak is taken for the streak's: it may cross what shows through, in mm.
const ON_STREAK_MM: f64 = 0.6;
/// So many pairs of neighbours say enough about the grain.
const SAMPLE: usize = 100_000;
/// The rim of a sheet holds shadows and frayed paper, in mm.
const RIM_MM: f64 = 3.0;
/// What shows through is never as dark as this beside its surroundings: darker patches need not be asked how sharp they are.
const DEEP: u8 = 36;
/// Nearer to the scan's border than this a faint patch is a trace of the sheet's edge, in mm.
const BORDER_MM: f32 = 1.5;
/// Patches below this are dust, in mm².
const DUST_MM2: f32 = 0.12;

/// `fine` is the picture of `page` that `ink` was made from, at twice its resolution. Nor are `holes` and `streaks` (in mm from the
/// left) writing, nor torn corners of a sheet that only its shadows show (`guessed`).
pub(crate) fn is_blank(
    page: &View<'_>,
    fine: &Grey,
    ink: &InkMap,
    (sheet, guessed): (&Sheet, Option<&Sheet>),
    (holes, streaks): (&[Hole], &[f64]),
) -> bool {
    let dpi = f64::from(page.dpi);
    let coarse = &ink.coarse;
    // Pixels of the scan for one of this picture.
    let scale = dpi / f64::from(coarse.dpi);
    let inside = sheet.inside(RIM_MM * dpi / 25.4);
    let on_paper = |i: usize| {
        let (x, y) = ((i % coarse.width) as f64 + 0.5, (i / coarse.width) as f64 + 0.5);
        let place = (x * scale, y * scale);
        inside.holds(place) && !holes.iter().any(|hole| hole.covers(place, HOLE))
    };
    let on_streak = |i: usize| {
        let at = ((i % coarse.width) as f64 + 0.5) * 25.4 / f64::from(coarse.dpi);
        streaks.iter().any(|streak| (streak - at).abs() < ON_STREAK_MM)
    };
    let least = (GRAINS * grain(fine)).clamp(LEAST_STEP, MOST_STEP);
    let mut seen = vec![false; coarse.data.len()];
    let mut patch = Vec::new();
    // Faint patches that may be writing.
    let mut doubtful: Vec<Vec<usize>> = Vec::new();
    for start in 0..coarse.data.len() {
        if seen[start] || coarse.data[start] <= DARK {
            continue;
        }
        gather(coarse, start, &mut seen, &mut patch);
        // A stamp across two sheets and a frame that runs off the sheet are on it as well as beside it.
        patch.retain(|&i| on_paper(i));
        let is_deep = depth(coarse, &patch) >= DEEP;
        patch.retain(|&i| is_deep || !on_streak(i));
        if is_writing(coarse, fine, &patch, least, streaks) {
            if is_deep {
                return false;
            }
            let is_edge = |sheet| corner::is_edge(&ink.grey, sheet, &patch, dpi);
            if !lies_along_the_border(coarse, &patch) && !guessed.is_some_and(is_edge) {
                doubtful.push(patch.clone());
            }
        }
    }
    if doubtful.is_empty() {
        return true;
    }
    let sharpness = Sharpness::new(page, ink, on_paper);
    let is_ink = |patch: &[usize], asked| sharpness.is_ink(patch, depth(coarse, patch), asked);
    // Each by itself may be too small to tell.
    !doubtful.iter().any(|patch| is_ink(patch, Asked::OneOf(doubtful.len())))
        && !is_ink(&doubtful.concat(), Asked::Together)
}

/// Whether nothing on a page is so dark that it must be ink.
pub(crate) fn is_faint(ink: &InkMap) -> bool {
    ink.coarse.data.iter().all(|&v| v < DEEP)
}

/// The mean step between neighbours; writing counts for little in it.
fn grain(fine: &Grey) -> f32 {
    let steps =
        fine.data.windows(2).step_by((fine.data.len() / SAMPLE) | 1).map(|w| u32::from(w[0].abs_diff(w[1]).min(20)));
    let n = steps.len().max(1);
    steps.sum::<u32>() as f32 / n as f32
}

/// How much darker than its surroundings a patch is.
fn depth(coarse: &Grey, patch: &[usize]) -> u8 {
    patch.iter().map(|&i| coarse.data[i]).max().unwrap_or(0)
}

/// Collects the connected patch of ink around `start`.
fn gather(coarse: &Grey, start: usize, seen: &mut [bool], patch: &mut Vec<usize>) {
    patch.clear();
    patch.push(start);
    seen[start] = true;
    let mut next = 0;
    while let Some(&i) = patch.get(next) {
        next += 1;
        let (x, y) = (i % coarse.width, i / coarse.width);
        for (x, y) in [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)] {
            if x < coarse.width && y < coarse.height {
                let near = y * coarse.width + x;
                if !seen[near] && coarse.data[near] > DARK {
                    seen[near] = true;
                    patch.push(near);
                }
            }
        }
    }
}

/// Whether all of a patch lies right beside one of the scan's sides.
fn lies_along_the_border(coarse: &Grey, patch: &[usize]) -> bool {
    let near = (BORDER_MM * coarse.dpi / 25.4) as usize;
    let all = |is: &dyn Fn(usize, usize) -> bool| patch.iter().all(|&i| is(i % coarse.width, i / coarse.width));
    all(&|x, _| x < near)
        || all(&|_, y| y < near)
        || all(&|x, _| x + near >= coarse.width)
        || all(&|_, y| y + near >= coarse.height)
}

fn is_writing(coarse: &Grey, fine: &Grey, patch: &[usize], least: f32, streaks: &[f64]) -> bool {
    let mm = coarse.dpi / 25.4;
    let area = patch.len() as f32 / (mm * mm);
    if area < DUST_MM2 {
        return false;
    }
    let extent = |of: fn(usize, usize) -> usize| {
        let (low, high) = patch.iter().fold((usize::MAX, 0), |(low, high), &i| {
            let at = of(i, coarse.width);
            (low.min(at), high.max(at))
        });
        (high - low + 1) as f32 / mm
    };
    let (wide, high) = (extent(|i, w| i % w), extent(|i, w| i / w));
    let depth = f32::from(depth(coarse, patch));
    // A streak of the scanner: straight down a good part of the scan, where dirt was found on its glass.
    let left = patch.iter().map(|&i| i % coarse.width).min().unwrap_or(0) as f32 / mm;
    let is_beside = |&at: &f64| (f64::from(left + wide / 2.0) - at).abs() < STREAK_WIDE_MM;
    if wide < 1.1 && high > STREAK_MM && streaks.iter().any(is_beside) {
        return false;
    }
    if area < SMALL_MM2 && depth < SMALL_DEPTH {
        return false;
    }
    let least = least.max(STEEP * depth);
    let steep = |&&i: &&usize| f32::from(steepest(fine, i % coarse.width, i / coarse.width)) >= least;
    patch.iter().filter(steep).count() >= ENOUGH.max(patch.len() * PART / 100)
}

/// The steepest step between two neighbours among the 2 × 2 fine pixels of a coarse one, and over its right and lower edge.
fn steepest(fine: &Grey, x: usize, y: usize) -> u8 {
    let at = |dx: usize, dy: usize| {
        let (x, y) = ((2 * x + dx).min(fine.width - 1), (2 * y + dy).min(fine.height - 1));
        fine.data[y * fine.width + x]
    };
    let mut most = 0;
    for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        most = most.max(at(dx, dy).abs_diff(at(dx + 1, dy))).max(at(dx, dy).abs_diff(at(dx, dy + 1)));
    }
    most
}
