// Reads an AsyncAPI document with the makers' own parser. Usage: node asyncapi.mjs FILE
import { readFileSync } from 'node:fs';
import parser from '@asyncapi/parser';

const { document, diagnostics } = await new parser.Parser().parse(readFileSync(process.argv[2], 'utf8'));
const LEVELS = ['error', 'warning', 'information', 'hint'];
for (const d of diagnostics) console.log(LEVELS[d.severity], d.code, d.path.join('.'), d.message);
const channels = document?.channels().all().length ?? 0;
console.log(`${channels} channels`);
process.exit(document && diagnostics.every((d) => d.severity > 1) ? 0 : 1);
