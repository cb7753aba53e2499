//! `platen-station page`: the page pipeline on image files.

use crate::pages::{self, Image, View, deliver, encode, same::Signature};
use anyhow::{Context, bail};
use image::DynamicImage;
use platen_protocol::uplink::ColourMode;
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

/// What the command line asks for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Page images: PNG, JPEG, TIFF or PNM
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// Write the straightened pages into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Resolution of files that do not say their own
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(50..=2400))]
    dpi: u32,
    /// JPEG quality of the written pages
    #[arg(long, default_value_t = 85, value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: u8,
}

/// Goes on after a bad file, and fails at the end if there was one.
#[allow(clippy::print_stdout)] // its output is what the user asked for
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(out) = &args.out {
        fs::create_dir_all(out).with_context(|| format!("--out {}: cannot be made", out.display()))?;
    }
    let (mut bad, mut before) = (0, Vec::new());
    for file in &args.files {
        match one(file, args, &mut before) {
            Ok(line) => println!("{line}"),
            Err(e) => {
                bad += 1;
                eprintln!("{}: {e:#}", file.display());
            }
        }
    }
    if bad > 0 {
        bail!("{bad} of {} files could not be processed", args.files.len());
    }
    Ok(())
}

/// `before` are the signatures of the files so far.
fn one(file: &Path, args: &Args, before: &mut Vec<(String, Signature)>) -> anyhow::Result<String> {
    let page = read(file, args.dpi)?;
    let view = page.view();
    let began = Instant::now();
    let fine = pages::reduced(&view);
    let findings = pages::examine(&view, &fine);
    let ms = began.elapsed().as_secs_f64() * 1e3;
    if let Some(folder) = &args.out {
        write(&view, &findings, file, folder, args.quality)?;
    }
    let ms_total = began.elapsed().as_secs_f64() * 1e3;
    let same =
        before.iter().find(|(_, earlier)| findings.signature.is_same_sheet(earlier)).map(|(name, _)| name.clone());
    before.push((file.display().to_string(), findings.signature.clone()));
    let flags: Vec<_> = findings.flags.iter().map(|f| f.name()).collect();
    if args.json {
        return Ok(json!({
            "file": file.display().to_string(),
            "angle": round(findings.angle, 4),
            "applied": round(findings.applied, 4),
            "conf": round(findings.confidence, 3),
            "blank": findings.blank,
            "quad": corners(&findings.quad),
            "crop": corners(&findings.fit.kept),
            "corner_mm": findings.corner_mm.map(|(x, y)| [round(x, 1), round(y, 1)]),
            "dup_of": same,
            "streaks_mm": findings.streaks.iter().map(|&mm| round(mm, 1)).collect::<Vec<_>>(),
            "flags": flags,
            "ms": round(ms, 2),
            "ms_total": round(ms_total, 2),
        })
        .to_string());
    }
    let done = if findings.applied == 0.0 { "left as it is" } else { "straightened" };
    let name = file.display();
    Ok(format!(
        "{name}: {:+.2}° (confidence {:.2}), {done}, {}{} [{ms:.0} ms]",
        findings.angle,
        findings.confidence,
        if flags.is_empty() { "no flags".into() } else { flags.join(", ") },
        same.map_or(String::new(), |earlier| format!(", the same sheet as {earlier}")),
    ))
}

fn corners(quad: &[(f64, f64); 4]) -> [[f64; 2]; 4] {
    quad.map(|(x, y)| [round(x, 1), round(y, 1)])
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

fn write(view: &View<'_>, findings: &pages::Findings, file: &Path, folder: &Path, quality: u8) -> anyhow::Result<()> {
    let metadata = encode::Metadata {
        time: jiff::Timestamp::now().to_string(),
        software: crate::SOFTWARE.into(),
        operator: String::new(),
        facts: vec![("original", file.file_name().unwrap_or_default().to_string_lossy().into_owned())],
        steps: crate::keep::steps(findings),
    };
    let lineart = view.mode == ColourMode::Lineart;
    let target = folder.join(file.file_stem().unwrap_or_default()).with_extension(if lineart { "tif" } else { "jpg" });
    if same_file(&target, file) {
        bail!("it would be overwritten by its own result; choose another --out");
    }
    let delivered = deliver::deliver(view, findings, quality, false, &metadata)?;
    fs::write(&target, delivered.file).with_context(|| format!("{} cannot be written", target.display()))?;
    Ok(())
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

fn read(file: &Path, default_dpi: u32) -> anyhow::Result<Image> {
    let bytes = fs::read(file)?;
    let decoded = image::load_from_memory(&bytes).context("not a readable PNG, JPEG, TIFF or PNM image")?;
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    let (mode, data) = match decoded {
        DynamicImage::ImageLuma8(grey) => (ColourMode::Grey, grey.into_raw()),
        DynamicImage::ImageRgb8(rgb) => (ColourMode::Colour, rgb.into_raw()),
        other if other.color().bytes_per_pixel() > other.color().channel_count() => {
            bail!("{:?}: 16 bits a sample are not supported; 1 and 8 are", other.color())
        }
        other => (ColourMode::Colour, other.into_rgb8().into_raw()),
    };
    let dpi = own_dpi(&bytes).unwrap_or(default_dpi);
    let image = Image { mode, width, height, dpi, data };
    View::new(mode, (width, height), image.view().stride, dpi, &image.data)?;
    Ok(image)
}

/// Resolution as PNG (`pHYs`), JPEG (JFIF) or TIFF tell it, in dots per inch.
fn own_dpi(bytes: &[u8]) -> Option<u32> {
    let head = &bytes[..bytes.len().min(4096)];
    let find = |mark: &[u8]| head.windows(mark.len()).position(|w| w == mark);
    if let Some(at) = find(b"pHYs") {
        let per_metre = u32::from_be_bytes(*head.get(at + 4..)?.first_chunk()?);
        return (head.get(at + 12) == Some(&1))
            .then(|| (f64::from(per_metre) * 0.0254).round() as u32)
            .filter(|&d| d > 0);
    }
    if let Some(at) = find(b"JFIF\0") {
        let density = u32::from(u16::from_be_bytes(*head.get(at + 8..)?.first_chunk()?));
        return match head.get(at + 7)? {
            1 => Some(density),
            2 => Some((f64::from(density) * 2.54).round() as u32),
            _ => None,
        }
        .filter(|&d| d > 1);
    }
    let mut decoder = tiff::decoder::Decoder::new(std::io::Cursor::new(bytes)).ok()?;
    match decoder.get_tag(tiff::tags::Tag::XResolution).ok()? {
        tiff::decoder::ifd::Value::Rational(n, d) if d > 0 => Some((f64::from(n) / f64::from(d)).round() as u32),
        _ => None,
    }
    .filter(|&d| d > 1)
}
