//! Memory and descriptors of processes that live through the whole shift.

use std::{
    fmt, fs,
    time::{Duration, Instant},
};

/// Between two looks: the pause between two batches is short, and what a process holds in it is to be seen, too.
const LOOK: Duration = Duration::from_secs(1);
/// Flat is what has not grown by more, percent. At rest a process holds so little that one preview more is a fifth of it: there
/// so many MiB are no growth.
const FLAT: f64 = 5.0;
const AT_REST: f64 = 1.0;

#[derive(Debug)]
pub(super) struct Meter {
    began: Instant,
    length: Duration,
    looked: Option<Instant>,
    processes: Vec<(&'static str, u32, Vec<Sample>)>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Duration,
    /// Memory of its own, in KiB.
    memory: u64,
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
    /// MiB at work: nine of ten looks stayed below. Not the median, which is a matter of how long batches take.
    work: Ends,
    descriptors: Ends,
}

/// At the first and at the last of the tenths.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ends(f64, f64);

impl Ends {
    fn percent(self) -> f64 {
        (self.1 / self.0 - 1.0) * 100.0
    }
}

impl Growth {
    /// Whether it has not grown; what it gave back is no fault.
    pub(super) fn is_flat(&self) -> bool {
        let is_flat = |ends: Ends| ends.percent() <= FLAT;
        is_flat(self.work) && is_flat(self.descriptors) && (is_flat(self.rest) || self.rest.1 - self.rest.0 <= AT_REST)
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = |Ends(from, to)| format!("{from:.1} → {to:.1} ({:+.1} %)", Ends(from, to).percent());
        let (rest, work, descriptors) = (ends(self.rest), ends(self.work), ends(self.descriptors));
        write!(f, "{:<12} MiB at rest {rest}, at work {work}; descriptors {descriptors}", self.name)
    }
}

impl Meter {
    pub(super) fn new(processes: &[(&'static str, u32)], length: Duration) -> Self {
        let processes = processes.iter().map(|&(name, pid)| (name, pid, Vec::new())).collect();
        Self { began: Instant::now(), length, looked: None, processes }
    }

    pub(super) fn look(&mut self) {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        let at = self.began.elapsed();
        for (_, pid, samples) in &mut self.processes {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let own =
                status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.split_whitespace().next()?.parse().ok());
            let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |list| list.count() as u64);
            if let Some(memory) = own {
                samples.push(Sample { at, memory, descriptors });
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
        // Of each tenth's looks in their order, the one so far from the least.
        let line = |samples: &[Sample], of: fn(&Sample) -> u64, tenths: usize| {
            let look = |tenth: u32| {
                let (from, to) = (self.length * tenth / 10, self.length * (tenth + 1) / 10);
                let to = if tenth == 9 { Duration::MAX } else { to };
                let mut values: Vec<_> = samples.iter().filter(|s| (from..to).contains(&s.at)).map(of).collect();
                values.sort_unstable();
                values.get(values.len() * tenths / 10).map(|&v| (f64::from(tenth), v as f64))
            };
            ends_of_line(&(1..10).filter_map(look).collect::<Vec<_>>())
        };
        let growth = self.processes.iter().map(|(name, _, samples)| {
            let mib = |Ends(from, to)| Ends(from / 1024.0, to / 1024.0);
            Growth {
                name,
                rest: mib(line(samples, |s| s.memory, 0)),
                work: mib(line(samples, |s| s.memory, 9)),
                descriptors: line(samples, |s| s.descriptors, 9),
            }
        });
        growth.collect()
    }
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
        meter.processes[0].2 =
            (0..720).map(|i| Sample { at: Duration::from_secs(5 * i), memory: memory(i), descriptors: 30 }).collect();
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
    fn a_small_leak_is_seen_at_rest_though_batches_take_less_and_less() {
        let growth = shift(|i| 2 * i + if i % 14 < 10 { 48_000 - 10 * i } else { 9_000 });
        assert!(growth.work.percent() < 0.0 && !growth.is_flat(), "{growth}");
    }

    #[test]
    fn what_warms_up_within_the_first_tenth_is_no_growth() {
        let growth = shift(|i| if i < 70 { i * 500 } else { 50_000 });
        assert!(growth.work.percent().abs() < 0.1 && growth.is_flat(), "{growth}");
    }
}
