//! The way to the supervisor: events lie on disk until the supervisor says that it has stored them.

mod letter;
mod machine;
#[cfg(test)]
mod machine_tests;
pub(crate) mod spool;
pub(crate) mod task;
