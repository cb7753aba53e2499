//! The broker inside, for one machine. It keeps nothing on disk and drops what does not fit: the stations' outboxes cover
//! that. It has no access control and never leaves this machine.

use anyhow::Context;
use platen_protocol::uplink::{MAX_MESSAGE, VERSION};
use rumqttd::{Config, ConnectionSettings, RouterConfig, SegmentConfig, ServerSettings};
use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener},
};

/// The largest packet that the supervisor takes from a broker, in bytes: a message and what stands around it.
pub(crate) const MOST: u32 = MAX_MESSAGE as u32 + 1024;
/// A packet may leave the broker inside larger than it came in. It counts what follows the first bytes of a packet (4 at this
/// size), and may add a number (2) and, for what came by MQTT 3, the length of no properties (1).
const ADDED: usize = 16;

/// The broker inside keeps each message in memory, read or not, once for each filter that it matches, until so much of that
/// filter is full; then the oldest segment goes as a whole. Only topics and payloads are counted: in memory it is about twice
/// that. So there must be room for what one moment brings, and no more: what rolls away unread is sent again, because a station
/// keeps an event until it is acknowledged.
///
/// Readings are acknowledged by the last of them, so none before it should roll away: a hundred stations that come back send 500
/// each, of 400 bytes, and all of that fits in what is left when a segment has gone.
const SEGMENT: usize = 4 * 1024 * 1024;
const SEGMENTS: usize = 6;
/// Each station has filters of its own for its answers, which would fill up in weeks. A later answer stands for the earlier
/// ones, and a command is said again as long as there is a reason for it.
const ANSWERS: usize = 32 * 1024;

/// Starts it on threads of its own.
pub(crate) fn start(listen: SocketAddr, listen_v3: Option<SocketAddr>) -> anyhow::Result<()> {
    for address in [Some(listen), listen_v3].into_iter().flatten() {
        // rumqttd only logs that a port is taken; say it here.
        TcpListener::bind(address).with_context(|| format!("the broker cannot listen on {address}"))?;
    }
    let server = |name: &str, listen| {
        let connections = ConnectionSettings {
            connection_timeout_ms: 60_000,
            // What is kept for who comes later and is too large for him would end his connection each time.
            max_payload_size: MOST as usize - ADDED,
            max_inflight_count: 500,
            auth: None,
            external_auth: None,
            dynamic_filters: true,
        };
        let settings =
            ServerSettings { name: name.into(), listen, tls: None, next_connection_delay_ms: 1, connections };
        HashMap::from([(name.to_string(), settings)])
    };
    let room = |channel: &str| {
        let config = SegmentConfig { max_segment_size: ANSWERS, max_segment_count: 2 };
        (format!("platen/v{VERSION}/+/+/{channel}"), config)
    };
    let router = RouterConfig {
        max_connections: 1_100,
        max_outgoing_packet_count: 200,
        max_segment_size: SEGMENT,
        max_segment_count: SEGMENTS,
        custom_segment: Some(HashMap::from([room("ack"), room("command")])),
        ..RouterConfig::default()
    };
    let config = Config {
        id: 0,
        router,
        v4: listen_v3.map(|listen| server("mqtt3", listen)),
        v5: Some(server("mqtt5", listen)),
        ws: None,
        cluster: None,
        console: None,
        bridge: None,
        prometheus: None,
        metrics: None,
    };
    std::thread::Builder::new().name("broker".into()).spawn(move || {
        if let Err(error) = rumqttd::Broker::new(config).start() {
            tracing::error!(%error, "the broker inside has stopped");
        }
    })?;
    Ok(())
}
