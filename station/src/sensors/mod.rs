//! Sensors: the board over its serial line, the UPS over NUT, and the machine that turns readings into interlocks.

pub(crate) mod board;
pub(crate) mod interlock;
pub(crate) mod nut;
