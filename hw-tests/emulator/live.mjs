// The sensor board in real time:
//
//   node live.mjs ELF
//
// Reads one action a line (see board.mjs) from standard input, and ends with it. Writes one line for each thing that
// happens: {"bytes":[…]} has left the UART, {"light":[red,green,blue]} is what the lamp has become.
import readline from 'node:readline';
import { Board } from './board.mjs';

const [elf] = process.argv.slice(2);
if (!elf) {
  console.error('node live.mjs ELF');
  process.exit(2);
}
let sent = [];
let light = '';
const board = new Board(elf, (byte) => sent.push(byte));
const began = performance.now();

/** Brings the board to the present, however late this program is, and tells what has happened. */
function catchUp() {
  board.runTo(performance.now() - began);
  if (sent.length > 0) {
    process.stdout.write(`${JSON.stringify({ bytes: sent })}\n`);
    sent = [];
  }
  const now = JSON.stringify({ light: board.light });
  if (now !== light) process.stdout.write(`${(light = now)}\n`);
}

const actions = readline.createInterface({ input: process.stdin });
actions.on('line', (line) => {
  catchUp();
  board.act(JSON.parse(line));
});
actions.on('close', () => process.exit(0));
setInterval(catchUp, 1);
