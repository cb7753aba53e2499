//! Colour profiles (ICC.1): the one that a file brought, or else sRGB for colour, a gamma of 2.2 for grey. Scanners give what is
//! meant to be seen as that; a device's own profile would have to be measured with a target.

use super::{EncodeError, Metadata};
use moxcms::ColorProfile;
use platen_protocol::uplink::ColourMode;

/// Where a profile's head says when it was made, and what ours say (ICC.1, 7.2.8: six numbers of 16 bits): the library writes the
/// time of writing, and the same page must give the same bytes whenever it is made.
const MADE_AT: usize = 24;
const MADE: [u16; 6] = [2026, 1, 1, 0, 0, 0];

/// The profile of a page in a mode; lineart has none.
pub(super) fn profile(mode: ColourMode, metadata: &Metadata) -> Result<Option<Vec<u8>>, EncodeError> {
    if metadata.icc.is_some() {
        return Ok(metadata.icc.clone());
    }
    let profile = match mode {
        ColourMode::Colour => ColorProfile::new_srgb(),
        ColourMode::Grey => ColorProfile::new_gray_with_gamma(2.2),
        ColourMode::Lineart => return Ok(None),
    };
    let mut bytes = profile.encode().map_err(|error| EncodeError::Icc(error.to_string()))?;
    for (place, number) in bytes[MADE_AT..].as_chunks_mut::<2>().0.iter_mut().zip(MADE) {
        *place = number.to_be_bytes();
    }
    Ok(Some(bytes))
}
