// The RP2040's UART (Arm PL011, DDI 0183): FIFOs of 32, levels, the receive timeout, and bytes that take their time on the
// line. It replaces the one of rp2040js, which has none of these.
import { BasePeripheral } from 'rp2040js';

const DR = 0x00, RSR = 0x04, FR = 0x18, IBRD = 0x24, FBRD = 0x28, LCR_H = 0x2c, CR = 0x30, IFLS = 0x34;
const IMSC = 0x38, RIS = 0x3c, MIS = 0x40, ICR = 0x44, DMACR = 0x48;
const IDENTITY = { 0xfe0: 0x11, 0xfe4: 0x10, 0xfe8: 0x34, 0xfec: 0x00 };
const RX = 1 << 4, TX = 1 << 5, TIMEOUT = 1 << 6, OVERRUN = 1 << 10;
const ENABLED = 1, TX_ENABLED = 1 << 8, RX_ENABLED = 1 << 9, FIFOS = 1 << 4;
const LEVELS = [4, 8, 16, 24, 28];
const BITS_OF_CHARACTER = 10; // start, 8, stop
const BITS_OF_TIMEOUT = 32;

export class Pl011 extends BasePeripheral {
  constructor(mcu, name, irq, dreq) {
    super(mcu, name);
    this.irq = irq;
    this.dreq = dreq;
    this.registers = { [IBRD]: 1, [FBRD]: 0, [LCR_H]: 0, [CR]: RX_ENABLED | TX_ENABLED, [IFLS]: 0x12, [IMSC]: 0, [DMACR]: 0 };
    this.raised = 0;
    this.sending = [];
    this.received = [];
    this.line = [];
    this.overruns = 0;
    this.asserted = false;
    this.onByte = () => {};
    this.shift = mcu.clock.createAlarm(() => this.shifted());
    this.arrival = mcu.clock.createAlarm(() => this.arrived());
    this.silence = mcu.clock.createAlarm(() => {
      if (this.received.length > 0) this.raise(TIMEOUT);
    });
  }

  // Called by the chip when its clocks change; times are computed when needed.
  clkPeriChanged() {}

  get bitNs() {
    return (16e9 * (this.registers[IBRD] + this.registers[FBRD] / 64)) / this.rp2040.clkPeri;
  }
  get room() {
    return this.registers[LCR_H] & FIFOS ? 32 : 1;
  }
  get sendLevel() {
    return this.room === 1 ? 0 : (LEVELS[this.registers[IFLS] & 7] ?? 16);
  }
  get receiveLevel() {
    return this.room === 1 ? 1 : (LEVELS[(this.registers[IFLS] >> 3) & 7] ?? 16);
  }

  raise(bits) {
    this.raised |= bits;
    this.settle();
  }
  settle() {
    const { rp2040, dreq } = this;
    const asserted = (this.raised & this.registers[IMSC]) !== 0;
    // Where the line stays low nothing is changed: the firmware pends this interrupt by itself, too.
    if (asserted || this.asserted) rp2040.setInterrupt(this.irq, asserted);
    this.asserted = asserted;
    const request = (wanted, channel) => (wanted ? rp2040.dma.setDREQ(channel) : rp2040.dma.clearDREQ(channel));
    request(this.registers[DMACR] & 2 && this.sending.length < this.room, dreq.tx);
    request(this.registers[DMACR] & 1 && this.received.length > 0, dreq.rx);
  }

  startShifting() {
    if (this.shifting !== undefined || this.sending.length === 0) return;
    this.shifting = this.sending.shift();
    if (this.sending.length === this.sendLevel) this.raise(TX);
    this.shift.schedule(this.bitNs * BITS_OF_CHARACTER);
  }
  shifted() {
    const byte = this.shifting;
    this.shifting = undefined;
    this.startShifting();
    this.onByte(byte);
    this.settle();
  }

  /** Bytes from the station enter the line one after the other. */
  send(bytes) {
    const idle = this.line.length === 0;
    this.line.push(...bytes);
    if (idle && this.line.length > 0) this.arrival.schedule(this.bitNs * BITS_OF_CHARACTER);
  }
  arrived() {
    const byte = this.line.shift();
    if (this.line.length > 0) this.arrival.schedule(this.bitNs * BITS_OF_CHARACTER);
    const control = this.registers[CR];
    if (!(control & ENABLED) || !(control & RX_ENABLED)) return;
    if (this.received.length >= this.room) {
      this.overruns += 1;
      this.raise(OVERRUN);
      return;
    }
    this.received.push(byte);
    this.silence.schedule(this.bitNs * BITS_OF_TIMEOUT);
    if (this.received.length >= this.receiveLevel) this.raise(RX);
    this.settle();
  }

  take() {
    const byte = this.received.shift() ?? 0;
    if (this.received.length < this.receiveLevel) this.raised &= ~RX;
    if (this.received.length === 0) {
      this.raised &= ~TIMEOUT;
      this.silence.cancel();
    }
    this.settle();
    return byte;
  }

  readUint32(offset) {
    if (offset in IDENTITY) return IDENTITY[offset];
    switch (offset) {
      case DR: return this.take();
      case RSR: return 0;
      case FR: {
        const busy = this.shifting !== undefined || this.sending.length > 0;
        const full = this.sending.length >= this.room;
        return (busy << 3) | ((this.received.length === 0) << 4) | (full << 5)
          | ((this.received.length >= this.room) << 6) | ((this.sending.length === 0) << 7);
      }
      case RIS: return this.raised;
      case MIS: return this.raised & this.registers[IMSC];
      default: return this.registers[offset] ?? super.readUint32(offset);
    }
  }
  writeUint32(offset, value) {
    switch (offset) {
      case DR:
        if (this.registers[CR] & ENABLED && this.registers[CR] & TX_ENABLED && this.sending.length < this.room) {
          this.sending.push(value & 0xff);
          if (this.sending.length > this.sendLevel) this.raised &= ~TX;
          this.startShifting();
        }
        break;
      case RSR: break;
      case ICR: this.raised &= ~this.rawWriteValue; break;
      default:
        if (!(offset in this.registers)) return super.writeUint32(offset, value);
        this.registers[offset] = value;
        this.startShifting();
    }
    this.settle();
    return undefined;
  }
}

/** Puts the UART into a chip. */
export function install(mcu) {
  const { name, irq, dreq } = mcu.uart[0];
  const uart = new Pl011(mcu, name, irq, dreq);
  // ARMv6-M, B3.4.1: entering an exception ends its pending state, unless its line is still high. The emulator leaves the
  // UART's pending for ever where software has pended it.
  const enter = mcu.core.exceptionEntry.bind(mcu.core);
  mcu.core.exceptionEntry = (number) => {
    enter(number);
    if (number === 16 + irq && !uart.asserted) mcu.setInterrupt(irq, false);
  };
  mcu.peripherals[0x40034] = uart;
  mcu.uart[0] = uart;
  return uart;
}
