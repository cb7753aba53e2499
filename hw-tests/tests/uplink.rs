//! The way to the supervisor over a real Mosquitto: certificates, rights, limits; and what is done when a broker, a database or a
//! station's files are not what they were.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a story that cannot go on has failed

use hw_tests::{
    authority::Authority,
    losses::write_events,
    mosquitto::Mosquitto,
    pages,
    process::{artifact, wait, wait_for},
    scanner::VirtualScanner,
    station::{Setup, Station},
    supervisor::{self, Supervisor},
};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;
use virtual_scanner::desk::Settings;

const DESK: &str = "desk-1";
/// Its certificate's common name.
const NAME: &str = "rig/desk-1";
const BATCH: &str = "1/1-1-1";

/// Mosquitto as deploy/ sets it up, with this rig's paths and port.
fn guarded(folder: &Path, authority: &Authority, most: u32) -> Mosquitto {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy/mosquitto");
    authority.issue("127.0.0.1", &folder.join("broker")).unwrap();
    fs::copy(authority.certificate(), folder.join("ca.pem")).unwrap();
    fs::copy(deploy.join("acl"), folder.join("acl")).unwrap();
    let config = fs::read_to_string(deploy.join("platen.conf")).unwrap();
    let config = config.replace("/etc/mosquitto/platen", &folder.display().to_string());
    // The rig brings a listener on a free port of this machine, and says itself what is kept.
    let config = config.replace("listener 8883\n", "").replace("persistence false\n", "");
    let config = config.replace("max_packet_size 70000", &format!("max_packet_size {most}"));
    Mosquitto::start_with(&folder.join("mosquitto"), &config).unwrap()
}

fn tls(broker: &Mosquitto, authority: &Authority, (certificate, key): &(PathBuf, PathBuf), key_name: &str) -> String {
    format!(
        "{key_name} = \"mqtts://{}\"\nca = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\n",
        broker.address,
        authority.certificate().display(),
        certificate.display(),
        key.display()
    )
}

struct House {
    folder: TempDir,
    authority: Authority,
    broker: Mosquitto,
    supervisor: Supervisor,
}

fn house(most: u32) -> House {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(&folder.path().join("authority")).unwrap();
    let broker = guarded(folder.path(), &authority, most);
    let identity = authority.issue("supervisor", &folder.path().join("supervisor-id")).unwrap();
    let setup = supervisor::Setup { broker: Some(tls(&broker, &authority, &identity, "url")), ..Default::default() };
    let supervisor = Supervisor::start_with(&folder.path().join("supervisor"), &setup).unwrap();
    House { folder, authority, broker, supervisor }
}

impl House {
    /// A station that shows this identity.
    fn station(&self, identity: &(PathBuf, PathBuf)) -> (VirtualScanner, Station) {
        let path = self.folder.path();
        pages::write_numbered(&path.join("pages"), 3).unwrap();
        let settings = Settings { dpi: 200, adf: true, ..Settings::new(&path.join("pages"), 3) };
        let scanner = VirtualScanner::create(path, settings).unwrap();
        let uplink = tls(&self.broker, &self.authority, identity, "broker");
        let setup = Setup { source: "adf".into(), uplink, ..Setup::flatbed(DESK) };
        let station = Station::start(path, &scanner, &setup).unwrap();
        station.plan(BATCH, &[("A-1", "One", 3)]).unwrap();
        (scanner, station)
    }

    fn stored(&self, query: &str) -> u64 {
        self.supervisor.database().unwrap().query_row(query, [], |row| row.get(0)).unwrap()
    }

    fn wait_for_pages(&self, pages: usize) {
        wait("the pages", || Ok((self.supervisor.pages(DESK, BATCH)?.len() == pages).then_some(()))).unwrap();
    }
}

fn scan(station: &Station) {
    station.open(BATCH).unwrap();
    assert_eq!(station.ask("start", &json!({})).unwrap().0, 200);
    station.wait("the batch", |v| v["batch"]["completed"] == true).unwrap();
}

fn trouble(station: &Station, part: &str) -> Value {
    station.wait(part, |v| v["network"]["trouble"].as_str().is_some_and(|trouble| trouble.contains(part))).unwrap()
}

#[test]
fn certificates_are_shown_to_each_other_and_renewed_without_a_restart() {
    let house = house(70_000);
    let stranger = Authority::new(&house.folder.path().join("stranger")).unwrap();
    let own = house.folder.path().join("desk-id");
    let identity = stranger.issue(NAME, &own).unwrap();
    let (_scanner, station) = house.station(&identity);
    scan(&station);
    // Nobody knows who signed this one.
    station.wait("the refusal", |v| v["network"]["connected"] == false && v["network"]["trouble"].is_string()).unwrap();
    assert_eq!(house.stored("SELECT count(*) FROM event"), 0);
    house.authority.issue(NAME, &own).unwrap();
    house.wait_for_pages(3);
    // A certificate that is renewed while the connection stands is used within seconds.
    let connections =
        |log: &str| log.lines().filter(|line| line.contains("New client connected") && line.contains(DESK)).count();
    let before = connections(&house.broker.log().unwrap());
    house.authority.issue(NAME, &own).unwrap();
    wait("the new connection", || Ok((connections(&house.broker.log()?) > before).then_some(()))).unwrap();
    station.wait("the connection", |v| v["network"]["connected"] == true).unwrap();
    // A key that does not belong to it is named.
    fs::write(own.with_extension("key"), "no key").unwrap();
    trouble(&station, "no key in it");
}

#[test]
fn a_station_cannot_speak_for_another_and_what_it_could_not_say_is_not_lost() {
    let house = house(70_000);
    let own = house.folder.path().join("desk-id");
    let identity = house.authority.issue("rig/desk-2", &own).unwrap();
    let (_scanner, station) = house.station(&identity);
    scan(&station);
    trouble(&station, "the broker does not take what this station says: NotAuthorized");
    // Nor one of another site for its namesake.
    house.authority.issue("south/desk-1", &own).unwrap();
    let refused = |log: &str| log.contains("u'south/desk-1'");
    wait("the other site's desk", || Ok(refused(&house.broker.log()?).then_some(()))).unwrap();
    trouble(&station, "the broker does not take what this station says: NotAuthorized");
    assert_eq!(house.stored("SELECT count(*) FROM event"), 0);
    house.authority.issue(NAME, &own).unwrap();
    house.wait_for_pages(3);
}

#[test]
fn an_event_that_the_broker_cannot_carry_is_kept_aside_and_stops_nothing() {
    // Pages' events are of about 650 bytes; what is left is enough for the note.
    let house = house(600);
    let identity = house.authority.issue(NAME, &house.folder.path().join("desk-id")).unwrap();
    let (_scanner, station) = house.station(&identity);
    scan(&station);
    wait("the notes", || {
        Ok((house.stored("SELECT count(*) FROM event WHERE type = 'platen.event.unsendable'") == 3).then_some(()))
    })
    .unwrap_or_else(|e| panic!("{e:#}: {} {}", station.view().unwrap()["network"], house.broker.log().unwrap()));
    wait("the end of the batch", || {
        Ok((house.stored("SELECT count(*) FROM event WHERE type = 'platen.batch.completed'") == 1).then_some(()))
    })
    .unwrap();
    let outbox = Connection::open(station.state().join("outbox.db")).unwrap();
    let aside: Vec<String> = outbox
        .prepare("SELECT reason FROM quarantine WHERE body LIKE '%platen.page.accepted%'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(aside.len(), 3);
    assert!(aside[0].contains("the broker takes 600"), "{aside:?}");
    // The journal has them; what the supervisor lacks is found by comparing.
    let said = verify(&house.supervisor, &station);
    assert!(said.contains("page 1: not in the database") && said.contains("3 differences; 0 events missing"), "{said}");
}

/// What `verify` says of the station.
fn verify(supervisor: &Supervisor, station: &Station) -> String {
    let journal = Command::new(artifact("platen-station").unwrap())
        .args(["journal", "--config"])
        .arg(station.config())
        .output()
        .unwrap();
    assert!(journal.status.success(), "{}", String::from_utf8_lossy(&journal.stderr));
    let file = station.state().join("pages.jsonl");
    fs::write(&file, journal.stdout).unwrap();
    let out = Command::new(artifact("platen-supervisor").unwrap())
        .args(["verify", "--station", &station.name, "--config"])
        .arg(supervisor.config())
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(
        out.status.code(),
        Some(i32::from(!said.contains(" 0 differences; 0 events missing"))),
        "{said}{}",
        String::from_utf8_lossy(&out.stderr)
    );
    said
}

/// A house without certificates: a supervisor with its own broker, and a desk.
fn plain() -> (TempDir, Supervisor, VirtualScanner, Station) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    pages::write_numbered(&path.join("pages"), 3).unwrap();
    let supervisor = Supervisor::start(&path.join("supervisor"), 0, 0).unwrap();
    let scanner =
        VirtualScanner::create(path, Settings { dpi: 200, adf: true, ..Settings::new(&path.join("pages"), 3) })
            .unwrap();
    let setup = Setup { source: "adf".into(), broker: Some(supervisor.broker.clone()), ..Setup::flatbed(DESK) };
    let station = Station::start(path, &scanner, &setup).unwrap();
    station.plan(BATCH, &[("A-1", "One", 3)]).unwrap();
    (folder, supervisor, scanner, station)
}

fn audit(supervisor: &Supervisor) -> Value {
    let body = ureq::get(format!("{}/api/audit", supervisor.url)).call().unwrap().body_mut().read_to_string().unwrap();
    serde_json::from_str(&body).unwrap()
}

fn complete(supervisor: &Supervisor) -> Value {
    wait("the proof that nothing is missing", || {
        let audit = audit(supervisor);
        let whole = |s: &Value| s["missing_count"] == 0 && s["broken"] == false && s["through"] == s["last"];
        Ok(audit["streams"].as_array().is_some_and(|s| !s.is_empty() && s.iter().all(whole)).then_some(audit))
    })
    .unwrap_or_else(|e| panic!("{e:#}: {}", audit(supervisor)))
}

#[test]
fn what_a_database_has_lost_is_found_and_asked_for_again() {
    let (_folder, mut supervisor, _scanner, station) = plain();
    scan(&station);
    wait("the end of the batch", || {
        let ended = "SELECT EXISTS (SELECT 1 FROM event WHERE type = 'platen.batch.completed')";
        Ok(supervisor.database()?.query_row(ended, [], |r| r.get::<_, bool>(0))?.then_some(()))
    })
    .unwrap();
    let before = complete(&supervisor)["streams"][0]["stored"].clone();
    assert!(
        verify(&supervisor, &station)
            .contains("3 pages in its journal, 3 in the database, 0 differences; 0 events missing")
    );
    supervisor.kill();
    let file = supervisor.config().with_file_name("supervisor.db");
    let db = Connection::open(&file).unwrap();
    // A database put back from before the batch, and one with a hole.
    db.execute_batch(
        "DELETE FROM event WHERE seq BETWEEN 2 AND 3; DELETE FROM page WHERE number = 1; UPDATE stream SET through = 1;",
    )
    .unwrap();
    drop(db);
    let said = verify(&supervisor, &station);
    assert!(said.contains("page 1: not in the database") && said.contains("1 differences; 2 events missing"), "{said}");
    supervisor.revive().unwrap();
    wait("the supervisor", || Ok(supervisor.snapshot().is_ok().then_some(()))).unwrap();
    // It sees the hole at the station's first word, and asks; the station has long forgotten, and finds them in its journal.
    assert_eq!(complete(&supervisor)["streams"][0]["stored"], before);
    assert!(verify(&supervisor, &station).contains("0 differences; 0 events missing"));

    // A person can ask, too.
    let ask = |body: Value, header: bool| {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mut request = agent.post(format!("{}/api/audit/ask", supervisor.url));
        if header {
            request = request.header("X-Platen", "1");
        }
        let mut answer = request.send(body.to_string()).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    let epoch = audit(&supervisor)["streams"][0]["epoch"].clone();
    let range = json!({ "station": DESK, "epoch": epoch, "from": 1, "to": 2 });
    assert_eq!(ask(range.clone(), true).0, 202);
    assert_eq!(ask(range, false).0, 403);
    let (status, answer) = ask(json!({ "station": DESK, "epoch": epoch, "from": 3, "to": 2 }), true);
    assert!(status == 400 && answer.contains("from = 3, to = 2"), "{answer}");
    let (status, answer) = ask(json!({ "station": "Desk", "epoch": epoch, "from": 1, "to": 2 }), true);
    assert!(status == 400 && answer.contains("a-z"), "{answer}");
    complete(&supervisor);
}

#[test]
fn a_station_whose_files_were_put_back_from_a_copy_loses_no_new_event() {
    let (folder, supervisor, scanner, mut station) = plain();
    complete_after(&supervisor, &station, 20, 0);
    station.kill();
    let (state, copy) = (station.state(), folder.path().join("copy"));
    copy_folder(&state, &copy);
    station.kill_and_restart(&scanner).unwrap();
    complete_after(&supervisor, &station, 30, 100);
    station.kill();
    fs::remove_dir_all(&state).unwrap();
    copy_folder(&copy, &state);
    station.kill_and_restart(&scanner).unwrap();
    // Other events under numbers that were given before.
    write_events(&state.join("journal.db"), 1_000, 40, 5, Duration::ZERO).unwrap();
    let stored = |from: u64, count: u64| -> u64 {
        supervisor
            .database()
            .unwrap()
            .query_row(
                "SELECT count(DISTINCT time) FROM event WHERE time >= ?1 AND time < ?2",
                [time(from), time(from + count)],
                |row| row.get(0),
            )
            .unwrap()
    };
    wait_for(Duration::from_secs(60), "the new events", || Ok((stored(1_000, 40) == 40).then_some(()))).unwrap();
    assert_eq!((stored(0, 20), stored(100, 30)), (20, 30), "and the old ones stay");
    let audit = audit(&supervisor);
    assert!(audit["streams"].as_array().unwrap().len() >= 2, "a new epoch: {audit}");
    complete(&supervisor);
}

/// As the rig's writer of events names the time of the n-th.
fn time(n: u64) -> String {
    format!("2026-11-21T09:30:00.{n:08}1Z")
}

fn complete_after(supervisor: &Supervisor, station: &Station, count: u64, first: u64) {
    write_events(&station.state().join("journal.db"), first, count, 5, Duration::ZERO).unwrap();
    let last = time(first + count - 1);
    wait("the events", || {
        let found: bool =
            supervisor
                .database()?
                .query_row("SELECT EXISTS (SELECT 1 FROM event WHERE time = ?1)", [&last], |r| r.get(0))?;
        Ok(found.then_some(()))
    })
    .unwrap();
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn what_the_supervisor_cannot_take_is_shown_with_the_reason() {
    let (_folder, supervisor, _scanner, station) = plain();
    complete_after(&supervisor, &station, 1, 0);
    let publish = |topic: &str, message: &str| {
        let port = supervisor.broker.rsplit(':').next().unwrap().to_owned();
        let sent = Command::new("mosquitto_pub")
            .args(["-V", "mqttv5", "-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-m", message])
            .status();
        assert!(sent.unwrap().success());
    };
    publish("platen/v1/rig/desk-1/event", "{\"epoch\":\"e\",\"seq\":3}");
    publish("platen/v1/rig/desk-1/state", "nonsense");
    let audit = wait("the refusals", || {
        let audit = audit(&supervisor);
        Ok((audit["refused_count"] == 2).then_some(audit))
    })
    .unwrap();
    let refused = &audit["refused"];
    assert_eq!(
        (&refused[1]["station"], &refused[1]["epoch"], &refused[1]["seq"]),
        (&json!(DESK), &json!("e"), &json!(3))
    );
    assert!(refused[1]["reason"].as_str().unwrap().contains("specversion"), "{audit}");
    assert!(refused[0]["reason"].as_str().unwrap().contains("line 1"), "{audit}");
}
