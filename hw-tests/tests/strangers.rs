//! Others at the table: what is really said fits the description that others read, and Home Assistant is told of each station.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a story that cannot go on has failed

use hw_tests::{
    house::House,
    losses::LIMITS,
    mosquitto::Mosquitto,
    process::{Process, wait},
    supervisor::{Setup, Supervisor},
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

/// What a host of Sparkplug hears, read by Eclipse Tahu's own payloads.
struct Host {
    log: PathBuf,
    address: (String, String),
    _listener: Process,
}

impl Host {
    fn listen(folder: &Path, address: std::net::SocketAddr) -> Self {
        let log = folder.join("sparkplug");
        let address = (address.ip().to_string(), address.port().to_string());
        let mut listener = Command::new("mosquitto_sub");
        listener.args(["-h", &address.0, "-p", &address.1, "-t", "spBv1.0/#", "-F", "%t %q %r %x"]);
        Self { _listener: Process::start(&mut listener, &log).unwrap(), log, address }
    }

    fn heard(&self) -> Vec<Value> {
        let mut node = Command::new("node");
        node.current_dir(root().join("hw-tests/strangers")).args(["sparkplug.mjs", "decode"]);
        let out = node.stdin(fs::File::open(&self.log).unwrap()).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits for a message, from the `from`-th on, on the topic of this end.
    fn wait(&self, from: usize, end: &str, is: impl Fn(&Value) -> bool) -> Value {
        let found = wait(end, || {
            let heard = self.heard();
            let fits = |m: &&Value| m["topic"] == format!("spBv1.0/archive/{end}") && is(&m["payload"]);
            Ok(heard.iter().skip(from).find(fits).map(|m| m["payload"].clone()))
        });
        found.unwrap_or_else(|e| panic!("{e:#}: {:#?}", self.heard()))
    }

    fn order_births(&self, node: &str) {
        let file = self.log.with_extension("order");
        let mut order = Command::new("node");
        order.current_dir(root().join("hw-tests/strangers")).args(["sparkplug.mjs", "rebirth"]);
        fs::write(&file, order.output().unwrap().stdout).unwrap();
        let mut publish = Command::new("mosquitto_pub");
        publish.args([
            "-h",
            &self.address.0,
            "-p",
            &self.address.1,
            "-q",
            "1",
            "-t",
            &format!("spBv1.0/archive/NCMD/{node}"),
        ]);
        assert!(publish.arg("-f").arg(&file).status().unwrap().success());
    }
}

fn metric(payload: &Value, name: &str) -> Value {
    let metrics = payload["metrics"].as_array().cloned().unwrap_or_default();
    metrics.into_iter().find(|m| m["name"] == name).map_or(Value::Null, |m| m["value"].clone())
}

#[test]
fn a_sparkplug_host_sees_stations_be_born_change_and_die() {
    let sections = "[sparkplug]\ngroup = \"archive\"\n".into();
    let mut house = House::new(2, &Setup { sections, ..Setup::default() }).unwrap();
    let host = Host::listen(house.folder.path(), house.supervisor.broker_v3);
    wait("the listener", || Ok(host.log.exists().then_some(()))).unwrap();
    // Who comes later asks for births.
    let born = wait("births", || {
        host.order_births("platen");
        Ok(host.heard().iter().find(|m| m["topic"] == "spBv1.0/archive/NBIRTH/platen").map(|m| m["payload"].clone()))
    })
    .unwrap();
    assert_eq!((born["seq"].as_u64(), metric(&born, "Node Control/Rebirth")), (Some(0), json!(false)));
    let life = metric(&born, "bdSeq");
    let desk = host.wait(0, "DBIRTH/platen/desk-7", |p| metric(p, "Batch/Name") == "2/2-1-1");
    assert_eq!((metric(&desk, "Batch/Pages"), metric(&desk, "Batch/Pages Expected")), (json!(0), json!(2)));
    // The room was read before the birth, or is told of after it.
    wait("the room", || {
        let warm = |m: &Value| metric(&m["payload"], "Room/Temperature").as_f64() > Some(10.0);
        Ok(host.heard().iter().any(warm).then_some(()))
    })
    .unwrap();

    house.scan(0).unwrap();
    host.wait(0, "DDATA/platen/desk-7", |p| metric(p, "Batch/Pages") == 1);
    let before = host.heard().len();
    host.order_births("platen");
    let again = host.wait(before, "NBIRTH/platen", |_| true);
    assert_eq!(metric(&again, "bdSeq"), life, "another birth of the same life");
    let desk = host.wait(before, "DBIRTH/platen/desk-7", |_| true);
    assert_eq!(metric(&desk, "Batch/Pages"), 1);

    // Every number follows the one before it, none is retained, and only a death is sure.
    let mut next: Option<u64> = None;
    for message in host.heard().iter().filter(|m| !m["topic"].as_str().unwrap().contains("/NCMD/")) {
        assert_eq!((&message["qos"], &message["retain"]), (&json!(0), &json!(0)), "{message}");
        let seq = message["payload"]["seq"].as_u64().unwrap();
        assert!(
            seq == 0 && message["topic"] == "spBv1.0/archive/NBIRTH/platen" || next.is_none_or(|n| n == seq),
            "{message}"
        );
        next = Some((seq + 1) % 256);
    }

    house.station.kill();
    host.wait(before, "DDEATH/platen/desk-7", |_| true);
}

#[test]
fn a_supervisor_that_is_killed_dies_for_a_sparkplug_host_with_the_number_of_its_birth() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(&folder.path().join("mosquitto"), LIMITS).unwrap();
    let sections = "[sparkplug]\ngroup = \"archive\"\nnode = \"night\"\n".into();
    let url = Some(format!("url = \"{}\"\n", broker.url()));
    let setup = Setup { sections, broker: url, ..Setup::default() };
    let host = Host::listen(folder.path(), broker.address);
    let mut supervisor = Supervisor::start_with(&folder.path().join("supervisor"), &setup).unwrap();
    let life = metric(&host.wait(0, "NBIRTH/night", |_| true), "bdSeq");
    supervisor.kill();
    let death = host.wait(0, "NDEATH/night", |_| true);
    assert_eq!((metric(&death, "bdSeq"), &death["seq"]), (life, &Value::Null));
}
