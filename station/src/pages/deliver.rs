//! The page as it is delivered: straightened, encoded and shown, in one pass over its strips.

use super::{
    Findings, View,
    encode::{self, EncodeError, Jpeg, Metadata},
    geometry::Image,
    preview::Preview,
    turn,
};
use platen_protocol::uplink::ColourMode;

/// What leaves the pipeline.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// The file: TIFF for lineart, JPEG for the rest.
    pub(crate) file: Vec<u8>,
    /// A small picture for the screen, if it was asked for.
    pub(crate) preview: Option<Image>,
}

/// Straightens `page` as was found and encodes it.
pub(crate) fn deliver(
    page: &View<'_>,
    findings: &Findings,
    quality: u8,
    with_preview: bool,
    metadata: &Metadata,
) -> Result<Delivered, EncodeError> {
    let canvas = findings.fit.canvas;
    let size @ (width, height) = (canvas.width, canvas.height);
    let mut preview = with_preview.then(|| Preview::new(page.mode, size, page.dpi));
    let file = if page.mode == ColourMode::Lineart {
        let whole = turn::whole(page, &canvas, findings.paper);
        preview.iter_mut().for_each(|small| small.strip(&whole.view()));
        let mut file = std::io::Cursor::new(Vec::new());
        encode::tiff(&mut file, &whole.view(), metadata)?;
        file.into_inner()
    } else {
        let mut jpeg = Jpeg::new(size, page.dpi, quality)?;
        turn::strips(page, &canvas, findings.paper, |strip| {
            preview.iter_mut().for_each(|small| small.strip(&strip));
            jpeg.strip(&strip)
        })?;
        jpeg.finish(metadata)?
    };
    Ok(Delivered { width, height, file, preview: preview.map(Preview::finish) })
}
