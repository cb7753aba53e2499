//! A bench with real devices, named in a TOML file, and what can be asked of each without a hand to move it.

use anyhow::Context;
use serde::Deserialize;
use std::{
    path::Path,
    process::{Command, Output},
};

/// What a bench has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rig {
    /// As in `sensors.board`.
    pub board: Option<String>,
    /// As `platen-station devices` lists it.
    pub scanner: Option<String>,
    /// `flatbed`, `adf` or `duplex`.
    pub source: Option<String>,
    /// `NAME@HOST[:PORT]`.
    pub ups: Option<String>,
}

/// How a story on a bench ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// It ran, and what it found.
    Ran(String),
    /// It did not run, and why not.
    Skipped(String),
}

impl Rig {
    /// Reads a rig.
    pub fn load(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("rig {}", file.display()))?;
        toml::from_str(&text).with_context(|| format!("rig {}", file.display()))
    }

    /// The board greets, and its self-test is good.
    pub fn board_story(&self, station: &dyn Fn() -> Command) -> anyhow::Result<Told> {
        let Some(board) = &self.board else { return Ok(Told::Skipped("the rig names no board".into())) };
        let out = station().args(["board", "--board", board, "self-test"]).output()?;
        let (said, wrong) = texts(&out);
        if wrong.contains("no sensor board") || wrong.contains("No such file") {
            return Ok(Told::Skipped(wrong));
        }
        anyhow::ensure!(out.status.success(), "{said}{wrong}");
        for part in ["firmware", "corner sensors", "room"] {
            anyhow::ensure!(said.contains(part), "no {part} in: {said}");
        }
        Ok(Told::Ran(said))
    }

    /// A page is scanned, straightened and kept; on the glass the board certifies it, if the bench has one.
    pub fn scanner_story(&self, station: &dyn Fn() -> Command, folder: &Path) -> anyhow::Result<Told> {
        let Some(device) = &self.scanner else { return Ok(Told::Skipped("the rig names no scanner".into())) };
        let listed = station().arg("devices").output()?;
        let (devices, _) = texts(&listed);
        if !devices.contains(device.as_str()) {
            return Ok(Told::Skipped(format!("SANE does not list {device}; it lists: {devices}")));
        }
        let source = self.source.as_deref().unwrap_or("flatbed");
        let mut command = station();
        command
            .args(["scan", "--device", device, "--source", source, "--pages", "1", "--dpi", "200", "--start", "auto"]);
        // Without the board of the bench the scanner is tried all the same.
        let there = source == "flatbed" && matches!(self.board_story(station), Ok(Told::Ran(_)));
        let guard = self.board.as_ref().filter(|_| there);
        match guard {
            Some(board) => _ = command.args(["--board", board]),
            None if source == "flatbed" => _ = command.arg("--without-interlocks"),
            None => {}
        }
        let out = command.arg("--out").arg(folder).output()?;
        let (said, wrong) = texts(&out);
        anyhow::ensure!(out.status.success(), "{said}{wrong}");
        let page = folder.join("1/1-1-1/volume-0001/0001.jpg");
        let size = image::image_dimensions(&page).with_context(|| page.display().to_string())?;
        anyhow::ensure!(size.0 > 1_000 && size.1 > 1_000, "{size:?}");
        let certified = String::from_utf8_lossy(&std::fs::read(&page)?).contains("lid closed");
        anyhow::ensure!(certified == guard.is_some(), "certified: {certified}");
        let watched = if certified { ", certified by the board" } else { "" };
        Ok(Told::Ran(format!("a page of {} × {} pixels{watched}", size.0, size.1)))
    }

    /// The UPS is known and on mains.
    pub fn ups_story(&self, station: &dyn Fn() -> Command, folder: &Path) -> anyhow::Result<Told> {
        let Some(ups) = &self.ups else { return Ok(Told::Skipped("the rig names no UPS".into())) };
        let config = folder.join("station.toml");
        let text = format!(
            "[station]\nsite = \"rig\"\nname = \"rig\"\noperator = \"rig\"\nout = \"{0}/out\"\nstate = \"{0}/state\"\n\
             plans = \"{0}/plans\"\n[scanner]\ndevice = \"none\"\nsource = \"adf\"\nmode = \"grey\"\ndpi = 300\n\
             [sensors]\nups = \"{ups}\"\n",
            folder.display()
        );
        std::fs::write(&config, text)?;
        let (said, wrong) = texts(&station().args(["doctor", "--config"]).arg(&config).output()?);
        let line = said.lines().find(|line| line.starts_with("ups")).with_context(|| format!("{said}{wrong}"))?;
        if line.contains("refused") || line.contains("no answer") {
            return Ok(Told::Skipped(line.into()));
        }
        anyhow::ensure!(line.contains("good"), "{line}");
        Ok(Told::Ran(line.into()))
    }
}

fn texts(out: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    (text(&out.stdout), text(&out.stderr))
}
