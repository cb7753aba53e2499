//! The 40-pin header of a Raspberry Pi, by rppal.

use super::{Contact, Edge, Hands, Hardware, Pins};
use platen_firmware_core::{Light, Measured, sht4x};
use platen_protocol::board::ClimateFault;
use rppal::{
    gpio::{Error, Gpio, InputPin, OutputPin, Trigger},
    i2c::I2c,
};
use rustix::time::{ClockId, clock_gettime};
use std::{sync::mpsc, thread::sleep, time::Duration};

/// The header's I2C bus.
const BUS: u8 = 1;

/// Pins and bus.
pub(super) struct Header {
    // Each has a thread that waits for its edges, until it is dropped.
    contacts: [InputPin; 7],
    edges: mpsc::Receiver<Edge>,
    outputs: Outputs,
}

struct Outputs {
    lamp: [OutputPin; 3],
    buzzer: OutputPin,
    room: Option<I2c>,
}

impl Header {
    pub(super) fn open(pins: &Pins) -> Result<Self, String> {
        let gpio = Gpio::new().map_err(|error| match error {
            Error::UnknownModel => {
                "this machine is no Raspberry Pi that is known here (its device tree names none), so it has no pins; \
                 connect a sensor board and set sensors.board to usb"
                    .to_string()
            }
            Error::PermissionDenied(path) => {
                format!("this Raspberry Pi's pins may not be used ({path}): add the user to the group gpio")
            }
            other => format!("this Raspberry Pi's pins: {other}"),
        })?;
        let named = |pin: u8| move |error: Error| format!("pin {pin}: {error}");
        let (tell, edges) = mpsc::channel();
        let mut contacts = Vec::new();
        for (contact, number) in Contact::ALL.into_iter().zip(pins.contacts()) {
            let mut pin = gpio.get(number).map_err(named(number))?.into_input_pullup();
            let tell = tell.clone();
            // Low when it speaks: a falling edge makes the contact. The kernel's debouncing would hide what a certificate tells.
            let told = move |event: rppal::gpio::Event| {
                let made = event.trigger == Trigger::FallingEdge;
                // Nobody listens when the conversation has just ended.
                let _ = tell.send(Edge { contact, made, at: event.timestamp, number: event.seqno });
            };
            pin.set_async_interrupt(Trigger::Both, None, told).map_err(named(number))?;
            contacts.push(pin);
        }
        let output = |number: u8| gpio.get(number).map(|pin| pin.into_output_low()).map_err(named(number));
        let lamp = [output(pins.red)?, output(pins.green)?, output(pins.blue)?];
        let buzzer = output(pins.buzzer)?;
        let room = match I2c::with_bus(BUS) {
            Ok(bus) => Some(bus),
            Err(error) => {
                tracing::warn!(%error, "no I2C bus {BUS}, so no room sensor: raspi-config switches it on");
                None
            }
        };
        let contacts = contacts.try_into().map_err(|_| "there are seven contacts".to_string())?;
        Ok(Self { contacts, edges, outputs: Outputs { lamp, buzzer, room } })
    }
}

impl Hardware for Header {
    fn now(&self) -> Duration {
        let now = clock_gettime(ClockId::Monotonic);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
    }

    fn made(&self) -> [bool; 7] {
        std::array::from_fn(|i| self.contacts[i].is_low())
    }

    fn edges(&mut self, wait: Duration) -> Vec<Edge> {
        let first = self.edges.recv_timeout(wait).ok();
        first.into_iter().chain(self.edges.try_iter()).collect()
    }

    fn hands(&mut self) -> &mut dyn Hands {
        &mut self.outputs
    }
}

impl Hands for Outputs {
    fn light(&mut self, light: Light) {
        for (pin, lit) in self.lamp.iter_mut().zip([light.red, light.green, light.blue]) {
            pin.write(lit.into());
        }
    }

    fn buzz(&mut self, on: bool) {
        self.buzzer.write(on.into());
    }

    fn measure(&mut self) -> Measured {
        let bus = self.room.as_mut().ok_or(ClimateFault::Absent)?;
        let mut answer = [0; 6];
        let absent = |_| ClimateFault::Absent;
        bus.set_slave_address(sht4x::ADDRESS.into()).map_err(absent)?;
        bus.write(&[sht4x::MEASURE]).map_err(absent)?;
        sleep(Duration::from_millis(sht4x::MEASURING_MS.into()));
        bus.read(&mut answer).map_err(absent)?;
        sht4x::read(answer)
    }

    fn heat(&mut self) {
        if let Some(bus) = &mut self.room {
            // A sensor that does not take the command says so at the next reading.
            let _ = bus.set_slave_address(sht4x::ADDRESS.into()).and_then(|()| bus.write(&[sht4x::HEAT]));
        }
    }
}
