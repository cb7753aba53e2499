//! The lid latch: remembers, sample by sample, whether what it watches was ever not as it must be while it was armed.

use platen_protocol::board::{Certificate, Lid, Opening, Uncovered, Watch};

/// So many samples in a row that are not closed are an opening. One or two are a spike on the wire: no hand opens and
/// closes a lid in 2 ms.
const OPENING_SAMPLES: u32 = 3;

/// So many samples in a row without paper in the corner are a shift of the paper (the sensor flickers on dark print).
const UNCOVERED_SAMPLES: u32 = 50;

#[derive(Debug)]
pub(crate) struct Latch {
    watch: Watch,
    certificate: Certificate,
    not_closed_run: u32,
    broken_run: u32,
    uncovered_run: u32,
}

impl Latch {
    pub(crate) fn new(number: u32, watch: Watch, at_ms: u32) -> Self {
        let certificate = Certificate {
            number,
            armed_ms: at_ms,
            until_ms: at_ms,
            samples: 0,
            longest_gap_ms: 0,
            opened: None,
            uncovered: None,
        };
        Self { watch, certificate, not_closed_run: 0, broken_run: 0, uncovered_run: 0 }
    }

    pub(crate) fn number(&self) -> u32 {
        self.certificate.number
    }

    pub(crate) fn certificate(&self) -> Certificate {
        self.certificate
    }

    pub(crate) fn sample(&mut self, at_ms: u32, lid: Lid, in_corner: bool) {
        let c = &mut self.certificate;
        c.longest_gap_ms = c.longest_gap_ms.max(at_ms.wrapping_sub(c.until_ms));
        c.until_ms = at_ms;
        c.samples = c.samples.saturating_add(1);
        if self.watch.lid() {
            self.sample_lid(at_ms, lid);
        }
        if self.watch.corner() {
            self.sample_corner(at_ms, in_corner);
        }
    }

    fn sample_lid(&mut self, at_ms: u32, lid: Lid) {
        let c = &mut self.certificate;
        let run = if lid == Lid::Closed { 0 } else { self.not_closed_run.saturating_add(1) };
        self.broken_run = if lid == Lid::Broken { self.broken_run.saturating_add(1) } else { 0 };
        self.not_closed_run = run;
        if run < OPENING_SAMPLES {
            return;
        }
        let first_ms = at_ms.wrapping_sub(c.armed_ms).saturating_sub(OPENING_SAMPLES - 1);
        let opening = c.opened.get_or_insert(Opening { first_ms, samples: 0, times: 0, broken: false });
        if run == OPENING_SAMPLES {
            opening.samples = opening.samples.saturating_add(OPENING_SAMPLES);
            opening.times = opening.times.saturating_add(1);
        } else {
            opening.samples = opening.samples.saturating_add(1);
        }
        opening.broken |= self.broken_run >= u32::from(crate::TRAVEL_MS);
    }

    fn sample_corner(&mut self, at_ms: u32, in_corner: bool) {
        let c = &mut self.certificate;
        let run = if in_corner { 0 } else { self.uncovered_run.saturating_add(1) };
        self.uncovered_run = run;
        if run < UNCOVERED_SAMPLES {
            return;
        }
        let first_ms = at_ms.wrapping_sub(c.armed_ms).saturating_sub(UNCOVERED_SAMPLES - 1);
        let uncovered = c.uncovered.get_or_insert(Uncovered { first_ms, samples: 0 });
        let more = if run == UNCOVERED_SAMPLES { UNCOVERED_SAMPLES } else { 1 };
        uncovered.samples = uncovered.samples.saturating_add(more);
    }
}
