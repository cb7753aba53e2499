// The room sensor (Sensirion SHT4x datasheet): address 0x44, command 0xfd, two words with a checksum each.
const ADDRESS = 0x44;
const MEASURE = 0xfd;

function checksum(bytes) {
  let crc = 0xff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80 ? ((crc << 1) ^ 0x31) & 0xff : (crc << 1) & 0xff;
  }
  return crc;
}

/** Attaches a sensor to a bus. `room` is { celsius, humidity, fault: null | 'nak' | 'crc' } and may change at any time. */
export function attach(bus, room) {
  let selected = false;
  let answer = [];
  const word = (value) => {
    const raw = Math.max(0, Math.min(0xffff, Math.round(value)));
    const bytes = [raw >> 8, raw & 0xff];
    return [...bytes, checksum(bytes) ^ (room.fault === 'crc' ? 1 : 0)];
  };
  bus.onStart = () => bus.completeStart();
  bus.onStop = () => bus.completeStop();
  bus.onConnect = (address) => {
    selected = address === ADDRESS && room.fault !== 'nak';
    bus.completeConnect(selected);
  };
  bus.onWriteByte = (byte) => {
    if (byte === MEASURE) {
      answer = [...word(((room.celsius + 45) / 175) * 0xffff), ...word(((room.humidity + 6) / 125) * 0xffff)];
    }
    bus.completeWrite(selected);
  };
  bus.onReadByte = () => bus.completeRead(answer.shift() ?? 0xff);
}
