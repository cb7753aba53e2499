//! Page images, decoded once into `cache/` and then read like memory.

use crate::desk::Desk;
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const HEADER: usize = 64;

/// A decoded page: 8-bit RGB rows behind a text header.
pub(crate) struct Page {
    file: File,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) dpi: u32,
}

/// Decodes every image of a desk, so that the first scan is as fast as the second.
///
/// # Errors
/// Names the image that cannot be read.
pub fn prepare(desk: &Desk) -> io::Result<usize> {
    let images = images(desk)?;
    for n in 0..images.len() {
        Page::open(desk, u32::try_from(n).unwrap_or(0))?;
    }
    Ok(images.len())
}

fn images(desk: &Desk) -> io::Result<Vec<PathBuf>> {
    let folder = &desk.settings.pages;
    let is_image = |p: &Path| {
        let ext = p.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        ["png", "jpg", "jpeg", "tif", "tiff", "ppm", "pgm", "pbm", "pnm"].contains(&ext.as_str())
    };
    let named = |e: io::Error| io::Error::other(format!("{}: {e}", folder.display()));
    let mut images: Vec<_> =
        fs::read_dir(folder).map_err(named)?.filter_map(|e| Some(e.ok()?.path())).filter(|p| is_image(p)).collect();
    images.sort();
    if images.is_empty() {
        return Err(io::Error::other(format!("{}: no PNG, JPEG, TIFF or PNM image in it", folder.display())));
    }
    Ok(images)
}

impl Page {
    /// Image `n` (from 0) of the desk; after the last comes the first again.
    pub(crate) fn open(desk: &Desk, n: u32) -> io::Result<Self> {
        let images = images(desk)?;
        let image = &images[n as usize % images.len()];
        let name = image.file_name().unwrap_or_default().to_string_lossy();
        let cached = desk.folder.join("cache").join(format!("{name}.rgb"));
        if !cached.exists() {
            decode(image, desk.settings.dpi, &cached)?;
        }
        let file = File::open(&cached)?;
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0)?;
        let text = String::from_utf8_lossy(&header);
        let mut numbers = text.split_whitespace().filter_map(|w| w.parse().ok());
        let mut next = || numbers.next().ok_or_else(|| io::Error::other("cache file without a header"));
        Ok(Self { width: next()?, height: next()?, dpi: next()?, file })
    }

    /// Bytes `from..` of the pixels; behind the end comes white.
    pub(crate) fn pixels(&self, from: usize, out: &mut [u8]) -> io::Result<()> {
        let total = self.width as usize * self.height as usize * 3;
        let n = total.saturating_sub(from).min(out.len());
        self.file.read_exact_at(&mut out[..n], (HEADER + from) as u64)?;
        out[n..].fill(255);
        Ok(())
    }
}

fn decode(image: &Path, default_dpi: u32, to: &Path) -> io::Result<()> {
    let named = |e: &dyn std::fmt::Display| io::Error::other(format!("{}: {e}", image.display()));
    let bytes = fs::read(image).map_err(|e| named(&e))?;
    let dpi = own_dpi(&bytes).unwrap_or(default_dpi);
    let rgb = image::load_from_memory(&bytes).map_err(|e| named(&e))?.into_rgb8();
    let part = to.with_extension(format!("part{}", std::process::id()));
    let mut file = File::create(&part)?;
    let mut header = format!("{} {} {dpi} ", rgb.width(), rgb.height()).into_bytes();
    header.resize(HEADER, b'\n');
    file.write_all(&header)?;
    file.write_all(rgb.as_raw())?;
    fs::rename(part, to)
}

/// Resolution as PNG (`pHYs`) or JPEG (JFIF) tell it.
fn own_dpi(bytes: &[u8]) -> Option<u32> {
    let head = &bytes[..bytes.len().min(4096)];
    if let Some(at) = head.windows(4).position(|w| w == b"pHYs") {
        let per_metre = u32::from_be_bytes(head.get(at + 4..at + 8)?.try_into().ok()?);
        return Some((f64::from(per_metre) * 0.0254).round() as u32).filter(|&d| d > 1);
    }
    let at = head.windows(5).position(|w| w == b"JFIF\0")?;
    let density = u32::from(u16::from_be_bytes(head.get(at + 8..at + 10)?.try_into().ok()?));
    (head.get(at + 7) == Some(&1) && density > 1).then_some(density)
}
