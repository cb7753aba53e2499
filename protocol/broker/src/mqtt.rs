//! A connection over MQTT 5.

use crate::{Broker, Busy, Heard, Link, Promise, Said, Speak, Stamp, Transport, tls};
use rumqttc::{
    AsyncClient, ConnectionError, DisconnectReasonCode, Event, EventLoop, LastWill, MqttOptions, Packet, PubAckReason,
    PublishOptions, QoS, StateError, SubscribeReasonCode,
};
use std::time::Instant;
use tokio::{sync::mpsc, task::JoinHandle};

/// Seconds after which a silent broker is asked whether it is there.
const KEEP_ALIVE: u16 = 10;
/// Messages of ours that the broker has not taken yet.
const UNDER_WAY: u16 = 250;
/// What is heard and was not looked at yet.
const INBOX: usize = 4_096;
/// What a broker takes that names no limit: that of the protocol.
const NO_LIMIT: usize = 268_435_455;

/// Connects to a broker over MQTT 5, with a clean session each time.
#[derive(Debug)]
pub struct Mqtt {
    broker: Broker,
    client: String,
    most: u32,
    queue: usize,
    stamp: Stamp,
}

impl Mqtt {
    /// `client` names this client at the broker, `most` is the largest packet we take in bytes, `queue` how many messages may
    /// wait to be sent.
    #[must_use]
    pub fn new(broker: Broker, client: String, most: u32, queue: usize) -> Self {
        Self { broker, client, most, queue, stamp: Stamp::default() }
    }

    fn options(&self, will: Option<Said>) -> Result<MqttOptions, String> {
        let address = &self.broker.address;
        let mut options = MqttOptions::new(&self.client, (address.host.clone(), address.port));
        options.set_keep_alive(KEEP_ALIVE);
        options.set_clean_start(true);
        // Opening the stream has a limit of its own, and says more.
        options.set_connect_timeout(2 * tls::PATIENCE);
        options.set_max_packet_size(Some(self.most));
        options.set_max_request_batch(64);
        // The client makes room for so many at each connection: for all that MQTT can number, that is 16 MB.
        options.set_outgoing_inflight_upper_limit(UNDER_WAY);
        if let Some(will) = will {
            options.set_last_will(LastWill::new(will.topic, will.payload, qos(will.promise), will.retain, None));
        }
        if let Some((user, file)) = &self.broker.login {
            let password = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
            options.set_credentials(user.clone(), password.trim_end_matches(['\r', '\n']).to_owned());
        }
        let broker = self.broker.clone();
        options.set_socket_connector(move |_, _| {
            let broker = broker.clone();
            async move { tls::open(&broker).await }
        });
        Ok(options)
    }
}

impl Transport for Mqtt {
    fn connect(&mut self, will: Option<Said>) -> Link {
        self.stamp = Stamp::of(&self.broker);
        let (heard, from) = mpsc::channel(INBOX);
        match self.options(will) {
            Ok(options) => {
                let (client, connection) = AsyncClient::builder(options).capacity(self.queue).build();
                // In a task of its own: polling must not be cancelled.
                let pump = tokio::spawn(pump(connection, heard, self.client.clone()));
                Link { to: Box::new(Client { client, pump }), from }
            }
            Err(why) => {
                // The channel is new and has room.
                let _ = heard.try_send(Heard::Down(why));
                Link { to: Box::new(NoClient), from }
            }
        }
    }

    fn renewed(&self) -> bool {
        self.stamp != Stamp::of(&self.broker)
    }
}

fn qos(promise: Promise) -> QoS {
    match promise {
        Promise::AtMostOnce => QoS::AtMostOnce,
        Promise::AtLeastOnce => QoS::AtLeastOnce,
    }
}

#[derive(Debug)]
struct Client {
    client: AsyncClient,
    pump: JoinHandle<()>,
}

impl Speak for Client {
    fn say(&self, said: Said) -> Result<(), Busy> {
        let options = match said.promise {
            Promise::AtMostOnce => PublishOptions::at_most_once(),
            Promise::AtLeastOnce => PublishOptions::at_least_once(),
        };
        let options = options.retain(said.retain);
        self.client.try_publish(said.topic, said.payload, options).map_err(|_| Busy)
    }

    fn listen(&self, filter: &str) -> Result<(), Busy> {
        self.client.try_subscribe(filter, QoS::AtLeastOnce).map_err(|_| Busy)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

/// A connection that could not even be begun.
#[derive(Debug)]
struct NoClient;

impl Speak for NoClient {
    fn say(&self, _: Said) -> Result<(), Busy> {
        Err(Busy)
    }

    fn listen(&self, _: &str) -> Result<(), Busy> {
        Err(Busy)
    }
}

async fn pump(mut connection: EventLoop, heard: mpsc::Sender<Heard>, name: String) {
    loop {
        let word = match connection.poll().await {
            Ok(Event::Incoming(packet)) => match word(packet) {
                Some(word) => word,
                None => continue,
            },
            Ok(_) => continue,
            Err(error) => Heard::Down(plainly(&error, &name)),
        };
        let over = matches!(word, Heard::Down(_));
        if heard.send(word).await.is_err() || over {
            return;
        }
    }
}

fn word(packet: Packet) -> Option<Heard> {
    match packet {
        Packet::ConnAck(connack) => {
            let most = connack.properties.and_then(|p| p.max_packet_size);
            Some(Heard::Up { most: most.map_or(NO_LIMIT, |most| most as usize) })
        }
        Packet::Publish(publish) => {
            let (topic, payload, retained) = (publish.topic, publish.payload, publish.retain);
            Some(Heard::Message { topic, payload, retained, at: Instant::now() })
        }
        Packet::PubAck(ack) => Some(match ack.reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Heard::Taken,
            reason => Heard::Refused(format!("{reason:?}")),
        }),
        Packet::SubAck(ack) => {
            let refused = ack.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
            Some(refused.map_or(Heard::Listening, |code| Heard::Deaf(format!("{code:?}"))))
        }
        _ => None,
    }
}

/// The innermost reason, which is the one that helps. `name` is ours at the broker, which lets in one client of a name.
fn plainly(error: &ConnectionError, name: &str) -> String {
    match error {
        ConnectionError::Io(e) => e.to_string(),
        ConnectionError::ConnectionRefused(code) => format!("the broker refuses us: {code:?}"),
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            ..
        }) => {
            format!("another program has connected to the broker as {name}, and the broker let us go for it")
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => format!(
            "the broker ended the connection and said no reason: it stopped, or another program has connected as {name}"
        ),
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
            let said = reason_string.as_deref().unwrap_or_default();
            format!("the broker ended the connection: {reason_code:?} {said}").trim_end().into()
        }
        other => other.to_string(),
    }
}
