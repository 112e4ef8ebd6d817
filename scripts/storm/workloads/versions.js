/**
 * Files saved again and again, in the ways in which programs save: each close that changed content is a
 * version, in that order, and nothing else is.
 */

import {
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { labelledText } from '../random.js';

export const processes = 2;

const FILES = 4;
/** Contents beyond this are begun anew. */
const MAX_BYTES = 60_000;
/** Every one of them is read again at the end, so there must be an end to them. */
const MAX_VERSIONS = 400;

const fileName = (worker, index) => `saved-${worker}-${index}.txt`;
const hash = (text) => createHash('sha256').update(text).digest('hex').slice(0, 20);

export async function work(context) {
  const { tally, random, worker, dir } = context;
  const files = Array.from({ length: FILES }, (_, index) => ({
    name: fileName(worker, index),
    path: join(dir, fileName(worker, index)),
    text: '',
    saves: 0,
    /** What was closed, one after the other. @type {{ how: string, hash: string, size: number }[]} */
    versions: [],
  }));
  while (!context.isOver()) {
    const file = random.pick(files);
    if (file.versions.length >= MAX_VERSIONS) {
      check(context, file);
      continue;
    }
    const usable = Object.keys(WAYS).filter((way) => file.saves > 0 || way === 'truncate');
    const how = random.pick(usable);
    file.saves += 1;
    const before = file.text;
    tally.attempt(`save ${file.name} by ${how}`, () => WAYS[how](file, random));
    if (file.text !== before) {
      file.versions.push({ how, hash: hash(file.text), size: file.text.length });
    }
    if (random.chance(0.05)) check(context, file);
  }
  context.keep(
    'files',
    files.map(({ name, versions }) => ({ name, versions })),
  );
}

function withOpen(path, flags, use) {
  const fd = openSync(path, flags);
  try {
    use(fd);
  } finally {
    closeSync(fd);
  }
}

function contentOf({ name, saves }, random) {
  return labelledText(`${name} ${saves}`, random.whole(40, 9000));
}

const WAYS = {
  truncate: (file, random) => {
    file.text = contentOf(file, random);
    withOpen(file.path, 'w', (fd) => writeSync(fd, file.text));
  },
  parts: (file, random) => {
    file.text = contentOf(file, random);
    const middle = random.whole(1, file.text.length);
    withOpen(file.path, 'w', (fd) => {
      writeSync(fd, file.text.slice(0, middle));
      writeSync(fd, file.text.slice(middle));
    });
  },
  append: (file, random) => {
    if (file.text.length > MAX_BYTES) {
      WAYS.truncate(file, random);
      return;
    }
    const line = contentOf(file, random);
    file.text += line;
    withOpen(file.path, 'a', (fd) => writeSync(fd, line));
  },
  inPlace: (file, random) => {
    const line = contentOf(file, random).slice(0, 60);
    const at = random.whole(0, file.text.length);
    file.text = file.text.slice(0, at) + line + file.text.slice(at + line.length);
    withOpen(file.path, 'r+', (fd) => writeSync(fd, line, at));
  },
  replace: (file, random) => {
    file.text = contentOf(file, random);
    writeFileSync(`${file.path}.new`, file.text);
    renameSync(`${file.path}.new`, file.path);
  },
  /** Two writers at once: only the last one's close cuts. */
  twoWriters: (file, random) => {
    const line = contentOf(file, random);
    file.text = `${line}${line}`;
    withOpen(file.path, 'r+', (second) => {
      withOpen(file.path, 'w', (first) => writeSync(first, line));
      writeSync(second, line, line.length);
    });
  },
  /** One writer stays while others come and go: none of their closes is the last one. */
  heldOpen: (file, random) => {
    const line = contentOf(file, random).slice(0, 50);
    const times = random.whole(5, 40);
    file.text = line.repeat(times);
    withOpen(file.path, 'w', () => {
      for (let time = 0; time < times; time += 1) {
        withOpen(file.path, 'r+', (fd) => writeSync(fd, line, time * line.length));
      }
    });
  },
  /** The same bytes again make no version. */
  again: (file) => {
    withOpen(file.path, constants.O_WRONLY, (fd) => writeSync(fd, file.text));
  },
};

/** The last writer's close is told to the server before whoever closed asks it anything else. */
function check({ tally, dir }, file) {
  const place = join(dir, '.versions', file.name);
  const names = tally.attempt(`list ${place}`, () => listVersions(place));
  tally.expect(`versions of ${file.name} so far`, names?.length, file.versions.length);
  const last = names?.at(-1);
  if (last === undefined) return;
  const seen = tally.attempt(`read ${last}`, () => readFileSync(join(place, last), 'utf8'));
  tally.expect(`${last} of ${file.name}`, seen, file.text);
}

const listVersions = (place) =>
  readdirSync(place)
    .filter((name) => /^r\d+/.test(name))
    .toSorted();

export async function verify(context) {
  for (let worker = 0; worker < processes; worker += 1) {
    for (const file of context.recall('files', worker)) verifyFile(context, file);
  }
}

function verifyFile({ tally, dir }, { name, versions }) {
  const place = join(dir, '.versions', name);
  const names = tally.attempt(`list ${place}`, () => listVersions(place)) ?? [];
  const wanted = versions.map((version) => version.hash);
  const contents = names.map((version) => ({
    version,
    text: tally.attempt(`read ${version}`, () => readFileSync(join(place, version), 'utf8')) ?? '',
  }));
  const seen = contents.map(({ text }) => hash(text));
  if (tally.expect(`versions of ${name}`, seen.join(' '), wanted.join(' '))) return;
  const at = seen.findIndex((one, index) => one !== wanted[index]);
  const around = contents
    .slice(Math.max(0, at - 2), at + 3)
    .map(({ version, text }) => `${version}: ${text.length} bytes, ${wanted.indexOf(hash(text))}`);
  const expected = versions
    .slice(Math.max(0, at - 2), at + 3)
    .map(({ how, size }) => `${how}: ${size} bytes`);
  tally.fail(
    `versions of ${name} from number ${at} on (${seen.length}, want ${wanted.length})`,
    `there are [${around.join(', ')}], saved were [${expected.join(', ')}]`,
  );
}
