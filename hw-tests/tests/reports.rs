//! From the desk to the wall screen: what is reported arrives once, also when the supervisor dies; strangers can read it;
//! and a page in a real browser shows it.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a story that cannot go on has failed

use hw_tests::{
    browser::Browser,
    house::{BATCH, DESK, House},
    process::{Process, wait},
    supervisor::Setup,
};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};

/// A house with so many pages to scan.
fn house(pages: u32) -> House {
    House::new(pages, &Setup::default()).unwrap()
}

#[test]
fn a_batch_is_seen_live_with_its_room_and_its_power() {
    let mut house = house(2);
    house.scan(0).unwrap();
    let shown = house.shown("the first page", |s| s["stations"][0]["batch"]["pages"] == 1).unwrap();
    let batch = &shown["stations"][0]["batch"];
    assert_eq!((&batch["batch"], &batch["expected"], &batch["operator"]), (&json!(BATCH), &json!(2), &json!("li-na")));
    assert_eq!(batch["last_page"]["interlock"], "certified");
    house
        .shown("the room", |s| s["rooms"][0]["celsius"] == 21.4 && s["rooms"][0]["power"]["state"] == "online")
        .unwrap();

    house.board.climate(Ok((31_000, 71_000)));
    let shown = house.shown("the hot room", |s| s["rooms"][0]["celsius_state"] == "high").unwrap();
    assert_eq!(shown["rooms"][0]["humidity_state"], "high");
    let kinds: Vec<_> = shown["alarms"].as_array().unwrap().iter().map(|a| a["kind"].clone()).collect();
    assert_eq!(kinds, ["room-temperature", "room-humidity"]);

    house.ups.set("OB DISCHRG", 80.0).unwrap();
    house
        .shown("the power alarm", |s| s["alarms"].as_array().is_some_and(|a| a.iter().any(|a| a["kind"] == "power")))
        .unwrap();
    house.station.wait("the hold", |v| v["holds"][0]["name"] == "on-battery").unwrap();
    assert_eq!(house.station.ask("start", &json!({})).unwrap().0, 409, "no start on battery");
    house.ups.set("OL", 80.0).unwrap();
    house.station.wait("mains", |v| v["holds"] == json!([])).unwrap();

    house.scan(1).unwrap();
    house.shown("completion", |s| s["batches"][0]["completed"] == true).unwrap();
    house.station.kill_and_restart(&house.scanner).unwrap();
    house.shown("the station's return", |s| s["stations"][0]["online"] == true).unwrap();
}

#[test]
fn events_arrive_once_and_in_order_although_supervisor_and_station_are_killed() {
    let mut house = house(6);
    house.scan(0).unwrap();
    house.supervisor.kill_and_restart().unwrap();
    house.scan(1).unwrap();
    house.station.kill_and_restart(&house.scanner).unwrap();
    house.station.wait("the batch to go on by itself", |v| v["batch"]["batch"] == BATCH).unwrap();
    house.scan(2).unwrap();
    house.supervisor.stop().unwrap();
    house.scan(3).unwrap();
    house.scan(4).unwrap();
    house.station.wait("the page to say that nobody listens", |v| v["network"]["connected"] == false).unwrap();
    house.supervisor.kill_and_restart().unwrap();
    house.scan(5).unwrap();
    house.shown("completion", |s| s["batches"][0]["completed"] == true).unwrap();
    // What the broker dropped while nobody listened comes after what came later.
    let events = wait("every event, once and numbered without a gap", || {
        let events = house.events()?;
        let whole = events.iter().map(|e| e.0).eq(1..=events.len() as u64);
        Ok((whole && events.iter().any(|e| e.1 == "platen.batch.completed")).then_some(events))
    });
    let events = events.unwrap_or_else(|e| panic!("{e:#}: {:?}", house.events()));
    assert_eq!(events.iter().filter(|e| e.1 == "platen.page.accepted").count(), 6);
    let told: Vec<_> = house.supervisor.pages(DESK, BATCH).unwrap().into_iter().map(|p| p.2).collect();
    let kept: Vec<_> = house.station.journal(BATCH).unwrap().into_iter().map(|p| p.1).collect();
    assert_eq!(told, kept);
}

#[test]
fn a_station_that_is_gone_is_shown_as_gone() {
    let mut house = house(2);
    house.shown("the station", |s| s["stations"][0]["online"] == true).unwrap();
    // The broker publishes the will of a connection that died.
    let log = house.folder.path().join("will.log");
    let _listener = listen(&house, "state", &log);
    house.station.kill();
    let will = wait("the will", || {
        let text = fs::read_to_string(&log)?;
        Ok(text.lines().find(|l| l.contains(DESK) && l.contains("\"online\":false")).map(str::to_owned))
    });
    will.unwrap();
    house
        .shown("the alarm", |s| {
            s["alarms"]
                .as_array()
                .is_some_and(|a| a.iter().any(|a| a["kind"] == "station-offline" && a["station"] == DESK))
        })
        .unwrap();
}

/// A client that is not ours, listening on one channel of all stations.
fn listen(house: &House, channel: &str, log: &Path) -> Process {
    let port = house.supervisor.broker_v3.port().to_string();
    let mut command = Command::new("mosquitto_sub");
    command.args(["-h", "127.0.0.1", "-p", &port, "-v", "-t", &format!("platen/v1/+/+/{channel}")]);
    let listener = Process::start(&mut command, log).unwrap();
    // The retained state proves that it is subscribed; other channels have nothing retained.
    if channel == "state" {
        wait("the retained state", || Ok(fs::read_to_string(log)?.contains("online").then_some(()))).unwrap();
    }
    listener
}

#[test]
fn strangers_can_read_what_is_said() {
    let house = house(2);
    let (mosquitto, python) = (house.folder.path().join("mosquitto.log"), house.folder.path().join("python.log"));
    let _mosquitto = listen(&house, "#", &mosquitto);
    wait("mosquitto_sub", || Ok(fs::read_to_string(&mosquitto)?.contains("/state").then_some(()))).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/listen.py");
    let port = house.supervisor.broker.rsplit(':').next().unwrap();
    let mut command = Command::new("/usr/bin/python3");
    let _python = Process::start(command.arg(script).arg(port), &python).unwrap();
    wait("the Python client", || Ok(fs::read_to_string(&python)?.contains("subscribed").then_some(())))
        .unwrap_or_else(|e| panic!("{e:#}: {}", fs::read_to_string(&python).unwrap()));
    house.scan(0).unwrap();
    let line = wait("the page", || {
        let text = fs::read_to_string(&mosquitto)?;
        Ok(text.lines().find(|l| l.contains("platen.page.accepted")).map(str::to_owned))
    });
    let line = line.unwrap();
    let (topic, json) = line.split_once(' ').unwrap();
    assert_eq!(topic, "platen/v1/rig/desk-7/event");
    let message: Value = serde_json::from_str(json).unwrap();
    assert_eq!((&message["specversion"], &message["source"]), (&json!("1.0"), &json!("/rig/desk-7")));
    assert_eq!((&message["data"]["volume"], &message["data"]["number"]), (&json!("A-1"), &json!(1)));
    wait("Python to read the page", || {
        Ok(fs::read_to_string(&python)?
            .contains("desk-7: page 1 of A-1, turned +0.00 degrees, certified")
            .then_some(()))
    })
    .unwrap_or_else(|e| panic!("{e:#}: {}", fs::read_to_string(&python).unwrap()));
}

#[test]
fn a_browser_shows_the_batch_to_the_operator_who_starts_by_key_and_to_the_supervisor() {
    let house = house(2);
    let browser = Browser::open(&house.folder.path().join("browser"), (1600, 1000), "en").unwrap();
    browser.go(&format!("{}/", house.station.url)).unwrap();
    browser.wait_for("next-page", "A-1").unwrap();
    house.board.lid(false);
    browser.wait_for("holds", "the lid is open").unwrap();
    browser.press("l").unwrap();
    browser.wait_for("holds", "盖板未合上").unwrap();
    house.operator().lay(0).unwrap();
    wait("the page to show that nothing stands in the way", || Ok(browser.text("holds")?.is_none().then_some(())))
        .unwrap();
    browser.press(" ").unwrap();
    browser.wait_for("next-page", "A-2").unwrap();
    browser.wait_for("batch-progress", "1 / 2").unwrap();

    browser.go(&format!("{}/#/", house.supervisor.url)).unwrap();
    browser.wait_for("station-card", DESK).unwrap();
    browser.wait_for("batch-progress", "1 / 2").unwrap();
    browser.go(&format!("{}/#/rooms", house.supervisor.url)).unwrap();
    browser.wait_for("celsius", "21.4").unwrap();
}

#[test]
fn a_page_of_another_site_cannot_press_start() {
    let house = house(2);
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let answer = agent.post(format!("{}/api/start", house.station.url)).send("{}").unwrap();
    assert_eq!(answer.status(), 403);
    for (body, says) in [
        (json!({ "batch": "9/9-9-9" }), "there is no plan 9/9-9-9.csv"),
        (json!({ "batch": "../etc" }), "begins with a dot"),
        (json!({ "batches": 1 }), "unknown field"),
    ] {
        let (status, answer) = house.station.ask("open", &body).unwrap();
        assert!(status == 400 && answer["error"].as_str().unwrap().contains(says), "{status} {answer}");
    }
}
