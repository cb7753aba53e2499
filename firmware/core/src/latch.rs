//! The lid latch: remembers, sample by sample, whether the lid was ever not closed while it was armed.

use platen_protocol::board::{Certificate, Lid, Opening};

/// So many samples in a row that are not closed are an opening. One or two are a spike on the wire: no hand opens and
/// closes a lid in 2 ms.
const OPENING_SAMPLES: u32 = 3;

/// So many samples in a row without paper in the corner are a shift of the paper (the sensor flickers on dark print).
const CORNER_SAMPLES: u32 = 50;

#[derive(Debug)]
pub(crate) struct Latch {
    certificate: Certificate,
    not_closed_run: u32,
    run_broken: bool,
    corner_run: u32,
}

impl Latch {
    pub(crate) fn new(number: u32, at_ms: u32) -> Self {
        let certificate =
            Certificate { number, armed_ms: at_ms, until_ms: at_ms, samples: 0, opened: None, corner_kept: true };
        Self { certificate, not_closed_run: 0, run_broken: false, corner_run: 0 }
    }

    pub(crate) fn number(&self) -> u32 {
        self.certificate.number
    }

    pub(crate) fn certificate(&self) -> Certificate {
        self.certificate
    }

    pub(crate) fn sample(&mut self, at_ms: u32, lid: Lid, in_corner: bool) {
        let c = &mut self.certificate;
        c.until_ms = at_ms;
        c.samples = c.samples.saturating_add(1);

        if lid == Lid::Closed {
            self.not_closed_run = 0;
            self.run_broken = false;
        } else {
            self.not_closed_run = self.not_closed_run.saturating_add(1);
            self.run_broken |= lid == Lid::Broken;
        }
        if self.not_closed_run == OPENING_SAMPLES {
            let first_ms = at_ms.wrapping_sub(c.armed_ms).saturating_sub(OPENING_SAMPLES - 1);
            let opening = c.opened.get_or_insert(Opening { first_ms, samples: 0, broken: false });
            opening.samples = opening.samples.saturating_add(OPENING_SAMPLES);
        } else if self.not_closed_run > OPENING_SAMPLES
            && let Some(opening) = &mut c.opened
        {
            opening.samples = opening.samples.saturating_add(1);
        }
        if let Some(opening) = &mut c.opened {
            opening.broken |= self.run_broken && self.not_closed_run >= OPENING_SAMPLES;
        }

        self.corner_run = if in_corner { 0 } else { self.corner_run.saturating_add(1) };
        c.corner_kept &= self.corner_run < CORNER_SAMPLES;
    }
}
