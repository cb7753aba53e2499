//! What a batch from the terminal is made of.

use crate::{
    batch::{ArchivalCode, BatchName, Plan},
    config::{self, Uplink},
    profile::Profile,
    scanner::{Area, Dpi, ScanSettings, parse_mode, parse_source},
    sensors::{self, nut::Ups},
    wiring::Parts,
};
use anyhow::Context;
use platen_broker::{Address, Broker};
use platen_protocol::uplink::{ColourMode, SiteId, Source, StationId};
use std::{io::IsTerminal, path::PathBuf, time::Duration};

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["plan", "pages"])))]
pub(crate) struct Args {
    /// Scanner, as `platen-station devices` lists it
    #[arg(long)]
    device: String,
    /// Volume plan: CSV with the columns archival_code, title, expected_pages
    #[arg(long, value_name = "CSV")]
    plan: Option<PathBuf>,
    /// Instead of a plan: one volume with so many pages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=9999))]
    pages: Option<u32>,
    /// Name of the batch, LARGE/SMALL
    #[arg(long, default_value = "1/1-1-1")]
    batch: BatchName,
    /// Archival code of the volume made by --pages
    #[arg(long, default_value = "volume-0001")]
    code: ArchivalCode,
    /// flatbed, adf or duplex
    #[arg(long, default_value = "flatbed", value_parser = parse_source)]
    pub(super) source: Source,
    /// 200, 300 or 600
    #[arg(long, default_value = "300")]
    dpi: Dpi,
    /// lineart, grey or colour
    #[arg(long, default_value = "colour", value_parser = parse_mode)]
    mode: ColourMode,
    /// auto (the glass; from a feeder A4), a4, a3 or WIDTHxHEIGHT in mm
    #[arg(long, default_value = "auto")]
    area: Area,
    /// Folder of the finished images
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Folder of journal and outbox [default: OUT/.platen]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Who scans
    #[arg(long, default_value = "terminal")]
    operator: String,
    /// Lid and corner sensors: usb (our board), usb:SERIAL, a serial line such as /dev/ttyACM0, or pi (this Pi's pins)
    #[arg(long, value_name = "SOURCE")]
    pub(super) board: Option<sensors::Source>,
    /// Scan from the glass without lid and corner sensors; every page says so
    #[arg(long, conflicts_with = "board")]
    pub(super) without_interlocks: bool,
    /// What starts a page: the board's button, Enter, or as soon as the desk is ready
    /// [default: auto for a feeder and where no terminal is, else button with a board, else key]
    #[arg(long, value_enum)]
    start: Option<StartBy>,
    /// UPS on a NUT server, NAME@HOST
    #[arg(long)]
    ups: Option<Ups>,
    /// Report to this broker, mqtt://HOST[:PORT], or mqtts://HOST[:PORT] for TLS
    #[arg(long)]
    broker: Option<Address>,
    /// Who signed the broker's certificate
    #[arg(long, value_name = "PEM", requires = "broker")]
    broker_ca: Option<PathBuf>,
    /// This station's certificate for the broker
    #[arg(long, value_name = "PEM", requires_all = ["broker", "key"])]
    certificate: Option<PathBuf>,
    /// The certificate's key
    #[arg(long, value_name = "PEM", requires = "certificate")]
    key: Option<PathBuf>,
    /// Site in reports
    #[arg(long, default_value = "site")]
    site: SiteId,
    /// Name of this station in reports
    #[arg(long, default_value = "station")]
    station: StationId,
    /// Profile by which pages are judged and delivered: a TOML file [default: the standard profile]
    #[arg(long, value_name = "TOML")]
    profile: Option<PathBuf>,
    /// JPEG quality, 1 to 100 [default: the profile's]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: Option<u8>,
    /// A scanner that stands still for so long is taken for dead
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    stall: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum StartBy {
    Auto,
    Button,
    Key,
}

impl Args {
    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        let batch = self.batch.clone();
        match (&self.plan, self.pages) {
            (Some(file), _) => {
                let text = std::fs::read_to_string(file).with_context(|| format!("plan {}", file.display()))?;
                Plan::from_csv(batch, &text).map_err(|e| anyhow::anyhow!("plan {}: {e}", file.display()))
            }
            (None, pages) => Plan::single(batch, self.code.clone(), pages.unwrap_or(0)).map_err(anyhow::Error::msg),
        }
    }

    fn broker(&self) -> anyhow::Result<Option<Broker>> {
        let Some(address) = self.broker.clone() else { return Ok(None) };
        let identity = (self.certificate.clone(), self.key.clone());
        Broker::new(address, self.broker_ca.clone(), identity, (None, None)).context("--broker").map(Some)
    }

    pub(super) fn start_by(&self) -> StartBy {
        self.start.unwrap_or(match (self.source, &self.board) {
            (Source::Adf | Source::Duplex, _) => StartBy::Auto,
            (Source::Flatbed, Some(_)) => StartBy::Button,
            (Source::Flatbed, None) if std::io::stdin().is_terminal() => StartBy::Key,
            (Source::Flatbed, None) => StartBy::Auto,
        })
    }

    pub(super) fn parts(&self) -> anyhow::Result<Parts> {
        Ok(Parts {
            site: self.site.clone(),
            station: self.station.clone(),
            operator: self.operator.clone(),
            out: self.out.clone(),
            state: self.state.clone().unwrap_or_else(|| self.out.join(".platen")),
            plans: None,
            device: self.device.clone(),
            settings: ScanSettings { source: self.source, mode: self.mode, dpi: self.dpi, area: self.area },
            stall: Duration::from_secs(self.stall),
            profile: Profile::load(self.profile.as_deref(), self.quality)?,
            previews: false,
            board: self.board.clone(),
            persons: Vec::new(),
            ups: self.ups.clone(),
            broker: self.broker()?,
            outbox_limit: Uplink::default().limit(),
            reserve: config::reserve_mib() * 1024 * 1024,
        })
    }
}
