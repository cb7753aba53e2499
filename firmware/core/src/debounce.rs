//! An input is believed when it has been the same for a while.

/// A value and how long another one has been seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Debounced<T> {
    believed: T,
    candidate: T,
    seen: u8,
}

impl<T: Copy + Eq> Debounced<T> {
    pub(crate) const fn new(now: T) -> Self {
        Self { believed: now, candidate: now, seen: 0 }
    }

    pub(crate) fn get(&self) -> T {
        self.believed
    }

    /// Takes one sample; answers the new value in the moment it is believed, after `need` equal samples.
    pub(crate) fn sample(&mut self, value: T, need: u8) -> Option<T> {
        if value == self.believed {
            self.seen = 0;
            self.candidate = value;
            return None;
        }
        self.seen = if value == self.candidate { self.seen.saturating_add(1) } else { 1 };
        self.candidate = value;
        if self.seen < need {
            return None;
        }
        Some(self.believe(value))
    }

    /// Believes it at once.
    pub(crate) fn believe(&mut self, value: T) -> T {
        (self.believed, self.candidate, self.seen) = (value, value, 0);
        value
    }
}
