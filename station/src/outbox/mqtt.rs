//! The uplink over MQTT 5. The broker is a lossy pipe: an event leaves the spool only on the supervisor's own
//! acknowledgement, and is sent again until then. After any error client and connection are made anew, because a
//! session that the broker has forgotten drops what was pending (`messaging.md`).

use super::spool::{Spool, SpoolError};
use crate::batch::store::Journal;
use jiff::Timestamp;
use platen_protocol::uplink::{
    Ack, Channel, Command, Envelope, MAX_MESSAGE, Reading, SiteId, State, StationId, Topic, parse, write,
};
use rumqttc::v5::{
    AsyncClient, EventLoop, Incoming, MqttOptions,
    mqttbytes::{QoS, v5::LastWill},
};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, watch},
    task::block_in_place,
    time::{interval, sleep},
};

/// Events on their way without an acknowledgement; more would only wait in the broker.
const WINDOW: u64 = 500;
/// Without an acknowledgement for so long, everything is sent again.
const SILENCE: Duration = Duration::from_secs(3);
/// The station says that it is there this often.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Between attempts to reach the broker.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) site: SiteId,
    pub(crate) station: StationId,
    pub(crate) journal: PathBuf,
    pub(crate) software: &'static str,
}

/// What the agent tells.
#[derive(Debug)]
pub(crate) enum Wake {
    /// The journal has new events.
    Events,
    /// A reading to pass on now or never.
    Reading(Reading),
}

/// What the screen shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Network {
    pub(crate) connected: bool,
    pub(crate) waiting: u64,
}

/// Runs until the agent has dropped its end and everything is delivered.
pub(crate) async fn run(
    config: Config,
    mut spool: Spool,
    mut wakes: mpsc::Receiver<Wake>,
    network: watch::Sender<Network>,
) -> Result<(), SpoolError> {
    // A second, reading connection: the agent's task owns the one that writes.
    let mut journal = Journal::open(&config.journal)?;
    let since = Timestamp::now();
    loop {
        if let Err(error) = block_in_place(|| spool.copy_from(&journal)) {
            tracing::error!(%error, "the outbox; trying again");
            sleep(RETRY).await;
            continue;
        }
        let (client, connection) = connect(&config, since);
        let (arrivals, mut inbox) = mpsc::channel(100);
        let pump = tokio::spawn(poll(connection, arrivals));
        let mut session = Session { config: &config, client, since, sent: 0, acked_at: Instant::now(), readings: 0 };
        let outcome = session.talk(&mut spool, &mut journal, &mut wakes, &mut inbox, &network).await;
        pump.abort();
        network.send_modify(|n| n.connected = false);
        match outcome {
            Ok(End::Stop) => return Ok(()),
            // A full disk passes; every change to the spool is whole or not there.
            Err(error) => tracing::error!(%error, "the outbox; trying again"),
            Ok(End::Lost(why)) => tracing::info!(%why, "no connection to the supervisor's broker"),
        }
        sleep(RETRY).await;
    }
}

fn topic(config: &Config, channel: Channel) -> String {
    Topic { site: config.site.clone(), station: config.station.clone(), channel }.to_string()
}

fn state(config: &Config, since: Timestamp, online: bool, waiting: u64) -> Vec<u8> {
    let time = online.then(Timestamp::now);
    let state = State { online, software: config.software.into(), since, time, waiting };
    // Far below the limit.
    write(&state).unwrap_or_default()
}

fn connect(config: &Config, since: Timestamp) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(format!("platen-{}-{}", config.site, config.station), &config.host, config.port);
    options.set_keep_alive(Duration::from_secs(10));
    options.set_clean_start(true);
    options.set_max_packet_size(Some(MAX_MESSAGE as u32 + 1024));
    let will = state(config, since, false, 0);
    options.set_last_will(LastWill::new(topic(config, Channel::State), will, QoS::AtLeastOnce, true, None));
    AsyncClient::new(options, 2 * WINDOW as usize)
}

/// Drives the connection in a task of its own: polling it is not safe to cancel.
async fn poll(mut connection: EventLoop, arrivals: mpsc::Sender<Result<Incoming, String>>) {
    loop {
        let arrival = match connection.poll().await {
            Ok(rumqttc::v5::Event::Incoming(packet)) => Ok(packet),
            Ok(rumqttc::v5::Event::Outgoing(_)) => continue,
            Err(e) => Err(e.to_string()),
        };
        let end = arrival.is_err();
        if arrivals.send(arrival).await.is_err() || end {
            return;
        }
    }
}

fn unsendable(why: &dyn std::fmt::Display) -> serde_json::Value {
    serde_json::json!({ "type": "platen.event.unsendable", "data": { "reason": why.to_string() } })
}

enum End {
    Stop,
    Lost(String),
}

struct Session<'a> {
    config: &'a Config,
    client: AsyncClient,
    since: Timestamp,
    /// The last event given to the client in this session.
    sent: u64,
    acked_at: Instant,
    readings: u64,
}

impl Session<'_> {
    async fn talk(
        &mut self,
        spool: &mut Spool,
        // Exclusive, because a connection may move between threads but not be shared.
        journal: &mut Journal,
        wakes: &mut mpsc::Receiver<Wake>,
        inbox: &mut mpsc::Receiver<Result<Incoming, String>>,
        network: &watch::Sender<Network>,
    ) -> Result<End, SpoolError> {
        let mut beat = interval(HEARTBEAT);
        let mut turn = interval(Duration::from_secs(1));
        let (mut connected, mut draining) = (false, false);
        loop {
            tokio::select! {
                arrival = inbox.recv() => match arrival {
                    None => return Ok(End::Lost("the connection ended".into())),
                    Some(Err(why)) => return Ok(End::Lost(why)),
                    Some(Ok(Incoming::ConnAck(_))) => {
                        for channel in [Channel::Ack, Channel::Command] {
                            if let Err(e) = self.client.try_subscribe(topic(self.config, channel), QoS::AtLeastOnce) {
                                return Ok(End::Lost(e.to_string()));
                            }
                        }
                        connected = true;
                        self.acked_at = Instant::now();
                        beat.reset_immediately();
                    }
                    Some(Ok(Incoming::Publish(publish))) => {
                        self.hear(&String::from_utf8_lossy(&publish.topic), &publish.payload, spool)?;
                    }
                    Some(Ok(_)) => {}
                },
                wake = wakes.recv(), if !draining => match wake {
                    None => {
                        draining = true;
                        block_in_place(|| spool.copy_from(journal))?;
                    }
                    Some(Wake::Events) => block_in_place(|| spool.copy_from(journal))?,
                    Some(Wake::Reading(reading)) if connected => self.tell_reading(reading),
                    Some(Wake::Reading(_)) => {}
                },
                _ = beat.tick() => if connected {
                    let payload = state(self.config, self.since, true, spool.waiting()?);
                    let _ = self.client.try_publish(topic(self.config, Channel::State), QoS::AtLeastOnce, true, payload);
                },
                _ = turn.tick() => {}
            }
            if connected {
                self.send(spool)?;
            }
            let now = Network { connected, waiting: spool.waiting()? };
            network.send_if_modified(|old| std::mem::replace(old, now) != now);
            if draining && now.waiting == 0 {
                return Ok(End::Stop);
            }
        }
    }

    /// Sends what may be sent now.
    fn send(&mut self, spool: &Spool) -> Result<(), SpoolError> {
        let Some(first) = spool.from(0, 1)?.first().map(|w| w.seq) else {
            self.acked_at = Instant::now();
            return Ok(());
        };
        if self.acked_at.elapsed() > SILENCE {
            self.acked_at = Instant::now();
            self.sent = 0;
        }
        let from = first.max(self.sent + 1);
        let room = (first + WINDOW).saturating_sub(from);
        for waiting in spool.from(from, room as u32)? {
            let time = waiting.at.parse().unwrap_or_else(|_| Timestamp::now());
            let body = serde_json::from_str(&waiting.body).unwrap_or_else(|e| unsendable(&e));
            let Config { site, station, .. } = self.config;
            let envelope = Envelope::new(site, station, spool.epoch(), waiting.seq, time, body);
            // What no receiver would take goes as a note under its number, so that the stream has no gap; the journal has it.
            let written = write(&envelope).or_else(|error| {
                tracing::error!(seq = waiting.seq, %error, "an event cannot be sent");
                write(&Envelope { body: unsendable(&error), ..envelope })
            });
            match written {
                Ok(payload) => {
                    let sent =
                        self.client.try_publish(topic(self.config, Channel::Event), QoS::AtLeastOnce, false, payload);
                    if sent.is_err() {
                        // The client's queue is full; the next turn goes on from here.
                        return Ok(());
                    }
                }
                Err(error) => tracing::error!(seq = waiting.seq, %error, "an event cannot be sent"),
            }
            self.sent = waiting.seq;
        }
        Ok(())
    }

    fn tell_reading(&mut self, reading: Reading) {
        self.readings += 1;
        let Config { site, station, .. } = self.config;
        let run = format!("r{}", self.since.as_millisecond());
        let envelope = Envelope::new(site, station, &run, self.readings, Timestamp::now(), reading);
        if let Ok(payload) = write(&envelope) {
            let _ = self.client.try_publish(topic(self.config, Channel::Env), QoS::AtLeastOnce, false, payload);
        }
    }

    fn hear(&mut self, name: &str, payload: &[u8], spool: &mut Spool) -> Result<(), SpoolError> {
        let channel = match Topic::parse(name) {
            Ok(topic) => topic.channel,
            Err(error) => {
                tracing::warn!(%error, "a message on a foreign topic");
                return Ok(());
            }
        };
        match channel {
            Channel::Ack => match parse::<Ack>(payload) {
                Ok(ack) if ack.epoch == spool.epoch() && i64::try_from(ack.seq).is_ok() => {
                    self.acked_at = Instant::now();
                    block_in_place(|| spool.acknowledge(ack.seq))?;
                }
                // Of a file that was replaced.
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "a bad acknowledgement"),
            },
            Channel::Command => match parse::<Command>(payload) {
                Ok(Command::Resend { epoch, seq }) if epoch == spool.epoch() => {
                    self.sent = self.sent.min(seq.saturating_sub(1));
                }
                Ok(Command::Resend { .. }) => {}
                Err(error) => tracing::warn!(%error, "a bad command"),
            },
            Channel::Event | Channel::Env | Channel::State => {}
        }
        Ok(())
    }
}
