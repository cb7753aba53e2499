//! The machine against a small reference model, with random inputs, answers in random order, failures and restarts.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use super::{
    PageId, Plan, Volume,
    machine::{Guard, Input, Machine, Output, Refused},
};
use crate::words::Trouble;
use platen_protocol::uplink::{Interlock, Source};
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn trouble(name: &'static str) -> Trouble {
    Trouble::new(name, ("text", "文"), ("action", "做"))
}

fn plan(pages: &[u32]) -> Plan {
    let volume = |(i, &expected): (usize, &u32)| Volume {
        code: format!("V-{i}").parse().unwrap(),
        title: String::new(),
        expected,
    };
    Plan { batch: "1/1-1-1".parse().unwrap(), volumes: pages.iter().enumerate().map(volume).collect() }
}

fn outputs(machine: &mut Machine) -> Vec<Output> {
    std::iter::from_fn(|| machine.poll_output()).collect()
}

fn opened(source: Source, guard: Guard, pages: u32) -> (Machine, Instant) {
    let mut machine = Machine::new(source, guard, 100);
    let now = Instant::now();
    machine.handle(now, Input::Open { plan: plan(&[pages]), kept: 0 }).unwrap();
    (machine, now)
}

const FIRST: PageId = PageId { volume: 0, number: 1 };

#[test]
fn a_flatbed_page_is_armed_scanned_certified_kept_and_only_then_told() {
    let (mut m, now) = opened(Source::Flatbed, Guard::Board, 1);
    m.handle(now, Input::Start).unwrap();
    assert_eq!(outputs(&mut m), [Output::Arm { attempt: 100 }]);
    m.handle(now, Input::Armed { attempt: 100 }).unwrap();
    assert_eq!(outputs(&mut m), [Output::Scan { attempt: 100 }]);
    m.handle(now, Input::Scanned { attempt: 100 }).unwrap();
    assert_eq!(outputs(&mut m), [Output::Certify { attempt: 100 }]);
    m.handle(now, Input::Certified { attempt: 100, verdict: Ok(()) }).unwrap();
    let process = Output::Process { attempt: 100, page: FIRST, interlock: Interlock::Certified };
    assert_eq!(outputs(&mut m), [Output::Disarm { attempt: 100 }, process]);
    m.handle(now, Input::Processed { attempt: 100 }).unwrap();
    assert_eq!(outputs(&mut m), [Output::Save { attempt: 100 }]);
    m.handle(now, Input::Saved { attempt: 100 }).unwrap();
    assert_eq!(outputs(&mut m), [Output::Kept { page: FIRST }, Output::Finish]);
    m.handle(now, Input::Finished).unwrap();
    assert_eq!(m.picture().desk, "complete");
    assert_eq!(m.handle(now, Input::Start), Err(Refused::Complete));
}

#[test]
fn a_held_start_says_why_and_changes_nothing() {
    let (mut m, now) = opened(Source::Flatbed, Guard::Board, 1);
    let holds = vec![trouble("not-in-corner")];
    m.handle(now, Input::Holds(holds.clone())).unwrap();
    assert_eq!(m.handle(now, Input::Start), Err(Refused::Held(holds)));
    assert_eq!(outputs(&mut m), []);
    assert_eq!(m.picture().desk, "waiting");
}

#[test]
fn a_lid_opened_during_the_pass_voids_it_at_once_and_the_number_stays() {
    let (mut m, now) = opened(Source::Flatbed, Guard::Board, 2);
    m.handle(now, Input::Start).unwrap();
    m.handle(now, Input::Armed { attempt: 100 }).unwrap();
    outputs(&mut m);
    m.handle(now, Input::Holds(vec![trouble("lid-open")])).unwrap();
    assert_eq!(outputs(&mut m), [Output::CancelScan]);
    m.handle(now, Input::Scanned { attempt: 100 }).unwrap();
    let said = outputs(&mut m);
    assert!(matches!(&said[0], Output::Void { page: FIRST, why, .. } if why.name == "lid-opened"), "{said:?}");
    assert_eq!(m.picture().next, Some(FIRST));
    assert_eq!(m.picture().fault.map(|f| f.name), Some("lid-opened"));
}

#[test]
fn a_silent_board_fails_closed() {
    let (mut m, now) = opened(Source::Flatbed, Guard::Board, 1);
    m.handle(now, Input::Start).unwrap();
    let (deadline, _) = m.poll_timeout().unwrap();
    m.handle_timeout(deadline - Duration::from_millis(1));
    assert_eq!(m.picture().desk, "arming");
    m.handle_timeout(deadline);
    assert_eq!(m.picture().fault.map(|f| f.name), Some("board-silent"));
    assert!(outputs(&mut m).contains(&Output::Disarm { attempt: 100 }), "it may have heard");
    m.handle(now, Input::Armed { attempt: 100 }).unwrap();
    assert!(!outputs(&mut m).contains(&Output::Scan { attempt: 100 }), "a late answer starts nothing");
}

#[test]
fn a_certificate_is_asked_for_again_before_the_page_is_given_up() {
    let (mut m, mut now) = opened(Source::Flatbed, Guard::Board, 1);
    m.handle(now, Input::Start).unwrap();
    m.handle(now, Input::Armed { attempt: 100 }).unwrap();
    m.handle(now, Input::Scanned { attempt: 100 }).unwrap();
    outputs(&mut m);
    let mut asked = 0;
    while m.picture().desk == "certifying" {
        now = m.poll_timeout().unwrap().0;
        m.handle_timeout(now);
        asked += outputs(&mut m).iter().filter(|o| **o == Output::Certify { attempt: 100 }).count();
    }
    assert_eq!((asked, m.picture().fault.map(|f| f.name)), (3, Some("board-silent")));
}

#[test]
fn a_feeder_runs_until_it_is_empty_and_an_empty_feeder_voids_nothing() {
    let (mut m, now) = opened(Source::Adf, Guard::Scanner, 5);
    m.handle(now, Input::Start).unwrap();
    for attempt in [100, 101] {
        assert!(outputs(&mut m).contains(&Output::Scan { attempt }));
        m.handle(now, Input::Scanned { attempt }).unwrap();
    }
    outputs(&mut m);
    m.handle(now, Input::ScanFailed { attempt: 102, why: trouble("feeder-empty") }).unwrap();
    assert!(outputs(&mut m).iter().all(|o| !matches!(o, Output::Void { .. })));
    assert_eq!(m.picture().next, Some(PageId { volume: 0, number: 3 }));
}

#[test]
fn a_feeder_that_was_paused_between_two_sheets_goes_on_by_itself() {
    let (mut m, now) = opened(Source::Adf, Guard::Scanner, 5);
    m.handle(now, Input::Start).unwrap();
    outputs(&mut m);
    m.handle(now, Input::Holds(vec![trouble("disk-full").between_pages()])).unwrap();
    assert_eq!(outputs(&mut m), [], "the pass under way goes on");
    m.handle(now, Input::Scanned { attempt: 100 }).unwrap();
    assert!(outputs(&mut m).iter().all(|o| !matches!(o, Output::Scan { .. })));
    assert_eq!(m.handle(now, Input::Start), Err(Refused::Held(vec![trouble("disk-full").between_pages()])));
    m.handle(now, Input::Holds(vec![])).unwrap();
    assert_eq!(outputs(&mut m), [Output::Scan { attempt: 101 }]);
    // Who cancels while it is paused does not want it to go on.
    m.handle(now, Input::Holds(vec![trouble("disk-full").between_pages()])).unwrap();
    m.handle(now, Input::Scanned { attempt: 101 }).unwrap();
    m.handle(now, Input::Cancel).unwrap();
    outputs(&mut m);
    m.handle(now, Input::Holds(vec![])).unwrap();
    assert_eq!(outputs(&mut m), []);
}

/// What the outside world may do next.
#[derive(Debug, Clone)]
enum Move {
    Start,
    Cancel,
    LidOpens,
    LidCloses,
    /// The disk is full, or has room again.
    Disk {
        full: bool,
    },
    /// Answer the n-th open output, well or badly.
    Answer {
        which: usize,
        well: bool,
    },
    Kill,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        3 => Just(Move::Start),
        1 => Just(Move::Cancel),
        1 => Just(Move::LidOpens),
        2 => Just(Move::LidCloses),
        2 => any::<bool>().prop_map(|full| Move::Disk { full }),
        14 => (0usize..6, prop::bool::weighted(0.85)).prop_map(|(which, well)| Move::Answer { which, well }),
        1 => Just(Move::Kill),
    ];
    proptest::collection::vec(one, 0..160)
}

/// The model: a list of kept pages, which is all the journal knows, and the attempts whose lid was seen to open.
struct World {
    machine: Machine,
    now: Instant,
    source: Source,
    guard: Guard,
    plan: Plan,
    journal: Vec<PageId>,
    told: Vec<PageId>,
    pending: Vec<Output>,
    lid_open: bool,
    disk_full: bool,
    spoiled: Vec<u32>,
    certified: Vec<u32>,
    scanning: Option<u32>,
    next_attempt: u32,
}

impl World {
    fn begin(source: Source, guard: Guard) -> Self {
        let mut world = Self {
            machine: Machine::new(source, guard, 0),
            now: Instant::now(),
            source,
            guard,
            plan: plan(&[3, 1, 4]),
            journal: Vec::new(),
            told: Vec::new(),
            pending: Vec::new(),
            lid_open: false,
            disk_full: false,
            spoiled: Vec::new(),
            certified: Vec::new(),
            scanning: None,
            next_attempt: 0,
        };
        world.restart();
        world
    }

    fn restart(&mut self) {
        self.next_attempt += 1_000;
        self.machine = Machine::new(self.source, self.guard, self.next_attempt);
        self.pending.clear();
        self.scanning = None;
        let kept = self.journal.len() as u32;
        self.machine.handle(self.now, Input::Open { plan: self.plan.clone(), kept }).unwrap();
        self.tell_holds();
        self.collect();
    }

    fn tell_holds(&mut self) {
        let lid = (self.lid_open && self.guard == Guard::Board).then(|| trouble("lid-open"));
        let disk = self.disk_full.then(|| trouble("disk-full").between_pages());
        let holds = lid.into_iter().chain(disk).collect();
        self.machine.handle(self.now, Input::Holds(holds)).unwrap();
    }

    fn collect(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Kept { page } => {
                    assert!(self.journal.contains(&page), "told before it was in the journal");
                    self.told.push(page);
                }
                Output::Scan { attempt } => {
                    assert_eq!(self.scanning.replace(attempt), None, "two scans at once");
                    assert!(self.guard == Guard::Board || !self.disk_full, "a sheet is begun that cannot be kept");
                    if self.lid_open && self.guard == Guard::Board {
                        self.spoiled.push(attempt);
                    }
                    self.pending.push(output);
                }
                Output::Arm { .. }
                | Output::Certify { .. }
                | Output::Process { .. }
                | Output::Save { .. }
                | Output::Finish => {
                    self.pending.push(output);
                }
                Output::Disarm { .. }
                | Output::CancelScan
                | Output::Void { .. }
                | Output::Raise(_)
                | Output::Clear { .. } => {}
            }
        }
    }

    fn step(&mut self, step: &Move) {
        match step {
            Move::Start => _ = self.machine.handle(self.now, Input::Start),
            Move::Cancel => _ = self.machine.handle(self.now, Input::Cancel),
            Move::LidOpens | Move::LidCloses => {
                self.lid_open = matches!(step, Move::LidOpens);
                if self.lid_open {
                    self.spoiled.extend(self.scanning);
                }
                self.tell_holds();
            }
            Move::Disk { full } => {
                self.disk_full = *full;
                self.tell_holds();
            }
            Move::Kill => self.restart(),
            Move::Answer { .. } if self.pending.is_empty() => {}
            Move::Answer { which, well } => {
                let output = self.pending.remove(which % self.pending.len());
                self.answer(output, *well);
            }
        }
        self.collect();
        self.check();
    }

    fn answer(&mut self, output: Output, well: bool) {
        let why = trouble("paper-jam");
        let input = match (output, well) {
            (Output::Arm { attempt }, well) if well && !self.lid_open => Input::Armed { attempt },
            (Output::Arm { attempt }, _) => Input::ArmRefused { attempt, why },
            (Output::Scan { attempt }, well) => {
                self.scanning = None;
                if well { Input::Scanned { attempt } } else { Input::ScanFailed { attempt, why } }
            }
            (Output::Certify { attempt }, _) => {
                let good = well && !self.spoiled.contains(&attempt);
                self.certified.extend(good.then_some(attempt));
                Input::Certified { attempt, verdict: if good { Ok(()) } else { Err(why) } }
            }
            (Output::Process { attempt, interlock, .. }, well) => {
                let honest = match (self.source, self.guard) {
                    (Source::Flatbed, Guard::Board) => {
                        self.certified.contains(&attempt) && interlock == Interlock::Certified
                    }
                    (Source::Flatbed, _) => interlock == Interlock::None,
                    _ => interlock == Interlock::Feeder,
                };
                assert!(honest, "attempt {attempt} is kept as {interlock:?}");
                if well { Input::Processed { attempt } } else { Input::ProcessFailed { attempt, why } }
            }
            (Output::Save { attempt }, true) => {
                // What the journal will number it is what the model says comes next.
                let page = self.plan.page_after(self.journal.len() as u32).expect("no page is saved beyond the plan");
                self.journal.push(page);
                Input::Saved { attempt }
            }
            (Output::Save { attempt }, false) => Input::SaveFailed { attempt, why },
            (Output::Finish, true) => Input::Finished,
            (Output::Finish, false) => Input::FinishFailed { why },
            (other, _) => unreachable!("{other:?} is not pending"),
        };
        self.machine.handle(self.now, input).unwrap();
    }

    fn check(&self) {
        let all: Vec<_> = (0..self.plan.expected()).filter_map(|n| self.plan.page_after(n)).collect();
        assert_eq!(self.journal, all[..self.journal.len()], "numbers run 1..n, volume by volume");
        assert!(self.told.windows(2).all(|w| w[0] < w[1]), "told once and in order: {:?}", self.told);
        if self.machine.picture().desk == "complete" {
            assert_eq!(self.journal.len(), all.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn whatever_happens_pages_are_kept_in_order_once_and_only_under_a_closed_lid(
        steps in moves(),
        kind in 0usize..4,
    ) {
        let (source, guard) = [
            (Source::Flatbed, Guard::Board),
            (Source::Flatbed, Guard::None),
            (Source::Adf, Guard::Scanner),
            (Source::Duplex, Guard::Scanner),
        ][kind];
        let mut world = World::begin(source, guard);
        for step in &steps {
            world.step(step);
        }
        // And it never gets stuck: a patient operator finishes any batch.
        (world.lid_open, world.disk_full) = (false, false);
        world.tell_holds();
        world.collect();
        for _ in 0..400 {
            world.step(&Move::Start);
            world.step(&Move::Answer { which: 0, well: true });
        }
        prop_assert_eq!(world.machine.picture().desk, "complete");
        prop_assert!(world.spoiled.iter().all(|a| !world.certified.contains(a)));
    }
}
