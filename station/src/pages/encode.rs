//! Files: JPEG for grey and colour, TIFF with G4 for lineart, uncompressed TIFF for masters. Resolution and metadata are
//! part of the file. Same input, same bytes.

use super::geometry::View;
use fax::{Color, VecWriter, encoder::Encoder};
use platen_protocol::uplink::ColourMode;
use std::{
    fmt::Write as _,
    io::{Seek, Write},
};
use tiff::{
    encoder::{Rational, TiffEncoder},
    tags::Tag,
};

/// Where the pixels of a TIFF begin: behind its header of 8 bytes and padding.
const PIXELS_AT: usize = 4096;

#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    #[error("JPEG: {0}")]
    Jpeg(#[from] turbojpeg::Error),
    #[error("TIFF: {0}")]
    Tiff(#[from] tiff::TiffError),
    #[error("metadata of {0} bytes do not fit into a JPEG segment of 65,500")]
    Metadata(usize),
}

/// What is recorded inside the file beside the pixels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Metadata {
    /// RFC 3339, when the page was scanned.
    pub(crate) time: String,
    /// The program and its version.
    pub(crate) software: String,
    pub(crate) operator: String,
    /// Name and value, such as `device` and `fujitsu:fi-7160:123`.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// Every processing step in order.
    pub(crate) steps: Vec<String>,
}

impl Metadata {
    /// As an XMP packet (ISO 16684-1), readable by any viewer.
    pub(crate) fn xmp(&self) -> String {
        let mut xmp = String::from(
            "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n\
             <x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
             <rdf:Description rdf:about=\"\" xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\" \
             xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:platen=\"urn:platen:page:1\">\n",
        );
        let mut tag = |name: &str, value: &str| {
            let _ = writeln!(xmp, "<{name}>{}</{name}>", escaped(value));
        };
        tag("xmp:CreatorTool", &self.software);
        tag("xmp:CreateDate", &self.time);
        for (name, value) in &self.facts {
            tag(&format!("platen:{name}"), value);
        }
        let list =
            |items: &[&str]| items.iter().map(|i| format!("<rdf:li>{}</rdf:li>", escaped(i))).collect::<String>();
        let steps: Vec<_> = self.steps.iter().map(String::as_str).collect();
        let _ = writeln!(xmp, "<dc:creator><rdf:Seq>{}</rdf:Seq></dc:creator>", list(&[&self.operator]));
        let _ = writeln!(xmp, "<platen:steps><rdf:Seq>{}</rdf:Seq></platen:steps>", list(&steps));
        xmp.push_str("</rdf:Description></rdf:RDF></x:xmpmeta>\n<?xpacket end=\"w\"?>");
        xmp
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// JPEG with JFIF density and XMP. Lineart has no place in a JPEG; see [`tiff`].
pub(crate) fn jpeg(page: &View<'_>, quality: u8, metadata: &Metadata) -> Result<Vec<u8>, EncodeError> {
    let (format, sampling) = match page.mode {
        ColourMode::Colour => (turbojpeg::PixelFormat::RGB, turbojpeg::Subsamp::Sub2x2),
        ColourMode::Grey | ColourMode::Lineart => (turbojpeg::PixelFormat::GRAY, turbojpeg::Subsamp::Gray),
    };
    let mut compressor = turbojpeg::Compressor::new()?;
    compressor.set_quality(i32::from(quality))?;
    compressor.set_subsamp(sampling)?;
    let pixels = page.bytes();
    let image = turbojpeg::Image { pixels, width: page.width, pitch: page.stride, height: page.height, format };
    let plain = compressor.compress_to_owned(image)?;

    let xmp = metadata.xmp();
    let payload = [b"http://ns.adobe.com/xap/1.0/\0".as_slice(), xmp.as_bytes()].concat();
    let length = u16::try_from(payload.len() + 2).map_err(|_| EncodeError::Metadata(payload.len()))?;
    // libjpeg-turbo begins every file with SOI and an APP0 of 18 bytes without a density: JFIF, section "APP0".
    let (head, rest) = plain.split_at(20);
    let mut file = Vec::with_capacity(plain.len() + payload.len() + 4);
    file.extend_from_slice(head);
    let dpi = u16::try_from(page.dpi).unwrap_or(u16::MAX).to_be_bytes();
    file[13..18].copy_from_slice(&[1, dpi[0], dpi[1], dpi[0], dpi[1]]);
    file.extend_from_slice(&[0xff, 0xe1]);
    file.extend_from_slice(&length.to_be_bytes());
    file.extend_from_slice(&payload);
    file.extend_from_slice(rest);
    Ok(file)
}

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
