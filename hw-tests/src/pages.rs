//! Pages for the rig: sample pages, pages laid askew, and pages that carry their number so that a program can read it.

use image::{GrayImage, Luma, Rgb, RgbImage};
use std::path::{Path, PathBuf};

/// The sample pages of the repository.
#[must_use]
pub fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pages")
}

/// Squares of a numbered page: 4 × 4 bits.
const WIDTH: u32 = 760;
const HEIGHT: u32 = 560;
const BITS: u32 = 16;
const CELL: u32 = 60;
const LEFT: u32 = 100;
const TOP: u32 = 90;

/// A page of 760 × 560 pixels that carries a number as black squares, with lines of writing below so that it has an upright.
#[must_use]
pub fn numbered(number: u32) -> GrayImage {
    let mut page = GrayImage::from_pixel(WIDTH, HEIGHT, Luma([245]));
    for bit in 0..BITS {
        if number >> bit & 1 == 1 {
            let (x, y) = corner(bit);
            fill(&mut page, (x + 6, y + 6), (CELL - 12, CELL - 12));
        }
    }
    for line in 0..6 {
        for word in 0..10 {
            fill(&mut page, (LEFT + word * 56, 360 + line * 28), (38 + word % 3 * 6, 12));
        }
    }
    page
}

fn corner(bit: u32) -> (u32, u32) {
    (LEFT + bit % 4 * CELL, TOP + bit / 4 * CELL)
}

fn fill(page: &mut GrayImage, (x, y): (u32, u32), (w, h): (u32, u32)) {
    for (px, py) in (x..x + w).flat_map(|px| (y..y + h).map(move |py| (px, py))) {
        page.put_pixel(px, py, Luma([20]));
    }
}

/// Reads the number of a scanned page. It lies in the corner of the glass, or in the middle of a canvas that was padded.
pub fn number_of(file: &Path) -> anyhow::Result<u32> {
    let page = image::open(file)?.into_luma8();
    let middle = (page.width().saturating_sub(WIDTH) / 2, page.height().saturating_sub(HEIGHT) / 2);
    Ok(match number_at(&page, middle) {
        0 => number_at(&page, (0, 0)),
        number => number,
    })
}

fn number_at(page: &GrayImage, (left, top): (u32, u32)) -> u32 {
    (0..BITS).fold(0, |number, bit| {
        let (x, y) = corner(bit);
        let black = page.get_pixel(left + x + CELL / 2, top + y + CELL / 2).0[0] < 128;
        number | u32::from(black) << bit
    })
}

/// The numbered pages 1..=`count` as files.
pub fn write_numbered(folder: &Path, count: u32) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    for number in 1..=count {
        numbered(number).save(folder.join(format!("{number:04}.png")))?;
    }
    Ok(())
}

/// `page` as it looks when the sheet lies askew: turned clockwise by `degrees` about its middle, on a white lid.
#[must_use]
pub fn askew(page: &RgbImage, degrees: f64) -> RgbImage {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (cx, cy) = (f64::from(page.width()) / 2.0, f64::from(page.height()) / 2.0);
    RgbImage::from_fn(page.width(), page.height(), |x, y| {
        let (dx, dy) = (f64::from(x) + 0.5 - cx, f64::from(y) + 0.5 - cy);
        let (sx, sy) = (dx * cos + dy * sin + cx - 0.5, dy * cos - dx * sin + cy - 0.5);
        image::imageops::interpolate_bilinear(page, sx as f32, sy as f32).unwrap_or(Rgb([255; 3]))
    })
}
