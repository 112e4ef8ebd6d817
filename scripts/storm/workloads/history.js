/**
 * A reader of history who stays in it: the working directory is in .versions, a version is open, and
 * both go on for the whole storm.
 */

import {
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { labelledText } from '../random.js';

export const processes = 1;

const VERSIONS = 3;
const SIZE_BYTES = 150_000;

const contentOf = (version) => labelledText(`frozen ${version}`, SIZE_BYTES + version);

export async function prepare({ dir, tally }) {
  for (let version = 0; version < VERSIONS; version += 1) {
    tally.attempt('save', () => writeFileSync(join(dir, 'frozen'), contentOf(version)));
  }
}

export async function work(context) {
  const { tally, dir, random } = context;
  const place = join(dir, '.versions', 'frozen');
  tally.attempt('chdir', () => process.chdir(place));
  const names = tally.attempt('list', list) ?? [];
  const flags = constants.O_RDONLY | constants.O_DIRECT;
  const held = tally.attempt('open', () => openSync(names[1] ?? '', flags)) ?? -1;
  while (!context.isOver()) {
    tally.expect('the listing of "."', tally.attempt('list', list)?.join(), names.join());
    readHeld(context, held);
    const version = random.whole(0, VERSIONS);
    const revision = Number(/^r(\d+)/.exec(names[version] ?? '')?.[1]);
    const paths = [
      names[version] ?? '',
      join(place, names[version] ?? ''),
      join(dir, '.versions', `@r${revision}`, 'frozen'),
    ];
    const path = random.pick(paths);
    const seen = tally.attempt(`read ${path}`, () => readFileSync(path, 'utf8'));
    tally.expect(path, seen, contentOf(version));
  }
  tally.attempt('close', () => closeSync(held));
  process.chdir('/');
}

const list = () =>
  readdirSync('.')
    .filter((name) => /^r\d+/.test(name))
    .toSorted();

function readHeld({ tally, random }, fd) {
  const offset = random.whole(0, SIZE_BYTES - 5000);
  const bytes = Buffer.alloc(5000);
  const count = tally.attempt('read what is held open', () => readSync(fd, bytes, 0, 5000, offset));
  tally.expect('what was read of it', count, 5000);
  const wanted = contentOf(1).slice(offset, offset + 5000);
  tally.expect('the version that is held open', bytes.toString('latin1'), wanted);
}

export async function verify({ tally, dir }) {
  const place = join(dir, '.versions', 'frozen');
  const names = tally.attempt('list', () => readdirSync(place).filter((name) => /^r\d/.test(name)));
  tally.expect('versions', names?.length, VERSIONS);
  for (const [index, name] of (names ?? []).toSorted().entries()) {
    const path = join(place, name);
    const seen = tally.attempt('read', () => readFileSync(path, 'utf8'));
    tally.expect(path, seen, contentOf(index));
    tally.expect(`the size of ${path}`, statSync(path).size, SIZE_BYTES + index);
  }
}
