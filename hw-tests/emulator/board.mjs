// The sensor board, emulated, in simulated time and as fast as the machine can:
//
//   node board.mjs ELF < FILE
//
// FILE is {"until_ms":N,"actions":[{"at_ms":N,…},…]}, for actions see `act`. Output is
// {"bytes":[[ms,byte],…],"resets":N,"awake":share,"overruns":N}.
import fs from 'node:fs';
import { Chip } from './chip.mjs';
import { install } from './pl011.mjs';
import { attach } from './sht4x.mjs';

// As firmware/app/src/pins.rs has them. All contacts are low when they speak; the corner's sensors have levels, 0 to 4095.
const PINS = { lid_made: 10, lid_rest: 11, button: 14, pedal: 15, case_shut: 16 };
const CHANNELS = { top: 0, left: 1 };

const [elf] = process.argv.slice(2);
if (!elf) {
  console.error('node board.mjs ELF < FILE');
  process.exit(2);
}

// A lid closed on a page in the corner.
const contacts = { lid_made: true, lid_rest: false, button: false, pedal: false, case_shut: true };
const levels = { top: 900, left: 900 };
const room = { celsius: 21.4, humidity: 48.2, fault: null };
let uart;
let heard = () => {};
const chip = new Chip(elf, (mcu) => {
  uart = install(mcu);
  uart.onByte = (byte) => heard(byte);
  attach(mcu.i2c[0], room);
  for (const name of Object.keys(PINS)) pin(mcu, name);
  // The emulator's own way of choosing a channel mixes up mask and shift (RP2040 datasheet, 4.9: AINSEL, bits 12 to 14).
  mcu.adc.onADCRead = () => {
    mcu.adc.currentChannel = (mcu.adc.cs >> 12) & 7;
    mcu.adc.sampleAlarm.schedule(mcu.adc.sampleTime * 1000);
  };
  for (const name of Object.keys(CHANNELS)) mcu.adc.channelValues[CHANNELS[name]] = levels[name];
});

function pin(mcu, name) {
  mcu.gpio[PINS[name]].setInputValue(!contacts[name]);
}

function known(name, table, what) {
  if (!(name in table)) throw new Error(`${what} ${name}: one of ${Object.keys(table).join(', ')} is allowed`);
}

/** One action: any of {"contacts":{name:bool}}, {"levels":{name:n}}, {"room":{…}}, {"bytes":[…]}, {"reset":true}. */
function act(action) {
  for (const [name, made] of Object.entries(action.contacts ?? {})) {
    known(name, PINS, 'contact');
    contacts[name] = made;
    pin(chip.mcu, name);
  }
  for (const [name, level] of Object.entries(action.levels ?? {})) {
    known(name, CHANNELS, 'level');
    levels[name] = level;
    chip.mcu.adc.channelValues[CHANNELS[name]] = level;
  }
  Object.assign(room, action.room ?? {});
  if (action.bytes) uart.send(action.bytes);
  // 1 is the watchdog's own reason (datasheet 4.7.6): it ran out.
  if (action.reset) chip.reset(1);
}

const { until_ms: until, actions } = JSON.parse(fs.readFileSync(0, 'utf8'));
const bytes = [];
heard = (byte) => bytes.push([chip.nanos / 1e6, byte]);
for (const action of actions) {
  chip.runTo(action.at_ms * 1e6);
  act(action);
}
chip.runTo(until * 1e6);
const awake = 1 - chip.asleepNs / chip.nanos;
console.log(JSON.stringify({ bytes, resets: chip.resets, awake, overruns: uart.overruns }));
