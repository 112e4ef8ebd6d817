/**
 * How a supervisor that replaces itself by another program hands on what it holds: its descriptors, which
 * stay open across execve(2), and a note among them that says what they are.
 *
 * The process keeps its number, its parent and its children; only the program in it is another. What a
 * service manager kept (inherited.ts) comes under the same names, so that a start after a crash goes on
 * in the same way.
 */

import { closeSync, readFileSync, writeFileSync } from 'node:fs';

import { decodeTrusted } from '../control/json.ts';
import { libc, lastErrno, addressOf } from '../fuse/libc.ts';
import { errnoName } from '../shared/errno.ts';
import { SessfsError } from '../shared/errors.ts';

const NOTE = 'SESSFS_HANDOVER';
const FD_CLOEXEC = 1;
const STANDARD_STREAMS = [0, 1, 2];

/** What each descriptor is called, here and in the store of a service manager. */
export const DescriptorName = {
  lock: 'lock',
  control: 'control',
  fuse: (id: string) => `fuse.${id}`,
  vitals: (id: string) => `vitals.${id}`,
} as const;

/** A volume server that runs on while its supervisor becomes another program. */
export interface RunningServer {
  readonly pid: number;
  readonly eventFd: number;
}

export interface Handover {
  /** How many programs this process has been before. */
  readonly generation: number;
  readonly descriptors: ReadonlyMap<string, number>;
  /** By session. */
  readonly servers: ReadonlyMap<string, RunningServer>;
}

export const NOTHING_HANDED_OVER: Handover = {
  generation: 0,
  descriptors: new Map(),
  servers: new Map(),
};

/** Takes what this process handed to itself, and removes the note. */
export function takeHandover(env: NodeJS.ProcessEnv, pid: number = process.pid): Handover {
  const [owner, noteFd] = (env[NOTE] ?? '').split(':').map(Number);
  delete env[NOTE];
  if (owner !== pid || noteFd === undefined) return NOTHING_HANDED_OVER;
  const read = decodeTrusted<Note>(readFileSync(`/proc/self/fd/${noteFd}`, 'utf8'));
  closeSync(noteFd);
  for (const fd of descriptorsOf(read)) libc().setDescriptorFlags(fd, FD_CLOEXEC);
  return {
    generation: read.generation,
    descriptors: new Map(Object.entries(read.descriptors)),
    servers: new Map(Object.entries(read.servers)),
  };
}

/**
 * Becomes the program that is on disk now, with the same arguments. Does not return.
 *
 * @throws {SessfsError} FAILED If it cannot: then nothing has changed.
 */
export function execSelf(handover: Handover): never {
  const note: Note = {
    generation: handover.generation,
    descriptors: Object.fromEntries(handover.descriptors),
    servers: Object.fromEntries(handover.servers),
  };
  const fds = descriptorsOf(note);
  // Node marks its standard streams too, to be closed in children that do not ask for them.
  for (const fd of [...STANDARD_STREAMS, ...fds]) libc().setDescriptorFlags(fd, 0);
  // Not in the environment itself: one variable there has 128 KiB at most.
  const noteFd = libc().memfdCreate('sessfs-handover', 0);
  writeFileSync(noteFd, JSON.stringify(note));
  const argv = packStrings([process.execPath, ...process.execArgv, ...process.argv.slice(1)]);
  const env = packStrings(
    Object.entries({ ...process.env, [NOTE]: `${process.pid}:${noteFd}` }).map(
      ([name, value]) => `${name}=${value ?? ''}`,
    ),
  );
  libc().execve(process.execPath, argv.pointers, env.pointers);
  const errno = errnoName(lastErrno());
  closeSync(noteFd);
  for (const fd of fds) libc().setDescriptorFlags(fd, FD_CLOEXEC);
  throw new SessfsError('FAILED', `Cannot start "${process.execPath}" in this process: ${errno}`, {
    hint: 'Everything runs on as it was; put the program right, and try again',
  });
}

interface Note {
  readonly generation: number;
  readonly descriptors: Readonly<Record<string, number>>;
  readonly servers: Readonly<Record<string, RunningServer>>;
}

const descriptorsOf = (note: Note): number[] => [
  ...Object.values(note.descriptors),
  ...Object.values(note.servers).map((server) => server.eventFd),
];

/** An array of C strings, with the bytes that keep them alive. */
function packStrings(texts: readonly string[]): { pointers: Buffer; strings: Buffer } {
  const parts = texts.map((text) => Buffer.from(`${text}\0`));
  const strings = Buffer.allocUnsafeSlow(parts.reduce((sum, part) => sum + part.length, 0) + 1);
  const pointers = Buffer.allocUnsafeSlow((texts.length + 1) * 8).fill(0);
  const start = addressOf(strings);
  let offset = 0;
  for (const [index, part] of parts.entries()) {
    part.copy(strings, offset);
    pointers.writeBigUInt64LE(BigInt(start + offset), index * 8);
    offset += part.length;
  }
  return { pointers, strings };
}
