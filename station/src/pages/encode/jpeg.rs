//! JPEG, baseline, made strip by strip: each strip is a restart interval (ITU-T T.81, B.2.4.4), so that a page is encoded
//! while its strips are still in the processor's cache, and damage to a file stays within a strip.

use super::{EncodeError, Metadata, exif, icc};
use crate::pages::{
    geometry::View,
    turn::{self, Planes, STRIP},
};
use platen_protocol::uplink::ColourMode;
use turbojpeg::{Compressor, OutputBuf, PixelFormat, Subsamp};

/// So much of a colour profile goes into a segment: less its length, name and number.
const PROFILE_PART: usize = 65_535 - 2 - 14;

/// A JPEG being made.
pub(crate) struct Jpeg {
    compressor: Compressor,
    buffer: OutputBuf<'static>,
    width: usize,
    height: usize,
    dpi: u32,
    in_colour: bool,
    strips: usize,
    /// Tables and frame of the first strip, up to its scan.
    head: Vec<u8>,
    /// The scans of all strips so far, with their restart markers.
    scan: Vec<u8>,
}

// The compressor is a handle of the C library.
impl std::fmt::Debug for Jpeg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Jpeg({} × {}, {} strips)", self.width, self.height, self.strips)
    }
}

impl Jpeg {
    /// A page of this size; its strips follow from the top, [`STRIP`] rows each but for the last.
    pub(crate) fn new((width, height): (usize, usize), dpi: u32, quality: u8) -> Result<Self, EncodeError> {
        let mut compressor = Compressor::new()?;
        compressor.set_quality(i32::from(quality))?;
        let buffer = OutputBuf::new_owned();
        let (head, scan) = (Vec::new(), Vec::new());
        Ok(Self { compressor, buffer, width, height, dpi, in_colour: false, strips: 0, head, scan })
    }

    /// The next strip. Lineart has no place in a JPEG; see [`super::tiff`].
    pub(crate) fn strip(&mut self, strip: &View<'_>) -> Result<(), EncodeError> {
        let (format, sampling) = match strip.mode {
            ColourMode::Colour => (PixelFormat::RGB, Subsamp::Sub2x2),
            ColourMode::Grey | ColourMode::Lineart => (PixelFormat::GRAY, Subsamp::Gray),
        };
        self.in_colour = strip.mode == ColourMode::Colour;
        self.compressor.set_subsamp(sampling)?;
        let pixels = strip.bytes();
        let image = turbojpeg::Image { pixels, width: strip.width, pitch: strip.stride, height: strip.height, format };
        self.compressor.compress(image, &mut self.buffer)?;
        self.take()
    }

    /// The next strip of a colour page, in planes.
    pub(crate) fn planes(&mut self, strip: &Planes<'_>) -> Result<(), EncodeError> {
        self.in_colour = true;
        let Planes { luma, chroma: [cb, cr] } = strip;
        let image = turbojpeg::YuvPlanesImage {
            y_plane: luma.bytes(),
            u_plane: cb.bytes(),
            v_plane: cr.bytes(),
            width: luma.width,
            height: luma.height,
            y_stride: luma.stride,
            u_stride: cb.stride,
            v_stride: cr.stride,
            subsamp: Subsamp::Sub2x2,
        };
        self.compressor.compress_yuv_planes(&image, &mut self.buffer)?;
        self.take()
    }

    /// Takes the scan of the strip that was compressed.
    fn take(&mut self) -> Result<(), EncodeError> {
        let (head, scan) = split(&self.buffer)?;
        if self.strips == 0 {
            self.head = head.to_vec();
        } else {
            // RST0 to RST7 in turn.
            self.scan.extend_from_slice(&[0xff, 0xd0 + ((self.strips - 1) % 8) as u8]);
        }
        self.scan.extend_from_slice(scan);
        self.strips += 1;
        Ok(())
    }

    /// The file, with JFIF density, EXIF, XMP and colour profile.
    pub(crate) fn finish(mut self, metadata: &Metadata) -> Result<Vec<u8>, EncodeError> {
        let mode = if self.in_colour { ColourMode::Colour } else { ColourMode::Grey };
        let exif = exif::block(self.dpi, metadata, self.in_colour)?;
        let xmp = [b"http://ns.adobe.com/xap/1.0/\0", metadata.xmp().as_bytes()].concat();
        let icc = icc::profile(mode, metadata)?.unwrap_or_default();
        let room = self.head.len() + exif.len() + xmp.len() + icc.len() + self.scan.len() + 1_024;
        let mut file = Vec::with_capacity(room);
        let mut colours = 1;
        let head = std::mem::take(&mut self.head);
        file.extend_from_slice(head.first_chunk::<2>().ok_or(EncodeError::Strips)?);
        for segment in segments(&head) {
            match segment {
                // JFIF: version, then unit (1 = dots per inch) and density.
                [_, 0xe0, ..] if segment.len() >= 18 => {
                    let dpi = u16::try_from(self.dpi).unwrap_or(u16::MAX).to_be_bytes();
                    file.extend_from_slice(&segment[..11]);
                    file.extend_from_slice(&[1, dpi[0], dpi[1], dpi[0], dpi[1]]);
                    file.extend_from_slice(&segment[16..]);
                    append(&mut file, 0xe1, &exif)?;
                    append(&mut file, 0xe1, &xmp)?;
                    append_profile(&mut file, &icc)?;
                }
                // The frame: the page's height instead of the first strip's.
                [_, 0xc0, ..] if segment.len() >= 10 => {
                    colours = segment[9];
                    file.extend_from_slice(&segment[..5]);
                    file.extend_from_slice(&(self.height as u16).to_be_bytes());
                    file.extend_from_slice(&segment[7..]);
                }
                [_, 0xda, ..] => {
                    // Blocks of 16 × 16 where chroma is halved, of 8 × 8 in grey.
                    let block = if colours == 1 { 8 } else { 16 };
                    let interval = (self.width.div_ceil(block) * (STRIP / block)) as u16;
                    file.extend_from_slice(&[0xff, 0xdd, 0, 4]);
                    file.extend_from_slice(&interval.to_be_bytes());
                    file.extend_from_slice(segment);
                }
                other => file.extend_from_slice(other),
            }
        }
        file.extend_from_slice(&self.scan);
        file.extend_from_slice(&[0xff, 0xd9]);
        Ok(file)
    }
}

/// Appends a marker segment (T.81, B.1.1.4).
fn append(file: &mut Vec<u8>, marker: u8, payload: &[u8]) -> Result<(), EncodeError> {
    let length = u16::try_from(payload.len() + 2).map_err(|_| EncodeError::Metadata(payload.len()))?;
    file.extend_from_slice(&[0xff, marker]);
    file.extend_from_slice(&length.to_be_bytes());
    file.extend_from_slice(payload);
    Ok(())
}

/// Appends a colour profile in as many segments as it needs (ICC.1, annex B.4): each with its number and how many there are.
fn append_profile(file: &mut Vec<u8>, icc: &[u8]) -> Result<(), EncodeError> {
    let parts = icc.chunks(PROFILE_PART);
    let count = u8::try_from(parts.len()).map_err(|_| EncodeError::Metadata(icc.len()))?;
    for (part, number) in parts.zip(1u8..) {
        append(file, 0xe2, &[b"ICC_PROFILE\0".as_slice(), &[number, count], part].concat())?;
    }
    Ok(())
}

/// A whole page at once.
pub(crate) fn jpeg(page: &View<'_>, quality: u8, metadata: &Metadata) -> Result<Vec<u8>, EncodeError> {
    let mut jpeg = Jpeg::new((page.width, page.height), page.dpi, quality)?;
    turn::strips(page, &turn::Canvas::whole(page), [255; 3], |strip| jpeg.strip(&strip))?;
    jpeg.finish(metadata)
}

/// Marker segments behind SOI, each with its marker and length.
fn segments(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = head.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let &[mark, _, high, low, ..] = rest else { return None };
        let (segment, behind) = rest.split_at_checked(2 + usize::from(u16::from_be_bytes([high, low])))?;
        rest = behind;
        (mark == 0xff).then_some(segment)
    })
}

/// A JPEG's head with the header of its scan, and the scan without EOI.
fn split(file: &[u8]) -> Result<(&[u8], &[u8]), EncodeError> {
    let mut end = 2;
    for segment in segments(file) {
        end += segment.len();
        if segment[1] == 0xda {
            let scan = file[end..].strip_suffix(&[0xff, 0xd9]).ok_or(EncodeError::Strips)?;
            return Ok((&file[..end], scan));
        }
    }
    Err(EncodeError::Strips)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::Image;

    fn metadata() -> Metadata {
        let [time, software, operator] = ["2026-01-01T00:00:00Z", "test", "op"].map(Into::into);
        Metadata { time, software, operator, facts: vec![], steps: vec![], icc: None }
    }

    /// Any decoder must see in the strips what it sees in the same page compressed as one piece.
    #[test]
    fn strips_decode_to_the_same_pixels_as_one_piece() {
        for (mode, bands) in [(ColourMode::Grey, 1), (ColourMode::Colour, 3)] {
            for (width, height) in [(16, 64), (203, 1_000), (97, 65), (1, 129), (640, 8), (3, 65_000)] {
                let data: Vec<u8> =
                    (0..width * height * bands).map(|i| ((i * 31) ^ (i / width) ^ (i / 977)) as u8 / 2 + 60).collect();
                let page = Image { mode, width, height, dpi: 300, data };
                let file = jpeg(&page.view(), 85, &metadata()).unwrap();
                let format = if bands == 1 { PixelFormat::GRAY } else { PixelFormat::RGB };
                let sampling = if bands == 1 { Subsamp::Gray } else { Subsamp::Sub2x2 };
                let image = turbojpeg::Image { pixels: &page.data[..], width, pitch: width * bands, height, format };
                let one_piece = turbojpeg::compress(image, 85, sampling).unwrap();
                let decoded = turbojpeg::decompress(&file, format).unwrap();
                assert_eq!(
                    decoded.pixels,
                    turbojpeg::decompress(&one_piece, format).unwrap().pixels,
                    "{width} × {height}"
                );
                let other = image::load_from_memory(&file).unwrap();
                assert_eq!((other.width() as usize, other.height() as usize), (width, height));
            }
        }
    }
    /// Any decoder must see in the planes of a turned page what it sees in its pixels.
    #[test]
    fn planes_are_the_page_that_pixels_are() {
        for (width, height) in [(203, 400), (96, 129), (64, 64), (65, 65)] {
            let value = |i: usize, c: usize| {
                let (x, y) = ((i % width) as f64, (i / width) as f64);
                (128.0 + 70.0 * (x / (11.0 + c as f64)).sin() * (y / 13.0).cos()) as u8
            };
            let data = (0..width * height).flat_map(|i| (0..3).map(move |c| value(i, c))).collect();
            let page = Image { mode: ColourMode::Colour, width, height, dpi: 300, data };
            let canvas = turn::Canvas { degrees: 1.7, ..turn::Canvas::whole(&page.view()) };
            let made = |in_planes: bool| {
                let mut jpeg = Jpeg::new((width, height), 300, 95).unwrap();
                if in_planes {
                    turn::planes(&page.view(), &canvas, [200, 190, 160], |strip| jpeg.planes(&strip)).unwrap();
                } else {
                    turn::strips(&page.view(), &canvas, [200, 190, 160], |strip| jpeg.strip(&strip)).unwrap();
                }
                let file = jpeg.finish(&metadata()).unwrap();
                let decoded = turbojpeg::decompress(&file, PixelFormat::RGB).unwrap();
                assert_eq!((decoded.width, decoded.height), (width, height));
                decoded.pixels
            };
            let (planes, pixels) = (made(true), made(false));
            let off: f64 = planes.iter().zip(&pixels).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
            let off = (off / planes.len() as f64).sqrt();
            assert!(off < 2.5, "{off} levels off on {width} × {height}");
        }
    }
}
