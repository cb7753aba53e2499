// The sensor board: an RP2040 that runs the firmware's ELF file, with everything that is wired to it.
import { Chip } from './chip.mjs';
import { install } from './pl011.mjs';
import { attach } from './sht4x.mjs';
import { plugIn } from './usb.mjs';

// As firmware/app/src/pins.rs has them. All contacts are low when they speak; the corner's sensors have levels, 0 to 4095.
const PINS = { lid_made: 10, lid_rest: 11, button: 14, pedal: 15, case_shut: 16 };
const CHANNELS = { top: 0, left: 1 };
const LAMP = { red: 18, green: 19, blue: 20 };
const NS = 1e6; // in a millisecond

function known(name, table, what) {
  if (!(name in table)) throw new Error(`${what} ${name}: one of ${Object.keys(table).join(', ')} is allowed`);
}

export class Board {
  /**
   * `onByte(byte)` is called for each byte that has left the UART; with `onUsb(bytes)` a USB host is plugged in, and that is
   * called for each of its packets.
   */
  constructor(elf, onByte, onUsb) {
    // A lid closed on a page in the corner.
    this.contacts = { lid_made: true, lid_rest: false, button: false, pedal: false, case_shut: true };
    this.levels = { top: 900, left: 900 };
    this.room = { celsius: 21.4, humidity: 48.2, fault: null };
    this.later = [];
    this.chip = new Chip(elf, (mcu) => {
      this.uart = install(mcu);
      this.uart.onByte = onByte;
      if (onUsb) this.usb = plugIn(mcu, onUsb);
      attach(mcu.i2c[0], this.room);
      // The emulator's own way of choosing a channel mixes up mask and shift (RP2040 datasheet, 4.9: AINSEL, bits 12 to 14).
      mcu.adc.onADCRead = () => {
        mcu.adc.currentChannel = (mcu.adc.cs >> 12) & 7;
        mcu.adc.sampleAlarm.schedule(mcu.adc.sampleTime * 1000);
      };
      for (const name of Object.keys(PINS)) this.pin(mcu, name);
      for (const name of Object.keys(CHANNELS)) mcu.adc.channelValues[CHANNELS[name]] = this.levels[name];
    });
  }

  pin(mcu, name) {
    mcu.gpio[PINS[name]].setInputValue(!this.contacts[name]);
  }

  /** Simulated milliseconds since power came. */
  get ms() {
    return this.chip.nanos / NS;
  }

  /** Which colours of the lamp are lit. */
  get light() {
    return Object.values(LAMP).map((pin) => this.chip.mcu.gpio[pin].value === 1);
  }

  /** Runs up to a simulated time, and does on the way what was put off until then. */
  runTo(ms) {
    while (this.later.length > 0 && this.later[0].at <= ms) {
      const { at, action } = this.later.shift();
      this.chip.runTo(at * NS);
      this.act(action);
    }
    this.chip.runTo(ms * NS);
  }

  /**
   * One action, any of: {"contacts":{name:bool}}, {"levels":{name:n}}, {"room":{…}}, {"bytes":[…]} over the
   * UART, {"usb":[…]} over USB, {"reset":true}, {"hang":ms}, {"panic":"file"}, and {"later":[[ms, action], …]} for what is to be done so many milliseconds from now.
   */
  act(action) {
    for (const [name, made] of Object.entries(action.contacts ?? {})) {
      known(name, PINS, 'contact');
      this.contacts[name] = made;
      this.pin(this.chip.mcu, name);
    }
    for (const [name, level] of Object.entries(action.levels ?? {})) {
      known(name, CHANNELS, 'level');
      this.levels[name] = level;
      this.chip.mcu.adc.channelValues[CHANNELS[name]] = level;
    }
    Object.assign(this.room, action.room ?? {});
    if (action.bytes) this.uart.send(action.bytes);
    if (action.usb) this.usb.send(action.usb);
    // 1 is the watchdog's own reason (datasheet 4.7.6): it ran out.
    if (action.reset) this.chip.reset(1);
    if (action.hang) this.chip.hang(action.hang * NS);
    if (action.panic) this.chip.panic(action.panic);
    for (const [ms, then] of action.later ?? []) this.later.push({ at: this.ms + ms, action: then });
    this.later.sort((a, b) => a.at - b.at);
  }
}
