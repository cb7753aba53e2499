//! Others at the table: what is really said fits the description that others read, and Home Assistant is told of each station.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a story that cannot go on has failed

use hw_tests::{
    house::House,
    process::{Process, wait},
    supervisor::Setup,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().into()
}

#[test]
fn the_makers_of_asyncapi_can_read_the_description() {
    let strangers = root().join("hw-tests/strangers");
    assert!(strangers.join("node_modules").exists(), "make strangers installs what this needs");
    let out = Command::new("node")
        .current_dir(&strangers)
        .arg("asyncapi.mjs")
        .arg(root().join("docs/asyncapi.json"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && said.contains("5 channels"), "{said}{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn what_is_really_said_is_as_it_is_described_and_home_assistant_hears_of_each_station() {
    let sections = "[home_assistant]\n".into();
    let house = House::new(2, &Setup { sections, ..Setup::default() }).unwrap();
    let House { folder, supervisor, board, ups, station, .. } = &house;
    let log = folder.path().join("traffic");
    let (host, port) = (supervisor.broker_v3.ip().to_string(), supervisor.broker_v3.port().to_string());
    let mut listener = Command::new("mosquitto_sub");
    listener.args(["-h", &host, "-p", &port, "-v", "-t", "#"]);
    let _listener = Process::start(&mut listener, &log).unwrap();
    wait("what the broker keeps", || Ok(fs::read_to_string(&log)?.contains("/state ").then_some(()))).unwrap();
    house.scan(0).unwrap();
    let operator = house.operator();
    // A page that is void, a fault, and the power.
    operator.lay(1).unwrap();
    board.contacts(|raw| raw.case_shut = false);
    station.wait("the fault", |v| v["faults"].as_array().is_some_and(|f| !f.is_empty())).unwrap();
    ups.set("OB DISCHRG", 50.0).unwrap();
    station.wait("the battery", |v| v["power"]["state"] == "on_battery").unwrap();
    ups.set("OL", 50.0).unwrap();
    station.wait("mains", |v| v["power"]["state"] == "online").unwrap();
    operator.press_and_wait().unwrap();
    let epoch = wait("an acknowledgement", || {
        let text = fs::read_to_string(&log)?;
        let ack = text.lines().rev().find_map(|line| line.split_once("/ack ").map(|(_, json)| json.to_owned()));
        Ok(ack.map(|ack| serde_json::from_str::<Value>(&ack)).transpose()?.map(|ack| ack["epoch"].clone()))
    })
    .unwrap();
    let mut ask = ureq::post(format!("{}/api/audit/ask", supervisor.url)).header("X-Platen", "1");
    ask = ask.header("Content-Type", "application/json");
    ask.send(json!({ "station": "desk-7", "epoch": epoch, "from": 1, "to": 1 }).to_string()).unwrap();
    let wanted = [
        "platen.batch.completed",
        "platen.page.accepted",
        "platen.fault.raised",
        "platen.power.changed",
        "/env ",
        "/ack ",
        "/state ",
        "/command ",
        "homeassistant/",
    ];
    wait("all kinds of messages", || {
        let text = fs::read_to_string(&log)?;
        Ok(wanted.iter().all(|part| text.contains(part)).then_some(()))
    })
    .unwrap_or_else(|e| panic!("{e:#}: {}", fs::read_to_string(&log).unwrap()));

    let document: Value =
        serde_json::from_str(&fs::read_to_string(root().join("docs/asyncapi.json")).unwrap()).unwrap();
    let mut checked: BTreeMap<String, u32> = BTreeMap::new();
    let mut validators = BTreeMap::new();
    for line in fs::read_to_string(&log).unwrap().lines() {
        let (topic, message) = line.split_once(' ').unwrap();
        let message: Value = serde_json::from_str(message).unwrap();
        let Some(channel) = topic.strip_prefix("platen/v1/rig/desk-7/") else {
            discovered(topic, &message);
            continue;
        };
        let name = document["channels"][channel]["messages"].as_object().unwrap().keys().next().unwrap().clone();
        let validator = validators.entry(name.clone()).or_insert_with(|| {
            // The payload's own references lead into the document's schemas.
            let mut schema = document["components"]["messages"][&name]["payload"].clone();
            schema["components"] = json!({ "schemas": document["components"]["schemas"] });
            jsonschema::draft7::new(&schema).unwrap()
        });
        let errors: Vec<_> = validator.iter_errors(&message).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{topic} {message}: {errors:?}");
        let mut wrong = message.clone();
        if let Some(object) = wrong.as_object_mut() {
            object.retain(|key, _| !["epoch", "online", "command"].contains(&key.as_str()));
        }
        assert!(!validator.is_valid(&wrong), "the description allows anything: {wrong}");
        *checked.entry(channel.to_owned()).or_default() += 1;
    }
    println!("messages that fit their description: {checked:?}");
    assert_eq!(checked.len(), 5, "{checked:?}");
}

fn discovered(topic: &str, message: &Value) {
    assert_eq!(topic, "homeassistant/device/platen_rig_desk-7/config");
    assert_eq!(
        (message["o"]["name"].as_str(), message["dev"]["name"].as_str()),
        (Some("Platen supervisor"), Some("Scanning station desk-7"))
    );
    assert!(
        message["cmps"]
            .as_object()
            .unwrap()
            .values()
            .all(|part| part["p"].is_string() && part["unique_id"].is_string()),
        "{message}"
    );
}
