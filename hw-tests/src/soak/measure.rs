//! Memory and descriptors of processes that live through the whole shift.

use std::{
    fs,
    time::{Duration, Instant},
};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);

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

/// How a process was after its first tenth, and in its last one.
#[derive(Debug)]
pub(super) struct Growth {
    pub(super) name: &'static str,
    /// MiB.
    pub(super) memory: (f64, f64),
    pub(super) descriptors: (u64, u64),
}

impl Growth {
    pub(super) fn memory_percent(&self) -> f64 {
        (self.memory.1 / self.memory.0 - 1.0) * 100.0
    }

    pub(super) fn descriptors_percent(&self) -> f64 {
        (self.descriptors.1 as f64 / self.descriptors.0 as f64 - 1.0) * 100.0
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

    /// What nine of ten looks stayed below in the second tenth of the shift, when everything has been used once, and in the last
    /// one. Not the median: memory that is given back after each batch makes that a matter of how long batches take.
    pub(super) fn growth(&self) -> Vec<Growth> {
        let tenth = self.length / 10;
        let high = |samples: &[Sample], from: Duration, to: Duration, of: fn(&Sample) -> u64| {
            let mut values: Vec<_> = samples.iter().filter(|s| (from..to).contains(&s.at)).map(of).collect();
            values.sort_unstable();
            values.get(values.len() * 9 / 10).copied().unwrap_or(0)
        };
        let both = |samples: &[Sample], of: fn(&Sample) -> u64| {
            (high(samples, tenth, 2 * tenth, of), high(samples, self.length - tenth, Duration::MAX, of))
        };
        let growth = self.processes.iter().map(|(name, _, samples)| {
            let (from, to) = both(samples, |s| s.memory);
            let memory = (from as f64 / 1024.0, to as f64 / 1024.0);
            Growth { name, memory, descriptors: both(samples, |s| s.descriptors) }
        });
        growth.collect()
    }
}
