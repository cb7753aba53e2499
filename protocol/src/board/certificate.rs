//! The lid certificate: what the board alone saw of a pass.

use super::Reset;
use serde::{Deserialize, Serialize};

/// What the board saw, sample by sample, from `armed_ms` to `until_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The number given to `Arm`.
    pub number: u32,
    /// Board time at which watching began, in milliseconds.
    pub armed_ms: u32,
    /// Board time of the last sample, in milliseconds.
    pub until_ms: u32,
    /// Samples looked at in between; one each millisecond is expected.
    pub samples: u32,
    /// The longest time from one sample to the next, in milliseconds.
    pub longest_gap_ms: u32,
    /// The lid was not closed at some samples.
    pub opened: Option<Opening>,
    /// Paper did not lie in the corner at some samples.
    pub uncovered: Option<Uncovered>,
}

/// How the lid was found open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// First sample that was not closed, milliseconds after arming.
    pub first_ms: u32,
    /// Samples, one each millisecond, that were not closed, over all openings.
    pub samples: u32,
    /// How often it was opened.
    pub times: u16,
    /// The switch's poles disagreed for longer than a moving lid explains.
    pub broken: bool,
}

/// How the corner was found without paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uncovered {
    /// First sample without paper, milliseconds after arming.
    pub first_ms: u32,
    /// Samples, one each millisecond, without paper.
    pub samples: u32,
}

/// Why there is no certificate of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Denial {
    /// Nothing is armed, and this number was not armed before the last reset, as far as the board knows.
    NotArmed,
    /// Another number is armed.
    Other {
        /// That number.
        armed: u32,
    },
    /// This number was armed, and then the board was reset.
    Reset(Reset),
}
