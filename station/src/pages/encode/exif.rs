//! EXIF (CIPA DC-008): device, times and resolution as any viewer shows them. The XMP packet beside it says the rest.

use super::{EncodeError, Metadata};
use std::{
    borrow::Cow,
    io::{Cursor, Seek, Write},
};
use tiff::{
    encoder::{DirectoryEncoder, Rational, TiffEncoder, TiffKind, TiffValue},
    tags::{Tag, Type},
};

const ARTIST: Tag = Tag::Unknown(315);
const EXIF_IFD: Tag = Tag::Unknown(0x8769);
const VERSION: Tag = Tag::Unknown(0x9000);
const TIME_ORIGINAL: Tag = Tag::Unknown(0x9003);
const OFFSET_ORIGINAL: Tag = Tag::Unknown(0x9011);
const COLOUR_SPACE: Tag = Tag::Unknown(0xa001);
/// sRGB, and "uncalibrated" for what is grey or has a profile of its own.
const SRGB: u16 = 1;
const UNCALIBRATED: u16 = 0xffff;

/// The tags of the page itself, in a TIFF's directory or EXIF's first.
pub(super) fn describe<W: Write + Seek, K: TiffKind>(
    directory: &mut DirectoryEncoder<'_, W, K>,
    dpi: u32,
    metadata: &Metadata,
) -> Result<(), EncodeError> {
    let dpi = || Rational { n: dpi, d: 1 };
    directory.write_tag(Tag::XResolution, dpi())?;
    directory.write_tag(Tag::YResolution, dpi())?;
    directory.write_tag(Tag::ResolutionUnit, 2u16)?;
    directory.write_tag(Tag::Software, ascii(&metadata.software).as_str())?;
    if !metadata.operator.is_empty() {
        directory.write_tag(ARTIST, ascii(&metadata.operator).as_str())?;
    }
    if let Some(device) = metadata.fact("device") {
        directory.write_tag(Tag::Model, ascii(device).as_str())?;
    }
    if let Some((date_time, _)) = metadata.exif_time() {
        directory.write_tag(Tag::DateTime, date_time.as_str())?;
    }
    Ok(())
}

/// Writes the tags of EXIF's own directory; the caller chains it.
pub(super) fn original<W: Write + Seek, K: TiffKind>(
    directory: &mut DirectoryEncoder<'_, W, K>,
    metadata: &Metadata,
    in_colour: bool,
) -> Result<(), EncodeError> {
    directory.write_tag(VERSION, Undefined(b"0232"))?;
    if let Some((date_time, offset)) = metadata.exif_time() {
        directory.write_tag(TIME_ORIGINAL, date_time.as_str())?;
        directory.write_tag(OFFSET_ORIGINAL, offset)?;
    }
    directory.write_tag(COLOUR_SPACE, if in_colour && metadata.icc.is_none() { SRGB } else { UNCALIBRATED })?;
    Ok(())
}

/// The block as it stands in a JPEG's APP1 segment.
pub(super) fn block(dpi: u32, metadata: &Metadata, in_colour: bool) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes)?;
    let mut sub = encoder.extra_directory()?;
    original(&mut sub, metadata, in_colour)?;
    let at = sub.finish_with_offsets()?;
    let mut first = encoder.image_directory()?;
    describe(&mut first, dpi, metadata)?;
    first.write_tag(EXIF_IFD, at.offset)?;
    first.finish()?;
    Ok([b"Exif\0\0".as_slice(), &bytes.into_inner()].concat())
}

/// EXIF's type for bytes that are neither text nor numbers.
struct Undefined<'a>(&'a [u8]);

impl TiffValue for Undefined<'_> {
    const BYTE_LEN: u8 = 1;
    const FIELD_TYPE: Type = Type::UNDEFINED;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0)
    }
}

/// EXIF's text is ASCII; XMP has the whole.
fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' }).collect()
}

pub(super) const EXIF: Tag = EXIF_IFD;
