//! What guards a page and tells of the room and the power.
//!
//! Lid, corner, button and room come from one source behind the trait [`Sensors`]: a board of ours on a [`serial`] line, or
//! the pins of a Raspberry [`pi`]. Both speak the board link's words; [`link`] keeps the conversation up. What the words
//! allow decides [`interlock`], what cannot be true [`plausible`] says, and [`overrides`] is for the day that a sensor is
//! broken. The UPS comes from [`nut`].

pub(crate) mod clock;
pub(crate) mod interlock;
pub(crate) mod link;
pub(crate) mod nut;
pub(crate) mod overrides;
pub(crate) mod pi;
pub(crate) mod plausible;
pub(crate) mod serial;

use platen_protocol::board::{FromBoard, ToBoard};
use std::{str::FromStr, time::Instant};

/// A source of lid, corner, button and room.
pub(crate) trait Sensors: Send {
    /// Opens it. The error says why it is not there.
    fn open(&mut self) -> Result<Box<dyn Line>, String>;
}

/// An open conversation with one.
pub(crate) trait Line {
    /// Says something. An error ends the conversation.
    fn say(&mut self, message: &ToBoard) -> Result<(), String>;
    /// Listens for at most [`link::TURN`]. An error ends the conversation.
    fn hear(&mut self, heard: &mut dyn FnMut(FromBoard, Instant)) -> Result<(), String>;
}

/// Which source a station has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A board on this serial line.
    Tty(String),
    /// Our board on any USB port: the only one, or the one with this serial number.
    Usb { serial: Option<String> },
    /// This machine's own pins.
    Pi(pi::Pins),
}

impl FromStr for Source {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric());
        match text.split_once(':').unwrap_or((text, "")) {
            ("usb", "") if !text.contains(':') => Ok(Self::Usb { serial: None }),
            ("usb", serial) if known(serial) => Ok(Self::Usb { serial: Some(serial.into()) }),
            ("pi", "") if !text.contains(':') => Ok(Self::Pi(pi::Pins::default())),
            _ if text.starts_with('/') => Ok(Self::Tty(text.into())),
            _ => Err(format!(
                "{text:?} is no source of lid and corner; allowed: usb, usb:SERIAL (the board's serial number), a serial \
                 line such as /dev/ttyACM0, or pi (this Raspberry Pi's own pins)"
            )),
        }
    }
}

impl Source {
    /// Where the words come from.
    pub(crate) fn sensors(self) -> Box<dyn Sensors> {
        match self {
            Self::Tty(path) => Box::new(serial::Board::at(path)),
            Self::Usb { serial } => Box::new(serial::Board::on_usb(serial)),
            Self::Pi(pins) => Box::new(pi::Pi::new(pins)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_named_in_one_of_four_ways() {
        assert_eq!("usb".parse(), Ok(Source::Usb { serial: None }));
        assert_eq!("usb:E6614".parse(), Ok(Source::Usb { serial: Some("E6614".into()) }));
        assert_eq!("/dev/ttyACM0".parse(), Ok(Source::Tty("/dev/ttyACM0".into())));
        assert_eq!("pi".parse(), Ok(Source::Pi(pi::Pins::default())));
        for wrong in ["", "usb:", "usb:a b", "pi:", "ttyACM0", "COM3"] {
            let error = wrong.parse::<Source>().unwrap_err();
            assert!(error.contains("usb:SERIAL") && error.contains("pi"), "{error}");
        }
    }
}
