//! What happens at a station, in the words of the trade.

use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// Something that happened once and must reach the supervisor's database exactly once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum Event {
    /// A small batch was begun.
    #[serde(rename = "platen.batch.opened")]
    BatchOpened(BatchOpened),
    /// A page is safe: on disk, synced, in the station's journal.
    #[serde(rename = "platen.page.accepted")]
    PageAccepted(PageAccepted),
    /// A pass over the glass did not count; its number is asked for again.
    #[serde(rename = "platen.page.voided")]
    PageVoided(PageVoided),
    /// Every page of the plan is there and the tracking sheet is written.
    #[serde(rename = "platen.batch.completed")]
    BatchCompleted {
        /// `large/small`.
        batch: String,
        /// Pages kept.
        pages: u32,
        /// The tracking sheet's path below the output folder.
        tracking_sheet: String,
    },
    /// The operator cannot go on before something is done.
    #[serde(rename = "platen.fault.raised")]
    FaultRaised {
        /// Stable name, such as `cover-open`.
        fault: String,
        /// What happened, in English.
        text: String,
        /// What the operator is asked to do, in English.
        action: String,
        /// How bad it is.
        severity: Severity,
    },
    /// What was said under this name is over.
    #[serde(rename = "platen.fault.cleared")]
    FaultCleared {
        /// The name it was raised under.
        fault: String,
    },
    /// The UPS changed its state.
    #[serde(rename = "platen.power.changed")]
    PowerChanged {
        /// What it was.
        from: UpsState,
        /// What it is.
        to: UpsState,
    },
    /// The station's clock was set, or had stood still while the machine was off.
    #[serde(rename = "platen.clock.jumped")]
    ClockJumped {
        /// By how much, in milliseconds; negative is backwards.
        by_ms: i64,
    },
    /// A note under the number of an event that nobody takes: the station keeps that one aside.
    #[serde(rename = "platen.event.unsendable")]
    Unsendable {
        /// Why, in English.
        reason: String,
    },
}

/// How loud a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The operator deals with it.
    Operator,
    /// Somebody must come.
    Alarm,
}

/// The plan of a small batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BatchOpened {
    /// `large/small`.
    pub batch: String,
    /// Who scans.
    pub operator: String,
    /// The volumes in order.
    pub volumes: Vec<VolumePlan>,
}

/// One volume of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VolumePlan {
    /// Archival code 档号.
    pub code: String,
    /// Title.
    pub title: String,
    /// Pages expected.
    pub expected: u32,
}

/// A page that counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PageAccepted {
    /// `large/small`.
    pub batch: String,
    /// Archival code of the volume.
    pub volume: String,
    /// Image number within the volume, from 1.
    pub number: u32,
    /// Path below the output folder.
    pub file: String,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Dots per inch.
    pub dpi: u32,
    /// Colour mode.
    pub mode: ColourMode,
    /// Where the sheet was taken from.
    pub source: Source,
    /// Width of the delivered image in pixels.
    pub width: u32,
    /// Height of the delivered image in pixels.
    pub height: u32,
    /// Degrees that straighten the page, positive = counter-clockwise as seen on screen.
    pub angle: f64,
    /// Degrees the page was really turned; 0 if it was left.
    pub applied: f64,
    /// Confidence of `angle`, 0 to 1.
    pub confidence: f64,
    /// Findings, such as `blank`.
    pub flags: Vec<String>,
    /// Image number of an earlier page of the volume that shows the same sheet, with the flag `same-sheet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<u32>,
    /// How the page was guarded.
    pub interlock: Interlock,
    /// The sensors that two persons had overridden, with [`Interlock::Overridden`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overridden: Vec<Overridden>,
    /// From the scan's start to safe, in milliseconds.
    pub took_ms: u64,
}

/// Colour mode of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ColourMode {
    /// One bit a pixel.
    Lineart,
    /// Eight bits.
    Grey,
    /// Three times eight bits.
    Colour,
}

/// Where a sheet was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// From the glass.
    Flatbed,
    /// From the feeder, one side.
    Adf,
    /// From the feeder, both sides.
    Duplex,
}

/// How a page was guarded while it was scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Interlock {
    /// The board certified a closed lid and paper in its corner.
    Certified,
    /// The station itself watched lid and corner through its own pins: weaker than a board, because the machine that watches
    /// is the machine that scans.
    WatchedByStation,
    /// A sensor was overridden by two persons.
    Overridden,
    /// A feeder's own cover and paper sensors.
    Feeder,
    /// Scanned with `--without-interlocks`.
    None,
}

/// A sensor that did not guard a page, and who answers for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Overridden {
    /// `lid`, `corner` or `board`.
    pub sensor: String,
    /// The two persons.
    pub by: Vec<String>,
    /// Their reason.
    pub reason: String,
}

/// A pass that did not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PageVoided {
    /// `large/small`.
    pub batch: String,
    /// Archival code of the volume.
    pub volume: String,
    /// The image number, which stays asked for.
    pub number: u32,
    /// Stable name of the fault, such as `lid-opened`.
    pub fault: String,
    /// What happened, in English.
    pub text: String,
}

/// What a sensor read. Readings have a numbering of their own and may be thinned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum Reading {
    /// The room.
    #[serde(rename = "platen.room.reading")]
    Room {
        /// Degrees Celsius.
        celsius: f64,
        /// Relative humidity in percent.
        humidity: f64,
    },
    /// The power supply.
    #[serde(rename = "platen.power.reading")]
    Power {
        /// State told by the UPS.
        state: UpsState,
        /// Battery charge in percent.
        charge: Option<f64>,
        /// Seconds the battery lasts.
        runtime_s: Option<f64>,
        /// The UPS asks for a new battery (RB).
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        replace_battery: bool,
    },
}

/// The state of the UPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UpsState {
    /// Mains (OL).
    Online,
    /// On battery (OB).
    OnBattery,
    /// On battery, and that is low (LB).
    LowBattery,
    /// Everything that hangs on the UPS is to shut down now (FSD).
    ForcedShutdown,
    /// The driver has lost the UPS: its values are old.
    Stale,
    /// The UPS server does not answer.
    Unreachable,
}
