//! The supervisor's configuration: one struct for each section of the TOML file. Unknown keys are refused.

use anyhow::{Context, bail};
use platen_protocol::uplink::SiteId;
use serde::Deserialize;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) site: Site,
    pub(crate) store: Store,
    #[serde(default)]
    pub(crate) broker: Broker,
    #[serde(default)]
    pub(crate) web: Web,
    #[serde(default)]
    pub(crate) rooms: Rooms,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Site {
    pub(crate) name: SiteId,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Store {
    /// SQLite file.
    pub(crate) file: PathBuf,
}

/// The broker inside, or another one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Broker {
    /// `mqtt://HOST[:PORT]` of another broker. With it, no broker runs inside.
    pub(crate) url: Option<String>,
    /// Address of the broker inside, MQTT 5, on this machine only.
    #[serde(default = "mqtt5")]
    pub(crate) listen: SocketAddr,
    /// The same for clients that speak MQTT 3.1.1 only.
    pub(crate) listen_v3: Option<SocketAddr>,
}

impl Default for Broker {
    fn default() -> Self {
        Self { url: None, listen: mqtt5(), listen_v3: None }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Web {
    #[serde(default = "web_listen")]
    pub(crate) listen: SocketAddr,
}

impl Default for Web {
    fn default() -> Self {
        Self { listen: web_listen() }
    }
}

/// Limits of the rooms: work rooms by default (domain.md: DA/T 87-2021, JGJ 25-2010).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rooms {
    /// Lowest and highest temperature in degrees Celsius.
    #[serde(default = "work_celsius")]
    pub(crate) celsius: [f64; 2],
    /// Lowest and highest relative humidity in percent.
    #[serde(default = "work_humidity")]
    pub(crate) humidity: [f64; 2],
}

impl Default for Rooms {
    fn default() -> Self {
        Self { celsius: work_celsius(), humidity: work_humidity() }
    }
}

fn mqtt5() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1883))
}

fn web_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8630))
}

fn work_celsius() -> [f64; 2] {
    [18.0, 28.0]
}

fn work_humidity() -> [f64; 2] {
    [40.0, 60.0]
}

impl Config {
    /// Reads and checks the whole file. Errors name file, line, key, and what is allowed.
    pub(crate) fn load(file: &Path) -> anyhow::Result<Self> {
        let context = || format!("configuration {}", file.display());
        let text = std::fs::read_to_string(file).with_context(context)?;
        let config: Self = toml::from_str(&text).with_context(context)?;
        config.check().with_context(context)?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.broker.url.is_none() {
            for (key, address) in [("listen", Some(self.broker.listen)), ("listen_v3", self.broker.listen_v3)] {
                if let Some(address) = address.filter(|a| !a.ip().is_loopback()) {
                    bail!(
                        "broker.{key} = {address}: the broker inside has no passwords and must stay on this machine, such \
                         as 127.0.0.1:1883. For a network, run Mosquitto and set broker.url"
                    );
                }
            }
        }
        self.endpoint()?;
        for (key, [low, high]) in [("celsius", self.rooms.celsius), ("humidity", self.rooms.humidity)] {
            if low.is_nan() || high.is_nan() || low >= high {
                bail!("rooms.{key} = [{low}, {high}]: the lower limit must be below the upper one");
            }
        }
        Ok(())
    }

    /// Host and port of the broker that is used.
    pub(crate) fn endpoint(&self) -> anyhow::Result<(String, u16)> {
        let Some(url) = &self.broker.url else {
            return Ok((self.broker.listen.ip().to_string(), self.broker.listen.port()));
        };
        let bad = || format!("broker.url = {url:?}: mqtt://HOST or mqtt://HOST:PORT is allowed");
        let rest = url.strip_prefix("mqtt://").with_context(bad)?.trim_end_matches('/');
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok().with_context(bad)?),
            None => (rest, 1883),
        };
        if host.is_empty() || host.contains(['/', ' ']) {
            bail!(bad());
        }
        Ok((host.into(), port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> anyhow::Result<Config> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), text)?;
        Config::load(file.path())
    }

    #[test]
    fn little_is_needed_and_wrong_values_are_named() {
        let good = "[site]\nname = \"north\"\n[store]\nfile = \"/tmp/x.db\"\n";
        assert_eq!(load(good).unwrap().endpoint().unwrap(), ("127.0.0.1".into(), 1883));
        for (more, says) in [
            ("[broker]\nlisten = \"0.0.0.0:1883\"", "must stay on this machine"),
            ("[broker]\nurl = \"broker:1883\"", "mqtt://HOST"),
            ("[broker]\nport = 1", "unknown field `port`"),
            ("[rooms]\ncelsius = [28, 18]", "rooms.celsius = [28, 18]"),
            ("[web]\nlisten = \"here\"", "listen"),
        ] {
            let error = format!("{:#}", load(&format!("{good}{more}")).unwrap_err());
            assert!(error.contains(says) && error.contains("configuration /"), "{more}: {error}");
        }
        assert!(format!("{:#}", load("[site]\nname = \"N\"").unwrap_err()).contains("a-z"));
    }
}
