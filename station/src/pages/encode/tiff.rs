//! TIFF, baseline.

use super::{EncodeError, Metadata};
use crate::pages::geometry::View;
use fax::{Color, VecWriter, encoder::Encoder};
use platen_protocol::uplink::ColourMode;
use std::io::{Seek, Write};
use tiff::{
    encoder::{Rational, TiffEncoder},
    tags::Tag,
};

/// Where the pixels of a TIFF begin: behind its header of 8 bytes and padding.
const PIXELS_AT: usize = 4096;

/// TIFF, baseline: lineart in CCITT G4, everything else uncompressed.
pub(crate) fn tiff(out: impl Write + Seek, page: &View<'_>, metadata: &Metadata) -> Result<(), EncodeError> {
    let mut encoder = TiffEncoder::new(out)?;
    let mut directory = encoder.image_directory()?;
    let (compression, photometric, samples, bits): (u16, u16, u16, u16) = match page.mode {
        ColourMode::Lineart => (4, 0, 1, 1),
        ColourMode::Grey => (1, 1, 1, 8),
        ColourMode::Colour => (1, 2, 3, 8),
    };
    let mut packed = Vec::new();
    let data: &[u8] = match (page.mode, page.packed()) {
        (ColourMode::Lineart, _) => {
            packed = g4(page);
            &packed
        }
        (ColourMode::Grey | ColourMode::Colour, Some(data)) => data,
        (ColourMode::Grey | ColourMode::Colour, None) => {
            (0..page.height).for_each(|y| packed.extend_from_slice(page.row(y)));
            &packed
        }
    };
    // Pixels begin on a page boundary, so that they can go from the scanner's memory to the disk without a copy.
    directory.write_data(&[0u8; PIXELS_AT - 8][..])?;
    let offset = directory.write_data(data)?;
    let dpi = || Rational { n: page.dpi, d: 1 };
    let (width, height, len) = (page.width as u32, page.height as u32, data.len() as u32);
    directory.write_tag(Tag::ImageWidth, width)?;
    directory.write_tag(Tag::ImageLength, height)?;
    directory.write_tag(Tag::BitsPerSample, &vec![bits; usize::from(samples)][..])?;
    directory.write_tag(Tag::Compression, compression)?;
    directory.write_tag(Tag::PhotometricInterpretation, photometric)?;
    directory.write_tag(Tag::StripOffsets, offset as u32)?;
    directory.write_tag(Tag::SamplesPerPixel, samples)?;
    directory.write_tag(Tag::RowsPerStrip, height)?;
    directory.write_tag(Tag::StripByteCounts, len)?;
    directory.write_tag(Tag::XResolution, dpi())?;
    directory.write_tag(Tag::YResolution, dpi())?;
    directory.write_tag(Tag::ResolutionUnit, 2u16)?;
    directory.write_tag(Tag::Software, metadata.software.as_str())?;
    directory.write_tag(Tag::Unknown(700), metadata.xmp().as_bytes())?;
    directory.finish()?;
    Ok(())
}

fn g4(page: &View<'_>) -> Vec<u8> {
    let mut encoder = Encoder::new(VecWriter::new());
    for y in 0..page.height {
        let row = page.row(y);
        let pels =
            (0..page.width).map(|x| if row[x / 8] & (0x80 >> (x % 8)) == 0 { Color::White } else { Color::Black });
        let Ok(()) = encoder.encode_line(pels, page.width as u32);
    }
    let Ok(writer) = encoder.finish();
    writer.finish()
}
