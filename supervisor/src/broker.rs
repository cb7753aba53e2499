//! The broker inside, for one machine. It keeps nothing on disk and drops what does not fit: the stations' outboxes cover
//! that. It has no access control and never leaves this machine.

use anyhow::Context;
use rumqttd::{Config, ConnectionSettings, RouterConfig, ServerSettings};
use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener},
};

/// Starts it on threads of its own.
pub(crate) fn start(listen: SocketAddr, listen_v3: Option<SocketAddr>) -> anyhow::Result<()> {
    for address in [Some(listen), listen_v3].into_iter().flatten() {
        // rumqttd only logs that a port is taken; say it here.
        TcpListener::bind(address).with_context(|| format!("the broker cannot listen on {address}"))?;
    }
    let server = |name: &str, listen| {
        let connections = ConnectionSettings {
            connection_timeout_ms: 60_000,
            max_payload_size: 2 * platen_protocol::uplink::MAX_MESSAGE,
            max_inflight_count: 500,
            auth: None,
            external_auth: None,
            dynamic_filters: true,
        };
        let settings =
            ServerSettings { name: name.into(), listen, tls: None, next_connection_delay_ms: 1, connections };
        HashMap::from([(name.to_string(), settings)])
    };
    let router = RouterConfig {
        max_connections: 1_100,
        max_outgoing_packet_count: 200,
        max_segment_size: 16 * 1024 * 1024,
        max_segment_count: 10,
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
