//! The operator's lamp. The Pico has one green LED, so colours become rhythms.

use platen_protocol::board::Lamp;

/// Whether the LED is lit at `at_ms` (board time, milliseconds).
///
/// The periods are powers of two: they survive the wrap of the counter and need no division, which the Cortex-M0+
/// lacks.
pub fn lit(lamp: Lamp, at_ms: u32) -> bool {
    match lamp {
        Lamp::Off => false,
        // A short flash each second.
        Lamp::Ready => at_ms % 1024 < 128,
        Lamp::Scanning => true,
        // Four times a second.
        Lamp::Attention => at_ms % 256 < 128,
    }
}
