//! Files: JPEG or TIFF for grey and colour, TIFF with G4 for lineart, uncompressed TIFF for masters. Resolution, colour
//! profile and metadata (EXIF and XMP) are part of the file. Same input, same bytes.

mod exif;
mod icc;
mod jpeg;
mod tiff;

use self::{jpeg::Jpeg, tiff::Tiff};
pub(crate) use self::{jpeg::jpeg, tiff::master};
use super::{
    geometry::{MAX_SIDE, View},
    profile::{Format, Profile},
    turn::Planes,
};
use platen_protocol::uplink::ColourMode;
use std::fmt::Write as _;

#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    #[error("JPEG: {0}")]
    Jpeg(#[from] turbojpeg::Error),
    #[error("TIFF: {0}")]
    Tiff(#[from] ::tiff::TiffError),
    #[error("the JPEG encoder gave a strip without a scan, or a TIFF got one in planes")]
    Strips,
    #[error("metadata of {0} bytes do not fit into a JPEG's segments, 65,500 bytes each and 255 for a colour profile")]
    Metadata(usize),
    #[error("colour profile: {0}")]
    Icc(String),
    #[error("the straightened page is {0} × {1} pixels; at most {MAX_SIDE} are allowed")]
    Size(usize, usize),
    #[error("the page does not fit into a TIFF of 4 GiB")]
    TooLarge(#[from] std::num::TryFromIntError),
}

impl From<std::io::Error> for EncodeError {
    fn from(error: std::io::Error) -> Self {
        Self::Tiff(::tiff::TiffError::IoError(error))
    }
}

/// A delivered page being made strip by strip.
#[derive(Debug)]
pub(crate) enum Encoder {
    Jpeg(Box<Jpeg>),
    Tiff(Tiff),
}

impl Encoder {
    /// A page of this size, in the format that the profile asks for.
    pub(crate) fn new(
        mode: ColourMode,
        size: (usize, usize),
        dpi: u32,
        profile: &Profile,
    ) -> Result<Self, EncodeError> {
        if size.0.max(size.1) > MAX_SIDE {
            return Err(EncodeError::Size(size.0, size.1));
        }
        Ok(match extension(mode, profile) {
            "jpg" => Self::Jpeg(Box::new(Jpeg::new(size, dpi, profile.quality)?)),
            _ => Self::Tiff(Tiff::new(mode, size, dpi, profile.compression)?),
        })
    }

    /// The next strip from the top.
    pub(crate) fn strip(&mut self, strip: &View<'_>) -> Result<(), EncodeError> {
        match self {
            Self::Jpeg(jpeg) => jpeg.strip(strip),
            Self::Tiff(tiff) => tiff.strip(strip),
        }
    }

    /// The next strip of a colour page in planes, if this [takes planes](Self::takes_planes).
    pub(crate) fn planes(&mut self, strip: &Planes<'_>) -> Result<(), EncodeError> {
        match self {
            Self::Jpeg(jpeg) => jpeg.planes(strip),
            Self::Tiff(_) => Err(EncodeError::Strips),
        }
    }

    /// Whether colour is kept as luma at full and chroma at half the resolution.
    pub(crate) fn takes_planes(&self) -> bool {
        matches!(self, Self::Jpeg(_))
    }

    /// The file.
    pub(crate) fn finish(self, metadata: &Metadata) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::Jpeg(jpeg) => jpeg.finish(metadata),
            Self::Tiff(tiff) => tiff.finish(metadata),
        }
    }
}

/// How the names of delivered pages end.
pub(crate) fn extension(mode: ColourMode, profile: &Profile) -> &'static str {
    match (mode, profile.format) {
        (ColourMode::Lineart, _) | (_, Format::Tiff) => "tif",
        (ColourMode::Grey | ColourMode::Colour, Format::Jpeg) => "jpg",
    }
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
    /// The colour profile that came with the page; `None`: sRGB, or a gamma of 2.2.
    pub(crate) icc: Option<Vec<u8>>,
}

impl Metadata {
    /// The value of a fact.
    fn fact(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    /// The time as EXIF writes it, `YYYY:MM:DD hh:mm:ss`, and its offset from UTC.
    fn exif_time(&self) -> Option<(String, &'static str)> {
        let (date, time) = self.time.split_once('T')?;
        Some((format!("{} {}", date.replace('-', ":"), time.get(..8)?), "+00:00"))
    }

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
