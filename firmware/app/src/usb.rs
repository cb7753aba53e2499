//! USB to the station: a CDC-ACM port, `/dev/ttyACM*` on Linux. Speed and parity set by the host mean nothing.

use crate::link::{self, Cutter};
use crate::pins::Usb;
use embassy_executor::Spawner;
use embassy_usb::class::cdc_acm::{CdcAcmClass, Receiver, Sender, State};
use embassy_usb::{Builder, Config, UsbDevice};
use heapless::String;
use platen_protocol::board::MAX_FRAME;
use static_cell::StaticCell;

/// The pair that obdev lends to CDC-ACM devices of small makers; the strings tell which device it is.
const VENDOR: u16 = 0x16C0;
const PRODUCT: u16 = 0x27DD;

/// Bytes in a packet, the most that full speed allows.
const PACKET: usize = 64;

// A frame is one short packet, so no empty packet is ever needed to end a transfer.
const _: () = assert!(MAX_FRAME < PACKET);

/// Starts the tasks of the line.
pub fn start(spawner: Spawner, usb: Usb, serial: String<16>) {
    static SERIAL: StaticCell<String<16>> = StaticCell::new();
    static CONFIGURATION: StaticCell<[u8; 256]> = StaticCell::new();
    static BOS: StaticCell<[u8; 256]> = StaticCell::new();
    static CONTROL: StaticCell<[u8; 64]> = StaticCell::new();
    static STATE: StaticCell<State> = StaticCell::new();

    let mut config = Config::new(VENDOR, PRODUCT);
    config.manufacturer = Some("Platen");
    config.product = Some("Platen sensor board");
    config.serial_number = Some(SERIAL.init(serial).as_str());
    let mut builder =
        Builder::new(usb, config, CONFIGURATION.init([0; 256]), BOS.init([0; 256]), &mut [], CONTROL.init([0; 64]));
    let (to, from) = CdcAcmClass::new(&mut builder, STATE.init(State::new()), PACKET as u16).split();
    spawner.spawn(device(builder.build()).expect("started once"));
    spawner.spawn(reader(from).expect("started once"));
    spawner.spawn(writer(to).expect("started once"));
}

#[embassy_executor::task]
async fn device(mut device: UsbDevice<'static, Usb>) -> ! {
    device.run().await
}

#[embassy_executor::task]
async fn reader(mut from: Receiver<'static, Usb>) -> ! {
    let mut packet = [0; PACKET];
    loop {
        from.wait_connection().await;
        let mut cutter = Cutter::new();
        while let Ok(len) = from.read_packet(&mut packet).await {
            cutter.feed(&packet[..len]).await;
        }
    }
}

#[embassy_executor::task]
async fn writer(mut to: Sender<'static, Usb>) -> ! {
    loop {
        let frame = link::TO_USB.receive().await;
        // While nobody has the port open, frames are thrown away: who opens it hears the present, not the past.
        if to.dtr() {
            // An error is an unplugged cable: the frame is lost with the listener.
            let _ = to.write_packet(&frame).await;
        }
    }
}
