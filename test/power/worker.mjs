/**
 * A client of a session: makes the calls of a plan one after the other, and writes down when each began
 * and when it returned.
 *
 * Rule: plain Node in a process of its own, which knows nothing of what should come of it. Arguments: the
 * directory to work in, the plan (a JSON file), the file for the notes, seconds.
 */

import fs from 'node:fs';
import { join } from 'node:path';

const [dir, planFile, notesFile, seconds] = process.argv.slice(2);
const plan = JSON.parse(fs.readFileSync(planFile, 'utf8'));
const notes = fs.openSync(notesFile, 'a');
const endsAt = performance.now() + Number(seconds) * 1000;
const now = () => Number(process.hrtime.bigint());
const at = (path) => join(dir, path);
const sleeper = new Int32Array(new SharedArrayBuffer(4));

function withFile(path, flags, use) {
  const fd = fs.openSync(at(path), flags);
  try {
    return use(fd);
  } finally {
    fs.closeSync(fd);
  }
}

const calls = {
  pause: ({ ms }) => void Atomics.wait(sleeper, 0, 0, ms),
  mkdir: ({ path }) => fs.mkdirSync(at(path), { mode: 0o755 }),
  create: ({ path }) => withFile(path, 'wx', () => undefined),
  write: ({ path, offset, tag, length }) =>
    withFile(path, 'r+', (fd) => fs.writeSync(fd, Buffer.alloc(length, tag), 0, length, offset)),
  append: ({ path, tag, length }) =>
    withFile(path, 'a', (fd) => fs.writeSync(fd, Buffer.alloc(length, tag))),
  truncate: ({ path, size }) => fs.truncateSync(at(path), size),
  rename: ({ path, to }) => fs.renameSync(at(path), at(to)),
  link: ({ path, to }) => fs.linkSync(at(path), at(to)),
  symlink: ({ path, to }) => fs.symlinkSync(to, at(path)),
  unlink: ({ path }) => fs.unlinkSync(at(path)),
  rmdir: ({ path }) => fs.rmdirSync(at(path)),
  chmod: ({ path, mode }) => fs.chmodSync(at(path), mode),
  fsync: ({ path }) => withFile(path, 'r', (fd) => fs.fsyncSync(fd)),
  fdatasync: ({ path }) => withFile(path, 'r', (fd) => fs.fdatasyncSync(fd)),
};

for (const [index, step] of plan.entries()) {
  if (performance.now() > endsAt) break;
  const start = now();
  let error;
  try {
    calls[step.op](step);
  } catch (failure) {
    error = failure.code ?? String(failure);
  }
  fs.writeSync(notes, `${JSON.stringify({ index, start, end: now(), error })}\n`);
}
