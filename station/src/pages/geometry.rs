//! What a page is in memory.

use platen_protocol::uplink::ColourMode;

/// A page that lies somewhere else: rows from the top, `stride` bytes each. Lineart: one bit a pixel, the first in the
/// highest bit, 1 = black (as SANE has it). Grey: one byte, 0 = black. Colour: R, G, B.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) mode: ColourMode,
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) stride: usize,
    pub(crate) dpi: u32,
    data: &'a [u8],
}

/// Why bytes are not a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPage {
    #[error("a page of {width} × {height} pixels: both must be 1 to 65,500")]
    Size { width: usize, height: usize },
    #[error("{dpi} dpi: 50 to 2,400 are allowed")]
    Dpi { dpi: u32 },
    #[error("{got} bytes for {height} rows of {stride}: at least {needed} are needed")]
    Short { got: usize, height: usize, stride: usize, needed: usize },
    #[error("rows of {stride} bytes are too short for {width} pixels")]
    Stride { stride: usize, width: usize },
}

/// JPEG cannot hold more in either direction.
pub(crate) const MAX_SIDE: usize = 65_500;

impl<'a> View<'a> {
    pub(crate) fn new(
        mode: ColourMode,
        (width, height): (usize, usize),
        stride: usize,
        dpi: u32,
        data: &'a [u8],
    ) -> Result<Self, BadPage> {
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(BadPage::Size { width, height });
        }
        if !(50..=2_400).contains(&dpi) {
            return Err(BadPage::Dpi { dpi });
        }
        let row = row_bytes(mode, width);
        if stride < row {
            return Err(BadPage::Stride { stride, width });
        }
        let needed = stride * (height - 1) + row;
        if data.len() < needed {
            return Err(BadPage::Short { got: data.len(), height, stride, needed });
        }
        Ok(Self { mode, width, height, stride, dpi, data })
    }

    /// One row without padding.
    pub(crate) fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.stride..][..row_bytes(self.mode, self.width)]
    }

    /// `count` rows from row `from`, as a page of their own.
    pub(crate) fn rows(&self, from: usize, count: usize) -> View<'a> {
        let count = count.min(self.height - from);
        View { height: count, data: &self.data[from * self.stride..], ..*self }
    }

    /// All rows with their padding.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.data
    }

    /// All rows as one piece, if there is no padding between them.
    pub(crate) fn packed(&self) -> Option<&'a [u8]> {
        let row = row_bytes(self.mode, self.width);
        (self.stride == row).then(|| &self.data[..row * self.height])
    }
}

/// Bytes of a row without padding.
pub(crate) fn row_bytes(mode: ColourMode, width: usize) -> usize {
    match mode {
        ColourMode::Lineart => width.div_ceil(8),
        ColourMode::Grey => width,
        ColourMode::Colour => width * 3,
    }
}

/// A page that owns its pixels; rows without padding, laid out as in [`View`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) mode: ColourMode,
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) dpi: u32,
    pub(crate) data: Vec<u8>,
}

impl Image {
    pub(crate) fn view(&self) -> View<'_> {
        let stride = row_bytes(self.mode, self.width);
        View { mode: self.mode, width: self.width, height: self.height, stride, dpi: self.dpi, data: &self.data }
    }
}

/// A reduced grey picture of a page, for looking at.
#[derive(Debug, Clone)]
pub(crate) struct Grey {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Dots per inch after reduction.
    pub(crate) dpi: f32,
    pub(crate) data: Vec<u8>,
}

impl Grey {
    pub(crate) fn row(&self, y: usize) -> &[u8] {
        &self.data[y * self.width..(y + 1) * self.width]
    }
}

/// One bit a pixel → 0 or 255.
pub(crate) fn unpack_lineart(row: &[u8], out: &mut [u8]) {
    for (x, out) in out.iter_mut().enumerate() {
        *out = if row[x / 8] & (0x80 >> (x % 8)) == 0 { 255 } else { 0 };
    }
}
