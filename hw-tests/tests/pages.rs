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
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
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
    let profile = folder.path().join("tiff.toml");
    fs::write(&profile, "format = \"tiff\"\ncompression = \"none\"\n").unwrap();
    let raw = u64::from(width) * u64::from(height) * 3;
    let tiff = folder.path().join("tiff");
    for (file, out, profile) in [
        (&file, folder.path(), None),
        (&file, tiff.as_path(), Some(&profile)),
        // As a TIFF it is read again.
        (&tiff.join("large.tif"), &folder.path().join("again"), None),
    ] {
        let mut command = Command::new(artifact("platen-station").unwrap());
        command.args(["page", "--json", "--dpi", "600", "--out"]).args([out, file.as_path()]);
        command.args(profile.iter().flat_map(|profile| ["--profile".as_ref(), profile.as_os_str()]));
        let peak = peak(command);
        assert!(peak > raw, "{peak} bytes at the peak: the page itself has {raw}");
        assert!(peak * 10 <= raw * 22, "{peak} bytes at the peak for {} of {raw}", file.display());
    }
    assert!(folder.path().join("large.jpg").is_file());
}

/// Bytes of memory that a program holds at its peak.
fn peak(mut command: Command) -> u64 {
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
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
    peak
}

/// Any damage to a file is either seen through or named; the program never falls over, and the next file is done.
#[test]
fn damaged_files_are_named_and_nothing_falls_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let small = image::open(samples().join("typical_0005.jpg")).unwrap().thumbnail(200, 280);
    let mut files = Vec::new();
    for extension in ["png", "jpg", "tif", "ppm"] {
        let whole = folder.path().join("whole").with_extension(extension);
        small.to_rgb8().save(&whole).unwrap();
        let whole = fs::read(&whole).unwrap();
        for n in 0..40 {
            let mut bytes = whole.clone();
            for _ in 0..=random(6) {
                // Most of a file's sense stands in its head.
                let at = if random(2) == 0 { random(bytes.len().min(300)) } else { random(bytes.len()) };
                bytes[at] = random(256) as u8;
            }
            if random(4) == 0 {
                bytes.truncate(random(whole.len()));
            }
            let file = folder.path().join(format!("{n}-{extension}")).with_extension(extension);
            fs::write(&file, bytes).unwrap();
            files.push(file);
        }
    }
    files.push(samples().join("typical_0001.png"));
    let said = page(&["--json", "--out", folder.path().join("out").to_str().unwrap()], &files);
    assert!(!said.err.contains("panicked"), "{}", said.err);
    assert_eq!(said.code, Some(2), "{}", said.err);
    let good = lines(&said);
    assert_eq!(good.last().and_then(|line| name(line, "file")).as_deref(), Some("typical_0001.png"));
    let named = said.err.lines().filter(|line| line.starts_with(folder.path().to_str().unwrap())).count();
    assert_eq!(good.len() + named, files.len(), "{}", said.err);
}

/// A written sheet of A4 with two punch holes at its left edge, on a black lid, at 300 dpi.
fn punched(file: &Path) {
    let holes = [(80 + 142, 1_300), (80 + 142, 2_245)];
    let scan = image::GrayImage::from_fn(2_640, 3_668, |x, y| {
        let on_sheet = (80..2_560).contains(&x) && (80..3_588).contains(&y);
        let in_hole = |&(hx, hy): &(u32, u32)| hx.abs_diff(x).pow(2) + hy.abs_diff(y).pow(2) < 33 * 33;
        let written = (400..2_300).contains(&x)
            && (400..3_300).contains(&y)
            && y % 70 < 30
            && (x * 7 / 10 + y / 70 * 11) % 31 < 17;
        image::Luma([match (on_sheet, written) {
            (false, _) => 12,
            (true, _) if holes.iter().any(in_hole) => 12,
            (true, true) => 45,
            (true, false) => 228,
        }])
    });
    scan.save(file).unwrap();
}

#[test]
fn a_profile_decides_about_holes_and_files_and_a_wrong_one_is_refused_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let scan = folder.path().join("punched.png");
    punched(&scan);
    let profile = |name: &str, text: &str| {
        let file = folder.path().join(name).with_extension("toml");
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_string()
    };
    let dark_at_the_edge = |file: &Path| {
        let page = image::open(file).unwrap().into_luma8();
        let band = page.enumerate_pixels().filter(|(x, y, _)| (60..260).contains(x) && (900..2_600).contains(y));
        band.filter(|(_, _, pixel)| pixel.0[0] < 40).count()
    };
    let out = |name: &str| folder.path().join(name);
    let run = |name: &str, text: &str| {
        let (profile, out) = (profile(name, text), out(name));
        let said =
            page(&["--json", "--profile", &profile, "--out", out.to_str().unwrap()], std::slice::from_ref(&scan));
        assert_eq!(said.code, Some(0), "{}", said.err);
        lines(&said).remove(0)
    };
    let kept = run("keep", "name = \"keep\"\nholes = \"keep\"\n");
    assert_eq!(kept["holes"].as_array().map(Vec::len), Some(2), "{kept}");
    assert!(dark_at_the_edge(&out("keep").join("punched.jpg")) > 4_000);
    let flagged = run("flag", "name = \"flag\"\nholes = \"flag\"\nformat = \"tiff\"\n");
    assert!(flagged["flags"].as_array().unwrap().contains(&"holes".into()), "{flagged}");
    let filled = run("fill", "name = \"fill\"\nholes = \"fill\"\nformat = \"tiff\"\ncompression = \"deflate\"\n");
    assert!(!filled["flags"].as_array().unwrap().contains(&"ink-at-risk".into()), "{filled}");
    assert!(dark_at_the_edge(&out("fill").join("punched.tif")) < 100);

    // Without loss means: both compressions hold the same pixels, but for the holes.
    let pixels = |name: &str| image::open(out(name).join("punched.tif")).unwrap().into_rgb8();
    let (lzw, deflate) = (pixels("flag"), pixels("fill"));
    assert_eq!(lzw.dimensions(), deflate.dimensions());
    let differ = lzw.pixels().zip(deflate.pixels()).filter(|(a, b)| a != b).count();
    assert!((4_000..12_000).contains(&differ), "{differ} pixels differ; two holes have about 7,000");

    for (text, says) in [
        ("holes = \"burn\"", "unknown variant `burn`"),
        ("quality = 0", "quality = 0: 1 to 100 are allowed"),
        ("[limits]\nsharp = 1", "unknown field `sharp`"),
    ] {
        let said = page(&["--profile", &profile("wrong", text)], std::slice::from_ref(&scan));
        assert_eq!(said.code, Some(2));
        assert!(said.err.contains("wrong.toml") && said.err.contains(says), "{text}: {}", said.err);
    }
}

/// What other programs see in the files: colour profile, times, resolution, compression.
#[test]
fn files_tell_what_they_are_to_other_programs_and_lineart_stays_lineart() {
    let folder = tempfile::tempdir().unwrap();
    let lineart = folder.path().join("lineart.pbm");
    let (width, height) = (1_654, 2_339);
    // Lines of writing, askew by a degree.
    let is_written = move |x: u32, y: u32| {
        let y = f64::from(y) - f64::from(x) * 0.017_45;
        let word = (x * 7 / 10 + (y / 40.0) as u32 * 13) % 19 < 11;
        (150.0..2_200.0).contains(&y) && y.rem_euclid(40.0) < 14.0 && x > 150 && x < width - 150 && word
    };
    let row = |y: u32| {
        let pixel = move |x: u32| u8::from(is_written(x, y));
        (0..width.div_ceil(8)).map(move |byte| (0..8).fold(0, |bits, i| bits << 1 | pixel(byte * 8 + i)))
    };
    let bits: Vec<u8> = (0..height).flat_map(row).collect();
    fs::write(&lineart, [format!("P4\n{width} {height}\n").into_bytes(), bits].concat()).unwrap();
    let out = folder.path().join("out");
    let files = [samples().join("typical_0005.jpg"), lineart];
    let said = page(&["--json", "--dpi", "200", "--out", out.to_str().unwrap()], &files);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let angle = lines(&said)[1]["angle"].as_f64().unwrap();
    assert!((angle - 1.0).abs() < 0.03, "{angle}");

    let exif = |file: &Path| {
        let said = run(Command::new("exiftool").args(["-json", "-G1"]).arg(file)).unwrap();
        serde_json::from_str::<Value>(&said.out).unwrap()[0].clone()
    };
    let jpeg = exif(&out.join("typical_0005.jpg"));
    assert_eq!(jpeg["ICC_Profile:ProfileDescription"], "sRGB IEC61966-2.1", "{jpeg}");
    assert_eq!((&jpeg["IFD0:XResolution"], &jpeg["JFIF:XResolution"]), (&200.into(), &200.into()));
    assert!(jpeg["ExifIFD:DateTimeOriginal"].as_str().unwrap().starts_with("20"), "{jpeg}");
    assert!(jpeg["XMP-platen:Steps"].to_string().contains("inked places found again"), "{jpeg}");
    let tiff = exif(&out.join("lineart.tif"));
    assert_eq!(tiff["IFD0:Compression"], "T6/Group 4 Fax", "{tiff}");
    assert_eq!((&tiff["IFD0:BitsPerSample"], &tiff["IFD0:XResolution"]), (&1.into(), &200.into()));
    let info = run(Command::new("tiffinfo").arg(out.join("lineart.tif"))).unwrap();
    assert_eq!(info.code, Some(0), "{}", info.err);
}

#[test]
fn whoever_reads_no_further_ends_the_command_quietly() {
    let pages = vec![samples().join("typical_0005.jpg"); 3];
    let mut command = Command::new(artifact("platen-station").unwrap());
    let command = command.args(["page", "--json"]).args(&pages);
    let mut running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(running.stdout.take());
    let ended = running.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert_eq!(ended.status.signal(), Some(13), "{}", ended.status);
}
