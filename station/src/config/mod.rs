//! The station's configuration: one struct for each section of the TOML file. Unknown keys are refused.

mod sensors;
mod uplink;

use crate::persons::{self, Person};
use crate::scanner::{Area, Dpi, parse_mode, parse_source};
use anyhow::{Context, bail};
use platen_protocol::uplink::{ColourMode, SiteId, Source, StationId};
pub(crate) use sensors::Sensors;
use serde::Deserialize;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};
pub(crate) use uplink::Uplink;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) station: Station,
    pub(crate) scanner: Scanner,
    #[serde(default)]
    pub(crate) pages: Pages,
    #[serde(default)]
    pub(crate) sensors: Sensors,
    /// Who may answer for an overridden sensor.
    #[serde(default)]
    pub(crate) persons: Vec<Person>,
    #[serde(default)]
    pub(crate) uplink: Uplink,
    #[serde(default)]
    pub(crate) console: Console,
}

/// Who and where.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Station {
    pub(crate) site: SiteId,
    pub(crate) name: StationId,
    /// Name of the person who scans.
    pub(crate) operator: String,
    /// Folder of the finished images.
    pub(crate) out: PathBuf,
    /// Folder of journal and outbox.
    pub(crate) state: PathBuf,
    /// Folder of plans: `LARGE/SMALL.csv`.
    pub(crate) plans: PathBuf,
    /// MiB that must be free before a page is begun, 1 to 1048576.
    #[serde(default = "reserve_mib")]
    pub(crate) reserve_mib: u64,
}

/// Which scanner, and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scanner {
    pub(crate) device: String,
    #[serde(deserialize_with = "word::<_, Source>")]
    pub(crate) source: Source,
    #[serde(deserialize_with = "word::<_, ColourMode>")]
    pub(crate) mode: ColourMode,
    pub(crate) dpi: Dpi,
    #[serde(default = "auto", deserialize_with = "word::<_, Area>")]
    pub(crate) area: Area,
    /// A scanner that stands still for so long is taken for dead, 5 to 600.
    #[serde(default = "stall_seconds")]
    pub(crate) stall_seconds: u64,
}

/// How pages are judged and delivered.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pages {
    /// The project's profile, a TOML file; without it, the standard one.
    pub(crate) profile: Option<PathBuf>,
}

/// The operator's page.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Console {
    /// Address of the page, on this machine only.
    #[serde(default = "console_listen")]
    pub(crate) listen: SocketAddr,
}

impl Default for Console {
    fn default() -> Self {
        Self { listen: console_listen() }
    }
}

fn auto() -> Area {
    Area::Auto
}

/// Four pages of A4 at 600 dpi in colour, with their masters.
pub(crate) fn reserve_mib() -> u64 {
    1024
}

fn stall_seconds() -> u64 {
    30
}

fn console_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8631))
}

/// Words of the command line, also in the file.
trait Word: Sized {
    fn read(text: &str) -> Result<Self, String>;
}
impl Word for Source {
    fn read(text: &str) -> Result<Self, String> {
        parse_source(text)
    }
}
impl Word for ColourMode {
    fn read(text: &str) -> Result<Self, String> {
        parse_mode(text)
    }
}
impl Word for Area {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

fn word<'de, D: serde::Deserializer<'de>, T: Word>(deserializer: D) -> Result<T, D::Error> {
    T::read(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

fn optional_word<'de, D: serde::Deserializer<'de>, T: std::str::FromStr<Err = String>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(serde::de::Error::custom)
}

impl Config {
    /// Reads and checks the whole file. Errors name file, line, key, and what is allowed.
    pub(crate) fn load(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("configuration {}", file.display()))?;
        let config: Self = toml::from_str(&text).with_context(|| format!("configuration {}", file.display()))?;
        config.check().with_context(|| format!("configuration {}", file.display()))?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        if !(5..=600).contains(&self.scanner.stall_seconds) {
            bail!("scanner.stall_seconds = {}: 5 to 600 are allowed", self.scanner.stall_seconds);
        }
        if !(1..=1_048_576).contains(&self.station.reserve_mib) {
            bail!("station.reserve_mib = {}: 1 to 1048576 are allowed", self.station.reserve_mib);
        }
        if self.station.operator.trim().is_empty() {
            bail!("station.operator is empty: name the person who scans");
        }
        if !self.console.listen.ip().is_loopback() {
            bail!(
                "console.listen = {}: the operator's page is for this machine only, such as 127.0.0.1:8631",
                self.console.listen
            );
        }
        self.sensors.check()?;
        self.uplink.check()?;
        persons::check(&self.persons).map_err(anyhow::Error::msg)?;
        let unguarded = self.scanner.source == Source::Flatbed && self.sensors.board().is_none();
        if unguarded && !self.sensors.without_interlocks {
            bail!(
                "sensors.board is missing: pages from the glass need the lid and corner sensors. Set it to usb (our board), \
                 a serial line, or pi (this Raspberry Pi's pins); or set sensors.without_interlocks = true, which is then \
                 written into every page"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [station]
        site = "north"
        name = "desk-1"
        operator = "li-na"
        out = "/srv/platen"
        state = "/var/lib/platen"
        plans = "/etc/platen/plans"
        [scanner]
        device = "test:0"
        source = "flatbed"
        mode = "colour"
        dpi = 300
        [sensors]
        board = "/dev/ttyACM0"
        ups = "ups@localhost"
        [uplink]
        broker = "mqtt://127.0.0.1:1883"
    "#;

    fn load(text: &str) -> anyhow::Result<Config> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), text)?;
        Config::load(file.path())
    }

    #[test]
    fn a_good_file_is_read() {
        let config = load(GOOD).unwrap();
        assert_eq!(config.scanner.dpi, Dpi::D300);
        assert_eq!(config.uplink.broker().unwrap().map(|b| b.address.port), Some(1883));
    }

    #[test]
    fn a_wrong_file_says_where_and_what_is_allowed() {
        for (from, to, says) in [
            ("dpi = 300", "dpi = 240", "one of 200, 300, 600"),
            ("mode = \"colour\"", "mode = \"rgb\"", "one of lineart, grey, colour"),
            ("[sensors]", "[sensor]", "unknown field `sensor`"),
            ("[sensors]", "[pages]\nprofile = 7\n[sensors]", "invalid type: integer `7`"),
            ("name = \"desk-1\"", "name = \"Desk 1\"", "a-z, 0-9 and -"),
            ("board = \"/dev/ttyACM0\"", "", "sensors.board is missing"),
            ("mqtt://127.0.0.1:1883", "127.0.0.1", "mqtt://HOST"),
            ("broker = \"mqtt://127.0.0.1:1883\"", "broker = \"mqtts://b\"", "uplink: mqtts:// needs ca"),
            ("broker = \"mqtt://127.0.0.1:1883\"", "user = \"desk\"", "uplink.broker is missing"),
            ("[uplink]", "[uplink]\noutbox_mib = 0", "uplink.outbox_mib = 0: 1 to 65536"),
            ("ups@localhost", "ups", "NAME@HOST"),
            ("/dev/ttyACM0", "ttyACM0", "usb:SERIAL"),
            ("[uplink]", "pins = { top = 4 }\n[uplink]", "sensors.board = \"pi\" alone"),
            ("[uplink]", "ups_user = \"platen\"\n[uplink]", "belong together"),
            ("board = \"/dev/ttyACM0\"", "board = \"pi\"\npins = { top = 5 }", "pin 5 has two tasks"),
            ("board = \"/dev/ttyACM0\"", "board = \"pi\"\npins = { top = 2 }", "4 to 27"),
            ("[uplink]", "[[persons]]\nname = \"li\"\npin = \"1234\"\n[uplink]", "platen-station pin"),
            ("operator = \"li-na\"", "", "missing field `operator`"),
        ] {
            let error = format!("{:#}", load(&GOOD.replace(from, to)).unwrap_err());
            assert!(error.contains(says) && error.contains("configuration /"), "{to}: {error}");
        }
    }
}
