//! TIFF 6.0, baseline: delivered pages compressed without loss, strip by strip; masters as they came.

use super::{EncodeError, Metadata, exif, icc};
use crate::pages::{geometry::View, profile::Compression, turn::STRIP};
use fax::{Color, VecWriter, encoder::Encoder};
use flate2::write::ZlibEncoder;
use platen_protocol::uplink::ColourMode;
use std::io::{Cursor, Seek, Write};
use tiff::{encoder::TiffEncoder, tags::Tag};
use weezl::{BitOrder, encode::Encoder as Lzw};

/// Where the pixels of a master begin: behind its header of 8 bytes and padding.
const PIXELS_AT: usize = 4096;
const ICC: Tag = Tag::Unknown(34675);
const XMP: Tag = Tag::Unknown(700);

/// Numbers of TIFF's compressions.
const NONE: u16 = 1;
const G4: u16 = 4;
const LZW: u16 = 5;
const DEFLATE: u16 = 8;

/// A TIFF being made.
#[derive(Debug)]
pub(crate) struct Tiff {
    mode: ColourMode,
    size: (usize, usize),
    dpi: u32,
    compression: Compression,
    strips: Vec<Vec<u8>>,
    /// Rows of lineart: G4 is made of the whole.
    bits: Vec<u8>,
}

impl Tiff {
    /// A page of this size; its strips follow from the top, [`STRIP`] rows each but for the last.
    pub(crate) fn new(mode: ColourMode, size: (usize, usize), dpi: u32, compression: Compression) -> Self {
        Self { mode, size, dpi, compression, strips: Vec::new(), bits: Vec::new() }
    }

    pub(crate) fn strip(&mut self, strip: &View<'_>) -> Result<(), EncodeError> {
        let mut rows = Vec::with_capacity(strip.height * strip.stride);
        (0..strip.height).for_each(|y| rows.extend_from_slice(strip.row(y)));
        if self.mode == ColourMode::Lineart {
            self.bits.append(&mut rows);
            return Ok(());
        }
        let bands = if self.mode == ColourMode::Colour { 3 } else { 1 };
        if self.compression != Compression::None {
            rows.chunks_exact_mut(self.size.0 * bands).for_each(|row| predict(row, bands));
        }
        self.strips.push(match self.compression {
            Compression::None => rows,
            Compression::Lzw => {
                Lzw::with_tiff_size_switch(BitOrder::Msb, 8).encode(&rows).map_err(std::io::Error::other)?
            }
            Compression::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&rows)?;
                encoder.finish()?
            }
        });
        Ok(())
    }

    /// The file.
    pub(crate) fn finish(mut self, metadata: &Metadata) -> Result<Vec<u8>, EncodeError> {
        let mut rows_per_strip = STRIP;
        if self.mode == ColourMode::Lineart {
            self.strips = vec![g4(&self.bits, self.size.0)];
            rows_per_strip = self.size.1;
        }
        let number = match (self.mode, self.compression) {
            (ColourMode::Lineart, _) => G4,
            (_, Compression::None) => NONE,
            (_, Compression::Lzw) => LZW,
            (_, Compression::Deflate) => DEFLATE,
        };
        let layout = Layout { mode: self.mode, size: self.size, dpi: self.dpi, rows_per_strip, compression: number };
        let mut file = Cursor::new(Vec::new());
        let strips: Vec<&[u8]> = self.strips.iter().map(Vec::as_slice).collect();
        write(&mut file, &layout, &strips, metadata, 0)?;
        Ok(file.into_inner())
    }
}

/// Differences between neighbours instead of levels: predictor 2.
fn predict(row: &mut [u8], bands: usize) {
    for i in (bands..row.len()).rev() {
        row[i] = row[i].wrapping_sub(row[i - bands]);
    }
}

/// A master: the pixels as the scanner gave them, in one piece; lineart in G4.
pub(crate) fn master(out: impl Write + Seek, page: &View<'_>, metadata: &Metadata) -> Result<(), EncodeError> {
    let mut packed = Vec::new();
    let data: &[u8] = match (page.mode, page.packed()) {
        (ColourMode::Grey | ColourMode::Colour, Some(data)) => data,
        (_, _) => {
            (0..page.height).for_each(|y| packed.extend_from_slice(page.row(y)));
            if page.mode == ColourMode::Lineart {
                packed = g4(&packed, page.width);
            }
            &packed
        }
    };
    let compression = if page.mode == ColourMode::Lineart { G4 } else { NONE };
    let size = (page.width, page.height);
    let layout = Layout { mode: page.mode, size, dpi: page.dpi, rows_per_strip: page.height, compression };
    // Pixels begin on a page boundary, so that they can go from the scanner's memory to the disk without a copy.
    write(out, &layout, &[data], metadata, PIXELS_AT - 8)
}

/// How pixels lie in a file.
struct Layout {
    mode: ColourMode,
    size: (usize, usize),
    dpi: u32,
    rows_per_strip: usize,
    compression: u16,
}

fn write(
    out: impl Write + Seek,
    layout: &Layout,
    strips: &[&[u8]],
    metadata: &Metadata,
    padding: usize,
) -> Result<(), EncodeError> {
    let mut encoder = TiffEncoder::new(out)?;
    let mut sub = encoder.extra_directory()?;
    if padding > 0 {
        sub.write_data(&vec![0u8; padding][..])?;
    }
    let offsets: Vec<u32> =
        strips.iter().map(|strip| Ok(u32::try_from(sub.write_data(*strip)?)?)).collect::<Result<_, EncodeError>>()?;
    exif::original(&mut sub, metadata, layout.mode == ColourMode::Colour)?;
    let exif_at = sub.finish_with_offsets()?.offset;
    let mut directory = encoder.image_directory()?;
    let (photometric, samples, bits): (u16, u16, u16) = match layout.mode {
        ColourMode::Lineart => (0, 1, 1),
        ColourMode::Grey => (1, 1, 8),
        ColourMode::Colour => (2, 3, 8),
    };
    let counts: Vec<u32> = strips.iter().map(|strip| strip.len() as u32).collect();
    directory.write_tag(Tag::ImageWidth, layout.size.0 as u32)?;
    directory.write_tag(Tag::ImageLength, layout.size.1 as u32)?;
    directory.write_tag(Tag::BitsPerSample, &vec![bits; usize::from(samples)][..])?;
    directory.write_tag(Tag::Compression, layout.compression)?;
    directory.write_tag(Tag::PhotometricInterpretation, photometric)?;
    directory.write_tag(Tag::StripOffsets, &offsets[..])?;
    directory.write_tag(Tag::SamplesPerPixel, samples)?;
    directory.write_tag(Tag::RowsPerStrip, layout.rows_per_strip as u32)?;
    directory.write_tag(Tag::StripByteCounts, &counts[..])?;
    if matches!(layout.compression, LZW | DEFLATE) {
        directory.write_tag(Tag::Predictor, 2u16)?;
    }
    exif::describe(&mut directory, layout.dpi, metadata)?;
    directory.write_tag(exif::EXIF, exif_at)?;
    directory.write_tag(XMP, metadata.xmp().as_bytes())?;
    // A master is what the scanner gave: nothing is claimed about its colours.
    if padding == 0
        && let Some(profile) = icc::profile(layout.mode)?
    {
        directory.write_tag(ICC, &profile[..])?;
    }
    directory.finish()?;
    Ok(())
}

/// ITU-T T.6 of packed rows, 1 = black.
fn g4(rows: &[u8], width: usize) -> Vec<u8> {
    let mut encoder = Encoder::new(VecWriter::new());
    for row in rows.chunks_exact(width.div_ceil(8)) {
        let pels = (0..width).map(|x| if row[x / 8] & (0x80 >> (x % 8)) == 0 { Color::White } else { Color::Black });
        let Ok(()) = encoder.encode_line(pels, width as u32);
    }
    let Ok(writer) = encoder.finish();
    writer.finish()
}
