// Sparkplug B with the payloads of Eclipse Tahu's makers.
//   node sparkplug.mjs decode    reads lines `topic qos retain hex` and writes each as JSON
//   node sparkplug.mjs rebirth   writes the order by which a host asks for births
import { readFileSync } from 'node:fs';
import sparkplug from 'sparkplug-payload';

const spb = sparkplug.get('spBv1.0');
if (process.argv[2] === 'rebirth') {
  const metric = { name: 'Node Control/Rebirth', type: 'Boolean', value: true };
  process.stdout.write(spb.encodePayload({ timestamp: Date.now(), metrics: [metric] }));
} else {
  // The last line may not be whole yet.
  for (const line of readFileSync(0, 'utf8').split('\n').slice(0, -1)) {
    const [topic, qos, retain, hex] = line.split(' ');
    const payload = spb.decodePayload(Buffer.from(hex, 'hex'));
    const plain = (key, value) => (value?.constructor?.name === 'Long' || value?.low !== undefined ? Number(value) : value);
    console.log(JSON.stringify({ topic, qos: Number(qos), retain: Number(retain), payload }, plain));
  }
}
