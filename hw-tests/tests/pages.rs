//! The page pipeline on image files, as a person runs it in a terminal, against pages of which the truth is known.

#![allow(clippy::unwrap_used)] // a story that cannot go on has failed

use hw_tests::{
    pages::samples,
    process::artifact,
    terminal::{Said, run},
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn page(args: &[&str], files: &[PathBuf]) -> Said {
    run(Command::new(artifact("platen-station").unwrap()).arg("page").args(args).args(files)).unwrap()
}

fn lines(said: &Said) -> Vec<Value> {
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn name(line: &Value, key: &str) -> Option<String> {
    Some(Path::new(line[key].as_str()?).file_name()?.to_str()?.to_string())
}

/// Whether a place lies within four corners, two pixels of grace.
fn inside(corners: &Value, (x, y): (f64, f64)) -> bool {
    let corner = |i: usize| (corners[i][0].as_f64().unwrap(), corners[i][1].as_f64().unwrap());
    (0..4).all(|i| {
        let ((ax, ay), (bx, by)) = (corner(i), corner((i + 1) % 4));
        ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / (bx - ax).hypot(by - ay) > -2.0
    })
}

#[test]
fn the_sample_pages_are_seen_as_what_they_are_and_come_out_straight_and_whole() {
    let truth: Value = serde_json::from_str(&fs::read_to_string(samples().join("truth.json")).unwrap()).unwrap();
    let truth = truth["pages"].as_array().unwrap();
    let files: Vec<_> = truth.iter().map(|t| samples().join(t["name"].as_str().unwrap())).collect();
    let out = tempfile::tempdir().unwrap();
    let said = page(&["--json", "--out", out.path().to_str().unwrap()], &files);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let found = lines(&said);
    assert_eq!(found.len(), truth.len());
    for (page, truth) in found.iter().zip(truth) {
        let name = &truth["name"];
        assert_eq!(page["blank"], truth["blank"], "{name}");
        if truth["blank"] == false {
            let error = (page["angle"].as_f64().unwrap() - truth["angle"].as_f64().unwrap()).abs();
            assert!(error < 0.02, "{name}: the angle is wrong by {error}°");
            let ink: Vec<f64> = truth["content_box"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            for corner in [(ink[0], ink[1]), (ink[2], ink[1]), (ink[2], ink[3]), (ink[0], ink[3])] {
                assert!(inside(&page["crop"], corner), "{name}: {corner:?} is cut off by {}", page["crop"]);
            }
        }
    }
    // The same sheet scanned twice, and another of the same form.
    let same: Vec<_> = found.iter().filter_map(|page| Some((name(page, "file")?, name(page, "dup_of")?))).collect();
    assert_eq!(same, [("dup_0005.jpg".to_string(), "dup_0004.jpg".to_string())]);

    // What came out is straight, and no smaller than A4.
    let made: Vec<_> = fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(made.len(), files.len());
    for again in lines(&page(&["--json"], &made)) {
        if again["blank"] == false {
            assert!(again["angle"].as_f64().unwrap().abs() < 0.04, "{again}");
        }
    }
}

#[test]
fn files_that_are_no_pages_are_named_and_the_others_are_done() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    fs::write(&text, "not an image").unwrap();
    let cut = folder.path().join("cut.jpg");
    let whole = fs::read(samples().join("dup_0004.jpg")).unwrap();
    fs::write(&cut, &whole[..200]).unwrap();
    let said = page(&["--json"], &[text, cut, folder.path().join("missing.png"), samples().join("dup_0004.jpg")]);
    assert_eq!(said.code, Some(2));
    assert_eq!(lines(&said).len(), 1, "{}", said.out);
    for named in ["notes.txt: not a readable PNG, JPEG, TIFF or PNM image", "cut.jpg:", "missing.png:", "3 of 4 files"]
    {
        assert!(said.err.contains(named), "{named}: {}", said.err);
    }
}

/// A4 at 600 dpi in colour is 104 MB; a small computer must have room for it and for what is made of it.
#[test]
fn a_large_page_needs_little_more_memory_than_twice_its_own_size() {
    let folder = tempfile::tempdir().unwrap();
    let (width, height) = (4_960, 7_016);
    let sheet = image::open(samples().join("typical_0005.jpg")).unwrap().into_rgb8();
    let large = image::imageops::resize(&sheet, width, height, image::imageops::FilterType::Nearest);
    let file = folder.path().join("large.ppm");
    large.save(&file).unwrap();
    let mut child = Command::new(artifact("platen-station").unwrap())
        .args(["page", "--json", "--dpi", "600", "--out"])
        .args([folder.path(), &file])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The high-water mark only rises: what was read last before the end is the peak.
    let (status, mut peak) = (format!("/proc/{}/status", child.id()), 0);
    let ended = loop {
        let mark = fs::read_to_string(&status).unwrap_or_default();
        let kb =
            mark.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok());
        peak = kb.map_or(peak, |kb: u64| kb * 1024);
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
    };
    assert!(ended.success());
    let raw = u64::from(width) * u64::from(height) * 3;
    assert!(peak > raw, "{peak} bytes at the peak: the page itself has {raw}");
    assert!(peak * 10 <= raw * 22, "{peak} bytes at the peak for a page of {raw}");
    assert!(folder.path().join("large.jpg").is_file());
}
