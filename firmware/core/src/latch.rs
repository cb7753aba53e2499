//! The lid latch: remembers, sample by sample, whether what it watches was ever not as it must be while it was armed.

use platen_protocol::board::{Certificate, Lid, Opening, Uncovered, Watch};

/// Samples in a row that are not closed are an opening if first and last lie so far apart, in ms: three of them, or fewer
/// where some were late. One or two are a spike on the wire: no hand opens and closes a lid in 2 ms.
const OPENING_MS: u32 = 2;

/// The same for samples without paper in the corner (the sensor flickers on dark print).
const UNCOVERED_MS: u32 = 49;

#[derive(Debug)]
pub(crate) struct Latch {
    watch: Watch,
    certificate: Certificate,
    not_closed: Run,
    broken: Run,
    uncovered: Run,
}

/// Samples in a row that are not as they must be. Measured by time, not counted: a board that was late takes several samples
/// in one moment, which show one moment.
#[derive(Debug, Default)]
struct Run {
    first: Option<u32>,
    /// Milliseconds of this run that were told.
    told: u32,
}

impl Run {
    /// Takes one sample; answers when the run began and how many of its milliseconds were not told yet, once it lasts.
    fn sample(&mut self, at_ms: u32, bad: bool, lasts_ms: u32) -> Option<(u32, u32)> {
        if !bad {
            *self = Self::default();
            return None;
        }
        let first = *self.first.get_or_insert(at_ms);
        let spans = at_ms.wrapping_sub(first);
        if spans < lasts_ms {
            return None;
        }
        // After 49 days the span begins anew.
        let more = spans.saturating_add(1).saturating_sub(self.told);
        self.told = self.told.saturating_add(more);
        Some((first, more))
    }

    /// Whether it was told for the first time by the last sample.
    fn is_new(&self, more: u32) -> bool {
        self.told == more
    }
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
        let (not_closed, broken, uncovered) = Default::default();
        Self { watch, certificate, not_closed, broken, uncovered }
    }

    pub(crate) fn number(&self) -> u32 {
        self.certificate.number
    }

    /// What it can say when it is asked at `at_ms`: what came after the last sample was not watched.
    pub(crate) fn certificate(&self, at_ms: u32) -> Certificate {
        let unseen = at_ms.wrapping_sub(self.certificate.until_ms);
        Certificate { longest_gap_ms: self.certificate.longest_gap_ms.max(unseen), ..self.certificate }
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
        let broken = self.broken.sample(at_ms, lid == Lid::Broken, u32::from(crate::TRAVEL_MS) - 1).is_some();
        if let Some((first, more)) = self.not_closed.sample(at_ms, lid != Lid::Closed, OPENING_MS) {
            let first_ms = first.wrapping_sub(c.armed_ms);
            let opening = c.opened.get_or_insert(Opening { first_ms, samples: 0, times: 0, broken: false });
            opening.samples = opening.samples.saturating_add(more);
            opening.times = opening.times.saturating_add(self.not_closed.is_new(more).into());
            opening.broken |= broken;
        }
    }

    fn sample_corner(&mut self, at_ms: u32, in_corner: bool) {
        let c = &mut self.certificate;
        if let Some((first, more)) = self.uncovered.sample(at_ms, !in_corner, UNCOVERED_MS) {
            let first_ms = first.wrapping_sub(c.armed_ms);
            let uncovered = c.uncovered.get_or_insert(Uncovered { first_ms, samples: 0 });
            uncovered.samples = uncovered.samples.saturating_add(more);
        }
    }
}
