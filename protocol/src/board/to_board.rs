//! What the station says.

use serde::{Deserialize, Serialize};

/// Station → board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToBoard {
    /// Opens the conversation; the board answers with its own `Hello` and forgets any armed latch.
    Hello {
        /// The link version of the station.
        protocol: u16,
    },
    /// Start watching under this number. Refused while what is to be watched is not as it must be.
    Arm {
        /// Chosen by the station, never used twice.
        number: u32,
        /// What is watched.
        watch: Watch,
    },
    /// Ask for the certificate of this number. The latch stays armed.
    Certify {
        /// The number given to `Arm`.
        number: u32,
    },
    /// Stop watching.
    Disarm {
        /// The number given to `Arm`.
        number: u32,
    },
    /// Show the operator a colour.
    Lamp(Lamp),
    /// Let the operator hear something.
    Sound(Sound),
    /// Measure the room now instead of at the next turn.
    ReadClimate,
    /// Take what a corner sensor sees now for its level without paper, or with it.
    Calibrate {
        /// Which sensor.
        corner: Corner,
        /// White paper lies over it.
        covered: bool,
    },
    /// Show every colour, sound the buzzer, measure the room, and tell how the board is.
    SelfTest,
}

/// What a latch watches. Less than everything is for a desk on which two persons have overridden a broken sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Watch {
    /// The lid is closed and paper lies in the corner.
    LidAndCorner,
    /// The lid is closed.
    Lid,
    /// Paper lies in the corner.
    Corner,
}

impl Watch {
    /// The lid is watched.
    #[must_use]
    pub fn lid(self) -> bool {
        self != Self::Corner
    }

    /// The corner is watched.
    #[must_use]
    pub fn corner(self) -> bool {
        self != Self::Lid
    }
}

/// One of the two sensors in the top-left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Corner {
    /// At the top edge.
    Top,
    /// At the left edge.
    Left,
}

/// What the operator's lamp shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lamp {
    /// Dark: no batch.
    Off,
    /// Green: lay the next page, press start.
    Ready,
    /// White: a scan is under way, keep the lid closed.
    Scanning,
    /// Red, blinking: look at the screen.
    Attention,
    /// Yellow, blinking slowly: ready, but a sensor is overridden.
    Overridden,
}

/// What the operator hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sound {
    /// The page is safe: one short tone.
    Accepted,
    /// The page does not count: three short tones.
    Refused,
    /// Something needs a person: two long tones.
    Attention,
}
