/**
 * Works on a mount until SIGTERM, with one file open throughout, and says whether anything was wrong.
 *
 * Usage: node client.js DIRECTORY. Prints {rounds, pauses, errors}; exits 1 if there were errors.
 */

import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

/** What takes longer is a pause that a person could see, in milliseconds. */
const PAUSE_MS = 200;
const ROUND_MS = 2;
const FILES = 20;

const dir = process.argv[2] ?? '.';
const errors = [];
const pauses = [];
const ended = new AbortController();
process.on('SIGTERM', () => ended.abort());

const held = openSync(join(dir, 'held'), 'a');
let rounds = 0;
while (!ended.signal.aborted && errors.length < 20) {
  const beganAt = performance.now();
  try {
    writeSync(held, `${rounds}\n`);
    mkdirSync(join(dir, `d${rounds}`));
    const path = join(dir, `f${rounds % FILES}`);
    writeFileSync(path, String(rounds));
    renameSync(path, `${path}.renamed`);
    const read = readFileSync(`${path}.renamed`, 'utf8');
    if (read !== String(rounds)) errors.push(`round ${rounds}: read ${read}`);
    rmdirSync(join(dir, `d${rounds}`));
  } catch (error) {
    errors.push(`round ${rounds}: ${error.message}`);
  }
  const tookMs = Math.round(performance.now() - beganAt);
  if (tookMs > PAUSE_MS) pauses.push(tookMs);
  rounds += 1;
  await setTimeout(ROUND_MS);
}
closeSync(held);
const lines = readFileSync(join(dir, 'held'), 'utf8').trimEnd().split('\n');
if (lines.length !== rounds || lines.some((line, index) => line !== String(index))) {
  errors.push(`the open file has ${lines.length} lines after ${rounds} rounds, or other ones`);
}
process.stdout.write(`${JSON.stringify({ rounds, pauses, errors })}\n`);
process.exitCode = errors.length === 0 ? 0 : 1;
