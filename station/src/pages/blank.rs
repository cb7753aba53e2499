//! Whether anything is written on a page.

use super::ink::InkMap;

/// Ink weaker than this is the paper's grain or print showing through.
const WRITTEN: u8 = 8;
/// A page with fewer inked pixels than this share is blank: about one 12-point full stop on A4.
const SHARE: f64 = 0.000_02;

pub(crate) fn is_blank(ink: &InkMap) -> bool {
    let inked = ink.coarse.data.iter().filter(|&&v| v > WRITTEN).count();
    (inked as f64) < ink.coarse.data.len() as f64 * SHARE
}
