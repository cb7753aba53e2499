//! What parent and worker say to each other: one JSON object a line, over a socket of their own.

use super::{DeviceInfo, Fault, Layout, ScanSettings, Taken};
use serde::{Deserialize, Serialize};

/// File descriptor of the control socket in the worker; standard output is left to the backends' chatter.
pub(crate) const CONTROL_FD: i32 = 3;
/// File descriptor of the first page slot in the worker; the others follow.
pub(crate) const FIRST_SLOT_FD: i32 = 4;

/// Parent → worker. Closing the socket ends the worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    List,
    Open {
        device: String,
    },
    Configure(ScanSettings),
    Sensors,
    /// Scan one page into this slot.
    Scan {
        slot: usize,
    },
    /// End the page under way.
    Cancel,
}

/// Worker → parent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    Devices(Vec<DeviceInfo>),
    Opened,
    Configured(Taken),
    Sensors(ScannerSensors),
    /// The device delivers; `total` bytes are expected, if it knows.
    Started {
        total: Option<u64>,
    },
    Progress {
        bytes: u64,
    },
    /// A whole page lies in the slot, and behind it so many bytes of the page reduced.
    Page {
        layout: Layout,
        bytes: u64,
        reduced: u64,
    },
    Failed(Fault),
}

/// What the scanner's own sensors say; `None` where it has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScannerSensors {
    pub(crate) cover_open: Option<bool>,
    pub(crate) page_loaded: Option<bool>,
    pub(crate) start_button: Option<bool>,
    pub(crate) double_feed: Option<bool>,
}
