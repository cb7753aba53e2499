//! What guards a page: the section `[sensors]`.

use crate::sensors::{
    Source,
    nut::{Login, Ups},
    pi::Pins,
};
use anyhow::{Context, bail};
use serde::Deserialize;
use std::path::PathBuf;

/// What guards a page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sensors {
    /// `usb`, `usb:SERIAL`, a serial line such as `/dev/ttyACM0`, or `pi`.
    #[serde(default, deserialize_with = "super::optional_word")]
    board: Option<Source>,
    /// BCM numbers of a Raspberry Pi's pins, with `board = "pi"`.
    pins: Option<Pins>,
    /// Scan from the glass without a board. Every page says so.
    #[serde(default)]
    pub(crate) without_interlocks: bool,
    /// `NAME@HOST[:PORT]` of a NUT server.
    #[serde(default, deserialize_with = "super::optional_word")]
    ups: Option<Ups>,
    /// Who asks the NUT server, and a file with the password.
    ups_user: Option<String>,
    ups_password_file: Option<PathBuf>,
    /// PEM file of who signed the NUT server's certificate; with it TLS is demanded.
    ups_ca: Option<PathBuf>,
}

impl Sensors {
    /// Where lid and corner come from.
    pub(crate) fn board(&self) -> Option<Source> {
        match (&self.board, &self.pins) {
            (Some(Source::Pi(_)), Some(pins)) => Some(Source::Pi(pins.clone())),
            (board, _) => board.clone(),
        }
    }

    /// The UPS, with what its server wants to see.
    pub(crate) fn ups(&self) -> anyhow::Result<Option<Ups>> {
        let Some(ups) = &self.ups else { return Ok(None) };
        let login = match (&self.ups_user, &self.ups_password_file) {
            (Some(user), Some(file)) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("sensors.ups_password_file = {}", file.display()))?;
                Some(Login { user: user.clone(), password: text.trim_end_matches(['\r', '\n']).into() })
            }
            _ => None,
        };
        Ok(Some(Ups { login, ca: self.ups_ca.clone(), ..ups.clone() }))
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.pins.is_some() && !matches!(self.board, Some(Source::Pi(_))) {
            bail!("sensors.pins is for sensors.board = \"pi\" alone");
        }
        if let Some(pins) = &self.pins {
            pins.check().map_err(|e| anyhow::anyhow!("sensors.pins: {e}"))?;
        }
        if self.ups_user.is_some() != self.ups_password_file.is_some() {
            bail!("sensors.ups_user and sensors.ups_password_file belong together");
        }
        if self.ups.is_none() && (self.ups_user.is_some() || self.ups_ca.is_some()) {
            bail!("sensors.ups is missing: name the UPS that sensors.ups_user and sensors.ups_ca are for");
        }
        Ok(())
    }
}
