//! Every thread, task and channel of the supervisor, on one page.
//!
//! ```text
//!  broker (inside, or another) ──▶ ingest (poll, parse) ──▶ store, group commit ──▶ acknowledgements
//!                                                             │ pulse
//!                                            live (snapshots) ◀┘ ──▶ web (event streams)
//!                                                          └──────▶ sparkplug, if asked for ──▶ broker
//! ```
//! Ingest and live have a thread each ([`Part`]), on which they may wait for the database.

use crate::{
    broker,
    config::Config,
    ingest::{self, Pulse},
    sparkplug,
    store::{Store, audit::Auditor, live::Live},
    web::{self, Audits, Dashboards},
};
use anyhow::{Context, anyhow};
use jiff::Timestamp;
use platen_broker::Mqtt;
use platen_process::Part;
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

/// Acknowledgements that may wait to be sent.
const QUEUE: usize = 4_096;
/// Snapshots come at least this often, so that a page can tell silence from death.
const BEAT: Duration = Duration::from_secs(2);
/// And at most this often.
const PACE: Duration = Duration::from_millis(250);

/// Runs until a signal.
#[allow(clippy::print_stdout)] // tells the user where the dashboards are
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    let broker = config.broker.broker()?;
    let address = broker.address.to_string();
    let listener = tokio::net::TcpListener::bind(config.web.listen)
        .await
        .with_context(|| format!("web.listen = {}: the dashboards cannot be served there", config.web.listen))?;
    if config.broker.url.is_none() {
        broker::start(config.broker.listen, config.broker.listen_v3)?;
    }
    let file = &config.store.file;
    let store = Store::open(file)?;
    let live = Live::open(file, config.rooms.clone())?;
    let history = Arc::new(Mutex::new(Live::open(file, config.rooms.clone())?));

    let (pulse_in, pulse) = watch::channel(Pulse::default());
    let (snapshot_in, snapshots) = watch::channel(Arc::from(""));
    let (ask, asked) = mpsc::channel(16);
    let audit = Arc::new(Mutex::new(Audits::new(Auditor::open(file)?)));
    let site = config.site.name.clone();
    // Supervisors that share the stations must not be taken for one another.
    let name = match &config.broker.group {
        None => format!("platen-supervisor_{site}"),
        Some(group) => format!("platen-supervisor_{site}_{group}_{}", listener.local_addr()?.port()),
    };
    // A bridge has a connection of its own.
    let bridge = Mqtt::new(broker.clone(), format!("{name}_sparkplug"), broker::MOST, QUEUE);
    let transport = Mqtt::new(broker, name, broker::MOST, QUEUE);
    let discovery = config.home_assistant.as_ref().map(|home| home.prefix.clone());
    let (group, patience) = (config.broker.group.clone(), ingest::PATIENCE);
    let listening = ingest::Config { site, group, discovery, patience };
    let mut terminate = signal(SignalKind::terminate())?;
    println!("dashboards: http://{}/", listener.local_addr()?);
    println!("broker:     {address}{}", if config.broker.url.is_some() { "" } else { " (inside, MQTT 5)" });

    // Broken off when this function ends, ingest still stores what it is storing, or gives up when the database is busy for too long.
    let ingest = ingest::run(listening, transport, store, pulse_in, asked);
    let mut ingest = Part::start("ingest", ingest).context("starting ingest's thread")?;
    let about = json!({ "site": config.site.name, "url": address });
    let live = show(live, about, pulse, snapshot_in);
    let mut live = Part::start("live", live).context("starting the live picture's thread")?;

    if let Some(names) = config.sparkplug.clone() {
        tokio::spawn(sparkplug::run(names, bridge, snapshots.clone(), sparkplug::PATIENCE));
    }

    let dashboards = web::router(Dashboards { snapshots, history, audit, ask });
    tokio::select! {
        served = axum::serve(listener, dashboards) => served.context("web"),
        () = ingest.ended() => Err(anyhow!("ingest has ended; the log says why")),
        () = live.ended() => Err(anyhow!("the live picture has ended; the log says why")),
        _ = terminate.recv() => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

/// Makes a snapshot after each commit, and at each beat.
async fn show(
    mut live: Live,
    about: serde_json::Value,
    mut pulse: watch::Receiver<Pulse>,
    snapshots: watch::Sender<Arc<str>>,
) {
    loop {
        let Pulse { connected, trouble, database, .. } = pulse.borrow_and_update().clone();
        let mut snapshot = match live.snapshot(Timestamp::now(), database.as_deref()) {
            Ok(snapshot) => snapshot,
            // A page that hears nothing says so by itself.
            Err(error) => {
                tracing::error!(%error, "no picture of the stations; trying again");
                sleep(BEAT).await;
                continue;
            }
        };
        snapshot["site"] = about["site"].clone();
        snapshot["software"] = json!(env!("CARGO_PKG_VERSION"));
        snapshot["broker"] = json!({ "connected": connected, "trouble": trouble, "url": about["url"] });
        snapshots.send_replace(snapshot.to_string().into());
        // A snapshot is thousands of small pieces, and what was stored before it as many: each time they would settle elsewhere.
        drop(snapshot);
        platen_process::give_back();
        sleep(PACE).await;
        // A closed pulse means that ingest has ended, which the select above reports.
        let _ = timeout(BEAT, pulse.changed()).await;
    }
}
