//! The board's wiring; no other file knows a pin. docs/WIRING.md has the drawing.
//!
//! | GPIO | Pico pin | What                                                         | Electrically                         |
//! |------|----------|--------------------------------------------------------------|--------------------------------------|
//! | 0    | 1        | UART0 TX to the station, 115200 baud 8N1                     | 3.3 V                                |
//! | 1    | 2        | UART0 RX from the station                                    | 3.3 V, pull-up                       |
//! | 4    | 6        | I2C0 SDA, SHT4x at 0x44, 100 kHz                             | pull-up                              |
//! | 5    | 7        | I2C0 SCL                                                     | pull-up                              |
//! | 10   | 14       | lid switch, normally open pole: made while the lid is closed | to ground, pull-up, low = made       |
//! | 11   | 15       | lid switch, normally closed pole: made while it is open      | to ground, pull-up, low = made       |
//! | 14   | 19       | start button                                                 | to ground, pull-up, low = pressed    |
//! | 15   | 20       | pedal                                                        | to ground, pull-up, low = pressed    |
//! | 16   | 21       | switch in the board's case, made while the case is shut      | to ground, pull-up, low = shut       |
//! | 18   | 24       | the operator's lamp, red                                     | high = lit                           |
//! | 19   | 25       | the operator's lamp, green                                   | high = lit                           |
//! | 20   | 26       | the operator's lamp, blue                                    | high = lit                           |
//! | 21   | 27       | buzzer, 2.7 kHz (PWM slice 2, channel B)                     | through a transistor                 |
//! | 25   | on board | green LED, lit while any colour of the lamp is               | high = lit                           |
//! | 26   | 31       | ADC0: reflective sensor at the top edge                      | 10 kΩ to 3.3 V, lower = paper        |
//! | 27   | 32       | ADC1: reflective sensor at the left edge                     | 10 kΩ to 3.3 V, lower = paper        |
//!
//! All inputs are low when they speak, so a torn wire reads as "not made", "no paper", "not pressed", "case open": never as a
//! reason to scan.

use embassy_rp::Peri;
use embassy_rp::adc::{self, Adc, Blocking};
use embassy_rp::bind_interrupts;
use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::i2c::{self, I2c};
use embassy_rp::peripherals::{self, FLASH, I2C0};
use embassy_rp::pwm::{self, Pwm};
use embassy_rp::watchdog::Watchdog;
use platen_firmware_core::{Light, Raw};

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
    pub signals: Signals,
    pub room: Room,
    pub watchdog: Watchdog,
    pub flash: Peri<'static, FLASH>,
    #[cfg(feature = "uart")]
    pub uart: embassy_rp::uart::BufferedUart,
    #[cfg(feature = "usb")]
    pub usb: Usb,
}

/// The inputs.
pub struct Contacts {
    lid_made: Input<'static>,
    lid_rest: Input<'static>,
    button: Input<'static>,
    pedal: Input<'static>,
    case_shut: Input<'static>,
    corner: Corner,
}

/// The corner's two sensors. A conversion takes 2 µs, for which nobody waits: one is under way while other things are done,
/// and what is read is at most 1 ms old.
struct Corner {
    _adc: Adc<'static, Blocking>,
    _pins: [adc::Channel<'static>; 2],
    top: u16,
}

impl Corner {
    const TOP: u8 = 0;
    const LEFT: u8 = 1;

    fn new(adc: Adc<'static, Blocking>, pins: [adc::Channel<'static>; 2]) -> Self {
        let mut corner = Self { _adc: adc, _pins: pins, top: 0 };
        Self::convert(Self::TOP);
        corner.turn();
        corner
    }

    /// Takes the top sensor's level and begins with the left one's.
    fn turn(&mut self) {
        self.top = Self::level();
        Self::convert(Self::LEFT);
    }

    /// Both levels; begins with the top sensor's again.
    fn read(&mut self) -> (u16, u16) {
        let left = Self::level();
        Self::convert(Self::TOP);
        (self.top, left)
    }

    fn convert(channel: u8) {
        embassy_rp::pac::ADC.cs().modify(|cs| {
            cs.set_ainsel(channel);
            cs.set_start_once(true);
        });
    }

    /// The level that was converted. One that failed is a level that no sensor has: a fault, not paper.
    fn level() -> u16 {
        let adc = embassy_rp::pac::ADC;
        while !adc.cs().read().ready() {}
        if adc.cs().read().err() { 0 } else { adc.result().read().result() }
    }
}

impl Contacts {
    /// The inputs now.
    pub fn read(&mut self) -> Raw {
        let (top, left) = self.corner.read();
        Raw {
            lid_made: self.lid_made.is_low(),
            lid_rest: self.lid_rest.is_low(),
            top,
            left,
            button: self.button.is_low(),
            pedal: self.pedal.is_low(),
            case_shut: self.case_shut.is_low(),
        }
    }

    /// To be called once between two readings, some microseconds after the first.
    pub fn turn(&mut self) {
        self.corner.turn();
    }
}

/// What the operator sees and hears.
pub struct Signals {
    lamp: [Output<'static>; 3],
    led: Output<'static>,
    buzzer: Pwm<'static>,
}

impl Signals {
    pub fn light(&mut self, light: Light) {
        let colours = [light.red, light.green, light.blue];
        for (output, lit) in self.lamp.iter_mut().zip(colours) {
            output.set_level(lit.into());
        }
        self.led.set_level((light != Light::DARK).into());
    }

    pub fn buzz(&mut self, on: bool) {
        self.buzzer.set_config(&tone(on));
    }
}

/// A square wave of 125 MHz / 16 / 2894 = 2.7 kHz, the pitch of small piezo buzzers, or silence.
fn tone(on: bool) -> pwm::Config {
    const TOP: u16 = 2_893;
    let mut config = pwm::Config::default();
    config.divider = 16u8.into();
    config.top = TOP;
    config.compare_b = if on { TOP / 2 } else { 0 };
    config
}

/// Sets up the chip. Call once.
pub fn take() -> Parts {
    let p = embassy_rp::init(embassy_rp::config::Config::default());
    let dark = Level::Low;
    Parts {
        contacts: Contacts {
            lid_made: Input::new(p.PIN_10, Pull::Up),
            lid_rest: Input::new(p.PIN_11, Pull::Up),
            button: Input::new(p.PIN_14, Pull::Up),
            pedal: Input::new(p.PIN_15, Pull::Up),
            case_shut: Input::new(p.PIN_16, Pull::Up),
            corner: Corner::new(
                Adc::new_blocking(p.ADC, adc::Config::default()),
                [adc::Channel::new_pin(p.PIN_26, Pull::None), adc::Channel::new_pin(p.PIN_27, Pull::None)],
            ),
        },
        signals: Signals {
            lamp: [Output::new(p.PIN_18, dark), Output::new(p.PIN_19, dark), Output::new(p.PIN_20, dark)],
            led: Output::new(p.PIN_25, dark),
            buzzer: Pwm::new_output_b(p.PWM_SLICE2, p.PIN_21, tone(false)),
        },
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
