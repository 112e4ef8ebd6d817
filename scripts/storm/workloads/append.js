/**
 * Lines with numbers, appended to one file by several processes: each line there once, whole, in order.
 */

import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { labelledText } from '../random.js';

export const processes = 3;

/** One that stays open for long, one that is opened for each line as the shell's `>>` does. */
const FILES = { held: 40, opened: 1 };

const lineOf = (worker, number) =>
  labelledText(`${worker}:${number}`, 12 + ((worker * 131 + number * 17) % 300));

export async function work(context) {
  const { tally, worker, random } = context;
  const counts = { held: 0, opened: 0 };
  while (!context.isOver()) {
    const file = random.chance(0.7) ? 'held' : 'opened';
    const fd = tally.attempt(`open ${file}`, () => openSync(join(context.dir, file), 'a'));
    if (fd === undefined) continue;
    for (let left = FILES[file]; left > 0 && !context.isOver(); left -= 1) {
      counts[file] += 1;
      const line = lineOf(worker, counts[file]);
      const written = tally.attempt(`append ${file}`, () => writeSync(fd, line));
      tally.expect(`append ${file} ${counts[file]}`, written, line.length);
    }
    tally.attempt(`close ${file}`, () => closeSync(fd));
  }
  context.keep('counts', counts);
}

export async function verify(context) {
  const { tally } = context;
  for (const file of Object.keys(FILES)) {
    const text = tally.attempt(`read ${file}`, () => readFileSync(join(context.dir, file), 'utf8'));
    const next = Array.from({ length: processes }, () => 1);
    const lines = text?.split('\n') ?? [];
    tally.expect(`the end of ${file}`, lines.pop(), '');
    for (const [index, line] of lines.entries()) {
      const worker = Number(line.split(':')[0]);
      const wanted =
        worker < processes ? lineOf(worker, next[worker]).slice(0, -1) : 'no such line';
      if (!tally.expect(`line ${index + 1} of ${file}`, line, wanted)) break;
      next[worker] += 1;
    }
    for (let worker = 0; worker < processes; worker += 1) {
      const count = context.recall('counts', worker)?.[file];
      tally.expect(`lines of process ${worker} in ${file}`, next[worker] - 1, count);
    }
  }
}
