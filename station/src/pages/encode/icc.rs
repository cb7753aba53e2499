//! Colour profiles (ICC.1): sRGB for colour, a gamma of 2.2 for grey. Scanners give what is meant to be seen as that; a
//! device's own profile would have to be measured with a target.

use super::EncodeError;
use moxcms::{ColorDateTime, ColorProfile};
use platen_protocol::uplink::ColourMode;

/// When the profiles are said to have been made.
const MADE: ColorDateTime =
    ColorDateTime { year: 2026, month: 1, day_of_the_month: 1, hours: 0, minutes: 0, seconds: 0 };

/// The profile of pages in a mode; lineart has none.
pub(super) fn profile(mode: ColourMode) -> Result<Option<Vec<u8>>, EncodeError> {
    let mut profile = match mode {
        ColourMode::Colour => ColorProfile::new_srgb(),
        ColourMode::Grey => ColorProfile::new_gray_with_gamma(2.2),
        ColourMode::Lineart => return Ok(None),
    };
    // The same page gives the same bytes, whenever it is made.
    profile.creation_date_time = MADE;
    profile.encode().map(Some).map_err(|error| EncodeError::Icc(error.to_string()))
}
