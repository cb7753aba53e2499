//! How sharp a page is: the spread of a slanted edge, as ISO 12233 measures it. An edge that runs a little askew to the pixels
//! crosses them at every fraction; put together along the edge, its rows are one profile, finer than a pixel. The spread is
//! the way from 10 to 90 per cent of the edge's height.

use anyhow::Context;
use image::{GrayImage, RgbImage};

/// Resolution of the page.
const DPI: f64 = 300.0;
const MM: f64 = DPI / 25.4;
/// The target: a dark square on a bright one, askew to the straightened page by so much (at 5° an edge crosses a pixel in
/// eleven rows).
const ASKEW_DEGREES: f64 = 5.0;
const DARK_MM: f64 = 16.0;
const BRIGHT_MM: f64 = 26.0;
const LEVELS: (f64, f64) = (40.0, 220.0);
/// Blur of the edge as a scanner sees it: standard deviation of its spread, in pixels.
pub(super) const BLUR: f64 = 0.5;
/// From 10 to 90 per cent a bell's sum takes so many standard deviations.
const TEN_TO_NINETY: f64 = 2.563;
/// The profile is looked at to so many pixels on both sides of the edge, in steps of so much.
const REACH: f64 = 8.0;
const STEP: f64 = 0.125;

/// Spread of the target's own edges in mm.
pub(super) fn drawn_mm() -> f64 {
    TEN_TO_NINETY * BLUR / MM
}

/// Paints the target on the middle of a page that is straightened by `degrees`, with edges blurred by `blur` pixels.
pub(super) fn paint(page: &mut RgbImage, degrees: f64, blur: f64) {
    let (sin, cos) = (degrees + ASKEW_DEGREES).to_radians().sin_cos();
    let (cx, cy) = (f64::from(page.width()) / 2.0, f64::from(page.height()) / 2.0);
    for (x, y, pixel) in page.enumerate_pixels_mut() {
        let (dx, dy) = (f64::from(x) + 0.5 - cx, f64::from(y) + 0.5 - cy);
        let (across, down) = ((dx * cos + dy * sin).abs(), (dy * cos - dx * sin).abs());
        if across.max(down) < BRIGHT_MM * MM / 2.0 {
            let inside = |far: f64| bell_sum((DARK_MM * MM / 2.0 - far) / blur);
            let level = LEVELS.1 + (LEVELS.0 - LEVELS.1) * inside(across) * inside(down);
            pixel.0 = [level.round() as u8; 3];
        }
    }
}

/// The sum of the standard bell up to `x`, by the trapezoid rule.
fn bell_sum(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return f64::from(u8::from(x > 0.0));
    }
    let steps = 200;
    let width = (x + 6.0) / f64::from(steps);
    let bell = |i: i32| (-0.5 * (f64::from(i) * width - 6.0).powi(2)).exp();
    let inner: f64 = (1..steps).map(bell).sum();
    (inner + (bell(0) + bell(steps)) / 2.0) * width / std::f64::consts::TAU.sqrt()
}

/// Spread of the target's edges on a page, in mm: its right or its lower one, whichever is worse.
pub(super) fn spread_mm(page: &GrayImage) -> anyhow::Result<f64> {
    let turned = image::imageops::flip_horizontal(&image::imageops::rotate90(page));
    let across = spread(page).context("across")?;
    Ok(across.max(spread(&turned).context("down")?) / MM)
}

/// Spread of the target's right edge in pixels.
fn spread(page: &GrayImage) -> anyhow::Result<f64> {
    let half = (LEVELS.0 + LEVELS.1) / 2.0;
    // Rows in which it is dark over half of its width, and where that ends; its corners are left out.
    let least = (DARK_MM * MM / 2.0) as usize;
    let mut ends: Vec<(f64, f64)> = Vec::new();
    for (y, row) in page.rows().enumerate() {
        let levels: Vec<f64> = row.map(|pixel| f64::from(pixel.0[0])).collect();
        let mut dark = 0;
        for x in 1..levels.len() {
            if levels[x] < half {
                dark += 1;
                continue;
            }
            if dark >= least {
                let between = (half - levels[x - 1]) / (levels[x] - levels[x - 1]);
                ends.push((y as f64 + 0.5, x as f64 - 0.5 + between));
            }
            dark = 0;
        }
    }
    let rim = ends.len() / 5;
    let ends =
        ends.get(rim..ends.len() - rim).filter(|ends| ends.len() > 50).context("the target is not on the page")?;
    let n = ends.len() as f64;
    let (my, mx) = (ends.iter().map(|e| e.0).sum::<f64>() / n, ends.iter().map(|e| e.1).sum::<f64>() / n);
    let lean = ends.iter().map(|e| (e.0 - my) * (e.1 - mx)).sum::<f64>()
        / ends.iter().map(|e| (e.0 - my).powi(2)).sum::<f64>();
    let square = 1.0 / (1.0 + lean * lean).sqrt();
    let mut profile = vec![(0.0, 0u32); (2.0 * REACH / STEP) as usize];
    for &(y, _) in ends {
        let at = mx + (y - my) * lean;
        for x in (at - REACH - 1.0) as u32..(at + REACH + 2.0) as u32 {
            let far = (f64::from(x) + 0.5 - at) * square;
            if let Some((sum, n)) = profile.get_mut(((far + REACH) / STEP) as usize).filter(|_| far >= -REACH) {
                *sum += f64::from(page.get_pixel(x, y as u32).0[0]);
                *n += 1;
            }
        }
    }
    let profile: Vec<f64> = profile.iter().map(|&(sum, n)| sum / f64::from(n.max(1))).collect();
    // What it is far from the edge; a kernel that overshoots does so within the four pixels beside it.
    let flat = (REACH / 2.0 / STEP) as usize;
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (dark, bright) = (mean(&profile[..flat]), mean(&profile[profile.len() - flat..]));
    let crossing = |share: f64| {
        let level = dark + (bright - dark) * share;
        let at = profile.windows(2).position(|two| two[0] < level && two[1] >= level)?;
        Some((at as f64 + (level - profile[at]) / (profile[at + 1] - profile[at])) * STEP)
    };
    let (Some(ten), Some(ninety)) = (crossing(0.1), crossing(0.9)) else { anyhow::bail!("the target has no edge") };
    Ok(ninety - ten)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_has_the_spread_that_it_was_drawn_with() {
        for (degrees, blur) in [(0.0, 0.5), (-1.3, 0.5), (0.0, 0.8), (1.2, 1.3)] {
            let mut page = RgbImage::from_pixel(500, 600, image::Rgb([230; 3]));
            paint(&mut page, degrees, blur);
            let spread = spread_mm(&image::imageops::grayscale(&page)).unwrap() * MM;
            // The bins of the profile and its 256 levels widen the sharpest by less than a thirtieth.
            assert!((spread / (TEN_TO_NINETY * blur) - 1.0).abs() < 0.03, "{spread} pixels, drawn with {blur}");
        }
    }

    #[test]
    fn a_page_without_the_target_is_refused() {
        let page = GrayImage::from_pixel(500, 600, image::Luma([230]));
        assert!(format!("{:#}", spread_mm(&page).unwrap_err()).contains("not on the page"));
    }
}
