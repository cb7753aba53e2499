//! The broker inside, or another one.

use anyhow::{Context, bail};
use platen_broker::Address;
use serde::Deserialize;
use std::{net::SocketAddr, path::PathBuf};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Broker {
    /// `mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]` of another broker. With it, no broker runs inside.
    pub(crate) url: Option<Address>,
    /// Who signed the other broker's certificate, PEM.
    ca: Option<PathBuf>,
    /// The supervisor's certificate and its key, PEM. They are read at each connection.
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    /// Supervisors of one group share the stations' messages; they must share the database, too.
    pub(crate) group: Option<String>,
    /// Address of the broker inside, MQTT 5, on this machine only.
    pub(crate) listen: SocketAddr,
    /// The same for clients that speak MQTT 3.1.1 only.
    pub(crate) listen_v3: Option<SocketAddr>,
}

impl Default for Broker {
    fn default() -> Self {
        let (url, ca, certificate, key, user, password_file, group, listen_v3) = Default::default();
        let listen = SocketAddr::from(([127, 0, 0, 1], 1883));
        Self { url, ca, certificate, key, user, password_file, group, listen, listen_v3 }
    }
}

impl Broker {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.url.is_none() {
            for (key, address) in [("listen", Some(self.listen)), ("listen_v3", self.listen_v3)] {
                if let Some(address) = address.filter(|a| !a.ip().is_loopback()) {
                    bail!(
                        "broker.{key} = {address}: the broker inside has no passwords and must stay on this machine, such \
                         as 127.0.0.1:1883. For a network, run Mosquitto and set broker.url"
                    );
                }
            }
        }
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if let Some(group) = self.group.as_ref().filter(|group| group.is_empty() || !group.chars().all(good)) {
            bail!("broker.group = {group:?}: letters, digits, - and _ are allowed");
        }
        self.broker().map(|_| ())
    }

    /// The broker that is used.
    pub(crate) fn broker(&self) -> anyhow::Result<platen_broker::Broker> {
        let Some(address) = self.url.clone() else {
            let files = [&self.ca, &self.certificate, &self.key, &self.password_file];
            if files.iter().any(|file| file.is_some()) || self.user.is_some() || self.group.is_some() {
                bail!(
                    "broker.url is missing: ca, certificate, key, user, password_file and group are for another broker \
                     than the one inside"
                );
            }
            let (host, port) = (self.listen.ip().to_string(), self.listen.port());
            return Ok(platen_broker::Broker::open(Address { host, port, tls: false }));
        };
        let identity = (self.certificate.clone(), self.key.clone());
        let login = (self.user.clone(), self.password_file.clone());
        platen_broker::Broker::new(address, self.ca.clone(), identity, login).context("broker")
    }
}
