//! The board's clock in the station's time.
//!
//! A message cannot arrive before it was sent: the smallest distance between board time and arrival that was ever seen is the
//! nearest to the truth. The clocks of both drift apart, so that an old smallest distance is let rise a little.

use std::time::{Duration, Instant};

/// Two crystals differ by at most so many millionths, each by 50.
const DRIFT_PPM: u32 = 100;
/// Board time that goes back, or falls behind by more than any line delays a message, is a restarted board.
const RESTARTED: Duration = Duration::from_secs(5);

/// What is known of the board's clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BoardClock {
    known: Option<Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    /// Board time of the last message, without wraps.
    board: Duration,
    /// When that was, in the station's time, as near as we know.
    station: Instant,
}

impl BoardClock {
    /// Takes a message with board time `at_ms` that arrived at `now`. Answers when it was sent.
    pub(crate) fn hear(&mut self, now: Instant, at_ms: u32) -> Instant {
        let Some(known) = self.known else {
            self.known = Some(Known { board: Duration::from_millis(at_ms.into()), station: now });
            return now;
        };
        let last_ms = known.board.as_millis() as u32;
        let passed = Duration::from_millis(at_ms.wrapping_sub(last_ms).into());
        let slack = passed * DRIFT_PPM / 1_000_000;
        let expected = known.station + passed + slack;
        let back = passed > Duration::from_millis(u64::from(u32::MAX / 2));
        if back || now.saturating_duration_since(expected) > RESTARTED {
            self.known = Some(Known { board: Duration::from_millis(at_ms.into()), station: now });
            return now;
        }
        let station = expected.min(now);
        self.known = Some(Known { board: known.board + passed, station });
        station
    }

    /// When it was `at_ms` on the board, if its clock is known. For times around the last message.
    pub(crate) fn when(&self, at_ms: u32) -> Option<Instant> {
        let known = self.known?;
        let before = (known.board.as_millis() as u32).wrapping_sub(at_ms);
        if before < u32::MAX / 2 {
            known.station.checked_sub(Duration::from_millis(before.into()))
        } else {
            Some(known.station + Duration::from_millis(before.wrapping_neg().into()))
        }
    }

    /// The board was restarted, or lost.
    pub(crate) fn forget(&mut self) {
        self.known = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a board whose true time is known: what is estimated is never early by more than the drift, nor late by more
        /// than the least delay of late.
        #[test]
        fn the_estimate_is_between_the_truth_and_the_least_delay(
            start in any::<u32>(),
            delays in proptest::collection::vec(0u64..40, 5..80),
            ppm in -80i64..80,
        ) {
            let began = Instant::now();
            let mut clock = BoardClock::default();
            let mut least: Option<f64> = None;
            for (i, delay) in delays.iter().enumerate() {
                let true_ms = 250.0 * i as f64;
                let board = start.wrapping_add((true_ms * (1.0 + ppm as f64 / 1e6)) as u32);
                let sent = began + Duration::from_secs_f64(true_ms / 1e3);
                let estimate = clock.hear(sent + Duration::from_millis(*delay), board);
                least = Some(least.map_or(*delay as f64, |least| (least + 0.05).min(*delay as f64)));
                let late = estimate.saturating_duration_since(sent).as_secs_f64() * 1e3;
                let early = sent.saturating_duration_since(estimate).as_secs_f64() * 1e3;
                prop_assert!(early <= 5.0, "early by {early} ms");
                prop_assert!(late <= least.unwrap_or(0.0) + 6.0, "late by {late} ms, least delay {least:?}");
            }
        }
    }

    #[test]
    fn a_restart_begins_anew_and_an_edge_of_a_moment_ago_has_its_time() {
        let began = Instant::now();
        let ms = |ms| Duration::from_millis(ms);
        let mut clock = BoardClock::default();
        clock.hear(began, u32::MAX - 50);
        clock.hear(began + ms(100), 49);
        assert_eq!(clock.when(u32::MAX), Some(began + ms(50)));
        assert_eq!(clock.when(59), Some(began + ms(110)));
        assert_eq!(clock.hear(began + ms(9_000), 3), began + ms(9_000), "its time went back");
        clock.forget();
        assert_eq!(clock.when(3), None);
    }
}
