/**
 * Writers that wait for the disk: O_DSYNC, fsync, fdatasync, a directory's fsync, syncfs.
 */

import {
  closeSync,
  constants,
  fdatasyncSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { labelledText } from '../random.js';

export const processes = 2;

const DSYNC_APPEND =
  constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_DSYNC;

export async function work(context) {
  const { tally, dir, worker, random } = context;
  const pathOf = (name) => join(dir, `${name}-${worker}`);
  const counts = { dsync: 0, sync: 0, atomic: 0 };
  const dsync = tally.attempt('open', () => openSync(pathOf('dsync'), DSYNC_APPEND)) ?? -1;
  const sync = tally.attempt('open', () => openSync(pathOf('sync'), 'a')) ?? -1;
  while (!context.isOver()) {
    const kind = random.pick(Object.keys(counts));
    const number = counts[kind] + 1;
    counts[kind] = number;
    tally.attempt(kind, () => {
      if (kind === 'atomic') replace(dir, worker, number);
      else writeSync(kind === 'dsync' ? dsync : sync, lineOf(kind, number));
      if (kind === 'sync') (random.chance(0.5) ? fsyncSync : fdatasyncSync)(sync);
    });
    if (random.chance(0.02)) tally.shell('syncfs', `sync -f '${dir}'`, { cwd: '/' });
  }
  for (const fd of [dsync, sync]) tally.attempt('close', () => closeSync(fd));
  context.keep('counts', counts);
}

const lineOf = (kind, number) => labelledText(`${kind} ${number}`, 30 + ((number * 71) % 900));

/** As careful programs save a file: all of it on disk before it has its name, and then the name. */
function replace(dir, worker, number) {
  const path = join(dir, `atomic-${worker}`);
  const fd = openSync(`${path}.new`, 'wx');
  writeSync(fd, lineOf('atomic', number));
  fsyncSync(fd);
  closeSync(fd);
  renameSync(`${path}.new`, path);
  const parent = openSync(dir, 'r');
  fsyncSync(parent);
  closeSync(parent);
}

export async function verify({ tally, dir, recall }) {
  for (let worker = 0; worker < processes; worker += 1) {
    const counts = recall('counts', worker);
    for (const kind of Object.keys(counts)) {
      const count = counts[kind];
      if (count === 0) continue;
      const numbers =
        kind === 'atomic' ? [count] : Array.from({ length: count }, (_, at) => at + 1);
      const path = join(dir, `${kind}-${worker}`);
      const seen = tally.attempt(`read ${path}`, () => readFileSync(path, 'utf8'));
      const wanted = numbers.map((number) => lineOf(kind, number)).join('');
      if (seen !== wanted) tally.fail(path, `got ${seen?.length} bytes, want ${wanted.length}`);
    }
  }
}
