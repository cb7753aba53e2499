//! The board's wiring; no other file knows a pin.
//!
//! | GPIO | Pico pin | What                                                         | Electrically                       |
//! |------|----------|--------------------------------------------------------------|------------------------------------|
//! | 0    | 1        | UART0 TX to the station, 115200 baud 8N1                     | 3.3 V                              |
//! | 1    | 2        | UART0 RX from the station                                    | 3.3 V, pull-up                     |
//! | 4    | 6        | I2C0 SDA, SHT4x at 0x44, 100 kHz                             | pull-up                            |
//! | 5    | 7        | I2C0 SCL                                                     | pull-up                            |
//! | 10   | 14       | lid switch, normally open pole: made while the lid is closed | to ground, pull-up, low = made     |
//! | 11   | 15       | lid switch, normally closed pole: made while it is open      | to ground, pull-up, low = made     |
//! | 12   | 16       | reflective sensor at the top edge                            | open collector, pull-up, low = paper |
//! | 13   | 17       | reflective sensor at the left edge                           | open collector, pull-up, low = paper |
//! | 14   | 19       | start button                                                 | to ground, pull-up, low = pressed  |
//! | 25   | on board | green LED, the operator's lamp                               | high = lit                         |
//!
//! All inputs are low when they speak, so a torn wire reads as "not made", "no paper", "not pressed": never as a
//! reason to scan.

use embassy_rp::Peri;
use embassy_rp::bind_interrupts;
use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::i2c::{self, I2c};
use embassy_rp::peripherals::{self, FLASH, I2C0};
use embassy_rp::watchdog::Watchdog;
use platen_firmware_core::Raw;

bind_interrupts!(struct Irqs {
    I2C0_IRQ => i2c::InterruptHandler<I2C0>;
    #[cfg(feature = "uart")]
    UART0_IRQ => embassy_rp::uart::BufferedInterruptHandler<peripherals::UART0>;
    #[cfg(feature = "usb")]
    USBCTRL_IRQ => embassy_rp::usb::InterruptHandler<peripherals::USB>;
});

/// The bus of the room sensor.
pub type Room = I2c<'static, I2C0, i2c::Async>;

/// The USB device controller.
#[cfg(feature = "usb")]
pub type Usb = embassy_rp::usb::Driver<'static, peripherals::USB>;

/// Everything the firmware uses of the chip.
pub struct Parts {
    pub contacts: Contacts,
    pub lamp: Output<'static>,
    pub room: Room,
    pub watchdog: Watchdog,
    pub flash: Peri<'static, FLASH>,
    #[cfg(feature = "uart")]
    pub uart: embassy_rp::uart::BufferedUart,
    #[cfg(feature = "usb")]
    pub usb: Usb,
}

/// The five inputs.
pub struct Contacts {
    lid_made: Input<'static>,
    lid_rest: Input<'static>,
    top: Input<'static>,
    left: Input<'static>,
    button: Input<'static>,
}

impl Contacts {
    /// The inputs now.
    pub fn read(&self) -> Raw {
        Raw {
            lid_made: self.lid_made.is_low(),
            lid_rest: self.lid_rest.is_low(),
            top: self.top.is_low(),
            left: self.left.is_low(),
            button: self.button.is_low(),
        }
    }
}

/// Sets up the chip. Call once.
pub fn take() -> Parts {
    let p = embassy_rp::init(embassy_rp::config::Config::default());
    Parts {
        contacts: Contacts {
            lid_made: Input::new(p.PIN_10, Pull::Up),
            lid_rest: Input::new(p.PIN_11, Pull::Up),
            top: Input::new(p.PIN_12, Pull::Up),
            left: Input::new(p.PIN_13, Pull::Up),
            button: Input::new(p.PIN_14, Pull::Up),
        },
        lamp: Output::new(p.PIN_25, Level::Low),
        room: I2c::new_async(p.I2C0, p.PIN_5, p.PIN_4, Irqs, i2c::Config::default()),
        watchdog: Watchdog::new(p.WATCHDOG),
        flash: p.FLASH,
        #[cfg(feature = "uart")]
        uart: uart(p.UART0, p.PIN_0, p.PIN_1),
        #[cfg(feature = "usb")]
        usb: embassy_rp::usb::Driver::new(p.USB, Irqs),
    }
}

#[cfg(feature = "uart")]
fn uart(
    uart: Peri<'static, peripherals::UART0>,
    tx: Peri<'static, peripherals::PIN_0>,
    rx: Peri<'static, peripherals::PIN_1>,
) -> embassy_rp::uart::BufferedUart {
    use embassy_rp::uart::{BufferedUart, Config};
    use static_cell::StaticCell;

    // 256 bytes are 22 ms of a line at full speed.
    static SENT: StaticCell<[u8; 128]> = StaticCell::new();
    static RECEIVED: StaticCell<[u8; 256]> = StaticCell::new();

    let mut config = Config::default();
    config.baudrate = 115_200;
    let uart = BufferedUart::new(uart, tx, rx, Irqs, SENT.init([0; 128]), RECEIVED.init([0; 256]), config);
    // embassy-rp leaves RX without a pull. On a board that speaks over USB alone the pin would float and hum.
    embassy_rp::pac::PADS_BANK0.gpio(1).modify(|pad| pad.set_pue(true));
    uart
}
