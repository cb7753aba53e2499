//! Every task and channel of the supervisor, on one page.
//!
//! ```text
//!  broker (inside, or another) ──▶ ingest (poll, parse) ──▶ store, group commit ──▶ acknowledgements
//!                                                             │ pulse
//!                                            live (snapshots) ◀┘ ──▶ web (event streams)
//! ```

use crate::{
    broker,
    config::Config,
    ingest::{self, Pulse},
    store::{Store, live::Live},
    web::{self, Dashboards},
};
use anyhow::Context;
use jiff::Timestamp;
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::block_in_place,
    time::{sleep, timeout},
};

/// Snapshots come at least this often, so that a page can tell silence from death.
const BEAT: Duration = Duration::from_secs(2);
/// And at most this often.
const PACE: Duration = Duration::from_millis(250);

/// Runs until a signal.
#[allow(clippy::print_stdout)] // tells the user where the dashboards are
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    let endpoint = config.endpoint()?;
    let address = format!("mqtt://{}:{}", endpoint.0, endpoint.1);
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
    let ingest = tokio::spawn(ingest::run(endpoint, config.site.name.clone(), store, pulse_in));
    let about = json!({ "site": config.site.name, "url": address });
    let shown = tokio::spawn(show(live, about, pulse, snapshot_in));

    println!("dashboards: http://{}/", listener.local_addr()?);
    println!("broker:     {address}{}", if config.broker.url.is_some() { "" } else { " (inside, MQTT 5)" });
    let mut stop = signal(SignalKind::terminate())?;
    tokio::select! {
        served = axum::serve(listener, web::router(Dashboards { snapshots, history })) => served?,
        ended = ingest => ended.context("ingest")??,
        ended = shown => ended.context("live picture")??,
        _ = stop.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}

/// Makes a snapshot after each commit, and at each beat.
async fn show(
    mut live: Live,
    about: serde_json::Value,
    mut pulse: watch::Receiver<Pulse>,
    snapshots: watch::Sender<Arc<str>>,
) -> anyhow::Result<()> {
    loop {
        let connected = pulse.borrow_and_update().connected;
        let mut snapshot = block_in_place(|| live.snapshot(Timestamp::now()))?;
        snapshot["site"] = about["site"].clone();
        snapshot["software"] = json!(env!("CARGO_PKG_VERSION"));
        snapshot["broker"] = json!({ "connected": connected, "url": about["url"] });
        snapshots.send_replace(snapshot.to_string().into());
        sleep(PACE).await;
        // A closed pulse means that ingest has ended, which the select above reports.
        let _ = timeout(BEAT, pulse.changed()).await;
    }
}
