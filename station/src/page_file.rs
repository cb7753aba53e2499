//! `platen-station page`: the page pipeline on image files.

use crate::{
    pages::{self, Findings, Image, Lay, View, deliver, encode, glass::Glass, same::Signature},
    profile::Profile,
};
use anyhow::{Context, bail};
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageReader};
use platen_protocol::uplink::ColourMode;
use serde_json::json;
use std::{
    collections::HashSet,
    fs,
    io::Cursor,
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
    /// Profile by which pages are judged and written: a TOML file [default: the standard profile]
    #[arg(long, value_name = "TOML")]
    profile: Option<PathBuf>,
    /// JPEG quality of the written pages, 1 to 100 [default: the profile's]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: Option<u8>,
}

/// Goes on after a bad file, and fails at the end if there was one.
#[allow(clippy::print_stdout)] // its output is what the user asked for
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(out) = &args.out {
        fs::create_dir_all(out).with_context(|| format!("--out {}: cannot be made", out.display()))?;
    }
    let mut desk = Desk {
        args,
        profile: Profile::load(args.profile.as_deref(), args.quality)?,
        before: Vec::new(),
        written: HashSet::new(),
        glass: Glass::default(),
    };
    let mut bad = 0;
    for file in &args.files {
        match desk.one(file) {
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

/// What is known while files are taken one after the other.
struct Desk<'a> {
    args: &'a Args,
    profile: Profile,
    /// Names and signatures of the files so far.
    before: Vec<(String, Signature)>,
    /// What was written in this run.
    written: HashSet<PathBuf>,
    glass: Glass,
}

impl Desk<'_> {
    /// A page's line.
    fn one(&mut self, file: &Path) -> anyhow::Result<String> {
        let page = read(file, self.args.dpi)?;
        let view = page.view();
        let began = Instant::now();
        let fine = pages::reduced(&view);
        let mut findings = pages::examine(&view, &fine, &self.profile.pages, Lay::Glass);
        let ms = began.elapsed().as_secs_f64() * 1e3;
        if let Some(folder) = &self.args.out {
            self.write(&view, &mut findings, file, folder)?;
        }
        let ms_total = began.elapsed().as_secs_f64() * 1e3;
        let mut earlier = self.before.iter().filter(|(_, earlier)| findings.signature.is_same_sheet(earlier));
        let same = earlier.next().map(|(name, _)| name.clone());
        self.before.push((file.display().to_string(), findings.signature.clone()));
        let dirt = findings.specks.take().map_or(Vec::new(), |specks| self.glass.add(specks));
        if !dirt.is_empty() {
            findings.flags.push(pages::Flag::DirtyGlass);
        }
        let said = Said { file, findings: &findings, dirt, same, ms, ms_total };
        Ok(if self.args.json { said.json() } else { said.line() })
    }

    fn write(&mut self, view: &View<'_>, findings: &mut Findings, file: &Path, folder: &Path) -> anyhow::Result<()> {
        let profile = &self.profile;
        // The same file gives the same bytes: what is known of its time is when it was written.
        let written = fs::metadata(file)?.modified()?;
        let time = jiff::Timestamp::try_from(written).context("the file's time cannot be told")?.to_string();
        let metadata = |findings: &Findings| encode::Metadata {
            time: time.clone(),
            software: crate::SOFTWARE.into(),
            operator: String::new(),
            facts: vec![
                ("original", file.file_name().unwrap_or_default().to_string_lossy().into_owned()),
                ("profile", format!("{}, version {}", profile.pages.name, profile.pages.version)),
            ],
            steps: pages::steps(findings),
        };
        // Archival codes have dots in them: what stands behind the last one alone is replaced.
        let mut name = file.file_stem().unwrap_or_default().to_owned();
        name.push(".");
        name.push(encode::extension(view.mode, &profile.pages));
        let target = folder.join(name);
        if same_file(&target, file) {
            bail!("it would be overwritten by its own result; choose another --out");
        }
        if !self.written.insert(target.clone()) {
            bail!("{} was written for an earlier file of this run; rename one of them", target.display());
        }
        let delivered = deliver::deliver(view, findings, &profile.pages, false, metadata)?;
        fs::write(&target, delivered.file).with_context(|| format!("{} cannot be written", target.display()))?;
        Ok(())
    }
}

/// What is said of a page.
struct Said<'a> {
    file: &'a Path,
    findings: &'a Findings,
    dirt: Vec<(f64, f64)>,
    same: Option<String>,
    ms: f64,
    ms_total: f64,
}

impl Said<'_> {
    fn flags(&self) -> Vec<&'static str> {
        self.findings.flags.iter().map(|f| f.name()).collect()
    }

    fn json(&self) -> String {
        let findings = self.findings;
        let quality = &findings.quality;
        let pair = |(x, y): (f64, f64)| [round(x, 1), round(y, 1)];
        json!({
            "file": self.file.display().to_string(),
            "angle": round(findings.angle, 4),
            "applied": round(findings.applied, 4),
            "conf": round(findings.confidence, 3),
            "blank": findings.blank,
            "quad": corners(&findings.quad),
            "crop": corners(&findings.fit.kept),
            "corner_mm": findings.corner_mm.map(pair),
            "dup_of": self.same,
            "streaks_mm": findings.streaks.iter().map(|&mm| round(mm, 1)).collect::<Vec<_>>(),
            "dirt_mm": self.dirt.iter().map(|&place| pair(place)).collect::<Vec<_>>(),
            "holes": findings.holes.iter().map(|h| [round(h.x, 1), round(h.y, 1), round(h.radius, 1)]).collect::<Vec<_>>(),
            "red_header": findings.red_header,
            "seal_mm": findings.seal.map(|s| [round(s.x, 1), round(s.y, 1), round(s.diameter, 1)]),
            "edge_mm": quality.edge_mm.map(|mm| round(mm, 3)),
            "paper": findings.paper,
            "ink": quality.ink,
            "clipped": round(quality.clipped, 3),
            "crushed": round(quality.crushed, 3),
            "flags": self.flags(),
            "ms": round(self.ms, 2),
            "ms_total": round(self.ms_total, 2),
        })
        .to_string()
    }

    fn line(&self) -> String {
        let findings = self.findings;
        let flags = self.flags();
        format!(
            "{}: {:+.2}° (confidence {:.2}), {}, {}{} [{:.0} ms]",
            self.file.display(),
            findings.angle,
            findings.confidence,
            if findings.applied == 0.0 { "left as it is" } else { "straightened" },
            if flags.is_empty() { "no flags".into() } else { flags.join(", ") },
            self.same.as_ref().map_or(String::new(), |earlier| format!(", the same sheet as {earlier}")),
            self.ms,
        )
    }
}

fn corners(quad: &[(f64, f64); 4]) -> [[f64; 2]; 4] {
    quad.map(|(x, y)| [round(x, 1), round(y, 1)])
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

fn read(file: &Path, default_dpi: u32) -> anyhow::Result<Image> {
    let bytes = fs::read(file)?;
    let unreadable = "not a readable PNG, JPEG, TIFF or PNM image";
    let decoder = ImageReader::new(Cursor::new(&bytes)).with_guessed_format()?.into_decoder().context(unreadable)?;
    let is_lineart = decoder.original_color_type() == ExtendedColorType::L1 || is_lineart_png(&bytes);
    let decoded = DynamicImage::from_decoder(decoder).context(unreadable)?;
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    let (mode, data) = match decoded {
        DynamicImage::ImageLuma8(grey) if is_lineart => (ColourMode::Lineart, packed(&grey, width)),
        DynamicImage::ImageLuma8(grey) => (ColourMode::Grey, grey.into_raw()),
        DynamicImage::ImageRgb8(rgb) => (ColourMode::Colour, rgb.into_raw()),
        other if other.color().bytes_per_pixel() > other.color().channel_count() => {
            bail!("{:?}: 16 bits a sample are not supported; 1 and 8 are", other.color())
        }
        other => (ColourMode::Colour, other.into_rgb8().into_raw()),
    };
    let pages = pages_in(&bytes);
    if pages > 1 {
        bail!("it has {pages} pages; one page a file is supported, so split it first");
    }
    let dpi = own_dpi(&bytes)?.unwrap_or(default_dpi);
    let image = Image { mode, width, height, dpi, data };
    View::new(mode, (width, height), image.view().stride, dpi, &image.data)?;
    Ok(image)
}

/// A PNG whose header (bit depth, then colour type) says one bit of grey: its decoder does not tell.
fn is_lineart_png(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89PNG") && bytes.get(24..26) == Some(&[1, 0])
}

/// Black and white pixels, eight in a byte, 1 = black.
fn packed(grey: &[u8], width: usize) -> Vec<u8> {
    let byte = |eight: &[u8]| eight.iter().zip(0..8).fold(0, |byte, (&v, x)| byte | u8::from(v < 128) << (7 - x));
    grey.chunks_exact(width).flat_map(|row| row.chunks(8).map(byte)).collect()
}

/// Resolution as PNG (`pHYs`), JPEG (JFIF) or TIFF tell it, in dots per inch; an error if it is not the same across and down.
fn own_dpi(bytes: &[u8]) -> anyhow::Result<Option<u32>> {
    let told = if bytes.starts_with(b"\x89PNG") {
        png_dpi(bytes)
    } else if bytes.starts_with(b"\xff\xd8") {
        jfif_dpi(bytes)
    } else {
        tiff_dpi(bytes)
    };
    let Some((across, down)) = told.filter(|(across, down)| across.min(*down) > 1.0) else { return Ok(None) };
    if (across / down - 1.0).abs() > UNLIKE {
        bail!("{across:.0} dpi across and {down:.0} dpi down: pages with pixels that are not square are not supported");
    }
    Ok(Some(across.round() as u32))
}

/// Resolutions across and down that differ by more are no rounding.
const UNLIKE: f64 = 0.02;

fn png_dpi(bytes: &[u8]) -> Option<(f64, f64)> {
    // Behind the signature: chunks of length, name, data and checksum.
    let mut at = 8;
    loop {
        let length = u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?) as usize;
        let name = bytes.get(at + 4..at + 8)?;
        let data = bytes.get(at + 8..)?.get(..length)?;
        if name == b"pHYs" {
            let per_metre = |at: usize| Some(f64::from(u32::from_be_bytes(*data.get(at..)?.first_chunk()?)) * 0.0254);
            return (data.get(8) == Some(&1)).then_some((per_metre(0)?, per_metre(4)?));
        }
        at += 12 + length;
    }
}

fn jfif_dpi(bytes: &[u8]) -> Option<(f64, f64)> {
    let at = bytes[..bytes.len().min(4096)].windows(5).position(|w| w == b"JFIF\0")?;
    let unit = match bytes.get(at + 7)? {
        1 => 1.0,
        2 => 2.54,
        _ => return None,
    };
    let density = |at: usize| Some(f64::from(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?)) * unit);
    Some((density(at + 8)?, density(at + 10)?))
}

fn tiff_dpi(bytes: &[u8]) -> Option<(f64, f64)> {
    use tiff::{decoder::ifd::Value, tags::Tag};
    let mut decoder = tiff::decoder::Decoder::new(Cursor::new(bytes)).ok()?;
    // 1: no unit; 2, which also stands for a missing tag: inch; 3: centimetre.
    let unit = match decoder.get_tag_u32(Tag::ResolutionUnit).unwrap_or(2) {
        2 => 1.0,
        3 => 2.54,
        _ => return None,
    };
    let mut density = |tag| match decoder.get_tag(tag).ok()? {
        Value::Rational(n, d) if d > 0 => Some(f64::from(n) / f64::from(d) * unit),
        _ => None,
    };
    let across = density(Tag::XResolution)?;
    Some((across, density(Tag::YResolution).unwrap_or(across)))
}

/// How many pages a TIFF has.
fn pages_in(bytes: &[u8]) -> usize {
    let Ok(mut decoder) = tiff::decoder::Decoder::new(Cursor::new(bytes)) else { return 1 };
    let mut pages = 0;
    loop {
        // A reduced copy (bit 0) or a mask (bit 2) is no page.
        let kind = decoder.get_tag_u32(tiff::tags::Tag::NewSubfileType).unwrap_or(0);
        pages += usize::from(kind & 0b101 == 0);
        if !decoder.more_images() || decoder.next_image().is_err() {
            return pages;
        }
    }
}
