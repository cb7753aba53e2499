//! A sensor is broken and the batch must go on: two persons answer for it, and everybody can see that.

#![allow(clippy::unwrap_used)] // a story that cannot go on has failed

use hw_tests::{
    browser::Browser,
    flatbed::{BATCH, FlatbedDesk},
    process::{artifact, wait},
    supervisor::Supervisor,
};
use serde_json::{Value, json};
use std::{
    io::Write,
    process::{Command, Stdio},
};

const PINS: [(&str, &str); 2] = [("wang", "482915"), ("chen", "730164")];

/// What `platen-station pin` prints for a person.
fn person(name: &str, pin: &str) -> String {
    let mut child = Command::new(artifact("platen-station").unwrap())
        .args(["pin", "--name", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{pin}\n").as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap() + "\n"
}

fn asked(sensor: &str, first: (&str, &str), second: (&str, &str)) -> Value {
    json!({
        "sensor": sensor, "minutes": 30, "reason": "the switch is torn off",
        "first": { "name": first.0, "pin": first.1 }, "second": { "name": second.0, "pin": second.1 },
    })
}

#[test]
fn a_broken_switch_is_overridden_by_two_persons_and_every_page_and_every_screen_says_so() {
    let mut supervisor = None;
    let desk = FlatbedDesk::with(4, 0.0, |setup, folder| {
        let started = Supervisor::start(&folder.join("supervisor"), 0, 0)?;
        setup.broker = Some(started.broker.clone());
        setup.sections = PINS.map(|(name, pin)| person(name, pin)).concat();
        supervisor = Some(started);
        Ok(())
    })
    .unwrap();
    let supervisor = supervisor.unwrap();
    let operator = desk.operator();
    operator.lay(0).unwrap();
    operator.press_and_wait().unwrap();
    desk.hold_after(|| desk.board.broken_wire(true), "lid-broken").unwrap();

    // One person alone, a wrong PIN, a stranger: refused.
    let [wang, chen] = PINS;
    let refused = |body: &Value| desk.station.ask("override", body).unwrap();
    let (status, answer) = refused(&asked("lid", wang, wang));
    assert!(status == 409 && answer["error"].as_str().unwrap().contains("two persons"), "{answer}");
    for second in [("chen", "000000"), ("zhou", "730164")] {
        let (status, answer) = refused(&asked("lid", wang, second));
        assert!(status == 403 && answer["error"].as_str().unwrap().contains("name or PIN"), "{answer}");
    }
    let (status, answer) = refused(&asked("pedal", wang, chen));
    assert!(status == 400 && answer["error"].as_str().unwrap().contains("lid|corner|board"), "{answer}");
    assert_eq!(desk.station.view().unwrap()["overrides"], json!([]));

    assert_eq!(desk.station.ask("override", &asked("lid", wang, chen)).unwrap().0, 200);
    let view = desk.station.wait("no hold", |v| v["holds"] == json!([])).unwrap();
    let shown = &view["overrides"][0];
    assert_eq!((&shown["sensor"], &shown["by"]), (&json!("lid"), &json!(["wang", "chen"])), "{view}");
    assert!(shown["left_s"].as_u64() > Some(1_700), "{shown}");
    wait("the yellow lamp", || {
        Ok((desk.board.light().red && desk.board.light().green && !desk.board.light().blue).then_some(()))
    })
    .unwrap();
    for page in 1..3 {
        desk.scanner.desk.lay(page).unwrap();
        operator.press_and_wait().unwrap();
    }
    let view = desk.station.wait("the count", |v| v["overrides"][0]["pages"] == 2).unwrap();
    assert_eq!(view["last_page"]["interlock"], "overridden");
    // The corner is watched as before.
    desk.hold_after(|| desk.board.corner(false, true), "not-in-corner").unwrap();
    desk.board.corner(true, true);

    // In the file, in the journal, at the supervisor.
    let files = desk.station.journal(BATCH).unwrap();
    let inside = |n: usize| {
        let bytes = std::fs::read(desk.station.out.join(&files[n].0)).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    assert!(inside(1).contains("lid, by wang and chen: the switch is torn off"), "the file itself says so");
    assert!(!inside(0).contains("by wang and chen"));
    assert!(inside(0).contains("lid closed, paper in its corner"));
    // What nobody watched is not said to have been closed.
    assert!(inside(1).contains("lid not watched, paper in its corner") && !inside(1).contains("lid closed"));
    let watched: Vec<_> =
        desk.station.records(BATCH).unwrap().into_iter().map(|r| r["watched"]["lid"].clone()).collect();
    assert_eq!(watched, [true, false, false]);
    let shown = wait("the supervisor", || {
        let shown = supervisor.snapshot()?;
        let of_override = |a: &Value| a["kind"] == "override-lid" || a["fault"] == "override-lid";
        let alarm = shown["alarms"].as_array().is_some_and(|alarms| alarms.iter().any(of_override));
        let page = shown["stations"][0]["batch"]["last_page"]["interlock"] == "overridden";
        Ok((alarm && page).then_some(shown))
    });
    shown.unwrap_or_else(|e| panic!("{e:#}: {}", supervisor.snapshot().unwrap()));

    // Repaired: the override is ended, and the lid counts again.
    desk.board.broken_wire(false);
    assert_eq!(desk.station.ask("override/end", &json!({ "sensor": "lid" })).unwrap().0, 200);
    assert_eq!(desk.station.ask("override/end", &json!({ "sensor": "lid" })).unwrap().0, 409);
    desk.fault("override-lid", false).unwrap();
    operator.lay(3).unwrap();
    operator.press_and_wait().unwrap();
    assert_eq!(desk.numbers().unwrap(), [1, 2, 3, 4]);
    assert_eq!(desk.station.view().unwrap()["last_page"]["interlock"], "certified");
}

#[test]
fn an_override_of_one_sensor_leaves_the_check_of_the_other_and_a_pin_cannot_be_guessed() {
    let desk = FlatbedDesk::with(5, 0.0, |setup, _| {
        setup.sections = PINS.map(|(name, pin)| person(name, pin)).concat();
        Ok(())
    })
    .unwrap();
    let operator = desk.operator();
    operator.lay(0).unwrap();
    desk.hold_after(|| desk.board.contacts(|raw| raw.left = 2), "corner-broken").unwrap();
    let [wang, chen] = PINS;
    assert_eq!(desk.station.ask("override", &asked("corner", wang, chen)).unwrap().0, 200);
    for page in 0..3 {
        desk.scanner.desk.lay(page).unwrap();
        operator.press_and_wait().unwrap();
    }
    // The lid has not moved for three pages.
    desk.hold_after(|| {}, "lid-stuck").unwrap();

    // Who has a PIN cannot guess another's with it.
    for _ in 0..5 {
        assert_eq!(desk.station.ask("override", &asked("lid", wang, ("chen", "111111"))).unwrap().0, 403);
    }
    let (status, answer) = desk.station.ask("override", &asked("lid", wang, chen)).unwrap();
    assert!(status == 403 && answer["error"].as_str().unwrap().contains("too many wrong PINs"), "{answer}");
}

/// WebDriver's name of the Tab key.
const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";

#[test]
fn two_persons_override_by_keyboard_on_the_operators_page() {
    let desk = FlatbedDesk::with(2, 0.0, |setup, _| {
        setup.sections = PINS.map(|(name, pin)| person(name, pin)).concat();
        Ok(())
    })
    .unwrap();
    let browser = Browser::open(&desk.folder.path().join("browser"), (1600, 1000), "en").unwrap();
    let picture = |name: &str| {
        // Where somebody wants to look at them.
        if let Some(folder) = std::env::var_os("PICTURES") {
            browser.picture(&std::path::Path::new(&folder).join(name)).unwrap();
        }
    };
    browser.go(&format!("{}/", desk.station.url)).unwrap();
    browser.wait_for("status", "Ready").unwrap();
    // There is nothing to override.
    browser.press("o").unwrap();
    assert_eq!(browser.text("override-dialog").unwrap(), None);

    desk.board.contacts(|raw| raw.left = 2);
    desk.board.contacts(|raw| raw.case_shut = false);
    browser.wait_for("holds", "short circuit").unwrap();
    browser.wait_for("alerts", "case is open").unwrap();
    picture("fault.png");
    browser.press("o").unwrap();
    browser.wait_for("override-dialog", "Two persons answer for it").unwrap();
    for text in ["wire squashed by the hinge", TAB, TAB, PINS[0].1, TAB, TAB, PINS[1].1] {
        if text == TAB { browser.press(text).unwrap() } else { browser.write(text).unwrap() }
    }
    picture("dialog.png");
    browser.press(ENTER).unwrap();
    browser.wait_for("alerts", "wang + chen: wire squashed by the hinge").unwrap();
    browser.wait_for("status", "Ready").unwrap();
    browser.press(" ").unwrap();
    browser.wait_for("last-page", "overridden").unwrap();
    browser.press("l").unwrap();
    browser.wait_for("alerts", "左上角传感器已停用").unwrap();
    picture("overridden.png");
}

#[test]
fn without_a_board_two_persons_can_let_the_desk_go_on_and_a_restart_ends_that() {
    let mut desk = FlatbedDesk::with(2, 0.0, |setup, _| {
        setup.sections = PINS.map(|(name, pin)| person(name, pin)).concat();
        Ok(())
    })
    .unwrap();
    desk.board.plugged(false);
    desk.hold_after(|| {}, "board-absent").unwrap();
    let [wang, chen] = PINS;
    assert_eq!(desk.station.ask("override", &asked("board", wang, chen)).unwrap().0, 200);
    desk.station.wait("no hold", |v| v["holds"] == json!([])).unwrap();
    desk.scanner.desk.lay(0).unwrap();
    assert_eq!(desk.station.ask("start", &json!({})).unwrap().0, 200);
    desk.station.wait("the page", |v| v["batch"]["pages"] == 1).unwrap();
    desk.station.kill_and_restart(&desk.scanner).unwrap();
    desk.station.wait("the batch to go on by itself", |v| v["batch"]["batch"] == BATCH).unwrap();
    desk.hold_after(|| {}, "board-absent").unwrap();
    let faults = desk.station.faults().unwrap();
    assert_eq!(faults.iter().filter(|f| f.as_str() == "override-board").count(), 2, "raised and cleared: {faults:?}");
}
