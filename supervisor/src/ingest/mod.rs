//! From the broker into the database: parse at the edge, store in groups, acknowledge after the commit.

use crate::store::{AnyBody, Arrival, Store, StoreError};
use jiff::Timestamp;
use platen_protocol::uplink::{Channel, Envelope, MAX_MESSAGE, MessageError, SiteId, StationId, Topic, parse, write};
use rumqttc::v5::{
    AsyncClient, EventLoop, Incoming, MqttOptions,
    mqttbytes::{QoS, v5::Publish},
};
use std::time::Duration;
use tokio::{
    sync::{mpsc, watch},
    task::block_in_place,
    time::sleep,
};

/// Arrivals stored in one transaction.
const GROUP: usize = 1_000;
/// Between attempts to reach the broker.
const RETRY: Duration = Duration::from_secs(1);

/// What the dashboards need to know at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pulse {
    pub(crate) connected: bool,
    /// Rises with each commit.
    pub(crate) commits: u64,
}

/// Runs until the database fails.
pub(crate) async fn run(
    (host, port): (String, u16),
    site: SiteId,
    mut store: Store,
    pulse: watch::Sender<Pulse>,
) -> Result<(), StoreError> {
    loop {
        let mut options = MqttOptions::new(format!("platen-supervisor-{site}"), &host, port);
        options.set_keep_alive(Duration::from_secs(10));
        options.set_clean_start(true);
        options.set_max_packet_size(Some(MAX_MESSAGE as u32 + 1024));
        let (client, connection) = AsyncClient::new(options, GROUP);
        let (arrivals, mut inbox) = mpsc::channel(2 * GROUP);
        let pump = tokio::spawn(poll(connection, client.clone(), site.clone(), arrivals, pulse.clone()));
        let mut group = Vec::new();
        while inbox.recv_many(&mut group, GROUP).await > 0 {
            let acks = block_in_place(|| store.take(&group, Timestamp::now().as_millisecond()))?;
            group.clear();
            pulse.send_modify(|p| p.commits += 1);
            for (station, ack) in acks {
                let Ok(station) = station.parse::<StationId>() else { continue };
                let topic = Topic { site: site.clone(), station, channel: Channel::Ack }.to_string();
                if let Ok(payload) = write(&ack) {
                    // One that is lost is made good by the next, or by the station's asking again.
                    let _ = client.try_publish(topic, QoS::AtLeastOnce, false, payload);
                }
            }
        }
        pump.abort();
        pulse.send_modify(|p| p.connected = false);
        sleep(RETRY).await;
    }
}

/// Drives the connection in a task of its own, until it breaks.
async fn poll(
    mut connection: EventLoop,
    client: AsyncClient,
    site: SiteId,
    arrivals: mpsc::Sender<Arrival>,
    pulse: watch::Sender<Pulse>,
) {
    loop {
        match connection.poll().await {
            Ok(rumqttc::v5::Event::Incoming(Incoming::ConnAck(_))) => {
                for channel in [Channel::State, Channel::Event, Channel::Env] {
                    if let Err(error) = client.try_subscribe(Topic::filter(&site, channel), QoS::AtLeastOnce) {
                        tracing::error!(%error, "subscribing");
                        return;
                    }
                }
                pulse.send_modify(|p| p.connected = true);
            }
            Ok(rumqttc::v5::Event::Incoming(Incoming::Publish(publish))) => match read(&site, &publish) {
                Ok(arrival) => {
                    if arrivals.send(arrival).await.is_err() {
                        return;
                    }
                }
                Err(error) => tracing::warn!(%error, "a message was refused"),
            },
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the broker");
                return;
            }
        }
    }
}

fn read(site: &SiteId, publish: &Publish) -> Result<Arrival, MessageError> {
    let name = String::from_utf8_lossy(&publish.topic);
    let topic = Topic::parse(&name)?;
    let refuse = |what: String| MessageError::Topic { topic: name.to_string(), what };
    if topic.site != *site {
        return Err(refuse(format!("the site must be {site}")));
    }
    let station = topic.station.to_string();
    let source = format!("/{site}/{station}");
    let own = |from: &str| {
        if from == source { Ok(()) } else { Err(refuse(format!("it carries a message of {from}"))) }
    };
    match topic.channel {
        Channel::Event => {
            let envelope: Envelope<AnyBody> = parse(&publish.payload)?;
            own(&envelope.source)?;
            if envelope.seq == 0 || i64::try_from(envelope.seq).is_err() {
                return Err(MessageError::Shape { what: format!("seq {} must be 1 to 2⁶³ − 1", envelope.seq) });
            }
            Ok(Arrival::Event { station, envelope })
        }
        Channel::Env => {
            let envelope: Envelope<_> = parse(&publish.payload)?;
            own(&envelope.source)?;
            Ok(Arrival::Reading { station, reading: envelope.body })
        }
        Channel::State => Ok(Arrival::State { station, state: parse(&publish.payload)?, live: !publish.retain }),
        Channel::Ack | Channel::Command => Err(refuse("stations do not speak there".into())),
    }
}
