//! When something happens: by the clock on the wall, which can be set, and by one that nobody sets.

use jiff::Timestamp;
use platen_protocol::uplink::Monotonic;
use rustix::time::{ClockId, clock_gettime};
use std::{sync::LazyLock, time::Duration};

/// Beyond this a difference is no reading error and no correction by small steps.
const JUMP_MS: i64 = 500;
/// Both clocks are read within this, so that they speak of the same moment.
const AT_ONCE: Duration = Duration::from_millis(2);

/// One moment on both clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at: Timestamp,
    pub(crate) monotonic: Monotonic,
}

impl Moment {
    pub(crate) fn now() -> Self {
        let mut before = since_boot();
        let mut at = Timestamp::now();
        for _ in 0..8 {
            let after = since_boot();
            if after.saturating_sub(before) <= AT_ONCE {
                break;
            }
            // Something else ran between the two.
            (before, at) = (after, Timestamp::now());
        }
        let ms = u64::try_from(before.as_millis()).unwrap_or(u64::MAX);
        Self { at, monotonic: Monotonic { boot: BOOT.clone(), ms } }
    }

    /// The moment that was so long before this one.
    pub(crate) fn before(self, ago: Duration) -> Self {
        let Monotonic { boot, ms } = self.monotonic;
        let ms = ms.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX));
        // Before the clock's first instant there is none.
        Self { at: self.at.checked_sub(ago).unwrap_or(self.at), monotonic: Monotonic { boot, ms } }
    }

    /// What the wall clock is ahead of the other, in milliseconds.
    fn offset(&self) -> i64 {
        self.at.as_millisecond().saturating_sub(i64::try_from(self.monotonic.ms).unwrap_or(i64::MAX))
    }
}

/// The kernel's name of this start of the machine, its first eight digits; without one, a name for this run.
static BOOT: LazyLock<String> = LazyLock::new(|| {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id: String = id.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    if id.len() == 8 { id } else { format!("{:x}-{:x}", std::process::id(), Timestamp::now().as_millisecond()) }
});

fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    // It begins at 0 and cannot fail on Linux.
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Notices when the wall clock was set.
#[derive(Debug, Default)]
pub(crate) struct Steady {
    last: Option<Moment>,
}

impl Steady {
    /// Goes on from the last moment that an earlier run has written down.
    pub(crate) fn after(last: Option<Moment>) -> Self {
        Self { last }
    }

    /// By how many milliseconds the wall clock was set since it was looked at last. Over a restart of the machine only a clock
    /// that is behind what was written down is certain to be wrong.
    pub(crate) fn see(&mut self, now: &Moment) -> Option<i64> {
        let last = self.last.replace(now.clone())?;
        if last.monotonic.boot == now.monotonic.boot {
            let moved = now.offset().saturating_sub(last.offset());
            return (moved.abs() > JUMP_MS).then_some(moved);
        }
        let behind = now.at.as_millisecond().saturating_sub(last.at.as_millisecond());
        (behind < 0).then_some(behind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(wall_ms: i64, boot: &str, ms: u64) -> Moment {
        let at = Timestamp::from_millisecond(wall_ms).unwrap();
        Moment { at, monotonic: Monotonic { boot: boot.into(), ms } }
    }

    #[test]
    fn both_clocks_run_at_the_same_speed() {
        let mut steady = Steady::default();
        assert_eq!(steady.see(&Moment::now()), None);
        assert_eq!(steady.see(&Moment::now()), None);
        let (a, b) = (Moment::now(), Moment::now());
        assert!(b.monotonic.since(&a.monotonic).is_some_and(|ms| ms < 10_000));
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_once_and_small_corrections_are_not() {
        let mut steady = Steady::after(Some(moment(1_000_000, "a", 5_000)));
        assert_eq!(steady.see(&moment(1_001_200, "a", 6_000)), None, "0.2 s");
        assert_eq!(steady.see(&moment(4_602_200, "a", 7_000)), Some(3_600_000));
        assert_eq!(steady.see(&moment(4_603_200, "a", 8_000)), None);
        assert_eq!(steady.see(&moment(4_500_000, "a", 9_000)), Some(-104_200));
        // The machine was off: time may have passed, but not backwards.
        assert_eq!(steady.see(&moment(9_000_000, "b", 10)), None);
        assert_eq!(steady.see(&moment(3_000, "c", 10)), Some(-8_997_000));
    }
}
