//! A supervisor that a broker does not let listen says so, and why, on its dashboards: silence there must not look like quiet.

#![allow(clippy::unwrap_used)] // a story that cannot go on has failed

use hw_tests::{
    mosquitto::Mosquitto,
    process::wait,
    supervisor::{Setup, Supervisor},
};
use serde_json::{Value, json};
use std::{env::consts::ARCH, fs, path::Path};

fn at(broker: &Mosquitto, folder: &Path) -> Supervisor {
    let url = Some(format!("url = \"{}\"\n", broker.url()));
    Supervisor::start_with(folder, &Setup { broker: url, ..Setup::default() }).unwrap()
}

/// Waits until the supervisor shows that it is not connected, for a reason with these words in it.
fn shows(supervisor: &Supervisor, words: &str) {
    wait(words, || {
        let broker = &supervisor.snapshot()?["broker"];
        let told = broker["trouble"].as_str().is_some_and(|trouble| trouble.contains(words));
        Ok((broker["connected"] == false && told).then_some(()))
    })
    .unwrap();
}

#[test]
fn a_broker_that_refuses_the_subscription_is_quoted_until_it_allows_it() {
    let folder = tempfile::tempdir().unwrap();
    // Mosquitto's file of rights says nothing to a subscription; its plugin for rights refuses it.
    let rights = folder.path().join("rights.json");
    let subscribe = |allowed: bool| {
        let access = json!({ "publishClientSend": true, "publishClientReceive": true, "subscribe": allowed,
            "unsubscribe": true });
        fs::write(&rights, json!({ "defaultACLAccess": access }).to_string()).unwrap();
    };
    subscribe(true);
    let plugin = format!(
        "plugin /usr/lib/{ARCH}-linux-gnu/mosquitto_dynamic_security.so\nplugin_opt_config_file {}\n",
        rights.display()
    );
    let mut broker = Mosquitto::start(&folder.path().join("mosquitto"), &plugin).unwrap();
    let supervisor = at(&broker, &folder.path().join("supervisor"));

    subscribe(false);
    broker.kill_and_restart().unwrap();
    shows(&supervisor, "the broker does not let the supervisor listen: NotAuthorized");

    subscribe(true);
    broker.kill_and_restart().unwrap();
    wait("the connection", || {
        let broker = &supervisor.snapshot()?["broker"];
        Ok((broker["connected"] == true && broker["trouble"] == Value::Null).then_some(()))
    })
    .unwrap();
}

#[test]
fn two_supervisors_of_one_name_learn_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(&folder.path().join("mosquitto"), "").unwrap();
    // Without a group of their own, supervisors of a site have one name.
    let first = at(&broker, &folder.path().join("first"));
    let _second = at(&broker, &folder.path().join("second"));
    shows(&first, "as platen-supervisor_rig");
}
