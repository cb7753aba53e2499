//! Corner sensors and their calibration, lamp, buzzer, room sensor, self-test, panics.

use super::*;

#[test]
fn a_corner_sensor_has_hysteresis_and_a_short_circuit_is_no_paper() {
    let mut rig = Rig::started_at(0);
    let mut levels = |level: u16| {
        rig.raw.top = level;
        rig.run(10);
        rig.core.inputs().top
    };
    // Paper at 800, none at 3600: thresholds at 1920 and 2480.
    for (level, paper) in [
        (900, Paper::Present),
        (2_400, Paper::Present),
        (2_490, Paper::Absent),
        (2_000, Paper::Absent),
        (1_900, Paper::Present),
        (10, Paper::Faulty),
        (2_200, Paper::Absent),
        (4_095, Paper::Absent),
    ] {
        assert_eq!(levels(level), paper, "{level}");
    }
}

#[test]
fn levels_are_calibrated_kept_and_read_again() {
    let mut rig = Rig::started_at(0);
    let mut calibrate = |level: u16, covered: bool| {
        rig.raw.left = level;
        rig.run(1);
        rig.tell(ToBoard::Calibrate { corner: Corner::Left, covered }).pop().unwrap()
    };
    let refused = |why, level| FromBoard::CalibrationRefused { corner: Corner::Left, why, level };
    assert_eq!(calibrate(700, false), refused(CalibrationFault::TooClose, 700));
    assert_eq!(calibrate(3, true), refused(CalibrationFault::Faulty, 3));
    let taken = |covered, level| FromBoard::Calibrated { corner: Corner::Left, covered, level, kept: true };
    assert_eq!(calibrate(2_000, false), taken(false, 2_000));
    assert_eq!(calibrate(1_500, true), taken(true, 1_500));

    let kept = *rig.bench.kept.last().unwrap();
    assert_eq!(kept.left, Levels { bare: 2_000, covered: 1_500 });
    assert_eq!(Calibration::from_bytes(kept.to_bytes()), Some(kept));
    assert_eq!(Calibration::from_bytes([0xff; 8]), None, "an erased flash");
    let again = Identity { calibration: Some(kept), ..identity() };
    let mut rig = Rig::of(again, 0, Raw { left: 1_600, ..CLOSED });
    rig.run(1);
    assert_eq!(rig.core.inputs().left, Paper::Present);
    rig.tell(arm(1));
    let answer = rig.tell(ToBoard::Calibrate { corner: Corner::Left, covered: true });
    assert_eq!(answer, [refused(CalibrationFault::Armed, 1_600)]);
}

#[test]
fn the_lamp_blinks_and_the_buzzer_counts() {
    let mut rig = Rig::started_at(0);
    rig.tell(ToBoard::Lamp(Lamp::Scanning));
    rig.run(2_000);
    assert_eq!(rig.bench.lights, [Light { red: true, green: true, blue: true }]);
    rig.tell(ToBoard::Lamp(Lamp::Attention));
    rig.run(2_048);
    assert!((15..=18).contains(&rig.bench.lights.len()), "{:?}", rig.bench.lights);
    for (sound, tones) in [(Sound::Accepted, 1), (Sound::Refused, 3), (Sound::Attention, 2)] {
        rig.bench.buzzes = 0;
        rig.tell(ToBoard::Sound(sound));
        rig.run(1_500);
        assert_eq!(rig.bench.buzzes, tones, "{sound:?}");
        assert!(!rig.core.buzzing);
    }
}

#[test]
fn a_wet_room_sensor_is_heated_dry_and_what_no_room_can_be_is_not_believed() {
    let mut rig = Rig::started_at(0);
    rig.run(1);
    for reading in 0..12 {
        assert_eq!(rig.bench.heated, 0, "after {reading} readings");
        rig.core.climate(Ok((20_000, 99_000)), 0);
        rig.run(5_000);
    }
    assert_eq!(rig.bench.heated, 1);
    let before = rig.bench.measured;
    rig.heard();
    rig.run(9_000);
    assert_eq!(rig.tell(ToBoard::ReadClimate), [FromBoard::Drying { for_ms: 21_000 }]);
    rig.run(20_000);
    assert_eq!(rig.bench.measured, before, "it cools down");
    rig.run(2_000);
    assert_eq!(rig.bench.measured, before + 1);

    let implausible = [FromBoard::ClimateFault(ClimateFault::Implausible)];
    rig.heard();
    for (reading, believed) in
        [((125_000, 99_000), false), ((-21_000, 0), false), ((59_900, 99_000), false), ((60_000, 99_000), true)]
    {
        rig.core.climate(Ok(reading), 0);
        assert_eq!(rig.heard() != implausible, believed, "{reading:?}");
    }
}

#[test]
fn the_self_test_shows_every_colour_and_tells_the_levels() {
    let mut rig = Rig::started_at(0);
    rig.run(100);
    let said = rig.tell(ToBoard::SelfTest);
    let [FromBoard::SelfTest(report)] = said[..] else { panic!("{said:?}") };
    assert_eq!((report.levels, report.calibrated, report.climate), ([PAPER, PAPER], false, None));
    rig.run(1_500);
    assert_eq!((rig.bench.lights.len(), rig.bench.buzzes), (5, 2), "red, green, blue, white, dark");
    assert_eq!(rig.bench.measured, 2);
}

#[test]
fn a_panic_is_told_part_by_part_after_the_start_and_to_who_greets() {
    let message = "panicked at src/sampling.rs:42: 传感器 was not there, and so the board stopped";
    let mut rig = Rig::of(Identity { panic: Some(message), reset: Reset::Forced, ..identity() }, 0, CLOSED);
    for greeted in [false, true] {
        if greeted {
            rig.tell(ToBoard::Hello { protocol: VERSION });
        }
        let mut told = String::<200>::new();
        for said in rig.run(100) {
            if let FromBoard::Panic { text, .. } = said {
                told.push_str(&text).unwrap();
            }
        }
        assert_eq!(told, message);
    }
}

#[test]
fn pedal_and_case_are_told() {
    let mut rig = Rig::started_at(0);
    rig.run(10);
    rig.raw = Raw { pedal: true, case_shut: false, ..CLOSED };
    rig.run(100);
    let inputs = rig.core.inputs();
    assert!(inputs.pedal && inputs.tamper && !inputs.button);
}
