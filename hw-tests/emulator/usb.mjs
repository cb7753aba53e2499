// A USB host with the driver of a serial line (CDC-ACM), plugged into an emulated RP2040.
import { USBCDC } from 'rp2040js';

const AVAILABLE = 1 << 10;
const FIRST_OUT = 0x88; // buffer control of endpoint 1, out
const LAST_OUT = 0xfc;
const outOf = (endpoint) => 0x84 + endpoint * 8;

/** Plugs a host in. `onBytes(bytes)` is called for each packet from the board. */
export function plugIn(mcu, onBytes) {
  const { usbCtrl: usb, usbDPRAMView: memory } = mcu;
  const set = (offset, change) => memory.setUint32(offset, change(memory.getUint32(offset, true)), true);

  // RP2040 datasheet, 4.1.2.5: AVAILABLE is the controller's until the packet is in. The emulator takes it back at once, and
  // the firmware then believes that there is one.
  const updated = usb.DPRAMUpdated.bind(usb);
  usb.DPRAMUpdated = (offset, value) => {
    updated(offset, value);
    const isOut = offset >= FIRST_OUT && offset <= LAST_OUT && offset & 4;
    if (isOut && value & AVAILABLE) set(offset, (control) => control | AVAILABLE);
  };
  const finish = usb.finishRead.bind(usb);
  usb.finishRead = (endpoint, bytes) => {
    set(outOf(endpoint), (control) => control & ~AVAILABLE);
    finish(endpoint, bytes);
  };

  const host = new USBCDC(usb);
  host.onSerialData = onBytes;
  // CDC 1.2 PSTN, 6.3.12: who opens the port sets DTR at the interface. The emulator's host asks the device.
  host.cdcSetControlLineState = () => {
    usb.sendSetupPacket(Uint8Array.of(0x21, 0x22, 3, 0, 0, 0, 0, 0));
    host.initialized = true;
  };
  // USB 2.0, 8.4.5: an endpoint for which the host has nothing is not asked. The emulator's host sends it empty packets.
  let room = 0;
  const waiting = [];
  const send = () => {
    if (room === 0 || waiting.length === 0) return;
    const packet = waiting.splice(0, room);
    room = 0;
    usb.endpointReadDone(host.outEndpoint, Uint8Array.from(packet));
  };
  usb.onEndpointRead = (endpoint, size) => {
    if (endpoint !== host.outEndpoint) return;
    room = size;
    send();
  };
  host.send = (bytes) => {
    waiting.push(...bytes);
    send();
  };
  return host;
}
