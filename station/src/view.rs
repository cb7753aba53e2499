//! What the operator's page shows: one picture of the whole desk, as JSON.

use crate::{outbox::task::Network, sensors::overrides::Sensor, words::Trouble};
use platen_protocol::uplink::{ColourMode, Interlock, Source, UpsState};
use serde::Serialize;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct View {
    pub(crate) now: String,
    pub(crate) station: String,
    pub(crate) software: &'static str,
    pub(crate) operator: String,
    pub(crate) device: String,
    pub(crate) source: Source,
    pub(crate) mode: ColourMode,
    pub(crate) dpi: u32,
    pub(crate) plans: Vec<PlanLine>,
    pub(crate) batch: Option<BatchView>,
    pub(crate) next: Option<NextView>,
    pub(crate) desk: &'static str,
    /// Pages between scanner and journal.
    pub(crate) saving: usize,
    pub(crate) progress: Option<f64>,
    pub(crate) holds: Vec<Trouble>,
    /// What somebody must look at, whether or not the desk can go on.
    pub(crate) faults: Vec<Trouble>,
    pub(crate) overrides: Vec<OverrideView>,
    /// Who may answer for an overridden sensor.
    pub(crate) persons: Vec<String>,
    pub(crate) fault: Option<FaultView>,
    pub(crate) last_page: Option<PageView>,
    pub(crate) lid: &'static str,
    pub(crate) corner: &'static str,
    pub(crate) board: &'static str,
    pub(crate) room: Option<RoomView>,
    pub(crate) power: Option<PowerView>,
    pub(crate) network: Option<Network>,
    pub(crate) interlocks: &'static str,
}

/// A plan that can be opened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PlanLine {
    pub(crate) batch: String,
    pub(crate) volumes: usize,
    pub(crate) expected: u32,
    pub(crate) kept: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct BatchView {
    pub(crate) batch: String,
    pub(crate) pages: u32,
    pub(crate) expected: u32,
    pub(crate) completed: bool,
    pub(crate) folder: String,
    pub(crate) tracking_sheet: Option<String>,
    pub(crate) volumes: Vec<VolumeView>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct VolumeView {
    pub(crate) code: String,
    pub(crate) title: String,
    pub(crate) expected: u32,
    pub(crate) pages: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct NextView {
    pub(crate) volume: String,
    pub(crate) title: String,
    pub(crate) number: u32,
    pub(crate) expected: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct FaultView {
    #[serde(flatten)]
    pub(crate) trouble: Trouble,
    pub(crate) page: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PageView {
    pub(crate) volume: String,
    pub(crate) number: u32,
    pub(crate) preview: String,
    pub(crate) angle: f64,
    pub(crate) applied: f64,
    pub(crate) confidence: f64,
    pub(crate) flags: Vec<String>,
    /// An earlier page that shows the same sheet.
    pub(crate) same_as: Option<u32>,
    pub(crate) interlock: Interlock,
    pub(crate) file: String,
    pub(crate) at: String,
    pub(crate) took_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RoomView {
    pub(crate) celsius: f64,
    pub(crate) humidity: f64,
    pub(crate) age_ms: u64,
    pub(crate) stale: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PowerView {
    pub(crate) state: UpsState,
    pub(crate) charge: Option<f64>,
    pub(crate) replace_battery: bool,
    pub(crate) age_ms: u64,
    pub(crate) stale: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct OverrideView {
    pub(crate) sensor: Sensor,
    pub(crate) by: [String; 2],
    pub(crate) reason: String,
    /// Seconds until it ends by itself.
    pub(crate) left_s: u64,
    pub(crate) pages: u32,
}

/// The picture of the page kept last, under the name that [`PageView::preview`] gives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Preview {
    pub(crate) name: String,
    pub(crate) jpeg: Arc<[u8]>,
}
