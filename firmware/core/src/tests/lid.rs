//! Lid, corner and the certificate.

use super::*;

#[test]
fn a_lid_kept_closed_is_certified() {
    let mut rig = Rig::started_at(u32::MAX - 100); // armed across the wrap
    rig.run(50);
    assert!(matches!(rig.tell(arm(7))[..], [FromBoard::Armed { number: 7, .. }]));
    rig.run(400);
    let certificate = rig.certificate(7);
    assert_eq!((certificate.opened, certificate.uncovered, certificate.samples), (None, None, 400));
    assert_eq!(certificate.until_ms.wrapping_sub(certificate.armed_ms), 400);
    assert_eq!(certificate.longest_gap_ms, 1);
}

#[test]
fn an_open_lid_a_broken_wire_or_paper_out_of_its_corner_cannot_be_armed() {
    for (raw, why) in [
        (OPEN, ArmRefusal::LidOpen),
        (Raw { lid_rest: true, ..CLOSED }, ArmRefusal::LidBroken),
        (Raw { lid_made: false, ..CLOSED }, ArmRefusal::LidBroken),
        (Raw { top: NO_PAPER, ..CLOSED }, ArmRefusal::NotInCorner),
        (Raw { left: NO_PAPER, ..CLOSED }, ArmRefusal::NotInCorner),
        (Raw { left: 0, ..CLOSED }, ArmRefusal::CornerBroken),
    ] {
        let mut rig = Rig::started_at(0);
        rig.raw = raw;
        rig.run(40);
        assert_eq!(rig.tell(arm(1)), [FromBoard::ArmRefused { number: 1, why }]);
        assert_eq!(rig.tell(ToBoard::Certify { number: 1 }), [denied(1, Denial::NotArmed)]);
    }
}

#[test]
fn an_old_number_a_new_conversation_and_a_disarmed_latch_have_no_certificate() {
    let mut rig = Rig::started_at(0);
    rig.run(10);
    rig.tell(arm(1));
    assert_eq!(rig.tell(ToBoard::Certify { number: 2 }), [denied(2, Denial::Other { armed: 1 })]);
    rig.tell(ToBoard::Disarm { number: 2 });
    assert_eq!(rig.certificate(1).number, 1);
    rig.tell(ToBoard::Hello { protocol: VERSION });
    assert_eq!(rig.tell(ToBoard::Certify { number: 1 }), [denied(1, Denial::NotArmed)]);
}

#[test]
fn a_board_that_was_reset_says_so_of_the_number_it_had_armed() {
    let mut rig = Rig::started_at(0);
    rig.run(10);
    rig.tell(arm(12));
    let was_armed = rig.bench.armed;
    let mut rig = Rig::of(Identity { was_armed, reset: Reset::Watchdog, ..identity() }, 0, CLOSED);
    rig.heard();
    assert_eq!(rig.tell(ToBoard::Certify { number: 12 }), [denied(12, Denial::Reset(Reset::Watchdog))]);
    assert_eq!(rig.tell(ToBoard::Certify { number: 11 }), [denied(11, Denial::NotArmed)]);
}

#[test]
fn a_sensor_that_is_overridden_is_not_watched_and_the_other_is() {
    let mut rig = Rig::started_at(0);
    rig.raw = Raw { top: NO_PAPER, ..CLOSED };
    rig.run(20);
    rig.tell(ToBoard::Arm { number: 1, watch: Watch::Lid });
    rig.run(100);
    assert_eq!(rig.certificate(1).uncovered, None);
    rig.raw = OPEN;
    rig.run(10);
    assert_eq!(rig.certificate(1).opened.unwrap().samples, 10);

    rig.raw = Raw { lid_made: false, ..CLOSED };
    rig.run(40);
    rig.tell(ToBoard::Arm { number: 2, watch: Watch::Corner });
    rig.run(60);
    rig.raw.left = NO_PAPER;
    rig.run(80);
    let certificate = rig.certificate(2);
    assert_eq!(certificate.opened, None);
    assert_eq!(certificate.uncovered, Some(Uncovered { first_ms: 61, samples: 80 }));
}

#[test]
fn late_samples_show_as_a_gap() {
    let mut rig = Rig::started_at(0);
    rig.run(10);
    rig.tell(arm(1));
    rig.run(10);
    rig.now += 29;
    rig.run(10);
    let certificate = rig.certificate(1);
    assert_eq!((certificate.samples, certificate.longest_gap_ms), (20, 30));
}

/// One instant of a moving lid: what the poles say.
fn pole(closed: bool, broken: bool) -> Raw {
    match (closed, broken) {
        (true, _) => CLOSED,
        (false, false) => OPEN,
        (false, true) => BROKEN,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// The latch against the plainest model: a list of samples, searched for runs. Openings of 1 to 500 ms at any moment, with
    /// poles that leave one another late.
    #[test]
    fn every_opening_of_3_ms_is_certified_and_none_that_did_not_happen(
        runs in proptest::collection::vec((1u32..60, prop_oneof![1u32..8, 1u32..500], 0u32..4), 0..4),
        start in any::<u32>(),
    ) {
        let mut rig = Rig::started_at(start);
        rig.run(20);
        rig.tell(arm(3));
        let mut closed = Vec::new();
        for &(shut, open, travel) in &runs {
            for ms in 0..shut + open {
                rig.raw = pole(ms < shut, ms < shut + travel);
                rig.now = rig.now.wrapping_add(1);
                rig.core.sample(rig.now, rig.raw, &mut rig.bench);
                closed.push(ms < shut);
            }
            rig.heard();
        }
        rig.raw = CLOSED;
        rig.run(1);
        let certificate = rig.certificate(3);
        let long: Vec<u32> = runs.iter().map(|r| r.1).filter(|&open| open >= 3).collect();
        prop_assert_eq!(certificate.opened.map_or(0, |o| o.samples), long.iter().sum::<u32>());
        prop_assert_eq!(certificate.opened.map_or(0, |o| usize::from(o.times)), long.len());
        let first = closed.windows(3).position(|w| w == [false; 3]);
        prop_assert_eq!(certificate.opened.map(|o| o.first_ms as usize), first.map(|at| at + 1));
        prop_assert!(!certificate.opened.is_some_and(|o| o.broken), "a moving switch is not a broken one");
        prop_assert_eq!(certificate.uncovered, None);
    }
}
