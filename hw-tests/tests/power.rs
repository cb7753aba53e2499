//! The mains fails: the page is finished, no other is begun; the battery runs low: everything is kept and the batch is
//! closed; and each way in which a UPS can be lost has its own name.

#![allow(clippy::unwrap_used)] // a story that cannot go on has failed

use hw_tests::{
    flatbed::{BATCH, FlatbedDesk},
    pages,
    process::wait,
    scanner::VirtualScanner,
    terminal,
    ups::{Guarded, Ups},
};
use serde_json::{Value, json};
use std::path::Path;
use virtual_scanner::desk::Settings;

/// A desk on a UPS.
fn desk(pages: u32, ppm: f64) -> (FlatbedDesk, Ups) {
    let mut ups = None;
    let desk = FlatbedDesk::with(pages, ppm, |setup, folder| {
        let started = Ups::start(&folder.join("nut"))?;
        setup.ups = Some(started.address.clone());
        ups = Some(started);
        Ok(())
    });
    (desk.unwrap(), ups.unwrap())
}

fn power(desk: &FlatbedDesk, state: &str) -> Value {
    desk.station.wait(state, |v| v["power"]["state"] == state).unwrap()
}

#[test]
fn on_battery_the_page_is_finished_and_the_next_is_refused_and_a_low_battery_closes_the_batch_until_the_mains_is_back()
{
    let (desk, ups) = desk(3, 12.0);
    power(&desk, "online");
    let operator = desk.operator();
    operator.lay(0).unwrap();
    operator.press_and_see_the_light().unwrap();
    ups.set("OB DISCHRG", 60.0).unwrap();
    let view = power(&desk, "on_battery");
    assert_eq!(view["desk"], "scanning", "the page under way is not given up: {view}");
    desk.station.wait("the page", |v| v["batch"]["pages"] == 1).unwrap();
    desk.hold_after(|| {}, "on-battery").unwrap();

    // The mains is back for a moment, then the battery is empty in the middle of a page.
    ups.set("OL CHRG", 55.0).unwrap();
    power(&desk, "online");
    operator.lay(1).unwrap();
    operator.press_and_see_the_light().unwrap();
    ups.set("OB LB", 4.0).unwrap();
    let view = desk.station.wait("the batch to be closed", |v| v["desk"] == "no_batch").unwrap();
    assert_eq!(view["holds"][0]["name"], "battery-low");
    assert_eq!(desk.station.journal(BATCH).unwrap().len(), 1, "the page under way is void");

    ups.set("OL CHRG", 20.0).unwrap();
    desk.station.wait("the batch to go on by itself", |v| v["batch"]["batch"] == BATCH).unwrap();
    for page in 1..3 {
        operator.lay(page).unwrap();
        operator.press_and_wait().unwrap();
    }
    assert_eq!(desk.numbers().unwrap(), [1, 2, 3]);
}

#[test]
fn a_host_that_the_ups_has_shut_down_in_the_middle_of_a_page_goes_on_by_itself_when_it_is_started_on_mains() {
    for last_words in ["OB LB", "FSD OB LB"] {
        let (mut desk, ups) = desk(3, 12.0);
        power(&desk, "online");
        let operator = desk.operator();
        operator.lay(0).unwrap();
        operator.press_and_wait().unwrap();
        operator.lay(1).unwrap();
        operator.press_and_see_the_light().unwrap();
        ups.set(last_words, 3.0).unwrap();
        desk.station.wait("the batch to be closed", |v| v["desk"] == "no_batch").unwrap();
        // The battery is empty. When the host starts again it is charging, and still low.
        desk.station.kill();
        ups.set("OL CHRG LB", 5.0).unwrap();
        desk.station.revive(&desk.scanner).unwrap();
        power(&desk, "online");
        let view = desk.station.wait("the batch to go on by itself", |v| v["batch"]["batch"] == BATCH).unwrap();
        assert_eq!((&view["batch"]["pages"], &view["next"]["number"]), (&json!(1), &json!(2)), "{last_words}: {view}");
        let operator = desk.operator();
        for page in 1..3 {
            operator.lay(page).unwrap();
            operator.press_and_wait().unwrap();
        }
        assert_eq!(desk.numbers().unwrap(), [1, 2, 3], "{last_words}");
    }
}

#[test]
fn a_host_that_starts_on_an_empty_battery_waits_for_the_mains_before_it_opens_the_batch_again() {
    let (mut desk, ups) = desk(2, 0.0);
    power(&desk, "online");
    let operator = desk.operator();
    operator.lay(0).unwrap();
    operator.press_and_wait().unwrap();
    // Cut before the station could close anything.
    desk.station.kill();
    ups.set("OB LB", 3.0).unwrap();
    desk.station.revive(&desk.scanner).unwrap();
    let view = desk.station.wait("the hold", |v| v["holds"][0]["name"] == "battery-low").unwrap();
    assert_ne!(view["desk"], "scanning");
    assert_eq!(desk.station.ask("start", &json!({})).unwrap().0, 409);
    ups.set("OL CHRG", 30.0).unwrap();
    desk.station.wait("the batch to go on by itself", |v| v["batch"]["batch"] == BATCH).unwrap();
    let operator = desk.operator();
    operator.lay(1).unwrap();
    operator.press_and_wait().unwrap();
    assert_eq!(desk.numbers().unwrap(), [1, 2]);
}

#[test]
fn in_the_terminal_a_low_battery_ends_the_run_with_what_was_kept_and_why() {
    let folder = tempfile::tempdir().unwrap();
    pages::write_numbered(&folder.path().join("pages"), 40).unwrap();
    let settings = Settings { ppm: 60.0, ..Settings::new(&folder.path().join("pages"), 40) };
    let scanner = VirtualScanner::create(folder.path(), settings).unwrap();
    let ups = Ups::start(&folder.path().join("nut")).unwrap();
    let args = terminal::feeder(40, &folder.path().join("out"));
    let mut args: Vec<_> = args.iter().map(String::as_str).collect();
    args.extend(["--ups", &ups.address]);
    let said = std::thread::scope(|scope| {
        let run = scope.spawn(|| terminal::station(&scanner, &args));
        wait("the fifth page", || Ok((scanner.desk.position() >= 5).then_some(()))).unwrap();
        ups.set("OB LB", 3.0).unwrap();
        run.join().unwrap().unwrap()
    });
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    let kept = said.out.split(" pages in this run").next().and_then(|s| s.rsplit(' ').next()).unwrap().to_owned();
    assert!(kept.parse::<u32>().unwrap() >= 4 && said.out.contains(&format!("{kept} of 40 in all")), "{}", said.out);
    assert!(said.out.contains("because:  the UPS's battery is nearly empty"), "{}", said.out);
}

#[test]
fn a_worn_battery_a_shutdown_a_lost_driver_and_a_vanished_server_are_told_apart() {
    let (desk, mut ups) = desk(1, 0.0);
    power(&desk, "online");
    ups.set("OL RB", 80.0).unwrap();
    desk.fault("ups-battery-worn", true).unwrap();
    ups.set("OL", 80.0).unwrap();
    desk.fault("ups-battery-worn", false).unwrap();
    ups.set("OL RB", 80.0).unwrap();
    desk.fault("ups-battery-worn", true).unwrap();
    ups.set("FSD OB LB RB", 2.0).unwrap();
    power(&desk, "forced_shutdown");
    ups.set("OL RB", 80.0).unwrap();
    power(&desk, "online");
    ups.lose_driver();
    power(&desk, "stale");
    ups.vanish();
    power(&desk, "unreachable");
    desk.fault("ups-battery-worn", true).unwrap();
    assert_eq!(desk.station.view().unwrap()["holds"], json!([]), "silence is no bad news of the mains");
}

/// Lines of `[sensors]` that give these to the NUT server.
fn shown_to_nut(folder: &Path, user: &str, password: &str) -> String {
    let file = folder.join("ups-password");
    std::fs::write(&file, format!("{password}\n")).unwrap();
    format!(
        "ups_user = \"{user}\"\nups_password_file = \"{}\"\nups_ca = \"{}\"\n",
        file.display(),
        folder.join("nut/ca.pem").display()
    )
}

#[test]
fn a_guarded_server_is_asked_under_tls_and_after_a_login_and_a_refusal_says_what_is_wrong() {
    let guarded = Guarded { user: "platen", password: "a \"good\" word" };
    let mut ups = None;
    let desk = FlatbedDesk::with(1, 0.0, |setup, folder| {
        let started = Ups::start_guarded(&folder.join("nut"), &guarded)?;
        setup.ups = Some(started.address.clone());
        setup.sensors = shown_to_nut(folder, guarded.user, guarded.password);
        ups = Some(started);
        Ok(())
    })
    .unwrap();
    power(&desk, "online");
    let ups = ups.unwrap();
    let logins = |wanted: u32, why: &str| {
        wait(why, || Ok((ups.logins()? == wanted).then_some(()))).unwrap();
    };
    logins(1, "the server's host to wait for the desk");
    ups.set("OB LB", 4.0).unwrap();
    desk.station.wait("the batch to be closed", |v| v["desk"] == "no_batch").unwrap();
    logins(0, "the desk to take leave: everything is written down");
    ups.set("OL", 90.0).unwrap();
    desk.station.wait("the batch to go on by itself", |v| v["batch"]["batch"] == BATCH).unwrap();
    logins(1, "the desk to be waited for again");

    let config = desk.folder.path().join("station.toml");
    let good = std::fs::read_to_string(&config).unwrap();
    let doctor = |text: &str| {
        std::fs::write(&config, text).unwrap();
        let said = terminal::station(&desk.scanner, &["doctor", "--config", config.to_str().unwrap()]).unwrap();
        said.out.lines().find(|line| line.starts_with("ups")).unwrap().to_owned()
    };
    assert!(doctor(&good).contains("good"), "{}", doctor(&good));
    std::fs::write(desk.folder.path().join("ups-password"), "wrong").unwrap();
    let refused = doctor(&good);
    assert!(refused.contains("BAD") && refused.contains("refuses the user \"platen\""), "{refused}");
    std::fs::write(desk.folder.path().join("nut/ca.pem"), "nothing").unwrap();
    let unsigned = doctor(&good);
    assert!(unsigned.contains("sensors.ups_ca"), "{unsigned}");
}
