//! TIFF 6.0, baseline: delivered pages compressed without loss, strip by strip; masters as they came.

use super::{EncodeError, Metadata, exif, icc};
use crate::pages::{
    geometry::{View, row_bytes},
    profile::Compression,
    turn::STRIP,
};
use fax::{Color, VecWriter, encoder::Encoder};
use flate2::write::ZlibEncoder;
use platen_protocol::uplink::ColourMode;
use std::{
    cell::RefCell,
    io::{self, Cursor, Seek, Write},
    rc::Rc,
};
use tiff::{encoder::TiffEncoder, tags::Tag};
use weezl::{BitOrder, encode::Encoder as Lzw};

/// Where the pixels of a master begin: behind its header of 8 bytes and padding.
const PIXELS_AT: usize = 4096;
/// What the library writes for a directory without entries, in bytes.
const EMPTY_DIRECTORY: usize = 6;
/// Room for what describes a page, in bytes.
const ROOM: usize = 1 << 16;
const ICC: Tag = Tag::Unknown(34675);
const XMP: Tag = Tag::Unknown(700);

/// Numbers of TIFF's compressions.
const NONE: u16 = 1;
const G4: u16 = 4;
const LZW: u16 = 5;
const DEFLATE: u16 = 8;

/// A TIFF being made.
pub(crate) struct Tiff {
    mode: ColourMode,
    size: (usize, usize),
    dpi: u32,
    compression: Compression,
    /// The file so far: page, strips and file are never held beside each other.
    file: Pixels<Memory>,
    memory: Memory,
    /// Rows of lineart: G4 is made of the whole.
    bits: Vec<u8>,
}

// The encoder of the library tells nothing of itself.
impl std::fmt::Debug for Tiff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tiff({:?}, {:?}, {} strips)", self.mode, self.size, self.file.offsets.len())
    }
}

impl Tiff {
    /// A page of this size; its strips follow from the top, [`STRIP`] rows each but for the last.
    pub(crate) fn new(
        mode: ColourMode,
        size: (usize, usize),
        dpi: u32,
        compression: Compression,
    ) -> Result<Self, EncodeError> {
        let bytes = if compression == Compression::None { row_bytes(mode, size.0) * size.1 } else { 0 };
        let memory = Memory(Rc::new(RefCell::new(Cursor::new(Vec::with_capacity(bytes + ROOM)))));
        let file = Pixels::new(memory.clone())?;
        Ok(Self { mode, size, dpi, compression, file, memory, bits: Vec::new() })
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
        self.file.strip(&match self.compression {
            Compression::None => rows,
            Compression::Lzw => Lzw::with_tiff_size_switch(BitOrder::Msb, 8).encode(&rows).map_err(io::Error::other)?,
            Compression::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&rows)?;
                encoder.finish()?
            }
        })
    }

    /// The file.
    pub(crate) fn finish(mut self, metadata: &Metadata) -> Result<Vec<u8>, EncodeError> {
        let mut rows_per_strip = STRIP;
        if self.mode == ColourMode::Lineart {
            self.file.strip(&g4(&self.bits, self.size.0))?;
            rows_per_strip = self.size.1;
        }
        let number = match (self.mode, self.compression) {
            (ColourMode::Lineart, _) => G4,
            (_, Compression::None) => NONE,
            (_, Compression::Lzw) => LZW,
            (_, Compression::Deflate) => DEFLATE,
        };
        let layout = Layout { mode: self.mode, size: self.size, dpi: self.dpi, rows_per_strip, compression: number };
        self.file.describe(&layout, metadata, true)?;
        Ok(self.memory.0.take().into_inner())
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
    let mut file = Pixels::new(out)?;
    // Pixels begin on a page boundary, so that they can go from the scanner's memory to the disk without a copy.
    file.encoder.extra_directory()?.write_data(&vec![0u8; PIXELS_AT - 8 - EMPTY_DIRECTORY][..])?;
    file.strip(data)?;
    // A master is what the scanner gave: nothing is claimed about its colours.
    file.describe(&layout, metadata, false)
}

/// A file in memory. The library's encoder does not give back what it writes into.
#[derive(Debug, Clone)]
struct Memory(Rc<RefCell<Cursor<Vec<u8>>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Memory {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.0.borrow_mut().seek(to)
    }
}

/// How pixels lie in a file.
struct Layout {
    mode: ColourMode,
    size: (usize, usize),
    dpi: u32,
    rows_per_strip: usize,
    compression: u16,
}

/// A file whose pixels are written first, and what describes them at its end.
struct Pixels<W: Write + Seek> {
    encoder: TiffEncoder<W>,
    offsets: Vec<u32>,
    counts: Vec<u32>,
}

impl<W: Write + Seek> Pixels<W> {
    fn new(out: W) -> Result<Self, EncodeError> {
        Ok(Self { encoder: TiffEncoder::new(out)?, offsets: Vec::new(), counts: Vec::new() })
    }

    fn strip(&mut self, strip: &[u8]) -> Result<(), EncodeError> {
        // The library writes data as a part of some directory; this one stays empty, and nothing points to it.
        let offset = self.encoder.extra_directory()?.write_data(strip)?;
        self.offsets.push(u32::try_from(offset)?);
        self.counts.push(u32::try_from(strip.len())?);
        Ok(())
    }

    /// Writes what describes the pixels.
    fn describe(mut self, layout: &Layout, metadata: &Metadata, with_profile: bool) -> Result<(), EncodeError> {
        let mut sub = self.encoder.extra_directory()?;
        exif::original(&mut sub, metadata, layout.mode == ColourMode::Colour)?;
        let exif_at = sub.finish_with_offsets()?.offset;
        let mut directory = self.encoder.image_directory()?;
        let (photometric, samples, bits): (u16, u16, u16) = match layout.mode {
            ColourMode::Lineart => (0, 1, 1),
            ColourMode::Grey => (1, 1, 8),
            ColourMode::Colour => (2, 3, 8),
        };
        directory.write_tag(Tag::ImageWidth, layout.size.0 as u32)?;
        directory.write_tag(Tag::ImageLength, layout.size.1 as u32)?;
        directory.write_tag(Tag::BitsPerSample, &vec![bits; usize::from(samples)][..])?;
        directory.write_tag(Tag::Compression, layout.compression)?;
        directory.write_tag(Tag::PhotometricInterpretation, photometric)?;
        directory.write_tag(Tag::StripOffsets, &self.offsets[..])?;
        directory.write_tag(Tag::SamplesPerPixel, samples)?;
        directory.write_tag(Tag::RowsPerStrip, layout.rows_per_strip as u32)?;
        directory.write_tag(Tag::StripByteCounts, &self.counts[..])?;
        if matches!(layout.compression, LZW | DEFLATE) {
            directory.write_tag(Tag::Predictor, 2u16)?;
        }
        exif::describe(&mut directory, layout.dpi, metadata)?;
        directory.write_tag(exif::EXIF, exif_at)?;
        directory.write_tag(XMP, metadata.xmp().as_bytes())?;
        if with_profile && let Some(profile) = icc::profile(layout.mode, metadata)? {
            directory.write_tag(ICC, &profile[..])?;
        }
        directory.finish()?;
        Ok(())
    }
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
