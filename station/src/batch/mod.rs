//! Batches: names and plans, the machine that decides what happens next, the journal, and the tracking sheet.

pub(crate) mod known;
pub(crate) mod machine;
#[cfg(test)]
mod machine_tests;
pub(crate) mod names;
pub(crate) mod plan;
pub(crate) mod sheet;
pub(crate) mod store;
#[cfg(test)]
mod store_tests;

pub(crate) use names::{ArchivalCode, BatchName};
#[cfg(test)]
pub(crate) use plan::Volume;
pub(crate) use plan::{PageId, Plan};
