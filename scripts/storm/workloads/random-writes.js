/**
 * Random reads and writes of every kind, with a model of what each file holds, as fsx does it.
 *
 * Reads go through the page cache, past it (O_DIRECT), or through a mapping: all must agree.
 */

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  copyRange,
  fallocate,
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  FALLOC_ZERO_RANGE,
  withMapping,
} from '../libc.js';

export const processes = 2;

const FILES = 3;
const MAX_BYTES = 512 * 1024;
const MAX_CHUNK_BYTES = 48 * 1024;

class File {
  bytes = Buffer.alloc(MAX_BYTES);
  size = 0;
  fd = -1;

  constructor(path) {
    this.path = path;
    this.fd = openSync(path, 'w+');
  }

  reopen() {
    closeSync(this.fd);
    this.fd = openSync(this.path, 'r+');
  }

  /** Beyond its end a file is zeros, for the model as well. */
  resize(size) {
    if (size < this.size) this.bytes.fill(0, size, this.size);
    this.size = size;
  }

  grow(end) {
    this.size = Math.max(this.size, end);
  }
}

export async function work(context) {
  const { tally, random, worker } = context;
  const pathOf = (index) => join(context.dir, `fsx-${worker}-${index}`);
  /** @type {File[]} */
  const files = [];
  for (let index = 0; index < FILES; index += 1) {
    const file = tally.attempt('make', () => new File(pathOf(index)));
    if (file === undefined) return;
    files.push(file);
  }
  const kinds = Object.entries(OPERATIONS);
  while (!context.isOver()) {
    const [kind, operate] = random.pick(kinds);
    const file = random.pick(files);
    const offset = random.whole(0, MAX_BYTES - MAX_CHUNK_BYTES);
    const length = random.whole(1, MAX_CHUNK_BYTES);
    const what = `${kind} of ${length} bytes at ${offset} of ${file.path} (${file.size} bytes)`;
    tally.attempt(what, () => operate({ tally, random, file, files, offset, length, what }));
  }
  for (const [index, file] of files.entries()) {
    tally.attempt('close', () => closeSync(file.fd));
    writeFileSync(context.notePath(`bytes-${index}`), file.bytes.subarray(0, file.size));
  }
}

function fill(random, length) {
  const word = random.whole(0, 2 ** 32);
  const data = Buffer.alloc(length);
  for (let at = 0; at + 8 <= length; at += 8) {
    data.writeUInt32LE(word, at);
    data.writeUInt32LE(at, at + 4);
  }
  return data;
}

function writeAt(tally, { file, offset, data, what }) {
  const written = writeSync(file.fd, data, 0, data.length, offset);
  if (!tally.expect(what, written, data.length)) return;
  data.copy(file.bytes, offset);
  file.grow(offset + data.length);
}

function compare(tally, what, { file, offset, seen }) {
  const wanted = file.bytes.subarray(offset, offset + seen.length);
  if (seen.equals(wanted)) return;
  const at = seen.findIndex((byte, index) => byte !== wanted[index]);
  const part = (bytes) => bytes.subarray(at, at + 16).toString('hex');
  tally.fail(what, `from byte ${offset + at} on: got ${part(seen)}, want ${part(wanted)}`);
}

function readAt(tally, { fd, file, offset, length, what }) {
  const seen = Buffer.alloc(length);
  const count = readSync(fd, seen, 0, length, offset);
  const wanted = Math.max(0, Math.min(length, file.size - offset));
  if (tally.expect(`${what}: the length`, count, wanted)) {
    compare(tally, what, { file, offset, seen: seen.subarray(0, count) });
  }
}

const OPERATIONS = {
  write: ({ tally, random, file, offset, length, what }) =>
    writeAt(tally, { file, offset, data: fill(random, length), what }),
  rewrite: ({ tally, random, file, offset, length, what }) =>
    writeAt(tally, {
      file,
      offset: offset % Math.max(file.size, 1),
      data: fill(random, length),
      what,
    }),
  append: ({ tally, random, file, length, what }) => {
    if (file.size + length > MAX_BYTES) return;
    writeAt(tally, { file, offset: file.size, data: fill(random, length), what });
  },
  read: ({ tally, file, offset, length, what }) =>
    readAt(tally, { fd: file.fd, file, offset, length, what }),
  readDirect: ({ tally, file, offset, length, what }) => {
    const fd = openSync(file.path, constants.O_RDONLY | constants.O_DIRECT);
    try {
      readAt(tally, { fd, file, offset, length, what });
    } finally {
      closeSync(fd);
    }
  },
  truncate: ({ file, random }) => {
    const size = random.whole(0, MAX_BYTES);
    ftruncateSync(file.fd, size);
    file.resize(size);
  },
  punch: ({ file, offset, length }) => {
    fallocate(file.fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, offset, length);
    file.bytes.fill(0, offset, offset + length);
  },
  zero: ({ file, offset, length }) => {
    fallocate(file.fd, FALLOC_ZERO_RANGE, offset, length);
    file.bytes.fill(0, offset, offset + length);
    file.grow(offset + length);
  },
  allocate: ({ file, offset, length }) => {
    fallocate(file.fd, 0, offset, length);
    file.grow(offset + length);
  },
  copy: ({ tally, random, file, files, offset, length, what }) => {
    const target = random.pick(files.filter((other) => other !== file));
    const count = copyRange(file.fd, offset, target.fd, offset, length);
    tally.expect(what, count, Math.max(0, Math.min(length, file.size - offset)));
    file.bytes.copy(target.bytes, offset, offset, offset + count);
    if (count > 0) target.grow(offset + count);
  },
  map: ({ tally, random, file, what }) => {
    if (file.size === 0) return;
    withMapping(file.fd, file.size, (bytes) => {
      compare(tally, `${what}, mapped`, { file, offset: 0, seen: Buffer.from(bytes) });
      const offset = random.whole(0, file.size);
      const data = fill(random, random.whole(1, MAX_CHUNK_BYTES)).subarray(0, file.size - offset);
      data.copy(bytes, offset);
      data.copy(file.bytes, offset);
    });
  },
  sync: ({ file }) => fsyncSync(file.fd),
  size: ({ tally, file, what }) => tally.expect(what, fstatSync(file.fd).size, file.size),
  reopen: ({ file }) => file.reopen(),
};

export async function verify(context) {
  const { tally } = context;
  for (let worker = 0; worker < processes; worker += 1) {
    for (let index = 0; index < FILES; index += 1) {
      const path = join(context.dir, `fsx-${worker}-${index}`);
      const bytes = Buffer.from(readFileSync(context.notePath(`bytes-${index}`, worker)));
      const seen = tally.attempt(`read ${path}`, () => readFileSync(path, { flag: direct }));
      tally.expect(`the size of ${path}`, seen?.length, bytes.length);
      if (seen !== undefined) compare(tally, path, { file: { bytes }, offset: 0, seen });
    }
  }
}

/** Past the page cache: what the server says, and not what the kernel remembers. */
const direct = constants.O_RDONLY | constants.O_DIRECT;
