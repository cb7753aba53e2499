//! The resolution that a file says of itself.

use anyhow::bail;
use std::io::{Read, Seek};

/// Resolution as PNG (`pHYs`), JPEG (JFIF, or else EXIF) or TIFF tell it, in dots per inch; an error if it is not the same across
/// and down.
pub(super) fn own_dpi(bytes: &[u8]) -> anyhow::Result<Option<u32>> {
    let told = if bytes.starts_with(b"\x89PNG") {
        png_dpi(bytes)
    } else if bytes.starts_with(b"\xff\xd8") {
        jfif_dpi(bytes).or_else(|| exif_dpi(bytes))
    } else {
        None
    };
    square(told)
}

/// Pixels that are not square are no page's.
fn square(told: Option<(f64, f64)>) -> anyhow::Result<Option<u32>> {
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

/// The first segment of a JPEG with such a marker and name, behind that: a thumbnail inside of another one is not asked.
fn segment<'a>(bytes: &'a [u8], marker: u8, name: &[u8]) -> Option<&'a [u8]> {
    let mut at = 2;
    loop {
        let (kind, high, low) = match *bytes.get(at..)?.first_chunk::<4>()? {
            // Before a marker there may be any number of these.
            [0xff, 0xff, ..] => {
                at += 1;
                continue;
            }
            // From the start of the scan on there are no more.
            [0xff, 0xda, ..] => return None,
            [0xff, kind, high, low] => (kind, high, low),
            _ => return None,
        };
        let payload = bytes.get(at + 4..at + 2 + usize::from(u16::from_be_bytes([high, low])))?;
        if kind == marker && payload.starts_with(name) {
            return Some(&payload[name.len()..]);
        }
        at += 4 + payload.len();
    }
}

fn jfif_dpi(bytes: &[u8]) -> Option<(f64, f64)> {
    // Behind the version.
    let head = segment(bytes, 0xe0, b"JFIF\0")?.get(2..)?;
    let unit = match head.first()? {
        1 => 1.0,
        2 => 2.54,
        _ => return None,
    };
    let density = |at: usize| Some(f64::from(u16::from_be_bytes(*head.get(at..)?.first_chunk()?)) * unit);
    Some((density(1)?, density(3)?))
}

/// Of a TIFF.
pub(super) fn of_tiff<R: Read + Seek>(source: R) -> anyhow::Result<Option<u32>> {
    square(tiff_dpi(source))
}

fn tiff_dpi<R: Read + Seek>(source: R) -> Option<(f64, f64)> {
    use tiff::{decoder::ifd::Value, tags::Tag};
    let mut decoder = tiff::decoder::Decoder::new(source).ok()?;
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

/// Of a JPEG that has no JFIF header, as cameras write them: the first directory of its EXIF block.
fn exif_dpi(bytes: &[u8]) -> Option<(f64, f64)> {
    let exif = segment(bytes, 0xe1, b"Exif\0\0")?;
    let little = exif.starts_with(b"II");
    let short = |at: usize| {
        let two = *exif.get(at..)?.first_chunk()?;
        Some(if little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    };
    let long = |at: usize| {
        let four = *exif.get(at..)?.first_chunk()?;
        Some(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) } as usize)
    };
    let directory = long(4)?;
    let entry = |tag: u16| {
        let entries = (0..usize::from(short(directory)?)).map(|i| directory + 2 + 12 * i);
        entries.into_iter().find(|&at| short(at) == Some(tag))
    };
    // A rational lies elsewhere; what the entry holds says where.
    let rational = |tag: u16| {
        let at = long(entry(tag)? + 8)?;
        let (n, d) = (long(at)?, long(at + 4)?);
        (d > 0).then(|| n as f64 / d as f64)
    };
    let unit = match entry(0x0128).and_then(|at| short(at + 8)).unwrap_or(2) {
        2 => 1.0,
        3 => 2.54,
        _ => return None,
    };
    Some((rational(0x011a)? * unit, rational(0x011b)? * unit))
}
