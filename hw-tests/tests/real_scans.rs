//! Pages of old books as somebody really scanned them. Their angles nobody has measured; but however a page is laid on the
//! glass, straightened it stands as it always does.

#![allow(clippy::unwrap_used)] // a story that cannot go on has failed

use hw_tests::{pages::samples, process::artifact, terminal::run};
use image::{Rgb, RgbImage};
use serde_json::Value;
use std::{path::Path, process::Command};

/// The page turned counter-clockwise by so many degrees, with more of the lid around it.
fn laid_askew(page: &RgbImage, degrees: f64, lid: Rgb<u8>) -> RgbImage {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (width, height) = (f64::from(page.width()), f64::from(page.height()));
    let around = |a: f64, b: f64| (a * cos.abs() + b * sin.abs()).ceil() as u32;
    let (wide, high) = (around(width, height), around(height, width));
    RgbImage::from_fn(wide, high, |x, y| {
        let (right, down) = (f64::from(x) + 0.5 - f64::from(wide) / 2.0, f64::from(y) + 0.5 - f64::from(high) / 2.0);
        let (x, y) = (right * cos - down * sin + width / 2.0 - 0.5, right * sin + down * cos + height / 2.0 - 0.5);
        let (left, top) = (x.floor(), y.floor());
        let at = |dx: f64, dy: f64| {
            let (x, y) = (left + dx, top + dy);
            let on_page = x >= 0.0 && y >= 0.0 && x < width && y < height;
            if on_page { page[(x as u32, y as u32)] } else { lid }
        };
        let (across, along) = (x - left, y - top);
        let four = [at(0.0, 0.0), at(1.0, 0.0), at(0.0, 1.0), at(1.0, 1.0)];
        let shares = [(1.0 - across) * (1.0 - along), across * (1.0 - along), (1.0 - across) * along, across * along];
        let mixed =
            |band: usize| four.iter().zip(shares).map(|(pixel, share)| f64::from(pixel[band]) * share).sum::<f64>();
        Rgb([0, 1, 2].map(|band| mixed(band).round() as u8))
    })
}

fn looked_at(file: &Path, out: &Path) -> Value {
    let mut command = Command::new(artifact("platen-station").unwrap());
    let said = run(command.args(["page", "--json", "--dpi", "150", "--out"]).args([out, file])).unwrap();
    assert_eq!(said.code, Some(0), "{}", said.err);
    serde_json::from_str(said.out.trim()).unwrap()
}

#[test]
fn however_a_page_of_an_old_book_is_laid_it_is_straightened_to_the_same() {
    let folder = tempfile::tempdir().unwrap();
    // So far apart the answers may lie, in degrees; when this was written they lay 0.004 and 0.058 apart.
    for (name, lid, apart) in [("lucasta", 255, 0.02), ("breviary", 20, 0.1)] {
        let page = image::open(samples().join(format!("real/{name}.jpg"))).unwrap().into_rgb8();
        let mut angles = Vec::new();
        for laid in [-4.0, -1.3, 0.7, 2.9] {
            let file = folder.path().join(format!("{name}-{laid}.png"));
            laid_askew(&page, laid, Rgb([lid; 3])).save(&file).unwrap();
            let found = looked_at(&file, &folder.path().join("out"));
            let is_flagged = |flag: &str| found["flags"].as_array().unwrap().iter().any(|f| f == flag);
            assert_eq!(
                (&found["blank"], &found["applied"]),
                (&false.into(), &found["angle"]),
                "{name} at {laid}: {found}"
            );
            assert!(!is_flagged("ink-at-risk"), "{name} at {laid}: {found}");
            angles.push(found["angle"].as_f64().unwrap() + laid);
        }
        angles.sort_by(f64::total_cmp);
        let spread = angles[angles.len() - 1] - angles[0];
        assert!(spread < apart, "{name}: {angles:?}");
    }
}
