//! The operator's lamp, red, green and blue, and the rhythms it blinks in.

use platen_protocol::board::Lamp;

/// Which of the lamp's three colours are lit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Light {
    /// Red is lit.
    pub red: bool,
    /// Green is lit.
    pub green: bool,
    /// Blue is lit.
    pub blue: bool,
}

impl Light {
    /// Nothing is lit.
    pub const DARK: Self = Self::new(false, false, false);
    const RED: Self = Self::new(true, false, false);
    const GREEN: Self = Self::new(false, true, false);
    const BLUE: Self = Self::new(false, false, true);
    const YELLOW: Self = Self::new(true, true, false);
    const WHITE: Self = Self::new(true, true, true);

    const fn new(red: bool, green: bool, blue: bool) -> Self {
        Self { red, green, blue }
    }
}

/// The light of `lamp` at `at_ms` (board time, milliseconds).
///
/// The periods are powers of two: they survive the wrap of the counter and need no division, which the Cortex-M0+ lacks.
pub(crate) fn light(lamp: Lamp, at_ms: u32) -> Light {
    match lamp {
        Lamp::Off => Light::DARK,
        Lamp::Ready => Light::GREEN,
        Lamp::Scanning => Light::WHITE,
        // Four times a second.
        Lamp::Attention if at_ms % 256 < 128 => Light::RED,
        // Once a second.
        Lamp::Overridden if at_ms % 1024 < 512 => Light::YELLOW,
        Lamp::Attention | Lamp::Overridden => Light::DARK,
    }
}

/// Every colour in turn, for the eyes of who runs the self-test; `None` when the show is over.
pub(crate) fn show(since_ms: u32) -> Option<Light> {
    const EACH_MS: u32 = 256;
    [Light::RED, Light::GREEN, Light::BLUE, Light::WHITE].get((since_ms / EACH_MS) as usize).copied()
}
