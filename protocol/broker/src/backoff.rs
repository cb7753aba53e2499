//! When to try again: later each time, and not all at once.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// How long to wait before the next attempt.
///
/// The wait doubles from half a second to half a minute; of that, a random part between a half and the whole is waited, so
/// that a hundred stations do not come back in the same moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
}

/// A number for [`Backoff::failed`], other for each process and each moment. It is no secret.
#[must_use]
pub fn random() -> u32 {
    RandomState::new().hash_one(0) as u32
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(500);
    const MOST: Duration = Duration::from_secs(30);

    /// One more attempt has failed. `random` is any number, other for each client.
    pub fn failed(&mut self, random: u32) -> Duration {
        let whole = Self::FIRST.saturating_mul(1 << self.failures.min(16)).min(Self::MOST);
        self.failures += 1;
        whole / 2 + (whole / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// An attempt has led to something: the next failure is the first.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_wait_grows_to_half_a_minute_and_never_below_a_half_of_its_step(randoms in proptest::collection::vec(any::<u32>(), 1..40)) {
            let mut backoff = Backoff::default();
            for (n, random) in randoms.into_iter().enumerate() {
                let step = 0.5 * 2f64.powi(n.min(20) as i32);
                let wait = backoff.failed(random).as_secs_f64();
                let whole = step.min(30.0);
                prop_assert!(wait >= whole / 2.0 - 1e-6 && wait <= whole + 1e-6, "{n}: {wait}");
            }
            backoff.succeeded();
            prop_assert!(backoff.failed(u32::MAX) <= Duration::from_millis(500));
        }
    }
}
