//! The outbox machine against a small reference model: a journal is a list, a spool is a list, a supervisor is a set, and the way
//! between them loses, doubles and mixes up what it carries. Stations, supervisors and connections die, disks fail, and files
//! are put back from old copies.

mod world;

use super::machine::{Input, Machine};
use proptest::prelude::*;
use std::time::Instant;
use world::World;

#[derive(Debug, Clone)]
enum Move {
    Happens,
    Copied,
    /// The n-th message under way arrives; `twice`, and stays under way.
    Arrives {
        which: usize,
        twice: bool,
    },
    Lost {
        which: usize,
    },
    Answered {
        which: usize,
        twice: bool,
    },
    AnswerLost {
        which: usize,
    },
    Breaks,
    Time {
        ms: u64,
    },
    StationDies,
    SupervisorDies,
    Disk {
        works: bool,
    },
    StationPutBack,
    SupervisorPutBack,
    Audit,
}

fn moves(put_back: Option<Move>) -> impl Strategy<Value = Vec<Move>> {
    let which = || 0usize..64;
    let common = prop_oneof![
        10 => Just(Move::Happens),
        6 => Just(Move::Copied),
        30 => (which(), prop::bool::weighted(0.1)).prop_map(|(which, twice)| Move::Arrives { which, twice }),
        4 => which().prop_map(|which| Move::Lost { which }),
        12 => (which(), prop::bool::weighted(0.1)).prop_map(|(which, twice)| Move::Answered { which, twice }),
        3 => which().prop_map(|which| Move::AnswerLost { which }),
        2 => Just(Move::Breaks),
        8 => (0u64..5_000).prop_map(|ms| Move::Time { ms }),
        2 => Just(Move::StationDies),
        1 => Just(Move::SupervisorDies),
        3 => any::<bool>().prop_map(|works| Move::Disk { works }),
        2 => Just(Move::Audit),
    ];
    let weight = u32::from(put_back.is_some());
    let one = prop_oneof![60 => common, weight => Just(put_back.unwrap_or(Move::Copied))];
    proptest::collection::vec(one, 0..300)
}

fn run(steps: &[Move]) {
    let mut world = World::new();
    for step in steps {
        world.step(step);
    }
    world.calm();
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]
    #[test]
    fn every_event_is_stored_once_and_in_order_whatever_is_lost_doubled_late_or_dead(steps in moves(None)) {
        run(&steps);
    }

    #[test]
    fn none_is_lost_when_the_stations_files_are_put_back_from_an_old_copy(steps in moves(Some(Move::StationPutBack))) {
        run(&steps);
    }

    #[test]
    fn none_is_lost_when_the_supervisors_database_is_put_back_from_an_old_copy(steps in moves(Some(Move::SupervisorPutBack))) {
        run(&steps);
    }
}

#[test]
fn a_station_that_is_refused_again_and_again_asks_ever_less_though_its_events_are_taken() {
    let mut now = Instant::now();
    let mut machine = Machine::new(now, "e".into(), 0, 0);
    let mut waits = Vec::new();
    for n in 1..=12 {
        machine.handle_timeout(now);
        machine.handle(now, Input::Up);
        machine.handle(now, Input::Given(n));
        machine.handle(now, Input::Acknowledged { epoch: "e".into(), seq: n, same: true });
        machine.handle(now, Input::Lost { random: u32::MAX, refused: true });
        while machine.poll_output().is_some() {}
        let (until, _) = machine.poll_timeout().unwrap();
        waits.push((until - now).as_secs_f64());
        now = until;
    }
    assert!(waits.is_sorted() && waits[0] <= 0.5 && waits[11] == 30.0, "{waits:?}");
}
