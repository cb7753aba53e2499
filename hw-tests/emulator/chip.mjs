// An RP2040 that runs the board's own ELF file. What rp2040js 1.4.1 leaves out and the firmware needs is added here; each
// addition says what the datasheet asks for.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { RP2040 } from 'rp2040js';

const FLASH = 0x10000000;
const FLASH_END = 0x11000000;
// Instead of the boot ROM, which is not free to copy: its first two words. Stack at the top of SRAM; start in the second
// stage of the boot, which the firmware brings along, with the Thumb bit set.
const BOOT = new Uint32Array([0x20042000, FLASH | 1]);
const SRAM = 0x20000000;
const SPARE = 0x20020000; // far from what the firmware uses
const WATCHDOG = 0x40058;
const PPB_AIRCR = 0xd0c;
const AIRCR_KEY = 0x05fa;
const AIRCR_SYSRESETREQ = 4;

/** What of an ELF file lies in flash: [[offset in flash, bytes], …]. */
export function segments(file) {
  const elf = fs.readFileSync(file);
  if (elf.readUInt32BE(0) !== 0x7f454c46) throw new Error(`${file}: not an ELF file`);
  const [table, size, count] = [elf.readUInt32LE(28), elf.readUInt16LE(42), elf.readUInt16LE(44)];
  const found = [];
  for (let i = 0; i < count; i++) {
    const header = table + i * size;
    const [kind, offset, , address, length] = [0, 4, 8, 12, 16].map((at) => elf.readUInt32LE(header + at));
    const inFlash = address >= FLASH && address < FLASH_END;
    if (kind === 1 && length > 0 && inFlash) found.push([address - FLASH, elf.subarray(offset, offset + length)]);
  }
  if (found.length === 0) throw new Error(`${file}: nothing in it belongs into flash`);
  return found;
}

/** Where a function of an ELF file begins. */
function address(file, name) {
  const line = execFileSync('nm', ['-C', file], { encoding: 'utf8' }).split('\n').find((l) => l.endsWith(` ${name}`));
  if (!line) throw new Error(`${file}: no function ${name}`);
  return parseInt(line, 16) & ~1;
}

/** Counts what the emulator warns of; printed one by one it can be millions of lines. */
class Warnings {
  constructor(core) {
    this.core = core;
    this.counts = new Map();
  }
  count(text) {
    if (this.counts.size < 100 || this.counts.has(text)) this.counts.set(text, (this.counts.get(text) ?? 0) + 1);
  }
  debug() {}
  info(_, message) {
    // ARMv6-M, B1.5.18: SEV sets the event register, and WFE then does not sleep. The emulator only mentions it.
    if (message === 'SEV') this.core.eventRegistered = true;
  }
  warn(where, message) {
    this.count(`${where}: ${message}`);
  }
  error(where, message) {
    this.count(`${where}: ${message}`);
  }
}

export class Chip {
  /** `wire(mcu)` attaches what is soldered to the chip; it is called again after each reset. */
  constructor(elf, wire) {
    this.elf = elf;
    this.segments = segments(elf);
    this.wire = wire;
    this.resets = 0;
    this.asleepNs = 0;
    this.before = 0;
    this.powerOn();
  }

  powerOn(kept) {
    const mcu = new RP2040();
    this.mcu = mcu;
    this.wanted = undefined;
    mcu.logger = new Warnings(mcu.core);
    mcu.onBreak = (code) => {
      this.crashed = code;
    };
    mcu.loadBootrom(BOOT);
    for (const [offset, bytes] of this.segments) mcu.flash.set(bytes, offset);
    mcu.core.reset();
    const watchdog = mcu.peripherals[WATCHDOG];
    if (kept) {
      // RP2040 datasheet, 2.12 and 4.7: memory and the watchdog's scratch registers live through a reset.
      mcu.sram.set(kept.sram);
      watchdog.scratchData.set(kept.scratch);
      watchdog.reason = kept.reason;
    }
    watchdog.onWatchdogTrigger = () => {
      // Its alarm would be due again at once, for ever.
      watchdog.alarm.enable = false;
      this.wanted = watchdog.reason;
    };
    const write = mcu.ppb.writeUint32.bind(mcu.ppb);
    mcu.ppb.writeUint32 = (offset, value) => {
      const asks = offset === PPB_AIRCR && value >>> 16 === AIRCR_KEY && value & AIRCR_SYSRESETREQ;
      if (asks) this.wanted = 0;
      else write(offset, value);
    };
    this.wire(mcu);
  }

  reset(reason) {
    const { mcu } = this;
    const scratch = mcu.peripherals[WATCHDOG].scratchData;
    this.before += mcu.clock.nanos;
    this.resets += 1;
    this.powerOn({ sram: mcu.sram, scratch, reason });
  }

  /** The processor does nothing for a while, as in a loop without end. The watchdog may bite. */
  hang(nanos) {
    const { clock } = this.mcu;
    for (const end = clock.nanos + nanos; clock.nanos < end && this.wanted === undefined;) clock.tick(1e6);
    if (this.wanted !== undefined) this.reset(this.wanted);
  }

  /** The firmware divides by zero, in line 7 of `here`: its own panic handler takes over. */
  panic(here) {
    const { core, sram } = this.mcu;
    const text = Buffer.from(here);
    const place = Buffer.alloc(16);
    [SPARE + 16, text.length, 7, 1].forEach((word, i) => place.writeUInt32LE(word, 4 * i));
    sram.set(place, SPARE - SRAM);
    sram.set(text, SPARE + 16 - SRAM);
    core.waiting = false;
    core.registers[0] = SPARE;
    core.PC = address(this.elf, 'core::panicking::panic_const::panic_const_div_by_zero');
  }

  /** Simulated nanoseconds since power came. */
  get nanos() {
    return this.before + this.mcu.clock.nanos;
  }

  /** Runs up to a simulated time. */
  runTo(nanos) {
    for (;;) {
      const { core, clock, clkSys } = this.mcu;
      const end = nanos - this.before;
      const cycle = 1e9 / clkSys;
      while (clock.nanos < end && this.wanted === undefined) {
        if (this.crashed !== undefined) throw new Error(`the firmware stopped at a breakpoint (${this.crashed})`);
        if (core.waiting) {
          const rest = end - clock.nanos;
          const next = clock.nextAlarm;
          const step = next ? Math.min(rest, next.nanos - clock.nanos) : rest;
          this.asleepNs += step;
          clock.tick(step);
        } else {
          clock.tick(core.executeInstruction() * cycle);
        }
      }
      if (this.wanted === undefined) return;
      this.reset(this.wanted);
    }
  }
}
