//! Frames between the lines and the one task that owns the core. All queues are bounded and nothing here waits for
//! a slow line except that line's own tasks.

use embassy_sync::blocking_mutex::raw::ThreadModeRawMutex;
use embassy_sync::channel::Channel;
use heapless::Vec;
use platen_protocol::board::MAX_FRAME;

/// One frame with its closing zero.
pub type Frame = Vec<u8, MAX_FRAME>;

type Queue<const N: usize> = Channel<ThreadModeRawMutex, Frame, N>;

/// Frames from the station. When it is full the readers wait: USB makes the host wait too, the UART loses bytes, and
/// the station repeats what stays unanswered.
pub static INCOMING: Queue<4> = Channel::new();

/// Frames for the UART.
#[cfg(feature = "uart")]
pub static TO_UART: Queue<8> = Channel::new();

/// Frames for USB.
#[cfg(feature = "usb")]
pub static TO_USB: Queue<8> = Channel::new();

/// Queues a frame for every line. A line that is full loses the newest frame, which leaves a gap in `seq`.
pub fn broadcast(frame: &Frame) {
    #[cfg(feature = "uart")]
    let _ = TO_UART.try_send(frame.clone());
    #[cfg(feature = "usb")]
    let _ = TO_USB.try_send(frame.clone());
}

/// Cuts the bytes of one line into frames. The core has one deframer for all lines: given whole frames, it cannot
/// have one line's frame spoiled by the other's noise.
pub struct Cutter {
    frame: Frame,
    overrun: bool,
}

impl Cutter {
    /// Nothing collected yet.
    pub const fn new() -> Self {
        Self { frame: Vec::new(), overrun: false }
    }

    /// Takes bytes and queues the frames they close, waiting while the queue is full.
    pub async fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if let Some(frame) = self.push(byte) {
                INCOMING.send(frame).await;
            }
        }
    }

    /// Takes one byte; gives the frame it closes. What is empty or longer than any frame is dropped.
    fn push(&mut self, byte: u8) -> Option<Frame> {
        self.overrun |= self.frame.push(byte).is_err();
        if byte != 0 {
            return None;
        }
        let frame = core::mem::take(&mut self.frame);
        let overrun = core::mem::take(&mut self.overrun);
        (!overrun && frame.len() > 1).then_some(frame)
    }
}
