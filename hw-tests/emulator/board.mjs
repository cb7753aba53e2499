// The sensor board, emulated. Two ways to run it:
//
//   node board.mjs ELF live            in real time; its UART is a TCP port on this machine, named in the first line of
//                                      output as {"port":N}. Each line of input is an action, see `act`.
//   node board.mjs ELF script < FILE   as fast as the machine can: FILE is {"until_ms":N,"actions":[{"at_ms":N,…},…]}.
//                                      Output is {"bytes":[[ms,byte],…],"resets":N,"awake":share,"overruns":N}.
import fs from 'node:fs';
import net from 'node:net';
import readline from 'node:readline';
import { Chip } from './chip.mjs';
import { install } from './pl011.mjs';
import { attach } from './sht4x.mjs';

// As firmware/README.md has them. All contacts are low when they speak.
const PINS = { lid_made: 10, lid_rest: 11, top: 12, left: 13, button: 14 };

const [elf, mode] = process.argv.slice(2);
if (!elf || !['live', 'script'].includes(mode)) {
  console.error('node board.mjs ELF live|script');
  process.exit(2);
}

// A lid closed on a page in the corner.
const contacts = { lid_made: true, lid_rest: false, top: true, left: true, button: false };
const room = { celsius: 21.4, humidity: 48.2, fault: null };
let uart;
let heard = () => {};
const chip = new Chip(elf, (mcu) => {
  uart = install(mcu);
  uart.onByte = (byte) => heard(byte);
  attach(mcu.i2c[0], room);
  for (const name of Object.keys(PINS)) pin(mcu, name);
});

function pin(mcu, name) {
  mcu.gpio[PINS[name]].setInputValue(!contacts[name]);
}

/** One action: any of {"contacts":{name:bool}}, {"room":{…}}, {"bytes":[…]}, {"reset":true}. */
function act(action) {
  for (const [name, made] of Object.entries(action.contacts ?? {})) {
    if (!(name in PINS)) throw new Error(`contact ${name}: one of ${Object.keys(PINS).join(', ')} is allowed`);
    contacts[name] = made;
    pin(chip.mcu, name);
  }
  Object.assign(room, action.room ?? {});
  if (action.bytes) uart.send(action.bytes);
  if (action.reset) chip.reset(1);
}

function script() {
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
}

function live() {
  const began = performance.now();
  let station;
  let waiting = [];
  heard = (byte) => waiting.push(byte);
  const catchUp = () => {
    chip.runTo((performance.now() - began) * 1e6);
    if (waiting.length > 0) station?.write(Buffer.from(waiting));
    waiting = [];
  };
  const server = net.createServer((socket) => {
    station = socket;
    socket.setNoDelay(true);
    socket.on('data', (data) => {
      uart.send(data);
      catchUp();
    });
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
  readline.createInterface({ input: process.stdin }).on('line', (line) => {
    catchUp();
    act(JSON.parse(line));
  }).on('close', () => process.exit(0)); // whoever started it is gone
  setInterval(catchUp, 1);
}

if (mode === 'script') script();
else live();
