/**
 * The client of the growth benchmark: does one kind of operation many times, prints µs for one.
 *
 * Rule: a process of its own: what it measures may be a mount, and a mount may hang.
 *
 *   node growth-client.js KIND DIR COUNT     with KIND one of the functions below
 */

import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { makeRandom } from './inputs.js';

const FILES_PER_DIRECTORY = 1000;
const BLOCK = Buffer.alloc(4096, 'x');

const pathOf = (dir, at) => join(dir, `d${Math.floor(at / FILES_PER_DIRECTORY)}`, `f${at}`);
const each = (count, act) => {
  for (let at = 0; at < count; at += 1) act(at);
};

const KINDS = {
  /** Files first to first + count - 1, as `fill FIRST COUNT`; 100 bytes each. */
  fill: (dir, count, first) =>
    each(count, (at) => {
      const number = first + at;
      if (number % FILES_PER_DIRECTORY === 0)
        mkdirSync(join(dir, `d${number / FILES_PER_DIRECTORY}`));
      writeFileSync(pathOf(dir, number), BLOCK.subarray(0, 100));
    }),
  create: (dir, count) => each(count, (at) => writeFileSync(join(dir, `new${at}`), BLOCK)),
  overwrite: (dir, count) =>
    each(count, (at) => writeFileSync(join(dir, `new${at}`), `changed ${at}`)),
  append: (dir, count) => each(count, (at) => appendFileSync(join(dir, `new${at}`), 'more')),
  rename: (dir, count) =>
    each(count, (at) => renameSync(join(dir, `new${at}`), join(dir, `moved${at}`))),
  unlink: (dir, count) => each(count, (at) => unlinkSync(join(dir, `moved${at}`))),
  /** Random files among `total`: mostly not in any cache of the kernel. */
  stat: (dir, count, total) => {
    const random = makeRandom(9);
    each(count, () => statSync(pathOf(dir, random(total))));
  },
  read: (dir, count, total) => {
    const random = makeRandom(10);
    each(count, () => readFileSync(pathOf(dir, random(total))));
  },
  list: (dir, count, total) => {
    const random = makeRandom(11);
    const directories = Math.max(1, Math.floor(total / FILES_PER_DIRECTORY));
    each(count, () => readdirSync(join(dir, `d${random(directories)}`)));
  },
  /** Versions of one file, a page in the middle of 64 KiB changed for each. */
  versions: (dir, count, first) => {
    const path = join(dir, 'versions');
    if (first === 0) writeFileSync(path, Buffer.alloc(65_536, 'x'));
    each(count, (at) => {
      const fd = openSync(path, 'r+');
      writeSync(fd, `version ${first + at}`, 4096 * ((first + at) % 16));
      closeSync(fd);
    });
  },
  listVersions: (dir, count) => each(count, () => readdirSync(join(dir, '.versions', 'versions'))),
  readVersion: (dir, count) =>
    each(count, () => readFileSync(join(dir, '.versions', 'versions', '~1'))),
};

const [kind, dir, count, extra] = process.argv.slice(2);
const start = performance.now();
KINDS[kind](dir, Number(count), Number(extra ?? 0));
process.stdout.write(String(((performance.now() - start) * 1000) / Number(count)));
