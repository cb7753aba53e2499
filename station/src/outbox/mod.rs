//! The way to the supervisor: events lie on disk until the supervisor says that it has stored them.

pub(crate) mod mqtt;
pub(crate) mod spool;
