//! What happens at a desk when the board, its line or its sensors fail: nothing is accepted that should not be, the fault
//! has a name, and work goes on when it is over.

#![allow(clippy::unwrap_used)] // a story that cannot go on has failed

use hw_tests::{
    board::Quality,
    flatbed::{BATCH, FlatbedDesk},
    process::{wait, wait_for},
};
use platen_protocol::board::{ClimateFault, VERSION};
use serde_json::json;
use std::time::{Duration, Instant, SystemTime};

fn desk(pages: u32, ppm: f64) -> FlatbedDesk {
    FlatbedDesk::new(pages, ppm).unwrap()
}

#[test]
fn a_lid_that_bounces_as_it_closes_is_no_trouble_and_one_that_opens_for_20_ms_voids_the_page() {
    let desk = desk(2, 40.0);
    let operator = desk.operator();
    operator.lay(0).unwrap();
    desk.board.bounce(Duration::from_millis(20));
    operator.press_and_wait().unwrap();
    operator.lay(1).unwrap();
    operator.press_and_see_the_light().unwrap();
    desk.board.open_for(Duration::from_millis(20));
    let view = desk.station.wait("the void page", |v| v["fault"]["name"] == "lid-opened").unwrap();
    assert_eq!(view["batch"]["pages"], 1, "{view}");
    operator.lay(1).unwrap();
    operator.press_and_wait().unwrap();
    assert_eq!(desk.numbers().unwrap(), [1, 2]);
}

#[test]
fn a_lid_switch_or_a_corner_that_is_stuck_is_found_out() {
    let desk = desk(5, 0.0);
    let operator = desk.operator();
    operator.lay(0).unwrap();
    // Page after page without the lid or the paper moving: the switch is stuck, or somebody has taped it.
    for page in 0..3 {
        desk.scanner.desk.lay(page).unwrap();
        operator.press_and_wait().unwrap();
    }
    desk.hold_after(|| {}, "lid-stuck").unwrap();
    desk.hold_after(|| {}, "corner-stuck").unwrap();
    desk.fault("lid-stuck", true).unwrap();
    operator.lay(3).unwrap();
    desk.fault("lid-stuck", false).unwrap();
    operator.press_and_wait().unwrap();
    assert_eq!(desk.numbers().unwrap(), [1, 2, 3, 4]);
}

#[test]
fn a_wire_that_breaks_in_the_middle_of_a_page_voids_it_and_raises_an_alarm() {
    let desk = desk(1, 30.0);
    let operator = desk.operator();
    operator.lay(0).unwrap();
    operator.press_and_see_the_light().unwrap();
    desk.board.broken_wire(true);
    let view = desk.station.wait("the void page", |v| v["fault"]["name"] == "lid-opened").unwrap();
    assert_eq!(view["batch"]["pages"], 0);
    desk.fault("lid-broken", true).unwrap();
    desk.board.broken_wire(false);
    operator.lay(0).unwrap();
    desk.fault("lid-broken", false).unwrap();
    operator.press_and_wait().unwrap();
    let named = desk.station.faults().unwrap();
    let of = |name: &str| named.iter().filter(|n| n.as_str() == name).count();
    assert_eq!(of("lid-broken"), 2, "raised once and cleared once: {named:?}");
}

#[test]
fn a_room_sensor_that_fails_is_named_and_a_case_that_is_opened_is_told() {
    let desk = desk(1, 0.0);
    for (fault, name) in [(ClimateFault::Absent, "room-absent"), (ClimateFault::Checksum, "room-checksum")] {
        desk.board.climate(Err(fault));
        desk.board.hurry(Duration::from_secs(20));
        desk.fault(name, true).unwrap();
        desk.board.climate(Ok((21_000, 50_000)));
        desk.board.hurry(Duration::from_secs(6));
        desk.fault(name, false).unwrap();
    }
    // 125 °C and more no room has, and no sensor reads.
    desk.board.climate(Ok((129_900, 50_000)));
    desk.board.hurry(Duration::from_secs(20));
    desk.fault("room-implausible", true).unwrap();
    desk.board.contacts(|raw| raw.case_shut = false);
    desk.fault("case-open", true).unwrap();
    assert_eq!(desk.station.view().unwrap()["holds"], json!([]), "none of them stops the desk");
}

#[test]
fn a_board_that_falls_mute_on_an_open_line_is_missed_and_believed_again_once_it_speaks() {
    let desk = desk(1, 0.0);
    desk.operator().lay(0).unwrap();
    desk.station.wait("the desk to be ready", |v| v["holds"] == json!([])).unwrap();
    desk.board.line(Quality::Loses { one_of: 1 });
    let began = Instant::now();
    desk.station.wait("silence", |v| v["board"] != "present").unwrap();
    // Half a second of listening after the last word, which was up to a heartbeat ago.
    assert!(began.elapsed() < Duration::from_millis(800), "{:?}", began.elapsed());
    assert_eq!(desk.station.ask("start", &json!({})).unwrap().0, 409, "what is not heard is not closed");
    desk.board.line(Quality::Good);
    desk.station.wait("the board", |v| v["board"] == "present").unwrap();
    desk.operator().lay(0).unwrap();
    desk.operator().press_and_wait().unwrap();
    assert_eq!(desk.numbers().unwrap(), [1]);
}

#[test]
fn a_corner_sensor_with_a_short_circuit_is_not_paper() {
    let desk = desk(1, 0.0);
    desk.hold_after(|| desk.board.contacts(|raw| raw.left = 2), "corner-broken").unwrap();
    desk.fault("corner-broken", true).unwrap();
}

#[test]
fn a_board_unplugged_and_plugged_100_times_is_missed_and_found_again_within_half_a_second() {
    let desk = desk(1, 0.0);
    let mut slowest = [Duration::ZERO; 2];
    for _ in 0..100 {
        for (i, plugged) in [(0, false), (1, true)] {
            desk.board.plugged(plugged);
            let began = Instant::now();
            let state = if plugged { "present" } else { "absent" };
            desk.station.wait(state, |v| v["board"] == state).unwrap();
            slowest[i] = slowest[i].max(began.elapsed());
        }
    }
    // What this machine takes to ask and to be scheduled comes on top.
    assert!(slowest.iter().all(|&t| t < Duration::from_millis(500)), "{slowest:?}");
    desk.operator().lay(0).unwrap();
    desk.operator().press_and_wait().unwrap();
    assert_eq!(desk.numbers().unwrap(), [1]);
}

#[test]
fn a_board_with_an_older_or_a_newer_protocol_is_refused_and_who_must_update_is_said() {
    let desk = desk(1, 0.0);
    for (version, update) in [(VERSION - 1, "firmware"), (VERSION + 1, "software")] {
        desk.board.version(version);
        desk.board.plugged(false);
        desk.station.wait("the loss", |v| v["board"] == "absent").unwrap();
        desk.board.plugged(true);
        desk.hold_after(|| {}, "board-version").unwrap();
        let view = desk.station.view().unwrap();
        let action = view["holds"][0]["action"]["en"].as_str().unwrap().to_owned();
        assert!(action.contains(update), "version {version}: {action}");
    }
}

#[test]
fn a_slow_line_and_one_that_loses_bytes_never_get_a_page_accepted_without_its_certificate() {
    let desk = desk(3, 120.0);
    let operator = desk.operator();
    desk.board.line(Quality::Slow);
    operator.lay(0).unwrap();
    operator.press_and_wait().unwrap();
    desk.board.line(Quality::Loses { one_of: 61 });
    for page in 1..3 {
        // Now and then an answer is lost: that pass is void or does not begin, and is asked for again.
        for _ in 0..40 {
            desk.board.line(Quality::Good);
            operator.lay(page).unwrap();
            desk.board.line(Quality::Loses { one_of: 61 });
            desk.board.press();
            // An operator who sees nothing happen presses again after some seconds.
            let kept = || Ok((desk.station.kept()? > u64::from(page)).then_some(()));
            if wait_for(Duration::from_secs(3), "the page", kept).is_ok() {
                break;
            }
        }
    }
    desk.board.line(Quality::Good);
    assert_eq!(desk.numbers().unwrap(), [1, 2, 3]);
    for record in desk.station.records(BATCH).unwrap() {
        let certificate = &record["certificate"];
        assert!(certificate["samples"].as_u64() > Some(0) && certificate["opened"].is_null(), "{record}");
    }
}

#[test]
fn the_pedal_and_the_scanners_own_button_start_too() {
    let desk = desk(3, 0.0);
    let operator = desk.operator();
    operator.lay(0).unwrap();
    operator.press_and_wait().unwrap();
    operator.lay(1).unwrap();
    desk.board.contacts(|raw| raw.pedal = true);
    desk.station.wait("the page by pedal", |v| v["batch"]["pages"] == 2).unwrap();
    desk.board.contacts(|raw| raw.pedal = false);
    operator.lay(2).unwrap();
    // A press that the device has kept since a pass is for no page: somebody presses until it is seen.
    let mut pressed: Option<Instant> = None;
    desk.station
        .wait("the page by the scanner's button", |v| {
            if pressed.is_none_or(|at| at.elapsed() > Duration::from_millis(600)) {
                pressed = Some(Instant::now());
                desk.scanner.desk.set_flag("scan-button", true).unwrap();
            }
            v["batch"]["pages"] == 3
        })
        .unwrap();
    assert_eq!(desk.numbers().unwrap(), [1, 2, 3]);
}

#[test]
fn a_press_of_the_scanners_button_during_a_pass_starts_no_other_page_of_the_same_sheet() {
    let desk = desk(3, 40.0);
    let operator = desk.operator();
    operator.lay(0).unwrap();
    operator.press_and_see_the_light().unwrap();
    desk.scanner.desk.set_flag("scan-button", true).unwrap();
    desk.station.wait("the page", |v| v["batch"]["pages"] == 1).unwrap();
    // The device is asked for it, and it starts nothing.
    wait("the press to be read", || Ok((!desk.scanner.desk.flag("scan-button")).then_some(()))).unwrap();
    operator.lay(1).unwrap();
    let view = desk.station.view().unwrap();
    assert_eq!((&view["batch"]["pages"], &view["desk"]), (&json!(1), &json!("waiting")), "{view}");
    operator.press_and_wait().unwrap();
    assert_eq!(desk.numbers().unwrap(), [1, 2]);
}

#[test]
fn whoever_says_that_the_lid_is_open_wins_and_two_that_differ_for_long_are_a_fault() {
    let desk = desk(2, 0.0);
    let operator = desk.operator();
    operator.lay(0).unwrap();
    operator.press_and_wait().unwrap();
    operator.lay(1).unwrap();
    let cover = |open| desk.scanner.desk.set_flag("cover-open", open).unwrap();
    desk.hold_after(|| cover(true), "cover-open").unwrap();
    desk.hold_after(|| {}, "cover-disagrees").unwrap();
    // A scanner that is gone says nothing more: what it said last does not stand for ever.
    desk.scanner.desk.set_flag("unplugged", true).unwrap();
    desk.station.wait("no word of the scanner", |v| v["holds"] == json!([])).unwrap();
    desk.scanner.desk.set_flag("unplugged", false).unwrap();
    cover(false);
    desk.station.wait("agreement", |v| v["holds"] == json!([])).unwrap();
    operator.press_and_wait().unwrap();
    assert_eq!(desk.numbers().unwrap(), [1, 2]);
}

#[test]
fn from_the_button_to_the_scanner_it_takes_less_than_20_ms() {
    let desk = desk(8, 0.0);
    let operator = desk.operator();
    let mut took = Vec::new();
    for page in 0..8 {
        operator.lay(page).unwrap();
        let pressed = SystemTime::now();
        operator.press_and_wait().unwrap();
        let started = wait("the scanner's start", || Ok(desk.scanner.desk.started())).unwrap();
        took.push(started.duration_since(pressed).unwrap());
    }
    // The first page opens the scanner.
    took.remove(0);
    took.sort();
    let median = took[took.len() / 2];
    println!("button to scanner: median {median:?}, all {took:?}");
    assert!(median < Duration::from_millis(20), "{took:?}");
}
