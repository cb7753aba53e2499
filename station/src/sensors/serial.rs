//! The sensor board on a serial line: at a path, or found on USB by the numbers of its maker and by its own.

use super::{Line, Sensors, link::TURN};
use platen_protocol::board::{Deframer, FromBoard, Packet, ToBoard, encode};
use serialport::{SerialPort, SerialPortInfo, SerialPortType, UsbPortInfo};
use std::{
    io::{self, Read, Write},
    time::Instant,
};

/// The board's line; USB ignores it.
const BAUD: u32 = 115_200;
/// As in `firmware/app/src/usb.rs`. The pair is lent to many small makers, so the product's name must fit, too.
const VENDOR: u16 = 0x16C0;
const PRODUCT: u16 = 0x27DD;
const NAME: &str = "Platen sensor board";

/// Where the board is.
#[derive(Debug)]
enum Place {
    Path(String),
    Usb { serial: Option<String> },
}

/// A sensor board.
#[derive(Debug)]
pub(crate) struct Board {
    place: Place,
}

impl Board {
    pub(crate) fn at(path: String) -> Self {
        Self { place: Place::Path(path) }
    }

    pub(crate) fn on_usb(serial: Option<String>) -> Self {
        Self { place: Place::Usb { serial } }
    }
}

impl Sensors for Board {
    fn open(&mut self) -> Result<Box<dyn Line>, String> {
        let path = match &self.place {
            Place::Path(path) => path.clone(),
            Place::Usb { serial } => {
                let ports = serialport::available_ports().map_err(|e| format!("serial lines cannot be listed: {e}"))?;
                choose(ports, serial.as_deref())?
            }
        };
        let mut port = serialport::new(&path, BAUD).timeout(TURN).open().map_err(|e| format!("{path}: {e}"))?;
        // A zero first: whatever stands half-sent in the line ends there.
        port.write_all(&[0]).map_err(|e| format!("{path}: {e}"))?;
        Ok(Box::new(Open { port, seq: 0, deframer: Deframer::new(), bad: 0, next_seq: None }))
    }
}

/// The path of our board among these lines.
fn choose(ports: Vec<SerialPortInfo>, wanted: Option<&str>) -> Result<String, String> {
    let ours = |usb: &UsbPortInfo| {
        let named = usb.product.as_deref().is_none_or(|name| name.replace('_', " ") == NAME);
        (usb.vid, usb.pid) == (VENDOR, PRODUCT) && named
    };
    let mut boards: Vec<(String, String)> = ports
        .into_iter()
        .filter_map(|port| match port.port_type {
            SerialPortType::UsbPort(usb) if ours(&usb) => Some((usb.serial_number.unwrap_or_default(), port.port_name)),
            _ => None,
        })
        .collect();
    let there = boards.iter().map(|(serial, path)| format!("{serial} at {path}")).collect::<Vec<_>>().join(", ");
    match wanted {
        Some(wanted) => {
            boards.into_iter().find(|(serial, _)| serial == wanted).map(|(_, path)| path).ok_or_else(|| {
                let there = if there.is_empty() { "none".into() } else { there };
                format!("no sensor board with the serial number {wanted} is on USB; boards there: {there}")
            })
        }
        None if boards.len() > 1 => {
            Err(format!("several sensor boards are on USB ({there}); name one as usb:SERIAL in sensors.board"))
        }
        None => boards
            .pop()
            .map(|(_, path)| path)
            .ok_or_else(|| format!("no sensor board is on USB (vendor {VENDOR:04x}, product {PRODUCT:04x}, {NAME:?})")),
    }
}

/// An open line.
struct Open {
    port: Box<dyn SerialPort>,
    seq: u32,
    deframer: Deframer,
    bad: u32,
    next_seq: Option<u32>,
}

impl Line for Open {
    fn say(&mut self, message: &ToBoard) -> Result<(), String> {
        self.seq = self.seq.wrapping_add(1);
        let frame = encode(&Packet { seq: self.seq, message: message.clone() }).map_err(|e| e.to_string())?;
        // Not flushed: waiting for the last bit to leave could take for ever on a line that is stuck.
        self.port.write_all(&frame).map_err(|e| e.to_string())
    }

    fn hear(&mut self, heard: &mut dyn FnMut(FromBoard, Instant)) -> Result<(), String> {
        let mut buffer = [0; 256];
        let n = match self.port.read(&mut buffer) {
            Ok(0) => return Err("the line was closed".into()),
            Ok(n) => n,
            Err(e) if matches!(e.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => 0,
            Err(e) => return Err(e.to_string()),
        };
        let at = Instant::now();
        for &byte in &buffer[..n] {
            match self.deframer.push::<FromBoard>(byte) {
                None => {}
                Some(Ok(Packet { seq, message })) => {
                    if self.next_seq.is_some_and(|expected| expected != seq) {
                        tracing::debug!(seq, "the board dropped a message or was restarted");
                    }
                    self.next_seq = Some(seq.wrapping_add(1));
                    heard(message, at);
                }
                Some(Err(error)) => {
                    self.bad += 1;
                    tracing::debug!(%error, bad = self.bad, "bad frame from the board");
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usb(path: &str, (vid, pid): (u16, u16), serial: &str, product: &str) -> SerialPortInfo {
        SerialPortInfo {
            port_name: path.into(),
            port_type: SerialPortType::UsbPort(UsbPortInfo {
                vid,
                pid,
                serial_number: Some(serial.into()),
                manufacturer: Some("Platen".into()),
                product: Some(product.into()),
            }),
        }
    }

    #[test]
    fn the_board_is_found_by_its_numbers_and_another_device_is_not_taken_for_it() {
        let other = usb("/dev/ttyACM0", (VENDOR, PRODUCT), "X1", "somebody's lamp");
        let modem = usb("/dev/ttyUSB0", (0x0403, 0x6001), "A1", NAME);
        let plain = SerialPortInfo { port_name: "/dev/ttyS0".into(), port_type: SerialPortType::Unknown };
        let strangers = vec![plain, modem, other];
        let none = choose(strangers.clone(), None).unwrap_err();
        assert!(none.contains("16c0") && none.contains("27dd"), "{none}");

        let board =
            |n: u32| usb(&format!("/dev/ttyACM{n}"), (VENDOR, PRODUCT), &format!("E66{n}"), "Platen_sensor_board");
        let one = [strangers.clone(), vec![board(1)]].concat();
        assert_eq!(choose(one.clone(), None), Ok("/dev/ttyACM1".into()));
        let wrong = choose(one, Some("E662")).unwrap_err();
        assert!(wrong.contains("E662") && wrong.contains("E661 at /dev/ttyACM1"), "{wrong}");
        let two = [strangers, vec![board(1), board(2)]].concat();
        assert_eq!(choose(two.clone(), Some("E662")), Ok("/dev/ttyACM2".into()));
        assert!(choose(two, None).unwrap_err().contains("usb:SERIAL"));
    }
}
