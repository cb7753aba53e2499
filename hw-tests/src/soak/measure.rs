//! Memory and descriptors of processes that live through the whole shift.

use std::{
    fmt, fs,
    time::{Duration, Instant},
};

/// Between two looks: the pause between two batches is short, and what a process holds in it is to be seen, too.
pub(super) const LOOK: Duration = Duration::from_millis(200);
/// Flat is what has not changed by more, percent. At rest a process holds so little that one preview more is a fifth of it: there
/// so many MiB are no change.
const FLAT: f64 = 5.0;
const AT_REST: f64 = 1.0;

#[derive(Debug)]
pub(super) struct Meter {
    began: Instant,
    length: Duration,
    processes: Vec<(&'static str, u32, Vec<Sample>)>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Duration,
    /// Memory of its own, in KiB.
    memory: u64,
    /// Memory that it shares with the processes that read scans, in KiB.
    shared: u64,
    descriptors: u64,
}

/// How a process was in its second tenth, when everything has been used once, and in its last one, as a straight line through
/// the nine tenths has it: memory is taken for a batch and given back after it, so that one tenth differs from the next
/// by 4 % without growing.
#[derive(Debug)]
pub(super) struct Growth {
    name: &'static str,
    /// MiB at rest: the least of each tenth.
    rest: Ends,
    /// MiB at work.
    work: Ends,
    /// At rest and at work, each tenth: whether they drift or scatter.
    tenths: [Vec<f64>; 2],
    /// MiB shared with the processes that read scans.
    shared: Ends,
    descriptors: Ends,
}

/// At the first and at the last of the tenths.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ends(f64, f64);

impl Ends {
    fn percent(self) -> f64 {
        if self.0 == 0.0 && self.1 == 0.0 { 0.0 } else { (self.1 / self.0 - 1.0) * 100.0 }
    }
}

impl Growth {
    /// Whether it has neither grown nor shrunk: what shrinks for an hour may have been growing in the hour before.
    pub(super) fn is_flat(&self) -> bool {
        // One that ended, or could not be looked at, has not shown that it is.
        if self.tenths.iter().any(|tenths| tenths.len() < 9) {
            return false;
        }
        let is_flat = |ends: Ends| ends.percent().abs() <= FLAT;
        is_flat(self.work)
            && is_flat(self.shared)
            && is_flat(self.descriptors)
            && (is_flat(self.rest) || (self.rest.1 - self.rest.0).abs() <= AT_REST)
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = |Ends(from, to)| format!("{from:.1} → {to:.1} ({:+.1} %)", Ends(from, to).percent());
        let (rest, work, descriptors) = (ends(self.rest), ends(self.work), ends(self.descriptors));
        let [rested, worked] = self
            .tenths
            .each_ref()
            .map(|tenths| tenths.iter().map(|mib| format!("{mib:.1}")).collect::<Vec<_>>().join(" "));
        write!(f, "{:<12} MiB at rest {rest} [{rested}], at work {work} [{worked}], ", self.name)?;
        write!(f, "shared {}; descriptors {descriptors}", ends(self.shared))
    }
}

impl Meter {
    pub(super) fn new(processes: &[(&'static str, u32)], length: Duration) -> Self {
        let processes = processes.iter().map(|&(name, pid)| (name, pid, Vec::new())).collect();
        Self { began: Instant::now(), length, processes }
    }

    pub(super) fn look(&mut self) {
        let at = self.began.elapsed();
        for (_, pid, samples) in &mut self.processes {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let kib = |name| {
                status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok())
            };
            let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |list| list.count() as u64);
            if let (Some(memory), Some(shared)) = (kib("RssAnon:"), kib("RssShmem:")) {
                samples.push(Sample { at, memory, shared, descriptors });
            }
        }
    }

    /// What each holds now, to see a leak before the shift is over.
    pub(super) fn now(&self) -> String {
        let last = self.processes.iter().filter_map(|(name, _, samples)| Some((name, samples.last()?)));
        let told = last.map(|(name, s)| format!("{name} {:.1} MiB, {}", s.memory as f64 / 1024.0, s.descriptors));
        told.collect::<Vec<_>>().join("; ")
    }

    pub(super) fn growth(&self) -> Vec<Growth> {
        let growth = self.processes.iter().map(|(name, _, samples)| {
            let points = |of: fn(&Sample) -> u64, value: &dyn Fn(&[u64]) -> Option<u64>, unit: f64| {
                let look = |tenth: u32| {
                    let (from, to) = (self.length * tenth / 10, self.length * (tenth + 1) / 10);
                    let to = if tenth == 9 { Duration::MAX } else { to };
                    let mut looks: Vec<_> = samples.iter().filter(|s| (from..to).contains(&s.at)).map(of).collect();
                    looks.sort_unstable();
                    value(&looks).map(|value| (f64::from(tenth), value as f64 / unit))
                };
                (1..10).filter_map(look).collect::<Vec<_>>()
            };
            let mut all: Vec<_> = samples.iter().filter(|s| s.at >= self.length / 10).map(|s| s.memory).collect();
            all.sort_unstable();
            let half = least(&all).zip(most(&all)).map_or(0, |(least, most)| least.midpoint(most));
            let rest = points(|s| s.memory, &least, 1024.0);
            let work = points(|s| s.memory, &|looks| at_work(looks, half), 1024.0);
            Growth {
                name,
                rest: ends_of_line(&rest),
                work: ends_of_line(&work),
                tenths: [rest, work].map(|points| points.into_iter().map(|(_, mib)| mib).collect()),
                shared: ends_of_line(&points(|s| s.shared, &most, 1024.0)),
                descriptors: ends_of_line(&points(|s| s.descriptors, &most, 1.0)),
            }
        });
        growth.collect()
    }
}

/// The least of some looks, which are in their order.
fn least(looks: &[u64]) -> Option<u64> {
    looks.first().copied()
}

/// What nine of ten looks, which are in their order, stayed below.
fn most(looks: &[u64]) -> Option<u64> {
    looks.get(looks.len() * 9 / 10).copied()
}

/// The middle of the looks at work: those above `half` of what the whole shift has at rest and at its most. Of all looks the
/// middle would be a matter of how long batches take, and the most one of how often two pages are made at once.
fn at_work(looks: &[u64], half: u64) -> Option<u64> {
    let work = &looks[looks.partition_point(|&look| look < half)..];
    work.get(work.len() / 2).copied()
}

/// The least-squares line through some points, at the first and at the last of them.
fn ends_of_line(points: &[(f64, f64)]) -> Ends {
    let n = points.len().max(1) as f64;
    let (x_mean, y_mean) = points.iter().fold((0.0, 0.0), |(sx, sy), (x, y)| (sx + x / n, sy + y / n));
    let spread: f64 = points.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    let slope = points.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum::<f64>() / spread.max(f64::MIN_POSITIVE);
    let at = |end: Option<&(f64, f64)>| end.map_or(0.0, |(x, _)| y_mean + slope * (x - x_mean));
    Ends(at(points.first()), at(points.last()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shift(memory: impl Fn(u64) -> u64) -> Growth {
        let mut meter = Meter::new(&[("desk", 0)], Duration::from_secs(3_600));
        meter.processes[0].2 = (0..720)
            .map(|i| Sample { at: Duration::from_secs(5 * i), memory: memory(i), shared: 0, descriptors: 30 })
            .collect();
        meter.growth().remove(0)
    }

    /// Taken for each batch of 70 s and given back after it, with scatter.
    fn batches(i: u64) -> u64 {
        let scatter = (i / 14 * 1_657) % 4_000;
        if i % 14 < 10 { 48_000 + scatter } else { 9_000 }
    }

    #[test]
    fn what_is_given_back_is_no_growth() {
        let growth = shift(batches);
        assert!(growth.work.percent().abs() < 2.0 && growth.rest.percent() == 0.0 && growth.is_flat(), "{growth}");
        assert_eq!(growth.descriptors.percent(), 0.0);
    }

    #[test]
    fn a_leak_of_a_tenth_in_the_hour_is_seen_through_the_batches() {
        let growth = shift(|i| batches(i) + i * 5_000 / 720);
        assert!((6.0..12.0).contains(&growth.work.percent()) && !growth.is_flat(), "{growth}");
    }

    #[test]
    fn how_often_two_pages_are_made_at_once_is_no_growth() {
        // In the last tenths in three of twenty looks.
        let growth = shift(|i| match i % 20 {
            0..3 if i > 500 => 92_000,
            n if n < 14 => 48_000,
            _ => 9_000,
        });
        assert!(growth.work.percent() == 0.0 && growth.is_flat(), "{growth}");
    }

    #[test]
    fn what_was_not_looked_at_is_not_flat() {
        let nobody = Meter::new(&[("desk", 0)], Duration::from_secs(3_600)).growth().remove(0);
        assert!(!nobody.is_flat(), "{nobody}");
        let mut meter = Meter::new(&[("desk", 0)], Duration::from_secs(3_600));
        let looks =
            (0..360).map(|i| Sample { at: Duration::from_secs(5 * i), memory: 9_000, shared: 0, descriptors: 30 });
        meter.processes[0].2 = looks.collect();
        let ended = meter.growth().remove(0);
        assert!(!ended.is_flat(), "{ended}");
    }

    #[test]
    fn a_small_leak_is_seen_at_rest_though_batches_take_less_and_less() {
        let growth = shift(|i| 2 * i + if i % 14 < 10 { 48_000 - 3 * i } else { 9_000 });
        assert!(growth.work.percent() < 0.0 && !growth.is_flat(), "{growth}");
    }

    #[test]
    fn what_warms_up_within_the_first_tenth_is_no_growth() {
        let growth = shift(|i| if i < 70 { i * 500 } else { 50_000 });
        assert!(growth.work.percent().abs() < 0.1 && growth.is_flat(), "{growth}");
    }
}
