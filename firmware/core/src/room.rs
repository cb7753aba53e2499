//! The room sensor's machine: when to measure, what to believe, when to heat the sensor dry.

use platen_protocol::board::{ClimateFault, FromBoard};

/// The room is measured this often.
const EVERY_MS: u32 = 5_000;
/// Above this humidity water may stand on the sensor, which then reads 100 % for hours.
const WET_MILLI_PERCENT: u32 = 95_000;
/// So many wet readings in a row, one minute, and the sensor is heated.
const WET_READINGS: u8 = 12;
/// After a pulse of one second the sensor cools down; nothing is read so long. One pulse in 90 s is a duty of 1.1 %, the
/// datasheet allows 10 %.
const COOLING_MS: u32 = 30_000;
/// No room changes by so much from one reading to the next: 5 °C and 40 % in 5 s.
const LEAP_MILLI_CELSIUS: u32 = 5_000;
const LEAP_MILLI_PERCENT: u32 = 40_000;
/// No room in which paper and people are is colder or warmer. The sensor works from −40 to 125 °C and its formulas reach −45 to
/// 130 °C (SHT4x datasheet), which only stuck bits give; its heater is not to be used above 65 °C.
const RANGE_MILLI_CELSIUS: core::ops::RangeInclusive<i32> = -20_000..=60_000;

/// What the sensor has given: thousandths of a degree Celsius and of a percent.
pub type Measured = Result<(i32, u32), ClimateFault>;

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Nothing,
    Measure,
    /// One pulse of the heater.
    Heat,
}

#[derive(Debug)]
pub(crate) struct Room {
    due: u32,
    /// The last reading that was believed, and the one that leapt away from it.
    last: Option<(i32, u32)>,
    doubted: Option<(i32, u32)>,
    wet: u8,
    /// Until when the sensor is warm from a pulse of its heater.
    cools_until: Option<u32>,
    last_outcome: Option<Result<(), ClimateFault>>,
}

impl Room {
    pub(crate) fn new(at_ms: u32) -> Self {
        Self { due: at_ms, last: None, doubted: None, wet: 0, cools_until: None, last_outcome: None }
    }

    pub(crate) fn outcome(&self) -> Option<Result<(), ClimateFault>> {
        self.last_outcome
    }

    pub(crate) fn poll(&mut self, at_ms: u32) -> Next {
        if !crate::due(at_ms, self.due) {
            return Next::Nothing;
        }
        if self.wet >= WET_READINGS {
            self.wet = 0;
            self.due = at_ms.wrapping_add(COOLING_MS);
            self.cools_until = Some(self.due);
            return Next::Heat;
        }
        self.cools_until = None;
        self.due = at_ms.wrapping_add(EVERY_MS);
        Next::Measure
    }

    /// For how long nothing is to be read, if the sensor is warm from its heater.
    pub(crate) fn cools_for(&self, at_ms: u32) -> Option<u32> {
        self.cools_until.filter(|&until| !crate::due(at_ms, until)).map(|until| until.wrapping_sub(at_ms))
    }

    /// For how long nothing is read after a pulse.
    pub(crate) fn drying() -> FromBoard {
        FromBoard::Drying { for_ms: COOLING_MS }
    }

    pub(crate) fn take(&mut self, measured: Measured, age_ms: u32) -> FromBoard {
        let believed = measured.and_then(|reading| self.believe(reading));
        self.last_outcome = Some(believed.map(|_| ()));
        match believed {
            Ok((milli_celsius, milli_percent)) => {
                let wet = milli_percent >= WET_MILLI_PERCENT;
                self.wet = if wet { self.wet.saturating_add(1) } else { 0 };
                FromBoard::Climate { milli_celsius, milli_percent, age_ms }
            }
            Err(fault) => FromBoard::ClimateFault(fault),
        }
    }

    /// A leap is believed when it is seen twice.
    fn believe(&mut self, reading: (i32, u32)) -> Measured {
        if !RANGE_MILLI_CELSIUS.contains(&reading.0) {
            return Err(ClimateFault::Implausible);
        }
        let near = |a: (i32, u32)| {
            a.0.abs_diff(reading.0) < LEAP_MILLI_CELSIUS && a.1.abs_diff(reading.1) < LEAP_MILLI_PERCENT
        };
        if self.last.is_none_or(near) || self.doubted.is_some_and(near) {
            (self.last, self.doubted) = (Some(reading), None);
            return Ok(reading);
        }
        self.doubted = Some(reading);
        Err(ClimateFault::Implausible)
    }
}
