//! The supervisor's configuration: one struct for each section of the TOML file. Unknown keys are refused.

mod broker;

use crate::sparkplug;
use anyhow::{Context, bail};
pub(crate) use broker::Broker;
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
    /// With it, stations appear in Home Assistant.
    pub(crate) home_assistant: Option<HomeAssistant>,
    /// With it, stations appear to hosts of Sparkplug B.
    pub(crate) sparkplug: Option<sparkplug::Names>,
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

/// Home Assistant on the same broker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HomeAssistant {
    /// First part of the topics on which it looks for devices.
    #[serde(default = "discovery_prefix")]
    pub(crate) prefix: String,
}

fn discovery_prefix() -> String {
    "homeassistant".into()
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
        self.broker.check()?;
        let good = |c: char| c.is_ascii_alphanumeric() || "-_/".contains(c);
        if let Some(HomeAssistant { prefix }) = &self.home_assistant
            && (prefix.is_empty() || prefix.starts_with('/') || prefix.ends_with('/') || !prefix.chars().all(good))
        {
            bail!("home_assistant.prefix = {prefix:?}: letters, digits, -, _ and / between them are allowed");
        }
        if let Some(names) = &self.sparkplug {
            names.check()?;
        }
        for (key, [low, high]) in [("celsius", self.rooms.celsius), ("humidity", self.rooms.humidity)] {
            if low.is_nan() || high.is_nan() || low >= high {
                bail!("rooms.{key} = [{low}, {high}]: the lower limit must be below the upper one");
            }
        }
        Ok(())
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
        assert_eq!(load(good).unwrap().broker.broker().unwrap().address.to_string(), "mqtt://127.0.0.1:1883");
        for (more, says) in [
            ("[broker]\nlisten = \"0.0.0.0:1883\"", "must stay on this machine"),
            ("[broker]\nurl = \"broker:1883\"", "mqtt://HOST"),
            ("[broker]\nport = 1", "unknown field `port`"),
            ("[broker]\nurl = \"mqtts://b\"", "broker: mqtts:// needs ca"),
            ("[broker]\nca = \"/x\"", "broker.url is missing"),
            ("[broker]\ngroup = \"night\"", "broker.url is missing"),
            ("[broker]\nurl = \"mqtt://b\"\ngroup = \"a/b\"", "broker.group = \"a/b\""),
            ("[rooms]\ncelsius = [28, 18]", "rooms.celsius = [28, 18]"),
            ("[web]\nlisten = \"here\"", "listen"),
            ("[sparkplug]\ngroup = \"a/b\"", "sparkplug.group = \"a/b\""),
            ("[sparkplug]\ngroup = \"archive\"\nnode = \"\"", "sparkplug.node = \"\""),
            ("[home_assistant]\nprefix = \"a/#\"", "home_assistant.prefix = \"a/#\""),
        ] {
            let error = format!("{:#}", load(&format!("{good}{more}")).unwrap_err());
            assert!(error.contains(says) && error.contains("configuration /"), "{more}: {error}");
        }
        assert!(format!("{:#}", load("[site]\nname = \"N\"").unwrap_err()).contains("a-z"));
    }
}
