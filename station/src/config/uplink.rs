//! The way to the supervisor.

use anyhow::{Context, bail};
use platen_broker::{Address, Broker};
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Uplink {
    /// `mqtt://HOST[:PORT]`, or `mqtts://HOST[:PORT]` for TLS; without it nothing is reported.
    broker: Option<Address>,
    /// Who signed the broker's certificate, PEM.
    ca: Option<PathBuf>,
    /// This station's certificate and its key, PEM. They are read at each connection.
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    /// MiB of events that may wait for the supervisor, 1 to 65536; before there are more, the desk pauses.
    outbox_mib: u64,
}

impl Default for Uplink {
    fn default() -> Self {
        let (broker, ca, certificate, key, user, password_file) = Default::default();
        Self { broker, ca, certificate, key, user, password_file, outbox_mib: 64 }
    }
}

impl Uplink {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if !(1..=65_536).contains(&self.outbox_mib) {
            bail!("uplink.outbox_mib = {}: 1 to 65536 are allowed", self.outbox_mib);
        }
        self.broker().map(|_| ())
    }

    /// The broker, if there is one.
    pub(crate) fn broker(&self) -> anyhow::Result<Option<Broker>> {
        let Some(address) = self.broker.clone() else {
            let keys = [&self.ca, &self.certificate, &self.key, &self.password_file];
            if keys.iter().any(|key| key.is_some()) || self.user.is_some() {
                bail!("uplink.broker is missing: ca, certificate, key, user and password_file are for a broker");
            }
            return Ok(None);
        };
        let identity = (self.certificate.clone(), self.key.clone());
        let login = (self.user.clone(), self.password_file.clone());
        Broker::new(address, self.ca.clone(), identity, login).context("uplink").map(Some)
    }

    /// Bytes of events that may wait.
    pub(crate) fn limit(&self) -> u64 {
        self.outbox_mib * 1024 * 1024
    }
}
