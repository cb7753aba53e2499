//! The page as it is delivered: straightened, encoded and shown, in one pass over its strips.

use super::{
    Findings, Profile, View,
    encode::{EncodeError, Encoder, Metadata},
    geometry::Image,
    preview::Preview,
    proof::Proof,
    turn,
};
use platen_protocol::uplink::ColourMode;

/// What leaves the pipeline.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// The file: TIFF for lineart, for the rest what the profile says.
    pub(crate) file: Vec<u8>,
    /// A small picture for the screen, if it was asked for.
    pub(crate) preview: Option<Image>,
}

/// Straightens `page` as was found and encodes it as `profile` asks. If ink of the scan is missing on the result, the result
/// is refused, and the page delivered as it was scanned; `findings` then say so.
#[inline(never)] // counted by `make bench`
pub(crate) fn deliver(
    page: &View<'_>,
    findings: &mut Findings,
    profile: &Profile,
    with_preview: bool,
    metadata: impl Fn(&Findings) -> Metadata,
) -> Result<Delivered, EncodeError> {
    match attempt(page, findings, profile, with_preview, &metadata) {
        Ok(Some(made)) => return Ok(made),
        // Turned, it is too large for a file.
        Ok(None) | Err(EncodeError::Size(..)) => {}
        Err(error) => return Err(error),
    }
    findings.refuse(page);
    attempt(page, findings, profile, with_preview, &metadata)?.ok_or(EncodeError::Strips)
}

/// Nothing if ink is missing on the result.
fn attempt(
    page: &View<'_>,
    findings: &mut Findings,
    profile: &Profile,
    with_preview: bool,
    metadata: impl Fn(&Findings) -> Metadata,
) -> Result<Option<Delivered>, EncodeError> {
    let canvas = findings.fit.canvas;
    let size @ (width, height) = (canvas.width, canvas.height);
    let mut preview = with_preview.then(|| Preview::new(page.mode, size, page.dpi));
    let mut proof = Proof::new(&findings.marks, &canvas, page.dpi, findings.paper);
    let mut file = Encoder::new(page.mode, size, page.dpi, profile)?;
    let untouched = canvas == turn::Canvas::whole(page);
    // What is not turned is copied: chroma would be averaged first and moved afterwards.
    if page.mode == ColourMode::Colour && file.takes_planes() && canvas.degrees != 0.0 {
        turn::planes(page, &canvas, findings.paper, |strip| {
            preview.iter_mut().for_each(|small| small.planes(&strip));
            proof.strip(&strip.luma);
            file.planes(&strip)
        })?;
    } else {
        turn::strips(page, &canvas, findings.paper, |strip| {
            preview.iter_mut().for_each(|small| small.strip(&strip));
            proof.strip(&strip);
            file.strip(&strip)
        })?;
    }
    findings.proved = Some((proof.looked, proof.lost()));
    // What was not touched has lost nothing.
    if !proof.holds() && !untouched {
        return Ok(None);
    }
    let file = file.finish(&metadata(findings))?;
    Ok(Some(Delivered { width, height, file, preview: preview.map(Preview::finish) }))
}
