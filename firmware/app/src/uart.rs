//! The UART to the station.

use crate::link::{self, Cutter};
use embassy_executor::Spawner;
use embassy_rp::uart::{BufferedUart, BufferedUartRx, BufferedUartTx};
use embedded_io_async::{Read, Write};

/// Starts the tasks of the line.
pub fn start(spawner: Spawner, uart: BufferedUart) {
    let (to, from) = uart.split();
    spawner.spawn(reader(from).expect("started once"));
    spawner.spawn(writer(to).expect("started once"));
}

#[embassy_executor::task]
async fn reader(mut from: BufferedUartRx) -> ! {
    let mut cutter = Cutter::new();
    let mut bytes = [0; 32];
    loop {
        // An error is a damaged or lost byte: its frame's CRC will tell.
        if let Ok(len) = from.read(&mut bytes).await {
            cutter.feed(&bytes[..len]).await;
        }
    }
}

#[embassy_executor::task]
async fn writer(mut to: BufferedUartTx) -> ! {
    loop {
        let frame = link::TO_UART.receive().await;
        // Sending over this UART has no way to fail.
        let _ = to.write_all(&frame).await;
    }
}
