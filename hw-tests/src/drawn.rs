//! Drawn pages: a sheet with lines of writing on a dark lid, and what can be wrong with it.

use image::{Rgb, RgbImage, imageops};

/// Pixels of a mm at 200 dpi.
const MM: f32 = 200.0 / 25.4;
/// The glass, A4.
const GLASS_MM: (f32, f32) = (210.0, 297.0);
const LID: Rgb<u8> = Rgb([22, 22, 22]);

/// How a page is to be.
#[derive(Debug, Clone)]
pub struct Drawing {
    /// Left, top, width and height of the sheet, in mm.
    pub sheet: (f32, f32, f32, f32),
    /// Degrees that the sheet is turned by, clockwise, around its middle.
    pub turned: f32,
    /// Colour of the paper.
    pub paper: [u8; 3],
    /// Colour of the writing.
    pub ink: [u8; 3],
    /// Another scrap of paper, like `sheet`.
    pub scrap: Option<(f32, f32, f32, f32)>,
    /// Light that comes in along the right side.
    pub leak: bool,
    /// Places of dirt on the glass, in mm.
    pub dirt: Vec<(f32, f32)>,
    /// Large letters in this colour at the top.
    pub header: Option<[u8; 3]>,
    /// Changes the words, so that no two pages are the same sheet.
    pub number: u32,
    /// So many pixels of blur.
    pub blur: f32,
}

impl Drawing {
    /// A good page.
    #[must_use]
    pub fn good(number: u32) -> Self {
        Self {
            sheet: (3.0, 3.0, 190.0, 270.0),
            turned: 0.0,
            paper: [232, 230, 226],
            ink: [40, 40, 44],
            scrap: None,
            leak: false,
            dirt: Vec::new(),
            header: None,
            number,
            blur: 0.0,
        }
    }

    /// Draws it at 200 dpi.
    #[must_use]
    pub fn draw(&self) -> RgbImage {
        let (width, height) = ((GLASS_MM.0 * MM) as u32, (GLASS_MM.1 * MM) as u32);
        let (sin, cos) = self.turned.to_radians().sin_cos();
        let (left, top, w, h) = self.sheet;
        let middle = (left + w / 2.0, top + h / 2.0);
        let mut page = RgbImage::from_fn(width, height, |x, y| {
            // Four samples a pixel: edges are as soft as a scanner's.
            let mut sum = [0u32; 3];
            for (dx, dy) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] {
                let at = ((x as f32 + dx) / MM, (y as f32 + dy) / MM);
                let (u, v) = (at.0 - middle.0, at.1 - middle.1);
                let on_sheet = (u * cos + v * sin + w / 2.0, v * cos - u * sin + h / 2.0);
                let colour = self.colour(at, on_sheet);
                (0..3).for_each(|i| sum[i] += u32::from(colour.0[i]));
            }
            Rgb(sum.map(|v| (v / 4) as u8))
        });
        if self.blur > 0.0 {
            page = imageops::blur(&page, self.blur);
        }
        page
    }

    fn colour(&self, at: (f32, f32), (u, v): (f32, f32)) -> Rgb<u8> {
        if self.dirt.iter().any(|&(x, y)| (at.0 - x).hypot(at.1 - y) < 0.35) {
            return Rgb([70, 70, 70]);
        }
        let (_, _, w, h) = self.sheet;
        if (0.0..w).contains(&u) && (0.0..h).contains(&v) {
            let header = self.header.filter(|_| in_header(u, v));
            return Rgb(header.unwrap_or(if self.written(u, v) { self.ink } else { self.paper }));
        }
        let scrap = self.scrap.is_some_and(|(x, y, w, h)| (x..x + w).contains(&at.0) && (y..y + h).contains(&at.1));
        if scrap {
            return Rgb(self.paper);
        }
        if self.leak {
            // Light fades over some centimetres.
            let light = (1.0 - (GLASS_MM.0 - at.0) / 35.0).clamp(0.0, 1.0) * 180.0;
            return Rgb([LID.0[0].saturating_add(light as u8); 3]);
        }
        LID
    }

    /// Lines of words of strokes; which, depends on the number.
    fn written(&self, u: f32, v: f32) -> bool {
        let (_, _, w, h) = self.sheet;
        if !(20.0..w - 20.0).contains(&u) || !(60.0..h - 30.0).contains(&v) {
            return false;
        }
        let (line, column) = ((v / 9.0) as u32, (u / 4.5) as u32);
        let mut word = line.wrapping_mul(2_654_435_761).wrapping_add(column.wrapping_mul(40_503));
        word = (word ^ self.number.wrapping_mul(2_246_822_519)).wrapping_mul(3_266_489_917);
        let (du, dv) = (u % 4.5, v % 9.0);
        let bit = |n: u32| word >> (16 + n) & 1 == 1;
        let upright = (0.6..1.0).contains(&du) && dv < 4.0 && bit(0) || (2.6..3.0).contains(&du) && dv < 4.0 && bit(1);
        let level = (0.4..0.8).contains(&dv) && du < 3.4 && bit(2) || (3.2..3.6).contains(&dv) && du < 3.4 && bit(3);
        upright || level
    }
}

/// Ten letters of 15 mm.
fn in_header(u: f32, v: f32) -> bool {
    if !(25.0..165.0).contains(&u) || !(30.0..45.0).contains(&v) {
        return false;
    }
    let du = (u - 25.0) % 14.0;
    du < 2.0 || (du < 9.0 && v > 43.0) || (8.0..9.6).contains(&du)
}
