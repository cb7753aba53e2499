//! Image files as pages. What cannot be a page, or would be one only after guessing, is refused with the reason.

use super::resolution::own_dpi;
use crate::pages::{BadPage, Image, View};
use anyhow::{Context, bail};
use image::{DynamicImage, ExtendedColorType, ImageBuffer, ImageDecoder, ImageReader, metadata::Orientation};
use platen_protocol::uplink::ColourMode;
use std::{
    fs::File,
    io::{BufReader, Read, Seek},
    ops::Range,
    path::Path,
};
use tiff::tags::Tag;

const UNREADABLE: &str = "not a readable PNG, JPEG, TIFF or PNM image";
/// A file may say that it is larger than a page can be, and would cost as much memory before anyone noticed.
const MOST_BYTES: u64 = 2 << 30;
/// Whatever says of a resolution stands within so many bytes, but in a TIFF.
const HEAD: u64 = 1 << 18;
/// Where a colour profile says which colours it is of, and where its own mark stands (ICC.1, 7.2).
const ICC_SPACE: Range<usize> = 16..20;
const ICC_MARK: Range<usize> = 36..40;

/// A page and the colour profile that its file brings, if it is one of the page's colours.
pub(super) struct PageFile {
    pub(super) image: Image,
    pub(super) icc: Option<Vec<u8>>,
}

/// Reads a page. `default_dpi` is for files that do not say their own.
pub(super) fn read(file: &Path, default_dpi: u32) -> anyhow::Result<PageFile> {
    let mut source = BufReader::new(File::open(file)?);
    let mut head = Vec::new();
    source.by_ref().take(HEAD).read_to_end(&mut head)?;
    source.rewind()?;
    let is_jpeg = head.starts_with(b"\xff\xd8");
    let is_tiff = head.starts_with(b"II") || head.starts_with(b"MM");
    let dpi = if is_tiff {
        // The file is the decoder's only for as long as it is asked.
        look_into_tiff(file)?
    } else {
        own_dpi(&head)?
    };
    let dpi = dpi.unwrap_or(default_dpi);
    let is_bilevel_png = head.starts_with(b"\x89PNG") && head.get(24) == Some(&1);
    let mut decoder = ImageReader::new(source).with_guessed_format()?.into_decoder().context(UNREADABLE)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    if !(1..=crate::pages::MAX_SIDE).contains(&width) || !(1..=crate::pages::MAX_SIDE).contains(&height) {
        return Err(BadPage::Size { width, height }.into());
    }
    let bytes = decoder.total_bytes();
    if bytes > MOST_BYTES {
        bail!("{width} × {height} pixels are {bytes} bytes; at most {MOST_BYTES} are a page");
    }
    let kind = decoder.color_type();
    if kind.bytes_per_pixel() > kind.channel_count() {
        bail!("{kind:?}: 16 bits a sample are not supported; 1 and 8 are");
    }
    // One that cannot be read says nothing, as to any viewer.
    let icc = decoder.icc_profile().ok().flatten();
    let is_lineart = decoder.original_color_type() == ExtendedColorType::L1 || is_bilevel_png;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut decoded = if is_jpeg { jpeg(file)? } else { DynamicImage::from_decoder(decoder).context(UNREADABLE)? };
    decoded.apply_orientation(orientation);
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    let (mode, data) = match decoded {
        other if is_lineart && is_black_and_white(&other) => (ColourMode::Lineart, packed(&other.into_luma8(), width)),
        DynamicImage::ImageLuma8(grey) => (ColourMode::Grey, grey.into_raw()),
        DynamicImage::ImageRgb8(rgb) => (ColourMode::Colour, rgb.into_raw()),
        DynamicImage::ImageLumaA8(grey) => (ColourMode::Grey, on_white(&grey)),
        DynamicImage::ImageRgba8(rgb) => (ColourMode::Colour, on_white(&rgb)),
        other => (ColourMode::Colour, other.into_rgb8().into_raw()),
    };
    let image = Image { mode, width, height, dpi, data };
    View::new(mode, (width, height), image.view().stride, dpi, &image.data)?;
    Ok(PageFile { image, icc: icc.filter(|icc| is_profile_of(icc, mode)) })
}

/// Grey scans often bring the profile of an RGB scanner: it says nothing of them, and no viewer uses it.
fn is_profile_of(icc: &[u8], mode: ColourMode) -> bool {
    let space: &[u8] = match mode {
        ColourMode::Colour => b"RGB ",
        ColourMode::Grey => b"GRAY",
        ColourMode::Lineart => return false,
    };
    icc.get(ICC_MARK) == Some(b"acsp") && icc.get(ICC_SPACE) == Some(space)
}

/// A JPEG, strictly: others fill with grey what is missing of a file that was cut off.
fn jpeg(file: &Path) -> anyhow::Result<DynamicImage> {
    use turbojpeg::{Colorspace, Decompressor, PixelFormat};
    let bytes = std::fs::read(file)?;
    let mut decompressor = Decompressor::new()?;
    let header = decompressor.read_header(&bytes).context(UNREADABLE)?;
    let (format, bands) = match header.colorspace {
        Colorspace::Gray => (PixelFormat::GRAY, 1),
        Colorspace::RGB | Colorspace::YCbCr => (PixelFormat::RGB, 3),
        other => bail!("{other:?}: grey and RGB are supported"),
    };
    let (width, height) = (header.width, header.height);
    let mut pixels = vec![0; width * height * bands];
    let output = turbojpeg::Image { pixels: &mut pixels[..], width, pitch: width * bands, height, format };
    decompressor.decompress(&bytes, output).context("the file is damaged or cut off")?;
    let (width, height) = (width as u32, height as u32);
    let image = match bands {
        1 => ImageBuffer::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8),
        _ => ImageBuffer::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8),
    };
    image.context(UNREADABLE)
}

/// Refuses what our decoder would read wrongly or in part. Answers the resolution.
fn look_into_tiff(file: &Path) -> anyhow::Result<Option<u32>> {
    let open = || -> anyhow::Result<_> { Ok(BufReader::new(File::open(file)?)) };
    let mut decoder = tiff::decoder::Decoder::new(open()?).context(UNREADABLE)?;
    // Damaged tags are the decoder's to name.
    if decoder.find_tag_unsigned(Tag::FillOrder).ok().flatten() == Some(2u16) {
        bail!("its bits stand in reverse order (FillOrder 2), which is not supported; `tiffcp -f msb2lsb` turns them");
    }
    if !is_page(&mut decoder) && decoder.more_images() {
        bail!(
            "its first image is a thumbnail or a mask, and only the first is read; `tiffcp FILE,1 PAGE` takes the second"
        );
    }
    let pages = pages_in(&mut decoder);
    if pages > 1 {
        bail!("it has {pages} pages; one page a file is supported, so split it first");
    }
    super::resolution::of_tiff(open()?)
}

/// A reduced copy (bit 0) or a mask (bit 2) is no page.
fn is_page<R: Read + Seek>(decoder: &mut tiff::decoder::Decoder<R>) -> bool {
    decoder.get_tag_u32(Tag::NewSubfileType).unwrap_or(0) & 0b101 == 0
}

/// How many pages a TIFF has.
fn pages_in<R: Read + Seek>(decoder: &mut tiff::decoder::Decoder<R>) -> usize {
    let mut pages = 0;
    loop {
        pages += usize::from(is_page(decoder));
        if !decoder.more_images() || decoder.next_image().is_err() {
            return pages;
        }
    }
}

/// What is transparent shows the paper that it lies on.
fn on_white<P: image::Pixel<Subpixel = u8>>(image: &ImageBuffer<P, Vec<u8>>) -> Vec<u8> {
    let blended = image.pixels().flat_map(|pixel| {
        let (colours, alpha) = pixel.channels().split_at(pixel.channels().len() - 1);
        let alpha = u32::from(alpha[0]);
        colours.iter().map(move |&v| ((u32::from(v) * alpha + 255 * (255 - alpha) + 127) / 255) as u8)
    });
    blended.collect()
}

/// A palette of two colours need not be black and white.
fn is_black_and_white(image: &DynamicImage) -> bool {
    image.as_bytes().iter().all(|v| matches!(v, 0 | 255)) && !image.color().has_alpha() && !has_colour(image)
}

fn has_colour(image: &DynamicImage) -> bool {
    image.as_rgb8().is_some_and(|rgb| rgb.pixels().any(|p| p.0[0] != p.0[1] || p.0[1] != p.0[2]))
}

/// Black and white pixels, eight in a byte, 1 = black.
fn packed(grey: &[u8], width: usize) -> Vec<u8> {
    let byte = |eight: &[u8]| eight.iter().zip(0..8).fold(0, |byte, (&v, x)| byte | u8::from(v < 128) << (7 - x));
    grey.chunks_exact(width).flat_map(|row| row.chunks(8).map(byte)).collect()
}
