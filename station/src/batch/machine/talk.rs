//! What goes into the batch machine and what comes out.

use crate::{
    batch::{PageId, Plan},
    words::Trouble,
};
use platen_protocol::uplink::Interlock;

/// What the machine is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Input {
    /// Begin a batch, or go on with one of which `kept` pages are in the journal.
    Open {
        plan: Plan,
        kept: u32,
    },
    /// Leave a batch; nothing is lost, it can be opened again.
    Close,
    /// The operator pressed start.
    Start,
    /// The operator does not want the pass under way.
    Cancel,
    /// The pass under way cannot be finished.
    BreakOff {
        why: Trouble,
    },
    /// What stands against a start now, as the interlocks see it. For a flatbed this also guards the pass under way.
    Holds(Vec<Trouble>),
    Armed {
        attempt: u32,
    },
    ArmRefused {
        attempt: u32,
        why: Trouble,
    },
    Scanned {
        attempt: u32,
    },
    ScanFailed {
        attempt: u32,
        why: Trouble,
    },
    Certified {
        attempt: u32,
        verdict: Result<(), Trouble>,
    },
    /// Pictures are made and lie, synced, under temporary names.
    Processed {
        attempt: u32,
    },
    ProcessFailed {
        attempt: u32,
        why: Trouble,
    },
    /// Files have their names and the journal says so.
    Saved {
        attempt: u32,
    },
    SaveFailed {
        attempt: u32,
        why: Trouble,
    },
    /// The tracking sheet is written and the journal says that the batch is complete.
    Finished,
    FinishFailed {
        why: Trouble,
    },
}

/// What the machine wants done. `Save` always comes before `Kept`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Output {
    Arm {
        attempt: u32,
    },
    Disarm {
        attempt: u32,
    },
    Scan {
        attempt: u32,
    },
    CancelScan,
    Certify {
        attempt: u32,
    },
    Process {
        attempt: u32,
        page: PageId,
        interlock: Interlock,
    },
    Save {
        attempt: u32,
    },
    /// The page is safe: tell everybody.
    Kept {
        page: PageId,
    },
    /// A pass did not count; its number stays asked for. The pictures made of it are thrown away.
    Void {
        attempt: u32,
        page: PageId,
        why: Trouble,
    },
    /// Write the tracking sheet.
    Finish,
    /// Tell the operator and the supervisor what is wrong.
    Raise(Trouble),
    /// What was raised under this name is over.
    Clear {
        name: &'static str,
    },
}

/// Why an input was not obeyed. Nothing changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Refused {
    NoBatch,
    AlreadyOpen,
    Busy,
    Complete,
    Held(Vec<Trouble>),
}

/// How pages are guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The board arms, watches and certifies each pass.
    Board,
    /// The scanner's own sensors.
    Scanner,
    /// Nothing: `--without-interlocks`.
    None,
}
