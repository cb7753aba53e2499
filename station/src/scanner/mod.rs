//! Scanners through SANE.
//!
//! libsane lives in a child process of its own ([`worker`]), one for each open device and for each listing: backends
//! crash, hang, leak and exit. [`process`] is the parent's side of that, [`task`] what the rest of the station talks to.

pub(crate) mod accept;
pub(crate) mod fault;
pub(crate) mod options;
pub(crate) mod process;
mod sane;
pub(crate) mod task;
pub(crate) mod wire;
pub(crate) mod worker;

pub(crate) use fault::Fault;
use platen_protocol::uplink::{ColourMode, Source};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Dots per inch an archive asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub(crate) enum Dpi {
    D200,
    D300,
    D600,
}

impl Dpi {
    pub(crate) const fn get(self) -> u32 {
        match self {
            Self::D200 => 200,
            Self::D300 => 300,
            Self::D600 => 600,
        }
    }
}

impl From<Dpi> for u32 {
    fn from(dpi: Dpi) -> u32 {
        dpi.get()
    }
}

impl TryFrom<u32> for Dpi {
    type Error = String;
    fn try_from(dpi: u32) -> Result<Self, String> {
        match dpi {
            200 => Ok(Self::D200),
            300 => Ok(Self::D300),
            600 => Ok(Self::D600),
            other => Err(format!("{other} dpi is not allowed; one of 200, 300, 600 is")),
        }
    }
}

impl FromStr for Dpi {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<u32>().map_err(|_| format!("{text:?} is not a number of dpi; one of 200, 300, 600 is"))?.try_into()
    }
}

impl fmt::Display for Dpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// What is asked of a scanner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScanSettings {
    pub(crate) source: Source,
    pub(crate) mode: ColourMode,
    pub(crate) dpi: Dpi,
    pub(crate) area: Area,
}

/// The part of the glass that is scanned, from its top-left corner.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Area {
    /// The whole glass; from a feeder A4, or all of it if it is smaller.
    Auto,
    /// Width and height in millimetres.
    Millimetres(f64, f64),
}

impl FromStr for Area {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not an area; allowed: auto, a4, a3, or WIDTHxHEIGHT in mm such as 210x297");
        match text {
            "auto" => Ok(Self::Auto),
            "a4" => Ok(Self::Millimetres(210.0, 297.0)),
            "a3" => Ok(Self::Millimetres(297.0, 420.0)),
            _ => {
                let (w, h) = text.split_once('x').ok_or_else(bad)?;
                let side = |s: &str| s.parse::<f64>().ok().filter(|mm| (10.0..=2000.0).contains(mm)).ok_or_else(bad);
                Ok(Self::Millimetres(side(w)?, side(h)?))
            }
        }
    }
}

/// What the device took, read back after setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// The backend's own word for the source; empty if it has only one.
    pub(crate) source: String,
    /// The backend's own word for the mode.
    pub(crate) mode: String,
    pub(crate) dpi: u32,
    /// Width and height in millimetres.
    pub(crate) area_mm: (f64, f64),
}

/// A scanner as a listing tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeviceInfo {
    pub(crate) name: String,
    pub(crate) vendor: String,
    pub(crate) model: String,
    pub(crate) kind: String,
}

/// How the bytes of a page are laid out. Rows from the top, `stride` bytes each, padding at their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layout {
    pub(crate) mode: ColourMode,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) stride: usize,
    pub(crate) dpi: Dpi,
}

/// The words of the command line.
pub(crate) fn parse_source(text: &str) -> Result<Source, String> {
    match text {
        "flatbed" => Ok(Source::Flatbed),
        "adf" => Ok(Source::Adf),
        "duplex" => Ok(Source::Duplex),
        _ => Err(format!("{text:?} is not a source; one of flatbed, adf, duplex is")),
    }
}

/// The words of the command line.
pub(crate) fn parse_mode(text: &str) -> Result<ColourMode, String> {
    match text {
        "lineart" => Ok(ColourMode::Lineart),
        "grey" | "gray" => Ok(ColourMode::Grey),
        "colour" | "color" => Ok(ColourMode::Colour),
        _ => Err(format!("{text:?} is not a mode; one of lineart, grey, colour is")),
    }
}
