//! Image files as they come from elsewhere: cut off, turned on their side, transparent, huge by their own word. Each is read as
//! what it is, or refused with the reason; no file that was given is ever written over.

#![allow(clippy::unwrap_used)] // a story that cannot go on has failed

use hw_tests::{
    pages::samples,
    process::{artifact, wait},
    terminal::{Said, run},
};
use image::{ImageBuffer, Rgba};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

fn page(args: &[&str], files: &[PathBuf]) -> Said {
    run(Command::new(artifact("platen-station").unwrap()).arg("page").args(args).args(files)).unwrap()
}

fn lines(said: &Said) -> Vec<Value> {
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A JPEG whose end is missing decodes to a page with a grey lower half in most programs.
#[test]
fn a_jpeg_that_was_cut_off_is_no_page() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(samples().join("dup_0004.jpg")).unwrap();
    let mut files = Vec::new();
    for percent in [30, 60, 99] {
        let file = folder.path().join(format!("{percent}.jpg"));
        fs::write(&file, &whole[..whole.len() * percent / 100]).unwrap();
        files.push(file);
    }
    files.push(samples().join("dup_0004.jpg"));
    let said = page(&["--json"], &files);
    assert_eq!((said.code, lines(&said).len()), (Some(2), 1), "{}", said.out);
    assert_eq!(said.err.matches("damaged or cut off").count(), 3, "{}", said.err);
}

#[test]
fn nothing_that_was_given_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let (png, jpg) = (folder.path().join("a.png"), folder.path().join("a.jpg"));
    image::open(samples().join("typical_0005.jpg")).unwrap().thumbnail(400, 600).save(&png).unwrap();
    fs::copy(samples().join("dup_0004.jpg"), &jpg).unwrap();
    let before = fs::read(&jpg).unwrap();
    // The first file's result would take the second one's place before that is read.
    let said = page(&["--out", folder.path().to_str().unwrap()], &[png, jpg.clone()]);
    assert_eq!(said.code, Some(2));
    assert_eq!(said.err.matches("would overwrite").count(), 2, "{}", said.err);
    assert_eq!(fs::read(&jpg).unwrap(), before);
}

/// Cameras and some scanners' programs write a page as it lay and say how to turn it.
#[test]
fn a_page_that_says_how_it_stands_is_turned_upright_and_its_exif_resolution_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let upright = image::open(samples().join("typical_0005.jpg")).unwrap();
    let lying = folder.path().join("lying.jpg");
    // Turned counter-clockwise; orientation 6 says: turn clockwise.
    upright.rotate270().save(&lying).unwrap();
    let tagged = run(Command::new("exiftool")
        .args(["-q", "-overwrite_original", "-n", "-JFIF:all=", "-Orientation=6"])
        .args(["-EXIF:XResolution=300", "-EXIF:YResolution=300", "-EXIF:ResolutionUnit=2"])
        .arg(&lying))
    .unwrap();
    assert_eq!(tagged.code, Some(0), "{}", tagged.err);
    let said = page(&["--json", "--dpi", "150"], std::slice::from_ref(&lying));
    assert!(said.out.contains("\"flags\"") && !said.out.contains("low-resolution"), "{} {}", said.out, said.err);
    let files = [lying, samples().join("typical_0005.jpg")];
    let out = folder.path().join("out");
    let said = page(&["--json", "--out", out.to_str().unwrap()], &files);
    let found = lines(&said);
    assert_eq!(found.len(), 2, "{}", said.err);
    let angle = |line: &Value| line["angle"].as_f64().unwrap();
    assert!((angle(&found[0]) - angle(&found[1])).abs() < 0.03, "{} {}", found[0], found[1]);
    assert_eq!(found[1]["dup_of"].as_str().map(|name| name.ends_with("lying.jpg")), Some(true), "{}", found[1]);
    let (width, height) = image::image_dimensions(out.join("lying.jpg")).unwrap();
    assert!(height > width, "{width} × {height}");
}

#[test]
fn what_is_transparent_is_paper_and_a_palette_of_black_and_white_is_lineart() {
    let folder = tempfile::tempdir().unwrap();
    let written = |x: u32, y: u32| {
        (300..1_300).contains(&x) && (300..2_000).contains(&y) && y % 40 < 14 && !(x / 9).is_multiple_of(3)
    };
    // Print on nothing: what is hidden below is black.
    let glass =
        ImageBuffer::from_fn(1_654, 2_339, |x, y| Rgba(if written(x, y) { [20u8, 20, 20, 255] } else { [0, 0, 0, 0] }));
    let transparent = folder.path().join("transparent.png");
    glass.save(&transparent).unwrap();
    let palette = folder.path().join("palette.png");
    let written = run(Command::new("/usr/bin/python3").arg("-c").arg(PALETTE).arg(&palette)).unwrap();
    assert_eq!(written.code, Some(0), "{}", written.err);
    let out = folder.path().join("out");
    let said = page(&["--json", "--dpi", "200", "--out", out.to_str().unwrap()], &[transparent, palette]);
    let found = lines(&said);
    assert_eq!(found.len(), 2, "{}", said.err);
    assert_eq!(found[0]["paper"], serde_json::json!([255, 255, 255]), "{}", found[0]);
    assert!(out.join("palette.tif").is_file(), "lineart stays lineart");
}

/// Writes a PNG of lines of print with one bit a pixel and a palette of white and black.
const PALETTE: &str = r#"
import struct, sys, zlib
width, height = 1654, 2339
line = (bytes(37) + b"\x1f\xc3\xf8" * 42).ljust((width + 7) // 8, b"\0")
rows = [b"\0" + (line if 300 <= y < 2000 and y % 40 < 14 else bytes(len(line))) for y in range(height)]
def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
head = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)
parts = chunk(b"IHDR", head) + chunk(b"PLTE", b"\xff\xff\xff\0\0\0") + chunk(b"IDAT", zlib.compress(b"".join(rows)))
open(sys.argv[1], "wb").write(b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IEND", b""))
"#;

/// A few bytes can claim a page of many gigabytes: nobody makes room for it.
#[test]
fn a_file_that_only_says_that_it_is_huge_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        file
    };
    let mut frame = b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xdc\xff\xdc\x03\x01\x22\x00\x02\x11\x00\x03\x11\x00".to_vec();
    frame.extend_from_slice(b"\xff\xda\x00\x0c\x03\x01\x00\x02\x00\x03\x00\x00\x3f\x00\xff\xd9");
    let files = [
        write("wide.ppm", b"P6 100000 100000 255\n"),
        write("large.ppm", b"P6 60000 60000 255\n"),
        write("large.jpg", &frame),
        samples().join("typical_0001.png"),
    ];
    let said = page(&["--json"], &files);
    assert_eq!((said.code, lines(&said).len()), (Some(2), 1), "{}", said.err);
    assert!(said.err.contains("wide.ppm: a page of 100000 × 100000 pixels: both must be 1 to 65,500"), "{}", said.err);
    assert!(said.err.contains("large.ppm: 60000 × 60000 pixels are 10800000000 bytes"), "{}", said.err);
    assert!(said.err.contains("large.jpg: 65500 × 65500 pixels are"), "{}", said.err);
}

#[test]
fn a_tiff_whose_bits_stand_the_other_way_round_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (pbm, tiff, turned) = ("a.pbm", "a.tif", "turned.tif");
    let path = |name: &str| folder.path().join(name);
    let bits: Vec<u8> = (0..200 * 1_000).map(|i| if i / 200 % 40 < 14 { 0x5b } else { 0 }).collect();
    fs::write(path(pbm), [b"P4\n1600 1000\n".to_vec(), bits].concat()).unwrap();
    let said = page(&["--out", folder.path().to_str().unwrap()], &[path(pbm)]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let copied =
        run(Command::new("tiffcp").args(["-f", "lsb2msb", "-c", "g4"]).args([path(tiff), path(turned)])).unwrap();
    assert_eq!(copied.code, Some(0), "{}", copied.err);
    let said = page(&["--json"], &[path(tiff), path(turned)]);
    assert_eq!(lines(&said).len(), 1, "{}", said.err);
    assert!(said.err.contains("FillOrder 2"), "{}", said.err);
}

/// The same pixels give the same bytes, whenever they are written.
#[test]
fn the_same_file_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let out = folder.path().join(name);
        let said = page(&["--out", out.to_str().unwrap()], &[samples().join("typical_0005.jpg")]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        fs::read(Path::new(&out).join("typical_0005.jpg")).unwrap()
    };
    let second = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (once, began) = (make("once"), second());
    wait("another second", || Ok((second() > began).then_some(()))).unwrap();
    assert!(once == make("again"), "two files of one page differ");
}

/// An ICC profile's head (ICC.1, 7.2) and so many bytes behind it.
fn profile(space: &[u8; 4], rest: usize) -> Vec<u8> {
    let mut icc = vec![0; 128 + rest];
    let size = icc.len() as u32;
    icc[..4].copy_from_slice(&size.to_be_bytes());
    icc[12..16].copy_from_slice(b"scnr");
    icc[16..20].copy_from_slice(space);
    icc[36..40].copy_from_slice(b"acsp");
    icc[128..].iter_mut().enumerate().for_each(|(i, v)| *v = i as u8);
    icc
}

/// Colours mean what the file says that they mean; sRGB stands for them only where it says nothing.
#[test]
fn a_page_keeps_the_colour_profile_that_it_brings() {
    let folder = tempfile::tempdir().unwrap();
    let small = image::open(samples().join("typical_0005.jpg")).unwrap().thumbnail(800, 1_200);
    // The first needs three of a JPEG's segments.
    let (large, foreign) = (profile(b"RGB ", 150_000), profile(b"CMYK", 400));
    let mut files = Vec::new();
    for (name, icc) in [("own.png", &large), ("own.jpg", &large), ("foreign.jpg", &foreign)] {
        let (file, profile) = (folder.path().join(name), folder.path().join("profile.icc"));
        small.save(&file).unwrap();
        fs::write(&profile, icc).unwrap();
        let source = format!("-ICC_Profile<={}", profile.display());
        let tagged = run(Command::new("exiftool").args(["-q", "-overwrite_original", &source]).arg(&file)).unwrap();
        assert_eq!(tagged.code, Some(0), "{}", tagged.err);
        files.push(file);
    }
    let of = |out: &str, file: &PathBuf| {
        let out = folder.path().join(out);
        let format = out.join("tiff.toml");
        fs::create_dir_all(&out).unwrap();
        fs::write(&format, "name = \"tiff\"\nversion = 1\nformat = \"tiff\"\n").unwrap();
        let mut args = vec!["--out", out.to_str().unwrap()];
        if out.ends_with("tiff") {
            args.extend(["--profile", format.to_str().unwrap()]);
        }
        let said = page(&args, std::slice::from_ref(file));
        assert_eq!(said.code, Some(0), "{}", said.err);
        let name = file.with_extension(if out.ends_with("tiff") { "tif" } else { "jpg" });
        let made = out.join(name.file_name().unwrap());
        let icc = Command::new("exiftool").args(["-b", "-ICC_Profile"]).arg(made).output().unwrap();
        icc.stdout
    };
    for file in &files[..2] {
        assert!(of("jpeg", file) == large, "{}", file.display());
        assert!(of("tiff", file) == large, "{}", file.display());
    }
    assert_eq!(of("jpeg", &files[2]).get(16..20), Some(b"RGB ".as_slice()), "a profile for other colours says nothing");
}

#[test]
fn a_thumbnail_is_neither_the_page_nor_its_resolution() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let whole = image::open(samples().join("typical_0005.jpg")).unwrap();
    whole.thumbnail(160, 200).save(path("thumb.tif")).unwrap();
    whole.thumbnail(800, 1_200).save(path("page.tif")).unwrap();
    let tool = |name: &str, args: &[&str], files: &[&str]| {
        let said = run(Command::new(name).args(args).args(files.iter().map(|file| path(file)))).unwrap();
        assert_eq!(said.code, Some(0), "{name}: {}", said.err);
    };
    tool("tiffcp", &[], &["thumb.tif", "page.tif", "first.tif"]);
    // NewSubfileType 1: a reduced copy.
    let marked = run(Command::new("tiffset").arg("-s").args(["254", "1"]).arg(path("first.tif"))).unwrap();
    assert_eq!(marked.code, Some(0), "{}", marked.err);
    let said = page(&["--json"], &[path("first.tif")]);
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
    assert!(said.err.contains("its first image is a thumbnail"), "{}", said.err);

    // A camera's file: the page's EXIF says 300 dpi, and its thumbnail has a header that says 72.
    whole.thumbnail(800, 1_200).save(path("camera.jpg")).unwrap();
    whole.thumbnail(80, 100).save(path("small.jpg")).unwrap();
    let thumbnail = format!("-ThumbnailImage<={}", path("small.jpg").display());
    let args = ["-q", "-overwrite_original", "-n", "-JFIF:all=", &thumbnail];
    let resolution = ["-EXIF:XResolution=300", "-EXIF:YResolution=300", "-EXIF:ResolutionUnit=2"];
    tool("exiftool", &[args.as_slice(), &resolution].concat(), &["camera.jpg"]);
    let bytes = fs::read(path("camera.jpg")).unwrap();
    assert!(bytes[..4_096].windows(5).any(|five| five == b"JFIF\0"), "the thumbnail has no header");
    let said = page(&["--json", "--dpi", "100"], &[path("camera.jpg")]);
    assert!(said.out.contains("\"flags\"") && !said.out.contains("low-resolution"), "{} {}", said.out, said.err);
}

/// `page --out DIR … | head -1`: who reads has seen enough, but the pages are wanted.
#[test]
fn whoever_reads_no_further_stops_no_page_from_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["dup_0004.jpg", "typical_0005.jpg"];
    let mut command = Command::new(artifact("platen-station").unwrap());
    let command = command.args(["page", "--json", "--out"]).arg(folder.path()).args(names.map(|n| samples().join(n)));
    let mut running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(running.stdout.take());
    let ended = running.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
    assert!(names.iter().all(|name| folder.path().join(name).is_file()));
}
