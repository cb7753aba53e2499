// The sensor board in simulated time, as fast as the machine can:
//
//   node play.mjs ELF < FILE
//
// FILE is {"until_ms":N,"usb":bool,"actions":[{"at_ms":N,…},…]}, for actions see board.mjs. Output is
// {"bytes":[[ms,byte],…],"usb":[[ms,byte],…],"resets":N,"awake":share,"overruns":N}.
import fs from 'node:fs';
import { Board } from './board.mjs';

const [elf] = process.argv.slice(2);
if (!elf) {
  console.error('node play.mjs ELF < FILE');
  process.exit(2);
}
const { until_ms: until, usb: withUsb, actions } = JSON.parse(fs.readFileSync(0, 'utf8'));
const bytes = [];
const usb = [];
const onUsb = (packet) => usb.push(...[...packet].map((byte) => [board.ms, byte]));
const board = new Board(elf, (byte) => bytes.push([board.ms, byte]), withUsb ? onUsb : undefined);
for (const action of actions) {
  board.runTo(action.at_ms);
  board.act(action);
}
board.runTo(until);
const { chip, uart } = board;
console.log(JSON.stringify({ bytes, usb, resets: chip.resets, awake: 1 - chip.asleepNs / chip.nanos, overruns: uart.overruns }));
