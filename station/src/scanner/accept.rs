//! When a page is complete: the one rule, as a pure function. Source: `sane.md`, decision 4.

use super::{Dpi, Fault, Layout};
use platen_protocol::uplink::ColourMode;
use sane_sys::{Parameters, frame};

/// How a transfer ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// `SANE_STATUS_EOF` came.
    pub(crate) eof: bool,
    /// A cancel was asked for while the page came.
    pub(crate) cancelled: bool,
    /// Bytes received.
    pub(crate) bytes: u64,
}

/// A flat tail shorter than this many lines may be the page's own lower margin.
const TAIL_LINES: usize = 16;
/// The grey that decoders leave when a JPEG breaks off: 0x80, give or take the conversion to RGB.
const FILL: std::ops::RangeInclusive<u8> = 0x7e..=0x82;

/// Checks the layout that a device announces against what was asked for.
pub(crate) fn layout(p: &Parameters, mode: ColourMode, dpi: Dpi) -> Result<Layout, Fault> {
    let mismatch =
        |option: &str, asked: String, took: String| Err(Fault::Mismatch { option: option.into(), asked, took });
    let (format, depth) = match mode {
        ColourMode::Lineart => (frame::GRAY, 1),
        ColourMode::Grey => (frame::GRAY, 8),
        ColourMode::Colour => (frame::RGB, 8),
    };
    if p.last_frame == 0 || p.format > frame::RGB {
        return Err(Fault::Unsupported {
            what: "the scanner sends colour in three passes, which is not supported".into(),
        });
    }
    if p.format != format {
        return mismatch("frame format", format!("{mode:?}"), format!("SANE frame {}", p.format));
    }
    if p.depth != depth {
        return mismatch("depth", format!("{depth} bit"), format!("{} bit", p.depth));
    }
    let width = u32::try_from(p.pixels_per_line).ok().filter(|&w| w > 0);
    let stride = usize::try_from(p.bytes_per_line).ok();
    let (Some(width), Some(stride)) = (width, stride) else {
        return Err(Fault::DeviceIo { what: format!("the scanner announces a line of {} pixels", p.pixels_per_line) });
    };
    let needed = row_bytes(mode, width);
    if stride < needed {
        return mismatch("bytes a line", format!("at least {needed}"), stride.to_string());
    }
    Ok(Layout { mode, width, height: u32::try_from(p.lines).unwrap_or(0), stride, dpi })
}

/// Bytes of a row without padding.
pub(crate) fn row_bytes(mode: ColourMode, width: u32) -> usize {
    match mode {
        ColourMode::Lineart => width.div_ceil(8) as usize,
        ColourMode::Grey => width as usize,
        ColourMode::Colour => width as usize * 3,
    }
}

/// Whether a transfer is a whole page. `announced` has height 0 where the device did not know it (`lines = −1`).
/// Answers the layout with the height that came.
pub(crate) fn complete(announced: Layout, ended: Ended, data: &[u8]) -> Result<Layout, Fault> {
    if ended.cancelled {
        return Err(Fault::Cancelled);
    }
    let stride = announced.stride as u64;
    let expected = match announced.height {
        0 => format!("a whole number of lines of {stride}"),
        lines => format!("{lines} lines of {stride}"),
    };
    let whole = ended.bytes.is_multiple_of(stride) && ended.bytes > 0;
    let height = u32::try_from(ended.bytes / stride).unwrap_or(u32::MAX);
    if !ended.eof || !whole || (announced.height != 0 && height != announced.height) {
        return Err(Fault::Truncated { got: ended.bytes, expected });
    }
    let layout = Layout { height, ..announced };
    match filled_from(layout, data) {
        Some(line) => Err(Fault::FlatTail { line, of: height }),
        None => Ok(layout),
    }
}

/// The line from which the page is a decoder's fill: flat grey to the end, beginning abruptly at full width. A page that
/// is flat as a whole is blank, not broken. White or black tails are what feeders and lids look like below the sheet.
fn filled_from(layout: Layout, data: &[u8]) -> Option<u32> {
    if layout.mode == ColourMode::Lineart {
        return None;
    }
    let row_len = row_bytes(layout.mode, layout.width);
    let row = |y: usize| data.get(y * layout.stride..y * layout.stride + row_len).unwrap_or_default();
    let height = layout.height as usize;
    let fill = *row(height.checked_sub(1)?).first().filter(|v| FILL.contains(v))?;
    let is_flat = |y: &usize| row(*y).iter().all(|v| v.abs_diff(fill) <= 1);
    let tail = (0..height).rev().take_while(is_flat).count();
    if tail < TAIL_LINES || tail == height {
        return None;
    }
    let first = height - tail;
    let above = row(first - 1);
    let different = above.iter().filter(|v| v.abs_diff(fill) > 1).count();
    (different * 10 >= above.len() * 9).then_some(u32::try_from(first).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Ended = Ended { eof: true, cancelled: false, bytes: 6_000 };
    const GREY: Layout = Layout { mode: ColourMode::Grey, width: 58, height: 100, stride: 60, dpi: Dpi::D300 };

    fn textured() -> Vec<u8> {
        (0..6_000u32).map(|i| 200 + (i.wrapping_mul(2_654_435_761) >> 28) as u8).collect()
    }

    #[test]
    fn a_whole_page_is_complete_with_padding_and_with_an_unknown_height() {
        assert_eq!(complete(GREY, WHOLE, &textured()), Ok(GREY));
        assert_eq!(complete(Layout { height: 0, ..GREY }, WHOLE, &textured()), Ok(GREY));
    }

    #[test]
    fn a_page_cut_short_cancelled_or_without_an_end_is_not() {
        let cut = Ended { bytes: 5_940, ..WHOLE };
        assert!(matches!(complete(GREY, cut, &textured()), Err(Fault::Truncated { got: 5_940, .. })));
        let within_a_line = Ended { bytes: 5_999, ..WHOLE };
        assert!(complete(Layout { height: 0, ..GREY }, within_a_line, &textured()).is_err());
        assert!(complete(Layout { height: 0, ..GREY }, Ended { bytes: 0, ..WHOLE }, &[]).is_err());
        assert_eq!(complete(GREY, Ended { cancelled: true, ..WHOLE }, &textured()), Err(Fault::Cancelled));
        assert!(complete(GREY, Ended { eof: false, ..WHOLE }, &textured()).is_err());
    }

    #[test]
    fn a_decoders_fill_is_found_at_its_first_line() {
        let mut page = textured();
        page[40 * 60..].fill(0x80);
        assert_eq!(complete(GREY, WHOLE, &page), Err(Fault::FlatTail { line: 40, of: 100 }));
    }

    #[test]
    fn a_flat_page_a_white_foot_and_a_grey_foot_that_fades_in_are_not_a_fill() {
        assert!(complete(GREY, WHOLE, &[0x80; 6_000]).is_ok(), "flat as a whole: blank");
        assert!(complete(GREY, WHOLE, &[0; 6_000]).is_ok(), "the test backend's default picture");
        let mut white = textured();
        white[40 * 60..].fill(255);
        assert!(complete(GREY, WHOLE, &white).is_ok());
        let mut faded = textured();
        faded[40 * 60 - 40..].fill(0x80);
        assert!(complete(GREY, WHOLE, &faded).is_ok(), "the edge is not abrupt over the full width");
    }

    #[test]
    fn an_announced_layout_must_be_what_was_asked_for() {
        let good =
            Parameters { format: 1, last_frame: 1, bytes_per_line: 300, pixels_per_line: 100, lines: -1, depth: 8 };
        let taken = layout(&good, ColourMode::Colour, Dpi::D300);
        assert_eq!(taken.map(|l| (l.height, l.stride)), Ok((0, 300)));
        assert!(layout(&good, ColourMode::Grey, Dpi::D300).is_err());
        assert!(layout(&Parameters { depth: 16, ..good }, ColourMode::Colour, Dpi::D300).is_err());
        assert!(layout(&Parameters { bytes_per_line: 299, ..good }, ColourMode::Colour, Dpi::D300).is_err());
        assert!(layout(&Parameters { pixels_per_line: -1, ..good }, ColourMode::Colour, Dpi::D300).is_err());
        assert!(layout(&Parameters { last_frame: 0, format: 2, ..good }, ColourMode::Colour, Dpi::D300).is_err());
    }
}
