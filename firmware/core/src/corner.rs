//! The corner's two reflective sensors: from levels of an ADC to paper or no paper.
//!
//! A sensor shines at what lies over it and its phototransistor pulls the level down by what comes back: paper is lower than
//! the dark gap beside the glass. A torn wire leaves the level at the top, where there is no paper.

use platen_protocol::board::{Corner, Paper};

/// What one sensor sees without paper and with it, 0 to 4095.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    /// Without paper.
    pub bare: u16,
    /// With white paper.
    pub covered: u16,
}

/// Both sensors' levels; what the board keeps in its flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calibration {
    /// Of the sensor at the top edge.
    pub top: Levels,
    /// Of the sensor at the left edge.
    pub left: Levels,
}

impl Calibration {
    /// What the firmware comes with: a QRE1113 with 10 kΩ to 3.3 V, paper at 1 mm. Real glass differs: calibrate.
    pub const DEFAULT: Self = {
        let levels = Levels { bare: 3_600, covered: 800 };
        Self { top: levels, left: levels }
    };

    /// Levels that [`Self::from_bytes`] reads again.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        let [a, b, c, d] = [self.top.bare, self.top.covered, self.left.bare, self.left.covered].map(u16::to_le_bytes);
        [a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]]
    }

    /// Reads what [`Self::to_bytes`] has written; `None` if no sensor can have such levels.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        let at = |i: usize| u16::from_le_bytes([bytes[i], bytes[i + 1]]);
        let read = Self { top: Levels { bare: at(0), covered: at(2) }, left: Levels { bare: at(4), covered: at(6) } };
        (read.top.is_sound() && read.left.is_sound()).then_some(read)
    }

    pub(crate) fn of(&mut self, corner: Corner) -> &mut Levels {
        match corner {
            Corner::Top => &mut self.top,
            Corner::Left => &mut self.left,
        }
    }
}

/// The ADC's highest level.
const HIGHEST: u16 = 4_095;
/// At or below this a sensor's wire has a short circuit to ground: a lit phototransistor keeps some 0.1 V.
pub(crate) const SHORTED: u16 = 16;
/// Levels with and without paper must lie so far apart; noise is a tenth of it.
const APART: u16 = 300;

impl Levels {
    pub(crate) fn is_sound(self) -> bool {
        self.bare <= HIGHEST && self.covered > SHORTED && self.bare.saturating_sub(self.covered) >= APART
    }
}

/// One sensor, with hysteresis: between two thresholds it believes what it believed before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sensor {
    /// Down to 40 % of the way from paper to none there is paper, from 60 % on none. Worked out once: the Cortex-M0+ cannot
    /// divide.
    present_to: u16,
    absent_from: u16,
    paper: Paper,
}

impl Sensor {
    pub(crate) fn new(levels: Levels, level: u16) -> Self {
        let fifth = levels.bare.saturating_sub(levels.covered) / 5;
        let (present_to, absent_from) = (levels.covered + 2 * fifth, levels.covered + 3 * fifth);
        let mut sensor = Self { present_to, absent_from, paper: Paper::Absent };
        sensor.sample(level);
        sensor
    }

    pub(crate) fn paper(&self) -> Paper {
        self.paper
    }

    pub(crate) fn sample(&mut self, level: u16) -> Paper {
        self.paper = if level <= SHORTED {
            Paper::Faulty
        } else if level <= self.present_to {
            Paper::Present
        } else if level >= self.absent_from || self.paper == Paper::Faulty {
            Paper::Absent
        } else {
            self.paper
        };
        self.paper
    }
}
