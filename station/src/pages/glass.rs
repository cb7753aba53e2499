//! Dirt on a flatbed's glass: a speck that is seen at one place of the scan on page after page, whatever lies there. Pages are
//! told apart from the glass by time: print never stands at the same tenth of a millimetre on many sheets that were laid
//! down one after the other.

use super::{
    geometry::Grey,
    paper::{Inside, Sheet},
};
use std::collections::VecDeque;

/// So many pages are remembered, and of those that have sheet at a place, so many must show the speck.
const PAGES: usize = 12;
const LEAST: usize = 8;
/// In so many of 100.
const SHARE: usize = 85;
/// A speck is smaller than this across, and nothing else lies as near to it, in mm.
const SPECK_MM: f32 = 1.6;
const ALONE_MM: f32 = 1.5;
/// It is darker than what lies around it by so many levels.
const DARKER: u8 = 12;
/// Specks nearer than this are the same, in mm.
const SAME_MM: f32 = 0.5;
/// The rim of a sheet is left out, in mm.
const RIM_MM: f64 = 2.0;
/// The most specks of a page that are remembered: more are no dirt, but a picture.
const MOST: usize = 400;

/// Small lonely specks of one page, and where its sheet lay.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Specks {
    places: Vec<(f32, f32)>,
    /// On the lid a speck may not show.
    sheet: Inside,
    /// Pixels of the scan for one mm.
    mm: f64,
}

/// Finds specks in the ink of a reduced page; places in mm from the scan's corner.
pub(crate) fn specks(ink: &Grey, sheet: &Sheet, dpi: f64) -> Specks {
    let mm = ink.dpi / 25.4;
    let most = (SPECK_MM * mm) as usize + 1;
    let reach = (ALONE_MM * mm).ceil() as usize;
    let (w, h) = (ink.width, ink.height);
    let mut places = Vec::new();
    let mut y = reach;
    while y + reach + most < h && places.len() <= MOST {
        for x in reach..w.saturating_sub(reach + most) {
            let at = y * w + x;
            if ink.data[at] < DARKER || ink.data[at - 1] >= DARKER {
                continue;
            }
            if ink.data[at - w - 1..][..most + 1].iter().all(|&v| v < DARKER)
                && let Some(middle) = alone(ink, (x, y), most, reach)
            {
                places.push((middle.0 / mm, middle.1 / mm));
            }
        }
        y += 1;
    }
    if places.len() > MOST {
        places.clear();
    }
    let mm = dpi / 25.4;
    Specks { places, sheet: sheet.inside(RIM_MM * mm), mm }
}

/// The middle of the speck whose first pixel this is, if nothing else lies around it.
fn alone(ink: &Grey, (x, y): (usize, usize), most: usize, reach: usize) -> Option<(f32, f32)> {
    let (mut weight, mut across, mut down) = (0u32, 0u32, 0u32);
    let left = x - reach;
    for row in y - reach..y + most + reach {
        for (column, &v) in ink.data[row * ink.width + left..][..most + 2 * reach].iter().enumerate() {
            if v < DARKER {
                continue;
            }
            let column = left + column;
            // A speck may begin lower on its left side.
            let inside = (y..y + most).contains(&row) && (x + 1..=x + most + 1).contains(&(column + 2));
            if !inside {
                return None;
            }
            weight += u32::from(v);
            across += u32::from(v) * (column - left) as u32;
            down += u32::from(v) * (row - y) as u32;
        }
    }
    let mean = |sum: u32| sum as f32 / weight.max(1) as f32 + 0.5;
    Some((left as f32 + mean(across), y as f32 + mean(down)))
}

/// What is known of a glass from the latest pages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Glass {
    pages: VecDeque<Specks>,
}

impl Glass {
    /// A page was scanned. Returns where the glass is dirty, across and down in mm from the scan's corner.
    pub(crate) fn add(&mut self, specks: Specks) -> Vec<(f64, f64)> {
        let dirt = self.dirt_with(&specks);
        self.pages.push_back(specks);
        if self.pages.len() > PAGES {
            self.pages.pop_front();
        }
        dirt
    }

    fn dirt_with(&self, specks: &Specks) -> Vec<(f64, f64)> {
        let near = |a: (f32, f32), b: (f32, f32)| (a.0 - b.0).hypot(a.1 - b.1) < SAME_MM;
        let is_dirt = |&&place: &&(f32, f32)| {
            let covered = |page: &&Specks| page.covers(place);
            let looked = self.pages.iter().filter(covered).count();
            let seen =
                self.pages.iter().filter(covered).filter(|page| page.places.iter().any(|&p| near(p, place))).count();
            looked >= LEAST && seen * 100 >= looked * SHARE
        };
        specks.places.iter().filter(is_dirt).map(|&(x, y)| (f64::from(x), f64::from(y))).collect()
    }
}

impl Specks {
    /// Whether the sheet lay over this place.
    fn covers(&self, (x, y): (f32, f32)) -> bool {
        self.sheet.holds((f64::from(x) * self.mm, f64::from(y) * self.mm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ink of a page at 75 dpi: words at places of their own, and dirt at a place of the glass.
    fn page(number: usize, dirt: Option<(usize, usize)>) -> Specks {
        let (width, height) = (620, 877);
        let mut data = vec![0u8; width * height];
        let mut put = |x: usize, y: usize, wide: usize, high: usize| {
            (y..y + high).for_each(|y| data[y * width + x..][..wide].fill(40));
        };
        for line in 0..25 {
            put(60 + (number * 37 + line * 91) % 200, 80 + line * 30 + number * 7 % 13, 180, 9);
            // A full stop.
            put(70 + (number * 53 + line * 29) % 480, 95 + line * 30 + number * 7 % 13, 2, 2);
        }
        if let Some((x, y)) = dirt {
            put(x, y, 2, 3);
        }
        let ink = Grey { width, height, dpi: 75.0, data };
        let (w, h) = (width as f64 * 4.0, height as f64 * 4.0);
        let sheet = Sheet { quad: [(0.0, 0.0), (w, 0.0), (w, h), (0.0, h)], seen: [true; 4], angle: None };
        specks(&ink, &sheet, 300.0)
    }

    #[test]
    fn dirt_on_the_glass_is_told_after_some_pages_and_print_is_not() {
        let mut glass = Glass::default();
        for number in 0..LEAST {
            assert!(glass.add(page(number, Some((580, 838)))).is_empty(), "page {number}");
        }
        let dirt = glass.add(page(LEAST, Some((580, 838))));
        assert_eq!(dirt.len(), 1, "{dirt:?}");
        let mm = 25.4 / 75.0;
        assert!((dirt[0].0 - 581.0 * mm).abs() < 0.3 && (dirt[0].1 - 839.5 * mm).abs() < 0.3, "{dirt:?}");
        // It was cleaned.
        assert!(glass.add(page(20, None)).is_empty());
    }
}
