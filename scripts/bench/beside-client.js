/**
 * Small work on a mount, timed: files saved and read again.
 *
 *   node scripts/bench/beside-client.js DIR SECONDS
 *
 * Prints how many it did in that time, as JSON.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [dir = '', seconds = '1'] = process.argv.slice(2);
const FILES = 500;
const BYTES = 4096;

mkdirSync(dir, { recursive: true });
const content = Buffer.alloc(BYTES);
const endsAt = performance.now() + Number(seconds) * 1000;
let rounds = 0;
while (performance.now() < endsAt) {
  const path = join(dir, `file-${rounds % FILES}`);
  content.writeUInt32LE(rounds);
  writeFileSync(path, content);
  readFileSync(path);
  rounds += 1;
}
process.stdout.write(JSON.stringify({ rounds }));
